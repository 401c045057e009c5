"""Accuracy and loss of the network of tutorial T5 after each epoch, on training and on test images, raw and scaled."""

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 after each epoch, without dropout: accuracy and loss on training and on test images, "
    "on pixels as they are (a, b) and on pixels from 0 to 1 (c, d). Lines are means over n seeds, bands from the 5 % "
    "to the 95 % quantile of the seeds. Dotted lines mark the tutorial's 5, 10 and 60 epochs; since a shorter training "
    "is the beginning of a longer one, one population shows all three. Ticks above the epochs mark where single runs "
    "have their highest test accuracy or their lowest test loss; runs that have it at the last epoch are not marked."
)

_TUTORIAL_EPOCHS = (5, 10, 60)
_HEIGHT = 4.4
_TICKS = (1, 2, 5, 10, 20, 60, 120, 240)
_LOOKS = {"train": ("training", plotting.COLORS.sky, "--"), "test": ("test", plotting.COLORS.vermillion, "-")}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy and loss over the epochs, for both kinds of pixels."""
    dataset = dataset.assign({f"{part}_percent": 100 * dataset[f"{part}_accuracy"] for part in _LOOKS})
    name = dataset.attrs["title"]
    titles = {"raw": f"{name}, pixels as they are", "scaled": f"{name}, pixels 0…1"}
    with plotting.style():
        figure, rows = plt.subplots(2, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT), sharex=True, sharey="col")
        for pair, letters, (pixels, title) in zip(rows, ("ab", "cd"), titles.items(), strict=True):
            runs = dataset.sel(pixels=pixels)
            for axes, letter, kind in zip(pair, letters, ("percent", "loss"), strict=True):
                _draw_curves(axes, runs, kind)
                _mark_turns(axes, runs, kind)
                axes.set_title(f"({letter}) {title}")
        for axes in rows[1]:
            count = plotting.count_runs(stats.mean(dataset, "test_loss", dim="seed"), "seeds")
            axes.set_xlabel(f"epoch\n{count}")
        rows[0, 0].set(ylim=(0, 103))
        rows[0, 1].set(yscale="log")
        rows[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 0.08))
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset, kind: str) -> None:
    """Mean of the training and of the test curve, with the spread of the seeds."""
    for part, (label, color, line) in _LOOKS.items():
        name = f"{part}_{kind}"
        summary = stats.quantiles(runs, name, dim="seed").drop_vars("median")
        summary = summary.assign(mean=stats.mean(runs, name, dim="seed")["mean"])
        images = f"{runs.attrs[f'{part}_images']:,} {label} images"
        plotting.band(axes, "epoch", summary, label=images, color=color, linestyle=line)
    last = int(runs["epoch"][-1])
    ticks = [tick for tick in _TICKS if tick <= last]
    axes.set(xscale="log", xlim=(1, last), xticks=ticks, xticklabels=list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("accuracy, %" if kind == "percent" else "loss, nats")
    for epoch in _TUTORIAL_EPOCHS:
        axes.axvline(epoch, color="0.6", linewidth=0.8, linestyle=":", zorder=0)


def _mark_turns(axes: Axes, runs: xr.Dataset, kind: str) -> None:
    """A tick for each run at the epoch at which its test curve is best."""
    curve = runs[f"test_{kind}"].where(~runs["diverged"])
    worse = (curve if kind == "loss" else -curve).fillna(float("inf"))
    best = runs["epoch"].values[worse.argmin("epoch").values]
    best = best[~runs["diverged"].values & (best < int(runs["epoch"][-1]))]
    plotting.mark_runs(axes, best, _LOOKS["test"][1], height=0.04)

"""Under-, well- and over-fitted: loss over epochs, over the size of a network, and over the strength of L2."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "A network with one hidden layer on few training images, as tutorial T3 sketches it. Top: loss in training, of the "
    "smallest network, of the size with the least validation loss, and of the largest; the dotted line marks where the "
    "mean validation loss is least. Middle: loss, error and norm of all weights after the last epoch, over the number "
    "of hidden units. Bottom: the same for the largest network over the strength α of L2, which adds ½ α Σw² to the "
    "mean loss. Losses are without the penalty; dotted in (g): the loss of knowing nothing, ln 10. Lines are means "
    "over n seeds; bands are their 95 % Student t intervals, but in (a) to (c) from the 5 % to the 95 % quantile of "
    "the seeds."
)

_HEIGHT = 5.9
_LOOKS = {
    "train": ("training", plotting.COLORS.sky, "--"),
    "validation": ("validation", plotting.COLORS.vermillion, "-"),
}
_KINDS = {"loss": "loss, nats", "error": "error, %", "weights": "norm of the weights"}
_FLOOR = 0.01  # nats; what a training loss does below is no matter here
_MARKS: dict[str, Any] = {"marker": "o", "markersize": 2.5}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the curves of three networks, and what becomes of all of them."""
    dataset = dataset.assign({f"{part}_error": 100 * (1 - dataset[f"{part}_accuracy"]) for part in _LOOKS})
    dataset = dataset.assign(weights=dataset["weight_norm"])
    largest = dataset["units"] == dataset["units"].max()
    sizes = dataset.isel(case=np.flatnonzero(dataset["l2"] == 0)).swap_dims(case="units")
    strengths = dataset.isel(case=np.flatnonzero(largest)).swap_dims(case="l2")
    with plotting.style():
        figure, rows = plt.subplots(3, 3, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        _draw_three(rows[0], sizes)
        for row, letters, runs in ((rows[1], "def", sizes), (rows[2], "ghi", strengths)):
            for axes, letter, kind in zip(row, letters, _KINDS, strict=True):
                _draw_last(axes, runs.isel(epoch=-1), kind)
                axes.set_title(f"({letter}) {kind.capitalize()} over {'size' if runs is sizes else 'L2'}")
        count = plotting.count_runs(stats.mean(dataset, "train_loss", dim="seed"), "seeds")
        name = dataset.attrs["title"]
        images = [f"{dataset.attrs[f'{part}_images']:,} {label}" for part, (label, _, _) in _LOOKS.items()]
        figure.suptitle(f"{name}: {' and '.join(images)} images; {count}", fontsize=8)
    return figure


def _draw_three(row: np.ndarray, sizes: xr.Dataset) -> None:
    """Curves of the smallest, the best and the largest network, on one scale."""
    last = stats.mean(sizes.isel(epoch=-1), "validation_loss", dim="seed")["mean"]
    best = int(last.isel(units=slice(-1)).fillna(math.inf).argmin("units"))
    names = {0: "Under-fitted", best: "Well fitted", sizes.sizes["units"] - 1: "Over-fitted"}
    for axes, letter, place in zip(row, "abc", (0, best, -1), strict=True):
        runs = sizes.isel(units=place)
        for part, (label, color, line) in _LOOKS.items():
            summary = stats.quantiles(runs, f"{part}_loss", dim="seed").drop_vars("median")
            summary = summary.assign(mean=stats.mean(runs, f"{part}_loss", dim="seed")["mean"])
            plotting.band(axes, "epoch", summary, label=label, color=color, linestyle=line)
            if part == "validation":
                turn = int(summary["epoch"][int(summary["mean"].fillna(math.inf).argmin("epoch"))])
                axes.axvline(turn, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        units = int(runs["units"])
        name = names[place % sizes.sizes["units"]]
        axes.set(yscale="log", xlabel="epoch", title=f"({letter}) {name}: {units:,} unit{'s' * (units > 1)}")
    row[0].set_ylabel(_KINDS["loss"])
    row[0].legend(loc="lower left")
    limits = [axes.get_ylim() for axes in row]
    for axes in row:
        axes.set_ylim(max(min(low for low, _ in limits), _FLOOR), max(high for _, high in limits))


def _draw_last(axes: Axes, runs: xr.Dataset, kind: str) -> None:
    """One quantity after the last epoch, over sizes or strengths; strength 0 stands left of the others."""
    (dim,) = {"units", "l2"} & set(runs.dims)
    x = runs[dim].values.astype(float)
    if dim == "l2":
        x[0] = x[1] / 10
        axes.axvspan(x[0] / 3, x[0] * 3, color="0.93", linewidth=0)
    if kind == "weights":
        plotting.band(axes, x, stats.mean(runs, "weights", dim="seed"), color=plotting.COLORS.black, **_MARKS)
    else:
        for part, (label, color, line) in _LOOKS.items():
            summary = stats.mean(runs, f"{part}_{kind}", dim="seed")
            plotting.band(axes, x, summary, label=label, color=color, linestyle=line, **_MARKS)
    axes.set(xscale="log", xlabel="hidden units" if dim == "units" else "strength α of L2", ylabel=_KINDS[kind])
    if kind == "error":
        axes.set_ylim(0, 100)
    elif not (kind == "weights" and dim == "units"):
        axes.set_yscale("log")
    if dim == "units":
        axes.set(xticks=x, xticklabels=[f"{units:g}" for units in x])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        decades = [10.0**k for k in range(math.ceil(math.log10(x[1])), math.floor(math.log10(x[-1])) + 1, 2)]
        labels = [f"$10^{{{round(math.log10(decade))}}}$" for decade in decades]
        axes.set(xticks=[x[0], *decades], xticklabels=["0", *labels])
        axes.xaxis.set_minor_locator(NullLocator())
        if kind == "loss":
            axes.axhline(math.log(10), color="0.6", linewidth=0.8, linestyle=":", zorder=0)

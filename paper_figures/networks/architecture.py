"""Accuracy of the networks A, B and C of tutorial T5, with their sizes, and over the learning rate."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "The networks A, B and C of tutorial T5, with sigmoid, dropout before the output, and three epochs or as many "
    "steps. Left: test accuracy after the last epoch at the tutorial's learning rate, 0.1, with the number of "
    "parameters below each: large marks are means over n seeds with their 95 % Student t intervals, small ones "
    "single seeds (at most 64). Middle and right: the same over the learning rate, on pixels as they are and on "
    "pixels from 0 to 1; bands are 95 % Student t intervals of the mean; the dotted line marks the tutorial's "
    "rate. Dropout is off where accuracy is measured."
)

_HEIGHT = 2.9
_SHOWN_SEEDS = 64
_LOOKS = {
    "A": (plotting.COLORS.blue, "o"),
    "B": (plotting.COLORS.vermillion, "^"),
    "C": (plotting.COLORS.green, "s"),
}
_PIXELS = {"raw": "none", "scaled": "full"}
_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_TOP = 1.3  # of the highest accuracy possible: room for the legend


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy against size beside accuracy over the learning rate, for both kinds of pixels."""
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1)
    last = last.assign(percent=100 * last["test_accuracy"])
    with plotting.style():
        figure, axes = plt.subplots(1, 3, figsize=(plotting.PAGE_WIDTH, _HEIGHT), sharey=True, width_ratios=(1.2, 1, 1))
        rate = dataset.attrs["tutorial_rate"]
        _draw_networks(axes[0], dataset, last.sel(learning_rate=rate, method="nearest"))
        axes[0].set_title(f"(a) {dataset.attrs['title']}, learning rate {rate:g}")
        titles = (f"(b) Pixels 0…{dataset.attrs['brightest']}", "(c) Pixels 0…1")
        for panel, pixels, title in zip(axes[1:], _PIXELS, titles, strict=True):
            _draw_rates(panel, dataset, last.sel(pixels=pixels))
            panel.set_title(title)
        axes[0].set(ylim=(0, 100 * _TOP), yticks=range(0, 101, 20), ylabel="test accuracy, %")
        axes[1].legend(loc="upper left", ncols=1, handlelength=1.8, borderaxespad=0)
    return figure


def _draw_networks(axes: Axes, dataset: xr.Dataset, runs: xr.Dataset) -> None:
    """Means with their intervals, and single seeds, of each network; its size below its name."""
    for place, (network, (color, mark)) in enumerate(_LOOKS.items()):
        for offset, (pixels, fill) in zip((-0.16, 0.16), _PIXELS.items(), strict=True):
            of_it = runs.sel(network=network, pixels=pixels)
            seeds = of_it["percent"].where(~of_it["diverged"]).isel(seed=slice(_SHOWN_SEEDS))
            beside = place + offset + np.sign(offset) * 0.14
            axes.plot(np.full(seeds.shape, beside), seeds, mark, color=color, markersize=1.5, alpha=0.4)
            summary = stats.mean(of_it, "percent", dim="seed")
            mean, low, high = (float(summary[part]) for part in ("mean", "low", "high"))
            spread = [[mean - low], [high - mean]] if np.isfinite([low, mean, high]).all() else None
            look: dict[str, Any] = {"fmt": mark, "color": color, "fillstyle": fill, "markersize": 5, "capsize": 2}
            axes.errorbar([place + offset], [mean], spread, **look)
    for pixels, fill in _PIXELS.items():
        text = f"pixels 0…{dataset.attrs['brightest'] if pixels == 'raw' else 1}"
        axes.plot([], [], "o", color="0.3", fillstyle=fill, label=text)
    names = [f"{network}\n{int(dataset['parameters'].sel(network=network)):,}" for network in _LOOKS]
    axes.set_xticks(range(len(names)), names)
    axes.set(xlim=(-0.5, len(names) - 0.5), xlabel=f"parameters\n{_count(runs)}")
    axes.legend(loc="upper left", borderaxespad=0)


def _draw_rates(axes: Axes, dataset: xr.Dataset, runs: xr.Dataset) -> None:
    """Mean accuracy over the learning rate, for each network."""
    for network, (color, mark) in _LOOKS.items():
        summary = stats.mean(runs.sel(network=network), "percent", dim="seed")
        label = f"{network}: {dataset['layers'].sel(network=network).item()}"
        plotting.band(axes, "learning_rate", summary, label=label, color=color, marker=mark, markersize=3)
    axes.axvline(dataset.attrs["tutorial_rate"], ymax=1 / _TOP, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    low, high = float(runs["learning_rate"].min()) / 1.25, float(runs["learning_rate"].max()) * 1.25
    axes.set_xlim(low, high)
    axes.set(xscale="log", xlabel=f"learning rate\n{_count(runs)}")
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _count(runs: xr.Dataset) -> str:
    return plotting.count_runs(stats.mean(runs, "percent", dim="seed"), "seeds")

"""What unscaled pixels do: flat units before and after training, the best learning rate, ReLU against sigmoid."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 on pixels as they are, divided by the brightest possible, and standardised. (a) Share "
    "of units of each hidden layer and test images at which the activation is flat, its slope below 5 % of its "
    "largest, before training (hollow) and after training at the tutorial's learning rate, 0.1 (filled). (b) Learning "
    "rate at which a seed is the most accurate: geometric mean over the seeds. (c) Test accuracy with ReLU over the "
    "learning rate. (d) ReLU minus sigmoid, seed by seed. Marks and lines are means over n seeds; bars and bands are "
    "their 95 % Student t intervals, where a mean over logarithms has that of the logarithms. Networks that have "
    "overflowed are as accurate as their constant answer, and their units count as flat."
)

_HEIGHT = 4.9
_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_LOOKS: dict[str, dict[str, Any]] = {
    "raw": {"color": plotting.COLORS.blue, "marker": "o"},
    "scaled": {"color": plotting.COLORS.vermillion, "marker": "^"},
    "standardised": {"color": plotting.COLORS.green, "marker": "s"},
}
_ACTIVATIONS = {"sigmoid": "sigmoid", "relu": "ReLU"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw shares of flat units and best learning rates above the accuracy of ReLU and its gain over sigmoid."""
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1, drop=True)
    last = last.assign(percent=100 * last["test_accuracy"])
    with plotting.style():
        figure, axes = plt.subplots(2, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        rate = dataset.attrs["tutorial_rate"]
        _draw_flat(axes[0, 0], dataset[["flat", "diverged"]].sel(learning_rate=rate, method="nearest"))
        axes[0, 0].set_title(f"(a) {dataset.attrs['title']}, flat units")
        _draw_best(axes[0, 1], last)
        axes[0, 1].set_title("(b) Best learning rate")
        _draw_relu(axes[1, 0], last.sel(activation="relu"))
        axes[1, 0].set_title("(c) Accuracy with ReLU")
        _draw_gain(axes[1, 1], last)
        axes[1, 1].set_title("(d) ReLU against sigmoid")
        labels = {"raw": f"0…{dataset.attrs['brightest']}, as they are", "scaled": "0…1"}
        keys = [Line2D([], [], label=f"pixels {labels.get(pixels, pixels)}", **look) for pixels, look in _LOOKS.items()]
        figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def _draw_flat(axes: Axes, runs: xr.Dataset) -> None:
    """Before and after training, joined: activations side by side, in each its layers, in each the three pixels."""
    runs = runs.assign(percent=100 * runs["flat"])
    layers = runs["layer"].values.tolist()
    for group, activation in enumerate(_ACTIVATIONS):
        for number, layer in enumerate(layers):
            for place, (pixels, look) in enumerate(_LOOKS.items()):
                x = group * len(layers) + number + (place - 1) * 0.24
                of_it = runs.sel(activation=activation, layer=layer, pixels=pixels)
                summary = stats.mean(of_it, "percent", dim="seed")
                axes.plot([x, x], summary["mean"].sel(moment=["start", "end"]), color=look["color"], linewidth=0.8)
                for moment, fill in (("start", "white"), ("end", look["color"])):
                    at = summary.sel(moment=moment)
                    _draw_point(axes, x, at, look | {"markerfacecolor": fill})
    names = [f"{name}\nlayer {layer}" for name in _ACTIVATIONS.values() for layer in layers]
    axes.set_xticks(range(len(names)), names)
    keys = [
        Line2D([], [], color="0.3", marker="o", linestyle="", markerfacecolor=fill, markersize=4, label=label)
        for fill, label in (("white", "before training"), ("0.3", "after"))
    ]
    axes.legend(handles=keys, loc="upper left")
    axes.set(ylim=(-4, 124), yticks=range(0, 101, 25), ylabel="flat units and images, %")
    axes.set_xlabel(_count(runs, "percent"))


def _draw_best(axes: Axes, last: xr.Dataset) -> None:
    """Geometric mean over the seeds of the rate at which each is the most accurate."""
    accuracy = last["percent"].where(~last["diverged"]).fillna(-1.0)
    logs = xr.DataArray(np.log10(last["learning_rate"].values), dims="learning_rate")
    gone = last["diverged"].all("learning_rate")
    best = xr.Dataset({"log": logs.isel(learning_rate=accuracy.argmax("learning_rate")), "diverged": gone})
    for group, activation in enumerate(_ACTIVATIONS):
        for place, (pixels, look) in enumerate(_LOOKS.items()):
            summary = stats.mean(best.sel(activation=activation, pixels=pixels), "log", dim="seed")
            powers = 10 ** summary[["mean", "low", "high"]]
            _draw_point(axes, group + (place - 1) * 0.2, powers, look)
    rate = last.attrs["tutorial_rate"]
    axes.axhline(rate, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.annotate("T5", (-0.5, rate), (2, 2), textcoords="offset points", fontsize=6, color="0.4")
    axes.set_xticks(range(len(_ACTIVATIONS)), list(_ACTIVATIONS.values()))
    low, high = float(last["learning_rate"].min()), float(last["learning_rate"].max())
    axes.set(xlim=(-0.5, len(_ACTIVATIONS) - 0.5), ylim=(low / 1.25, high * 1.25))
    axes.set(yscale="log", ylabel="learning rate", xlabel=_count(best, "log"))
    axes.set_yticks(ticks := _choose_ticks(last), [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _draw_point(axes: Axes, x: float, summary: xr.Dataset, look: dict[str, Any]) -> None:
    mean, low, high = (float(summary[part]) for part in ("mean", "low", "high"))
    spread = [[mean - low], [high - mean]] if np.isfinite([low, mean, high]).all() else None
    axes.errorbar([x], [mean], spread, capsize=1.5, linestyle="", markersize=4, elinewidth=0.8, **look)


def _draw_relu(axes: Axes, runs: xr.Dataset) -> None:
    for pixels, look in _LOOKS.items():
        summary = stats.mean(runs.sel(pixels=pixels), "percent", dim="seed")
        plotting.band(axes, "learning_rate", summary, markersize=3, **look)
    axes.set(ylim=(0, 100), yticks=range(0, 101, 25), ylabel="test accuracy, %")
    _label_rates(axes, runs)


def _draw_gain(axes: Axes, last: xr.Dataset) -> None:
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    for pixels, look in _LOOKS.items():
        gain = stats.paired_difference(last.sel(pixels=pixels), "percent", "seed", "activation", "sigmoid")
        plotting.band(axes, "learning_rate", gain.sel(activation="relu", drop=True), markersize=3, **look)
    axes.set(ylim=(-100, 100), yticks=range(-100, 101, 50), ylabel="gain in test accuracy, points")
    _label_rates(axes, last)


def _label_rates(axes: Axes, runs: xr.Dataset) -> None:
    axes.axvline(runs.attrs["tutorial_rate"], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    low, high = float(runs["learning_rate"].min()), float(runs["learning_rate"].max())
    axes.set_xlim(low / 1.25, high * 1.25)
    axes.set(xscale="log", xlabel=f"learning rate\n{_count(runs, 'percent')}")
    axes.set_xticks(ticks := _choose_ticks(runs), [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _choose_ticks(runs: xr.Dataset) -> list[float]:
    low, high = float(runs["learning_rate"].min()), float(runs["learning_rate"].max())
    return [tick for tick in _TICKS if low / 1.01 <= tick <= high * 1.01]


def _count(runs: xr.Dataset, name: str) -> str:
    return plotting.count_runs(stats.mean(runs, name, dim="seed"), "seeds")

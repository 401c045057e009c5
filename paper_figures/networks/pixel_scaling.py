"""What unscaled pixels do: flat units before and after training, the best learning rate, ReLU against sigmoid."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxreg import plotting, stats
from jaxreg.study import at

CAPTION = (
    "The network of tutorial T5 on pixels as they are, divided by the brightest possible, and standardised. (a) Share "
    "of units of each hidden layer and test images at which the activation is flat, its slope below 5 % of its "
    "largest, before training (hollow) and after training at the tutorial's learning rate, 0.1 (filled). (b) Learning "
    "rate at which a seed is the most accurate: geometric mean over the seeds. (c) Test accuracy with ReLU over the "
    "learning rate. (d) ReLU minus sigmoid, seed by seed. Marks and lines are means over n seeds; bars and bands are "
    "their 95 % Student t intervals, where a mean over logarithms has that of the logarithms. Networks that have "
    "overflowed are as accurate as their constant answer, and their units count as flat."
)

_LOOKS: plotting.Looks = {
    "raw": {"color": plotting.COLORS.blue, "marker": "o"},
    "scaled": {"color": plotting.COLORS.vermillion, "marker": "^"},
    "standardised": {"color": plotting.COLORS.green, "marker": "s"},
}
_ACTIVATIONS = {"sigmoid": "sigmoid", "relu": "ReLU"}
_POINT: dict[str, Any] = {"capsize": 1.5, "elinewidth": 0.8}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw shares of flat units and best learning rates above the accuracy of ReLU and its gain over sigmoid."""
    last = dataset.isel(epoch=-1)
    with plotting.page("ab;cd", 4.9) as (figure, panels):
        _draw_flat(panels["a"], at(last, learning_rate=dataset.attrs["tutorial_rate"]))
        panels["a"].set_title(f"{dataset.attrs['title']}, flat units")
        _draw_best(panels["b"], dataset)
        axes = panels["c"]
        plotting.lines(axes, last.sel(activation="relu"), "test_accuracy", "learning_rate", _LOOKS, markersize=3)
        axes.set(ylim=(0, 100), yticks=range(0, 101, 25), title="Accuracy with ReLU")
        axes = panels["d"]
        plotting.lines(axes, last, "test_accuracy", "learning_rate", _LOOKS, measure=_gain, markersize=3)
        axes.set(ylim=(-100, 100), yticks=range(-100, 101, 50), ylabel="gain in test accuracy, points")
        axes.set_title("ReLU against sigmoid")
        plotting.mark(axes, y=0)
        for letter in "cd":
            plotting.mark(panels[letter], x=dataset.attrs["tutorial_rate"])
            plotting.write_out(panels[letter])
        words = {"raw": f"0…{dataset.attrs['brightest']}, as they are", "scaled": "0…1"}
        keys = [Line2D([], [], label=f"pixels {words.get(pixels, pixels)}", **look) for pixels, look in _LOOKS.items()]
        figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def _gain(runs: xr.Dataset, name: str, dim: str) -> xr.Dataset:
    return stats.paired_difference(runs, name, dim, "activation", "sigmoid").sel(activation="relu", drop=True)


def _geometric(runs: xr.Dataset, name: str, dim: str) -> xr.Dataset:
    logs = stats.mean(runs[[name]], name, dim)
    return logs.assign({part: 10 ** logs[part] for part in ("mean", "low", "high")})


def _draw_flat(axes: Axes, runs: xr.Dataset) -> None:
    """Before and after training, joined: activations side by side, in each its layers, in each the three pixels."""
    groups = runs[["flat", "diverged"]].stack(group=("activation", "layer"), create_index=False)
    names = [
        f"{_ACTIVATIONS[a]}\nlayer {n}"
        for a, n in zip(groups["activation"].values, groups["layer"].values, strict=True)
    ]
    groups = groups.drop_vars(("activation", "layer")).assign_coords(group=names)
    for shift, (pixels, look) in zip((-0.24, 0.0, 0.24), _LOOKS.items(), strict=True):
        ends = []
        for moment, face in (("start", "white"), ("end", look["color"])):
            own = look | {"markerfacecolor": face}
            of_it = groups.sel(pixels=pixels, moment=moment)
            drawn = plotting.points(axes, of_it, "flat", dict.fromkeys(names, own), shift=shift, **_POINT)
            ends.append(drawn["mean"].sel(group=names).values)
        places = np.arange(len(names)) + shift
        axes.plot([places, places], ends, color=look["color"], linewidth=0.8)
    keys = [
        Line2D([], [], color="0.3", marker="o", linestyle="", markerfacecolor=face, markersize=4, label=label)
        for face, label in (("white", "before training"), ("0.3", "after"))
    ]
    axes.legend(handles=keys, loc="upper left")
    axes.set(xticks=range(len(names)), xticklabels=names)
    axes.set(ylim=(-4, 124), yticks=range(0, 101, 25), ylabel="flat units and images, %")


def _draw_best(axes: Axes, dataset: xr.Dataset) -> None:
    """Geometric mean over the seeds of the rate at which each is the most accurate."""
    for shift, (pixels, look) in zip((-0.2, 0.0, 0.2), _LOOKS.items(), strict=True):
        looks = {kind: look | {"label": name} for kind, name in _ACTIVATIONS.items()}
        plotting.points(axes, dataset.sel(pixels=pixels), "log_rate", looks, shift=shift, measure=_geometric, **_POINT)
    rate = dataset.attrs["tutorial_rate"]
    axes.axhline(rate, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.annotate("T5", (-0.5, rate), (2, 2), textcoords="offset points", fontsize=6, color="0.4")
    low, high = float(dataset["learning_rate"].min()), float(dataset["learning_rate"].max())
    axes.set(ylim=(low / 1.25, high * 1.25), ylabel="learning rate", title="Best learning rate")
    plotting.write_out(axes, "y")

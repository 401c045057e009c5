"""Accuracy of the network of tutorial T5 by its optimizer: over the learning rate, at the default, at the best."""

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 by its optimizer. (a, b) Test accuracy after the last epoch over the learning rate, of "
    "optimizers with one step size for all weights and with one for each; rings mark the default rates. (c) The same "
    "at the default rate and at the best one, which was chosen on the even seeds; both are measured on the odd ones. "
    "(d) Test loss after each epoch at the best rates (odd seeds). Bands and bars are 95 % Student t intervals of "
    "means over n seeds, which share initial weights, batches and dropout; accuracy and loss are without dropout."
)

_HEIGHT = 5.0
_COLORS = plotting.COLORS
_LOOKS = {
    "sgd": ("SGD", _COLORS.black),
    "momentum": ("momentum", _COLORS.blue),
    "nesterov": ("Nesterov", _COLORS.sky),
    "adagrad": ("Adagrad", _COLORS.orange),
    "rmsprop": ("RMSprop", _COLORS.green),
    "adam": ("Adam", _COLORS.vermillion),
    "adamw": ("AdamW", _COLORS.purple),
    "lion": ("Lion", "0.45"),
}
_DASHED = ("nesterov", "adamw")  # they lie on momentum and Adam
_ONE_STEP_SIZE = ("sgd", "momentum", "nesterov")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over the rate for both families above; below, default against best, and learning curves."""
    last = dataset.isel(epoch=-1).assign(percent=100 * dataset["test_accuracy"].isel(epoch=-1))
    kinds = [str(kind) for kind in dataset["optimizer"].values]
    name = dataset.attrs["title"]
    with plotting.style():
        figure, panels = plt.subplots(2, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        epochs = int(last["epoch"])
        one = [kind for kind in kinds if kind in _ONE_STEP_SIZE]
        _draw_rates(panels[0, 0], last, one, f"(a) {name}, {epochs} epochs: one step size")
        _draw_rates(panels[0, 1], last, [k for k in kinds if k not in one], "(b) A step size for each weight")
        _draw_choices(panels[1, 0], last, kinds)
        _draw_curves(panels[1, 1], dataset, kinds)
    return figure


def _at(runs: xr.Dataset, kind: str, which: str) -> xr.Dataset:
    """The runs of an optimizer at its `default_rate` or `best_rate`."""
    part = runs.sel(optimizer=kind)
    return part.sel(learning_rate=float(part[which]), method="nearest")


def _draw_rates(axes: Axes, last: xr.Dataset, kinds: list[str], title: str) -> None:
    """Mean accuracy over the learning rate, with a ring at the default."""
    for kind in kinds:
        label, color = _LOOKS[kind]
        summary = stats.mean(last.sel(optimizer=kind), "percent", dim="seed")
        looks = {"label": label, "color": color, "linestyle": "--" if kind in _DASHED else "-"}
        plotting.band(axes, "learning_rate", summary, marker="o", markersize=2.5, **looks)
        at = summary.sel(learning_rate=float(last["default_rate"].sel(optimizer=kind)), method="nearest")
        place = (float(at["learning_rate"]), float(at["mean"]))
        axes.plot(*place, "o", markersize=8, markerfacecolor="none", markeredgecolor=color)
    count = plotting.count_runs(stats.mean(last, "percent", dim="seed"), "seeds")
    axes.set(xscale="log", ylim=(0, 125), yticks=range(0, 101, 20), title=title)
    axes.set(xlabel=f"learning rate\n{count}", ylabel="test accuracy, %")
    axes.legend(loc="upper left", ncols=3, columnspacing=1)


def _draw_choices(axes: Axes, last: xr.Dataset, kinds: list[str]) -> None:
    """Accuracy of each optimizer at its default (open) and its best rate (full)."""
    odd = last.isel(seed=slice(1, None, 2))
    for place, kind in enumerate(kinds):
        color = _LOOKS[kind][1]
        for which, face, shift in (("default_rate", "white", 0.15), ("best_rate", color, -0.15)):
            summary = stats.mean(_at(odd, kind, which), "percent", dim="seed")
            centre = float(summary["mean"])
            reach = [[centre - float(summary["low"])], [float(summary["high"]) - centre]]
            finite = bool(np.isfinite(reach).all())
            axes.errorbar(
                centre,
                place + shift,
                xerr=reach if finite else None,
                fmt="o",
                color=color,
                markerfacecolor=face,
                markersize=4,
                elinewidth=1,
            )
    names = [f"{_LOOKS[kind][0]}\n{float(last['best_rate'].sel(optimizer=kind)):.2g}" for kind in kinds]
    axes.set_yticks(range(len(kinds)), names, fontsize=6)
    axes.set_ylim(len(kinds) - 0.5, -1.3)  # the first on top, below the legend
    count = plotting.count_runs(stats.mean(odd, "percent", dim="seed"), "seeds")
    axes.set(
        xlabel=f"test accuracy, %\n{count}", ylabel="optimizer and its best rate", title="(c) Default and best rate"
    )
    handles = [
        Line2D([], [], marker="o", linestyle="", color="0.3", markerfacecolor=face, label=label)
        for face, label in (("white", "default rate"), ("0.3", "best rate"))
    ]
    axes.legend(handles=handles, loc="upper left", ncols=2)


def _draw_curves(axes: Axes, dataset: xr.Dataset, kinds: list[str]) -> None:
    """Test loss after each epoch at the best rates."""
    odd = dataset.isel(seed=slice(1, None, 2))
    for kind in kinds:
        label, color = _LOOKS[kind]
        summary = stats.mean(_at(odd, kind, "best_rate"), "test_loss", dim="seed")
        style = "--" if kind in _DASHED else "-"
        plotting.band(axes, "epoch", summary, label=label, color=color, linestyle=style)
    axes.set(yscale="log", xlabel=f"epoch\n{plotting.count_runs(summary, 'seeds')}", ylabel="test loss, nats")
    axes.set_title("(d) Loss at the best rate")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")

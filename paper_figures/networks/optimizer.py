"""Accuracy of the network of tutorial T5 by its optimizer: over the learning rate, at the default, at the best."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxreg import plotting
from jaxreg.study import at, held_out

CAPTION = (
    "The network of tutorial T5 by its optimizer. (a, b) Test accuracy after the last epoch over the learning rate, of "
    "optimizers with one step size for all weights and with one for each; rings mark the default rates. (c) The same "
    "at the default rate and at the best one, which was chosen on the even seeds; both are measured on the odd ones. "
    "(d) Test loss after each epoch at the best rates (odd seeds). Bands and bars are 95 % Student t intervals of "
    "means over n seeds, which share initial weights, batches and dropout; accuracy and loss are without dropout."
)

_COLORS = plotting.COLORS
_LOOKS: plotting.Looks = {
    "sgd": {"label": "SGD", "color": _COLORS.black},
    "momentum": {"color": _COLORS.blue},
    "nesterov": {"label": "Nesterov", "color": _COLORS.sky, "linestyle": "--"},  # it lies on momentum
    "adagrad": {"label": "Adagrad", "color": _COLORS.orange},
    "rmsprop": {"label": "RMSprop", "color": _COLORS.green},
    "adam": {"label": "Adam", "color": _COLORS.vermillion},
    "adamw": {"label": "AdamW", "color": _COLORS.purple, "linestyle": "--"},  # on Adam
    "lion": {"label": "Lion", "color": "0.45"},
}
_ONE_STEP_SIZE = ("sgd", "momentum", "nesterov")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over the rate for both families above; below, default against best, and learning curves."""
    last = dataset.isel(epoch=-1)
    with plotting.page("ab;cd", 5.0) as (figure, panels):
        one = {kind: _LOOKS[kind] for kind in _ONE_STEP_SIZE}
        each = {kind: look for kind, look in _LOOKS.items() if kind not in one}
        _draw_rates(panels["a"], last, one)
        panels["a"].set_title(f"{dataset.attrs['title']}, {int(last['epoch'])} epochs: one step size")
        _draw_rates(panels["b"], last, each)
        panels["b"].set_title("A step size for each weight")
        _draw_choices(panels["c"], held_out(last))
        axes = panels["d"]
        plotting.lines(axes, held_out(at(dataset, learning_rate="best_rate")), "test_loss", "epoch", _LOOKS)
        axes.set_title("Loss at the best rate")
        plotting.write_out(axes, "y")
    return figure


def _draw_rates(axes: Axes, last: xr.Dataset, looks: plotting.Looks) -> None:
    """Mean accuracy over the learning rate, with a ring at the default."""
    drawn = plotting.lines(axes, last, "test_accuracy", "learning_rate", looks, marker="o", markersize=2.5)
    for kind, look in looks.items():
        if kind in last["optimizer"]:
            rate = float(last["default_rate"].sel(optimizer=kind))
            height = float(at(drawn.sel(optimizer=kind), learning_rate=rate)["mean"])
            axes.plot(rate, height, "o", markersize=8, markerfacecolor="none", markeredgecolor=look["color"])
    axes.set(xscale="log", ylim=(0, 125), yticks=range(0, 101, 20))
    axes.legend(loc="upper left", ncols=3, columnspacing=1)


def _draw_choices(axes: Axes, odd: xr.Dataset) -> None:
    """Accuracy of each optimizer at its default (open) and its best rate (full)."""
    looks = {}
    for kind, look in _LOOKS.items():
        if kind in odd["optimizer"]:
            rate = float(odd["best_rate"].sel(optimizer=kind))
            looks[kind] = {"color": look["color"], "label": f"{look.get('label', kind)}\n{rate:.2g}"}
    for which, shift, face in (("default_rate", 0.15, "white"), ("best_rate", -0.15, None)):
        runs = at(odd, learning_rate=which)
        plotting.points(axes, runs, "test_accuracy", looks, shift=shift, across=True, markerfacecolor=face)
    axes.tick_params(axis="y", labelsize=6)
    axes.set(ylim=(len(looks) - 0.5, -1.3), ylabel="optimizer and its best rate", title="Default and best rate")
    handles = [
        Line2D([], [], marker="o", linestyle="", color="0.3", markerfacecolor=face, label=label)
        for face, label in (("white", "default rate"), ("0.3", "best rate"))
    ]
    axes.legend(handles=handles, loc="upper left", ncols=2)

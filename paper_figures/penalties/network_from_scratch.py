"""The network of tutorial T4 with hand-written gradients: its loss, its predictions, and both over a population."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "The two-layer sigmoid network of tutorial T4, trained by gradients written out by hand. (a) Sum-of-squares loss: "
    "the run of seed 0 at learning rate 1, as the tutorial shows one (black), and at three learning rates the median "
    "over n initialisations with bands from the 5 % to the 95 % quantile of the runs. (b) Its predictions, beside "
    "median and 5 % to 95 % quantile of the n runs at learning rate 1. (c) Share of n initialisations whose four "
    "predictions all end within 0.1 of their targets, over the learning rate, and (d) share in which no step raises "
    "the loss beyond rounding: for initial weights uniform from 0 to 1, as in the tutorial, and from -1 to 1. Bands in "
    "(c) and (d) are 95 % Wilson intervals (mostly narrower than the markers); dotted lines mark the tutorial's "
    "learning rate."
)

_RATE, _LEAST = 1.0, 0.0  # the tutorial's
_COLORS = (plotting.COLORS.blue, plotting.COLORS.vermillion, plotting.COLORS.green)
_STARTS = (("o", plotting.COLORS.blue), ("^", plotting.COLORS.vermillion), ("s", plotting.COLORS.green))
_INPUTS = ("0 0 1", "0 1 1", "1 0 1", "1 1 1")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw losses and predictions above the shares of runs that end well and that fall monotonically."""
    with plotting.page("ab;cd", 4.3) as (figure, panels):
        runs = dataset.sel(least_weight=_LEAST, method="nearest")
        _draw_losses(panels["a"], runs)
        _draw_table(panels["b"], runs.sel(learning_rate=_RATE, method="nearest"))
        _draw_shares(panels["c"], dataset, "close", "all four within 0.1", "Learned")
        _draw_shares(panels["d"], dataset, "monotone", "loss never rises", "Monotone")
        panels["c"].legend(title="initial weights", loc="lower center", title_fontsize=7)
    return figure


def _draw_losses(axes: Axes, runs: xr.Dataset) -> None:
    """Median and quantiles of the loss at a small rate, the tutorial's and a large one; one run on top."""
    rates = runs["learning_rate"].values
    middle = int(np.abs(rates - _RATE).argmin())
    shown = dict.fromkeys((0, middle, min(middle + 3, len(rates) - 1)))
    for place, color in zip(shown, _COLORS, strict=False):
        summary = stats.quantiles(runs.isel(learning_rate=place), "loss", dim="seed")
        plotting.band(axes, "step", summary, color=color, label=f"{rates[place]:g}")
    one = runs.isel(learning_rate=middle).sel(seed=0)
    axes.plot(one["step"], one["loss"], color="black", linewidth=1, linestyle="--", label=f"{_RATE:g}, one run")
    axes.set(yscale="log", ylabel="loss, sum of squares", title="Loss at four examples")
    axes.set_xlabel(f"step\n{plotting.count_runs(summary, 'initialisations')}")
    axes.legend(title="learning rate", loc="upper right", title_fontsize=7, ncols=4, columnspacing=1)


def _draw_table(axes: Axes, runs: xr.Dataset) -> None:
    """One row for each example: inputs, target, the prediction of seed 0, and those of all seeds."""
    summary = stats.quantiles(runs, "prediction", dim="seed")
    one = runs["prediction"].sel(seed=0)
    header = ("input", "target", "prediction", "median (5–95 %)")
    columns = (_INPUTS, runs["target"], one, *(summary[part].values for part in ("median", "low", "high")))
    rows = [
        (inputs, f"{float(target):g}", f"{float(value):.3f}", f"{m:.3f} ({low:.3f}–{high:.3f})")
        for inputs, target, value, m, low, high in zip(*columns, strict=True)
    ]
    axes.set(xlim=(0, 1), ylim=(-0.9, len(rows) + 0.6))
    axes.axis("off")
    places = (0.0, 0.27, 0.53, 1.0)
    for line, cells in enumerate((header, *rows)):
        for place, cell, side in zip(places, cells, ("left", "right", "right", "right"), strict=True):
            axes.text(place, len(rows) - line, cell, ha=side, va="center", fontsize=7.5)
    for height in (len(rows) + 0.5, len(rows) - 0.5, -0.5):
        axes.axhline(height, color="0.3", linewidth=0.7)
    axes.text(1.0, -0.75, plotting.count_runs(summary, "initialisations"), ha="right", va="top", fontsize=7)
    axes.set_title("Predictions of seed 0, and of all")


def _draw_shares(axes: Axes, dataset: xr.Dataset, what: str, label: str, title: str) -> None:
    """The share of runs over the learning rate, for each kind of initial weights."""
    starts = zip(dataset["least_weight"].values.tolist(), _STARTS, strict=False)
    looks = {least: {"label": f"{least:g} to 1", "marker": mark, "color": color} for least, (mark, color) in starts}
    counted: dict[str, Any] = {"measure": stats.proportion, "of": "initialisations", "markersize": 3.5}
    plotting.lines(axes, dataset, what, "learning_rate", looks, **counted)
    plotting.mark(axes, x=_RATE)
    axes.set(xscale="log", ylim=(-0.03, 1.05), title=title, ylabel=f"runs: {label}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.xaxis.set_major_formatter("{x:g}")

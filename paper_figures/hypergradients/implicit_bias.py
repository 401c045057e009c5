"""The penalty that plain descent and SGD act as, fitted to their weights and in closed form."""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "A diagonal linear network w = u² − v² trained without a penalty, all of u and v from α. (a) The scale of the "
    "penalty that fits the final weights best, over α; the black line is the closed form for descent, dashed ones are "
    "what the losses of SGD foretell, exp(−8 η² Σ loss). (b) Distance of the weights of descent to the minimum of the "
    "closed form, to the minimum of the fitted penalty, to the sparse truth and to the least L2 norm. (c) Each weight "
    "of a run of descent, and the slope that its penalty must have there for the run to end at a minimum, over the "
    "largest; lines are the slopes in closed form: a step for L1, straight for L2. (d) How much nearer to "
    "the truth SGD ends than descent, in per cent of its length. Bands are "
    "95 % Student t intervals of means over n data sets, which all methods share."
)

_LOOKS: plotting.Looks = {
    "descent": {"label": "descent", "color": plotting.COLORS.black},
    "sgd": {"label": "SGD", "color": plotting.COLORS.vermillion},
    "slow sgd": {"label": "SGD, slower", "color": plotting.COLORS.orange},
}
_PLACES: plotting.Looks = {
    "error": {"label": "sparse truth", "color": plotting.COLORS.blue},
    "to_l2": {"label": "least L2 norm", "color": plotting.COLORS.green},
    "distance": {"label": "closed form", "color": plotting.COLORS.black},
    "to_fitted": {"label": "fitted penalty", "color": plotting.COLORS.orange, "linestyle": "--"},
}
_SHADES = ("#440154", "#3b528b", "#21918c", "#5ec962", "#b5a31c")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw fitted scales, distances, slopes of the penalty, and distances to the truth."""
    with plotting.page("ab;cd", 4.8) as (figure, panels):
        _draw_scales(panels["a"], dataset)
        _draw_distances(panels["b"], dataset.sel(algorithm="descent"))
        _draw_slopes(panels["c"], dataset.sel(algorithm="descent").isel(seed=0))
        _draw_errors(panels["d"], dataset)
    return figure


def _draw_scales(axes: Axes, dataset: xr.Dataset) -> None:
    """Fitted over initial scale, beside what is foretold."""
    points: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 3.5}
    plotting.lines(axes, dataset, "fitted", "scale", _LOOKS, of="data sets", **points)
    foretold = stats.mean(dataset, "foretold", "seed")["mean"]
    for name, look in _LOOKS.items():
        line = "-" if name == "descent" else "--"
        axes.plot(foretold["scale"], foretold.sel(algorithm=name), line, color=look["color"], linewidth=1)
    axes.set(xscale="log", ylabel="fitted scale / $\\alpha$", title="The penalty it acts as")
    axes.legend(loc="lower right")


def _draw_distances(axes: Axes, runs: xr.Dataset) -> None:
    """How far the weights of descent are from what various penalties would have."""
    for name, look in _PLACES.items():
        plotting.lines(axes, runs, name, "scale", of="data sets", **look)
    axes.set(xscale="log", yscale="log", ylabel="distance, %", title="Where descent ends")
    axes.legend(loc="upper center", ncols=2)


def _draw_slopes(axes: Axes, run: xr.Dataset) -> None:
    """The penalty's slope at each weight of a run, and the closed form."""
    reach = 1.1 * float(abs(run["coef"]).max())
    w = np.linspace(-reach, reach, 401)
    for place, scale in enumerate(run["scale"].values):
        color = _SHADES[place % len(_SHADES)]
        one = run.isel(scale=place)
        largest = float(np.arcsinh(abs(one["coef"]) / (2 * scale**2)).max())
        axes.plot(w, np.arcsinh(w / (2 * scale**2)) / largest, color=color, linewidth=1, label=f"$\\alpha$ = {scale:g}")
        found = one["slope"] / float(abs(one["slope"]).max())
        axes.plot(one["coef"], found, "o", markersize=2.5, color=color)
    axes.set(xlabel="weight $w_i$", ylabel="slope of the penalty", title="The penalty itself, one data set")
    axes.legend(loc="lower right")


def _draw_errors(axes: Axes, dataset: xr.Dataset) -> None:
    """How much nearer to the truth than descent SGD comes, data set by data set."""
    axes.axhline(0, color=plotting.COLORS.black, linewidth=1)
    nearer, against = dataset.assign(error=-dataset["error"]), {name: _LOOKS[name] for name in ("sgd", "slow sgd")}
    gain = partial(stats.paired_difference, axis="algorithm", baseline="descent")
    plotting.lines(axes, nearer, "error", "scale", against, measure=gain, of="data sets", marker="o", markersize=2.5)
    axes.set(xscale="log", ylabel="nearer to the truth, points", title="Against descent")
    axes.legend(loc="best")

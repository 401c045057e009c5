"""Where the shapes of three penalties touch a loss, the paths as they shrink, and how often that is at a corner."""

import itertools
from string import ascii_lowercase
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "Why L1 sets weights to zero, tutorial T4. Top row: contours of a loss of two weights (grey, through the touching"
    " points) and its minimum (cross); the shapes of each penalty for several strengths α; the minimum within each "
    "shape is a dot, filled where a weight is exactly 0; the dashed line joins the touching points of all "
    "α. Middle row: the weights of one loss of five weights as the shape shrinks from one that holds the minimum "
    "(right) to a point (left). Bottom row: random losses, n in each cell: how often the touching point of two "
    "weights is a corner, against α as share of that from which L1 has no weight left; how often it is a corner, and "
    "how often some weight is 0, against the number of weights at half that α. Bands, mostly hidden by the lines, are"
    " 95 % Wilson intervals; black is L1 on isotropic losses, with lines for the closed form and circles for n "
    "simulated losses."
)

_LOOKS = {
    "L1": (plotting.COLORS.green, "o"),
    "elastic net": (plotting.COLORS.purple, "D"),
    "L2": (plotting.COLORS.blue, "s"),
}
_WEIGHTS = (
    plotting.COLORS.blue,
    plotting.COLORS.vermillion,
    plotting.COLORS.green,
    plotting.COLORS.orange,
    plotting.COLORS.purple,
)
_OWN = ((plotting.COLORS.orange, "^"), (plotting.COLORS.vermillion, "v"), (plotting.COLORS.sky, "X"))


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the shapes, the paths below them, and the random losses below those; own penalties are further ones."""
    penalties = [str(name) for name in dataset["penalty"].values]
    columns = len(penalties)
    shapes, paths = ascii_lowercase[:columns], ascii_lowercase[columns : 2 * columns]
    last = ascii_lowercase[2 * columns : 2 * columns + 3]
    width, heights = plotting.PAGE_WIDTH * columns / 3, (1.5, 0.85, 1)
    with plotting.page([shapes, paths, last], 6.6, width=width, height_ratios=heights) as (figure, panels):
        for shape, path, penalty in zip(shapes, paths, penalties, strict=True):
            _draw_shapes(panels[shape], dataset.sel(penalty=penalty), penalty)
            _draw_path(panels[path], dataset.sel(penalty=penalty), f"{penalty}, $w_1$ to $w_5$")
        panels["a"].legend(
            title="$\\alpha$", title_fontsize=7, loc="lower right", handlelength=1, labelspacing=0.2, borderaxespad=0
        )
        _draw_corners(panels[last[0]], dataset)
        _draw_dimensions(panels[last[1]], dataset, "corner", "Corner")
        _draw_dimensions(panels[last[2]], dataset, "zero", "Any 0")
    return figure


def _looks(dataset: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Colour and mark of each penalty."""
    own = [str(name) for name in dataset["penalty"].values if name not in _LOOKS]
    return _LOOKS | dict(zip(own, itertools.cycle(_OWN), strict=False))


def _draw_shapes(axes: Axes, one: xr.Dataset, title: str) -> None:
    """Contours through the touching points, the shapes and the points."""
    alphas = one["alpha"].values
    shades: Any = matplotlib.colormaps["viridis"](np.linspace(0.75, 0.0, len(alphas)))
    axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    axes.axvline(0, color="0.7", linewidth=0.5, zorder=0)
    touches = one["touch"].transpose("alpha", "weight").values
    values = [float(one["loss"].interp(first=first, second=second)) for first, second in touches]
    axes.contour(one["first"], one["second"], one["loss"], levels=sorted({*values}), colors="0.55", linewidths=0.8)
    for alpha, touch, shade in zip(alphas, touches, shades, strict=True):
        cell = one.sel(alpha=alpha)
        axes.contour(cell["first"], cell["second"], cell["height"], levels=[float(cell["size"])], colors=[shade])
        axes.plot([], [], color=shade, linewidth=1.2, label=f"{alpha:g}")
        filled = shade if (touch == 0).any() else "white"
        axes.plot(*touch, "o", color=shade, markerfacecolor=filled, markersize=4.5, zorder=5)
    trace = one["trace"].transpose("fine_share", "weight").values
    axes.plot(*trace.T, color="black", linewidth=0.8, linestyle="--", zorder=3)
    axes.plot(*one["optimum"].values, "x", color="black", markersize=5)
    axes.set(xlim=(-2.2, 2.8), ylim=(-2.2, 2.7), xlabel="weight $w_1$", ylabel="weight $w_2$", title=title)
    axes.set_aspect("equal")


def _draw_path(axes: Axes, one: xr.Dataset, title: str) -> None:
    """The weights against the size of the shape."""
    size = one["path_size"].values
    axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    for number, color in zip(one["path_weight"].values, _WEIGHTS, strict=True):
        axes.plot(size, one["path"].sel(path_weight=number), color=color, label=f"$w_{number}$")
    axes.set(xlim=(0, 1), xlabel="size of the shape, $P(w)/P(w^*)$", ylabel="weight", title=title)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.02 * (high - low))


def _draw_corners(axes: Axes, dataset: xr.Dataset) -> None:
    """Two weights: corners against α."""
    runs = dataset.sel(dimension=2) if 2 in dataset["dimension"] else dataset.isel(dimension=0)
    _draw_all(axes, stats.proportion(runs, "corner", dim="seed"), runs["corner_exact"], "share")
    axes.set(xlabel="$\\alpha\\,/\\,\\alpha_\\mathrm{max}$ of L1", ylabel="share of losses")
    weights = int(runs["dimension"])
    axes.set(xlim=(0, 1), ylim=(-0.03, 1.05), title=f"Corner, {'two' if weights == 2 else weights} weights")


def _draw_dimensions(axes: Axes, dataset: xr.Dataset, name: str, title: str) -> None:
    """Corners, or zeros, against the number of weights."""
    runs = dataset.sel(share=0.5, method="nearest")
    summary = stats.proportion(runs, name, dim="seed")
    _draw_all(axes, summary, runs[f"{name}_exact"], "dimension")
    axes.set(xscale="log", xlabel="number of weights", ylim=(-0.03, 1.05))
    axes.set_xticks(runs["dimension"].values, [str(number) for number in runs["dimension"].values], minor=False)
    axes.minorticks_off()
    axes.set_title(f"{title}, $\\alpha$ = {float(runs['share']):g} $\\alpha_\\mathrm{{max}}$")
    if name == "zero":  # where there is room for it
        axes.legend(loc="center right", title=plotting.count_runs(summary, "losses"), title_fontsize=7)


def _draw_all(axes: Axes, summary: xr.Dataset, exact: xr.DataArray, over: str) -> None:
    """All penalties on random losses, and L1 on isotropic ones with its closed form."""
    for penalty, (color, marker) in _looks(summary).items():
        cell = summary.sel(loss_kind="random", penalty=penalty)
        plotting.band(axes, over, cell, color=color, marker=marker, markersize=2.5, label=penalty)
    axes.plot(exact[over], exact, color="black", linewidth=0.8, label="L1, isotropic")
    isotropic = summary["proportion"].sel(loss_kind="isotropic", penalty="L1")
    axes.plot(exact[over], isotropic, "o", color="black", markerfacecolor="none", markersize=3.5, linewidth=0)
    axes.yaxis.set_major_formatter("{x:.0%}")

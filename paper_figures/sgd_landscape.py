"""Where SGD ends on the landscape of tutorial T2: the landscape, and the fates of a population over learning rates."""

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxreg import plotting, stats
from jaxreg.landscape import FATES, T2_LANDSCAPE, fate

CAPTION = (
    "SGD on the landscape of tutorial T2, its gradient being that of a polynomial refitted to a few random points at "
    "every step. Left: the landscape with its basins, the data and the start, and below them where the runs with the "
    "tutorial's learning rate ended. Right: share of runs with each fate, diverged ones included; bands, mostly "
    "narrower than the lines, are 95 % Wilson intervals over the n runs per learning rate that the panel states; below "
    "it, where plain gradient descent on all the data ends, in the colour of its fate."
)

_RATE = 0.3
_WINDOW = (-7.0, 7.0)
_HEIGHT = 3.1
_PALETTE = (plotting.COLORS.blue, plotting.COLORS.purple, plotting.COLORS.orange, plotting.COLORS.vermillion)
_MINIMA = [f"{w:.2f}".replace("-", "−") for w in T2_LANDSCAPE.minima]
_NAMES = (f"global minimum, {_MINIMA[1]}", f"left, {_MINIMA[0]}", f"right, {_MINIMA[2]}", "diverged")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the landscape beside the fates over the learning rate."""
    with plotting.style():
        figure = plt.figure(figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.1), height_ratios=(3, 1))
        landscape, fates = (figure.add_subplot(grid[0, column]) for column in (0, 1))
        _draw_landscape(landscape, dataset)
        _draw_ends(figure.add_subplot(grid[1, 0], sharex=landscape), dataset)
        _draw_fates(fates, dataset)
        _draw_control(figure.add_subplot(grid[1, 1], sharex=fates), dataset)
    return figure


def _draw_landscape(axes: Axes, dataset: xr.Dataset) -> None:
    """The polynomial over its basins, with the data and the start."""
    w = np.linspace(*_WINDOW, 701)
    reached = np.asarray(fate(w, T2_LANDSCAPE))
    for number, color in enumerate(_PALETTE):
        axes.fill_between(w, -5, 10, where=reached == number, color=color, alpha=0.1, linewidth=0)
    axes.plot(dataset["x"], dataset["y"], ".", color="0.55", markersize=3, label="data")
    height = np.polynomial.Polynomial(T2_LANDSCAPE.coefficients)
    axes.plot(w, height(w), color="black", label="landscape")
    for minimum in T2_LANDSCAPE.minima:
        color = _PALETTE[int(fate(minimum, T2_LANDSCAPE))]
        axes.plot(minimum, height(minimum), "o", color=color, markersize=5, zorder=3)
    start = float(dataset["start"])
    above = (start, height(start) + 0.5)
    axes.plot(*above, "v", color="black", markersize=4)
    axes.annotate("start", above, (0, 4), textcoords="offset points", ha="center", fontsize=7)
    axes.set(
        xlim=_WINDOW,
        ylim=(-5, 10),
        yticks=(-5, 0, 5, 10),
        ylabel="$p(w)$",
        title="(a) Landscape, data, and ends of runs",
    )
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper center", ncols=2)


def _draw_ends(axes: Axes, dataset: xr.Dataset) -> None:
    """Last weights at the tutorial's learning rate, in the colours of their fates."""
    runs = dataset[["weight", "fate"]].sel(learning_rate=_RATE, method="nearest")
    rate, weight, number = float(runs["learning_rate"]), runs["weight"].values, runs["fate"].values
    shown = [weight[(number == k) & np.isfinite(weight)] for k in range(len(FATES))]
    edges = np.linspace(*_WINDOW, 141).tolist()
    share = [np.full(len(part), 100 / len(weight)) for part in shown]
    axes.hist(shown, bins=edges, weights=share, stacked=True, color=_PALETTE, log=True)
    gone = 100 * np.mean(number == FATES.index("diverged"))
    text = f"α = {rate:g}: {gone:.0f} % diverged"
    axes.text(0.99, 0.92, text, transform=axes.transAxes, ha="right", va="top", fontsize=7, color=_PALETTE[3])
    axes.set(xlabel="weight $w$", xticks=range(-6, 7, 2), ylabel="% of runs", yticks=(0.01, 1, 100))
    axes.set(ylim=(50 / len(weight), 100))  # ticks widen the limits
    axes.yaxis.set_major_formatter("{x:g}")


def _draw_fates(axes: Axes, dataset: xr.Dataset) -> None:
    """Share of each fate over the learning rate, with its band."""
    for number, (name, color) in enumerate(zip(_NAMES, _PALETTE, strict=True)):
        summary = stats.proportion(dataset, "fate", dim="seed", value=number, count_diverged=True)
        plotting.band(axes, "learning_rate", summary, label=name, color=color)
    _mark_tutorial(axes)
    axes.annotate(
        f"T2: α = {_RATE}", (_RATE, 1.0), (-3, 0), textcoords="offset points", ha="right", va="top", fontsize=7
    )
    axes.set(xscale="log", ylim=(0, 1), title=f"(b) Fate after {dataset.sizes['step']} steps")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.tick_params(labelbottom=False)
    title = f"n = {int(summary['n'].min()):,} runs each"
    axes.legend(title=title, loc="center left", bbox_to_anchor=(0, 0.45), title_fontsize=7, alignment="left")


def _draw_control(axes: Axes, dataset: xr.Dataset) -> None:
    """Last weight of descent on all the data over the learning rate."""
    last = dataset["control"].values[:, -1]
    colors = [_PALETTE[k] for k in np.asarray(fate(last, T2_LANDSCAPE))]
    for minimum in T2_LANDSCAPE.minima:
        axes.axhline(minimum, color="0.85", linewidth=0.7, zorder=0)
    axes.scatter(dataset["learning_rate"], last, c=colors, s=8)
    _mark_tutorial(axes)
    axes.text(0.01, 0.2, "descent on all the data", transform=axes.transAxes, fontsize=7)
    axes.set(xlabel="learning rate α", ylabel="last $w$", ylim=(-6, 6))


def _mark_tutorial(axes: Axes) -> None:
    axes.axvline(_RATE, color="0.6", linewidth=0.8, linestyle="--", zorder=0)

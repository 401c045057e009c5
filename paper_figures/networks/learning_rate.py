"""The four regimes of the learning rate on a parabola, and accuracy and loss of the network of tutorial T5."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting

CAPTION = (
    "The learning rate η. (a) Gradient descent on a parabola of curvature h, at one rate of each regime. (b) Steps "
    "until its distance from the minimum stays below 1 % of the first one: descent (points) and the exact count (grey "
    "line), which ends at 2/h. The regimes have the colours of (a); their borders at 1/h and 2/h are exact, that at "
    "1/(2h) is a convention. (c, d) The network of tutorial T5: test accuracy after the last epoch, on pixels as they "
    "are and on pixels from 0 to 1, dotted lines marking the tutorial's three learning rates; test loss after each "
    "epoch at these three and at the largest rate, on pixels as they are. In (c, d) thick lines are means over n "
    "seeds, bands their 95 % Student t intervals, thin lines single seeds (at most 32), which share initial weights, "
    "batches and dropout across learning rates. Accuracy and loss are without dropout."
)

_TOP = 114  # above the highest accuracy possible: room for the legend
_COLORS = plotting.COLORS
_RATE_COLORS = (_COLORS.purple, _COLORS.black, _COLORS.green, _COLORS.vermillion)
_SHOWN_SEEDS = 32
_REGIMES = (_COLORS.purple, _COLORS.green, _COLORS.orange, _COLORS.vermillion)
_SHOWN_STEPS = 12
_ARRIVED = 0.01


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the regimes above; below, accuracy over the learning rate beside loss over epochs."""
    last, rates = dataset.isel(epoch=-1), dataset.attrs["tutorial_rates"]
    with plotting.page("ab;cd", 5.0, width_ratios=(1.25, 1)) as (figure, panels):
        _draw_paths(panels["a"], dataset)
        _draw_steps(panels["b"], dataset)
        axes = panels["c"]
        looks = {
            "raw": {"color": _COLORS.blue, "label": f"pixels 0…{dataset.attrs['brightest']}, as they are"},
            "scaled": {"color": _COLORS.vermillion, "label": "pixels 0…1"},
        }
        _draw_population(axes, last, "test_accuracy", "learning_rate", looks)
        plotting.mark(axes, x=rates, text="T5", height=100 / _TOP)
        axes.set(xscale="log", ylim=(0, _TOP), yticks=range(0, 101, 20))
        axes.set_title(f"{dataset.attrs['title']}, after {int(last['epoch'])} epochs")
        axes.legend(loc="upper left", ncols=2)
        axes, runs = panels["d"], dataset.sel(pixels="raw")
        tried = runs["learning_rate"].values
        shown = [*rates, *([tried.max()] if tried.max() > max(rates) else [])]
        runs = runs.sel(learning_rate=shown, method="nearest").assign_coords(learning_rate=shown)
        by_rate = {r: {"color": c, "label": f"rate {r:g}"} for r, c in zip(shown, _RATE_COLORS, strict=False)}
        _draw_population(axes, runs, "test_loss", "epoch", by_rate)
        plotting.write_out(axes, "y")
        axes.set_title("Pixels as they are")
        axes.legend(loc="upper left", ncols=2, columnspacing=1)
    return figure


def _draw_paths(axes: Axes, dataset: xr.Dataset) -> None:
    """Weight after each step at one rate of each regime."""
    shown = dataset.isel(step=slice(_SHOWN_STEPS + 1))
    for name, color in zip(dataset["regime"].values, _REGIMES, strict=True):
        path = shown.sel(regime=name)
        scaled = float(path["regime_rate"] * dataset["curvature"])
        axes.plot(path["step"], path["weight"], "o-", color=color, markersize=2.5, label=f"{name}: {scaled:.1f}/h")
    plotting.mark(axes, y=0)
    axes.set(xlabel="step", ylabel="distance from the minimum,\nsigned, first = 1")
    axes.set(ylim=(-3.4, 5.4), yticks=range(-3, 4), title="Descent on a parabola, η in units of 1/h")
    axes.legend(loc="upper left", ncols=2, columnspacing=1)


def _draw_steps(axes: Axes, dataset: xr.Dataset) -> None:
    """Steps that descent takes over the learning rate, with the exact count and the limits of the regimes."""
    scaled = (dataset["parabola_rate"] * dataset["curvature"]).values
    low, high = scaled.min() / 1.1, scaled.max() * 1.1
    limits = dataset.attrs["regime_limits"]
    edges = (low, *limits, high)
    for left, right, color in zip(edges[:-1], edges[1:], _REGIMES, strict=True):
        axes.axvspan(left, right, color=color, alpha=0.15, linewidth=0, zorder=0)
    fine = np.geomspace(low, limits[2] * 0.9999, 2000)
    exact = np.ceil(np.log(_ARRIVED) / np.log(np.maximum(abs(1 - fine), 1e-9)))
    axes.plot(fine, np.maximum(exact, 1), color="0.6", linewidth=3, zorder=1)
    steps = dataset["parabola_steps"].values
    arrives = np.isfinite(steps)
    axes.plot(scaled[arrives], steps[arrives], "o", color="black", markersize=2)
    for limit, text in zip(limits[1:], ("1/h", "2/h"), strict=True):
        axes.axvline(limit, color="black", linewidth=0.8, linestyle="--", zorder=0)
        axes.annotate(text, (limit, 1), (2, -8), ("data", "axes fraction"), "offset points", fontsize=7)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.8, 2 * dataset.sizes["step"]))
    axes.set(xlabel="learning rate η, in units of 1/h", ylabel="steps to 1 %", title="Steps to the minimum")
    axes.set_xticks([0.1, 0.5, 1, 2], ["0.1", "0.5", "1", "2"])
    axes.set_xticks([], minor=True)


def _draw_population(axes: Axes, runs: xr.Dataset, name: str, x: str, looks: plotting.Looks) -> None:
    """The first few seeds as thin lines, and the mean of all with its band."""
    (method,) = set(runs[name].dims) - {x, "seed"}
    for value, look in looks.items():
        singles = runs[name].sel({method: value}).isel(seed=slice(_SHOWN_SEEDS)).transpose(x, "seed")
        axes.plot(singles[x], singles, color=look["color"], linewidth=0.3, alpha=0.35)
    plotting.lines(axes, runs, name, x, looks, marker="o", markersize=2.5)

"""The derivative of a training in its learning rate, seed by seed, and where it means nothing."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "A network on digits, trained from n seeds at each learning rate η. (a) Size of the derivative of the validation "
    "loss in log η, a point for each seed: filled where central differences agree, open where they do not; the line is "
    "the median. (b) By how much a small disturbance has grown at the end: the leading finite-time Lyapunov exponent "
    "times the steps; median and 5 % to 95 % quantile. Above the dashed line, a hundredfold, a derivative that "
    "differences deny is called chaotic. (c) Mean validation loss with its 95 % Student t interval; the ring is the "
    "best rate of the even seeds. (d) Size of the derivative over the growth, of every run; the dashed line is decade "
    "for decade. Where the background is grey, most derivatives are chaotic."
)

_TRUST = (
    ("reliable", plotting.COLORS.blue),
    ("noisy", plotting.COLORS.orange),
    ("chaotic", plotting.COLORS.vermillion),
)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw derivatives, growth and loss over the rate, and derivatives over growth."""
    with plotting.page("ab;cd", 4.8) as (figure, panels):
        for letter in "abc":
            _shade(panels[letter], dataset)
            panels[letter].set_xscale("log")
        _draw_slopes(panels["a"], dataset)
        _draw_growth(panels["b"], dataset)
        _draw_loss(panels["c"], dataset)
        _draw_both(panels["d"], dataset)
    return figure


def _shade(axes: Axes, dataset: xr.Dataset) -> None:
    """Grey from the first rate at which most derivatives are chaotic, between two rates tried."""
    rates = dataset["learning_rate"].values
    most = dataset["chaotic"].mean("seed").values > 0.5
    if most.any():
        first = int(most.argmax())
        start = rates[0] if first == 0 else float(np.sqrt(rates[first - 1] * rates[first]))
        axes.axvspan(start, 1.3 * rates[-1], color="0.92", zorder=0, linewidth=0)
    axes.set_xlim(rates[0] / 1.3, 1.3 * rates[-1])


def _points(axes: Axes, x: xr.DataArray, dataset: xr.Dataset) -> None:
    """A point for each run, by its trust."""
    across, y, trust = (part.values.ravel() for part in xr.broadcast(x, dataset["log_slope"], dataset["trust"]))
    for number, (label, color) in enumerate(_TRUST):
        chosen = trust == number
        looks: dict[str, Any] = {
            "color": color,
            "markerfacecolor": color if label == "reliable" else "none",
            "label": label,
        }
        axes.plot(across[chosen], y[chosen], "o", markersize=2.5, alpha=0.7, **looks)


def _draw_slopes(axes: Axes, dataset: xr.Dataset) -> None:
    """Every derivative over the rate."""
    _points(axes, dataset["learning_rate"], dataset)
    middle = stats.quantiles(dataset, "log_slope", "seed")
    axes.plot(dataset["learning_rate"], middle["median"], color="black", linewidth=1)
    axes.set_xlabel(f"learning rate η\n{plotting.count_runs(middle, 'seeds')}")
    axes.set_ylabel("$\\log_{10}\\,|\\partial L/\\partial \\log\\eta|$")
    axes.set_title("The derivative")
    axes.legend(loc="upper left")


def _draw_growth(axes: Axes, dataset: xr.Dataset) -> None:
    """What becomes of a disturbance."""
    plotting.lines(axes, dataset, "growth", "learning_rate", measure=stats.quantiles, color=plotting.COLORS.purple)
    axes.axhline(2, color="0.4", linewidth=0.8, linestyle="--")
    axes.set(ylabel="growth, decades", title="Growth of a disturbance")


def _draw_loss(axes: Axes, dataset: xr.Dataset) -> None:
    """The loss, whose least lies where it lies."""
    loss = plotting.lines(axes, dataset, "loss", "learning_rate", color="black", marker="o", markersize=2.5)
    best = float(dataset["best_rate"])
    place = float(loss["mean"].sel(learning_rate=best, method="nearest"))
    axes.plot(best, place, "o", markersize=9, markerfacecolor="none", markeredgecolor=plotting.COLORS.vermillion)
    axes.set(yscale="log", title="The loss")


def _draw_both(axes: Axes, dataset: xr.Dataset) -> None:
    """Derivatives against what chaos makes of them."""
    _points(axes, dataset["growth"], dataset)
    ends = np.array([0.0, float(dataset["growth"].max())])
    axes.plot(ends, ends, "--", color="0.4", linewidth=0.8)
    axes.set(xlabel="growth, decades", ylabel="$\\log_{10}\\,|\\partial L/\\partial \\log\\eta|$")
    axes.set_title("One over the other")

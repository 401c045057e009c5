"""Where λ|x| puts a minimum to exactly zero, and the estimators that do the same to orthonormal designs."""

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "F(x) = f(x) + λ|x| of tutorial T4. (a) A convex f for several λ, the computed minimum of each marked: it is at "
    "exactly 0 from λ = |f'(0)| on. (b) The same for an f with two wells: the minimum leaves the far well only at "
    "the larger λ = max (f(0) − f(x))/|x|. (c) The minimum against λ for both, with ½λx² (L2) for comparison; thin "
    "vertical lines are the derived λ, for two wells also the smaller |f'(0)| (dotted). (d) Share of random functions "
    "whose minimum is exactly 0, with 95 % Wilson intervals (mostly hidden by the lines) over the n functions of each "
    "family. (e), (f) Coefficients of four estimators against z = X'y on random orthonormal designs: lines are the "
    "closed forms, circles the fits of the solvers, of which at most 120 are drawn."
)

_LOOKS = {
    "best subset": ("best subset, $z\\,1(|z|>t)$", plotting.COLORS.vermillion),
    "ridge": ("ridge, $z/(1+\\lambda)$", plotting.COLORS.blue),
    "lasso": ("lasso, $\\pm(|z|-\\lambda)_+$", plotting.COLORS.green),
    "elastic net": ("elastic net, $\\pm(|z|-\\lambda_1)_+/(1+\\lambda_2)$", plotting.COLORS.purple),
}
_FUNCTIONS = {"convex": plotting.COLORS.green, "two wells": plotting.COLORS.vermillion}
_STYLES = {"l1": "-", "l2": "--"}
_SHOWN = 120
_BELOW_LEGEND = 0.76


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the two functions, their minima, the random functions and the orthonormal designs."""
    with plotting.page("abc;def", 4.4) as (figure, panels):
        for letter, name in zip("ab", _FUNCTIONS, strict=True):
            _draw_function(panels[letter], dataset.sel(function=name))
        panels["b"].legend(
            title="$\\lambda$ in (a), (b)", title_fontsize=7, loc="lower left", handlelength=1, labelspacing=0.2
        )
        _draw_paths(panels["c"], dataset)
        _draw_shares(panels["d"], dataset)
        _draw_estimators(panels["e"], dataset, ("best subset", "ridge"))
        _draw_estimators(panels["f"], dataset, ("lasso", "elastic net"))
    return figure


def _draw_function(axes: Axes, one: xr.Dataset) -> None:
    """F for each λ, and its minimum."""
    strengths = one["strength"].values
    colors: Any = matplotlib.colormaps["viridis"](np.linspace(0.9, 0.0, len(strengths)))
    x = one["x"].values
    lowest = []
    for strength, color in zip(strengths, colors, strict=True):
        values = one["objective"].sel(strength=strength).values
        axes.plot(x, values, color=color, linewidth=1.1, label=f"{strength:g}")
        minimum = float(one["minimum"].sel(strength=strength))
        height = float(np.interp(minimum, x, values))
        lowest.append(height)
        filled = color if minimum == 0 else "white"
        axes.plot(minimum, height, "o", color=color, markerfacecolor=filled, markersize=4.5, zorder=5)
    span = float(one["objective"].sel(strength=strengths[-1]).sel(x=1.5, method="nearest")) - min(lowest)
    axes.set(ylim=(min(lowest) - 0.12 * span, min(lowest) + 1.15 * span), xlim=(-0.9, 2.3))
    title = f"{str(one['function'].values).capitalize()}: 0 from $\\lambda$ = {float(one['critical']):.2f}"
    axes.set(xlabel="$x$", ylabel="$F(x) = f(x) + \\lambda|x|$", title=title)


def _draw_paths(axes: Axes, dataset: xr.Dataset) -> None:
    """The minimisers against λ."""
    strength = dataset["fine_strength"]
    for name, color in _FUNCTIONS.items():
        one = dataset.sel(function=name)
        for penalty, line in _STYLES.items():
            label = f"{name}, {penalty.upper()}"
            axes.plot(strength, one["path"].sel(penalty=penalty), line, color=color, label=label)
        axes.axvline(float(one["critical"]), 0, _BELOW_LEGEND, color=color, linewidth=0.7)
        if not np.isclose(one["critical"], one["slope"]):
            axes.axvline(float(one["slope"]), 0, _BELOW_LEGEND, color=color, linewidth=0.9, linestyle=":")
    axes.set(xlabel="strength $\\lambda$", ylabel="minimum $x^*$", title="Minimum against $\\lambda$")
    axes.set(ylim=(-0.05, 2.5), xlim=(0, float(strength.max())))
    axes.legend(ncols=2, loc="upper center", columnspacing=0.8, handlelength=1.3)


def _draw_shares(axes: Axes, dataset: xr.Dataset) -> None:
    """How often the minimum of a random function is exactly zero."""
    zeros = dataset[["diverged"]].assign(zero=dataset["minimiser"] == 0)
    for family, color in zip(("convex", "not convex"), _FUNCTIONS.values(), strict=True):
        summary = stats.proportion(zeros.sel(family=family, penalty="l1"), "zero", dim="seed")
        plotting.band(axes, "ratio", summary, color=color, label=f"{family}, L1")
    summary = stats.proportion(zeros.sel(penalty="l2"), "zero", dim=("family", "seed"))
    plotting.band(axes, "ratio", summary, color=plotting.COLORS.blue, label="both, L2", linestyle="--")
    axes.axvline(1, color="0.6", linewidth=0.7, zorder=0)
    count = plotting.count_runs(stats.proportion(zeros.sel(penalty="l1"), "zero", dim="seed"), "functions")
    axes.set(xlabel="$\\lambda\\,/\\,|f'(0)|$", ylabel="minimum exactly 0", ylim=(-0.03, 1.05))
    axes.set_title(f"Random $f$, {count.removesuffix(' functions')} each")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.35))


def _draw_estimators(axes: Axes, dataset: xr.Dataset, names: tuple[str, ...]) -> None:
    """Fits on the closed forms."""
    z = dataset["z"].values.ravel()
    shown = slice(0, _SHOWN)
    axes.plot([-4, 4], [-4, 4], color="0.75", linewidth=0.7, zorder=0)
    for name in names:
        label, color = _LOOKS[name]
        curve = dataset["curve"].sel(estimator=name).values.copy()
        curve[1:][np.abs(np.diff(curve)) > 0.5] = np.nan  # a jump is not a line
        fitted = dataset["fitted"].sel(estimator=name).transpose("design", "column").values.ravel()
        axes.plot(z[shown], fitted[shown], "o", color=color, markerfacecolor="none", markersize=3, markeredgewidth=0.5)
        axes.plot(dataset["z_curve"], curve, color=color, linewidth=1.2, label=label)
    axes.set(xlim=(-4, 4), ylim=(-4, 5.6), xlabel="$z = X'y$", ylabel="coefficient")
    axes.set_title(f"n = {z.size:,} fitted coefficients")
    axes.legend(loc="upper left", borderaxespad=0.1, labelspacing=0.2)

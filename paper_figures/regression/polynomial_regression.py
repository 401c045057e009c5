"""The polynomial regression of tutorial T1: its fits and coefficients for one draw, and over a population of draws."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "A polynomial of degree 30 fitted to 50 noisy points of a cubic, as in tutorial T1. (a)-(d) One draw of the noise: "
    "data, truth (black), and the fits without regularization, with L2 and with L1. (e) Distance of the fits from the "
    "truth over all n draws, with the standard deviation of the noise and the distance of the best constant. (f)-(h) "
    "Where the fits lie around the truth: medians, and bands from the 5 % to the 95 % quantile of the n draws; dotted "
    "lines are one standard deviation of the noise. (i) The coefficients of the one draw, each times 10 to the power "
    "of its degree: the size of its term at the ends of the data. (j) Share of draws in which L1 sets a coefficient to "
    "exactly zero, with 95 % Wilson intervals (mostly narrower than the markers), for powers of x and for Legendre "
    "polynomials."
)

_LIMITS = (-1.0, 1.0)  # the tutorial's
_NEAR = 0.25
_LOOKS = {
    "none": ("no regularization", plotting.COLORS.vermillion, "^"),
    "l2": ("L2", plotting.COLORS.blue, "s"),
    "l1": ("L1", plotting.COLORS.green, "o"),
}
_BASES = {
    "monomial": ("powers $x^k$", plotting.COLORS.green, "o"),
    "legendre": ("Legendre", plotting.COLORS.purple, "D"),
}
_TRUE_DEGREES = 3
_END = 10.0  # of the data


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the tutorial's figures for one draw, the same for the population, and the coefficients."""
    draws = dataset.sel(basis="monomial")
    with plotting.page("abcd;efgh;ij", 5.8, height_ratios=(1, 1, 1.15)) as (figure, panels):
        _draw_data(panels["a"], draws.sel(seed=0))
        _draw_errors(panels["e"], draws)
        for one, all_draws, fit in zip("bcd", "fgh", _LOOKS, strict=True):
            _draw_fit(panels[one], draws.sel(seed=0, fit=fit))
            _draw_population(panels[all_draws], draws.sel(fit=fit))
            panels[one].tick_params(labelleft=False)
            panels[all_draws].tick_params(labelleft=all_draws == "f")
        panels["f"].set_ylabel("fit − truth")
        _draw_coefficients(panels["i"], draws.sel(seed=0))
        _draw_zeros(panels["j"], dataset.sel(fit="l1"))
    return figure


def _draw_data(axes: Axes, one: xr.Dataset) -> None:
    """The tutorial's first figure: data and truth."""
    axes.plot(one["x"], one["y"], ".", color="0.45", markersize=3, label="data")
    axes.plot(one["x_test"], one["truth"], color="black", linewidth=1, label="truth")
    axes.set(ylim=_LIMITS, xlabel="$x$", ylabel="$y$", title="One draw")
    axes.legend(loc="upper right")


def _draw_fit(axes: Axes, one: xr.Dataset) -> None:
    """One of its three others: data, truth and a fit."""
    label, color, _ = _LOOKS[str(one["fit"].values)]
    axes.plot(one["x"], one["y"], ".", color="0.45", markersize=3)
    axes.plot(one["x_test"], one["truth"], color="black", linewidth=1)
    axes.plot(one["x_test"], one["curve"], color=color)
    axes.set(ylim=_LIMITS, xlabel="$x$", title=f"{label[0].upper()}{label[1:]}")


def _draw_errors(axes: Axes, draws: xr.Dataset) -> None:
    """Distribution over the draws of each fit's distance from the truth."""
    errors = draws["test_error"].where(~draws["diverged"])
    edges = np.geomspace(0.8 * float(errors.min()), 1.25 * float(errors.max()), 61)
    for fit, (_, color, _) in _LOOKS.items() if np.isfinite(edges).all() else ():  # else all diverged
        values = errors.sel(fit=fit).dropna("seed").values
        if not len(values):
            continue
        weights = np.full(len(values), 1 / len(values))
        height, *_ = axes.hist(values, edges.tolist(), weights=weights, color=color, alpha=0.75)
        side = "left" if fit == "l2" else "center"  # that of L2 lies beside the line of the noise
        place = (float(np.median(values)), float(np.max(height)))
        axes.text(*place, fit.replace("l", "L"), color=color, fontsize=6, ha=side)
    marks = (("noise sd ", float(draws["noise"]), "right"), (" constant", float(draws["truth"].std()), "left"))
    for name, value, side in marks:
        axes.axvline(value, color="black", linewidth=0.8, linestyle=":")
        axes.text(value, 1, name, transform=axes.get_xaxis_transform(), fontsize=6, va="top", ha=side)
    axes.set(xscale="log", xlabel="RMS error against truth", ylabel="share of draws")
    count = plotting.count_runs(stats.mean(draws, "test_error", dim="seed"), "draws")
    axes.set(title=count, ylim=(0, 1.25 * axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter("{x:.0%}")


def _draw_population(axes: Axes, draws: xr.Dataset) -> None:
    """Median and band of a fit's deviation from the truth."""
    _, color, _ = _LOOKS[str(draws["fit"].values)]
    summary = stats.quantiles(draws.assign(deviation=draws["curve"] - draws["truth"]), "deviation", dim="seed")
    axes.axhline(0, color="black", linewidth=1)
    for side in (-1, 1):
        axes.axhline(side * float(draws["noise"]), color="black", linewidth=0.8, linestyle=":")
    plotting.band(axes, "x_test", summary, color=color)
    axes.set(ylim=(-_NEAR, _NEAR), yticks=(-0.2, 0, 0.2), xlabel="$x$", title=plotting.count_runs(summary, "draws"))


def _draw_coefficients(axes: Axes, one: xr.Dataset) -> None:
    """The tutorial's table: what each coefficient contributes at the ends, zeros on a line of their own."""
    size = abs(one["coef"]) * _END ** one["degree"]
    floor = 0.02 * float(size.where(size > 0).min())
    axes.axhline(3 * floor, color="0.8", linewidth=0.7)
    for fit, (label, color, marker) in _LOOKS.items():
        values = size.sel(fit=fit)
        axes.plot(values["degree"], values.where(values > 0, floor), marker, color=color, markersize=3, label=label)
    axes.set(yscale="log", xlabel="degree $k$", ylabel="$|w_k| \\cdot 10^k$", title="Coefficients of the one draw")
    axes.text(-0.01, floor, "exactly 0", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=6)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.6))


def _draw_zeros(axes: Axes, draws: xr.Dataset) -> None:
    """How often L1 sets each coefficient to exactly zero, in both bases."""
    zeros = draws[["diverged"]].assign(zero=draws["coef"] == 0)
    for basis, (label, color, marker) in _BASES.items():
        summary = stats.proportion(zeros.sel(basis=basis), "zero", dim="seed")
        plotting.band(axes, "degree", summary, label=label, color=color, marker=marker, markersize=3, linewidth=0.8)
    axes.axvspan(0.5, _TRUE_DEGREES + 0.5, color="0.92", linewidth=0)
    axes.annotate("in the truth", (_TRUE_DEGREES + 0.7, 0.03), fontsize=6)
    axes.set(xlabel="degree $k$", ylabel="draws with coefficient 0", ylim=(-0.03, 1.03))
    axes.set_title("What L1 leaves out depends on the basis")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="lower right")

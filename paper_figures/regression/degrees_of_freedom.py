"""The degrees of freedom that the lasso, least squares on its selection, ridge and LAR spend on the noise."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "Degrees of freedom, without that of the intercept, of fits to the same n noise draws; the features are correlated "
    "Gaussians, and three of them matter. (a) The lasso: covariance of fit and data (circles; their 95 % Student t "
    "intervals are mostly hidden in them), the mean number of nonzero coefficients with a band from its 5 % to its "
    "95 % quantile over the draws, the divergence of the fit to a single draw, and the covariance for least squares on "
    "the columns that the lasso selects. (b) Covariance less number of nonzero coefficients, draw by draw: mean and "
    "pointwise 95 % Student t interval. (c) Ridge, a control: covariance, with the same intervals, on the closed form. "
    "(d) LAR: covariance less the number of steps, with the same intervals."
)

_COVARIANCE = plotting.COLORS.blue
_ACTIVE = plotting.COLORS.orange
_REFIT = plotting.COLORS.vermillion
_CLOSED = "black"
_CIRCLES: dict[str, Any] = {"color": _COVARIANCE, "markerfacecolor": "none", "markersize": 3.5, "label": "covariance"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the four estimates for the lasso, their difference, and the two controls."""
    with plotting.page("ab;cd", 4.6, height_ratios=(1.3, 1)) as (figure, panels):
        _draw_lasso(panels["a"], dataset)
        _draw_excess(panels["b"], dataset, "lasso", "active", "alpha", _ACTIVE)
        panels["b"].set(xscale="log", xlabel="strength $\\alpha$", ylabel="covariance − nonzero")
        panels["b"].set_title("Lasso: difference")
        _draw_ridge(panels["c"], dataset)
        _draw_excess(panels["d"], dataset, "lar", "step", "step", _CLOSED)
        panels["d"].set(xlabel="step of LAR", ylabel="covariance − steps", xlim=(0, None), title="LAR: difference")
        panels["d"].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_lasso(axes: Axes, dataset: xr.Dataset) -> None:
    """Everything that counts the lasso's degrees of freedom, against alpha."""
    alpha = dataset["alpha"]
    refit, active, covariance = (stats.mean(dataset, name, dim="seed") for name in ("refit", "active", "lasso"))
    plotting.band(axes, alpha, refit, color=_REFIT, label="least squares on the selection")
    scatter = stats.quantiles(dataset, "active", dim="seed")
    axes.fill_between(alpha, scatter["low"], scatter["high"], color=_ACTIVE, alpha=0.2, linewidth=0)
    axes.plot(alpha, active["mean"], color=_ACTIVE, label="nonzero coefficients")
    plotting.bars(axes, alpha, covariance, **_CIRCLES)
    axes.plot(alpha, dataset["divergence"], "x", color=_CLOSED, markersize=3.5, label="divergence, one draw")
    axes.set(xscale="log", ylabel="degrees of freedom", ylim=(-0.5, None), title="Lasso")
    axes.set_xlabel(f"strength $\\alpha$\n{plotting.count_runs(covariance, 'draws')}")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.legend(loc="lower left", fontsize=6.5, handlelength=1.1, borderaxespad=0.1)


def _draw_ridge(axes: Axes, dataset: xr.Dataset) -> None:
    """A linear fit, whose degrees of freedom are known."""
    alpha = dataset["ridge_alpha"]
    axes.plot(alpha, dataset["ridge_df"], color=_CLOSED, linewidth=1, label=r"$\sum_i d_i^2 / (d_i^2 + \alpha)$")
    plotting.bars(axes, alpha, stats.mean(dataset, "ridge", dim="seed"), **_CIRCLES)
    axes.set(xscale="log", xlabel="strength $\\alpha$", ylabel="degrees of freedom", ylim=(-0.5, None))
    axes.set_title("Ridge, the control")
    axes.legend()


def _draw_excess(axes: Axes, dataset: xr.Dataset, name: str, expected: str, over: str, zero: str) -> None:
    """Two counts that are said to agree, one less the other, draw by draw."""
    excess = stats.mean(dataset.assign(excess=dataset[name] - dataset[expected]), "excess", dim="seed")
    axes.axhline(0, color=zero)
    plotting.band(axes, over, excess, color=_COVARIANCE, marker="o", markersize=3)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.5), max(high, 0.5))  # so that a small difference looks small

"""Double descent of minimum-norm least squares: its exact curve, and what removes the peak."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "Expected squared error on a new observation against the number of features at a fixed number of rows (left), and "
    "of rows at a fixed number of features (right); the panels state how many data sets stand behind each size. Top: "
    "minimum-norm least squares: the exact mean, infinite where the two differ by at most one; the mean of the data "
    "sets where its variance is finite, with one standard error, mostly smaller than the dot; and their median, with "
    "a band from the 5 % to the 95 % quantile of the data sets. Bottom: medians of the same data sets with one "
    "ingredient of the peak taken away: singular values below a share of the largest, test rows outside the leading "
    "half of the training rows' directions (which also makes them easier), or the residual of the best model; and of "
    "ridge with the optimal strength in closed form."
)

_FINITE_VARIANCE = 4  # |p - n| from which the error's variance is finite
_LOOKS = {
    "none": ("least squares", "0.55", "-"),
    "small singular values": ("without small singular values", plotting.COLORS.vermillion, "--"),
    "test rows": ("test rows in leading directions", plotting.COLORS.purple, ":"),
    "residual": ("without a residual", plotting.COLORS.orange, "-."),
}
_VIEWS = {
    "model-wise": ("features $p$", "{} rows: more features", "$p = n$"),
    "sample-wise": ("rows $n$", "{} features: more rows", "$n = p$"),
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw theory and simulation above the ablations, through the model and through the sample."""
    with plotting.page("ab;cd", 4.3, sharex=True) as (figure, panels):
        for above, below, (view, (over, what, peak)) in zip("ab", "cd", _VIEWS.items(), strict=True):
            runs = dataset.sel(view=view)
            _draw_descent(panels[above], runs)
            _draw_ablations(panels[below], runs)
            panels[above].set_title(what.format(dataset.attrs["critical"]))
            panels[above].tick_params(labelbottom=False)
            panels[below].set(xlabel=over, title="One ingredient less")
            for letter in (above, below):
                _mark_peak(panels[letter], dataset.attrs["critical"], peak)
        for left, right in zip("ac", "bd", strict=True):
            panels[left].set_ylabel("test error")
            panels[right].sharey(panels[left])
            panels[right].tick_params(labelleft=False)
        panels["a"].legend(loc="upper left", handlelength=1.1, fontsize=6.5, borderaxespad=0.1)
        figure.legend(*panels["c"].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw_descent(axes: Axes, runs: xr.Dataset) -> None:
    """The exact mean, the means of the data sets away from the peak, and their medians with the band."""
    plain = runs.sel(ablation="none")
    summary = stats.quantiles(plain, "error", dim="seed")
    plotting.band(axes, "size", summary, label="median, 5–95 % of data sets", color=plotting.COLORS.blue)
    theory = np.where(np.isfinite(plain["theory"]), plain["theory"], np.nan)
    axes.plot(plain["size"], theory, color="black", linewidth=1, label="exact mean")
    away = plain.sel(size=abs(plain["size"] - runs.attrs["critical"]) >= _FINITE_VARIANCE)
    mean = stats.mean(away, "error", dim="seed", level=0.6827)
    plotting.bars(axes, "size", mean, label="simulated mean", markersize=2.5, color="black", elinewidth=0.8)
    axes.set(xscale="log", yscale="log")
    text = plotting.count_runs(summary, "data sets").replace(" (", "\n(")
    axes.text(0.99, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def _draw_ablations(axes: Axes, runs: xr.Dataset) -> None:
    """Medians of each ablation and of optimal ridge."""
    for ablation, (name, color, line) in _LOOKS.items():
        median = stats.quantiles(runs.sel(ablation=ablation), "error", dim="seed")["median"]
        axes.plot(runs["size"], median, line, color=color, label=name)
    median = stats.quantiles(runs.sel(factor=1.0), "ridge_error", dim="seed")["median"]
    axes.plot(runs["size"], median, color=plotting.COLORS.green, label="optimal ridge")
    axes.set(xscale="log", yscale="log")


def _mark_peak(axes: Axes, critical: int, text: str) -> None:
    axes.axvline(critical, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    ticks = [tick for tick in (critical // 4, critical // 2, critical, 2 * critical, 4 * critical) if tick]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.annotate(text, (critical, 0.03), (3, 0), ("data", "axes fraction"), "offset points", fontsize=7)

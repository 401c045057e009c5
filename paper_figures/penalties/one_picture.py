"""Early stopping, ridge, dropout and input noise on one linear problem, over their degrees of freedom."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "Four regularizers of one linear problem, at equal degrees of freedom (df). Lines are closed forms, markers are "
    "runs; dropout and input noise are SGD, averaged over n draws. (a) Share that a fit keeps of each singular "
    "direction, against its eigenvalue; bars (mostly hidden) are 95 % Student t intervals. Dropout shrinks each column "
    "on its own scale, so that its filter is no function of the eigenvalue. (b) df against the effective time: ηk for "
    "early stopping, n/α for ridge, 1/σ² for input noise, p/(1 − p) over the mean square of a column for dropout. "
    "(c) Two coefficients as df grows from 0 (square) to all (cross, least squares), for a target without noise. "
    "(d) Risk of the fitted values; bars are ±1.96 jackknife standard errors over n draws of the target. "
    "(e) Random problems: risk of gradient flow at time t over that of ridge at n/t, median, band from the 5 % to the "
    "95 % quantile and the worst, below the bound 1.69; whole steps k = t of size 1 are not bound by it (worst, "
    "dotted). (f) Risks over that of ridge at equal df: median and band from the 5 % to the 95 % quantile of problems."
)

_LOOKS = {
    "early stopping": (plotting.COLORS.vermillion, "o", "-"),
    "ridge": (plotting.COLORS.blue, "s", "-"),
    "dropout": (plotting.COLORS.green, "^", "-"),
    "input noise": (plotting.COLORS.purple, "D", "--"),  # on ridge
}
_NORMAL = 1.96


def draw(dataset: xr.Dataset) -> Figure:
    """Draw filters, calibration and coefficients, and below them the risks."""
    with plotting.page("abc;def", 4.6) as (figure, panels):
        _draw_filters(panels["a"], dataset)
        _draw_times(panels["b"], dataset)
        _draw_coefficients(panels["c"], dataset)
        _draw_risk(panels["d"], dataset)
        _draw_bound(panels["e"], dataset)
        _draw_path(panels["f"], dataset)
    return figure


def choose_df(dataset: xr.Dataset) -> float:
    """The df of the fits that is nearest to half of the columns."""
    return float(dataset["df"].sel(df=dataset.sizes["column"] / 2, method="nearest"))


def _draw_filters(axes: Axes, dataset: xr.Dataset) -> None:
    """What each fit keeps of each singular direction."""
    df = choose_df(dataset)
    summary = stats.mean(dataset.sel(df=df), "filter", dim="draw")
    for name, (color, marker, line) in _LOOKS.items():
        one = summary.sel({"method": name})
        plotting.bars(axes, dataset["eigenvalue"], one, marker=marker, color=color, markerfacecolor="none")
        exact = dataset["exact_filter"].sel({"method": name, "df": df})
        axes.plot(dataset["eigenvalue"], exact, line, color=color, linewidth=1, label=name)
    axes.set(xscale="log", ylim=(0, 1.03), xlabel="eigenvalue of $X'X/n$", ylabel="share kept")
    axes.set_title(f"Filters, df = {df:g}, n = {int(summary['n'].max())}")
    axes.legend(loc="lower right", borderaxespad=0.1)


def _draw_times(axes: Axes, dataset: xr.Dataset) -> None:
    """Degrees of freedom against the effective time."""
    measured = stats.mean(dataset, "filter", dim="draw")["mean"].sum("eigen")
    for name, (color, marker, line) in _LOOKS.items():
        one = dataset.assign(measured=measured).sel({"method": name})
        axes.plot(one["path_time"], one["path_df"], line, color=color, linewidth=1)
        axes.plot(one["exact_time"], one["measured"], marker, color=color, markerfacecolor="none", label=name)
    axes.set(xscale="log", ylim=(0, dataset.sizes["column"]), xlabel="effective time", ylabel="degrees of freedom")
    axes.set_title("$\\eta k$ is about $n/\\alpha$")


def _draw_coefficients(axes: Axes, dataset: xr.Dataset) -> None:
    """Two coefficients along the paths."""
    ends = dataset["path_coef"].sel({"method": "ridge"}).isel(fine_df=-1)
    columns = np.sort(np.argsort(-abs(ends.values))[:2])
    measured = stats.mean(dataset, "coef", dim="draw")["mean"]
    for name, (color, marker, line) in _LOOKS.items():
        one = dataset.assign(measured=measured).sel({"method": name}).isel(column=columns)
        axes.plot(*one["path_coef"].transpose("column", "fine_df").values, line, color=color, linewidth=1)
        points = one["measured"].transpose("column", "df").values
        axes.plot(*points, marker, color=color, markerfacecolor="none", markersize=3.5)
    axes.plot(0, 0, "s", color="black", markersize=3.5)
    axes.plot(*dataset["least_squares"].values[columns], "x", color="black", markersize=5)
    axes.set(xlabel=f"coefficient {columns[0] + 1}", ylabel=f"coefficient {columns[1] + 1}", title="Two coefficients")


def _draw_risk(axes: Axes, dataset: xr.Dataset) -> None:
    """Risk against degrees of freedom."""
    for name, (color, marker, line) in _LOOKS.items():
        one = dataset.sel({"method": name})
        axes.plot(one["path_df"], one["path_bias2"] + one["path_variance"], line, color=color, linewidth=1)
        mean, half = one["error"], _NORMAL * one["error_se"]
        summary = xr.Dataset({"mean": mean, "low": mean - half, "high": mean + half})
        x = one["exact_df"]
        plotting.bars(axes, x, summary, marker=marker, color=color, markersize=3.5, markerfacecolor="none")
    best = dataset.sel({"method": "ridge"})
    for part, style, label in (("bias2", ":", "bias²"), ("variance", "-.", "variance")):
        axes.plot(best["path_df"], best[f"path_{part}"], style, color="0.4", linewidth=0.9, label=f"{label} of ridge")
    axes.set(xlim=(0, None), ylim=(0, None), xlabel="degrees of freedom", ylabel="risk (units of $y^2$)")
    axes.set_title(f"Risk, n = {int(dataset['n'].max())}")
    axes.legend(loc="upper right")


def _draw_bound(axes: Axes, dataset: xr.Dataset) -> None:
    """Relative risk of gradient flow over time."""
    runs = dataset[["flow", "descent"]].assign(diverged=dataset["problem_diverged"])
    summary = stats.quantiles(runs, "flow", dim="problem")
    plotting.band(axes, "time", summary, color=plotting.COLORS.vermillion, label="gradient flow")
    valid = runs.where(~runs["diverged"])
    worst = valid["flow"].max("problem")
    axes.plot(worst["time"], worst, color="black", linewidth=1, label=f"its worst, {float(worst.max()):.2f}")
    steps = valid["descent"].max("problem")
    axes.plot(steps["count"], steps, ":", color="black", linewidth=1, label=f"worst of steps, {float(steps.max()):.1f}")
    axes.axhline(float(dataset["bound"]), color=plotting.COLORS.blue, linewidth=0.9, linestyle="--")
    axes.text(float(dataset["time"][-1]), 1.03 * float(dataset["bound"]), "1.69", fontsize=6.5, ha="right", va="bottom")
    axes.set(xscale="log", ylim=(0, None), xlabel="time $t$ (ridge: $n/\\alpha$)", ylabel="risk / risk of ridge")
    axes.set_title(plotting.count_runs(summary, "problems"))
    axes.legend(loc="upper right", labelspacing=0.2)


def _draw_path(axes: Axes, dataset: xr.Dataset) -> None:
    """Relative risks at equal degrees of freedom."""
    runs = dataset[["early", "dropout"]].assign(diverged=dataset["problem_diverged"])
    for name, label in (("dropout", "dropout"), ("early", "early stopping")):
        color, marker, _ = _LOOKS[label]
        summary = stats.quantiles(runs, name, dim="problem")
        plotting.band(axes, "fraction", summary, color=color, marker=marker, markersize=3, label=label)
    axes.axhline(1, color="0.5", linewidth=0.7)
    axes.set(yscale="log", xlabel="degrees of freedom / columns", ylabel="risk / risk of ridge", title="At equal df")
    axes.legend()

"""Weight decay step by step, and where its forms end with momentum, Adam and AdamW."""

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxreg import plotting, stats

CAPTION = (
    "Weight decay in random linear regressions, tutorial T4. (a) Gradient descent θ ← θ(1 − αλ/m) − (α/m) X'(Xθ − y) "
    "on one problem: norm of θ for several λ (lines), with the closed form (dots); dashed, a λ from which on it "
    "diverges although 1 − αλ/m is below 1. (b) The same run along the eigenvectors of X'X/m at one λ: closed forms "
    "(lines) and the run (dots). (c) Share of problems in which a step does not make the norm larger (by more than "
    "rounding), with 95 % Wilson intervals. (d) Distance of decoupled decay from L2 in the loss on the same "
    "mini-batches: median and band from the 5 % to the 95 % quantile of the problems. (e) Distance of the ends of "
    "full-batch runs from the solutions that they should reach: each problem a dot, the bar their median; dotted "
    "lines mark the tolerances 1e-4 and 0.02. (f) Two weights: contours of the loss, paths from one start, ridge "
    "(circle) and the least squares of the box ‖θ‖∞ ≤ 1/w (square), both computed by other solvers."
)

_FLOOR = 1e-17
_EVERY = 10
_DIRECTIONS = tuple(plotting.COLORS)[:6]
_OPTIMIZERS = {
    "adam": ("Adam", plotting.COLORS.vermillion),
    "momentum": ("momentum", plotting.COLORS.green),
    "sgd": ("SGD: equal", plotting.COLORS.blue),
}
_RULES = {"adam + l2": ("Adam + L2", plotting.COLORS.blue, "o"), "adamw": ("AdamW", plotting.COLORS.vermillion, "s")}
_PAIRS = {
    "adam + l2 → ridge": ("Adam + L2\nto ridge", plotting.COLORS.blue),
    "momentum, decoupled → weaker ridge": ("momentum to\n(1-β)λ ridge", plotting.COLORS.green),
    "adamw → box": ("AdamW\nto box", plotting.COLORS.vermillion),
    "adamw → nearest ridge": ("AdamW to\nany ridge", plotting.COLORS.purple),
}
_TOLERANCES = (1e-4, 1e-4, 0.02, 0.02)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw gradient descent with decay, the three forms compared, and the ends of the adaptive optimizers."""
    with plotting.page("abc;def", 4.6) as (figure, panels):
        _draw_norms(panels["a"], dataset)
        _draw_directions(panels["b"], dataset)
        _draw_falls(panels["c"], dataset)
        _draw_forms(panels["d"], dataset)
        _draw_ends(panels["e"], dataset)
        _draw_picture(panels["f"], dataset)
    return figure


def _shades(dataset: xr.Dataset) -> list[str]:
    """A colour for each strength: the larger, the darker."""
    places = np.linspace(0.85, 0.0, dataset.sizes["strength"])
    return [to_hex(color) for color in matplotlib.colormaps["viridis"](places)]


def _draw_norms(axes: Axes, dataset: xr.Dataset) -> None:
    """The norm of one problem's weights."""
    one = dataset.isel(seed=0)
    exact = (one["direction_exact"] ** 2).sum("eigen", skipna=False) ** 0.5
    for strength, color in zip(dataset["strength"].values, _shades(dataset), strict=True):
        stable = strength < float(dataset["critical"])
        size = one["norm"].sel(strength=strength)
        axes.plot(size["step"], size, "-" if stable else "--", color=color, label=f"{strength:g}")
        dots = exact.sel(strength=strength)[::_EVERY]
        axes.plot(dots["step"], dots, "o", color=color, markersize=2.5)
    top = float(one["norm"].max("step").where(one["strength"] < one["critical"]).max())
    low = float(one["norm"].min())
    axes.set(yscale="log", xlabel="step $k$", ylabel="norm of $\\theta$")
    if np.isfinite([low, top]).all():  # not all strengths made it diverge
        axes.set_ylim(0.7 * low, 4 * top)
    axes.set_title("One problem")
    axes.legend(title="$\\lambda$", title_fontsize=7, ncols=2, loc="upper right", columnspacing=0.8, labelspacing=0.2)


def _draw_directions(axes: Axes, dataset: xr.Dataset) -> None:
    """The same weights along the eigenvectors, at the largest stable strength but one."""
    stable = dataset["strength"].values[dataset["strength"].values < float(dataset["critical"])]
    strength = stable[-2] if len(stable) > 2 else stable[-1]
    one = dataset.isel(seed=0).sel(strength=strength)
    for place, color in zip(range(dataset.sizes["eigen"]), _DIRECTIONS, strict=False):
        cell = one.isel(eigen=place)
        label = f"{float(cell['eigenvalue']):.2f}"
        axes.plot(one["step"], cell["direction_exact"], color=color, linewidth=1, label=label)
        axes.plot(one["step"][::2], cell["direction"][::2], "o", color=color, markersize=2.5)
    axes.set(xlim=(-0.5, 40), xlabel="step $k$", ylabel="$\\theta$ along eigenvector")
    axes.set_title(f"Each direction, $\\lambda$ = {strength:g}")
    axes.legend(title="eigenvalue $\\mu$ of $X'X/m$", title_fontsize=7, ncols=3, loc="upper right", columnspacing=0.8)


def _draw_falls(axes: Axes, dataset: xr.Dataset) -> None:
    """How often a step shrinks the weights."""
    summary = stats.proportion(dataset, "falls", dim="seed")
    for strength, color in zip(dataset["strength"].values, _shades(dataset), strict=True):
        line = "-" if strength < float(dataset["critical"]) else "--"
        cell = summary.sel(strength=strength)
        plotting.band(axes, "made", cell, color=color, linestyle=line, linewidth=1, label=f"{strength:g}")
    axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="step $k$", ylabel="norm does not grow")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(plotting.count_runs(summary, "problems"))


def _draw_forms(axes: Axes, dataset: xr.Dataset) -> None:
    """Decoupled decay away from L2 in the loss."""
    apart = dataset["apart"].sel(form="decoupled").clip(min=_FLOOR)
    summary = stats.quantiles(dataset[["diverged"]].assign(apart=apart), "apart", dim="seed")
    for name, (label, color) in _OPTIMIZERS.items():
        plotting.band(axes, "made", summary.sel(optimizer=name), color=color, label=label)
    axes.axhline(2.2e-16, color="0.6", linewidth=0.7, linestyle=":")
    axes.set(yscale="log", ylim=(_FLOOR / 3, 30), xlabel="step $k$", ylabel="distance / norm")
    axes.set_title("Decoupled against L2")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.45))
    axes.text(0.98, 4e-16, "rounding", transform=axes.get_yaxis_transform(), fontsize=6.5, color="0.4", ha="right")


def _draw_ends(axes: Axes, dataset: xr.Dataset) -> None:
    """How far from its solution each run to the end is."""
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, dataset.sizes["problem"])
    for place, (pair, (_, color)) in enumerate(_PAIRS.items()):
        distance = np.maximum(dataset["distance"].sel(pair=pair).values, _FLOOR)
        axes.plot(distance, place + jitter, "o", color=color, markersize=2, alpha=0.5, markeredgewidth=0)
        axes.plot(2 * [np.median(distance)], [place - 0.3, place + 0.3], color="black", linewidth=1.2)
        axes.plot(2 * [_TOLERANCES[place]], [place - 0.4, place + 0.4], color="0.5", linewidth=0.9, linestyle=":")
    axes.set(xscale="log", xlim=(_FLOOR, 10), xlabel="distance / norm of the solution", ylim=(len(_PAIRS) - 0.5, -0.5))
    axes.set_yticks(range(len(_PAIRS)), [label for label, _ in _PAIRS.values()], fontsize=6.5)
    axes.set_title(f"Ends, n = {dataset.sizes['problem']} problems")


def _draw_picture(axes: Axes, dataset: xr.Dataset) -> None:
    """Two weights, their paths and solutions."""
    optimum, gram = dataset["picture_optimum"].values, dataset["picture_gram"].values
    bound = float(dataset["picture_box"])
    first, second = np.meshgrid(np.linspace(-1.1, 2.7, 121), np.linspace(-1.4, 3.2, 121))
    offset = np.stack([first, second], -1) - optimum
    loss = np.einsum("...i,ij,...j->...", offset, gram, offset)
    axes.contour(first, second, loss, levels=np.array([0.1, 0.5, 1.5, 4, 9, 18, 32]), colors="0.75", linewidths=0.6)
    axes.add_patch(Rectangle((-bound, -bound), 2 * bound, 2 * bound, fill=False, linewidth=0.9, linestyle="--"))
    for name, (label, color, marker) in _RULES.items():
        path = dataset["picture_path"].sel(rule=name).transpose("picture_step", "weight").values
        axes.plot(*path.T, color=color, linewidth=1.2, label=label)
        axes.plot(*path[-1], "x", color=color, markersize=4, zorder=6)
        end = dataset["picture_end"].sel(rule=name).values
        axes.plot(*end, marker, color=color, markerfacecolor="none", markersize=7)
    axes.plot(*optimum, "+", color="black", markersize=6)
    axes.set(xlim=(-1.1, 2.7), ylim=(-1.4, 3.2), xlabel="$\\theta_1$", ylabel="$\\theta_2$")
    axes.set_title(f"Box of $1/w$ = {bound:g}")
    axes.legend(loc="upper left", borderaxespad=0.1, frameon=True, framealpha=0.9, edgecolor="none")

"""What mini-batch noise is: the error of refits over their points, its tails, and SGD with noise on a quadratic."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import erfc

from jaxreg import plotting

CAPTION = (
    "What mini-batch noise is. (a) Typical (median) squared error of the gradient of a polynomial of degree 6 refitted "
    "to K of 100 points, over its constant 0.455 v(w), which theory gives from the data, at several w; beside it the "
    "law with 1/(K − 8) and the usual one with 1/K. At K = 100 the error is zero. (b) Share of refits whose error at "
    "w = 3.5 exceeds a multiple of the median, and the Gaussian with that median; α are tail exponents, by Hill from "
    "the largest 0.3 %, with 95 % intervals: below 2 there is no variance. (c) Above, stationary variance of SGD on a "
    "quadratic over that of the diffusion limit: all kinds of noise follow 1/(1 − η/η*), which is exact in discrete "
    "time; below, the tail exponent of regression on mini-batches of B, measured (points) and exact (lines), which "
    "falls to 2 at the edge of stability η* = 2/(1 + 2/B). Intervals in (a), those in (b) and bars in (c) are 95 %, "
    "of the n that the panels state; where the tail exponent is below 4 those of the variance are too narrow."
)

_SIZES = {8: "vermillion", 10: "orange", 14: "green", 20: "purple", 40: "blue"}  # drawn in (b), where they exist
_WEIGHT = 3.5
_MARKERS = "osD^vPX*<>"
_LOOK: dict[str, Any] = {"markersize": 3, "markerfacecolor": "none", "markeredgewidth": 0.8}
_QUARTILE = 0.6744897501960817  # the median size of a standard normal number


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the typical error, the tails, and the quadratic's stationary variance above its tail exponents."""
    with plotting.page("abc;abC", 2.9, height_ratios=(1.25, 1)) as (figure, panels):
        panels["C"].sharex(panels["c"])
        _draw_law(panels["a"], dataset)
        _draw_survival(panels["b"], dataset)
        _draw_variance(panels["c"], dataset)
        _draw_tails(panels["C"], dataset)
    return figure


def _draw_law(axes: Axes, dataset: xr.Dataset) -> None:
    """Typical squared error over its constant at every w, with both laws."""
    population, spare = int(dataset["population"]), int(dataset["degree"]) + 2
    for place, marker in zip(range(dataset.sizes["weight"]), _MARKERS, strict=False):
        cells = dataset.isel(weight=place)
        errors = (cells["typical_error"] / cells["typical_constant"]).to_dataset("part")
        errors = errors.where(errors["mean"] > 0, drop=True)
        label = f"{float(cells['weight']):g}".replace("-", "−")
        plotting.bars(axes, "batch_size", errors, color=plotting.COLORS[place % 6], **_points(marker), label=label)
    size = np.geomspace(spare + 0.2, 0.99 * population, 300)
    rest = 1 - size / population
    (exact,) = axes.plot(size, rest / (size - spare), color="black", linewidth=1, zorder=1)
    (usual,) = axes.plot(size, rest / size, color="0.5", linewidth=1, linestyle="--", zorder=1)
    handles, labels = axes.get_legend_handles_labels()
    lines = axes.legend([exact, usual], ["(1 − K/N)/(K − p − 2)", "(1 − K/N)/K"], loc="lower left", fontsize=6.5)
    axes.add_artist(lines)
    axes.legend(handles, labels, title="$w$", loc="upper right", fontsize=6.5, title_fontsize=7, handlelength=0.8)
    axes.set(xscale="log", yscale="log", ylabel="median squared error / 0.455 v(w)", ylim=(3e-4, 40), title="Not 1/K")
    axes.set_xlabel(f"K, points of {population} per refit\n{_count(dataset, 'draws')} refits each")
    axes.set_xticks([8, 10, 20, 40, 80], ["8", "10", "20", "40", "80"])
    axes.tick_params(axis="x", which="minor", labelbottom=False)


def _draw_survival(axes: Axes, dataset: xr.Dataset) -> None:
    """Share of refits whose error exceeds a multiple of the median, and a Gaussian's."""
    cells = dataset.sel(weight=_WEIGHT, method="nearest")
    total = int(dataset["draws"])
    for size, color in _SIZES.items():
        if size not in cells["batch_size"]:
            continue
        cell = cells.sel(batch_size=size)
        counts = cell["error_count"].values
        share = counts[::-1].cumsum()[::-1] / total
        multiple = cell["size"].values / np.sqrt(float(cell["typical_error"].sel(part="mean")))
        shown = (multiple >= 0.1) & (share > 0)
        index, low, high = map(float, cell["error_exponent"])
        label = f"K = {size}, α = {index:.1f} ({low:.1f}–{high:.1f})"
        axes.plot(multiple[shown], share[shown], color=getattr(plotting.COLORS, color), label=label)
    multiple = np.geomspace(0.1, 20, 200)
    gaussian = erfc(multiple * _QUARTILE / np.sqrt(2))
    axes.plot(multiple, gaussian, color="black", linestyle="--", linewidth=1, label="Gaussian")
    axes.set(xscale="log", yscale="log", xlim=(0.1, None), ylim=(0.5 / total, 1.5))
    axes.set(ylabel="share of refits beyond", title="Not Gaussian")
    axes.set_xlabel(f"error / median error\n{_count(dataset, 'draws')} refits each")
    axes.set_yticks([10.0**-k for k in range(0, 8, 2) if 10.0**-k > 0.5 / total])
    axes.legend(loc="upper right", fontsize=6.5, labelspacing=0.2, handlelength=1, borderpad=0)


def _draw_variance(axes: Axes, dataset: xr.Dataset) -> None:
    """Stationary variance over the diffusion's, of every kind of noise."""
    share = np.linspace(0, 0.95, 200)
    axes.plot(share, 1 / (1 - share), color="black", linewidth=1, label="exact", zorder=1)
    axes.axhline(1, color="0.5", linewidth=1, linestyle="--", zorder=1)
    handles = []
    for place, name in enumerate(dataset["setting"].values):
        cells = dataset.isel(setting=place)
        ratios = (cells["variance"] / cells["diffusion_variance"]).to_dataset("part")
        color, marker = plotting.COLORS[place % 6], _MARKERS[place % len(_MARKERS)]
        plotting.bars(axes, "relative_rate", ratios, color=color, **_points(marker))
        handles.append(Line2D([], [], color=color, marker=marker, **_LOOK, linestyle="none", label=name))
    axes.text(0.98, 1.06, "diffusion", color="0.4", ha="right", va="bottom", fontsize=6.5)
    axes.set(yscale="log", ylim=(0.8, 30), ylabel="variance ratio", title="Discrete, heavy-tailed")
    axes.set_yticks([1, 3, 10], ["1", "3", "10"])
    axes.tick_params(labelbottom=False)
    axes.tick_params(axis="y", which="minor", labelleft=False)
    axes.legend(handles=handles, loc="upper left", fontsize=5.5, labelspacing=0.2, handlelength=0.8, borderpad=0)


def _draw_tails(axes: Axes, dataset: xr.Dataset) -> None:
    """Tail exponents of regression over the learning rate, measured and exact."""
    first = dataset.sizes["setting"] - dataset.sizes["regression_size"]  # regressions are the last settings
    for place, size in enumerate(dataset["regression_size"].values):
        cells = dataset.isel(regression_size=place)
        rates = cells["tail_rate"].values
        color, marker = plotting.COLORS[(first + place) % 6], _MARKERS[(first + place) % len(_MARKERS)]
        slower = dataset["exact_exponent"].isel(setting=first + place)
        slower = slower[slower["relative_rate"] < rates.min()]
        exact = np.append(slower, cells["exact_tail"])
        axes.plot(np.append(slower["relative_rate"], rates), exact, color=color, linewidth=1)
        tails = cells["tail"].to_dataset("part")
        plotting.bars(axes, rates, tails, color=color, **_points(marker), label=f"B = {int(size)}")
    axes.axhline(2, color="0.5", linewidth=1, linestyle="--", zorder=1)
    axes.text(0.02, 1.8, "no variance below", color="0.4", va="top", fontsize=6.5)
    axes.set(xlabel=f"η / η*, edge of stability = 1\n{_count(dataset, 'runs')} runs each", ylabel="tail exponent")
    axes.set(ylim=(0, 6), xlim=(0, 1.2))


def _points(marker: str) -> dict[str, Any]:
    return {"marker": marker, "elinewidth": 0.8, **_LOOK}


def _count(dataset: xr.Dataset, name: str) -> str:
    return f"n = {int(dataset[name]):,}"

"""Where SGD ends on the landscape of tutorial T2, how long it lasts, and what batch size and start change."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxreg import plotting, stats
from jaxreg.landscape import FATES, T2_LANDSCAPE
from paper_figures.landscape.sgd_landscape.balls import animations as animations
from paper_figures.landscape.sgd_landscape.looks import (
    HEIGHT_AT,
    NAMES,
    PALETTE,
    RATE,
    WINDOW,
    mark_minima,
    shade_basins,
)

CAPTION = (
    "SGD on the landscape of tutorial T2, its gradient being that of a polynomial refitted to a few random points at "
    "every step. (a) The landscape with its basins, the data and the start, and below them where the runs with the "
    "tutorial's learning rate ended. (b) Share of runs with each fate, diverged ones included; below it, where plain "
    "gradient descent on all the data ends, in the colour of its fate. (c) Share of runs that have not yet diverged, "
    "and that have not yet left the basin of the start, after each step. (d, e) Share of runs that end in the basin of "
    "the global minimum, over learning rate and batch size or start, and contours of the diverged share. Plain descent "
    "always or never ends there: see the row of all points in (d), and the black outline in (e). Bands in (b) and (c), "
    "mostly narrower than the lines, are 95 % Wilson intervals over the n runs per learning rate that (b) states; a "
    "cell of (d, e) counts as many runs, or a few more."
)

_BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22), "fontsize": 6, "borderaxespad": 0}
_SHOWN_RATES = {0.1: ":", RATE: "-", 0.9: "--"}
_GONE = {0.1: 0.8, 0.5: 1.6}  # diverged shares that contours follow, and the widths of these
_SHARES = LinearSegmentedColormap.from_list("shares", ["white", PALETTE[0]])


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the landscape beside the fates over the learning rate; below, survival, and fates over batch and start."""
    with plotting.page("ab;AB;cde", 5.6, height_ratios=(3, 1, 3.5)) as (figure, panels):
        for letter in "ab":
            panels[letter.upper()].sharex(panels[letter])
        _draw_landscape(panels["a"], dataset)
        _draw_ends(panels["A"], dataset)
        _draw_fates(panels["b"], dataset)
        _draw_control(panels["B"], dataset)
        _draw_survival(panels["c"], dataset)
        _draw_batch_sizes(panels["d"], dataset)
        mesh = _draw_starts(panels["e"], dataset)
        figure.colorbar(mesh, ax=panels["e"], format="{x:.0%}", label="at the global minimum", aspect=25)
    return figure


def _draw_landscape(axes: Axes, dataset: xr.Dataset) -> None:
    """The polynomial over its basins, with the data and the start."""
    shade_basins(axes)
    axes.plot(dataset["x"], dataset["y"], ".", color="0.55", markersize=3, label="data")
    w = np.linspace(*WINDOW, 701)
    axes.plot(w, HEIGHT_AT(w), color="black", label="landscape")
    mark_minima(axes)
    start = float(dataset["start"])
    above = (start, HEIGHT_AT(start) + 0.5)
    axes.plot(*above, "v", color="black", markersize=4)
    axes.annotate("start", above, (0, 4), textcoords="offset points", ha="center", fontsize=7)
    axes.set_title("Landscape, data, and ends of runs")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper center", ncols=2)


def _draw_ends(axes: Axes, dataset: xr.Dataset) -> None:
    """Last weights at the tutorial's learning rate, in the colours of their fates."""
    runs = dataset[["weight", "fate"]].sel(learning_rate=RATE, method="nearest")
    rate, weight, number = float(runs["learning_rate"]), runs["weight"].values, runs["fate"].values
    shown = [weight[(number == k) & np.isfinite(weight)] for k in range(len(FATES))]
    edges = np.linspace(*WINDOW, 141).tolist()
    share = [np.full(len(part), 100 / len(weight)) for part in shown]
    if any(map(len, shown)):
        axes.hist(shown, bins=edges, weights=share, stacked=True, color=PALETTE)
    gone = 100 * np.mean(number == FATES.index("diverged"))
    text = f"α = {rate:g}: {gone:.0f} % diverged"
    axes.text(0.99, 0.92, text, transform=axes.transAxes, ha="right", va="top", fontsize=7, color=PALETTE[3])
    axes.set(xlabel="weight $w$", xticks=range(-6, 7, 2), ylabel="% of runs", yticks=(0.01, 1, 100))
    axes.set(yscale="log", ylim=(50 / len(weight), 100))  # ticks widen the limits
    axes.yaxis.set_major_formatter("{x:g}")


def _draw_fates(axes: Axes, dataset: xr.Dataset) -> None:
    """Share of each fate over the learning rate, with its band."""
    for number, (name, color) in enumerate(zip(NAMES, PALETTE, strict=True)):
        summary = stats.proportion(dataset, "fate", dim="seed", value=number, count_diverged=True)
        plotting.band(axes, "learning_rate", summary, label=name, color=color)
    _mark_tutorial(axes)
    axes.annotate(f"T2: α = {RATE}", (RATE, 1.0), (-3, 0), textcoords="offset points", ha="right", va="top", fontsize=7)
    axes.set(xscale="log", ylim=(0, 1), title=f"Fate after {dataset.sizes['step']} steps")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(labelbottom=False)
    title = f"n = {int(summary['n'].min()):,} runs each"
    small: dict[str, Any] = {"fontsize": 6.5, "title_fontsize": 6.5, "handlelength": 1.1, "borderaxespad": 0.1}
    axes.legend(title=title, loc="center left", bbox_to_anchor=(0, 0.44), alignment="left", **small)


def _draw_control(axes: Axes, dataset: xr.Dataset) -> None:
    """Last weight of descent on all the data over the learning rate."""
    last = dataset["control"].values[:, -1]
    colors = [PALETTE[k] for k in dataset["control_end"].values]
    for minimum in T2_LANDSCAPE.minima:
        axes.axhline(minimum, color="0.85", linewidth=0.7, zorder=0)
    axes.scatter(dataset["learning_rate"], last, c=colors, s=8)
    _mark_tutorial(axes)
    axes.text(0.01, 0.2, "descent on all the data", transform=axes.transAxes, fontsize=7)
    axes.set(xlabel="learning rate α", ylabel="last $w$", ylim=(-6, 6))


def _draw_survival(axes: Axes, dataset: xr.Dataset) -> None:
    """Share of runs that nothing has happened to yet, after each step, at a few learning rates."""
    steps = dataset.sizes["step"]
    rates = dataset["learning_rate"].sel(learning_rate=list(_SHOWN_RATES), method="nearest").values
    styles = dict(zip(rates.tolist(), _SHOWN_RATES.values(), strict=True))
    for name, color in {"survived": PALETTE[3], "stayed": PALETTE[2]}.items():
        for rate, line in styles.items():
            plotting.band(axes, "step", _survival(dataset, name, rate), color=color, linestyle=line)
    handles = [Line2D([], [], color="0.3", linestyle=line, label=f"α = {rate:.2g}") for rate, line in styles.items()]
    axes.legend(handles=handles, ncols=3, handlelength=1.5, columnspacing=0.8, **_BELOW)
    axes.text(0.97 * steps, 0.97, "not yet diverged", color=PALETTE[3], ha="right", fontsize=7)
    axes.text(0.1 * steps, 0.08, "still in the\nstart's basin", color=PALETTE[2], fontsize=7)
    axes.set(xlabel="step", ylabel="share of runs", xlim=(0, steps), ylim=(0, 1.05), title="Survival")
    axes.yaxis.set_major_formatter("{x:.0%}")


def _survival(dataset: xr.Dataset, name: str, rate: float) -> xr.Dataset:
    """Share of runs whose count of steps `name` is at least 0, 1, …; the last is that of runs which outlived all."""
    count = dataset[name].sel(learning_rate=rate).values
    step = np.arange(dataset.sizes["step"] + 1)
    runs = xr.Dataset({"lives": (("seed", "step"), count[:, None] >= step)}, {"step": step})
    return stats.proportion(runs, "lives", dim="seed")


def _draw_batch_sizes(axes: Axes, dataset: xr.Dataset) -> None:
    """Share that ends at the global minimum over learning rate and batch size, plain descent as the last row."""
    start = float(dataset["start"])
    share = _share(dataset).sel(initial_weight=start, method="nearest")
    arrived = dataset["control_end"].values == 0
    rows = np.concatenate([share.isel(outcome=0).transpose("batch_size", "learning_rate").values, arrived[None]])
    axes.pcolormesh(dataset["learning_rate"], np.arange(len(rows)), rows, cmap=_SHARES, vmin=0, vmax=1)
    _outline_diverged(axes, share, np.arange(len(rows) - 1), "batch_size")
    axes.axhline(len(rows) - 1.5, color="black", linewidth=0.7)
    names = {width: f"{100 * gone:g} % diverged" for gone, width in _GONE.items()}
    handles = [Line2D([], [], color=PALETTE[3], linewidth=width, label=name) for width, name in names.items()]
    axes.legend(handles=handles, ncols=2, handlelength=1.1, columnspacing=0.8, **_BELOW)
    axes.set(xscale="log", xlabel="learning rate α", ylabel="points per step", title=f"Start at {start:g}")
    axes.set_yticks(range(len(rows)), [*map(str, dataset["batch_size"].values), "all"])
    _mark_tutorial(axes)


def _draw_starts(axes: Axes, dataset: xr.Dataset) -> QuadMesh:
    """Share that ends at the global minimum over learning rate and first weight, at the tutorial's batch size."""
    size = int(dataset["draw"].size)
    share = _share(dataset).sel(batch_size=size, method="nearest")
    rates, starts = dataset["learning_rate"], dataset["initial_weight"]
    values = share.isel(outcome=0).transpose("initial_weight", "learning_rate")
    mesh = axes.pcolormesh(rates, starts, values, cmap=_SHARES, vmin=0, vmax=1)
    _outline_diverged(axes, share, starts, "initial_weight")
    arrives = (dataset["control_fate"] == 0).transpose("initial_weight", "learning_rate")
    axes.contour(rates, starts, arrives, [0.5], colors="black", linewidths=0.8)
    axes.set(xscale="log", xlabel="learning rate α", ylabel="start")
    axes.set_title(f"{int(share['batch_size'])} points per step")
    _mark_tutorial(axes)
    return mesh


def _share(dataset: xr.Dataset) -> xr.DataArray:
    return dataset["fate_count"] / dataset["fate_count"].sum("outcome")


def _outline_diverged(axes: Axes, share: xr.DataArray, rows: object, dim: str) -> None:
    """Contours of the diverged share, where there are rows enough."""
    gone = share.isel(outcome=FATES.index("diverged")).transpose(dim, "learning_rate")
    if min(gone.shape) > 1:
        axes.contour(gone["learning_rate"], rows, gone, list(_GONE), colors=PALETTE[3], linewidths=list(_GONE.values()))


def _mark_tutorial(axes: Axes) -> None:
    axes.axvline(RATE, color="0.6", linewidth=0.8, linestyle="--", zorder=0)

"""Tutorial T2 as it moves: one run with its refitted curves, and a histogram of many runs on the landscape."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from numpy.polynomial import polynomial

from jaxreg import plotting
from jaxreg.plotting.animation import Animation
from paper_figures.landscape.sgd_landscape import looks

_SIZE = (6.2, 3.5)
_DOTS_PER_INCH = 100
_SEEN = (looks.HEIGHTS[0] + 0.3, looks.HEIGHTS[1] - 0.3)  # where a whole mark is
_FLOOR = 0.5  # of the logarithmic axis, below one run


def animations(dataset: xr.Dataset) -> dict[str, Animation]:
    """The run of the tutorial, and the population in its place."""
    return {"run": animate_run(dataset), "population": animate_population(dataset)}


def animate_run(dataset: xr.Dataset) -> Animation:
    """One frame per step: the points that it draws, the polynomial through them, and w before and after."""
    after = dataset["member_path"].values
    before = np.concatenate([[float(dataset["start"])], after[:-1]])
    refits, drawn = dataset["member_refit"].values, dataset["member_points"].values
    x, y = dataset["x"].values, dataset["y"].values
    steps, seed = len(after), int(dataset["member"])
    grid = np.linspace(*looks.WINDOW, 281)
    with plotting.style():
        figure = _make_figure()
        axes = figure.add_subplot()
        looks.shade_basins(axes)
        axes.plot(grid, looks.HEIGHT_AT(grid), color="0.6", linestyle="--", linewidth=1, label="landscape")
        axes.plot(x, y, ".", color="0.6", markersize=4, label="data")
        (chosen,) = axes.plot([], [], "s", color="none", markeredgecolor="0.3", markersize=6, label="drawn points")
        (curve,) = axes.plot([], [], color=plotting.COLORS.green, linewidth=1.8, label="curve refitted to them")
        (move,) = axes.plot([], [], color="black", linewidth=1)
        (origin,) = axes.plot([], [], "o", color="white", markeredgecolor="black", markersize=7, label="$w$ before")
        (ball,) = axes.plot([], [], "o", color="black", markersize=8, zorder=4, label="$w$ after the step")
        axes.set_xlabel("weight $w$")
        axes.set_title(f"Tutorial T2: seed {seed}, α = {looks.RATE}, {drawn.shape[1]} of {len(x)} points a step")
        axes.legend(loc="upper center", ncols=3)
        text = axes.text(1, 1.02, "", transform=axes.transAxes, ha="right", fontsize=8)

    def draw_frame(k: int) -> Sequence[Artist]:
        chosen.set_data(x[drawn[k]], y[drawn[k]])
        curve.set_data(grid, polynomial.polyval(grid, refits[k]))
        place, landed = (_find_height(w, refits[k]) for w in (before[k], after[k]))
        origin.set_data([before[k]], [place])
        ball.set_data([after[k]], [landed])
        move.set_data([before[k], after[k]], [place, landed])
        text.set_text(f"step {k + 1} of {steps}: $w$ = {_write(before[k])} → {_write(after[k])}")
        return chosen, curve, move, origin, ball, text

    title = f"One run of SGD on the landscape of tutorial T2 (seed {seed}), with the curve refitted at every step"
    return Animation(figure, draw_frame, steps, title)


def animate_population(dataset: xr.Dataset) -> Animation:
    """One frame per moment, the start included: how many balls are in each bin, in the colours of their basins."""
    balls = dataset["balls"].transpose("moment", "outcome", "bin").values
    lost, beyond = dataset["lost"].values, dataset["beyond"].transpose("moment", "outcome").values
    n = int(balls[0].sum() + beyond[0].sum() + lost[0])
    centres = dataset["bin"].values
    width = centres[1] - centres[0]
    edges = np.append(centres - width / 2, centres[-1] + width / 2)
    grid = np.linspace(*looks.WINDOW, 281)
    with plotting.style():
        figure = _make_figure()
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.3))
        looks.shade_basins(top)
        top.plot(grid, looks.HEIGHT_AT(grid), color="black")
        looks.mark_minima(top)
        top.set_title(f"{n:,} runs of SGD as in tutorial T2, α = {looks.RATE}")
        top.tick_params(labelbottom=False)
        bars = [bottom.stairs(centres, edges, baseline=0, fill=True, color=color) for color in looks.PALETTE[:3]]
        bottom.set(yscale="log", ylim=(_FLOOR, 2 * n), xlim=looks.WINDOW, xlabel="weight $w$", ylabel="runs per bin")
        bottom.set_title(" ", fontsize=10)  # room for the counts
        clock = bottom.text(0.01, 0.96, "", transform=bottom.transAxes, va="top", fontsize=8)
        rest = bottom.text(0.01, 0.84, "", transform=bottom.transAxes, va="top", fontsize=7, color="0.35")
        places = ((0.24, "left"), (0, "left"), (0.58, "left"), (1, "right"))
        counts = [
            bottom.text(place, 1.04, "", transform=bottom.transAxes, ha=side, fontsize=8, color=color)
            for (place, side), color in zip(places, looks.PALETTE, strict=True)
        ]

    def draw_frame(k: int) -> Sequence[Artist]:
        tops = np.maximum(np.cumsum(balls[k, :3], axis=0), _FLOOR)  # of the bars, stacked: the diverged are nowhere
        for bar, bottoms, top in zip(bars, [_FLOOR, *tops], tops, strict=False):
            bar.set_data(values=top, baseline=bottoms)
        totals = [*(balls[k, :3].sum(-1) + beyond[k, :3]), lost[k]]
        clock.set_text(f"step {k} of {len(balls) - 1}")
        for text, name, total in zip(counts, looks.NAMES, totals, strict=True):
            text.set_text(f"{name}: {total:,}")
        rest.set_text(f"{beyond[k].sum():,} beyond the edges" if beyond[k].any() else "")
        return *bars, clock, rest, *counts

    title = f"{n:,} runs of SGD on the landscape of tutorial T2"
    return Animation(figure, draw_frame, len(balls), title)


def _make_figure() -> Figure:
    """Outside of pyplot, which would keep it."""
    return Figure(figsize=_SIZE, dpi=_DOTS_PER_INCH)


def _find_height(weight: float, refit: np.ndarray) -> float:
    """Of a mark on the refitted curve, in sight even where the curve is not; none for a run that diverged."""
    return float(np.clip(polynomial.polyval(weight, refit), *_SEEN)) if np.isfinite(weight) else np.nan


def _write(weight: float) -> str:
    return f"{weight:.2f}".replace("-", "−").replace("inf", "∞")

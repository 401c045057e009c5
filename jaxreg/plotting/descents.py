"""Many runs at once on a landscape of two coordinates, as an animation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from jaxreg.checks import check_integer, check_kind, read_array
from jaxreg.errors import ArgumentError
from jaxreg.landscape.space import Landscape

from .animation import Animation
from .contours import draw_contours
from .looks import COLORS, COLUMN_WIDTH, style

_DOTS_PER_INCH = 120


def animate_descents(
    landscape: Landscape,
    paths: Any,
    x: tuple[float | int, float | int],
    y: tuple[float | int, float | int],
    *,
    title: str,
    tail: int = 10,
    interval_ms: int = 100,
    **contours: Any,
) -> Animation:
    """Runs as dots on filled contours, one frame a record, each with its last records behind it as a line.

    The text says how many are in the window: those that are not have left it, or diverged.

    Args:
        landscape: of two dimensions.
        paths: (runs, records, 2), such as `path` of a sweep of `landscape.space.descend`.
        x: ends of the first coordinate.
        y: ends of the second.
        title: what the animation shows, in one line.
        tail: records that stay behind a run.
        interval_ms: time from one frame to the next, in milliseconds.
        **contours: settings of `draw_contours`.

    Raises:
        ArgumentError: paths of another shape, or as `draw_contours` and `Animation` raise it.

    >>> import jax, optax
    >>> from jaxreg.landscape.space import HIMMELBLAU, descend
    >>> run = descend(HIMMELBLAU, [0.0, 0.0], optax.adam(0.1), 20, seed=jax.random.key(0), record_every=1)
    >>> animate_descents(HIMMELBLAU, run.path[None], (-5, 5), (-5, 5), title="Adam", points=21).frames
    20
    """
    runs = np.asarray(read_array("paths", paths), np.float64)
    if runs.ndim != 3 or runs.shape[-1] != 2 or not runs.size:
        raise ArgumentError(
            "paths", runs.shape, "must have the shape (runs, records, 2)", "Give path[None] for one run"
        )
    check_kind("title", title, str, "Say in one line what is shown")
    check_integer("tail", tail, 0, 10**6, "Give some records, or 0")
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, COLUMN_WIDTH), dpi=_DOTS_PER_INCH)
        axes = figure.add_subplot()
        draw_contours(axes, landscape, x, y, filled=True, **contours)
        axes.set(xlim=x, ylim=y, xlabel="$w_1$", ylabel="$w_2$", title=landscape.name or " ")
        (trails,) = axes.plot([], [], color=COLORS.vermillion, linewidth=0.6, alpha=0.6)
        (dots,) = axes.plot([], [], "o", color=COLORS.vermillion, markersize=3)
        text = axes.text(1, 1.02, "", transform=axes.transAxes, ha="right", fontsize=7)
    low, high = np.array([x, y], float).T
    seen = ((runs >= low) & (runs <= high)).all(-1)
    shown = np.where(np.isfinite(runs).all(-1, keepdims=True), runs, np.nan)

    def draw_frame(k: int) -> Sequence[Artist]:
        behind = shown[:, max(k - tail, 0) : k + 1]
        gaps = np.full((len(runs), 1, 2), np.nan)  # between the lines of two runs
        trails.set_data(*np.concatenate([behind, gaps], axis=1).reshape(-1, 2).T)
        dots.set_data(*shown[:, k].T)
        text.set_text(f"record {k + 1} of {runs.shape[1]}: {seen[:, k].sum():,} of {len(runs):,} runs here")
        return trails, dots, text

    return Animation(figure, draw_frame, runs.shape[1], title, interval_ms)

"""Landscapes of two coordinates as contours, with critical points and the paths of runs."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet

from jaxreg.checks import FINITE, check_flag, check_integer, check_kind, check_pair
from jaxreg.errors import ArgumentError
from jaxreg.landscape.space import Landscape

_LOWEST = 1e-3  # of the range of heights: the first step above the lowest level


def draw_contours(
    axes: Axes,
    landscape: Landscape,
    x: tuple[float | int, float | int],
    y: tuple[float | int, float | int],
    levels: int = 20,
    points: int = 201,
    ceiling: float | None = None,
    filled: bool = False,
    **look: Any,
) -> QuadContourSet:
    """Draw a landscape of two coordinates as lines of equal height, or as areas between them, close where it is low.

    Levels grow geometrically from the lowest height in the window, so that flat valleys and steep walls show both.

    Args:
        axes: where to draw.
        landscape: of two dimensions.
        x: ends of the first coordinate.
        y: ends of the second.
        levels: how many lines.
        points: grid points on each side.
        ceiling: no line above this height; None: the median of the window.
        filled: whether areas between the lines are coloured, those above the ceiling too.
        **look: settings of matplotlib's `contour`, or `contourf`.

    Raises:
        ArgumentError: a landscape of another dimension, a window that is none, or a height that is not finite.

    >>> import matplotlib.pyplot as plt
    >>> from jaxreg.landscape.space import HIMMELBLAU
    >>> figure, axes = plt.subplots()
    >>> len(draw_contours(axes, HIMMELBLAU, (-5, 5), (-5, 5), levels=7).levels)
    7
    >>> plt.close(figure)
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_kind("landscape", landscape, Landscape, "Give landscape.space.Landscape(function, dim)")
    if landscape.dim != 2:
        raise ArgumentError("landscape", landscape.dim, "must have 2 dimensions", "Fix the others in its function")
    for name, ends in (("x", x), ("y", y)):
        check_pair(name, ends, FINITE, "must be two finite ends, the lower first", "Give (-2, 2)", apart=True)
    if ceiling is not None:
        FINITE.check("ceiling", ceiling, "Give a height, or leave it out")
    check_flag("filled", filled)
    check_integer("levels", levels, 2, 500, "Give some tens")
    check_integer("points", points, 2, 5000, "Give some hundreds")
    across, up = np.linspace(*x, points), np.linspace(*y, points)
    heights = measure_heights(landscape, across, up)
    if not np.isfinite(heights).all():
        raise ArgumentError("landscape", "a height", "must be finite in the window", "Draw a smaller one")
    low, high = heights.min(), np.median(heights) if ceiling is None else ceiling
    if not high > low:
        raise ArgumentError("ceiling", high, f"must be above the lowest height, {low:.4g}", "Leave it out")
    steps = np.geomspace(_LOWEST, 1, levels) * (high - low)
    heights_at = {"levels": low + steps}
    if filled:
        colors: dict[str, Any] = {"cmap": "Blues_r", "norm": BoundaryNorm(low + steps, 256, extend="both"), "zorder": 0}
        return axes.contourf(across, up, heights, extend="both", **heights_at, **(colors | look))
    lines: dict[str, Any] = {"colors": "0.75", "linewidths": 0.5, "zorder": 0} | look
    if "cmap" in look:
        lines.pop("colors")
    return axes.contour(across, up, heights, **heights_at, **lines)


def measure_heights(
    landscape: Landscape, x: Float[np.ndarray, " columns"], y: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows columns"]:
    """Heights over a grid, in float64: a row for each y."""
    with jax.enable_x64(True):
        return np.asarray(landscape.value(np.stack(np.meshgrid(x, y), axis=-1)))

"""Implicit curves, drawn straight from their equation."""

from typing import Any

import numpy as np
from contourpy import contour_generator
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from jaxreg.checks import Domain, check_integer, check_kind, check_pair
from jaxreg.errors import ArgumentError

from .typed import Surface, parse_equation

_HALVINGS = 60
_ON_GRID = 1e-9  # of a cell: how near a point on a grid line comes out to it


def implicit_curve(
    axes: Axes,
    equation: str | Surface,
    x: tuple[float | int, float | int] = (-2.0, 2.0),
    y: tuple[float | int, float | int] = (-2.0, 2.0),
    points: int = 401,
    **line: Any,
) -> Line2D:
    """Draw the curve on which an equation in x and y holds, as one line.

    Args:
        axes: where to draw.
        equation: see `trace_curve`.
        x: ends of the x that are searched.
        y: ends of the y.
        points: grid points on each of them.
        **line: settings of the line (`color`, `label`, …).

    Returns:
        The line; where the curve has several pieces, NaN stands between them.

    Raises:
        ArgumentError: see `trace_curve`.

    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> at_x, at_y = implicit_curve(axes, "x**2 + y**2 + x*y = 1").get_data()
    >>> bool(np.abs(at_x**2 + at_y**2 + at_x * at_y - 1).max() < 1e-12)
    True
    >>> plt.close(figure)
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    curve = trace_curve(equation, x, y, points)
    (drawn,) = axes.plot(curve[:, 0], curve[:, 1], **line)
    return drawn


def trace_curve(
    equation: str | Surface,
    x: tuple[float | int, float | int] = (-2.0, 2.0),
    y: tuple[float | int, float | int] = (-2.0, 2.0),
    points: int = 401,
) -> Float[np.ndarray, "k 2"]:
    r"""Points of the curve $f(x, y) = 0$, found where f changes its sign between neighbours on a grid.

    Each point is then halved in on between its two neighbours, which makes it exact and tells a zero from a pole: the
    curve of "y = 1/x" does not include the line x = 0. A curve at which f touches zero without changing its sign, as
    that of "(x - y)**2 = 0", cannot be found so.

    Args:
        equation: text such as "x**2 + y**2 + x*y = 1", which `parse_equation` reads, f being left side minus right;
            or f, a function of two arrays that returns an array of their shape.
        x: ends of the x that are searched.
        y: ends of the y.
        points: grid points on each of them, at least 2.

    Returns:
        x and y in two columns, with a row of NaN between one piece of the curve and the next.

    Raises:
        ArgumentError: text that is no equation, with the place where it goes wrong; ends that are not in order; a
            function that returns another shape; no curve within the ends.

    >>> sorted(trace_curve("2*x = y + 1", points=3)[:, 0].tolist())
    [-0.5, 0.0, 0.5, 1.5]
    """
    check_integer("points", points, 2, 10_000, "Give 401")
    for name, ends in (("x", x), ("y", y)):
        constraint = "must be two finite numbers, the lower first"
        check_pair(name, ends, Domain(-1e100, 1e100), constraint, "Give (-2.0, 2.0)", apart=True)
    if not isinstance(equation, str) and not callable(equation):
        remedy = 'Write it as text, as "x**2 + y**2 = 1"'
        raise ArgumentError("equation", equation, "must be text or a function of two arrays", remedy)
    surface = parse_equation(equation) if isinstance(equation, str) else equation
    grid_x, grid_y = np.linspace(*x, points), np.linspace(*y, points)
    height = _evaluate(surface, *np.meshgrid(grid_x, grid_y))
    lines = contour_generator(grid_x, grid_y, np.ma.masked_invalid(height)).lines(0.0)
    finite = height[np.isfinite(height)]
    pieces: list[np.ndarray] = []
    if (finite < 0).any() and (finite > 0).any():
        scale = float(np.median(np.abs(finite)))
        pieces = [piece for line in lines for piece in _refine(surface, np.asarray(line), (grid_x, grid_y), scale)]
    if not pieces:
        shown = equation if isinstance(equation, str) else getattr(equation, "__name__", "f")
        constraint = f"changes its sign nowhere for x from {x[0]:g} to {x[1]:g} and y from {y[0]:g} to {y[1]:g}"
        raise ArgumentError("equation", shown, constraint, "Widen x and y, or raise points")
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for piece in pieces for part in (gap, piece)][1:])


def _evaluate(surface: Surface, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # outside its domain a function is NaN, and no curve is there
        try:
            value = np.asarray(surface(x, y), float)
        except (TypeError, ValueError) as error:
            remedy = "Use NumPy's functions in it"
            raise ArgumentError("equation", surface, f"must be a function of two arrays ({error})", remedy) from error
    if value.shape not in ((), x.shape):
        raise ArgumentError("equation", value.shape, f"must return the shape of x and y, {x.shape}", "Use NumPy's own")
    return np.broadcast_to(value, x.shape)


def _refine(surface: Surface, line: np.ndarray, grids: tuple[np.ndarray, np.ndarray], scale: float) -> list[np.ndarray]:
    """Halve in on every point between its grid neighbours, and cut the line where there is a pole or a jump."""
    low, high = (np.column_stack(ends) for ends in zip(*map(_neighbours, grids, line.T), strict=True))
    below, above = (_evaluate(surface, *ends.T) for ends in (low, high))
    largest = np.maximum(np.abs(below), np.abs(above))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        value = _evaluate(surface, *middle.T)
        is_low = np.sign(value) == np.sign(below)
        low, high = np.where(is_low[:, None], middle, low), np.where(is_low[:, None], high, middle)
    # Of a pole the values grow without end on the way, at a jump they stay; at a zero they vanish.
    is_zero = np.abs(_evaluate(surface, *high.T)) <= np.maximum(1e-6 * largest, 1e-12 * scale)
    cuts = np.flatnonzero(np.diff(is_zero)) + 1
    return [piece for piece, keep in zip(np.split(high, cuts), np.split(is_zero, cuts), strict=True) if keep[0]]


def _neighbours(grid: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grid points below and above each value, the same for one on the grid."""
    place = (values - grid[0]) / (grid[1] - grid[0])
    nearest = np.rint(place)
    place = np.where(np.abs(place - nearest) < _ON_GRID, nearest, place)
    return grid[np.floor(place).astype(int)], grid[np.ceil(place).astype(int)]

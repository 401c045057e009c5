"""Pages of lettered panels; values that are marked in one, and numbers written out along its axes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby, islice
from string import ascii_lowercase
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from jaxreg.checks import POSITIVE, SHARE, check_choice, check_kind, read_array
from jaxreg.errors import ArgumentError
from jaxreg.plotting.looks import PAGE_WIDTH, style

_BETWEEN = (((1, 2, 3, 5), 1.0), ((1, 2, 5), 2.2), ((1, 3), 4.0), ((1,), np.inf))  # up to so many decades
_REFERENCE: dict[str, Any] = {"color": "0.6", "linewidth": 0.8, "zorder": 0}


def page(
    mosaic: str | Sequence[Sequence[str]], height: float, *, width: float = PAGE_WIDTH, **grid: Any
) -> AbstractContextManager[tuple[Figure, dict[str, Axes]]]:
    """A figure in jaxreg's look; when the block ends, the title of each panel of a small letter begins with it.

    Args:
        mosaic: a letter for each panel, rows divided by ";", such as "ab;cd"; or rows of names. Rows of as many letters
            are one grid, those of another number are laid out apart: "ab;cde". Panels of other names than a small
            letter have none of their own, as one that belongs to another: "ab;aB".
        height: in inches.
        width: in inches.
        **grid: more of matplotlib's `subplot_mosaic` (`width_ratios`, `sharey`, …).

    Returns:
        Context of the figure and its axes by letter.

    Raises:
        ArgumentError: no letters, or a size that is not positive.

    >>> with page("ab", 2.5) as (figure, panels):
    ...     _ = panels["b"].set_title("Loss")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['(a)', '(b) Loss']
    >>> plt.close(figure)
    """
    check_kind("mosaic", mosaic, (str, list, tuple), "Give a letter for each panel, such as 'ab;cd'")
    rows = mosaic.split(";") if isinstance(mosaic, str) else mosaic
    for row in rows:
        check_kind("mosaic", row, (str, list, tuple), "Give a letter for each panel, such as 'ab;cd'")
    named = all(isinstance(name, str) and name.isalnum() for row in rows for name in row)
    grids = [list(map(list, like)) for _, like in groupby(rows, len)] if named else []
    names = [name for like in grids for name in {name for row in like for name in row}]
    if not names or not all(rows) or len(set(names)) < len(names):
        constraint = "must be rows of letters, of which none is in two rows of different lengths"
        raise ArgumentError("mosaic", mosaic, constraint, "Divide them by ;, as in 'ab;cd'")
    for name, size in (("height", height), ("width", width)):
        POSITIVE.check(name, size, "Give inches, such as 2.9")
    return _page(grids, (width, height), grid)


@contextmanager
def _page(
    grids: list[list[list[str]]], size: tuple[float, float], grid: dict[str, Any]
) -> Iterator[tuple[Figure, dict[str, Axes]]]:
    with style():
        figure = plt.figure(figsize=size)
        heights = iter(grid.pop("height_ratios", [1] * sum(map(len, grids))))
        parts = [(rows, list(islice(heights, len(rows)))) for rows in grids]
        places: Any = [figure]
        if len(parts) > 1:
            places = figure.subfigures(len(parts), height_ratios=[sum(ratios) for _, ratios in parts])
        panels: dict[str, Axes] = {}
        for place, (rows, ratios) in zip(places, parts, strict=True):
            panels |= place.subplot_mosaic(rows, height_ratios=ratios, **grid)
        yield figure, panels
        for axes in panels.values():
            _give_logarithms_limits(axes)
        for letter in panels.keys() & set(ascii_lowercase):
            axes = panels[letter]
            axes.set_title(f"({letter}) {axes.get_title(loc='left')}".rstrip(), loc="left")


def _give_logarithms_limits(axes: Axes) -> None:
    """A decade for a logarithmic axis without any number, as where all runs diverged: by itself, it cannot be drawn."""
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if axis.get_scale() == "log" and not np.isfinite(axis.get_minpos()) and not min(axis.get_view_interval()) > 0:
            axes.set(**{f"{name}lim": (1, 10)})


def mark(
    axes: Axes,
    *,
    x: float | int | Sequence[float | int] = (),
    y: float | int | Sequence[float | int] = (),
    text: str | None = None,
    height: float = 1.0,
) -> None:
    """Mark values by thin grey lines behind the data: upright and dotted at each `x`, level and full at each `y`.

    Args:
        axes: where to draw.
        x: one value, or several.
        y: one value, or several.
        text: beside the foot of each upright line.
        height: to which upright lines reach, as a share of the axes', to leave a legend alone.

    Raises:
        ArgumentError: values that are no numbers, or a height outside [0, 1].

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> mark(axes, x=[0.01, 0.1], text="T5")
    >>> [line.get_xdata()[0] for line in axes.lines]
    [0.01, 0.1]
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_kind("text", text, (str, type(None)), "Give a text, or None")
    SHARE.check("height", height, "Give a share of the axes' height, such as 0.8")
    upright, level = (np.atleast_1d(np.asarray(read_array(name, v, kinds="iuf"))) for name, v in (("x", x), ("y", y)))
    for value in upright.ravel().tolist():
        axes.axvline(value, ymax=float(height), linestyle=":", **_REFERENCE)
        if text:
            axes.annotate(text, (value, 0), (2, 2), ("data", "axes fraction"), "offset points", fontsize=6, color="0.4")
    for value in level.ravel().tolist():
        axes.axhline(value, **_REFERENCE)


def write_out(axes: Axes, which: str = "x") -> None:
    """Plain numbers along a logarithmic axis, in place of powers of ten, and between them the fewer the longer it is.

    Args:
        axes: whose axis is made logarithmic.
        which: "x" or "y".

    Raises:
        ArgumentError: no axes, or another axis than x and y.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> line, = axes.plot([1, 10], [1, 2])
    >>> write_out(axes)
    >>> axes.get_xscale(), axes.xaxis.get_major_formatter()(20.0)
    ('log', '20')
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_choice("which", which, ("x", "y"))
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else np.inf
    (subs, _), *_ = [(subs, longest) for subs, longest in _BETWEEN if decades <= longest]
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())

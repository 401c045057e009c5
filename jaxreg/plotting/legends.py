"""Legends that cover no data: moved to where nothing is drawn, or, where there is no such place, given room above."""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.legend import Legend
from matplotlib.path import Path
from matplotlib.transforms import Bbox, Transform

from jaxreg.checks import check_kind

_Place = Literal[
    "upper right",
    "upper left",
    "lower right",
    "lower left",
    "upper center",
    "lower center",
    "center right",
    "center left",
]
PLACES: tuple[_Place, ...] = get_args(_Place)
_ABOVE: tuple[_Place, ...] = ("upper right", "upper left", "upper center")
_TRIES = 4  # times that an axis grows, for data that move down may still reach into the legend, or a layout is made
_GAP = 0.02  # of the axis, between legend and data


def clear_legends(figure: Figure) -> list[str]:
    """Move every legend that covers lines, points, bands or bars of its axes; return the titles of axes left covered.

    A legend stays where it is if nothing is drawn there. Else it goes to the first free place along the edges; where
    there is none, to one where only a line from edge to edge passes, such as `axvline` draws; else the axes grow
    upwards to make room above the data. Images are no data here, and a legend beside its axes is left alone. The
    figure's layout is settled by this, and stays.

    Args:
        figure: complete, with its limits as they should be.

    Raises:
        ArgumentError: no figure.

    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> axes = figure.subplots()
    >>> line, = axes.plot([0, 1], [0, 1], label="identity")
    >>> legend = axes.legend(loc="upper right")
    >>> clear_legends(figure)
    []
    >>> is_covering(legend, axes)
    False
    """
    check_kind("figure", figure, Figure, "Give matplotlib's Figure")
    engine = figure.get_layout_engine()
    _settle(figure, engine)
    legends = [(axes, legend) for axes in figure.axes for legend in _legends(axes)]
    for axes, legend in legends:
        _clear(legend, axes, figure, engine)
    # Axes that share a scale grow together: what was clear before may not be.
    left = [axes for axes, legend in legends if not _clear(legend, axes, figure, engine)]
    return [axes.get_title(loc="left") or axes.get_title() for axes in left]


def is_covering(legend: Legend, axes: Axes, with_references: bool = False) -> bool:
    """Whether something that is drawn in the axes lies under the legend; the figure must have been drawn.

    Args:
        legend: of these axes.
        axes: with all that is drawn in them.
        with_references: whether lines and spans from edge to edge count, too, such as those of `axvline`.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> line = axes.axvline(0.9, label="reference")
    >>> legend = axes.legend(loc="upper right")
    >>> is_covering(legend, axes), is_covering(legend, axes, with_references=True)
    (False, True)
    """
    box = Bbox.intersection(legend.get_window_extent(), axes.get_window_extent())
    return box is not None and any(_reaches(artist, box) for artist in _data(axes, with_references))


def _clear(legend: Legend, axes: Axes, figure: Figure, engine: LayoutEngine | None) -> bool:
    if not is_covering(legend, axes, with_references=True):
        return True
    for with_references in (True, False):
        for place in PLACES:
            if _moves(legend, axes, place, with_references):
                return True
    legend.set_loc("upper right")
    for _ in range(_TRIES):
        height = legend.get_window_extent().height / axes.get_window_extent().height
        _grow(axes, min(0.6, height + _GAP))
        _settle(figure, engine)
        if any(_moves(legend, axes, place) for place in _ABOVE):
            return True
    return False


def _settle(figure: Figure, engine: LayoutEngine | None) -> None:
    """Lay the figure out until nothing leaves the page: computed again, a constrained layout may be another one."""
    figure.set_layout_engine(engine)
    for _ in range(_TRIES):
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        boxes = [axes.get_tightbbox() or axes.bbox for axes in figure.axes]
        if all(min(b.x0, b.y0) > -1 and b.x1 < width + 1 and b.y1 < height + 1 for b in boxes):
            break
    figure.set_layout_engine("none")


def _moves(legend: Legend, axes: Axes, place: _Place, with_references: bool = False) -> bool:
    """Put the legend there; whether it covers nothing."""
    legend.set_bbox_to_anchor(None)
    legend.set_loc(place)
    return not is_covering(legend, axes, with_references)


def _grow(axes: Axes, share: float) -> None:
    """Leave a share of the height free above what is seen now, on any scale."""
    scale = axes.yaxis.get_transform()
    low, high = scale.transform(axes.get_ylim())
    axes.set_ylim(*scale.inverted().transform([low, low + (high - low) / (1 - share)]))


def _legends(axes: Axes) -> Iterator[Legend]:
    yield from (child for child in axes.get_children() if isinstance(child, Legend) and child.get_visible())


def _data(axes: Axes, with_references: bool) -> Iterator[Any]:
    """Lines, collections and patches of the axes, and of those that lie over them, such as twins."""
    place = axes.get_position().bounds
    for layer in axes.figure.axes:
        if layer is axes or layer.get_position().bounds == place:
            for artist in (*layer.lines, *layer.collections, *layer.patches):
                is_reference = not all(artist.get_transform().contains_branch_seperately(layer.transData))
                if artist.get_visible() and (with_references or not is_reference or isinstance(artist, Collection)):
                    yield artist


def _reaches(artist: Any, box: Bbox) -> bool:
    """Whether a part of the artist is seen within a box of the screen."""
    if isinstance(artist, Collection) and np.size(artist.get_offsets()) > 2:
        points = np.asarray(artist.get_offset_transform().transform(artist.get_offsets()))
        return bool(np.all((points >= box.min) & (points <= box.max), axis=1).any())
    if isinstance(artist, Collection):
        filled = np.size(artist.get_facecolor()) > 0
        return any(_crosses(path, artist.get_transform(), box, filled) for path in artist.get_paths())
    filled = bool(getattr(artist, "get_fill", lambda: False)())
    return _crosses(artist.get_path(), artist.get_transform(), box, filled)


def _crosses(path: Path, transform: Transform, box: Bbox, filled: bool) -> bool:
    placed = transform.transform_path(path)
    return np.size(placed.vertices) > 0 and bool(placed.intersects_bbox(box, filled=filled))

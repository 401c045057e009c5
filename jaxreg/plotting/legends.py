"""Legends that cover neither data nor words: moved to where nothing is drawn, or, where that is nowhere, given room."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox, Transform

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
_TRIES = 4  # times that an axis grows; data that move down may still reach into the legend
_GAP = 0.02  # of the axis, between legend and data
_WIDEST = 0.92  # of the width of its axes


def clear_legends(figure: Figure, settle: Callable[[], None]) -> list[str]:
    """Move every legend that covers data of its axes; return the titles of axes left covered.

    Args:
        figure: laid out.
        settle: lays it out again, once axes have grown.
    """
    legends = [(axes, legend) for axes in figure.axes for legend in _legends(axes)]
    for axes, legend in legends:
        _shrink(legend, axes)
        _clear(legend, axes, settle)
    # Axes that share a scale grow together: what was clear before may not be.
    left = [axes for axes, legend in legends if not _clear(legend, axes, settle)]
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


def _shrink(legend: Legend, axes: Axes) -> None:
    """Write one that is wider than its axes smaller; one below or above them has its own room."""
    for _ in range(_TRIES):
        box, place = legend.get_window_extent(), axes.get_window_extent()
        share = _WIDEST * place.width / box.width
        if share >= 1 or box.y1 < place.y0 or box.y0 > place.y1:
            return
        for text in (legend.get_title(), *legend.get_texts()):
            text.set_fontsize(float(text.get_fontsize()) * max(0.9, share))


def _clear(legend: Legend, axes: Axes, settle: Callable[[], None]) -> bool:
    if not is_covering(legend, axes, with_references=True):
        return True
    for with_references in (True, False):
        for place in PLACES:
            if _moves(legend, axes, place, with_references):
                if not with_references:
                    legend.set_frame_on(True)
                    legend.get_frame().set(facecolor="white", edgecolor="none", alpha=0.9)
                return True
    legend.set_loc("upper right")
    for _ in range(_TRIES):
        height = legend.get_window_extent().height / axes.get_window_extent().height
        _grow(axes, min(0.6, height + _GAP))
        settle()
        if any(_moves(legend, axes, place) for place in _ABOVE):
            return True
    return False


def _moves(legend: Legend, axes: Axes, place: _Place, with_references: bool = False) -> bool:
    """Put the legend there; whether it covers nothing."""
    legend.set_bbox_to_anchor(None)
    legend.set_loc(place)
    return not is_covering(legend, axes, with_references)


def _grow(axes: Axes, share: float) -> None:
    """Leave a share of the height free above what is seen now, on any scale, and without ticks."""
    scale = axes.yaxis.get_transform()
    seen = sorted(axes.get_ylim())
    for is_minor in (False, True):
        ticks = axes.get_yticks(minor=is_minor)
        axes.yaxis.set_ticks(ticks[(ticks >= seen[0]) & (ticks <= seen[1])], minor=is_minor)
    low, high = scale.transform(axes.get_ylim())
    axes.set_ylim(*scale.inverted().transform([low, low + (high - low) / (1 - share)]))


def _legends(axes: Axes) -> Iterator[Legend]:
    yield from (child for child in axes.get_children() if isinstance(child, Legend) and child.get_visible())


def _data(axes: Axes, with_references: bool) -> Iterator[Any]:
    """Lines, collections and patches of the axes, and of those that lie over them, such as twins."""
    place = axes.get_position().bounds
    for layer in axes.figure.axes:
        if layer is axes or layer.get_position().bounds == place:
            drawn: list[Any] = [*layer.lines, *layer.collections, *layer.patches, *layer.texts]
            for artist in drawn:
                placed = artist.get_offset_transform() if _has_places(artist) else artist.get_transform()
                is_data = isinstance(artist, Text) or all(placed.contains_branch_seperately(layer.transData))
                is_data &= not isinstance(artist, ContourSet)  # a ground, like an image
                if artist.get_visible() and (with_references or is_data):
                    yield artist


def _has_places(artist: Any) -> bool:
    """Whether one shape is drawn at many places, as by `scatter`."""
    return isinstance(artist, PathCollection) or (isinstance(artist, Collection) and np.size(artist.get_offsets()) > 2)


def _reaches(artist: Any, box: Bbox) -> bool:
    """Whether a part of the artist is seen within a box of the screen."""
    if isinstance(artist, Text):
        return Bbox.intersection(artist.get_window_extent(), box) is not None
    if _has_places(artist):
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

"""A complete figure arranged: words broken into lines where they have no room, legends moved off the data."""

import re
from collections.abc import Callable, Iterator, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

from jaxreg.checks import check_kind
from jaxreg.plotting.legends import clear_legends

_TRIES = 4  # times that a figure is laid out: computed again, a constrained layout may be another one
_GAP = 4  # points between words and what is beside them


def arrange(figure: Figure) -> list[str]:
    r"""Break titles and labels that are wider than their room, move legends off the data; return what is still covered.

    A title has the room up to the next panel or the edge of the page, a label that up to the middle between two panels.
    Lines are broken before a bracket, as that of how many runs diverged, and else between words.

    A legend stays where it is if nothing is drawn there. Else it goes to the first free place along the edges; where
    there is none, onto a ground that hides what is no data: lines from edge to edge, such as those of `axvline`,
    contours and images; else the axes grow upwards, without ticks, to make room above the data. One beside its axes
    is left alone, one that is wider than its axes written smaller. The figure's layout is settled by this, and stays.

    Args:
        figure: complete, with its limits as they should be.

    Returns:
        Titles of axes in which a legend covers data.

    Raises:
        ArgumentError: no figure.

    >>> figure = Figure(figsize=(2.4, 2))
    >>> axes = figure.subplots()
    >>> line, = axes.plot([0, 1], [0, 1], label="identity")
    >>> legend, label = axes.legend(loc="upper right"), axes.set_xlabel("n = 8–9 seeds (up to 1 diverged, left out)")
    >>> arrange(figure)
    []
    >>> axes.get_xlabel()
    'n = 8–9 seeds\n(up to 1 diverged, left out)'
    """
    check_kind("figure", figure, Figure, "Give matplotlib's Figure")
    engine = figure.get_layout_engine()

    def settle() -> None:
        """Lay the figure out until nothing leaves the page."""
        for _ in range(_TRIES):
            boxes = _lay_out(figure, engine).values()
            width, height = figure.bbox.size
            if all(min(b.x0, b.y0) > -1 and b.x1 < width + 1 and b.y1 < height + 1 for b in boxes):
                break

    figure.set_layout_engine("none")  # what is laid out here stays
    for text, along, room in list(_find_rooms(figure, _lay_out(figure, engine))):
        _fold(text, along, room)
    settle()
    return clear_legends(figure, settle)


def _lay_out(figure: Figure, engine: LayoutEngine | None) -> dict[Axes, BboxBase]:
    """Place all axes; return what each takes with the words around it. As drawing, it puts these in place, for less."""
    if engine is not None:
        engine.execute(figure)
    return {axes: axes.get_tightbbox() or axes.bbox for axes in figure.axes}


def _find_rooms(figure: Figure, boxes: Mapping[Axes, BboxBase]) -> Iterator[tuple[Text, int, float]]:
    """Titles and labels, the direction in which each reads (0 across, 1 up), and how long it may be, in pixels."""
    gap = _GAP * figure.dpi / 72
    page = tuple(float(size) for size in figure.bbox.size)
    for part in (figure, *figure.subfigs):
        yield from ((child, 0, page[0] - 2 * gap) for child in part.get_children() if isinstance(child, Text))
    for axes in (axes for axes in figure.axes if axes.axison or axes.get_title(loc="left")):
        others = [other for other in figure.axes if other is not axes]
        for title in (child for child in axes.get_children() if isinstance(child, Text) and child not in axes.texts):
            box = title.get_window_extent()
            after = [
                _starts(other, boxes[other], box.y0)
                for other in others
                if other.bbox.x0 > axes.bbox.x0 and _meet(other, axes, 1)
            ]
            stop = min([page[0], *after]) - gap
            is_centred = title.get_horizontalalignment() == "center"
            yield title, 0, 2 * stop - box.x0 - box.x1 if is_centred else stop - box.x0
        for along, label in enumerate((axes.xaxis.label, axes.yaxis.label)):
            low, high = axes.bbox.min[along], axes.bbox.max[along]
            before = [other.bbox.max[along] for other in others if _meet(other, axes, 1 - along)]
            after = [other.bbox.min[along] for other in others if _meet(other, axes, 1 - along)]
            start = max(((end + low) / 2 for end in before if end <= low), default=gap)
            stop = min(((end + high) / 2 for end in after if end >= high), default=page[along] - gap)
            centre = (low + high) / 2
            yield label, along, 2 * min(centre - start, stop - centre) - gap


def _starts(axes: Axes, box: BboxBase, height: float) -> float:
    """Where axes begin, with what is beside them if that is as high."""
    return float(axes.bbox.x0 if axes.bbox.y1 < height else box.x0)


def _meet(one: Axes, other: Axes, along: int) -> bool:
    """Whether two panels share a part of a direction: they stand beside each other in the other one."""
    return bool(one.bbox.min[along] < other.bbox.max[along] and other.bbox.min[along] < one.bbox.max[along])


def _fold(text: Text, along: int, room: float) -> None:
    """Break its lines until each has room, or is a single word."""

    def is_short(line: str) -> bool:
        text.set_text(line)
        return bool(text.get_window_extent().size[along] <= room)

    words = text.get_text()
    if words.strip() and not is_short(words):
        words = "\n".join(part for line in words.split("\n") for part in _break(line, is_short))
    text.set_text(words)


def _break(line: str, is_short: Callable[[str], bool]) -> list[str]:
    if is_short(line):
        return [line]
    head, bracket, rest = line.partition(" (")
    if bracket:
        return [*_break(head, is_short), *_break(f"({rest}", is_short)]
    lines: list[str] = []
    for word in re.findall(r"(?:\$[^$]*\$|\S)+", line):  # formulas are one word
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and is_short(longer):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines

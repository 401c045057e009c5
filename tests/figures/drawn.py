"""What is drawn in axes: lines, points with bars, and bands are found by their numbers, whatever their order."""

from typing import NamedTuple

import numpy as np

_CENTRES = ("mean", "median", "proportion", "difference")


class Points(NamedTuple):
    """Points with bars: their places, and the ends of the bars along the one direction that they have."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def points(axes):
    """Those of each `errorbar`, in the order drawn."""
    return [_read(container) for container in axes.containers if container.has_xerr or container.has_yerr]


def _read(container):
    centre, _, (bars,) = container.lines
    segments = np.array(bars.get_segments())
    return Points(*centre.get_data(), *segments[:, :, 0 if container.has_xerr else 1].T)


def find(axes, y=None, x=None, label=None):
    """The one line, or the first of several, that runs through these numbers and has this label in the legend."""
    for line in axes.lines:
        if (
            (label is None or label in _labels(axes, line))
            and _same(line.get_ydata(), y)
            and _same(line.get_xdata(), x)
        ):
            return line
    drawn = [(_labels(axes, line), line.get_xdata(), line.get_ydata()) for line in axes.lines]
    raise AssertionError(f"no line {label or ''} through x = {x}, y = {y}, but {drawn}")


def find_band(axes, summary, x=None, label=None):
    """The line along the centre of a summary by `jaxreg.stats`, behind which its band from low to high is drawn."""
    (centre,) = (summary[name] for name in _CENTRES if name in summary)
    line = find(axes, centre, x, label)
    places = np.asarray(line.get_xdata())
    for area in axes.collections:
        corners = np.concatenate([path.vertices for path in area.get_paths()] or [np.empty((0, 2))])
        at = [corners[np.isclose(corners[:, 0], place), 1] for place in places]
        if (
            all(map(len, at))
            and _same([y.min() for y in at], summary["low"])
            and _same([y.max() for y in at], summary["high"])
        ):
            return line
    raise AssertionError(
        f"no band behind {label or 'the line'} from {summary['low'].values} to {summary['high'].values}"
    )


def find_points(axes, summary, x=None, label=None):
    """The points, of an `errorbar`, at the centre of a summary, with bars from low to high, along either direction."""
    (centre,) = (summary[name] for name in _CENTRES if name in summary)
    for container, drawn in zip((c for c in axes.containers if c.has_xerr or c.has_yerr), points(axes), strict=True):
        at, along = (drawn.x, drawn.y) if container.has_xerr else (drawn.y, drawn.x)
        same = _same(at, centre) and _same(drawn.low, summary["low"]) and _same(drawn.high, summary["high"])
        if same and _same(along, x) and label in (None, container.get_label()):
            return container.lines[0]
    raise AssertionError(f"no points {label or ''} at {centre.values}, but {points(axes)}")


def read(axes):
    """All words in axes: titles, names of the axes and their ticks, notes, the legend."""
    legend = axes.get_legend()
    texts = [*axes.texts, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
    words = [*(axes.get_title(loc=side) for side in ("left", "center")), *(text.get_text() for text in texts)]
    return "\n".join([*words, *([legend_words(legend)] if legend else [])])


def legend_words(legend):
    """Its title and entries."""
    return "\n".join(text.get_text() for text in (legend.get_title(), *legend.get_texts()))


def _labels(axes, line):
    return [line.get_label(), *(c.get_label() for c in axes.containers if getattr(c, "lines", [None])[0] is line)]


def _same(drawn, expected):
    if expected is None:
        return True
    drawn, expected = (np.ravel(np.asarray(part, float)) for part in (drawn, expected))
    return drawn.shape == expected.shape and np.allclose(drawn, expected, rtol=1e-6, atol=1e-9, equal_nan=True)

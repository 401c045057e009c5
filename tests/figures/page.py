"""What is told of every figure.

Panels have letters, one each from (a) on, and say what is along them; some number of runs is said; no legend covers
data, and nothing leaves the page.
"""

import re
from itertools import combinations

from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from jaxreg.plotting import arrange, style
from tests.figures.drawn import read


def check_panels(figure):
    """Letters from (a) on, what is along each panel, and a number of runs."""
    titles = {axes: found[0] for axes in figure.axes if (found := re.findall(r"^\([a-z]\)", read(axes)[:3]))}
    assert sorted(titles.values()) == [f"({letter})" for letter in "abcdefghijklm"[: len(titles)]]
    assert [title for axes, title in titles.items() if not _is_named(axes)] == []
    said = " ".join([figure.get_suptitle(), *map(read, figure.axes)])
    assert re.search(r"n = \d|\d (data sets|functions|runs)", said), said


def check_page(figure):
    """Arranged, no legend covers data, nothing leaves the page, and no title or label reaches into another."""
    with style():  # in which ticks are made, too
        assert arrange(figure) == []
        figure.canvas.draw()
        renderer, page = figure.canvas.get_renderer(), figure.bbox
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert [box for box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1] == []
    beside = [legend for axes in figure.axes for legend in _legends(axes) if not _is_within(legend, axes)]
    assert [legend.get_texts()[0].get_text() for legend in beside] == []
    words = [text for axes in figure.axes for text in (*_titles(axes), axes.xaxis.label, axes.yaxis.label)]
    placed = [(text.get_text(), text.get_window_extent(renderer)) for text in words if text.get_text().strip()]
    assert [(one, two) for (one, a), (two, b) in combinations(placed, 2) if Bbox.intersection(a, b) is not None] == []


def _legends(axes):
    return [child for child in axes.get_children() if isinstance(child, Legend)]


def _is_within(legend, axes):
    """From left to right, but for one below its axes."""
    box, place = legend.get_window_extent(), axes.get_window_extent()
    return box.y1 < place.y0 or (box.x0 > place.x0 - 2 and box.x1 < place.x1 + 2)


def _titles(axes):
    return [child for child in axes.get_children() if isinstance(child, Text) and child not in axes.texts]


def _is_named(axes):
    """Whether it says what is along it, itself or by axes with the same scale; a table or picture need not."""
    shared = [*axes.get_shared_x_axes().get_siblings(axes), *axes.get_shared_y_axes().get_siblings(axes)]
    return bool(axes.images) or not axes.axison or any(one.get_xlabel() or one.get_ylabel() for one in shared)

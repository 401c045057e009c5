"""The figure that a test's module is named after, drawn once from the made-up `dataset` of that module.

Here it is told of every figure: panels have letters, one each from (a) on, and say what is along them; some number of
runs is said; no legend covers data, and nothing leaves the page.
"""

import re

import matplotlib.pyplot as plt
import pytest

from jaxreg.plotting import clear_legends, style
from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure
from tests.figures.drawn import read

_WIDE = {"polynomial_regression", "weight_decay"}  # titles with the count of diverged runs in them


@pytest.fixture(scope="module")
def panels(request, dataset):
    """Its axes, all that is drawn in them in place."""
    name = request.path.stem.removeprefix("test_")
    figure = as_figure(load("paper_figures", name, list_modules("paper_figures", "draw"))).draw(dataset)
    with style():  # in which ticks are made, too
        assert clear_legends(figure) == []
        figure.canvas.draw()
    titles = {axes: found[0] for axes in figure.axes if (found := re.findall(r"^\([a-z]\)", read(axes)[:3]))}
    assert sorted(titles.values()) == [f"({letter})" for letter in "abcdefghijklm"[: len(titles)]]
    assert [title for axes, title in titles.items() if not _is_named(axes)] == []
    width, height = figure.canvas.get_width_height()
    boxes = [axes.get_tightbbox(figure.canvas.get_renderer()) for axes in figure.axes]
    inside = [min(b.x0, b.y0) >= -1 and b.x1 <= width + 1 and b.y1 <= height + 1 for b in boxes]
    assert all(inside) or name in _WIDE
    said = " ".join([figure.get_suptitle(), *map(read, figure.axes)])
    assert re.search(r"n = \d|\d (data sets|functions|runs)", said), said
    yield figure.axes
    plt.close(figure)


def _is_named(axes):
    """Whether it says what is along it, itself or by axes with the same scale; a table or picture need not."""
    shared = [*axes.get_shared_x_axes().get_siblings(axes), *axes.get_shared_y_axes().get_siblings(axes)]
    return bool(axes.images) or not axes.axison or any(one.get_xlabel() or one.get_ylabel() for one in shared)

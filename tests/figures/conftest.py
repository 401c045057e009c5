"""The figure that a test's module is named after, drawn once from the made-up `dataset` of that module.

Of every figure is told here: that its panels have letters, one each from (a) on, and name what is along them, that
some count of runs is said, that no legend covers data, and that nothing leaves the page.
"""

import re

import matplotlib.pyplot as plt
import pytest

from jaxreg.plotting import clear_legends, style
from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure


@pytest.fixture(scope="module")
def panels(request, dataset):
    """Its axes, all that is drawn in them in place."""
    name = request.path.stem.removeprefix("test_")
    figure = as_figure(load("paper_figures", name, list_modules("paper_figures", "draw"))).draw(dataset)
    with style():  # in which ticks are made, too
        assert clear_legends(figure) == []
        figure.canvas.draw()
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    letters = [found.group() for title in titles if (found := re.match(r"\([a-z]\)", title))]
    assert sorted(letters) == [f"({letter})" for letter in "abcdefghijklm"[: len(letters)]]
    lettered = [axes for axes, title in zip(figure.axes, titles, strict=True) if title.startswith("(")]
    print("NOLABEL", name, [t for axes, t in zip(lettered, titles) if not axes.get_xlabel()], [t for axes, t in zip(lettered, titles) if not axes.get_ylabel()])
    from tests.figures.drawn import read
    said = " ".join([read(axes) for axes in figure.axes] + [t.get_text() for l in figure.legends for t in l.get_texts()])
    print("COUNTS", name, re.findall(r"n = \S+ \w+|[\d,–]+ \w+", said)[:6])
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert min(box.x0, box.y0) >= -1, axes.get_title(loc="left")
        assert box.x1 <= width + 1, axes.get_title(loc="left")
        assert box.y1 <= height + 1, axes.get_title(loc="left")
    yield figure.axes
    plt.close(figure)

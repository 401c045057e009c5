"""The figure that a test's module is named after, drawn once from the made-up `dataset` of that module."""

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
    assert len(set(letters)) == len(letters)
    yield figure.axes
    plt.close(figure)

"""The figure that a test's module is named after, drawn once from the made-up `dataset` of that module."""

import matplotlib.pyplot as plt
import pytest

from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure


@pytest.fixture(scope="module")
def panels(request, dataset):
    """Its axes, all that is drawn in them in place."""
    name = request.path.stem.removeprefix("test_")
    figure = as_figure(load("paper_figures", name, list_modules("paper_figures", "draw"))).draw(dataset)
    figure.canvas.draw()
    yield figure.axes
    plt.close(figure)

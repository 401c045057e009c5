"""The figure of a test's module, drawn once from the made-up `dataset` of that module."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(scope="module")
def panels(request, dataset):
    """Its axes, all that is drawn in them in place."""
    figure = request.module.draw(dataset)
    figure.canvas.draw()
    yield figure.axes
    plt.close(figure)

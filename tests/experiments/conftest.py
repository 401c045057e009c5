"""The population of a study at the settings `SMALL` of the test's module, and the figure that is drawn from it."""

import sys

import matplotlib.pyplot as plt
import pytest

from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure
from tests.figures.page import check_page, check_panels
from tests.populations import diverge


@pytest.fixture(scope="module")
def result(request):
    """As the study returns it."""
    small, subject = request.module.SMALL, request.path.parent.name
    made = sys.modules[type(small).__module__].run(small, progress=False).load()
    gone = made.get("diverged")
    assert subject == "landscape" or gone is None or not gone.any()
    return made


@pytest.fixture(scope="module")
def dataset(request, result):
    """What is drawn: the result, of which the runs in the cells `DIVERGED` of the test's module diverged."""
    cells = getattr(request.module, "DIVERGED", None)
    return diverge(result, **cells) if cells else result


@pytest.fixture(scope="module")
def panels(request, dataset):
    """Axes of the figure that the test's module is named after, all that is drawn in them in place."""
    name = request.path.stem.removeprefix("test_")
    figure = as_figure(load("paper_figures", name, list_modules("paper_figures", "draw"))).draw(dataset)
    check_page(figure)
    check_panels(figure)
    yield figure.axes
    plt.close(figure)

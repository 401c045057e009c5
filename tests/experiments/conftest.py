"""The population of a study at the settings `SMALL` of the test's module, and the figure that is drawn from it."""

import sys

import pytest

from tests.figures.conftest import panels as panels
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

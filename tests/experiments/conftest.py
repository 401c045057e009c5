"""The population of a study at the settings `SMALL` of the test's module."""

import sys

import pytest

from tests.experiments.schema import assert_form


@pytest.fixture(scope="module")
def result(request):
    """As the study returns it; of the form that its figure draws."""
    small, subject = request.module.SMALL, request.path.parent.name
    made = sys.modules[type(small).__module__].run(small, progress=False).load()
    gone = made.get("diverged")
    assert subject == "landscape" or gone is None or not gone.any()
    assert_form(made, f"{subject}.{request.path.stem.removeprefix('test_')}")
    return made

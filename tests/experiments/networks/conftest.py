"""The population of a study at the settings `SMALL` of the test's module."""

import sys

import pytest

from tests.experiments.schema import assert_form


@pytest.fixture(scope="module")
def result(request):
    small = request.module.SMALL
    made = sys.modules[type(small).__module__].run(small, progress=False).load()
    assert not made["diverged"].any()
    assert_form(made, f"networks.{request.path.stem.removeprefix('test_')}")
    return made

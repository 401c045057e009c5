"""Errors lead to the page that explains them, and the page is there."""

import pickle
import re
import traceback
from pathlib import Path

import pytest

from jaxreg import errors

_ROOT = Path(__file__).parents[1]
_PAGES = [kind for kind in vars(errors).values() if isinstance(kind, type) and getattr(kind, "page", "")]


@pytest.mark.parametrize("kind", _PAGES)
def test_a_traceback_ends_with_a_page_that_is_there(kind):
    error = kind("rate", 2, "must be less than 1", "Give one")
    assert str(error) == "rate = 2: must be less than 1. Give one."
    for told in (error, pickle.loads(pickle.dumps(error))):
        (*_, last) = traceback.format_exception_only(told)
        path, _, anchor = re.search(r"More about it: (\S+)\n$", last)[1].partition("#")
        titles = re.findall(r"^#+ (.*)$", (_ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert anchor in {"", *(re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles)}


def test_there_are_such_errors():
    assert {errors.SweepError, errors.StoreError, errors.DataError, errors.AcceleratorError} == set(_PAGES)

"""Parameters of a test that is slow with them, and quick with others."""

import pytest


def slow(*values, **options):
    """`pytest.param` of `values`, for `pytest -m slow`."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)

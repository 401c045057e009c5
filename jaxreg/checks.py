"""Checks of arguments before anything is traced, shared by the packages."""

import math
from typing import Any

import numpy as np

from jaxreg.errors import ArgumentError


def check_integer(name: str, value: Any, least: int, most: int | float, remedy: str) -> None:
    """Refuse what is not an integer from `least` to `most`, which may be infinite.

    >>> check_integer("steps", 0, 1, 100, "Make at least one step")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: steps = 0: must be an integer from 1 to 100. Make at least one step.
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or not least <= value <= most:
        upper = f"to {most}" if math.isfinite(most) else "on"
        raise ArgumentError(name, value, f"must be an integer from {least} {upper}", remedy)

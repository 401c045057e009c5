"""Checks of data and numbers before anything is traced."""

import math
from typing import Any

import jax
import numpy as np

from jaxreg.checks import check_integer as check_integer
from jaxreg.errors import ArgumentError


def read_points(x: Any, y: Any, degree: Any) -> tuple[np.ndarray, np.ndarray]:
    """The data as float64 on the host, with a polynomial of `degree` determined by it.

    Raises:
        ArgumentError: traced or non-finite data, unequal lengths, repeated x, a degree below 1, too few points.
    """
    for name, values in (("x", x), ("y", y)):
        if isinstance(values, jax.core.Tracer):
            remedy = "Fit outside of the run, and hand the result to it"
            raise ArgumentError(name, values, "must be known before tracing", remedy)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ArgumentError("y", y.shape, f"must be one value per x, of shape {x.shape}", "Give two flat arrays")
    if len(x) < 2:
        raise ArgumentError("x", x, "must hold at least 2 points, to determine a polynomial", "Give more of them")
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            wrong = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ArgumentError(f"{name}[{wrong}]", values[wrong], "must be finite", "Leave the point out")
    check_integer("degree", degree, 1, len(x) - 1, f"{len(x)} points determine no higher one")
    ordered = np.sort(x)
    if (ordered[1:] == ordered[:-1]).any():
        twice = ordered[1:][ordered[1:] == ordered[:-1]][0]
        raise ArgumentError("x", twice, "must not be repeated", "Average the y of equal x, or shift them")
    return x, y


def check_number(name: str, value: Any, least: int | float, below: int | float, remedy: str) -> None:
    """Refuse numbers outside [least, below); traced ones pass."""
    is_known = not isinstance(value, jax.core.Tracer)
    if is_known and not (np.greater_equal(value, least) & np.less(value, below)).all():
        raise ArgumentError(name, value, f"must lie in [{least}, {below})", remedy)


def check_walk(start: Any, learning_rate: Any, steps: Any, momentum: Any, limit: Any) -> None:
    """Refuse numbers that no descent can have; traced ones pass.

    Raises:
        ArgumentError: a number outside its domain.
    """
    check_integer("steps", steps, 1, 2**31 - 1, "Make at least one step")
    check_number("limit", limit, 0, math.inf, "Give a size that no run should reach, such as 1e6")
    check_number("start", start, -limit, limit, "Start within the limit")
    check_number("learning_rate", learning_rate, 0, math.inf, "Give a step size such as 0.3")
    if momentum is not None:
        check_number("momentum", momentum, 0, 1, "Give a number such as 0.9, or None for plain descent")

"""Checks of data and numbers before anything is traced."""

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
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            wrong = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ArgumentError(f"{name}[{wrong}]", values[wrong], "must be finite", "Leave the point out")
    check_integer("degree", degree, 1, max(1, len(x) - 1), f"{len(x)} points determine no higher one")
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

"""Checks of data and numbers before anything is traced."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks import (
    FINITE,
    MOST,
    NOT_NEGATIVE,
    POSITIVE,
    Domain,
    as_real,
    check_integer,
    check_key,
    read_array,
)
from jaxreg.errors import ArgumentError

SIZE = Domain(0, 1e100)  # of which no formula of the theory overflows
WIDTH = Domain(1e-100, 1e100)
BATCH = Domain(1, 1e100)
MOMENTUM = Domain(0, 1, "[)")


def read_points(x: Any, y: Any, degree: Any) -> tuple[np.ndarray, np.ndarray]:
    """The data as float64 on the host, with a polynomial of `degree` determined by it.

    Raises:
        ArgumentError: traced or non-finite data, unequal lengths, repeated x, a degree below 1, too few points.
    """
    for name, values in (("x", x), ("y", y)):
        if isinstance(values, jax.core.Tracer):
            remedy = "Fit outside of the run, and hand the result to it"
            raise ArgumentError(name, values, "must be known before tracing", remedy)
    x, y = (np.asarray(read_array(name, given), np.float64) for name, given in (("x", x), ("y", y)))
    if x.ndim != 1 or x.shape != y.shape:
        raise ArgumentError("y", y.shape, f"must be one value per x, of shape {x.shape}", "Give two flat arrays")
    if len(x) < 2:
        raise ArgumentError("x", x, "must hold at least 2 points, to determine a polynomial", "Give more of them")
    for name, values in (("x", x), ("y", y)):
        FINITE.check_all(name, values, "Leave the point out")
    check_integer("degree", degree, 1, len(x) - 1, f"{len(x)} points determine no higher one")
    ordered = np.sort(x)
    if (ordered[1:] == ordered[:-1]).any():
        twice = ordered[1:][ordered[1:] == ordered[:-1]][0]
        raise ArgumentError("x", twice, "must not be repeated", "Average the y of equal x, or shift them")
    with np.errstate(over="ignore"):
        width = ordered[-1] - ordered[0]
    if not np.finfo(float).tiny * 1e8 < width < np.inf:
        raise ArgumentError("x", width, "must span a width that squares can be taken of", "Give them in other units")
    return x, y


def frame(x: np.ndarray) -> tuple[float, float]:
    """The middle of the data and half their width; the middle as float32 has it, so that no precision moves it."""
    center, scale = float((x.min() + x.max()) / 2), float((x.max() - x.min()) / 2)
    near = float(np.float32(center))
    return (near if abs(near - center) <= scale / 2 else center), scale


def check_walk(start: Any, learning_rate: Any, steps: Any, momentum: Any, limit: Any, seed: Any) -> None:
    """Refuse numbers that no descent can have, and what is no key; traced ones pass.

    Raises:
        ArgumentError: a number outside its domain.
    """
    dtype = jnp.result_type(float)
    check_integer("steps", steps, 1, MOST, "Make at least one step")
    check_static("limit", limit, POSITIVE, "Give a size that no run should reach, such as 1e6")
    check_within("start", start, limit, "Start within the limit")
    NOT_NEGATIVE.check("learning_rate", learning_rate, "Give a step size such as 0.3", dtype)
    if momentum is not None:
        MOMENTUM.check("momentum", momentum, "Give a number such as 0.9, or None for plain descent", dtype)
    check_key("seed", seed)


def check_static(name: str, value: Any, domain: Domain, remedy: str) -> None:
    """Refuse what is not one number of the domain that is known before tracing, in JAX's default precision."""
    if isinstance(value, jax.core.Tracer):
        raise ArgumentError(name, value, "must be known before tracing", "Give a Python number")
    domain.check(name, value, remedy, jnp.result_type(float))


def check_within(name: str, value: Any, limit: int | float, remedy: str) -> None:
    """Refuse what is not one number of [-limit, limit); a traced one passes."""
    Domain(-float(limit), float(limit), "[)").check(name, value, remedy, jnp.result_type(float))


def read_number(name: str, value: Any, domain: Domain, remedy: str) -> float:
    """One number of the domain that is known before tracing, as Python's own."""
    if isinstance(value, jax.core.Tracer):
        raise ArgumentError(name, value, "must be known before tracing", "Compute it outside of the run")
    domain.check(name, value, remedy)
    return float(value)


def read_numbers(name: str, value: Any, domain: Domain, remedy: str) -> Any:
    """Numbers of the domain for a formula on the host: Python's own and JAX's arrays as they are, else floats."""
    domain.check_all(name, value, remedy)
    if isinstance(value, int | float | jax.Array):
        return as_real(value, 64)  # NumPy has no larger integers
    array = np.asarray(value)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def check_shapes(**given: Any) -> None:
    """Refuse arrays whose shapes do not broadcast."""
    shapes = {name: np.shape(value) for name, value in given.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        name, shape = max(shapes.items(), key=lambda item: len(item[1]))
        remedy = "Give single numbers, or arrays of one shape"
        raise ArgumentError(name, shape, f"must fit the others of {', '.join(shapes)}", remedy) from None

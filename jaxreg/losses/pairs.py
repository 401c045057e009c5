"""Predictions and targets, read as a loss needs them."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from jaxreg.checks import read_jax
from jaxreg.errors import ArgumentError


def read_pair(
    predictions: Any, targets: Any, names: tuple[str, str] = ("predictions", "targets")
) -> tuple[Array, Array]:
    """Both as arrays of one shape and one precision, that of the first with a fraction, from whatever holds numbers."""
    given = [read_jax(name, part) for name, part in zip(names, (predictions, targets), strict=True)]
    if given[0].shape != given[1].shape:
        constraint = f"must have the shape of {names[0]}, {given[0].shape}"
        raise ArgumentError(names[1], given[1].shape, constraint, "Give one for each")
    floats = [part.dtype for part in given if jnp.issubdtype(part.dtype, jnp.floating)]
    dtype = floats[0] if floats else jnp.asarray(0.0).dtype
    return given[0].astype(dtype), given[1].astype(dtype)

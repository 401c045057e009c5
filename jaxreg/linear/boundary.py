"""Checks of regression data and strengths before anything is traced."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxreg.checks import check_integer as check_integer
from jaxreg.errors import ArgumentError

NORMALIZE = (None, "l2", "std")


def read_data(X: Any, y: Any) -> tuple[Array, Array]:
    """A design (n, p) and its target (n,), as JAX's default floats; integers and truth values are converted.

    Raises:
        ArgumentError: shapes that do not fit each other, fewer than two rows, no column, or concrete data that are
            not finite (inside a batch, the fit's status tells).
    """
    X, y = read_design(X), read_floats("y", y)
    if y.ndim != 1:
        remedy = "For many targets, jax.vmap over them: they share the work on the design"
        raise ArgumentError("y", y.shape, "must be one target, of shape (n,)", remedy)
    if y.shape[0] != X.shape[0]:
        raise ArgumentError("y", y.shape, f"must have one value per row of X, {X.shape[0]}", "Match their lengths")
    return X, y


def read_design(X: Any) -> Array:
    """A design (n, p) of at least two rows and one column, as JAX's default floats."""
    X = read_floats("X", X)
    if X.ndim != 2 or X.shape[0] < 2 or X.shape[1] < 1:
        remedy = "Give rows of samples and columns of features; for many designs, jax.vmap over them"
        raise ArgumentError("X", X.shape, "must be a matrix of at least two rows and one column", remedy)
    return X


def read_floats(name: str, values: Any) -> Array:
    """An array of JAX's default floats, finite where it can be looked at."""
    if not isinstance(values, jax.Array):
        try:
            values = np.asarray(values)
        except ValueError as error:
            raise ArgumentError(name, values, f"must be an array ({error})", "Give rows of equal lengths") from error
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or jnp.iscomplexobj(values):
        raise ArgumentError(name, values.dtype, "must hold real numbers", "Convert it")
    dtype = jnp.result_type(float)
    if not isinstance(values, jax.core.Tracer):
        with np.errstate(over="ignore"):
            known = np.asarray(values, np.float64 if values.dtype == bool else None).astype(dtype)
        if not np.isfinite(known).all():
            place = tuple(map(int, np.argwhere(~np.isfinite(known))[0]))
            constraint = f"must be finite in {dtype}"
            raise ArgumentError(f"{name}{list(place)}", np.asarray(values)[place], constraint, "Leave the sample out")
    return jnp.asarray(values, dtype)


def check_number(name: str, value: Any, least: int | float, most: int | float, remedy: str) -> None:
    """Refuse what is not one number in [least, most], finite; a traced one passes."""
    if isinstance(value, str | bool | None) or jnp.ndim(value) != 0:
        raise ArgumentError(name, value, "must be one number", "jax.vmap over it to have several, or take a path")
    if not isinstance(value, jax.core.Tracer) and not (math.isfinite(value) and least <= float(value) <= most):
        upper = f"to {most:g}" if math.isfinite(most) else "on"
        raise ArgumentError(name, value, f"must be a finite number from {least:g} {upper}", remedy)


def read_alphas(alphas: Any) -> Array:
    """A flat array of strengths, each 0 or more where it can be looked at."""
    alphas = read_floats("alphas", alphas)
    if alphas.ndim != 1 or alphas.shape[0] < 1:
        raise ArgumentError("alphas", alphas.shape, "must be a flat array of one or more", "Give numpy.geomspace(...)")
    if not isinstance(alphas, jax.core.Tracer) and (np.asarray(alphas) < 0).any():
        raise ArgumentError("alphas", float(np.asarray(alphas).min()), "must not be negative", "Give 0 or more")
    return alphas


def check_normalize(normalize: Any) -> None:
    """Refuse a way of scaling columns that there is not."""
    if normalize not in NORMALIZE:
        raise ArgumentError("normalize", normalize, 'must be None, "l2" or "std"', "Choose one of them")

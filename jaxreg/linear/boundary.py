"""Checks of regression data and strengths before anything is traced."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxreg.checks import NOT_NEGATIVE, Domain, check_choice, check_flag, read_array
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
    """An array of JAX's default floats, finite where it can be looked at.

    Lists, frames and all else that is an array are taken. A number that these floats turn into infinity is refused, and
    so is one that they turn into 0, unless its column (all numbers, in a flat array) has others that dwarf it.
    """
    values = read_array(name, values)
    dtype = jnp.result_type(float)
    if isinstance(values, jax.core.Tracer):
        return jnp.asarray(values, dtype)
    known = np.asarray(values)
    known = known if known.dtype.kind in "biuf" else known.astype(np.float32)  # JAX's short floats
    with np.errstate(over="ignore", under="ignore"):
        kept = known.astype(dtype)
    if not np.isfinite(kept).all():
        _refuse(name, known, ~np.isfinite(kept), f"must be finite in {jnp.dtype(dtype).name}", "Leave the sample out")
    tiny = np.abs(kept) < jnp.finfo(dtype).tiny
    if tiny.any() and known.dtype.kind == "f":
        size = np.abs(known)
        weighty = tiny & (size > 0) & (size >= float(jnp.finfo(dtype).eps) * size.max(0))
        if weighty.any():
            constraint = f"must be 0 or from {float(jnp.finfo(dtype).tiny):.2g} on in {jnp.dtype(dtype).name}"
            _refuse(name, known, weighty, constraint, "Use other units, or jax.enable_x64(True)")
    return jnp.asarray(values if isinstance(values, jax.Array) else kept, dtype)


def _refuse(name: str, values: np.ndarray, wrong: np.ndarray, constraint: str, remedy: str) -> None:
    """Name the first entry that is wrong."""
    place = tuple(map(int, np.argwhere(wrong)[0]))
    raise ArgumentError(f"{name}{list(place)}" if place else name, values[place].item(), constraint, remedy)


def read_number(name: str, value: Any, remedy: str, domain: Domain = NOT_NEGATIVE) -> Array:
    """One number of the domain, finite, as JAX's default float; of a traced one only the kind can be checked."""
    dtype = jnp.result_type(float)
    domain.check(name, value, remedy, dtype)
    return jnp.asarray(value if isinstance(value, jax.Array) else float(value), dtype)


def read_alphas(alphas: Any) -> Array:
    """A flat array of strengths, each 0 or more where it can be looked at."""
    given = read_array("alphas", alphas)
    alphas = read_floats("alphas", given)
    if alphas.ndim != 1 or alphas.shape[0] < 1:
        raise ArgumentError("alphas", alphas.shape, "must be a flat array of one or more", "Give numpy.geomspace(...)")
    NOT_NEGATIVE.check_all("alphas", given, "Give 0 or more", alphas.dtype)
    return alphas


def check_form(normalize: Any, fit_intercept: Any, names: tuple[str, str] = ("normalize", "fit_intercept")) -> None:
    """Refuse a way of scaling columns that there is not, and a choice to centre them or not that is none."""
    check_choice(names[0], normalize, NORMALIZE)
    check_flag(names[1], fit_intercept)

"""What training refuses before anything is traced, with the remedy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks import check_integer as check_integer
from jaxreg.errors import ArgumentError


def check_strength(name: str, value: Any, remedy: str) -> None:
    """Refuse what is neither None nor one number, and a concrete one that is negative or not finite."""
    if value is not None:
        _check_number(name, value, math.inf, "must be 0 or more, and finite", remedy)


def read_dropout(dropout: Any, layers: int) -> tuple[Any, ...]:
    """One rate or None for each hidden layer, a single rate being that of the last; refuse any other."""
    per_layer = isinstance(dropout, Sequence) and not isinstance(dropout, str)
    if per_layer and len(dropout) != layers:
        constraint = f"must have one entry for each of the {layers} hidden layers"
        raise ArgumentError("dropout", dropout, constraint, "Give None for a layer without dropout")
    if not per_layer and dropout is not None and not layers:
        raise ArgumentError("dropout", dropout, "needs a hidden layer", "Add one, or leave dropout at None")
    rates = tuple(dropout) if per_layer else ((None,) * layers + (dropout,))[-layers:] if layers else ()
    for rate in rates:
        if rate is not None:
            _check_number("dropout", rate, 1, "must lie in [0, 1)", "Give the share of units to drop, such as 0.5")
    return rates


def _check_number(name: str, value: Any, below: int | float, constraint: str, remedy: str) -> None:
    if isinstance(value, str | bool) or jnp.ndim(value) != 0:
        raise ArgumentError(name, value, "must be one number", "Sweep it to have several")
    if _is_concrete(value) and not 0 <= float(value) < below:
        raise ArgumentError(name, value, constraint, remedy)


def check_name(name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Refuse a name that is not in the table, and list those that are."""
    if not isinstance(value, str) or value not in known:
        raise ArgumentError(name, value, f"must be one of {', '.join(sorted(known))}", "Choose one of these")


def check_seed(seed: Any) -> None:
    """Refuse what is not one typed PRNG key."""
    if not (hasattr(seed, "dtype") and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) and seed.shape == ()):
        raise ArgumentError("seed", seed, "must be a typed PRNG key", "Give jax.random.key(0), or sweep jaxreg.seeds")


def check_hidden(hidden: Any) -> None:
    """Refuse what is not a tuple of layer sizes."""
    if not isinstance(hidden, tuple):
        raise ArgumentError("hidden", hidden, "must be a tuple of layer sizes", "Give (256, 128), or () for none")
    for units in hidden:
        check_integer("hidden", units, 1, math.inf, "Give every hidden layer at least one unit")


def check_examples(name: str, x: Any, y: Any, classes: int, features: int | None = None) -> None:
    """Refuse inputs and labels that do not fit each other, the features or the classes."""
    rows, labels = (f"{array.dtype}{list(array.shape)}" for array in (x, y))
    if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
        constraint = "must be floating-point numbers of shape (examples, features)"
        raise ArgumentError(f"x_{name}", rows, constraint, "Flatten images to rows and convert them")
    if features is not None and x.shape[1] != features:
        constraint = f"must have the {features} features of x_train"
        raise ArgumentError(f"x_{name}", rows, constraint, "Prepare both sets alike")
    if y.shape != x.shape[:1] or not jnp.issubdtype(y.dtype, jnp.integer):
        constraint = f"must be one integer label for each of the {x.shape[0]} examples"
        raise ArgumentError(f"y_{name}", labels, constraint, "Give class numbers, not one-hot rows")
    if x.shape[0] == 0:
        raise ArgumentError(f"x_{name}", rows, "must hold at least one example", "Take a larger part of the data")
    if _is_concrete(y):
        outside = np.asarray(y)[(np.asarray(y) < 0) | (np.asarray(y) >= classes)]
        if outside.size:
            constraint = f"must lie from 0 to {classes - 1}"
            raise ArgumentError(f"y_{name}", int(outside[0]), constraint, "Renumber the labels, or raise classes")


def _is_concrete(value: Any) -> bool:
    """Whether a value can be looked at; a traced one stands for many."""
    return not isinstance(value, jax.core.Tracer)

"""Numbers as a sweep takes them: as users give them, as programs receive them and as coordinates show them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import SweepError

WIDEST = {"f": np.float64, "i": np.int64, "u": np.int64}


def is_numeric(value: Any) -> bool:
    """Whether a keyword's value is traced: a number or an array of numbers."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return False
    return isinstance(value, bool | int | float | np.ndarray | np.number | np.bool_ | jax.Array)


def read_numbers(argument: str, value: Any, rank: int | None = 1) -> np.ndarray:
    """`value` as a NumPy array of finite-or-infinite numbers of the given rank (any rank for None)."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise SweepError(argument, value, "must not hold masked entries", "Use value.compressed(), or fill them")
    if isinstance(value, jax.core.Tracer):
        raise SweepError(argument, value, "must be known, not traced", "Call sweep outside jit, vmap and grad")
    try:
        numbers = np.asarray(value)
        if jnp.issubdtype(numbers.dtype, jnp.floating) and numbers.dtype.kind != "f":
            numbers = numbers.astype(np.float32)  # bfloat16 and smaller, which NumPy takes for raw bytes
    except (TypeError, ValueError):
        numbers = np.array(None)
    if numbers.dtype.kind not in "biuf":
        raise SweepError(argument, value, "must hold numbers", "Wrap other values in jaxreg.static([...])")
    if rank is not None and numbers.ndim != rank:
        remedy = "Use jaxreg.cases for vectors" if numbers.ndim else "Give a list, such as [0.1], or jaxreg.seeds(n)"
        raise SweepError(argument, value, f"must have {rank} dimension, not {numbers.ndim}", remedy)
    if numbers.dtype.kind == "f" and np.isnan(numbers).any():
        raise SweepError(argument, value, "must not hold NaN", "Drop it from the axis")
    return shortest(numbers) if numbers.dtype in (np.float16, np.float32) else numbers


def to_working_dtype(argument: str, numbers: np.ndarray) -> np.ndarray:
    """`numbers` as a program receives them: in JAX's default integer or float, which must be able to hold them."""
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(WIDEST.get(numbers.dtype.kind, numbers.dtype)))
    with np.errstate(over="ignore", under="ignore"):
        held = numbers.astype(dtype)
    if numbers.dtype.kind == "f":
        fits = (np.isfinite(held) == np.isfinite(numbers)) & ((held == 0) == (numbers == 0))
    else:
        fits = held == numbers
    if not fits.all():
        raise SweepError(argument, numbers.tolist(), f"must fit {dtype}", "Scale it, or pass x64=True")
    return held


def settle_numbers(argument: str, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as programs receive them, and as coordinates show them: in 64 bits, by the shortest decimals.

    So 0.3, 0.1 + 0.2 and float32(0.3) are one value in 32-bit precision, and -0.0 is 0.0.
    """
    traced = to_working_dtype(argument, numbers)
    if traced.dtype.kind != "f":
        return traced, traced.astype(WIDEST.get(traced.dtype.kind, traced.dtype))
    traced = traced + 0.0  # -0.0 + 0.0 is 0.0
    return traced, shortest(traced)


def shortest(numbers: np.ndarray) -> np.ndarray:
    """The same numbers in 64 bits, each by the shortest decimal that its own precision tells from its neighbours.

    >>> shortest(np.array([0.1, 0.3], np.float32)).tolist()
    [0.1, 0.3]
    """
    if numbers.dtype == np.float64:
        return numbers
    return np.array([float(str(number)) for number in numbers.ravel()], np.float64).reshape(numbers.shape)


def label_keys(labels: np.ndarray) -> list[Any]:
    """What coordinate values are compared by: floats by 15 digits, so that 0.3 and 0.1 + 0.2 are one value.

    >>> label_keys(np.array([0.1 + 0.2])) == label_keys(np.array([0.3]))
    True
    """
    if labels.dtype.kind != "f":
        return list(labels.tolist())
    return [float(f"{label:.15g}") + 0.0 for label in labels.tolist()]

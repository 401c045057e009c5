"""The shared data of a sweep: arrays and numbers in any natural form, checked and brought to one."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks import find_lost
from jaxreg.engine.numbers import to_working_dtype
from jaxreg.errors import SweepError


def read_args(args: Sequence[Any]) -> tuple[Any, ...]:
    """Pytrees of arrays and numbers, where frames, series and nested lists of numbers have become arrays.

    Raises:
        SweepError: a leaf is no array of numbers, is masked, traced, or does not fit the working precision.
    """
    if not isinstance(args, tuple | list):
        raise SweepError("args", args, "must be a tuple of positional arguments", "Write args=(data,)")
    return tuple(jax.tree.map(_as_leaf, _with_lists(arg), is_leaf=_is_frame) for arg in args)


def _with_lists(arg: Any) -> Any:
    """A list of numbers, nested or not, as one array; other pytrees as they are."""
    if isinstance(arg, list) and arg and all(isinstance(leaf, bool | int | float) for leaf in jax.tree.leaves(arg)):
        try:
            return np.asarray(arg)
        except ValueError:
            return arg  # rows of different lengths: a pytree
    return arg


def _is_frame(value: Any) -> bool:
    return hasattr(value, "to_numpy") or isinstance(value, np.ma.MaskedArray)


def _as_leaf(leaf: Any) -> Any:
    if hasattr(leaf, "toarray"):
        raise SweepError("args", type(leaf).__name__, "must be a dense array", "Pass its .toarray()")
    if isinstance(leaf, jax.core.Tracer):
        raise SweepError("args", leaf, "must be known, not traced", "Call sweep outside jit, vmap and grad")
    if np.ma.is_masked(leaf):
        raise SweepError("args", leaf, "must not hold masked entries", "Fill them, or pass the mask as an array too")
    if isinstance(leaf, jax.Array | bool):
        return leaf
    if isinstance(leaf, int | float):
        to_working_dtype("args", np.asarray(leaf)) if leaf == leaf else None
        return leaf
    if hasattr(leaf, "to_numpy"):
        leaf = leaf.to_numpy()
    array = np.asarray(leaf) if isinstance(leaf, np.ndarray | np.generic) or hasattr(leaf, "__array__") else None
    if array is not None and array.dtype.kind == "V" and jnp.issubdtype(array.dtype, jnp.number):
        return jnp.asarray(array)
    if array is None or array.dtype.kind not in "biuf":
        raise SweepError("args", leaf, "must hold arrays and numbers only", "Bind other values with static axes")
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(array.dtype))
    if dtype == array.dtype:
        return array
    if find_lost(array, dtype).any():
        raise SweepError("args", leaf, f"must fit {dtype}", "Scale it, or pass x64=True")
    with np.errstate(under="ignore"):
        return array.astype(dtype)

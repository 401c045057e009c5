"""Arrays of one run as NumPy arrays of objects: the operations that only move numbers about."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np


class NotInKernelError(Exception):
    """What a program does that no kernel can; the message says it."""


def gather_objects(numbers: Iterable[Any], shape: tuple[int, ...] = ()) -> np.ndarray:
    """An array of objects, which NumPy must not look into."""
    listed = list(numbers)
    found = np.empty(len(listed), object)
    for place, number in enumerate(listed):
        found[place] = number
    return found.reshape(shape)


def constant(value: Any, dtype: Any) -> np.ndarray:
    """Concrete numbers of a dtype."""
    concrete = np.asarray(value, dtype)
    return gather_objects(concrete.ravel(), concrete.shape)


def as_array(number: Any) -> np.ndarray:
    """A number as an array without axes; arrays stay as they are."""
    return number if isinstance(number, np.ndarray) else gather_objects([number])


def _broadcast(array: np.ndarray, *, shape: Any, broadcast_dimensions: Any, **_: Any) -> np.ndarray:
    inside = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, array.shape, strict=True):
        inside[axis] = size
    return np.broadcast_to(array.reshape(inside), shape)


def _slice(array: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any) -> np.ndarray:
    strides = strides or (1,) * array.ndim
    return array[tuple(map(slice, start_indices, limit_indices, strides))]


def _start(array: np.ndarray, sizes: Sequence[int], indices: Sequence[np.ndarray]) -> tuple[slice, ...]:
    if not all(isinstance(index[()], np.generic) for index in indices):
        raise NotInKernelError("slices at positions that it computes")
    starts = [min(max(int(i[()]), 0), n - s) for i, n, s in zip(indices, array.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


def _dynamic_slice(array: np.ndarray, *indices: np.ndarray, slice_sizes: Any) -> np.ndarray:
    return array[_start(array, slice_sizes, indices)]


def _dynamic_update_slice(array: np.ndarray, update: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    found = array.copy()
    found[_start(array, update.shape, indices)] = update
    return found


STRUCTURE: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *arrays, dimension: np.concatenate(arrays, dimension),
    "copy": lambda array: array,
    "copy_p": lambda array: array,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "iota": lambda *, dtype, shape, dimension, **_: _broadcast(
        constant(np.arange(shape[dimension]), dtype), shape=shape, broadcast_dimensions=(dimension,)
    ),
    "reshard": lambda array, **_: array,
    "reshape": lambda array, *, new_sizes, **_: array.reshape(new_sizes),
    "rev": lambda array, *, dimensions: np.flip(array, dimensions),
    "slice": _slice,
    "squeeze": lambda array, *, dimensions: as_array(np.squeeze(array, dimensions)),
    "stack": lambda *arrays, axis, **_: np.stack(arrays, axis),
    "stop_gradient": lambda array, **_: array,
    "transpose": lambda array, *, permutation, **_: array.transpose(permutation),
}
"""By the name of a primitive: what it does to arrays, given its parameters."""

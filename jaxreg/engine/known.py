"""The shared data of a sweep while its run is traced: checks of values, such as labels, can see them."""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

_known: contextvars.ContextVar[tuple[tuple[Any, Any], ...]] = contextvars.ContextVar("known", default=())


@contextlib.contextmanager
def known_values(traced: Any, values: Sequence[Any]) -> Iterator[None]:
    """Within the block, `find_values` finds the arrays `values` by the tracers that stand for them."""
    token = _known.set(tuple(zip(jax.tree.leaves(traced), jax.tree.leaves(tuple(values)), strict=True)))
    try:
        yield
    finally:
        _known.reset(token)


def find_values(array: Any) -> np.ndarray | None:
    """The numbers of an array: its own, or those of the sweep's `args` that it stands for; None where none are known.

    A function that is called inside a run can check its data with it before anything is computed.

    >>> find_values(np.arange(3)).tolist()
    [0, 1, 2]
    """
    if not isinstance(array, jax.core.Tracer):
        return np.asarray(array)
    for tracer, value in _known.get():
        if tracer is array and not isinstance(value, jax.core.Tracer | jax.ShapeDtypeStruct):
            return np.asarray(value)
    return None

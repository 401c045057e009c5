"""The shared data of a sweep while its run is traced: checks of values, such as labels, can see them."""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

_known: contextvars.ContextVar[tuple[Sequence[tuple[Any, Any]], list[Any]]] = contextvars.ContextVar(
    "known", default=((), [])
)


@contextlib.contextmanager
def known_values(traced: Any, values: Sequence[Any], found: list[Any]) -> Iterator[None]:
    """Within the block, `find_values` finds the arrays `values` by the tracers that stand for them.

    Those that it was asked for are put into `found`.
    """
    pairs = tuple(zip(jax.tree.leaves(traced), jax.tree.leaves(tuple(values)), strict=True))
    token = _known.set((pairs, found))
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
    pairs, found = _known.get()
    for tracer, value in pairs:
        if tracer is array and not isinstance(value, jax.core.Tracer | jax.ShapeDtypeStruct):
            found.append(value)
            return np.asarray(value)
    return None

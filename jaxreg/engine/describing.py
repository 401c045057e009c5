"""Texts for static values that are the same in every process, to compare sweeps by."""

import hashlib
import re
from typing import Any

import jax
import numpy as np

from jaxreg.engine.axes import Static

LISTED_ENTRIES = 100  # a larger array is described by its hash


def describe(value: Any) -> str:
    """A stable text for a static value, free of memory addresses, to compare sweeps by."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in sorted(value.items())) + "}"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__name__)  # where it lives is no part of what it computes
    if isinstance(value, Static):
        return describe(value.values[0])
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        digest = hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
        return repr(array.tolist()) if array.size <= LISTED_ENTRIES else f"{array.dtype}{list(array.shape)} {digest}"
    return without_addresses(repr(value))


def without_addresses(text: str) -> str:
    """`text` without what differs from process to process or moves with the code: memory addresses and modules.

    >>> without_addresses("(<mine.models.make.<locals>.Model object at 0x7f2e>, <function make.<locals>.f at 0x7f2f>)")
    '(<Model object>, <function f>)'
    """
    text = re.sub(r"(?:\w+\.|<lambda>\.|<locals>\.)*<locals>\.", "", text)
    return re.sub(r"<([\w ]* )?[\w.]*?(<lambda>|\w+)( object)? at 0x[0-9a-f]+", r"<\1\2\3", text)

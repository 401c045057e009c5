"""Times of two ways to compute the same thing, measured in turn in one process, and the rows of a table of them."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def row(name: str, value: float, unit: str, *, target: float | None = None, **more: Any) -> dict[str, Any]:
    """One line of the table; `target` is a least value, or a largest where the unit is a share of time."""
    return {"name": name, "value": float(value), "unit": unit, "target": target, **more}


def median_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median time of a call that has run once already, until its result is ready."""
    jax.block_until_ready(call())
    return float(np.median([seconds(call) for _ in range(repeats)]))


def seconds(call: Callable[[], Any]) -> float:
    """Time of one call until its result is ready."""
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """Median seconds of two calls measured in turn, and the median of their ratio pair by pair."""
    pairs = np.array([(seconds(ours), seconds(theirs)) for _ in range(repeats)])
    return float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1])), float(np.median(pairs[:, 0] / pairs[:, 1]))

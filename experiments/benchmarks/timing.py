"""Times of two ways to compute the same thing, measured in turn in one process, and the rows of a table of them."""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

UPPER_BOUNDS = ("ratio of times", "MB", "points")
"""Units of which less is better: a target in them is a largest value, in all others a least one."""


def row(name: str, value: float, unit: str, *, target: float | None = None, **more: Any) -> dict[str, Any]:
    """One line of the table; whether `target` is a least or a largest value depends on the unit: `UPPER_BOUNDS`."""
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


def time_compiled(call: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Median `seconds` of a call that need not compile, and `compile_seconds`, by which its first one took longer."""
    first = seconds(call)
    taken = median_seconds(call, repeats)
    return {"seconds": taken, "compile_seconds": max(0.0, first - taken)}


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """Median seconds of two calls measured in turn, and the median of their ratio pair by pair."""
    pairs = np.array([(seconds(ours), seconds(theirs)) for _ in range(repeats)])
    return float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1])), float(np.median(pairs[:, 0] / pairs[:, 1]))


def best_product_rate(repeats: int, precision: str | None = "highest", dtype: Any = np.float32) -> float:
    """Operations per second of this machine's fastest matrix product; see `jax.lax.Precision`."""
    best = 0.0
    product = jax.jit(functools.partial(jnp.matmul, precision=precision))
    for size in (512, 1024, 2048) if jax.default_backend() == "cpu" else (2048, 4096, 8192):
        matrix = jnp.ones((size, size), dtype)
        best = max(best, 2 * size**3 / median_seconds(functools.partial(product, matrix, matrix), 5 * repeats))
    return best


def time_twice(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, the seconds of a call that need not compile, and those that compiling took before."""
    first = seconds(call)
    kept: list[Any] = []
    taken = seconds(lambda: kept.append(call()))
    for _ in range(2 if taken < 2 else 0):
        taken = min(taken, seconds(call))
    return kept[0], taken, max(0.0, first - taken)

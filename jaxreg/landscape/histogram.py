"""Where a descent spends its steps: a histogram added up inside the loop, no trajectory stored."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, Integer, Key

from jaxreg.checks import check_integer
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.gradients import Gradient
from jaxreg.landscape.kernels import Kernel
from jaxreg.landscape.walk import Scalar, walk


class Occupancy(NamedTuple):
    """Where a run stood, step by step.

    `counts` (bins) are the steps after which it stood in each bin, `below` and `above` those outside of all bins, and
    `survived` is the number of steps before it diverged, else all of them. Together the counts are the steps survived
    after the burn-in.
    """

    counts: Int32[Array, " bins"]
    below: Int32[Array, ""]
    above: Int32[Array, ""]
    survived: Int32[Array, ""]

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Names of the dimensions, for `jaxreg.sweep`."""
        return {"counts": ("bin",)}


def occupancy(
    gradient: Gradient | Callable[[Any, Any], Any],
    start: Scalar,
    learning_rate: Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    low: Scalar,
    high: Scalar,
    bins: int,
    burn_in: int = 0,
    momentum: Scalar | None = None,
    limit: int | float = 1e6,
    kernel: Kernel = "auto",
) -> Occupancy:
    r"""Histogram of the weights of a descent over even bins of [low, high), one count added per step.

    Bin $j$ holds $w$ with $j \le \text{bins}\,(w - \text{low}) / (\text{high} - \text{low}) < j + 1$, up to
    rounding at its edges. To count two basins, take two bins that meet at the saddle, and add `below` and `above`.

    Args:
        gradient: as made by `noisy_gradient` or any other, or a function of a key and w.
        start: the first w, which is not counted.
        learning_rate: 0 or more.
        steps: number of steps, with the burn-in (static).
        seed: a typed PRNG key; the run is that of `descend` with the same seed.
        low: left end of the first bin.
        high: right end of the last bin, more than `low`.
        bins: number of bins (static); their number does not change the time that a step takes.
        burn_in: the first so many steps are not counted (static).
        momentum: as for `descend`.
        limit: where a run counts as diverged (static).
        kernel: as for `descend` (static).

    Returns:
        `Occupancy` of this run; memory does not grow with the steps.

    Raises:
        ArgumentError: a number outside its domain.

    >>> import numpy as np
    >>> from jaxreg.landscape import full_gradient
    >>> x = np.linspace(-10.0, 10.0, 21)
    >>> run = occupancy(
    ...     full_gradient(x, x**2, 2), 1.0, 0.25, 5, seed=jax.random.key(0), low=0.1, high=0.5, bins=2, burn_in=1
    ... )
    >>> run.counts, run.below, run.above  # of 0.25, 0.125, 0.0625, 0.03125
    (Array([2, 0], dtype=int32), Array(2, dtype=int32), Array(0, dtype=int32))
    """
    boundary.check_walk(start, learning_rate, steps, momentum, limit, seed)
    check_integer("bins", bins, 1, 2**31 - 3, "Give at least one bin")
    check_integer("burn_in", burn_in, 0, steps - 1, f"Leave some of the {steps} steps to count")
    boundary.check_within("low", low, limit, "Give the left end of the bins, within the limit")
    boundary.check_within("high", high, limit, "Give the right end of the bins, within the limit")
    if not isinstance(low, jax.core.Tracer) and not isinstance(high, jax.core.Tracer) and low >= high:
        raise ArgumentError("high", high, f"must be more than low = {low}", "Exchange them, or widen the range")
    dtype = jnp.result_type(float)
    left = jnp.asarray(low, dtype)
    density = jnp.asarray(bins, dtype) / (jnp.asarray(high, dtype) - left)

    def observe(
        seen: tuple[Int32[Array, " slots"], Int32[Array, ""]], number: Integer[Array, ""], w: Float[Array, ""]
    ) -> tuple[Int32[Array, " slots"], Int32[Array, ""]]:
        counts, survived = seen
        survives = jnp.isfinite(w) & (number < steps)
        slot = jnp.clip(jnp.floor((w - left) * density), -1, bins).astype(jnp.int32) + 1
        slot = jnp.where(survives & (number >= burn_in), slot, bins + 2)  # the last one is not reported
        # On a CPU one scattered add costs 2 ns whatever `bins` is; comparing with every edge costs 2 ns at 16 of them.
        return counts.at[slot].add(1, mode="promise_in_bounds"), survived + survives.astype(jnp.int32)

    _, (counts, survived) = walk(
        gradient,
        start,
        learning_rate,
        steps,
        seed=seed,
        momentum=momentum,
        limit=limit,
        seen=(jnp.zeros(bins + 3, jnp.int32), jnp.int32(0)),
        observe=observe,
        kernel=kernel,
    )
    return Occupancy(counts[1:-2], counts[0], counts[-2], survived)

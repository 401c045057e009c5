"""The runs of the study of mini-batch noise, in blocks that are counted at once; and estimates from the counts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.special import ndtri

from jaxreg.landscape import RefitGradient
from jaxreg.landscape.gradients import Gradient
from jaxreg.landscape.walk import walk

DRAWS = 10_000
"""Refits that are counted together."""
RUNS = 500
"""Runs of descent that are averaged and counted together."""
_PER_DECADE, _FIRST, _LAST = 40, -10, 15
EDGES = 10.0 ** (np.arange(_PER_DECADE * _FIRST, _PER_DECADE * _LAST + 1) / _PER_DECADE)
"""Of the bins that sizes are counted in, forty a decade; the first and the last bin have no end."""
PARTS = ("mean", "low", "high")
"""Of what is estimated with its 95 % interval."""
_TOGETHER = 500  # refits made at once: they fit into a core's cache
_LIMIT = 1e15  # where a run of descent counts as diverged
_Z = float(ndtri(0.975))


def count_errors(gradients: Mapping[int, RefitGradient], weights: Any, *, block: Any, batch_size: int) -> Any:
    """Sizes of the error of refitted gradients at some weights: how many are in each bin, and the largest."""
    gradient = gradients[batch_size]

    def measure(part: Any, so_far: tuple[Any, Any]) -> tuple[Any, Any]:
        counts, largest = so_far
        refits = gradient.draw(block, part * _TOGETHER, _TOGETHER)
        found = jax.vmap(gradient.at, (0, None))(refits, weights)
        error = jnp.abs(found - gradient.full.at(None, weights)[None])
        return counts + jax.vmap(count_sizes, 1)(error), jnp.maximum(largest, error.max())

    nothing = jnp.zeros((len(weights), len(EDGES) - 1), jnp.int32), jnp.zeros((), weights.dtype)
    counts, largest = lax.fori_loop(0, DRAWS // _TOGETHER, measure, nothing)
    return {"error_count": counts, "largest_error": largest}


def count_sizes(sizes: Any) -> Any:
    """How many sizes are in each bin, up to rounding at edges; what lies beyond all is in the first or the last."""
    bins = len(EDGES) - 1
    place = jnp.floor(_PER_DECADE * (jnp.log10(sizes) - _FIRST))
    return jnp.zeros(bins, jnp.int32).at[jnp.clip(place, 0, bins - 1).astype(jnp.int32)].add(1)


class Quadratic(NamedTuple):
    """A gradient of mean w (curvature 1) with some noise, the edge of its stability, and the momentum to use."""

    gradient: Gradient
    threshold: Any
    momentum: Any


def settle(
    quadratics: Mapping[Any, Quadratic], relative_rates: Any, *, block: Any, setting: Any, burn_in: int, steps: int
) -> dict[str, Any]:
    """Mean square of the weights of a block of runs after the burn-in, and how large the last ones are.

    The learning rates are `relative_rates` times the edge of stability; at all of them the runs share their randomness,
    which is drawn once.
    """
    gradient, threshold, momentum = quadratics[setting]

    def follow(seed: Any, relative_rate: Any) -> tuple[Any, Any]:
        def observe(total: Any, number: Any, w: Any) -> Any:
            counts = (number >= burn_in) & (number < burn_in + steps)
            return total + jnp.where(counts, w * w, 0)

        return walk(
            gradient,
            jnp.zeros_like(relative_rate),
            relative_rate * threshold,
            burn_in + steps,
            seed=seed,
            momentum=momentum,
            limit=_LIMIT,
            seen=jnp.zeros_like(relative_rate),
            observe=observe,
        )

    of_all = jax.vmap(jax.vmap(follow, (None, 0)), (0, None))
    last, total = of_all(jax.random.split(block, RUNS), relative_rates)
    return {"mean_square": total.mean(0) / steps, "count": jax.vmap(count_sizes, 1)(jnp.abs(last))}


def median_size(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median of what was counted over the last axis, and the 95 % interval that the order statistics give.

    What lies in the first bin, which has no lower end, counts as 0.

    >>> counts = np.zeros((1, 1000), int)
    >>> counts[0, 400:440] = 250  # even over the decade from 1 to 10, in its logarithm
    >>> [round(float(size[0]), 2) for size in median_size(counts)]
    [3.16, 3.09, 3.23]
    """
    n = counts.sum(-1, keepdims=True)
    passed = np.concatenate([np.zeros_like(n), counts.cumsum(-1)], -1) / n
    half = _Z / 2 / np.sqrt(n[..., 0])
    flat = passed.reshape(-1, passed.shape[-1])

    def quantile(share: np.ndarray) -> np.ndarray:
        found = [np.interp(at, row, np.log(EDGES)) for at, row in zip(share.ravel(), flat, strict=True)]
        size = np.exp(np.array(found)).reshape(share.shape)
        return np.where(size > EDGES[1], size, 0.0)

    return quantile(0 * half + 0.5), quantile(0.5 - half), quantile(0.5 + half)


def tail_exponent(counts: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Hill's estimate, $\hat\alpha = n_u / \sum \log(x_i / u)$ over the sizes above u, and its 95 % interval.

    The threshold u is the lowest edge that at most `share` of the sizes exceed; where none does, the interval is
    infinite. A bin counts at the middle of its logarithms, which changes an exponent of 3 by a quarter of a per cent.

    >>> survival = EDGES[400:601] ** -2.0  # sizes from 1 on, with the exponent 2
    >>> counts = np.zeros((1, 1000))
    >>> counts[0, 400:600] = 1e6 * -np.diff(survival)
    >>> [round(float(size[0]), 2) for size in tail_exponent(counts, 0.01)]
    [2.0, 1.96, 2.04]

    Source: Hill, A simple general approach to inference about the tail of a distribution, Ann. Stat. 3 (1975).
    """
    above = counts[..., ::-1].cumsum(-1)[..., ::-1]
    first = (above > share * counts.sum(-1, keepdims=True)).sum(-1, keepdims=True)  # the bin that u begins
    place = np.arange(counts.shape[-1])
    width = np.log(EDGES[1] / EDGES[0])
    tail = np.where(place >= first, counts, 0)
    n = tail.sum(-1)
    excess = (tail * (place - first + 0.5)).sum(-1) * width
    index = np.where(n > 0, n / np.where(n > 0, excess, 1), np.inf)
    half = np.where(n > 0, _Z / np.sqrt(np.maximum(n, 1)), 0)
    return index, np.where(n > 0, index * np.maximum(1 - half, 0), 0), np.where(n > 0, index * (1 + half), np.inf)

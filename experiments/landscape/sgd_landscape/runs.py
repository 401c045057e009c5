"""The runs of the study of SGD on a landscape: alone, counted, recorded with their refits; and what a step costs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from experiments.landscape.operations import count_operations
from jaxreg import randomness, sampling
from jaxreg.landscape import FATES, T2_LANDSCAPE, Descent, FullGradient, RefitGradient, descend, fate
from jaxreg.landscape.recurrence import Recurrence, differentiate, fit_recurrence

DEGREE = 6
"""Of the polynomials that are fitted."""
STEP_KINDS = ("SGD", "descent, refitting all data", "descent, all data fitted once")
"""Of which `operations` are counted."""
BIN_EDGES = np.linspace(-7.0, 7.0, 141)
"""Of the histogram of balls."""
BLOCK = 500
"""Runs that are counted together."""
_TOGETHER = 50  # of them are followed at once: their refits fit into a core's cache


def follow(gradient: Any, start: Any, *, seed: Any, learning_rate: Any, steps: int) -> dict[str, Any]:
    """One run of SGD: its fate, its last weight, the steps before it diverged, and those before it left its basin."""
    end: Descent = descend(gradient, start, learning_rate, steps, seed=seed, record_every=1)
    at_home = T2_LANDSCAPE.basin(end.path) == T2_LANDSCAPE.basin(start)
    stayed = jnp.cumprod(at_home.astype(jnp.int32)).sum(dtype=jnp.int32)
    return {
        "fate": fate(end.weight, T2_LANDSCAPE),
        "weight": end.weight,
        "survived": end.survived,
        "stayed": stayed,
    }


def follow_all_data(gradient: Any, *, learning_rate: Any, initial_weight: Any, steps: int) -> dict[str, Any]:
    """Plain gradient descent, which uses no randomness: the weight after each step, and the fate of the last."""
    run = record(gradient, initial_weight, learning_rate, seed=jax.random.key(0), steps=steps)
    return {"control": run["path"][1:], "control_fate": run["met"][-1]}


def record(gradient: Any, start: Any, learning_rate: Any, *, seed: Any, steps: int) -> dict[str, Any]:
    """One run: the weight at the start and after each step, and the fate that it would meet there."""
    after = descend(gradient, start, learning_rate, steps, seed=seed, record_every=1).path
    path = jnp.concatenate([jnp.asarray(start, after.dtype)[None], after])
    return {"path": path, "met": fate(path, T2_LANDSCAPE)}


def count_fates(
    gradients: dict[int, RefitGradient], rates: Any, weights: Any, *, batch_size: int, block: Any, steps: int
) -> dict[str, Any]:
    """How many of a block of runs meet each fate, from every learning rate and first weight; no run is kept.

    The runs at all rates and weights share their randomness, so that their refits are made once.
    """
    gradient = gradients[batch_size]
    # One axis of all pairs, not two: the innermost loop is over pairs, and long.
    pairs = [part.ravel() for part in jnp.meshgrid(rates, weights, indexing="ij")]

    def end(key: Array) -> Array:
        return jax.vmap(lambda rate, start: descend(gradient, start, rate, steps, seed=key).weight)(*pairs)

    def tally(count: Array, keys: Array) -> tuple[Array, None]:
        met = fate(jax.vmap(end)(keys), T2_LANDSCAPE)
        return count + (met[..., None] == jnp.arange(len(FATES))[None, None]).sum(0, dtype=jnp.int32), None

    none = jnp.zeros((len(rates) * len(weights), len(FATES)), jnp.int32)
    keys = jax.random.split(block, BLOCK).reshape(-1, _TOGETHER)
    count, _ = jax.lax.scan(tally, none, keys)
    return {"fate_count": count.reshape(len(rates), len(weights), len(FATES)).astype(jnp.uint16)}


def record_refits(gradient: RefitGradient, *, seed: Any, steps: int) -> dict[str, Any]:
    """What a run with this seed draws at each step: its points' numbers, and what their refit adds to the full fit.

    Args:
        gradient: what the run follows.
        seed: PRNG key of the run.
        steps: how many.

    Returns:
        `points` (steps, batch_size), and `correction` (steps, degree + 1), ascending coefficients in the standardized
        variable of the refit less the fit to all the data.
    """
    words = randomness.random_words(seed, steps, gradient.batch_size)
    chosen = sampling.without_replacement(words, len(gradient.nodes), axis=0)
    return {"points": chosen.T, "correction": expand(gradient.draw(seed, 0, steps)).T}


def expand(fit: Recurrence) -> Array:
    """Coefficients of a recurrence's polynomial, lowest power first along the first axis.

    >>> from jaxreg.landscape.recurrence import fit_recurrence
    >>> t = jnp.array([-1.0, 0.0, 0.5, 1.0])
    >>> [round(float(c), 3) for c in expand(fit_recurrence(t, 3 * t**2 - t + 1, degree=2))]
    [1.0, -1.0, 3.0]
    """
    constant = fit.coefficient[0]
    p = jnp.stack([jnp.ones_like(constant)] + [jnp.zeros_like(constant)] * len(fit.alpha))
    before, total = jnp.zeros_like(p), constant[None] * p
    for alpha, beta, coefficient in zip(fit.alpha, fit.beta, fit.coefficient[1:], strict=True):
        raised = jnp.concatenate([jnp.zeros_like(p[:1]), p[:-1]])  # t times p
        before, p = p, raised - alpha[None] * p - beta[None] * before
        total = total + coefficient[None] * p
    return total


def histogram(weight: np.ndarray, met: np.ndarray) -> dict[str, Any]:
    """Where the runs are at each moment, the first being the start.

    Args:
        weight: of the runs at each moment (runs, moments), infinite after a run diverged.
        met: the fates that they would meet there, as numbers.

    Returns:
        `balls` over `moment`, `outcome` and `bin`, `beyond`, the runs past the bins' ends, and `lost`, the diverged.
    """
    places = np.searchsorted(BIN_EDGES, weight, side="right") - 1
    inside = (places >= 0) & (places < len(BIN_EDGES) - 1)
    lost = ~np.isfinite(weight)
    moment = np.broadcast_to(np.arange(weight.shape[1]), weight.shape)
    balls = np.zeros((weight.shape[1], len(FATES), len(BIN_EDGES) - 1), np.int32)
    beyond = np.zeros(balls.shape[:2], np.int32)
    np.add.at(balls, (moment[inside], met[inside], places[inside]), 1)
    np.add.at(beyond, (moment[~inside & ~lost], met[~inside & ~lost]), 1)
    return {
        "balls": (("moment", "outcome", "bin"), balls),
        "beyond": (("moment", "outcome"), beyond),
        "lost": ("moment", lost.sum(0)),
    }


def count_steps(gradient: RefitGradient, control: FullGradient) -> list[int]:
    """Operations of one step of each of `STEP_KINDS`, the drawing of the points included."""
    w = jnp.float32(0)

    def refit_all(x: Any, y: Any, w: Any) -> Any:
        return differentiate(fit_recurrence(x, y, DEGREE), w)

    data = (jnp.float32(part) for part in (gradient.nodes, gradient.residuals))
    return [
        count_operations(gradient, jax.random.key(0), w),
        count_operations(refit_all, *data, w),
        count_operations(lambda w: control(None, w), w),
    ]

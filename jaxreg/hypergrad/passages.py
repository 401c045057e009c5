"""The derivative of a mean first passage, a count of steps that no path differentiates, by the score of its noise."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from jaxreg.checks import MOST, as_real, check_integer, check_key, check_kind
from jaxreg.hypergrad.smoothing import Smoothed
from jaxreg.hypergrad.status import flag_lost
from jaxreg.landscape.descent import descend
from jaxreg.landscape.gradients import NoisyGradient
from jaxreg.landscape.passage import first_passage
from jaxreg.landscape.walk import Scalar


def passage_gradient(
    gradient: NoisyGradient,
    start: Scalar,
    learning_rate: Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    target: Scalar,
    side: Literal["right", "left"] = "right",
    samples: int = 1024,
) -> Smoothed:
    r"""How the mean of $\min(T, \text{steps})$, T a first passage, moves with $\log\eta$ and $\log s$.

    A step is normal, $w' \sim N(w - \eta U'(w),\, \eta^2 s^2)$, so that with its noise $\epsilon_t$

    $$\frac{\partial \log p}{\partial \log \eta} = \frac{U'(w_t)\,\epsilon_t}{s} + \epsilon_t^2 - 1, \qquad
      \frac{\partial \log p}{\partial \log s} = \epsilon_t^2 - 1,$$

    and $\sum_{t<T} (\text{score}_t)(T - t - b)$ is unbiased, b being the mean passage of the other runs. Its variance
    grows with the passage; `error` says how large it is. (`descend` itself has derivatives along its path: give
    `hypergrad.gradient` a function that calls it.)

    Args:
        gradient: as made by `noisy_gradient`; s is the deviation of its noise.
        start: the first w.
        learning_rate: $\eta > 0$.
        steps: where a run is given up (static).
        seed: a typed PRNG key.
        target: as in `first_passage`.
        side: as in `first_passage` (static).
        samples: runs, 2 or more (static).

    Returns:
        `Smoothed`, of "learning_rate" and "noise"; its variance is per step of a run.

    Raises:
        ArgumentError: as `first_passage`; a gradient of another kind.

    >>> from jaxreg.landscape import DOUBLE_WELL, noisy_gradient
    >>> found = passage_gradient(
    ...     noisy_gradient(DOUBLE_WELL, 2.0), -1.0, 0.2, 200, seed=jax.random.key(0), target=0.0, samples=256
    ... )
    >>> bool(found.gradient["noise"] < 0)  # more noise, sooner there
    True

    Source: Glynn, Likelihood ratio gradient estimation for stochastic systems, Commun. ACM 33 (1990) 75-84.
    """
    check_kind("gradient", gradient, NoisyGradient, "Give landscape.noisy_gradient(...)")
    check_integer("samples", samples, 2, MOST, "Give 1024")
    check_key("seed", seed)
    spread = jnp.asarray(gradient.spread, jnp.result_type(float))

    def run(key: Key[Array, ""]) -> tuple[Array, Array, Array]:
        taken = first_passage(gradient, start, learning_rate, steps, seed=key, target=target, side=side).steps
        path = descend(gradient, start, learning_rate, steps, seed=key, record_every=1).path
        before = jnp.concatenate([jnp.asarray(start, path.dtype)[None], path[:-1]])
        slope = gradient.slope.value(before)
        noise = ((before - path) / as_real(learning_rate) - slope) / spread
        until = jnp.arange(steps) < taken
        noise, slope = jnp.where(until, noise, 1), jnp.where(until, slope, 0)
        square = noise * noise - 1
        scores = jnp.stack([slope * noise / spread + square, square])
        left = (taken - jnp.arange(steps)).astype(path.dtype)
        return taken.astype(path.dtype), (scores * left[None]).sum(1), scores.sum(1)

    taken, weighted, scores = jax.vmap(run)(jax.random.split(seed, samples))
    others = (taken.sum() - taken) / (samples - 1)
    draws = weighted - others[:, None] * scores
    spreads = draws.var(0, ddof=1)
    error = jnp.sqrt(spreads / samples)
    names = ("learning_rate", "noise")
    value, slope = taken.mean(), draws.mean(0)
    mean, errors = (dict(zip(names, numbers, strict=True)) for numbers in (slope, error))
    variance = spreads.sum() * value
    return Smoothed(value, mean, errors, variance, flag_lost(value, slope, variance))

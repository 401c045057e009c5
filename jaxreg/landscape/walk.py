"""The loop of gradient descent: every step folded into what is seen on the way, no trajectory stored."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, Real

from jaxreg.landscape.gradients import Gradient

Scalar = int | float | Real[Array | np.ndarray, ""]
Seen = TypeVar("Seen")

_BLOCK = 128  # steps whose randomness is drawn at once


def walk(
    gradient: Gradient,
    start: Scalar,
    learning_rate: Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    momentum: Scalar | None,
    limit: int | float,
    seen: Seen,
    observe: Callable[[Seen, Integer[Array, ""], Float[Array, ""]], Seen],
) -> tuple[Float[Array, ""], Seen]:
    r"""Fold `observe` over the weights of a descent, $v \leftarrow \beta v - \eta\, g(w)$, $w \leftarrow w + v$.

    Args:
        gradient: what is followed.
        start: the first w.
        learning_rate: $\eta$.
        steps: number of steps (static).
        seed: a typed PRNG key; randomness is drawn from it for blocks of steps.
        momentum: $\beta$ of the heavy ball; None for $v = -\eta\, g(w)$, without the code of momentum.
        limit: a run that leaves (-limit, limit), or computes no number, stays at infinity (static).
        seen: what was seen before the first step.
        observe: takes what was seen, the number of a step from 0 and the weight after it, and returns what is seen
            now. It is also called past the end, with numbers of `steps` and more, while the weight stands still.

    Returns:
        The last weight, and what was seen.
    """
    dtype = jnp.result_type(float)
    learning_rate = jnp.asarray(learning_rate, dtype)
    decay = None if momentum is None else jnp.asarray(momentum, dtype)
    blocks = -(-steps // _BLOCK)
    block = -(-steps // blocks)  # the last one goes on past the end

    def follow(state: tuple[Any, Any, Seen], step: tuple[Any, Any]) -> tuple[tuple[Any, Any, Seen], None]:
        (before, velocity, seen), (number, drawn) = state, step
        slope = gradient.at(drawn, before)
        if decay is None:
            w = before - learning_rate * slope
        else:
            velocity = decay * velocity - learning_rate * slope
            w = before + velocity
        w = jnp.where(jnp.abs(w) < limit, w, jnp.inf)  # also where w is not a number; and infinity stays
        w = jnp.where(number < steps, w, before)
        return (w, velocity, observe(seen, number, w)), None

    def follow_block(number: Integer[Array, ""], state: tuple[Any, Any, Seen]) -> tuple[Any, Any, Seen]:
        first = number * block
        numbers = first + jnp.arange(block, dtype=jnp.int32)
        return lax.scan(follow, state, (numbers, gradient.draw(seed, first, block)))[0]

    at_rest = None if momentum is None else jnp.zeros((), dtype)
    w, _, seen = lax.fori_loop(0, blocks, follow_block, (jnp.asarray(start, dtype), at_rest, seen))
    return w, seen

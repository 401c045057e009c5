"""The loop of gradient descent: every step folded into what is seen on the way, no trajectory stored."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, Real

from jaxreg.landscape.gradients import Gradient, WordGradient
from jaxreg.landscape.kernels import Kernel, follow

Scalar = int | float | Real[Array | np.ndarray, ""]
Seen = TypeVar("Seen")
_Fixed = tuple[Any, Any]  # learning rate and momentum
_State = tuple[Any, Any, Any]  # weight, velocity and what was seen

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
    kernel: Kernel = "auto",
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
    fixed = jnp.asarray(learning_rate, dtype), None if momentum is None else jnp.asarray(momentum, dtype)
    at_rest = None if momentum is None else jnp.zeros((), dtype)
    first = (jnp.asarray(start, dtype), at_rest, seen)

    def advance(drawn: Any, number: Any, fixed: _Fixed, state: _State) -> _State:
        (rate, decay), (before, velocity, seen) = fixed, state
        slope = gradient.at(drawn, before)
        if decay is None:
            w = before - rate * slope
        else:
            velocity = decay * velocity - rate * slope
            w = before + velocity
        w = jnp.where(jnp.abs(w) < limit, w, jnp.inf)  # also where w is not a number; and infinity stays
        w = jnp.where(number < steps, w, before)
        return w, velocity, observe(seen, number, w)

    blocks = -(-steps // _BLOCK)
    block = -(-steps // blocks)  # the last one goes on past the end

    def run(seed: Any, fixed: _Fixed, state: _State) -> _State:
        def follow_block(number: Integer[Array, ""], state: _State) -> _State:
            numbers = number * block + jnp.arange(block, dtype=jnp.int32)
            drawn = gradient.draw(seed, number * block, block)
            return lax.scan(lambda state, each: (advance(each[1], each[0], fixed, state), None), state, (numbers, drawn))[0]

        return lax.fori_loop(0, blocks, follow_block, state)

    if kernel == "xla" or not isinstance(gradient, WordGradient) or dtype != jnp.float32:
        w, _, seen = run(seed, fixed, first)
    else:
        draws = gradient  # of the type that was asked for

        def make_step(number: Any, words: Any, fixed: _Fixed, state: _State) -> _State:
            return advance(draws.read(words), number, fixed, state)

        w, _, seen = follow(run, make_step, seed, fixed, first, words=draws.words, steps=steps, kernel=kernel)
    return w, seen

"""The loop of gradient descent: every step folded into what is seen on the way, no trajectory stored."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, Real

from jaxreg.checks import as_real, check_choice
from jaxreg.errors import ArgumentError
from jaxreg.landscape.gradients import Gradient, WordGradient, as_gradient
from jaxreg.landscape.kernels import KERNELS, Kernel, follow

Scalar = int | float | Real[Array | np.ndarray, ""]
Seen = TypeVar("Seen")
_Fixed = tuple[Any, Any]  # learning rate and momentum
_State = tuple[Any, Any, Any]  # weight, velocity and what was seen

_BLOCK = 128  # steps whose randomness is drawn at once


def walk(
    gradient: Gradient | Callable[[Any, Any], Any],
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
        kernel: as for `descend`. A Pallas kernel needs a `WordGradient`, single precision, a step of operations on
            numbers, and what is seen to be numbers, or arrays of which a step sets, or adds to, one entry.

    Returns:
        The last weight, and what was seen.
    """
    check_choice("kernel", kernel, KERNELS)
    limit = as_real(limit)
    followed = as_gradient(gradient)
    dtype = jnp.result_type(float)
    fixed = jnp.asarray(learning_rate, dtype), None if momentum is None else jnp.asarray(momentum, dtype)
    at_rest = None if momentum is None else jnp.zeros((), dtype)
    first = (jnp.asarray(start, dtype), at_rest, seen)

    def advance(drawn: Any, number: Any, fixed: _Fixed, state: _State) -> _State:
        (rate, decay), (before, velocity, seen) = fixed, state
        slope = followed.at(drawn, before)
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
            drawn = followed.draw(seed, number * block, block)

            def advance_once(state: _State, each: tuple[Any, Any]) -> tuple[_State, None]:
                return advance(each[1], each[0], fixed, state), None

            return lax.scan(advance_once, state, (numbers, drawn))[0]

        return lax.fori_loop(0, blocks, follow_block, state)

    if kernel == "xla":
        w, _, seen = run(seed, fixed, first)
    elif isinstance(followed, WordGradient) and dtype == jnp.float32:
        read, words = followed.read, followed.words

        def step(number: Any, words: Any, fixed: _Fixed, state: _State) -> _State:
            return advance(read(words), number, fixed, state)

        w, _, seen = follow(run, step, seed, fixed, first, words=words, steps=steps, kernel=kernel)
    elif kernel == "auto":
        w, _, seen = run(seed, fixed, first)
    else:
        remedy = 'Leave it at "auto", which takes XLA\'s loops here'
        raise ArgumentError("kernel", kernel, "needs single precision, and a gradient made from random words", remedy)
    return w, seen

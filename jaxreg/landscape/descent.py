"""Gradient descent in one dimension as a pure function, and the fate of a run."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int32, Integer, Key

from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.gradients import Gradient
from jaxreg.landscape.polynomial import Polynomial, Weight

FATES: tuple[str, ...] = ("global minimum", "left", "right", "diverged")
"""Names of the numbers that `fate` returns."""

_BLOCK = 128  # steps whose randomness is drawn at once
_Scalar = int | float | Float[Array | np.ndarray, ""]


class Descent(NamedTuple):
    """The end of a descent, and what was recorded on the way.

    `weight` is w after the last step, infinite for a run that diverged; `survived` is the number of steps before it
    did, else all of them; `path` (records) is w after every `record_every` steps, the last record being `weight`.
    """

    weight: Float[Array, ""]
    survived: Int32[Array, ""]
    path: Float[Array, " records"]


def descend(
    gradient: Gradient,
    start: _Scalar,
    learning_rate: _Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    record_every: int | None = None,
    limit: int | float = 1e6,
) -> Descent:
    r"""Follow a gradient for a fixed number of steps, $w \leftarrow w - \eta\, g(w)$.

    A run that leaves (-limit, limit), or computes no number, has diverged: it stays at infinity and nothing raises.
    Random numbers are drawn for blocks of steps, from the seed alone: under nested `vmap` over seeds and learning
    rates they, and the refits made from them, are computed once for all learning rates.

    Args:
        gradient: as made by `full_gradient` or `refit_gradient`.
        start: the first w.
        learning_rate: $\eta$, 0 or more.
        steps: number of steps (static).
        seed: a typed PRNG key; step t uses the same randomness whatever `steps` and `record_every` are.
        record_every: keep w after every so many steps, a divisor of `steps`; by default the last only (static).
        limit: where a run counts as diverged (static).

    Returns:
        `Descent` of the last weight, the steps survived and the recorded path.

    Raises:
        ArgumentError: a number outside its domain.

    >>> import jax
    >>> from jaxreg.landscape import full_gradient
    >>> x = np.linspace(-10.0, 10.0, 21)
    >>> run = descend(full_gradient(x, x**2, 2), 1.0, 0.25, 3, seed=jax.random.key(0), record_every=1)
    >>> run.path.round(4).tolist(), run.survived
    ([0.5, 0.25, 0.125], Array(3, dtype=int32))
    """
    boundary.check_integer("steps", steps, 1, 2**31 - 1, "Make at least one step")
    record_every = steps if record_every is None else record_every
    boundary.check_integer("record_every", record_every, 1, steps, "Leave it out to keep the last weight only")
    if steps % record_every:
        raise ArgumentError("record_every", record_every, f"must divide the {steps} steps", "Change one of them")
    boundary.check_number("start", start, -limit, limit, "Start within the limit")
    boundary.check_number("learning_rate", learning_rate, 0, math.inf, "Give a step size such as 0.3")
    dtype = jnp.result_type(float)
    learning_rate = jnp.asarray(learning_rate, dtype)
    blocks = -(-steps // _BLOCK)
    block = -(-steps // blocks)  # the last one goes on past the end, where `follow` stands still

    def follow(state: Descent, step: tuple[Integer[Array, ""], Any]) -> tuple[Descent, None]:
        number, drawn = step
        w = state.weight - learning_rate * gradient.at(drawn, state.weight)
        w = jnp.where(jnp.abs(w) < limit, w, jnp.inf)  # also where w is not a number; and infinity stays
        w = jnp.where(number < steps, w, state.weight)
        survived = state.survived + (jnp.isfinite(w) & (number < steps)).astype(jnp.int32)
        path = lax.dynamic_update_index_in_dim(state.path, w, number // record_every, 0)
        return Descent(w, survived, path), None

    def follow_block(state: Descent, first: Integer[Array, ""]) -> tuple[Descent, None]:
        numbers = first + jnp.arange(block, dtype=jnp.int32)
        return lax.scan(follow, state, (numbers, gradient.draw(seed, first, block)))

    state = Descent(jnp.asarray(start, dtype), jnp.int32(0), jnp.zeros(steps // record_every, dtype))
    return lax.scan(follow_block, state, block * jnp.arange(blocks, dtype=jnp.int32))[0]


def fate(w: Weight, landscape: Polynomial) -> Int32[Array, "*weights"]:
    """Where a run ended, as a number whose name is in `FATES`.

    Args:
        w: last weight of a run, infinite if it diverged.
        landscape: its basins decide; the one with the lowest minimum is the global one.

    Returns:
        0 in the basin of the global minimum, 1 in one to the left of it, 2 in one to the right, 3 if the run
        diverged, or stands where gradient flow would reach no minimum.

    Raises:
        ArgumentError: a landscape without a minimum, or traced.

    >>> from jaxreg.landscape import T2_LANDSCAPE
    >>> [FATES[number] for number in fate(jnp.array([0.0, 4.0, -4.0, jnp.inf]), T2_LANDSCAPE)]
    ['global minimum', 'right', 'left', 'diverged']
    """
    lowest = landscape.lowest
    basin = landscape.basin(w)
    side = jnp.where(basin < lowest, 1, jnp.where(basin > lowest, 2, 0))
    return jnp.where(basin < 0, 3, side).astype(jnp.int32)

"""Work that a batch does only if one of its members needs it."""

from collections.abc import Callable
from typing import TypeVar

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

_Value = TypeVar("_Value")


def when(needed: Bool[Array, ""], change: Callable[..., _Value], value: _Value, *given: Array) -> _Value:
    """`change(value, *given)` if needed. In a batch, `lax.cond` computes it always; this does if any member needs it.

    What `change` computes from must pass through here: behind the barrier it seems to vary from turn to turn of the
    loop, of which there is one at most, and XLA does not compute it ahead of the loop.
    """

    def turn(state: tuple[Bool[Array, ""], _Value]) -> tuple[Bool[Array, ""], _Value]:
        needed, value, *here = lax.optimization_barrier((*state, *given))
        return jnp.zeros_like(needed), change(value, *here)

    return lax.while_loop(lambda state: state[0], turn, (needed, value))[1]

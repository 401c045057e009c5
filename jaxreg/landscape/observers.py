"""What is seen of a run on the way, whatever the dimension of its weight: the path, and the first passage."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Integer

Weight = Float[Array, "..."]
PathSeen = tuple[Int32[Array, ""], Float[Array, "records ..."]]
PassageSeen = tuple[Int32[Array, ""], Int32[Array, ""]]


def is_real(w: Weight) -> Bool[Array, ""]:
    """Whether a run has not diverged."""
    finite = jnp.isfinite(w)
    return finite.all() if finite.ndim else finite


def watch_path(
    like: Weight, steps: int, record_every: int
) -> tuple[PathSeen, Callable[[PathSeen, Integer[Array, ""], Weight], PathSeen]]:
    """What was seen before the first step, and how a step adds to it: steps survived, and w after every so many.

    Where the last record is the only one nothing is written on the way: it is the weight at the end.
    """
    keeps_last_only = record_every == steps

    def observe(seen: PathSeen, number: Integer[Array, ""], w: Weight) -> PathSeen:
        survived, path = seen
        survived = survived + (is_real(w) & (number < steps)).astype(jnp.int32)
        if not keeps_last_only:
            path = lax.dynamic_update_index_in_dim(path, w, number // record_every, 0)
        return survived, path

    return (jnp.int32(0), jnp.zeros((steps // record_every, *like.shape), like.dtype)), observe


def watch_passage(
    first: Weight, steps: int, arrives: Callable[[Weight], Bool[Array, ""]]
) -> tuple[PassageSeen, Callable[[PassageSeen, Integer[Array, ""], Weight], PassageSeen]]:
    """The same for steps until a run first arrives, and its status, a number of `PASSAGES`."""

    def observe(seen: PassageSeen, number: Integer[Array, ""], w: Any) -> PassageSeen:
        taken, status = seen
        goes_on = (status == 0) & (number < steps)
        now = jnp.where(is_real(w), arrives(w).astype(jnp.int32), 2)
        return taken + goes_on.astype(jnp.int32), jnp.where(goes_on, now, status)

    return (jnp.int32(0), arrives(first).astype(jnp.int32)), observe

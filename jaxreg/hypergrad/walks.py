"""Ways to take the steps of a loop: keeping few states for its derivative, or forgetting what was long ago."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

Walk = Callable[[Callable[..., Any], PyTree, PyTree, Array], tuple[PyTree, PyTree]]


def checkpointed(walk: Walk, length: int) -> Walk:
    r"""The same steps in segments: a derivative in reverse keeps their first states and computes the rest again.

    Of T steps it keeps T / `length` states and, one segment at a time, all that `length` steps compute.

    >>> step = lambda w, x: (w * x, w)
    >>> scan = lambda step, carry, given, first: lax.scan(step, carry, given)
    >>> checkpointed(scan, 2)(step, jnp.float32(1), jnp.arange(1.0, 6.0), jnp.int32(0))[0]
    Array(120., dtype=float32)
    """

    def take(step: Callable[..., Any], carry: PyTree, given: PyTree, first: Array) -> tuple[PyTree, PyTree]:
        total = jax.tree.leaves(given)[0].shape[0]
        # In loops, forth and back, nothing is there that could be taken for what is computed again.
        segment = jax.checkpoint(lambda carry, part: walk(step, carry, part, first), prevent_cse=False)
        parts = total // length
        seen: list[PyTree] = []
        if parts:
            whole = jax.tree.map(lambda leaf: leaf[: parts * length].reshape(parts, length, *leaf.shape[1:]), given)
            carry, several = lax.scan(segment, carry, whole)
            seen.append(jax.tree.map(lambda leaf: leaf.reshape(parts * length, *leaf.shape[2:]), several))
        if total % length:
            carry, rest = segment(carry, jax.tree.map(lambda leaf: leaf[parts * length :], given))
            seen.append(rest)
        return carry, jax.tree.map(lambda *pieces: jnp.concatenate(pieces), *seen)

    return take


def cut(walk: Walk, horizon: int, period: int) -> Walk:
    """The same steps, of which a derivative sees the last `horizon` before every `period`-th alone.

    The values are the same. What is given to each step first holds its number within the walk.
    """

    def take(step: Callable[..., Any], carry: PyTree, given: PyTree, first: Array) -> tuple[PyTree, PyTree]:
        def forgetful(carry: PyTree, this: Any) -> tuple[PyTree, PyTree]:
            starts = (first + this[0]) % period == period - horizon

            def hold(leaf: Array) -> Array:
                if not jnp.issubdtype(leaf.dtype, jnp.floating):
                    return leaf
                return jnp.where(starts, lax.stop_gradient(leaf), leaf)

            return step(jax.tree.map(hold, carry), this)

        return walk(forgetful, carry, given, first)

    return take

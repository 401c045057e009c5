"""Losses and penalties as arguments of compiled programs, whether they are pytrees or not."""

from typing import Any

import jax
import jax.numpy as jnp


class Held:
    """An object that is no pytree, as a part of the program: its numbers are fixed, and it must be hashable."""

    def __init__(self, held: Any) -> None:
        self.held = held


jax.tree_util.register_pytree_node(Held, lambda node: ((), node.held), lambda held, _: Held(held))


def wrap(value: Any) -> Any:
    """A pytree as it is, its numbers as arrays of JAX's default floats; anything else as a part of the program."""
    leaves = jax.tree.leaves(value)
    if len(leaves) == 1 and leaves[0] is value:
        return Held(value)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), value)


def unwrap(value: Any) -> Any:
    """What `wrap` was given."""
    return value.held if isinstance(value, Held) else value

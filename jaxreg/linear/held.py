"""Losses and penalties as arguments of compiled programs, whether they are pytrees or not."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.errors import ArgumentError


class Held:
    """An object that is no pytree, as a part of the program: its numbers are fixed, and it must be hashable."""

    def __init__(self, held: Any) -> None:
        self.held = held


jax.tree_util.register_pytree_node(Held, lambda node: ((), node.held), lambda held, _: Held(held))


def wrap(value: Any) -> Any:
    """A pytree as it is, its numbers as arrays of JAX's default floats; anything else as a part of the program.

    Raises:
        ArgumentError: numbers of what is no pytree are traced.
    """
    leaves = jax.tree.leaves(value)
    if len(leaves) == 1 and leaves[0] is value:
        if any(isinstance(number, jax.core.Tracer) for number in jax.tree.leaves(getattr(value, "__dict__", ()))):
            constraint = "must be a pytree where its numbers are swept, traced or those of a path"
            remedy = "Make it a frozen dataclass, decorated by jaxreg.values.register_value()"
            raise ArgumentError(type(value).__name__, value, constraint, remedy)
        return Held(value)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), value)


def unwrap(value: Any) -> Any:
    """What `wrap` was given."""
    return value.held if isinstance(value, Held) else value

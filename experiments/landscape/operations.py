"""How many operations does a function take? Counted in its program, the same on every machine."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

_MOVES = {
    *("broadcast_in_dim", "concatenate", "convert_element_type", "copy", "dynamic_slice", "dynamic_update_slice"),
    *("gather", "iota", "pad", "random_unwrap", "random_wrap", "reshape", "rev", "scatter", "slice", "split"),
    *("squeeze", "stop_gradient", "transpose"),
}
"""What moves, makes or renames numbers without computing with them."""


def count_operations(function: Callable[..., Any], *arguments: Any) -> int:
    """Count the operations on single numbers, of integers and of floats alike, that `function(*arguments)` takes.

    Every element that an arithmetic, logical or comparing operation returns counts as one; a reduction counts the
    elements that it takes in; loops count as often as they turn; moving numbers is free.

    Args:
        function: what JAX can trace; its loops have a fixed length.
        *arguments: arrays and pytrees of them.

    Raises:
        ValueError: a loop that ends on a condition.

    >>> import jax.numpy as jnp
    >>> count_operations(lambda x: (x * x).sum(), jnp.ones(10))
    20
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(program: Any) -> int:
    total = 0
    for equation in program.eqns:
        name = equation.primitive.name
        parts = list(_find_programs(equation.params))
        if name == "while":
            raise ValueError("a loop that ends on a condition has no number of operations")
        if name.startswith(("reduce", "arg", "cum")):  # before `parts`: a reduction holds its own function
            total += sum(math.prod(variable.aval.shape) for variable in equation.invars if variable.aval.shape)
        elif parts:
            total += equation.params.get("length", 1) * sum(map(_count, parts))
        elif name not in _MOVES:
            total += sum(math.prod(variable.aval.shape) for variable in equation.outvars)
    return total


def _find_programs(parameters: dict[str, Any]) -> Iterator[Any]:
    """The programs that an operation calls."""
    for value in parameters.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr | core.Jaxpr):
                yield getattr(item, "jaxpr", item)

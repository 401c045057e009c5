"""Reading JAX's programs: how a scan divides its operands, told by shapes that every version of JAX has."""

from typing import Any

from jax.extend.core import ClosedJaxpr


def count_scan(equation: Any) -> tuple[int, int]:
    """How many operands of a `scan` equation are fixed, and how many are carried; the others are scanned over.

    JAX 0.10 keeps the two in `num_consts` and `num_carry`, JAX 0.12 in trees of another kind. What is scanned over has
    one axis more outside of the loop's body than inside, and so does what the body collects.

    >>> import jax, jax.numpy as jnp
    >>> turn = lambda total, x: (total + 2.0 * x, total)
    >>> program = jax.make_jaxpr(lambda start, values: jax.lax.scan(turn, start, values))(0.0, jnp.ones(3))
    >>> count_scan(program.eqns[0])
    (0, 1)
    """
    body = equation.params["jaxpr"]
    body = body.jaxpr if isinstance(body, ClosedJaxpr) else body
    scanned = _count_longer(equation.invars, body.invars)
    carried = len(equation.outvars) - _count_longer(equation.outvars, body.outvars)
    return len(equation.invars) - scanned - carried, carried


def _count_longer(outside: Any, inside: Any) -> int:
    return sum(len(a.aval.shape) > len(b.aval.shape) for a, b in zip(outside, inside, strict=True))

"""How far rounding alone carries a run: the same run with its sums rounded otherwise, as in another order of adding."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.engine.rewriting import rewrite

SUMS = ("dot_general", "conv_general_dilated", "reduce_sum", "cumsum")
"""The primitives whose order of adding compilers choose by the shape of a batch."""
_MIXER = 2654435761  # Knuth's multiplier: the upper bits of its products with 0, 1, 2, … look random


def round_otherwise(run: Callable[..., Any], draw: int) -> Callable[..., Any]:
    """`run` with each number that its sums and products of matrices give, $s$, replaced by $s (1 ± ε)$.

    $ε$ is the distance from 1 to the next number of the type; the signs are those of the number `draw`. What comes out
    is as right as before, and says what a run makes of differences that no computer's arithmetic can be blamed for.

    >>> def run(*, a):
    ...     return {"x": (a * jnp.ones(4)).sum()}
    >>> sorted({float(round_otherwise(run, draw)(a=jnp.float32(1))["x"]) - 4.0 for draw in range(4)})
    [-4.76837158203125e-07, 4.76837158203125e-07]
    """

    @functools.wraps(run)
    def rounded(*data: Any, **point: Any) -> Any:
        traced = {name: value for name, value in point.items() if isinstance(value, jax.Array)}
        given = functools.partial(run, **{name: value for name, value in point.items() if name not in traced})
        nudged = rewrite(
            lambda data, traced: given(*data, **traced), dict.fromkeys(SUMS, functools.partial(_nudge, draw))
        )
        return nudged(data, traced)

    return rounded


def _nudge(draw: int, equation: Any, operands: list[Any]) -> list[Any]:
    with equation.ctx.manager:
        value = equation.primitive.bind(*operands, **equation.params)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return [value]
    numbers = jnp.arange(value.size, dtype=np.uint32) + np.uint32(draw * _MIXER % 2**31)
    ups = ((numbers * np.uint32(_MIXER)) >> np.uint32(16)) & np.uint32(1)
    eps = np.asarray(jnp.finfo(value.dtype).eps, value.dtype)
    return [value + value * jnp.where(ups.reshape(value.shape) == 1, eps, -eps)]

"""A function with some of its operations done another way, wherever in its program they are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxprs_in_params

Replace = Callable[[Any, list[Any]], Sequence[Any]]
"""From an equation of a program, and the values of its operands, to its outputs."""


def holds(jaxpr: Jaxpr, names: Any) -> bool:
    """Whether a program has one of these primitives, at any depth."""
    return any(
        equation.primitive.name in names or any(holds(part, names) for part in jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


def rewrite(function: Callable[..., Any], replacements: Mapping[str, Replace]) -> Callable[..., Any]:
    """`function` with the primitives of these names replaced, in the bodies of its loops and branches too.

    >>> import jax.numpy as jnp
    >>> doubled = rewrite(lambda x: jnp.sin(x) + 1, {"sin": lambda equation, operands: [2 * operands[0]]})
    >>> doubled(3.0)
    Array(7., dtype=float32, weak_type=True)
    """

    def rewritten(*args: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        if not holds(program.jaxpr, replacements):
            return function(*args)
        outputs = _evaluate(program.jaxpr, program.consts, jax.tree.leaves(args), replacements)
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return rewritten


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any], of: Mapping[str, Replace]) -> list[Any]:
    held: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    for equation in jaxpr.eqns:
        operands = [atom.val if isinstance(atom, Literal) else held[atom] for atom in equation.invars]
        held |= dict(zip(equation.outvars, _apply(equation, operands, of), strict=True))
    return [atom.val if isinstance(atom, Literal) else held[atom] for atom in jaxpr.outvars]


def _apply(equation: Any, operands: list[Any], of: Mapping[str, Replace]) -> Sequence[Any]:
    if equation.primitive.name in of:
        return of[equation.primitive.name](equation, operands)
    params = equation.params
    if any(holds(part, of) for part in jaxprs_in_params(params)):
        params = jax.tree.map(
            lambda part: _rewrite(part, of), params, is_leaf=lambda part: isinstance(part, Jaxpr | ClosedJaxpr)
        )
    with equation.ctx.manager:
        outputs = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(params))
    return outputs if equation.primitive.multiple_results else [outputs]


def _rewrite(part: Any, of: Mapping[str, Replace]) -> Any:
    """A program within an equation, such as the body of a loop, rewritten; whatever else it holds as it is."""
    if not isinstance(part, Jaxpr | ClosedJaxpr):
        return part
    jaxpr, consts = (part.jaxpr, part.consts) if isinstance(part, ClosedJaxpr) else (part, ())
    avals: list[Any] = [variable.aval for variable in jaxpr.invars]
    inputs = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=getattr(a, "weak_type", False)) for a in avals]
    rewritten = jax.make_jaxpr(lambda *operands: _evaluate(jaxpr, consts, operands, of))(*inputs)
    return rewritten if isinstance(part, ClosedJaxpr) else rewritten.jaxpr

"""Batches of matrix factorizations on a CPU, taken one matrix after the other: so they cannot hang.

jaxlib's LAPACK kernels, triangular solves among them, split a batch over the pool of threads that they run on, and wait
for it. Two devices of one CPU that do so at the same time wait for each other for ever.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxprs_in_params

LAPACK = {  # the primitives whose CPU kernels take batches
    "cholesky",
    "eig",
    "eigh",
    "geqp3",
    "geqrf",
    "hessenberg",
    "householder_product",
    "lu",
    "ormqr",
    "qr",
    "schur",
    "svd",
    "triangular_solve",
    "tridiagonal",
    "tridiagonal_solve",
}


def uses_lapack(jaxpr: Jaxpr) -> bool:
    """Whether a program factorizes or solves by LAPACK, at any depth."""
    return any(
        equation.primitive.name in LAPACK or any(map(uses_lapack, jaxprs_in_params(equation.params)))
        for equation in jaxpr.eqns
    )


def take_lapack_in_turn(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with every batch of matrices that LAPACK would take at once taken one after the other.

    >>> import jax.numpy as jnp
    >>> roots = take_lapack_in_turn(jax.vmap(jnp.linalg.cholesky))
    >>> roots(jnp.array([[[4.0]], [[9.0]]])).ravel().tolist()
    [2.0, 3.0]
    """

    def rewritten(*args: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        outputs = _evaluate(program.jaxpr, program.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return rewritten


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    held: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    for equation in jaxpr.eqns:
        operands = [atom.val if isinstance(atom, Literal) else held[atom] for atom in equation.invars]
        held |= dict(zip(equation.outvars, _apply(equation, operands), strict=True))
    return [atom.val if isinstance(atom, Literal) else held[atom] for atom in jaxpr.outvars]


def _apply(equation: Any, operands: list[Any]) -> Sequence[Any]:
    if equation.primitive.name in LAPACK:
        return _one_by_one(equation, operands)
    params = equation.params
    if any(map(uses_lapack, jaxprs_in_params(params))):
        params = jax.tree.map(_rewrite, params, is_leaf=lambda part: isinstance(part, Jaxpr | ClosedJaxpr))
    with equation.ctx.manager:
        outputs = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(params))
    return outputs if equation.primitive.multiple_results else [outputs]


def _rewrite(part: Any) -> Any:
    """A program within an equation, such as the body of a loop, rewritten; whatever else it holds as it is."""
    if not isinstance(part, Jaxpr | ClosedJaxpr):
        return part
    jaxpr, consts = (part.jaxpr, part.consts) if isinstance(part, ClosedJaxpr) else (part, ())
    avals: list[Any] = [variable.aval for variable in jaxpr.invars]
    inputs = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=getattr(a, "weak_type", False)) for a in avals]
    rewritten = jax.make_jaxpr(lambda *operands: _evaluate(jaxpr, consts, operands))(*inputs)
    return rewritten if isinstance(part, ClosedJaxpr) else rewritten.jaxpr


def _one_by_one(equation: Any, operands: list[Any]) -> Sequence[Any]:
    """A factorization of a batch as a loop over its matrices; the operands share their leading, batched dimensions."""
    rank = max(jnp.ndim(operand) for operand in operands) - 2
    batch = max((jnp.shape(operand) for operand in operands), key=len)[:rank]

    def one(matrices: Sequence[Any]) -> tuple[Any, ...]:
        outputs = equation.primitive.bind(*matrices, **equation.params)
        return tuple(outputs) if equation.primitive.multiple_results else (outputs,)

    if rank == 0 or 0 in batch:
        return one(operands)
    flat = [jnp.reshape(operand, (math.prod(batch), *jnp.shape(operand)[rank:])) for operand in operands]
    if math.prod(batch) == 1:
        outputs: Sequence[Any] = [output[None] for output in one([operand[0] for operand in flat])]
    else:
        outputs = lax.map(one, flat)
    return [output.reshape(*batch, *output.shape[1:]) for output in outputs]

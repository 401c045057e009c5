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

from jaxreg.engine.fingerprint import CALLS

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
    name, params = equation.primitive.name, equation.params
    if name in LAPACK:
        return _one_by_one(equation, operands)
    if any(map(uses_lapack, jaxprs_in_params(params))):
        if name in CALLS or name == "remat2" or name == "checkpoint":
            inner = params[CALLS.get(name, "jaxpr")]
            return _rewrite(inner)(*operands)
        if name == "scan":
            return _scan(params, operands)
        if name == "while":
            return _while(params, operands)
        if name == "cond":
            return lax.switch(operands[0], [_rewrite(branch) for branch in params["branches"]], *operands[1:])
        if name == "custom_linear_solve":
            lengths = params["const_lengths"]
            first = lengths.matvec + lengths.vecmat
            solving = operands[first : first + lengths.solve]
            return _rewrite(params["jaxprs"].solve)(*solving, *operands[sum(lengths) :])
    with equation.ctx.manager:
        outputs = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(params))
    return outputs if equation.primitive.multiple_results else [outputs]


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


def _rewrite(program: Jaxpr | ClosedJaxpr) -> Callable[..., list[Any]]:
    jaxpr, consts = (program.jaxpr, program.consts) if isinstance(program, ClosedJaxpr) else (program, ())
    return lambda *operands: _evaluate(jaxpr, consts, operands)


def _scan(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    fixed, carried = params["num_consts"], params["num_carry"]
    body = _rewrite(params["jaxpr"])

    def step(carry: Any, entries: Any) -> tuple[Any, Any]:
        outputs = body(*operands[:fixed], *carry, *entries)
        return outputs[:carried], outputs[carried:]

    first, entries = operands[fixed : fixed + carried], operands[fixed + carried :]
    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    last, collected = lax.scan(step, first, entries, **options)
    return [*last, *collected]


def _while(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    for_test, for_body = params["cond_nconsts"], params["body_nconsts"]
    test, body = _rewrite(params["cond_jaxpr"]), _rewrite(params["body_jaxpr"])
    of_test, of_body = operands[:for_test], operands[for_test : for_test + for_body]
    return lax.while_loop(
        lambda carry: test(*of_test, *carry)[0],
        lambda carry: body(*of_body, *carry),
        operands[for_test + for_body :],
    )

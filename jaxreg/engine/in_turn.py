"""Batches of matrix factorizations on several devices of one CPU, in pieces that no kernel splits: so they cannot hang.

jaxlib's LAPACK kernels, triangular solves among them, split a batch of much work over the pool of threads that they run
on, and wait for it. Two devices of one CPU that do so at the same time wait for each other for ever.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Jaxpr

from jaxreg.engine.rewriting import holds, rewrite

LEAST_SPLIT = 200_000  # operations, by their own count, from which kernels of jaxlib 0.10 and 0.11 split a batch
LAPACK = {  # the primitives whose CPU kernels take batches; operations per entry of the largest matrix and its rank
    "cholesky": 1 / 3,
    "eig": 10,
    "eigh": 5,
    "geqp3": 2,
    "geqrf": 2,
    "hessenberg": 2,
    "householder_product": 4,
    "lu": 1,
    "ormqr": 4,
    "qr": 4,
    "schur": 5,
    "svd": 10,
    "triangular_solve": 1,
    "tridiagonal": 4 / 3,
    "tridiagonal_solve": 5,
}
_COMPLEX = 3  # times as many operations


def uses_lapack(jaxpr: Jaxpr) -> bool:
    """Whether a program factorizes or solves by LAPACK, at any depth."""
    return holds(jaxpr, LAPACK)


def take_lapack_in_turn(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with the batches of matrices that a kernel of LAPACK would split taken piece after piece.

    >>> import jax
    >>> roots = take_lapack_in_turn(jax.vmap(jnp.linalg.cholesky))
    >>> roots(jnp.array([[[4.0]], [[9.0]]])).ravel().tolist()
    [2.0, 3.0]
    """
    return rewrite(function, dict.fromkeys(LAPACK, _in_pieces))


def _in_pieces(equation: Any, operands: list[Any]) -> Sequence[Any]:
    """A factorization of a batch as a loop over small batches; the operands share their leading, batched dimensions."""
    rank = max(jnp.ndim(operand) for operand in operands) - 2
    batch = max((jnp.shape(operand) for operand in operands), key=len)[:rank]
    count = math.prod(batch)

    def solve(matrices: Sequence[Any]) -> list[Any]:
        outputs = equation.primitive.bind(*matrices, **equation.params)
        return list(outputs) if equation.primitive.multiple_results else [outputs]

    pieces = -(-count // _piece_size(equation, rank))
    if pieces <= 1:
        return solve(operands)
    size = -(-count // pieces)
    # Matrices are kept transposed between pieces: as LAPACK has them, by columns, so that nothing is copied around.
    flat = [_transposed(jnp.reshape(operand, (count, *jnp.shape(operand)[rank:]))) for operand in operands]
    whole = count - count % size

    def piece(transposed: Sequence[Any]) -> list[Any]:
        return list(map(_transposed, solve(list(map(_transposed, transposed)))))

    outputs = lax.map(piece, [operand[:whole].reshape(-1, size, *operand.shape[1:]) for operand in flat])
    outputs = [output.reshape(whole, *output.shape[2:]) for output in outputs]
    if whole < count:
        rest = piece([operand[whole:] for operand in flat])
        outputs = [jnp.concatenate(parts) for parts in zip(outputs, rest, strict=True)]
    return [output.reshape(*batch, *output.shape[1:]) for output in map(_transposed, outputs)]


def _transposed(batch: Any) -> Any:
    """Each matrix of a batch transposed; a batch of vectors as it is."""
    return jnp.swapaxes(batch, -1, -2) if batch.ndim == 3 else batch


def _piece_size(equation: Any, rank: int) -> int:
    """How many matrices a kernel takes without splitting them."""
    given, made = ([v.aval for v in variables] for variables in (equation.invars, equation.outvars))
    largest = max(math.prod(aval.shape[rank:]) for aval in (*given, *made))
    least = min(min(aval.shape[rank:]) for aval in given if len(aval.shape) == rank + 2)
    scale = _COMPLEX if any(jnp.issubdtype(aval.dtype, jnp.complexfloating) for aval in given) else 1
    operations = LAPACK[equation.primitive.name] * largest * least * scale
    return max(1, int(LEAST_SPLIT / max(1.0, operations)))

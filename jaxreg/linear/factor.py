"""Matrix factorizations that batch without hanging: one after the other on a CPU, at once elsewhere."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int32

_BLOCKS = (16, 32)  # unknowns for which an inverse is solved at once, of fewer than 200 and of more


def take_in_turn(factor: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """`factor` of one matrix, that under `jax.vmap` on a CPU takes the matrices one after the other.

    jaxlib 0.10's LAPACK kernels split a batch over the pool of threads that they run on, and wait for it; two devices
    of one CPU that do so at the same time, as in a sweep, wait for each other for ever.
    """
    one = jax.custom_batching.custom_vmap(factor)

    @one.def_vmap
    def many(size: int, batched: Any, A: Float[Array | np.ndarray, "batch n p"]) -> tuple[Any, Any]:
        factors = lax.platform_dependent(A, cpu=partial(lax.map, one), default=jax.vmap(factor))
        return factors, jax.tree.map(lambda _: True, factors)

    return one


@take_in_turn
def svd(A: Float[Array, "n p"]) -> tuple[Float[Array, "n k"], Float[Array, " k"], Float[Array, "k p"]]:
    """The thin singular value decomposition U, d, V' of A; it has no derivative in reverse mode."""
    return tuple(jnp.linalg.svd(A, full_matrices=False))


@jax.custom_jvp
def invert_definite(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """The inverse of a symmetric positive definite matrix, by Gauss and Jordan; NaN where there is none.

    Block by block, in matrix products, which batch. LAPACK's threads wait in a loop for more to do after each of its
    kernels, and XLA's meanwhile for a core: beside another process on two cores, its inverse took 50 times as long.
    """
    return _invert(A, jnp.zeros_like(A[0]), math.nan)


def invert_independent(
    A: Float[Array, "p p"], least: Float[Array, " p"], count: Int32[Array, ""] | None = None
) -> Float[Array, "p p"]:
    """The inverse on those unknowns of which the ones before leave more than `least` in A's diagonal; else zeros.

    With a `count`, all that matters are so many unknowns, the first ones, which others are independent of in A.
    """
    return _invert(A, least, math.inf, count)


def _invert(
    A: Float[Array, "p p"], least: Float[Array, " p"], otherwise: float, count: Int32[Array, ""] | None = None
) -> Float[Array, "p p"]:
    """The inverse, with `otherwise` in place of pivots that do not exceed `least`, of the first unknowns or of all."""
    p = A.shape[0]
    width = _BLOCKS[p >= 200]
    if p <= width:
        return _invert_block(A, least, otherwise)
    blocks = -(-p // width)
    numbers, room = jnp.arange(blocks * width), (0, blocks * width - p)
    unit, least = jnp.diag((numbers >= p).astype(A.dtype)), jnp.pad(least, room)

    def sweep(block: Any, swept: Array) -> Array:
        """Solve for one block of unknowns: what was in their rows moves to their columns, and the reverse."""
        block = jnp.asarray(block, numbers.dtype)
        first = block * width
        rows, bounds = (lax.dynamic_slice_in_dim(values, first, width) for values in (swept, least))
        inverse = _invert_block(lax.dynamic_slice_in_dim(rows, first, width, 1), bounds, otherwise)
        rows = jnp.where(numbers // width == block, 0, rows)
        solved = jnp.matmul(inverse, rows, precision="highest")
        swept = swept - jnp.matmul(rows.T, solved, precision="highest")
        swept = lax.dynamic_update_slice_in_dim(swept, solved, first, 0)
        swept = lax.dynamic_update_slice_in_dim(swept, solved.T, first, 1)
        return lax.dynamic_update_slice(swept, -inverse, (first, first))

    last = blocks if count is None else (count + width - 1) // width
    return -lax.fori_loop(0, last, sweep, jnp.pad(A, room) + unit)[:p, :p]


def _invert_block(A: Float[Array, "p p"], least: Float[Array, " p"], otherwise: float) -> Float[Array, "p p"]:
    """The same unknown by unknown, each a change of rank one."""
    numbers = jnp.arange(A.shape[0])

    def sweep(k: Any, swept: Array) -> Array:
        here, row = numbers == k, swept[k]
        pivot = jnp.where(row[k] > least[k], row[k], otherwise)
        change = jnp.where(here, -1, row)
        return jnp.where(here[:, None] | here[None], 0, swept) - jnp.outer(change, change / pivot)

    return -lax.fori_loop(0, A.shape[0], sweep, A)


@invert_definite.defjvp
def _differentiate_inverse(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The derivative of an inverse is minus the inverse, times that of the matrix, times the inverse."""
    inverse = invert_definite(*primals)
    return inverse, -jnp.matmul(jnp.matmul(inverse, tangents[0], precision="highest"), inverse, precision="highest")


@jax.custom_jvp
def invert(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """The inverse of any matrix, with its derivative; not finite where there is none."""
    return _invert_in_turn(A)


@take_in_turn
def _invert_in_turn(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    on_tpu = eliminate if A.dtype == jnp.float64 else jnp.linalg.inv  # libtpu has no LU decomposition of such numbers
    return lax.platform_dependent(A, tpu=on_tpu, default=jnp.linalg.inv)


def eliminate(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """The inverse of any matrix by Gauss and Jordan, with the largest pivot of each column."""
    p = len(A)
    rows = jnp.arange(p)

    def clear(k: Any, both: Array) -> Array:
        column = lax.dynamic_index_in_dim(both, k, 1, keepdims=False)
        largest = jnp.argmax(jnp.where(rows >= k, jnp.abs(column), -1))
        both = both[jnp.where(rows == k, largest, jnp.where(rows == largest, k, rows))]
        column = lax.dynamic_index_in_dim(both, k, 1, keepdims=False)
        pivot = both[k] / column[k]
        return jnp.where((rows == k)[:, None], pivot[None], both - jnp.outer(column, pivot))

    return lax.fori_loop(0, p, clear, jnp.concatenate([A, jnp.eye(p, dtype=A.dtype)], 1))[:, p:]


@invert.defjvp
def _differentiate_general_inverse(primals: Any, tangents: Any) -> tuple[Array, Array]:
    inverse = invert(*primals)
    return inverse, -jnp.matmul(jnp.matmul(inverse, tangents[0], precision="highest"), inverse, precision="highest")

"""Matrix factorizations that batch without hanging: one after the other on a CPU, at once elsewhere."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float


def take_in_turn(factor: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """`factor` of one matrix, that under `jax.vmap` on a CPU takes the matrices one after the other.

    jaxlib 0.10's LAPACK kernels, and its triangular solves, split a batch over the pool of threads that they run on,
    and wait for it; two devices of one CPU that do so at the same time, as in a sweep, wait for each other for ever.
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
    """The inverse of a symmetric positive definite matrix, by its Cholesky factor; NaN where there is none."""
    return _invert(A)


@take_in_turn
def _invert(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    unit = jnp.eye(A.shape[0], dtype=A.dtype)
    root = solve_triangular(jnp.linalg.cholesky(A), unit, lower=True)
    return jnp.matmul(root.T, root, precision="highest")


@invert_definite.defjvp
def _differentiate_inverse(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The derivative of an inverse is minus the inverse, times that of the matrix, times the inverse."""
    inverse = invert_definite(*primals)
    return inverse, -jnp.matmul(jnp.matmul(inverse, tangents[0], precision="highest"), inverse, precision="highest")

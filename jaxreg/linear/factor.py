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

    jaxlib 0.10's LAPACK kernels, given a batch, split it over the pool of threads that they run on and wait for it;
    two devices of one CPU that do so at the same time, as in a sweep, wait for each other for ever.
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
def cholesky(A: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """The lower Cholesky factor of a symmetric matrix, NaN where that is not positive definite."""
    return _cholesky(A)


_cholesky = take_in_turn(jnp.linalg.cholesky)


@cholesky.defjvp
def _differentiate_cholesky(primals: Any, tangents: Any) -> tuple[Array, Array]:
    r"""$\dot L = L\, \Phi(L^{-1} \dot A L^{-\prime})$, $\Phi$ keeping the lower triangle and half of the diagonal."""
    (A,), (dA,) = primals, tangents
    factor = cholesky(A)
    right = solve_triangular(factor, solve_triangular(factor, dA, lower=True).T, lower=True)
    half = jnp.tril(right) - jnp.diag(jnp.diagonal(right) / 2)
    return factor, jnp.matmul(factor, half, precision="highest")

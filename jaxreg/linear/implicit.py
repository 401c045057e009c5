"""Derivatives of lasso and elastic net solutions, by the implicit function theorem on their support."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxreg.linear.active_set import dependence, product
from jaxreg.linear.factor import invert_definite

CAPACITY = 1024  # non-zero coefficients that a derivative can have, or as many as there are samples, if those are more


def differentiate(
    X: Float[Array, "n p"],
    y: Float[Array, " n"],
    coef: Float[Array, " p"],
    alpha: Float[Array, ""],
    l1_ratio: Float[Array, ""],
    tangents: tuple[Float[Array, "n p"], Float[Array, " n"], Float[Array, ""], Float[Array, ""]],
) -> Float[Array, " p"]:
    r"""How a solution moves with its data and strengths: the directional derivative of $b(X, y, \alpha, \rho)$.

    On the support $S$, with signs $s$, the solution has $X_S'(y - Xb) = n\alpha\rho s + n\alpha(1-\rho) b_S$, hence

    $\dot b_S = (X_S'X_S + n\alpha(1-\rho) I)^{-1}
    (X_S'(\dot y - \dot X b) + \dot X_S'(y - Xb) - n (\alpha\rho)^\cdot s - n (\alpha(1-\rho))^\cdot b_S)$

    and zero elsewhere; with respect to alpha alone, and $\rho = 1$, it is $-n (X_S'X_S)^{-1} s$. This is linear in the
    tangents and may be transposed, and it may be differentiated again, if `coef` carries its own derivative. At a
    knot of the path it is the derivative to the side on which the support stays.

    Args:
        X: design, standardized as the solution was.
        y: target, centred.
        coef: $b$, the solution for X and y.
        alpha: $\alpha$.
        l1_ratio: $\rho$.
        tangents: $\dot X, \dot y, \dot\alpha, \dot\rho$.

    Returns:
        $\dot b$; NaN where it does not exist, as columns of the support depend on each other up to rounding, or
        where the support is larger than n and than 1024.

    >>> X, y = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), jnp.array([3.0, -3.0, 0.5, -0.5])
    >>> none, one = jnp.float32(0.0), jnp.float32(1.0)
    >>> coef = jnp.array([2.0, 0.0])  # at alpha = 0.5: soft_threshold(X'y, 4 alpha) / 2
    >>> differentiate(X, y, coef, jnp.float32(0.5), one, (jnp.zeros_like(X), jnp.zeros_like(y), one, none)).round(4)
    Array([-2., 0.], dtype=float32)

    Source: Bertrand et al., Implicit differentiation of Lasso-type models, ICML 2020.
    """
    X_dot, y_dot, alpha_dot, ratio_dot = tangents
    n = X.shape[0]
    l1_dot = n * (alpha_dot * l1_ratio + alpha * ratio_dot)
    l2_dot = n * (alpha_dot * (1 - l1_ratio) - alpha * ratio_dot)
    residual, moved = y - product(X, coef), y_dot - product(X_dot, coef)
    force = product(X.T, moved) + product(X_dot.T, residual) - l1_dot * jnp.sign(coef) - l2_dot * coef
    return solve_on_support(X, coef, n * alpha * (1 - l1_ratio), force)


def solve_on_support(
    X: Float[Array, "n p"], coef: Float[Array, " p"], l2: Float[Array, ""], force: Float[Array, " p"]
) -> Float[Array, " p"]:
    r"""$(X_S'X_S + \lambda_2 I)^{-1} f_S$ on the support of `coef`, and zero elsewhere: without the mask, noise.

    By the inverse for columns brought to unit length, and one step of refinement by X itself.

    >>> solve_on_support(2.0 * jnp.eye(3), jnp.array([1.0, 0.0, -1.0]), jnp.float32(1.0), jnp.array([5.0, 5.0, 10.0]))
    Array([1., 0., 2.], dtype=float32)
    """
    n, p = X.shape
    width = min(p, max(CAPACITY, n))
    used = coef != 0
    columns = jnp.arange(p) if width == p else lax.top_k(used.astype(jnp.int32), width)[1]
    mask = used[columns]
    part = jnp.where(mask[None], X[:, columns], 0)
    scale = jnp.sqrt(jnp.where(mask, (part * part).sum(0) + l2, 1))
    part, ridge = part / scale[None], jnp.where(mask, l2 / scale**2, 1)
    matrix = jnp.einsum("ni,nj->ij", part, part, precision="highest") + jnp.diag(ridge)
    inverse = invert_definite(matrix)
    distance = 1 / jnp.diagonal(inverse)  # of each column from the span of the others, squared; NaN without an inverse
    sound = (distance > dependence(jnp.ones_like(scale))).all() & (used.sum() <= width)

    def solve(right: Float[Array, " width"]) -> Float[Array, " width"]:
        return product(inverse, right)

    right = jnp.where(mask, force[columns], 0) / scale
    rough = solve(right)
    solution = rough + solve(right - product(part.T, product(part, rough)) - ridge * rough)
    solution = jnp.where(mask, solution / scale, 0) * jnp.where(sound, 1, jnp.nan)
    return solution if width == p else jnp.zeros_like(coef).at[columns].set(solution, unique_indices=True)


def attach_derivative(solve: Callable[..., Any]) -> Callable[..., Any]:
    """Give a solver along a grid the derivative of its solutions, forward and reverse, none of its iterations.

    Args:
        solve: function of X, y, alphas and l1_ratio, standardized, and of what moves no solution, that returns a
            NamedTuple with the field `coef`, (alphas, p); its other fields get no derivative.
    """
    differentiable = jax.custom_jvp(solve)

    @differentiable.defjvp
    def differentiate_grid(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Any, Any]:
        X, y, alphas, l1_ratio, *_ = primals
        X_dot, y_dot, alphas_dot, ratio_dot, *_ = tangents
        solution = differentiable(*primals)

        def move(coef: Array, alpha: Array, alpha_dot: Array) -> Array:
            return differentiate(X, y, coef, alpha, l1_ratio, (X_dot, y_dot, alpha_dot, ratio_dot))

        still = jax.tree.map(jax.custom_derivatives.zero_from_primal, solution)
        return solution, still._replace(coef=jax.vmap(move)(solution.coef, alphas, alphas_dot))

    return differentiable

"""The singular value decomposition of a design, and the differentiable solver that least squares and ridge share."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxreg.linear.design import find_power
from jaxreg.linear.factor import svd

multiply = partial(jnp.matmul, precision="highest")


def scale_design(A: Float[Array, "n p"]) -> tuple[Float[Array, "n p"], Float[Array, ""]]:
    """A design divided by a power of two, exactly, so that its squares neither overflow nor vanish."""
    scale = find_power(A)
    return A / scale, scale


class Spectrum(NamedTuple):
    r"""A thin singular value decomposition $A = U D V'$, k = min(n, p): the columns of `left` are those of $U$."""

    left: Float[Array, "n k"]
    values: Float[Array, " k"]
    right: Float[Array, "p k"]


def decompose(A: Float[Array, "n p"], rcond: Any = None) -> Spectrum:
    """The SVD, with singular values of at most `rcond` times the largest set to 0."""
    rcond = max(A.shape) * float(jnp.finfo(A.dtype).eps) if rcond is None else rcond
    spectrum = _factor(A)
    kept = spectrum.values > jnp.asarray(rcond, A.dtype) * spectrum.values[:1]
    return spectrum._replace(values=jnp.where(kept, spectrum.values, 0))


@jax.custom_jvp
def _factor(A: Float[Array, "n p"]) -> Spectrum:
    left, values, right = svd(A)
    return Spectrum(left, values, right.T)


@_factor.defjvp
def _differentiate_factors(primals: Any, tangents: Any) -> tuple[Spectrum, Spectrum]:
    """The tangent of the SVD itself, NaN for repeated singular values: only second derivatives need it."""
    spectrum, (dA,) = _factor(*primals), tangents
    U, d, V = spectrum
    turned = multiply(multiply(U.T, dA), V)
    apart = jnp.where(jnp.eye(len(d), dtype=bool), jnp.inf, d**2 - d[:, None] ** 2)
    inverse = jnp.where(d > 0, 1 / jnp.where(d > 0, d, 1), 0)
    left = multiply(U, (turned * d + d[:, None] * turned.T) / apart)
    right = multiply(V, (d[:, None] * turned + turned.T * d) / apart)
    outer = multiply(dA, V) - multiply(U, turned)
    inner = multiply(dA.T, U) - multiply(V, turned.T)
    return spectrum, Spectrum(left + outer * inverse, jnp.diagonal(turned), right + inner * inverse)


class Solution(NamedTuple):
    """Coefficients of a standardized design for each alpha, and how far they are above the minimum of the objective."""

    coef: Float[Array, "*alphas p"]
    gap: Float[Array, "*alphas"]


class Filters(NamedTuple):
    r"""For each alpha and singular value: $d/(d^2+\alpha)$, $1/(d^2+\alpha)$, and whether that denominator is not 0."""

    solve: Float[Array, "*alphas k"]
    invert: Float[Array, "*alphas k"]
    known: Bool[Array, "*alphas k"]


def make_filters(values: Float[Array, " k"], alpha: Float[Array, "*alphas"]) -> Filters:
    """The filters of the SVD that solve ridge; where a singular value and alpha are both 0, all are 0."""
    denominator = values**2 + alpha[..., None]
    known = denominator > 0
    invert = jnp.where(known, 1 / jnp.where(known, denominator, 1), 0)
    return Filters(values * invert, invert, known)


@partial(jax.custom_jvp, nondiff_argnums=(4,))
def solve(
    spectrum: Spectrum,
    A: Float[Array, "n p"],
    y: Float[Array, " n"],
    alpha: Float[Array, "*alphas"],
    refine: bool,
) -> Solution:
    r"""Minimise $\|y - A b\|^2 + \alpha \|b\|^2$ for each alpha; at $\alpha = 0$, of the minimisers that of least norm.

    Args:
        spectrum: `decompose(A)`; it is an argument so that several uses share it.
        A: design, of moderate numbers (`scale_design`).
        y: target.
        alpha: any number of strengths, 0 or more.
        refine: whether to undo what rounding does to ill-conditioned designs, at three times the work.
    """
    U, d, V = spectrum
    filters = make_filters(d, alpha)
    projected = multiply(y, U)
    coef = multiply(filters.solve * projected, V.T)
    if refine:  # as Björck: what is left of r + A b = y and A' r = alpha b, solved with the same factors
        shrunk = alpha[..., None] * filters.invert * projected + jnp.where(filters.known, 0, projected)
        residual = y - multiply(projected - shrunk, U.T)
        above = multiply(y - residual - multiply(coef, A.T), U)
        below = multiply(alpha[..., None] * coef - multiply(residual, A), V)
        coef = coef + multiply(filters.solve * above - filters.invert * below, V.T)
    # The objective's slope is 2 A'(y - A b) - 2 alpha b; its square in the metric of the Hessian is the suboptimality.
    slope = d * (projected - multiply(coef, multiply(U.T, A).T)) - alpha[..., None] * multiply(coef, V)
    total = (y * y).sum()
    gap = (slope * slope * filters.invert).sum(-1) / jnp.where(total > 0, total, 1)
    return Solution(coef, gap)


@solve.defjvp
def _differentiate(refine: bool, primals: Any, tangents: Any) -> tuple[Solution, Solution]:
    r"""The tangent of $b = (A'A + \alpha)^{-1} A' y$, without any of the SVD: its factors only serve to solve.

    $\dot b = (A'A+\alpha)^{-1} [A' (\dot y - \dot A b) + \dot A' r - \dot\alpha b] + N \dot A' w$, with $N$ the
    projector on what $A$ does not see and $w = (A A' + \alpha)^{+} y$; $N$ matters where it stands for $r / \alpha$,
    in designs wider than tall, and at $\alpha = 0$. The tangent of `spectrum` follows from that of A: it is not used.
    """
    spectrum, A, y, alpha = primals
    _, dA, dy, dalpha = tangents
    solution = solve(spectrum, A, y, alpha, refine)
    coef = solution.coef
    U, d, V = spectrum
    filters = make_filters(d, alpha)
    residual = y - multiply(coef, A.T)
    above = multiply(dy - multiply(coef, dA.T), U)
    below = multiply(multiply(residual, dA) - dalpha[..., None] * coef, V)
    moved = multiply(filters.solve * above + filters.invert * below, V.T)
    weights = multiply(filters.invert * multiply(y, U), U.T)
    unseen = multiply(weights, dA)
    unseen = unseen - multiply(jnp.where(filters.known, multiply(unseen, V), 0), V.T)
    complete = filters.known.all(-1, keepdims=True) & (A.shape[1] <= A.shape[0])
    return solution, Solution(moved + jnp.where(complete, 0, unseen), jnp.zeros_like(solution.gap))

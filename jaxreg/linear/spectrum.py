"""The singular value decomposition of a design, and the differentiable solver that least squares and ridge share."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxreg.linear.accumulate import add_rows
from jaxreg.linear.design import Problem, find_power
from jaxreg.linear.factor import svd
from jaxreg.linear.fit import tolerance

multiply = partial(jnp.matmul, precision="highest")


def scale_design(A: Float[Array, "n p"]) -> tuple[Float[Array, "n p"], Float[Array, ""]]:
    """A design divided by a power of two, exactly, so that its squares neither overflow nor vanish."""
    scale = find_power(A)
    return A / scale, scale


class Spectrum(NamedTuple):
    r"""A thin singular value decomposition $A = U D V'$, k = min(n, p): the columns of `left` are those of $U$.

    `values` are those of $D$ that count, 0 in place of the others; `measured` are all as they came out, and `apart`
    what they were if all columns were orthogonal.
    """

    left: Float[Array, "n k"]
    values: Float[Array, " k"]
    right: Float[Array, "p k"]
    measured: Float[Array, " k"]
    apart: Float[Array, " k"]


def decompose(A: Float[Array, "n p"], rcond: Any = None) -> Spectrum:
    r"""The SVD, and the one rule of this package for what of it is 0.

    A direction v counts as 0 where $\|A v\|$, which is its singular value, is no more than `rcond` times
    $\sqrt{\sum_j \|a_j\|^2 v_j^2}$, its length were all columns orthogonal. Hence the unit of a column is of no matter,
    nor is the number of rows. By default rcond is $4 \sqrt p$ machine epsilons, four times what rounding makes of exact
    dependence.
    """
    if rcond is None:
        rcond = 4 * math.sqrt(A.shape[1]) * float(jnp.finfo(A.dtype).eps)
    lengths = measure_columns(A)
    order = jnp.argsort(-lengths)  # from the longest to the shortest, short columns keep all their digits
    left, values, right = _factor(jnp.take(A, order, axis=1))
    right = jnp.take(right, jnp.argsort(order), axis=0)
    apart = lax.stop_gradient(jnp.sqrt(((lengths[:, None] * right) ** 2).sum(0)))
    kept = values > jnp.asarray(rcond, A.dtype) * apart
    return Spectrum(left, jnp.where(kept, values, 0), right, values, apart)


def measure_columns(A: Float[Array, "n p"]) -> Float[Array, " p"]:
    """The length of each column, safe where squares overflow or vanish."""
    power = find_power(A, axis=0)
    return lax.stop_gradient(jnp.sqrt(add_rows((A / power[None]) ** 2)) * power)


@jax.custom_jvp
def _factor(A: Float[Array, "n p"]) -> tuple[Array, Array, Array]:
    left, values, right = svd(A)
    return left, values, right.T


@_factor.defjvp
def _differentiate_factors(
    primals: Any, tangents: Any
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """The tangent of the SVD itself, NaN for repeated singular values: only second derivatives need it."""
    factors, (dA,) = _factor(*primals), tangents
    U, d, V = factors
    turned = multiply(multiply(U.T, dA), V)
    apart = jnp.where(jnp.eye(len(d), dtype=bool), jnp.inf, d[None] ** 2 - d[:, None] ** 2)
    inverse = jnp.where(d > 0, 1 / jnp.where(d > 0, d, 1), 0)
    left = multiply(U, (turned * d[None] + d[:, None] * turned.T) / apart)
    right = multiply(V, (d[:, None] * turned + turned.T * d[None]) / apart)
    outer = multiply(dA, V) - multiply(U, turned)
    inner = multiply(dA.T, U) - multiply(V, turned.T)
    return factors, (left + outer * inverse[None], jnp.diagonal(turned), right + inner * inverse[None])


class Solution(NamedTuple):
    """Coefficients of a standardized design for each alpha, and how far they are above the minimum of the objective."""

    coef: Float[Array, "*alphas p"]
    gap: Float[Array, "*alphas"]


class Filters(NamedTuple):
    r"""For each alpha and singular value: $d$, $d/(d^2+\alpha)$, $1/(d^2+\alpha)$, and whether that is not 1/0."""

    values: Float[Array, "*alphas k"]
    solve: Float[Array, "*alphas k"]
    invert: Float[Array, "*alphas k"]
    known: Bool[Array, "*alphas k"]


def is_lost(spectrum: Spectrum, alpha: Float[Array, "*alphas"]) -> Bool[Array, "*alphas k"]:
    r"""Whether a singular value counts as 0 and alpha is too weak for what rounding left of it, $\delta$.

    The coefficients there are rounding over alpha: the objective would be off by $\delta^2 / \alpha$ of $\|y\|^2$, and
    that has to stay below the `tolerance`. Else they are 0, as at alpha 0.
    """
    rounding = float(jnp.finfo(alpha.dtype).eps) * spectrum.apart
    weakest = rounding * (rounding / tolerance(alpha.dtype))
    return (for_each(alpha, spectrum.values) == 0) & (alpha[..., None] <= for_each(alpha, weakest))


def for_each(alpha: Float[Array, "*alphas"], values: Array) -> Array:
    """The same for each alpha."""
    return lax.broadcast_to_rank(values, alpha.ndim + 1)


def make_filters(spectrum: Spectrum, alpha: Float[Array, "*alphas"]) -> Filters:
    """The filters of the SVD that solve ridge: of all that was measured, as with a penalty there is nothing to cut off.

    All are 0 where a direction `is_lost`.
    """
    strength, lost = alpha[..., None], is_lost(spectrum, alpha)
    values = jnp.where(lost, 0, for_each(alpha, spectrum.measured))
    denominator = values**2 + strength
    known = (denominator > 0) & ~lost
    invert = jnp.where(known, 1 / jnp.where(known, denominator, 1), 0)
    return Filters(values, values * invert, invert, known)


def measure_gap(
    spectrum: Spectrum,
    filters: Filters,
    slope: Float[Array, "*alphas k"],
    projected: Float[Array, " k"],
    total: Float[Array, ""],
    alpha: Float[Array, "*alphas"],
    n: int,
) -> Float[Array, "*alphas"]:
    r"""What the objective lacks to its minimum, relative to $\|y\|^2$ = `total`, for the slopes along $V$.

    To that comes what the rounding of each number of A to this precision may hide: as much noise in every direction as
    there are columns in it, times the residual.
    """
    outside = jnp.maximum(total - projected @ projected, 0)
    projected, apart = for_each(alpha, projected), for_each(alpha, spectrum.apart)
    lost = (jnp.where(filters.known, alpha[..., None] * filters.invert, 1) * projected) ** 2
    residual = jnp.sqrt((outside + lost.sum(-1, keepdims=True)) / n)
    noise = float(jnp.finfo(projected.dtype).eps) * apart * residual
    return ((slope * slope + noise * noise) * filters.invert).sum(-1) / jnp.where(total > 0, total, 1)


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
    U, V = spectrum.left, spectrum.right
    filters = make_filters(spectrum, alpha)
    target, projected = for_each(alpha, y), multiply(y, U)
    split = for_each(alpha, projected)
    coef = multiply(filters.solve * split, V.T)
    if refine:  # as Björck: what is left of r + A b = y and A' r = alpha b, solved with the same factors
        shrunk = alpha[..., None] * filters.invert * split + jnp.where(filters.known, 0, split)
        residual = target - multiply(split - shrunk, U.T)
        above = multiply(target - residual - multiply(coef, A.T), U)
        below = multiply(alpha[..., None] * coef - multiply(residual, A), V)
        coef = coef + multiply(filters.solve * above - filters.invert * below, V.T)
    # The objective's slope is 2 A'(y - A b) - 2 alpha b; its square in the metric of the Hessian is the suboptimality.
    # Each factor A v is made of the data: those of the decomposition would certify themselves.
    seen = multiply(A, V)
    given = for_each(alpha, multiply(y, seen))
    slope = given - multiply(coef, multiply(seen.T, A).T) - alpha[..., None] * multiply(coef, V)
    total = add_rows(y * y)
    gap = measure_gap(spectrum, filters, slope, projected, total, alpha, len(y))
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
    U, V = spectrum.left, spectrum.right
    filters = make_filters(spectrum, alpha)
    projected = for_each(alpha, multiply(y, U))
    if A.shape[1] > A.shape[0]:  # U spans everything: r = alpha w, to its own rounding and not that of y
        shrunk = alpha[..., None] * filters.invert * projected + jnp.where(filters.known, 0, projected)
        residual = multiply(shrunk, U.T)
    else:
        residual = for_each(alpha, y) - multiply(coef, A.T)
    above = multiply(for_each(alpha, dy) - multiply(coef, dA.T), U)
    below = multiply(multiply(residual, dA) - dalpha[..., None] * coef, V)
    moved = multiply(filters.solve * above + filters.invert * below, V.T)
    weights = multiply(filters.invert * projected, U.T)
    unseen = multiply(weights, dA)
    unseen = unseen - multiply(jnp.where(filters.known, multiply(unseen, V), 0), V.T)
    complete = filters.known.all(-1, keepdims=True) & (A.shape[1] <= A.shape[0])
    return solution, Solution(moved + jnp.where(complete, 0, unseen), jnp.zeros_like(solution.gap))


def fit_spectral(problem: Problem, spectrum: Spectrum, A: Float[Array, "n p"], alpha: Array, refine: bool) -> Solution:
    """`solve` of a problem with A = X / `unit_x`, and coefficients for X itself."""
    solution = solve(spectrum, A, problem.y / problem.unit_y, alpha, refine)
    return solution._replace(coef=solution.coef * (problem.unit_y / problem.unit_x))

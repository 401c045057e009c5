"""Lasso and elastic net along a grid of strengths: exact on a working set of columns, certified over all of them."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from jaxreg.linear.active_set import Active, dependence, index_of, invert, minimize, product, take, violation
from jaxreg.linear.design import find_power
from jaxreg.linear.spectrum import Spectrum, decompose
from jaxreg.linear.spectrum import solve as solve_ridge

WIDTH = 320  # columns whose Gram matrix is held at once, or 3/2 of the number of samples, if that is more
_ROUNDS = 4  # solutions of one working set, each from new slopes and a new inverse; nearly all problems need one
_ROUNDING = 8  # units of rounding in a slope, at first; less in each further round
_WIDE_ROUNDS = 100  # working sets for one strength, where not all columns fit into one
_Value = TypeVar("_Value")


class Solution(NamedTuple):
    """Coefficients along a grid, their relative duality gaps, and where dependent columns made a choice of them."""

    coef: Float[Array, "*alphas p"]
    gap: Float[Array, "*alphas"]
    dependent: Bool[Array, "*alphas"]


class _Held(NamedTuple):
    """A working set that is not all columns: which, in any order, and their Gram matrix."""

    columns: Int32[Array, " width"]
    gram: Float[Array, "width width"]


class _Point(NamedTuple):
    """All coefficients and slopes; on the working set, the support and the inverse, which is for this ridge part."""

    coef: Float[Array, " p"]
    slope: Float[Array, " p"]
    support: Bool[Array, " width"]
    inverse: Float[Array, "width width"]
    l2: Float[Array, ""]
    held: _Held | None


class _Round(NamedTuple):
    """A point, its gap, whether it needs another round, and how many it has had."""

    point: _Point
    gap: Float[Array, ""]
    unsettled: Bool[Array, ""]
    rounds: Int32[Array, ""]


def tolerance(dtype: jnp.dtype) -> float:
    """The relative duality gap that a fit should reach: 1e-10 in float64, 1e-5 in float32."""
    return 1e-10 if jnp.finfo(dtype).bits == 64 else 1e-5


def solve_grid(
    X: Float[Array, "n p"], y: Float[Array, " n"], alphas: Float[Array, " alphas"], l1_ratio: Float[Array, ""]
) -> Solution:
    r"""Minimize $\tfrac1{2n}\|y - Xb\|^2 + \alpha \rho \|b\|_1 + \tfrac12 \alpha (1 - \rho) \|b\|^2$ for each alpha.

    Each strength starts from the solution of the one before and ends with slopes and a gap computed from X and the
    residual. Where $\alpha \rho$ is 0, or so small that rounding hides it, the solution is that of the singular value
    decomposition, of minimum norm.

    Args:
        X: design, standardized.
        y: target, centred.
        alphas: strengths, in descending order.
        l1_ratio: $\rho$.
    """
    (n, p), epsilon = X.shape, float(jnp.finfo(X.dtype).eps)
    unit_x, unit_y = find_power(X), find_power(y)
    X, y = X / unit_x, y / unit_y
    width = min(p, max(WIDTH, 3 * n // 2))
    wide = width < p
    size, length = jnp.sqrt(y @ y), jnp.sqrt((X * X).sum(0))

    def choose(coef: Float[Array, " p"], slope: Float[Array, " p"], l1: Float[Array, ""]) -> _Held:
        """The working set: columns in use, and those of the largest slopes; if in use are too many, the worst."""
        used = coef != 0
        promise = jnp.where(used, jnp.inf, jnp.abs(slope) / jnp.where(length > 0, length, 1))
        crowded = used.sum() > 3 * width // 4
        columns = lax.top_k(jnp.where(crowded, violation(coef, slope, l1), promise), width)[1].astype(jnp.int32)
        return _Held(columns, _square(X[:, columns]))

    origin, correlation = jnp.zeros_like(X[0]), product(X.T, y)
    held = choose(origin, correlation, jnp.zeros_like(size)) if wide else None
    gram = _square(X) if held is None else held.gram
    weak = tolerance(X.dtype) * jnp.abs(correlation).max()
    any_weak = (n * alphas * l1_ratio / (unit_x * unit_y) <= weak).any()
    spectrum = _when(any_weak, lambda _, X: decompose(X), _no_spectrum(X), X)

    def solve(before: _Point, alpha: Float[Array, ""]) -> tuple[_Point, Solution]:
        l1, l2 = n * alpha * l1_ratio / (unit_x * unit_y), n * alpha * (1 - l1_ratio) / unit_x**2

        def renew(point: _Point) -> _Point:
            """A new working set, where there is a choice, and the inverse of its Gram matrix."""
            held = choose(point.coef, point.slope, l1) if wide else None
            used = _part(point.coef, held) != 0
            inverse = invert(gram if held is None else held.gram, used, l2)
            return point._replace(support=used & (jnp.diagonal(inverse) > 0), inverse=inverse, held=held)

        def improve(state: _Round) -> _Round:
            point = _when(state.unsettled, renew, state.point)
            held = point.held
            start = Active(_part(point.coef, held), _part(point.slope, held), point.support, point.inverse)
            rounding = epsilon * jnp.maximum(_ROUNDING * 0.25 ** state.rounds.astype(X.dtype), 0.1)
            matrix = gram if held is None else held.gram
            end = minimize(matrix, start, l1, l2, size, rounding, 5 * width + 50)
            coef = end.coef if held is None else point.coef.at[held.columns].set(end.coef, unique_indices=True)
            residual = y - product(X, coef)
            slope = product(X.T, residual) - l2 * coef
            gap = _gap(coef, slope, residual, l1, l2) / jnp.where(size > 0, size**2 / 2, 1)
            unsettled = gap > tolerance(X.dtype) / 10
            if wide:
                noise = 2 * _ROUNDING * epsilon * (size + (length * jnp.abs(coef)).sum())
                unsettled |= (violation(coef, slope, l1) > noise * length).any() & (gap > 1e-6 * tolerance(X.dtype))
            point = _Point(coef, slope, end.support, end.inverse, l2, held)
            return _Round(point, gap, unsettled & (l1 > 0), state.rounds + 1)

        def goes_on(state: _Round) -> Bool[Array, ""]:
            return (state.rounds == 0) | (state.unsettled & (state.rounds < (_WIDE_ROUNDS if wide else _ROUNDS)))

        def solve_without_l1(exact: Solution) -> Solution:
            solution = _solve_spectral(spectrum, X, y, l1, l2, size)
            better = (l1 == 0) | (solution.gap < exact.gap)
            return jax.tree.map(lambda new, old: jnp.where(better, new, old), solution, exact)

        stale = (before.l2 != l2) & (l1 > 0) & before.support.any()
        start = before._replace(slope=before.slope + (before.l2 - l2) * before.coef, l2=l2)
        point, gap, _, _ = lax.while_loop(goes_on, improve, _Round(start, jnp.zeros_like(l1), stale, jnp.int32(0)))
        tie = _has_tie(gram if point.held is None else point.held.gram, point, l1, epsilon * size)
        helpless = (l1 == 0) | ((l1 <= weak) & (gap > tolerance(X.dtype)))
        solution = _when(helpless, solve_without_l1, Solution(point.coef, gap, tie & (l2 == 0)))
        return point, solution._replace(coef=solution.coef * (unit_y / unit_x))

    inverse = jnp.zeros((width, width), X.dtype)
    start = _Point(origin, correlation, jnp.zeros(width, bool), inverse, jnp.zeros_like(size), held)
    return lax.scan(solve, start, alphas)[1]


def _part(values: Float[Array, " p"], held: _Held | None) -> Float[Array, " width"]:
    """What belongs to the working set."""
    return values if held is None else values[held.columns]


def _gap(
    coef: Float[Array, " p"],
    slope: Float[Array, " p"],
    residual: Float[Array, " n"],
    l1: Float[Array, ""],
    l2: Float[Array, ""],
) -> Float[Array, ""]:
    r"""The duality gap of $\tfrac12\|y - Xb\|^2 + \lambda_1\|b\|_1 + \tfrac12\lambda_2\|b\|^2$, the smaller one of two.

    Both start from a residual: that of the lasso on $[X; \sqrt{\lambda_2} I]$, which has to be shrunk until it is
    feasible, and that on X, which is feasible whenever $\lambda_2 > 0$. They are written as sums of terms that are 0
    at the solution: a difference of objectives would be left with the rounding of $\|y\|^2$.
    """
    largest = jnp.abs(slope).max()
    shrink = jnp.where(largest > l1, l1 / jnp.where(largest > l1, largest, 1), 1)
    square = residual @ residual + l2 * (coef @ coef)
    shrunk = (1 - shrink) ** 2 / 2 * square + (l1 * jnp.abs(coef) - shrink * coef * slope).sum()
    full = slope + l2 * coef
    beyond = jnp.sign(full) * jnp.maximum(jnp.abs(full) - l1, 0)
    off = coef - beyond / jnp.where(l2 > 0, l2, 1)
    whole = (l2 / 2 * off**2 + l1 * jnp.abs(coef) - coef * (full - beyond)).sum()
    return jnp.maximum(jnp.where(l2 > 0, jnp.minimum(shrunk, whole), shrunk), 0)


def _has_tie(
    gram: Float[Array, "width width"], point: _Point, l1: Float[Array, ""], noise: Float[Array, ""]
) -> Bool[Array, ""]:
    """Whether a column outside the support is as good as those in it, on whose span it lies: others solve it too."""
    diagonal = jnp.diagonal(gram)
    outside = jnp.where(point.support, -1, jnp.abs(_part(point.slope, point.held)))
    best = index_of(outside == outside.max())
    column = take(gram, best)
    apart = diagonal[best] - column @ product(point.inverse, column)
    tied = outside[best] >= l1 - 2 * _ROUNDING * noise * jnp.sqrt(diagonal[best])
    return tied & (apart <= dependence(diagonal)[best]) & (diagonal[best] > 0) & (l1 > 0)


def _no_spectrum(X: Float[Array, "n p"]) -> Spectrum:
    """The room for one."""
    (n, p), rank = X.shape, min(X.shape)
    zeros = jnp.zeros(rank, X.dtype)
    return Spectrum(jnp.zeros((n, rank), X.dtype), zeros, jnp.zeros((p, rank), X.dtype), zeros)


def _solve_spectral(
    spectrum: Spectrum,
    X: Float[Array, "n p"],
    y: Float[Array, " n"],
    l1: Float[Array, ""],
    l2: Float[Array, ""],
    size: Float[Array, ""],
) -> Solution:
    """Ridge, or least squares of minimum norm; its gap is what a Newton step would gain, and all of an L1 part."""
    ridge = solve_ridge(spectrum, X, y, l2, False)
    gap = ridge.gap + 2 * l1 * jnp.abs(ridge.coef).sum() / jnp.where(size > 0, size**2, 1)
    return Solution(ridge.coef, gap, (l2 == 0) & ((spectrum.values > 0).sum() < len(spectrum.right)))


def _square(X: Float[Array, "n p"]) -> Float[Array, "p p"]:
    """The Gram matrix."""
    return jnp.einsum("ni,nj->ij", X, X, precision="highest")


def _when(needed: Bool[Array, ""], change: Callable[..., _Value], value: _Value, *given: Array) -> _Value:
    """`change(value, *given)` if needed. In a batch, `lax.cond` computes it always; this does if any member needs it.

    What `change` computes from must pass through here: behind the barrier it seems to vary from turn to turn of the
    loop, of which there is one at most, and XLA does not compute it ahead of the loop.
    """

    def turn(state: tuple[Bool[Array, ""], _Value]) -> tuple[Bool[Array, ""], _Value]:
        needed, value, *here = lax.optimization_barrier((*state, *given))
        return jnp.zeros_like(needed), change(value, *here)

    return lax.while_loop(lambda state: state[0], turn, (needed, value))[1]

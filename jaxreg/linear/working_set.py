"""Lasso and elastic net along a grid of strengths: exact on a working set of columns, certified over all of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from jaxreg.linear.active_set import Active, correlate, dependence, index_of, invert, minimize, product, take, violation
from jaxreg.linear.batching import when
from jaxreg.linear.descent import descend
from jaxreg.linear.fit import tolerance
from jaxreg.linear.homotopy import read_grid
from jaxreg.linear.spectrum import Spectrum, decompose, is_lost, multiply
from jaxreg.linear.spectrum import solve as solve_ridge

WIDTH = 320  # columns whose Gram matrix is held at once, or 3/2 of the number of samples, if that is more
_ROUNDS = 4  # solutions of one working set, each from new slopes and a new inverse; nearly all problems need one
_ROUNDING = 8  # units of rounding in a slope, at first; less in each further round
_WIDE_ROUNDS = 100  # working sets for one strength, where not all columns fit into one
_ROUGH_ROUNDS = 20  # of them, those on which descent comes near, at the most
_SLACK = 1e-3  # of a strength, by which descent may miss a slope
_FAR, _NEAR = 16, 2  # columns at zero that should not be: more than these, and descent begins, or goes on
_EXACT = 1e-2  # of the tolerance: a gap of no more is rounding, and what is read off a path is as good as solved


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


class _Descent(NamedTuple):
    """All coefficients and slopes, in single precision, and on how many working sets they have descended."""

    coef: Float[Array, " p"]
    slope: Float[Array, " p"]
    rounds: Int32[Array, ""]


class _Round(NamedTuple):
    """A point, its gap, whether it needs another round, and how many it has had."""

    point: _Point
    gap: Float[Array, ""]
    unsettled: Bool[Array, ""]
    rounds: Int32[Array, ""]


def solve_grid(
    X: Float[Array, "n p"],
    y: Float[Array, " n"],
    alphas: Float[Array, " alphas"],
    l1_ratio: Float[Array, ""],
    unit_x: Float[Array, ""],
    unit_y: Float[Array, ""],
) -> Solution:
    r"""Minimize $\tfrac1{2n}\|y - Xb\|^2 + \alpha \rho \|b\|_1 + \tfrac12 \alpha (1 - \rho) \|b\|^2$ for each alpha.

    A lasso whose columns fit into one working set is read off its path (`homotopy`), if what comes out is exact up to
    rounding. All else goes strength by strength: each starts from the solution of the one before and, where that is far
    in a wide design, from a descent (`descent`). Slopes and gaps are computed from X and the residual. Where
    $\alpha \rho$ is 0, or so small that rounding hides it, the solution is that of the singular value decomposition, of
    minimum norm.

    Args:
        X: design, standardized.
        y: target, centred.
        alphas: strengths, in descending order.
        l1_ratio: $\rho$.
        unit_x: a power of two near the largest number of X.
        unit_y: one near the largest of y.
    """
    (n, p), epsilon = X.shape, float(jnp.finfo(X.dtype).eps)
    X, y = X * (1 / unit_x), y / unit_y  # a product, as a quotient takes longer: both are exact
    width = min(p, max(WIDTH, 3 * n // 2))
    wide = width < p
    # Of a wide design all columns serve to choose some and to certify; the rest is done in single precision.
    rough_X, rough_y = X.astype(jnp.float32), y.astype(jnp.float32)
    size, length = jnp.sqrt(y @ y), jnp.sqrt((rough_X * rough_X).sum(0) if wide else (X * X).sum(0)).astype(X.dtype)

    def choose(coef: Float[Array, " p"], slope: Float[Array, " p"], l1: Float[Array, ""]) -> Int32[Array, " width"]:
        """The working set: columns in use, and those of the largest slopes; if in use are too many, the worst."""
        coef, slope, l1, lengths = (values.astype(jnp.float32) for values in (coef, slope, l1, length))
        used = coef != 0
        promise = jnp.where(used, jnp.inf, jnp.abs(slope) / jnp.where(lengths > 0, lengths, 1))
        crowded = used.sum() > 3 * width // 4
        worth = jnp.where(crowded, violation(coef, slope, l1), promise)
        return lax.top_k(worth, width)[1].astype(jnp.int32)  # in double precision it would sort all

    origin, correlation = jnp.zeros_like(X[0]), correlate(rough_X, rough_y).astype(X.dtype) if wide else correlate(X, y)
    gram = jnp.zeros((width, width), X.dtype) if wide else _square(X)
    held = _Held(jnp.arange(width, dtype=jnp.int32), gram) if wide else None
    weak = 10 * tolerance(X.dtype) * jnp.abs(correlation).max()

    def solve(before: _Point, alpha: Float[Array, ""]) -> tuple[_Point, Solution]:
        l1, l2 = n * alpha * l1_ratio / (unit_x * unit_y), n * alpha * (1 - l1_ratio) / unit_x**2

        def is_far(state: _Descent) -> Bool[Array, ""]:
            missing = (state.coef == 0) & (jnp.abs(state.slope) > (1 + _SLACK) * l1.astype(jnp.float32))
            few = jnp.where(state.rounds > 0, _NEAR, _FAR)
            return (missing.sum() > few) & (l1 > weak) & (state.rounds < _ROUGH_ROUNDS)

        def approach(state: _Descent) -> _Descent:
            """Descend on a new working set, in single precision: exact steps follow."""
            columns, ridge = choose(state.coef, state.slope, l1), l2.astype(jnp.float32)
            gram = _square(rough_X[:, columns])
            part = descend(gram, state.coef[columns], state.slope[columns], l1.astype(jnp.float32), ridge)
            coef = state.coef.at[columns].set(part, unique_indices=True)
            slope = correlate(rough_X, rough_y - product(rough_X, coef)) - ridge * coef
            return _Descent(coef, slope, state.rounds + 1)

        def come_near(point: _Point) -> tuple[_Point, Bool[Array, ""]]:
            """The point after such descents, and whether there were any."""
            start = _Descent(point.coef.astype(jnp.float32), point.slope.astype(jnp.float32), jnp.int32(0))
            end = lax.while_loop(is_far, approach, start)
            moved = end.rounds > 0
            coef = jnp.where(moved, end.coef.astype(X.dtype), point.coef)
            slope = jnp.where(moved, end.slope.astype(X.dtype), point.slope)
            return point._replace(coef=coef, slope=slope), moved

        def renew(point: _Point) -> _Point:
            """A new working set, where there is a choice, and the inverse of its Gram matrix."""
            held = point.held
            matrix, used, slope = gram, point.coef, point.slope
            if held is not None:
                columns = choose(point.coef, point.slope, l1)
                part, used = X[:, columns], point.coef[columns]
                matrix = _square(part)
                held = _Held(columns, matrix)
                slope = correlate(part, y - product(X, point.coef)) - l2 * used
            inverse = invert(matrix, used != 0, l2)
            support = jnp.diagonal(inverse) > 0
            left_out = jnp.where(support, 0, used)  # columns that depend on others in use
            coef = _put(point.coef, held, jnp.where(support, used, 0))
            slope = _put(point.slope, held, slope + product(matrix, left_out) + l2 * left_out)
            return _Point(coef, slope, support, inverse, point.l2, held)

        def improve(state: _Round) -> _Round:
            point = when(state.unsettled, renew, state.point)
            held = point.held
            start = Active(_part(point.coef, held), _part(point.slope, held), point.support, point.inverse)
            rounding = epsilon * jnp.maximum(_ROUNDING * 0.25 ** state.rounds.astype(X.dtype), 0.1)
            matrix = gram if held is None else held.gram
            end = minimize(matrix, start, l1, l2, size, rounding, 5 * width + 50)
            coef = _put(point.coef, held, end.coef)
            residual = y - product(X, coef)
            slope = correlate(X, residual) - l2 * coef
            gap = _gap(coef, slope, residual, l1, l2) / jnp.where(size > 0, size**2 / 2, 1)
            unsettled = gap > tolerance(X.dtype) / 2
            if wide:
                noise = 2 * _ROUNDING * epsilon * (size + (length * jnp.abs(coef)).sum())
                unsettled |= (violation(coef, slope, l1) > noise * length).any() & (gap > 1e-6 * tolerance(X.dtype))
            point = _Point(coef, slope, end.support, end.inverse, l2, held)
            return _Round(point, gap, unsettled & (l1 > 0), state.rounds + 1)

        def goes_on(state: _Round) -> Bool[Array, ""]:
            return (state.rounds == 0) | (state.unsettled & (state.rounds < (_WIDE_ROUNDS if wide else _ROUNDS)))

        stale = (before.l2 != l2) & (l1 > 0) & before.support.any()
        start = before._replace(slope=before.slope + (before.l2 - l2) * before.coef, l2=l2)
        if wide:
            start, moved = come_near(start)
            stale |= moved | ~before.support.any()
        point, gap, _, _ = lax.while_loop(goes_on, improve, _Round(start, jnp.zeros_like(l1), stale, jnp.int32(0)))
        tie = _has_tie(gram if point.held is None else point.held.gram, point, l1, epsilon * size)
        return point, Solution(point.coef, gap, tie & (l2 == 0))

    def follow(_: Solution, alphas: Float[Array, " alphas"]) -> Solution:
        """Strength by strength."""
        inverse = jnp.zeros((width, width), X.dtype)
        start = _Point(origin, correlation, jnp.zeros(width, bool), inverse, jnp.zeros_like(size), held)
        return lax.scan(solve, start, alphas)[1]

    def read(_: Solution, y: Float[Array, " n"], correlation: Float[Array, " p"]) -> Solution:
        """From the knots, where that is exact; else with an infinite gap."""
        coef, unique = read_grid(gram, correlation, l1, 3 * min(n, p) + 10)
        residual = y[None] - multiply(coef, X.T)
        gap = jax.vmap(_gap, (0, 0, 0, 0, None))(coef, multiply(residual, X), residual, l1, jnp.zeros_like(size))
        gap = gap / jnp.where(size > 0, size**2 / 2, 1)
        exact = unique & (gap <= _EXACT * tolerance(X.dtype)).all()
        return Solution(coef, jnp.where(exact, gap, jnp.inf), jnp.zeros_like(gap, bool))

    l1, l2 = n * alphas * l1_ratio / (unit_x * unit_y), n * alphas * (1 - l1_ratio) / unit_x**2
    solution = Solution(jnp.zeros((len(alphas), p), X.dtype), jnp.full_like(l1, jnp.inf), jnp.zeros_like(l1, bool))
    if not wide:
        solution = when((l1_ratio == 1) & (l1 > weak).all(), read, solution, y, correlation)
    solution = when(~jnp.isfinite(solution.gap).all(), follow, solution, alphas)
    helpless = (l1 == 0) | ((l1 <= weak) & (solution.gap > tolerance(X.dtype)))

    def solve_without_l1(exact: Solution, X: Float[Array, "n p"]) -> Solution:
        spectrum = decompose(X)
        found = jax.vmap(lambda l1, l2: _solve_spectral(spectrum, X, y, l1, l2, size))(l1, l2)
        better = helpless & ((l1 == 0) | (found.gap < exact.gap))
        return jax.tree.map(
            lambda new, old: jnp.where(better[:, None] if new.ndim > 1 else better, new, old), found, exact
        )

    solution = when(helpless.any(), solve_without_l1, solution, X)
    return solution._replace(coef=solution.coef * (unit_y / unit_x))


def _part(values: Float[Array, " p"], held: _Held | None) -> Float[Array, " width"]:
    """What belongs to the working set."""
    return values if held is None else values[held.columns]


def _put(values: Float[Array, " p"], held: _Held | None, part: Float[Array, " width"]) -> Float[Array, " p"]:
    """The values with those of the working set replaced."""
    return part if held is None else values.at[held.columns].set(part, unique_indices=True)


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
    deficient = (spectrum.values > 0).sum() < len(spectrum.right)
    return Solution(ridge.coef, gap, deficient & ((l2 == 0) | is_lost(spectrum, l2).any(-1)))


def _square(X: Float[Array, "n p"]) -> Float[Array, "p p"]:
    """The Gram matrix."""
    return jnp.einsum("ni,nj->ij", X, X, precision="highest")

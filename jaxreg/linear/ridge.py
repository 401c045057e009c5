"""Ridge regression: one strength, or a whole path with its leave-one-out errors from one factorization."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float, Int32, Num

from jaxreg.linear import boundary
from jaxreg.linear.accumulate import add_rows, average_rows
from jaxreg.linear.batching import when
from jaxreg.linear.design import Normalize, Problem, pose, to_fit
from jaxreg.linear.fit import LinearFit, Status, tolerance
from jaxreg.linear.least_squares import Scalar, flag_rank
from jaxreg.linear.spectrum import Spectrum, decompose, fit_spectral, for_each, make_filters, measure_gap, multiply


def ridge(
    X: Num[Array | np.ndarray, "n p"],
    y: Num[Array | np.ndarray, " n"],
    alpha: Scalar,
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> LinearFit:
    r"""Ridge regression, $\min_{b, b_0} \|y - A b - b_0\|^2 + \alpha \|b\|^2$ with $A$ the standardized design.

    scikit-learn's scale: a sum of squares, no ½ and no 1/n. At $\alpha = 0$ it is `least_squares`.

    The derivatives with respect to X, y and alpha, as $\partial b / \partial \alpha = -(A'A + \alpha)^{-1} b$, come
    from an implicit rule, forward and in reverse, that is exact for repeated singular values too. A derivative of that
    derivative with respect to X passes through the SVD and needs distinct ones.

    Args:
        X: design.
        y: target; `jax.vmap` over many targets, or strengths, shares the decomposition of their design.
        alpha: $\alpha$, 0 or more.
        normalize: scale of the columns (static): None, "l2" or "std", as in `standardize`; the penalty is on the
            coefficients of the scaled columns.
        fit_intercept: whether the model has an intercept, which is not penalized (static).

    Returns:
        `LinearFit` in original units. With the slope $g = A'(y - A b) - \alpha b$, `gap` is
        $g' (A'A + \alpha)^{-1} g / \|y - \bar y\|^2$, exactly what the objective lacks to its minimum. The status has
        INVALID for a negative or NaN alpha and data that are not finite in a batch, and RANK_DEFICIENT, as
        `least_squares` has, at $\alpha = 0$ or one so weak that over it the rounding of dependent columns is large.

    Raises:
        ArgumentError: shapes that do not fit, fewer than two rows, data that are not finite, or a negative alpha.

    >>> fit = ridge(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]), 2.0)
    >>> fit.coef.round(5), fit.intercept.round(5)
    (Array([1.], dtype=float32), Array(2., dtype=float32))
    """
    alpha = boundary.read_number("alpha", alpha, "Give 0 or more")
    boundary.check_form(normalize, fit_intercept)
    return _fit(*boundary.read_data(X, y), alpha, normalize=normalize, fit_intercept=fit_intercept)


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _fit(X: Array, y: Array, alpha: Array, *, normalize: Normalize, fit_intercept: bool) -> LinearFit:
    problem = pose(X, y, normalize, fit_intercept)
    A, scale = problem.X / problem.unit_x, problem.unit_x
    spectrum = decompose(A)
    strength, invalid = read_strength(jnp.asarray(alpha, A.dtype), scale)
    solution = fit_spectral(problem, spectrum, A, strength, True)
    status = flag_rank(problem, spectrum, strength) | invalid
    return to_fit(problem, solution.coef, solution.gap, status)


def read_strength(
    alpha: Float[Array, "*alphas"], scale: Float[Array, ""]
) -> tuple[Float[Array, "*alphas"], Int32[Array, "*alphas"]]:
    """Strengths for the design divided by `scale`, and INVALID where a traced one is none."""
    valid = (alpha >= 0) & jnp.isfinite(alpha)
    # `scale` is a power of two. Without the barrier XLA would divide by its square, which may vanish.
    inverse = lax.optimization_barrier(1 / scale)
    strength = jnp.where(valid, alpha, 1) * inverse * inverse
    status = jnp.where(valid, Status.OK, Status.INVALID).astype(jnp.int32)
    return jnp.minimum(strength, float(jnp.finfo(alpha.dtype).max) / 4), status


class RidgePath(NamedTuple):
    r"""Ridge fits along `alphas`: what `LinearFit` holds for each, degrees of freedom, and two estimates of the error.

    `df` is $\sum_j d_j^2 / (d_j^2 + \alpha)$, without the intercept, which counts one more. `loo` is the mean squared
    leave-one-out error, `gcv` its generalized cross-validation, both in units of y².
    """

    alphas: Float[Array, "*batch a"]
    coef: Float[Array, "*batch a p"]
    intercept: Float[Array, "*batch a"]
    df: Float[Array, "*batch a"]
    loo: Float[Array, "*batch a"]
    gcv: Float[Array, "*batch a"]
    gap: Float[Array, "*batch a"]
    status: Int32[Array, "*batch a"]

    def predict(self, X: Float[Array | np.ndarray, "m p"]) -> Float[Array, "*batch a m"]:
        """The fitted values at the rows of `X`, for each alpha."""
        return LinearFit(self.coef, self.intercept, self.gap, self.status).predict(X)


def ridge_path(
    X: Num[Array | np.ndarray, "n p"],
    y: Num[Array | np.ndarray, " n"],
    alphas: Num[Array | np.ndarray, " a"],
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> RidgePath:
    r"""Ridge at every alpha, with leave-one-out and generalized cross-validation, from one factorization.

    With $A = U D V'$ and $S = D^2 / (D^2 + \alpha)$, the hat matrix is $H = 11'/n + U S U'$, and

    $$\text{loo} = \frac1n \sum_i \Big(\frac{r_i}{1 - h_{ii}}\Big)^2, \qquad
      \text{gcv} = \frac{n \|r\|^2}{(n - \operatorname{tr} H)^2}, \qquad r = y - H y,$$

    the first being exactly the mean of the squared errors of n refits without one row each, of the design as
    standardized once, with all rows. As $\alpha \to 0$ and $h_{ii} \to 1$, in a design as wide as tall say, numerators
    and denominators vanish together; here they are sums of terms without cancellation, and $\alpha = 0$ stands for the
    limit, the errors of minimum-norm fits.

    `coef` and `intercept` have the derivatives of `ridge`. Those of `df`, `loo` and `gcv` are exact in y and the
    alphas; in X they pass through the SVD and need distinct singular values.

    Args:
        X: design.
        y: target; `jax.vmap` over many targets shares all that depends on the design alone.
        alphas: strengths, 0 or more, in any order.
        normalize: scale of the columns (static): None, "l2" or "std", as in `standardize`.
        fit_intercept: whether the model has an intercept (static); without it, $H = U S U'$.

    Returns:
        `RidgePath`; its gap and status are those of `ridge`.

    Raises:
        ArgumentError: shapes that do not fit, fewer than two rows, data that are not finite, or a negative alpha.

    >>> path = ridge_path(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, 3.0, 5.0, 7.0]), np.array([0.0, 5.0]))
    >>> path.coef[:, 0].round(4), path.df.round(4), path.loo.round(4)
    (Array([2., 1.], dtype=float32), Array([1. , 0.5], dtype=float32), Array([0.    , 4.3194], dtype=float32))

    Source: Golub, Heath and Wahba, Technometrics 21 (1979) 215-223.
    """
    alphas = boundary.read_alphas(alphas)
    boundary.check_form(normalize, fit_intercept)
    return _follow(*boundary.read_data(X, y), alphas, normalize=normalize, fit_intercept=fit_intercept)


class Factored(NamedTuple):
    r"""What the fits of all strengths share: the problem, its design in moderate numbers, and that one's spectrum.

    `residuals` is for `leave_out`, and `projected`, $U'y$, for the coefficients along V; `pull`, $W'y$ with $W = A V$
    made of the data, `bend`, $W'W$, and `overlap`, $V'V$, are for the slopes there, and `slack` is what none of these
    exceeds at any strength.
    """

    problem: Problem
    A: Float[Array, "n p"]
    spectrum: Spectrum
    residuals: "Residuals"
    projected: Float[Array, " k"]
    pull: Float[Array, " k"]
    bend: Float[Array, "k k"]
    overlap: Float[Array, "k k"]
    slack: Float[Array, " k"]


def factor_ridge(X: Array, y: Array, normalize: Normalize, fit_intercept: bool) -> Factored:
    """The decomposition that `follow_ridge` and `measure_ridge` take."""
    problem = pose(X, y, normalize, fit_intercept)
    A = problem.X / problem.unit_x
    spectrum = decompose(A)
    seen, V = multiply(A, spectrum.right), spectrum.right
    y = problem.y / problem.unit_y
    projected, slopes = multiply(y, spectrum.left), (multiply(y, seen), multiply(seen.T, seen), multiply(V.T, V))
    residuals = share_residuals(spectrum, problem, fit_intercept)
    slack = _bound_slopes(spectrum, projected, *slopes)
    return Factored(problem, A, spectrum, residuals, projected, *slopes, slack)


def _bound_slopes(spectrum: Spectrum, projected: Array, pull: Array, bend: Array, overlap: Array) -> Array:
    r"""What the slopes along V do not exceed, whatever the strength.

    Were W'y = D U'y, W'W = D² and V'V = 1, they would be 0. The coefficients are $d / (d^2 + \alpha)$ times U'y, no
    more than 1/d of it, and $\alpha$ times them no more than d of it.
    """
    values, size = spectrum.measured, jnp.abs(projected)
    least = jnp.where(values > 0, size / jnp.where(values > 0, values, 1), 0)
    of_bend = multiply(least, jnp.abs(bend - jnp.diag(values**2)))
    of_overlap = multiply(size * values, jnp.abs(overlap - jnp.eye(len(values), dtype=values.dtype)))
    rounding = 8 * float(jnp.finfo(values.dtype).eps) * values * size
    return jnp.abs(pull - values * projected) + of_bend + of_overlap + rounding


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _follow(X: Array, y: Array, alphas: Array, *, normalize: Normalize, fit_intercept: bool) -> RidgePath:
    return follow_ridge(factor_ridge(X, y, normalize, fit_intercept), alphas)


def follow_ridge(factored: Factored, alphas: Float[Array, " a"]) -> RidgePath:
    """`ridge_path` from the decomposition."""
    problem, A, spectrum = factored[:3]
    strength, invalid = read_strength(alphas, problem.unit_x)
    solution = fit_spectral(problem, spectrum, A, strength, A.dtype == jnp.float32)
    status = flag_rank(problem, spectrum, strength) | invalid
    fit = to_fit(problem, solution.coef, solution.gap, status)
    failed = jnp.isnan(fit.intercept)  # not of the status: it needs the gap, which not all ask for
    filters = make_filters(spectrum, strength)
    df = (filters.values * filters.solve).sum(1)
    loo, gcv, beyond = leave_out(problem, factored.residuals, strength)
    df, loo, gcv = (jnp.where(failed, jnp.nan, part) for part in (df, loo, gcv))
    return RidgePath(alphas, fit.coef, fit.intercept, df, loo, gcv, fit.gap, fit.status | beyond)


def measure_ridge(
    factored: Factored, alphas: Float[Array, "*alphas"]
) -> tuple[Float[Array, "*alphas"], Float[Array, "*alphas"], Int32[Array, "*alphas"]]:
    """`loo`, `gcv` and status of `follow_ridge` without any coefficients, all in products with what is shared.

    The status is that of the errors: NOT_CONVERGED for the gap of the coefficients along V, whatever they round to.
    """
    problem, _, spectrum, residuals, projected, *slopes, slack = factored
    strength, invalid = read_strength(alphas, problem.unit_x)
    loo, gcv, beyond = leave_out(problem, residuals, strength)
    held, y, spectrum, projected, slopes, slack = lax.stop_gradient(
        (strength, problem.y / problem.unit_y, spectrum, projected, slopes, slack)
    )
    filters, total = make_filters(spectrum, held), add_rows(y * y)

    def measure(_: Array, pull: Array, bend: Array, overlap: Array, coef: Array) -> Array:
        slope = for_each(held, pull) - multiply(coef, bend) - held[..., None] * multiply(coef, overlap)
        return measure_gap(spectrum, filters, slope, projected, total, held, len(y))

    gap = measure_gap(spectrum, filters, for_each(held, slack), projected, total, held, len(y))
    gap = when(~(gap <= tolerance(gap.dtype)).all(), measure, gap, *slopes, filters.solve * for_each(held, projected))
    poor = jnp.where(gap <= tolerance(gap.dtype), 0, int(Status.NOT_CONVERGED)).astype(jnp.int32)
    status = problem.status | flag_rank(problem, spectrum, held) | invalid | beyond | poor
    failed = (status & Status.INVALID) != 0
    loo, gcv = (jnp.where(failed, jnp.nan, part) for part in (loo, gcv))
    return loo, gcv, jnp.where(failed, jnp.int32(Status.INVALID), status)


class Residuals(NamedTuple):
    r"""What the residuals and leverages of all strengths share.

    $I - H = E + \bar U \operatorname{diag}(\alpha / (d^2 + \alpha)) \bar U'$ with $\bar U$ the directions that the
    design sees and $E$ the projector on all others but the constant one. `across` is $\bar U'$, `squares` its squares;
    `values` are $d^2$ of the directions `seen`, `projected` is $\bar U'y$, `outside` $E y$, `leverage` the diagonal of
    $E$ and `free` its rank. Where a row of $E$ is 0 up to rounding it is set to 0: only there can r_i and 1 - h_ii both
    vanish with alpha, and then the second term alone gives their ratio.
    """

    across: Float[Array, "k n"]
    squares: Float[Array, "k n"]
    seen: Bool[Array, " k"]
    values: Float[Array, " k"]
    projected: Float[Array, " k"]
    outside: Float[Array, " n"]
    leverage: Float[Array, " n"]
    free: Float[Array, ""]


def share_residuals(spectrum: Spectrum, problem: Problem, fit_intercept: bool) -> Residuals:
    """What `leave_out` takes, from a decomposition."""
    y, (n, k) = problem.y / problem.unit_y, spectrum.left.shape
    seen = spectrum.values > 0
    U = spectrum.left - average_rows(spectrum.left)[None] if fit_intercept else spectrum.left
    U = jnp.where(seen[None], U, 0)
    free = n - int(fit_intercept) - seen.astype(y.dtype).sum()
    leverage = 1 - int(fit_intercept) / n - (U * U).sum(1)
    rounding = 16 * math.sqrt(k) * float(jnp.finfo(y.dtype).eps)  # of a row of k squares that add up to at most 1
    apart = (leverage > rounding) & (free > 0)
    projected = multiply(y, U)
    outside = jnp.where(apart, y - multiply(projected, U.T), 0)
    values = jnp.where(seen, spectrum.values, 1) ** 2
    return Residuals(U.T, (U * U).T, seen, values, projected, outside, jnp.where(apart, leverage, 0), free)


def leave_out(
    problem: Problem, shared: Residuals, alpha: Float[Array, "*alphas"]
) -> tuple[Float[Array, "*alphas"], Float[Array, "*alphas"], Int32[Array, "*alphas"]]:
    """Leave-one-out, generalized cross-validation, and NOT_CONVERGED where they overflow or vanish."""
    across, squares, seen, values, projected, outside, leverage, free = shared
    n, dtype = len(outside), outside.dtype
    shrink = jnp.where(for_each(alpha, seen), _shrink(alpha, values), 0)
    share, fitted = _spread_once(alpha, values, projected, squares, across)
    loo = average_rows(((for_each(alpha, outside) + fitted) * (1 / (for_each(alpha, leverage) + share))) ** 2, -1)
    trace = free + shrink.sum(-1)
    gcv = n * (add_rows(outside * outside) + ((shrink * for_each(alpha, projected)) ** 2).sum(-1)) / trace**2
    loo, gcv = (part * problem.unit_y * problem.unit_y for part in (loo, gcv))
    squared = problem.unit_y**2  # squares of y may overflow or vanish where y does not
    beyond = jnp.isinf(loo) | jnp.isinf(gcv) | ((squared < float(jnp.finfo(dtype).tiny)) & (problem.y != 0).any())
    return loo, gcv, jnp.where(beyond, int(Status.NOT_CONVERGED), 0).astype(jnp.int32)


def _shrink(alpha: Float[Array, "*alphas"], values: Float[Array, " k"]) -> Float[Array, "*alphas k"]:
    limit = float(jnp.finfo(values.dtype).eps) ** 2 * values.min()  # stands for alpha = 0, and cancels in every ratio
    return jnp.maximum(alpha, limit)[..., None] / (for_each(alpha, values) + alpha[..., None])


def _spread(alpha: Array, values: Array, projected: Array, squares: Array, across: Array) -> tuple[Array, Array]:
    """What the directions that are seen add to 1 - h_ii and to the residuals."""
    shrink = _shrink(alpha, values)
    return multiply(shrink, squares), multiply(shrink * for_each(alpha, projected), across)


def _differentiate_spread(primals: Any, tangents: Any) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """In alpha alone value and derivative come out of one product, which reads each matrix once for both."""
    alpha, values, projected, squares, across = primals
    if not all(isinstance(part, SymbolicZero) for part in tangents[1:]):
        given = [jnp.zeros(t.shape, t.dtype) if isinstance(t, SymbolicZero) else t for t in tangents]
        return jax.jvp(_spread, primals, tuple(given))
    both = jnp.stack(jax.jvp(lambda alpha: _shrink(alpha, values), (alpha,), (jnp.ones_like(alpha),)), -2)
    found = multiply(both, squares), multiply(both * lax.broadcast_to_rank(projected, both.ndim), across)
    value, slope = ([part[..., i, :] for part in found] for i in range(2))
    return (value[0], value[1]), (slope[0] * tangents[0][..., None], slope[1] * tangents[0][..., None])


_spread_once = jax.custom_jvp(_spread)
_spread_once.defjvp(_differentiate_spread, symbolic_zeros=True)

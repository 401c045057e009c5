"""Bias and variance in closed form: of ridge for a known truth, and of minimum-norm least squares on Gaussian data."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxreg.checks import check_integer
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.accumulate import add_rows
from jaxreg.linear.design import Normalize, pose
from jaxreg.linear.fit import Status
from jaxreg.linear.least_squares import Scalar
from jaxreg.linear.ridge import read_strength
from jaxreg.linear.spectrum import decompose, make_filters, multiply


class Risk(NamedTuple):
    """Squared bias and variance at each of `alphas`, in units of y² (for coefficients: of their squares)."""

    alphas: Float[Array, "*batch a"]
    bias2: Float[Array, "*batch a"]
    variance: Float[Array, "*batch a"]

    @property
    def total(self) -> Float[Array, "*batch a"]:
        """Their sum: the mean squared error against the truth. A new observation adds its noise variance."""
        return self.bias2 + self.variance


def ridge_risk(
    X: Num[Array | np.ndarray, "n p"],
    truth: Num[Array | np.ndarray, " n"],
    noise: Scalar,
    alphas: Num[Array | np.ndarray, " a"],
    *,
    test: tuple[Num[Array | np.ndarray, "m p"], Num[Array | np.ndarray, " m"]] | None = None,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> Risk:
    r"""Squared bias and variance of ridge predictions, averaged over rows, in closed form.

    For targets $y = f + \varepsilon$ with mean $f$ = `truth` and independent noise of standard deviation $\sigma$ =
    `noise`, a prediction $\hat y = h' y$ has bias $h' f - f_0$ and variance $\sigma^2 \|h\|^2$. With $A = U D V'$ the
    standardized design and $a$ a standardized row, $h = 1/n + U \operatorname{diag}(d / (d^2 + \alpha)) V' a$.

    Args:
        X: design, as `ridge` takes it.
        truth: $f$, the mean of the target at the rows of X; it need not be linear in them.
        noise: $\sigma$, 0 or more.
        alphas: strengths, 0 or more; 0 is minimum-norm least squares.
        test: rows (m, p) and truth (m,) to predict; by default the rows of X themselves (in-sample).
        normalize: scale of the columns (static).
        fit_intercept: whether the model has an intercept (static).

    Returns:
        `Risk`, NaN where data or strengths in a batch are not valid.

    Raises:
        ArgumentError: shapes that do not fit, data that are not finite, or a negative alpha or noise.

    >>> X = np.array([[-1.0], [0.0], [1.0]])
    >>> risk = ridge_risk(X, 2 * X[:, 0], 3.0, np.array([0.0, 2.0]))
    >>> risk.bias2.round(4), risk.variance.round(4)  # 4/6 of the signal at alpha 2; 9 (1 + df²) / 3
    (Array([0.    , 0.6667], dtype=float32), Array([6.  , 3.75], dtype=float32))
    """
    alphas, sigma = boundary.read_alphas(alphas), _read_noise(noise)
    boundary.check_form(normalize, fit_intercept)
    X, truth = boundary.read_data(X, truth)
    test = None if test is None else _read_test(test, X.shape[1])
    return _predict(X, truth, sigma, alphas, test, normalize=normalize, fit_intercept=fit_intercept)


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _predict(
    X: Array, truth: Array, sigma: Array, alphas: Array, test: Any, *, normalize: Normalize, fit_intercept: bool
) -> Risk:
    problem = pose(X, truth, normalize, fit_intercept)
    A, scale = problem.X / problem.unit_x, problem.unit_x
    spectrum = decompose(A)
    U, V = spectrum.left, spectrum.right
    strength, status = read_strength(alphas, scale)
    filters = make_filters(spectrum, strength)
    n = len(U)
    constant = int(fit_intercept) / n  # what the mean of y adds to the variance of each prediction
    projected = multiply(problem.y, U)
    if test is None:
        outside = problem.y - multiply(projected, U.T)
        lost = jnp.where(filters.known, strength[:, None] * filters.invert, 1) * projected[None]
        bias2 = (add_rows(outside * outside) + (lost * lost).sum(1)) / n
        variance = constant + ((filters.values * filters.solve) ** 2).sum(1) / n
    else:
        rows, wanted = test
        rows = (rows - problem.design.center[None]) / problem.design.scale[None] / scale
        seen = multiply(jnp.where(problem.design.constant[None], 0, rows), V)
        wanted = wanted if problem.mean is None else wanted - problem.mean
        bias = multiply(filters.solve * projected[None], seen.T) - wanted[None]
        bias2 = (bias * bias).mean(1)
        variance = constant + multiply(filters.solve**2, (seen * seen).mean(0))
    return _mark_invalid(Risk(alphas, bias2, sigma**2 * variance), status | problem.status, sigma)


def ridge_coefficient_risk(
    X: Num[Array | np.ndarray, "n p"],
    coef: Num[Array | np.ndarray, " p"],
    noise: Scalar,
    alphas: Num[Array | np.ndarray, " a"],
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> Risk:
    r"""Squared bias and variance of ridge coefficients, $\mathbb E \|\hat b - b\|^2$, for y = X b + constant + noise.

    With $b_A$ the coefficients of the standardized design $A = U D V'$ and $G = (A'A + \alpha)^{-1}$, the bias is
    $-\alpha G b_A$ and the covariance $\sigma^2 G A'A G$, both brought to the units of `coef` by the columns' scales.

    Args:
        X: design, as `ridge` takes it.
        coef: the true $b$; that of a constant column is taken as 0, since the intercept holds it.
        noise: $\sigma$, the standard deviation of the noise, 0 or more.
        alphas: strengths, 0 or more; 0 is minimum-norm least squares.
        normalize: scale of the columns (static).
        fit_intercept: whether the model has an intercept (static).

    Returns:
        `Risk`, the sums over the coefficients.

    Raises:
        ArgumentError: shapes that do not fit, data that are not finite, or a negative alpha or noise.

    >>> risk = ridge_coefficient_risk(np.eye(4), np.ones(4), 1.0, np.array([0.0, 1.0]), fit_intercept=False)
    >>> risk.bias2, risk.variance
    (Array([0., 1.], dtype=float32), Array([4., 1.], dtype=float32))
    """
    alphas, sigma, b = boundary.read_alphas(alphas), _read_noise(noise), boundary.read_floats("coef", coef)
    X = boundary.read_design(X)
    if b.shape != X.shape[1:]:
        raise ArgumentError("coef", b.shape, f"must have one value per column of X, {X.shape[1]}", "Match them")
    boundary.check_form(normalize, fit_intercept)
    return _estimate(X, b, sigma, alphas, normalize=normalize, fit_intercept=fit_intercept)


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _estimate(X: Array, b: Array, sigma: Array, alphas: Array, *, normalize: Normalize, fit_intercept: bool) -> Risk:
    problem = pose(X, multiply(X, b), normalize, fit_intercept)
    A, scale = problem.X / problem.unit_x, problem.unit_x
    spectrum = decompose(A)
    V = spectrum.right
    strength, status = read_strength(alphas, scale)
    filters = make_filters(spectrum, strength)
    constant = problem.design.constant
    unit = jnp.where(constant, 0, 1 / problem.design.scale)
    b = jnp.where(constant, 0, b * problem.design.scale)
    known = multiply(b, V)
    unseen = b - multiply(known, V.T)
    lost = multiply(jnp.where(filters.known, strength[:, None] * filters.invert, 1) * known[None], V.T)
    bias = (unseen[None] + lost) * unit[None]
    variance = (sigma / scale) ** 2 * multiply(filters.solve**2, ((V * unit[:, None]) ** 2).sum(0))
    return _mark_invalid(Risk(alphas, (bias * bias).sum(1), variance), status | problem.status, sigma)


def minimum_norm_risk(n: int, p: int, signal: int | float, noise: int | float) -> float:
    r"""Mean squared error of minimum-norm least squares on Gaussian data: the double-descent curve, exactly.

    For n rows of p independent standard normal features, coefficients with $\|b\| = r$ = `signal` and noise of
    standard deviation $\sigma$ = `noise`, without an intercept,

    $$\mathbb E \|\hat b - b\|^2 = \begin{cases} \sigma^2 p / (n - p - 1) & p < n - 1 \\
      r^2 (1 - n/p) + \sigma^2 n / (p - n - 1) & p > n + 1 \end{cases}$$

    and infinite for $|p - n| \le 1$, unless there is no noise. The mean squared error of predicting a new observation
    is larger by $\sigma^2$. Features that the model leaves out act as noise: add the squares of their coefficients to
    $\sigma^2$.

    Args:
        n: rows, at least 1.
        p: features, at least 1.
        signal: $r$, 0 or more.
        noise: $\sigma$, 0 or more.

    Raises:
        ArgumentError: a number outside its domain.

    >>> [round(minimum_norm_risk(20, p, 1.0, 0.5), 3) for p in (5, 10, 20, 40, 80)]
    [0.089, 0.278, inf, 0.763, 0.835]

    Sources: Belkin, Hsu and Xu, SIAM J. Math. Data Sci. 2 (2020) 1167-1180; Hastie, Montanari, Rosset and
    Tibshirani, Ann. Stat. 50 (2022) 949-986.
    """
    for name, size in (("n", n), ("p", p)):
        check_integer(name, size, 1, math.inf, "Give a number of rows or features")
    for name, number in (("signal", signal), ("noise", noise)):
        boundary.read_number(name, number, "Give a length of 0 or more")
    signal, noise = float(signal), float(noise)
    bias = signal**2 * max(0.0, 1 - n / p)
    if noise == 0:
        return bias
    return bias + noise**2 * min(n, p) / (abs(n - p) - 1) if abs(n - p) > 1 else math.inf


def _read_noise(noise: Scalar) -> Array:
    return boundary.read_number("noise", noise, "Give a standard deviation of 0 or more")


def _read_test(test: Any, p: int) -> tuple[Array, Array]:
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise ArgumentError("test", test, "must be rows and their truth", "Give a pair (rows, truth)")
    rows, wanted = boundary.read_floats("rows of test", test[0]), boundary.read_floats("truth of test", test[1])
    if rows.ndim != 2 or rows.shape[1] != p or not len(rows):
        raise ArgumentError("rows of test", rows.shape, f"must be one or more rows of {p} columns", "Match those of X")
    if wanted.shape != rows.shape[:1]:
        raise ArgumentError("truth of test", wanted.shape, f"must have {len(rows)} values", "Give one per row")
    return rows, wanted


def _mark_invalid(risk: Risk, status: Array, noise: Array) -> Risk:
    """NaN where a batch holds data, strengths or a noise that are none."""
    invalid = ((status & Status.INVALID) != 0) | ~((noise >= 0) & jnp.isfinite(noise))
    bias2, variance = (jnp.where(invalid, jnp.nan, part) for part in risk[1:])
    return Risk(risk.alphas, bias2, variance)

"""Which strength to take: K-fold cross-validation, Cp, AIC and BIC, and the degrees of freedom that they count."""

import math
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Key, Num

from jaxreg.checks import NOT_NEGATIVE, POSITIVE, SHARE, check_function, check_key, check_kind, read_floats, read_jax
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.design import Normalize, find_power, standardize
from jaxreg.linear.fit import Status
from jaxreg.linear.least_squares import least_squares
from jaxreg.linear.spectrum import decompose
from jaxreg.sampling import shuffled_epoch

_Numbers = Num[Array | np.ndarray, "..."]


@runtime_checkable
class FittedPath(Protocol):
    """Fits at several strengths, as `ridge_path`, `lasso_path` and `elastic_net_path` return them."""

    def predict(self, X: Any) -> Any:
        """The fitted values (alphas, m) at the rows of X (m, p)."""


class Choice(NamedTuple):
    """The strength that a rule chose, and its `index` among the alphas; NaN where no criterion is a number."""

    index: Int32[Array, ""]  # type: ignore[assignment]  # hides tuple.index, which nobody misses
    alpha: Float[Array, ""]


def choose(
    criterion: Float[Array | np.ndarray, "..."],
    alphas: Float[Array | np.ndarray, "..."],
    slack: float | Float[Array, ""] = 0.0,
) -> Choice:
    r"""The largest alpha whose criterion is near its least, $\max \{\alpha: C(\alpha) \le \min C + s\}$, s = `slack`.

    With `slack` 0 that is the best alpha, and of equally good ones, as are all that leave no coefficient, the largest.
    With the standard error at the minimum it is the one-standard-error rule. NaN counts as infinite.

    Args:
        criterion: what is to be small, at each alpha.
        alphas: strengths, in any order.
        slack: $s$, in the units of the criterion.

    Raises:
        ArgumentError: not flat, or of different lengths, or a negative slack.

    >>> choose(jnp.array([3.0, 1.0, 1.5]), jnp.array([0.1, 1.0, 10.0]), slack=0.6)
    Choice(index=Array(2, dtype=int32), alpha=Array(10., dtype=float32))
    """
    criterion, alphas = read_floats("criterion", criterion), read_floats("alphas", alphas)
    slack = boundary.read_number("slack", slack, "Give the standard error at the minimum, say")
    if criterion.ndim != 1 or criterion.shape != alphas.shape or not len(alphas):
        remedy = "Give one number per alpha; jax.vmap over datasets"
        constraint = f"must be flat, as alphas {alphas.shape}, and not empty"
        raise ArgumentError("criterion", criterion.shape, constraint, remedy)
    cost = jnp.where(jnp.isnan(criterion), jnp.inf, criterion)
    least = cost.min()
    index = jnp.where(cost <= least + slack.astype(cost.dtype), alphas, -jnp.inf).argmax().astype(jnp.int32)
    return Choice(index, jnp.where(least < jnp.inf, alphas[index], jnp.nan))


class CrossValidation(NamedTuple):
    """Held-out errors of a path, and the strengths that they choose.

    `fold_errors` (folds, alphas) are mean squared errors on the rows held out, `mean` (alphas,) their mean over the
    folds, `standard_error` (alphas,) its standard error; `best` minimizes the mean, `one_standard_error` is the largest
    alpha within one standard error, that at the minimum, of it.
    """

    alphas: Float[Array, "*batch alphas"]
    mean: Float[Array, "*batch alphas"]
    standard_error: Float[Array, "*batch alphas"]
    fold_errors: Float[Array, "*batch folds alphas"]
    best: Choice
    one_standard_error: Choice
    status: Int32[Array, "*batch alphas"]


def cross_validate(
    path: Callable[[Array, Array, Array], FittedPath],
    X: _Numbers,
    y: _Numbers,
    alphas: _Numbers,
    *,
    folds: int = 5,
    seed: Key[Array, ""] | None = None,
) -> CrossValidation:
    r"""K-fold cross-validation of a whole path, every fold and every alpha in one program.

    $$\mathrm{CV}(\alpha) = \frac1K \sum_k e_k(\alpha), \qquad
      e_k(\alpha) = \frac1{|F_k|} \sum_{i \in F_k} \bigl(y_i - x_i \hat b_{-k}(\alpha) - \hat b_{0,-k}(\alpha)\bigr)^2$$

    with $\hat b_{-k}$ fitted without the rows of fold $F_k$, which have no part in centring and scaling either. The
    standard error is $s/\sqrt K$ with $s$ the standard deviation of the $e_k$ (with $K - 1$). Folds differ in size by
    one at most, as scikit-learn's; those of equal size are one batch: one batched solve where K divides n, else two.

    Args:
        path: function of a design, a target and alphas that returns fits with `.predict`: `ridge_path`, or
            `functools.partial(elastic_net_path, l1_ratio=0.5)` (static). Fits with a method `cost(X, y)`, as those of
            `functools.partial(solve_path, loss=Logistic(), penalty=L1(1.0))`, say themselves what $e_k$ averages.
        X: design (n, p).
        y: target (n,). `jax.vmap` over targets shares the work on the design among them.
        alphas: strengths (alphas,), in any order that `path` takes.
        folds: K, from 2 to n (static); n leaves out one row at a time.
        seed: key that shuffles the rows; without it folds are runs of successive rows, which for rows sorted by
            their abscissa means extrapolation.

    Returns:
        `CrossValidation`; its status at each alpha joins those of the folds, with INVALID where squared errors
        overflow or vanish.

    Raises:
        ArgumentError: data or alphas that cannot be used, or folds that leave fewer than two rows to fit.

    >>> from jaxreg.linear.ridge import ridge_path
    >>> x = jnp.linspace(-1, 1, 30)
    >>> scores = cross_validate(ridge_path, x[:, None], 2 * x, jnp.array([0.01, 1.0, 100.0]), seed=jax.random.key(0))
    >>> float(scores.best.alpha), scores.fold_errors.shape
    (0.00999..., (5, 3))

    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), section 7.10.
    """
    X, y = boundary.read_data(X, y)
    alphas = boundary.read_alphas(alphas)
    n = X.shape[0]
    check_function("path", path, 3, "Give jaxreg.linear.ridge_path")
    check_kind("path", path, Hashable, "Give a plain function, which does not hold arrays")
    boundary.check_integer("folds", folds, 2, n, "Give 5, 10, or the number of rows to leave one out")
    if n - math.ceil(n / folds) < 2:
        raise ArgumentError("folds", folds, f"must leave two rows of {n} to fit", "Give more folds or more rows")
    if seed is not None:
        check_key("seed", seed)
    order = jnp.arange(n) if seed is None else shuffled_epoch(seed, n, n).index[0]
    return _cross_validate(path, folds, X, y, alphas, order)


@partial(jax.jit, static_argnums=(0, 1))
def _cross_validate(
    path: Callable[..., FittedPath], folds: int, X: Array, y: Array, alphas: Array, order: Array
) -> CrossValidation:
    """The folds of the rows in this `order`: those of equal size as one batch."""

    def score(train: Array, test: Array) -> tuple[Array, Array]:
        fit = path(X[train], y[train], alphas)
        if not isinstance(fit, FittedPath):
            raise ArgumentError("path", fit, "must return fits to predict with", "Give jaxreg.linear.ridge_path")
        status = jnp.asarray(getattr(fit, "status", 0), jnp.int32)
        if hasattr(fit, "cost"):
            error = fit.cost(X[test], y[test]).mean(-1)
            lost = ~jnp.isfinite(error)
        else:
            found = fit.predict(X[test])
            wrong = found - lax.broadcast_to_rank(y[test], found.ndim)
            error = (wrong**2).mean(-1)
            lost = jnp.isinf(error) | ((error == 0) & (wrong != 0).any(-1))  # squares overflow, or vanish
        status = status | jnp.where(lost, int(Status.INVALID), 0).astype(jnp.int32)
        return error, jnp.broadcast_to(status, alphas.shape)

    parts = [jax.vmap(score)(order[train], order[test]) for train, test in split_rows(len(y), folds)]
    errors, status = (jnp.concatenate(pieces) for pieces in zip(*parts, strict=True))
    mean, standard_error = errors.mean(0), errors.std(0, ddof=1) / math.sqrt(folds)
    best = choose(mean, alphas)
    simplest = choose(mean, alphas, standard_error[best.index])
    joined = jax.lax.reduce(status, jnp.int32(0), jax.lax.bitwise_or, (0,))
    return CrossValidation(alphas, mean, standard_error, errors, best, simplest, joined)


def split_rows(n: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions to fit on and to hold out, (folds of this size, rows) each, for each of the one or two sizes."""
    tests = np.array_split(np.arange(n), folds)
    groups = []
    for size in sorted({len(test) for test in tests}, reverse=True):
        held = np.stack([test for test in tests if len(test) == size])
        groups.append((np.stack([np.setdiff1d(np.arange(n), test) for test in held]), held))
    return groups


class Criteria(NamedTuple):
    """Mallows' Cp, AIC and BIC at each alpha, and the noise variance that they were computed with."""

    cp: Float[Array, "*batch alphas"]
    aic: Float[Array, "*batch alphas"]
    bic: Float[Array, "*batch alphas"]
    noise_variance: Float[Array, "*batch"]


def information_criteria(
    path: FittedPath,
    X: _Numbers,
    y: _Numbers,
    df: Num[Array | np.ndarray, " alphas"],
    *,
    noise_variance: float | Float[Array | np.ndarray, ""] | None = None,
    fit_intercept: bool = True,
) -> Criteria:
    r"""Cp, AIC and BIC of every fit of a path, conditional on one noise variance $\hat\sigma^2$.

    $$C_p = \frac{R}{\hat\sigma^2} - n + 2d, \qquad
      \mathrm{AIC} = n \log(2\pi\hat\sigma^2) + \frac{R}{\hat\sigma^2} + 2d, \qquad
      \mathrm{BIC} = n \log(2\pi\hat\sigma^2) + \frac{R}{\hat\sigma^2} + d \log n$$

    with $R$ the residual sum of squares and $d$ = `df`; none is finite where $\hat\sigma^2$ is 0. As one $\hat\sigma^2$
    serves all alphas, Cp and AIC differ by a constant and choose the same. The intercept's degree of freedom, not in
    the `df` of this package's paths nor in scikit-learn's LassoLarsIC, whose AIC and BIC these are, shifts all three
    by constants.

    Args:
        path: fits of `y` on `X`.
        X: design (n, p).
        y: target (n,).
        df: $d$ at each alpha: `RidgePath.df`, `lasso_df` or `elastic_net_df`.
        noise_variance: $\hat\sigma^2$; by default that of the full model, `residual_variance`.
        fit_intercept: whether the full model has an intercept (static).

    Raises:
        ArgumentError: data or degrees of freedom that cannot be used, a noise variance that is not positive, or none
            where the full model leaves no degrees of freedom.

    >>> from jaxreg.linear.ridge import ridge_path
    >>> X, y = jnp.array([[0.0], [1.0], [2.0], [4.0]]), jnp.array([0.0, 1.0, 2.0, 5.0])
    >>> path = ridge_path(X, y, jnp.array([0.0, 1.0]))
    >>> choose(information_criteria(path, X, y, path.df, noise_variance=0.5).aic, path.alphas).alpha
    Array(0., dtype=float32)

    Source: Mallows, Technometrics 15 (1973) 661-675; Zou, Hastie and Tibshirani, Ann. Stat. 35 (2007) 2173-2192.
    """
    boundary.check_form(None, fit_intercept)
    X, y = boundary.read_data(X, y)
    if noise_variance is None:
        variance = residual_variance(X, y, fit_intercept=fit_intercept)
    else:
        variance = boundary.read_number("noise_variance", noise_variance, "Give the variance of one error", POSITIVE)
    if not isinstance(path, FittedPath):
        raise ArgumentError("path", path, "must have fits to predict with", "Give what lasso_path returns")
    n = X.shape[0]
    df = boundary.read_floats("df", df)
    found = path.predict(X)
    misfit = _measure(found - lax.broadcast_to_rank(y, found.ndim), variance)
    if df.shape != misfit.shape:
        raise ArgumentError("df", df.shape, f"must have the shape {misfit.shape} of the path", "Give one per fit")
    deviance = n * jnp.log(2 * math.pi * variance) + misfit
    return Criteria(misfit - n + 2 * df, deviance + 2 * df, deviance + math.log(n) * df, variance)


def residual_variance(X: _Numbers, y: _Numbers, *, fit_intercept: bool = True) -> Float[Array, ""]:
    r"""Noise variance from the full model, $\hat\sigma^2 = \|y - \hat y_\text{LS}\|^2 / (n - p - 1)$.

    The 1 is for the intercept, and 0 without it. It is unbiased where the truth lies in the span of `X` and that has
    full rank.

    Args:
        X: design.
        y: target.
        fit_intercept: whether the model has an intercept (static).

    Raises:
        ArgumentError: data that cannot be used or whose squares overflow, or no degree of freedom left, $n \le p + 1$.

    >>> x = jnp.arange(4.0)[:, None]
    >>> residual_variance(x, jnp.array([0.0, 1.0, 3.0, 2.0])).round(4)
    Array(0.9, dtype=float32)
    """
    boundary.check_form(None, fit_intercept)
    X, y = boundary.read_data(X, y)
    n, p = X.shape
    left = n - p - bool(fit_intercept)
    if left < 1:
        constraint = f"must have more rows than the {n - left} coefficients of the full model"
        raise ArgumentError("X", X.shape, constraint, "Give noise_variance, or more rows")
    fitted = least_squares(X, y, normalize="l2", fit_intercept=fit_intercept).predict(X)
    variance = _measure(y - fitted, jnp.asarray(left, y.dtype))
    if not isinstance(variance, jax.core.Tracer) and not jnp.isfinite(variance):
        constraint = f"must have squares below {float(jnp.finfo(y.dtype).max):.2g}"
        raise ArgumentError("y", float(jnp.abs(y).max()), constraint, "Divide it by its size, or use float64")
    return variance


def _measure(errors: Float[Array, "*batch n"], unit: Float[Array, ""]) -> Float[Array, "*batch"]:
    """The sum of their squares over a unit; infinite only where it overflows itself."""
    size = find_power(errors)
    return ((errors / size) ** 2).sum(-1) / (unit / size / size)


def lasso_df(coef: Float[Array | np.ndarray, "*batch p"]) -> Int32[Array, "*batch"]:
    r"""Degrees of freedom of a lasso fit, $|\{j: b_j \ne 0\}|$, without the intercept.

    Its mean is the lasso's degrees of freedom, where the active columns are independent.

    Args:
        coef: coefficients $b$, those of a fit along the last axis.

    Raises:
        ArgumentError: coefficients that are no numbers, or a single one.

    >>> lasso_df(jnp.array([[0.0, 0.0], [0.5, 0.0]]))
    Array([0, 1], dtype=int32)

    Source: Zou, Hastie and Tibshirani, Ann. Stat. 35 (2007) 2173-2192.
    """
    coef = read_jax("coef", coef)
    if not coef.ndim:
        raise ArgumentError("coef", coef.shape, "must have one value per column, last", "Give those of a fit")
    return (coef != 0).sum(-1, dtype=jnp.int32)


def elastic_net_df(
    X: _Numbers,
    coef: Float[Array | np.ndarray, "*batch p"],
    alpha: float | Float[Array | np.ndarray, "*#batch"],
    l1_ratio: float | Float[Array | np.ndarray, "*#batch"],
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> Float[Array, "*batch"]:
    r"""Degrees of freedom of an elastic-net fit, $\operatorname{tr} X_S (X_S'X_S + n\lambda_2 I)^{-1} X_S'$.

    $S$ holds the coefficients that are not zero, $X$ is centred and scaled as in the fit, and $\lambda_2$ =
    `alpha` (1 - `l1_ratio`). Without the intercept. For $\lambda_2 = 0$ it is the rank of $X_S$.

    Args:
        X: design (n, p).
        coef: coefficients, of one fit or of a path.
        alpha: strength of each fit.
        l1_ratio: share of the L1 penalty.
        normalize: as in the fit (static).
        fit_intercept: as in the fit (static).

    Raises:
        ArgumentError: a design, coefficients, strengths or ratios that cannot be used; inside a batch it is NaN.

    >>> elastic_net_df(jnp.eye(4), jnp.array([1.0, 0.0, 2.0, 0.0]), 0.5, 0.5, fit_intercept=False)
    Array(1., dtype=float32)

    Source: Zou, PhD thesis, Stanford (2005); Tibshirani and Taylor, Ann. Stat. 40 (2012) 1198-1232.
    """
    design = standardize(boundary.read_design(X), normalize, center=fit_intercept).X
    NOT_NEGATIVE.check_all("alpha", alpha, "Give 0 or more", design.dtype)
    SHARE.check_all("l1_ratio", l1_ratio, "0 is ridge, 1 is the lasso", design.dtype)
    alpha, l1_ratio = read_floats("alpha", alpha), read_floats("l1_ratio", l1_ratio)
    coef = read_jax("coef", coef)
    if coef.ndim < 1 or coef.shape[-1] != design.shape[1]:
        constraint = f"must have one value per column of X, {design.shape[1]}, last"
        raise ArgumentError("coef", coef.shape, constraint, "Give the coefficients of a fit or of a path")
    alpha, l1_ratio = alpha.astype(design.dtype), l1_ratio.astype(design.dtype)
    for name, given in (("alpha", alpha), ("l1_ratio", l1_ratio)):
        if any(size not in (1, of) for size, of in zip(given.shape[::-1], coef.shape[-2::-1], strict=False)):
            raise ArgumentError(name, given.shape, f"must broadcast to the fits {coef.shape[:-1]}", "Give one per fit")
    known = NOT_NEGATIVE.holds(alpha) & SHARE.holds(l1_ratio)
    active = (coef != 0).reshape(-1, coef.shape[-1])
    unit = find_power(design)
    values = _singular_values(design / unit, active).reshape(*coef.shape[:-1], -1)
    penalty = ((design.shape[0] * alpha / unit / unit) * (1 - l1_ratio))[..., None]
    df = jnp.where(values > 0, values**2 / jnp.where(values > 0, values**2 + penalty, 1), 0).sum(-1)
    return jnp.where(jnp.isfinite(coef).all(-1) & known, df, jnp.nan)


@jax.jit
def _singular_values(design: Float[Array, "n p"], active: Bool[Array, "sets p"]) -> Float[Array, "sets k"]:
    """Those of the columns in each set, 0 where these depend on each other."""
    return jax.vmap(lambda columns: decompose(jnp.where(columns, design, 0)).values)(active)

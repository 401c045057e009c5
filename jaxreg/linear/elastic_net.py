"""Lasso and elastic net: single strengths and grids of them, each solution exact, certified and differentiable."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from jaxreg.checks import SHARE
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.design import Normalize, pose, to_fit
from jaxreg.linear.fit import LinearFit, Status
from jaxreg.linear.implicit import attach_derivative
from jaxreg.linear.working_set import solve_grid

_Numbers = Num[Array | np.ndarray, "..."]
_Scalar = int | float | np.number | Num[Array | np.ndarray, ""]

_solve = attach_derivative(solve_grid)


class ElasticNetPath(NamedTuple):
    r"""Linear models $\hat y = X b + b_0$ along a grid of strengths.

    `alphas` is the grid as it was given; `coef` holds $b$ and `intercept` $b_0$ of each, in the units of the data;
    `gap` and `status` are those of `LinearFit`. A batch has leading dimensions.
    """

    alphas: Float[Array, "*batch alphas"]
    coef: Float[Array, "*batch alphas p"]
    intercept: Float[Array, "*batch alphas"]
    gap: Float[Array, "*batch alphas"]
    status: Int32[Array, "*batch alphas"]

    def predict(self, X: Float[Array | np.ndarray, "m p"]) -> Float[Array, "*batch alphas m"]:
        """The fitted values at the rows of `X`, for each strength."""
        return LinearFit(self.coef, self.intercept, self.gap, self.status).predict(X)


def lasso(
    X: _Numbers, y: _Numbers, alpha: _Scalar, *, normalize: Normalize = None, fit_intercept: bool = True
) -> LinearFit:
    r"""The lasso, $\arg\min_b \tfrac1{2n}\|y - b_0 - Xb\|^2 + \alpha \|b\|_1$, with exact zeros.

    The objective is that of scikit-learn's `Lasso`, on columns that are centred and, as `normalize` says, scaled; the
    coefficients come back in the units of the data. Solved exactly on its support, up to rounding; `gap` certifies it:
    at most 1e-10 in float64 and 1e-6 in float32, else the status is NOT_CONVERGED. Where columns depend on each other
    so that there are several solutions, that of one independent subset of them is returned, as RANK_DEFICIENT; at
    alpha 0 it is the least squares solution of minimum norm.

    For many targets, designs or strengths, `jax.vmap` this: targets that share a design share its Gram matrix. A path
    costs less than its strengths apart. `jax.grad` and `jax.jvp` with respect to X, y and alpha follow the support
    (`jaxreg.linear.implicit`), not the iterations.

    Args:
        X: design (n, p), of at least two rows; may be wider than tall.
        y: target (n,).
        alpha: $\alpha \ge 0$.
        normalize: None, "l2" or "std", as in `standardize` (static).
        fit_intercept: whether to centre X and y (static); else $b_0 = 0$.

    Raises:
        ArgumentError: data or a strength outside their domain; inside a batch the status is INVALID instead.

    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> fit = lasso(X, y, 0.5)
    >>> fit.coef, fit.intercept
    (Array([2., 0.], dtype=float32...), Array(1., dtype=float32...))

    Source: Tibshirani, J. R. Stat. Soc. B 58 (1996) 267-288.
    """
    return elastic_net(X, y, alpha, 1.0, normalize=normalize, fit_intercept=fit_intercept)


def elastic_net(
    X: _Numbers,
    y: _Numbers,
    alpha: _Scalar,
    l1_ratio: _Scalar,
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> LinearFit:
    r"""The elastic net, $\arg\min_b \tfrac1{2n}\|y - b_0 - Xb\|^2 + \alpha\rho\|b\|_1 + \tfrac12\alpha(1-\rho)\|b\|^2$.

    scikit-learn's objective, on columns that are centred and, as `normalize` says, scaled. In all else like `lasso`,
    which is $\rho$ = 1; $\rho$ = 0 is ridge regression, `ridge(X, y, n * alpha)`.

    Args:
        X: design (n, p), of at least two rows; may be wider than tall.
        y: target (n,).
        alpha: $\alpha \ge 0$.
        l1_ratio: $\rho$, from 0 to 1.
        normalize: None, "l2" or "std", as in `standardize` (static).
        fit_intercept: whether to centre X and y (static); else $b_0 = 0$.

    Raises:
        ArgumentError: data, a strength or a ratio outside their domain; inside a batch the status is INVALID instead.

    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> elastic_net(X, y, 1.0, 0.5).coef
    Array([1., 0.], dtype=float32...)

    Source: Zou and Hastie, J. R. Stat. Soc. B 67 (2005) 301-320: the naive elastic net.
    """
    alpha = boundary.read_number("alpha", alpha, "Give a strength of 0 or more")
    alphas = jnp.asarray(alpha, jnp.result_type(float))[None]
    path = elastic_net_path(X, y, alphas, l1_ratio, normalize=normalize, fit_intercept=fit_intercept)
    return LinearFit(path.coef[0], path.intercept[0], path.gap[0], path.status[0])


def lasso_path(
    X: _Numbers, y: _Numbers, alphas: _Numbers, *, normalize: Normalize = None, fit_intercept: bool = True
) -> ElasticNetPath:
    r"""`lasso` at each of a grid of strengths, every solution starting from that of the next larger one.

    $\arg\min_b \tfrac1{2n}\|y - Xb\|^2 + \alpha \|b\|_1$ for each $\alpha$ of `alphas`.

    Args:
        X: design (n, p).
        y: target (n,).
        alphas: strengths in any order, each 0 or more; `alpha_max` is where the path begins.
        normalize: None, "l2" or "std", as in `standardize` (static).
        fit_intercept: whether to centre X and y (static).

    Raises:
        ArgumentError: data or strengths outside their domain; inside a batch the status is INVALID instead.

    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> path = lasso_path(X, y, float(alpha_max(X, y)) * np.array([1.0, 0.5, 0.25]))
    >>> path.coef
    Array([[0.  , 0.  ], [1.5 , 0.  ], [2.25, 0.  ]], dtype=float32...)
    """
    return elastic_net_path(X, y, alphas, 1.0, normalize=normalize, fit_intercept=fit_intercept)


def elastic_net_path(
    X: _Numbers,
    y: _Numbers,
    alphas: _Numbers,
    l1_ratio: _Scalar,
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> ElasticNetPath:
    r"""`elastic_net` at each of a grid of strengths, every solution starting from that of the next larger one.

    Args:
        X: design (n, p).
        y: target (n,).
        alphas: strengths in any order, each 0 or more; `alpha_max` is where the path begins.
        l1_ratio: $\rho$, from 0 to 1.
        normalize: None, "l2" or "std", as in `standardize` (static).
        fit_intercept: whether to centre X and y (static).

    Raises:
        ArgumentError: data, strengths or a ratio outside their domain; inside a batch the status is INVALID instead.

    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> elastic_net_path(X, y, np.array([1.0, 3.0, 9.0]), 0.5).predict(X[:2])
    Array([[2., 0.], [1., 1.], [1., 1.]], dtype=float32...)
    """
    alphas = boundary.read_alphas(alphas)
    l1_ratio = _read_ratio(l1_ratio)
    boundary.check_form(normalize, fit_intercept)
    fit = _fit(*boundary.read_data(X, y), alphas, l1_ratio, normalize=normalize, fit_intercept=fit_intercept)
    return ElasticNetPath(alphas, *fit)


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _fit(X: Array, y: Array, alphas: Array, l1_ratio: Array, *, normalize: Normalize, fit_intercept: bool) -> LinearFit:
    problem = pose(X, y, normalize, fit_intercept)
    known = (l1_ratio >= 0) & (l1_ratio <= 1)
    valid = jnp.isfinite(alphas) & (alphas >= 0) & known
    strengths = jnp.where(valid, alphas, 1)
    order = jnp.argsort(-strengths)
    ratio, units = jnp.where(known, l1_ratio, 1), (problem.unit_x, problem.unit_y)
    coef, gap, dependent = _solve(problem.X, problem.y, strengths[order], ratio, *units)
    status = jnp.where(dependent, int(Status.RANK_DEFICIENT), 0)  # `to_fit` certifies the gap
    back = jnp.argsort(order)
    status = jnp.where(valid, status[back], int(Status.INVALID)).astype(jnp.int32)
    return to_fit(problem, coef[back], gap[back], status)


def alpha_max(
    X: _Numbers, y: _Numbers, l1_ratio: _Scalar = 1.0, *, normalize: Normalize = None, fit_intercept: bool = True
) -> Float[Array, ""]:
    r"""The least strength at which all coefficients are zero, $\max_j |x_j'y| / (n \rho)$.

    Args:
        X: design (n, p).
        y: target (n,).
        l1_ratio: $\rho$, above 0, as a ridge has no such strength (inside a batch it is infinite).
        normalize: None, "l2" or "std", as in the fit (static).
        fit_intercept: as in the fit (static).

    Raises:
        ArgumentError: data or a ratio outside their domain, or a strength too large or too small for their precision.

    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> alpha_max(X, y), alpha_max(X, y, 0.5)
    (Array(1.5, dtype=float32...), Array(3., dtype=float32...))
    """
    ratio = _read_ratio(l1_ratio)
    if not isinstance(l1_ratio, jax.core.Tracer) and float(l1_ratio) == 0:
        raise ArgumentError("l1_ratio", l1_ratio, "must be above 0", "Without an L1 part nothing becomes zero")
    problem = pose(X, y, normalize, fit_intercept)
    unit_x, unit_y = problem.unit_x, problem.unit_y
    correlation = jnp.einsum("np,n->p", problem.X / unit_x, problem.y / unit_y, precision="highest")
    most = jnp.abs(correlation).max() / (problem.y.shape[0] * ratio)
    found = most * unit_x * unit_y
    if not isinstance(found, jax.core.Tracer) and (jnp.isinf(found) or (found == 0) & (most > 0)):
        constraint = f"must have a product with X that {found.dtype.name} holds"
        raise ArgumentError("y", float(jnp.abs(problem.y).max()), constraint, "Use other units, or float64")
    return found


def _read_ratio(l1_ratio: _Scalar) -> Float[Array, ""]:
    """The ratio as an array, in [0, 1] where it can be looked at."""
    return boundary.read_number("l1_ratio", l1_ratio, "0 is ridge, 1 is the lasso", SHARE)

"""Least squares, of minimum norm where the design is deficient."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from jaxreg.checks import SHARE
from jaxreg.linear import boundary
from jaxreg.linear.design import Normalize, Problem, pose, to_fit
from jaxreg.linear.fit import LinearFit, Status
from jaxreg.linear.spectrum import Spectrum, decompose, fit_spectral, is_lost

Scalar = int | float | np.number | Num[Array | np.ndarray, ""]


def least_squares(
    X: Num[Array | np.ndarray, "n p"],
    y: Num[Array | np.ndarray, " n"],
    *,
    normalize: Normalize = None,
    fit_intercept: bool = True,
    rcond: Scalar | None = None,
) -> LinearFit:
    r"""Ordinary least squares, $\min_{b, b_0} \|y - X b - b_0\|^2$; of several minimisers the one of least norm.

    With $A = U D V'$ the standardized design, $b = V D^+ U' y$. The norm is that of the coefficients of $A$, hence the
    minimum-norm solution depends on `normalize`, and the unique solution of a design of full column rank does not.

    The decomposition is an SVD rather than QR, because it alone tells the rank, gives the minimum-norm solution, and
    is shared with ridge at every alpha. It is not the less exact one: one step of Björck's refinement of $r + A b = y$,
    $A' r = 0$ removes the difference. On the monomials of degree 30 of tutorial T1 (condition 2e11), in float64, the
    fitted values are within 1e-6 of the exact ones, relative to the largest. In float32 that design is deficient, and
    the status says so.

    Derivatives with respect to X and y are those of the pseudo-inverse at constant rank, by an implicit rule that is
    exact for repeated singular values too. A derivative of that derivative passes through the SVD and needs distinct
    singular values.

    Args:
        X: design, of any shape from two rows on.
        y: target; `jax.vmap` over many targets shares the decomposition of their design.
        normalize: scale of the columns (static): None, "l2" or "std", as in `standardize`.
        fit_intercept: whether the model has an intercept (static).
        rcond: a singular value counts as 0 up to this multiple of what it were if all columns of $A$ were orthogonal
            (`jaxreg.linear.spectrum.decompose`): the scale of a column is of no matter. By default $4 \sqrt p$ machine
            epsilons, whatever n is.

    Returns:
        `LinearFit` in original units. `gap` is $\|U'(y - A b)\|^2 / \|y - \bar y\|^2$, what the objective lacks to its
        minimum. The status has CONSTANT_COLUMN where a column does not vary, RANK_DEFICIENT where those that vary
        depend on each other, as in any design wider than tall, and INVALID for data that are not finite in a batch.

    Raises:
        ArgumentError: shapes that do not fit, fewer than two rows, data that are not finite, or an rcond not in [0, 1].

    >>> fit = least_squares(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]))
    >>> fit.coef.round(5), fit.intercept.round(5), Status(int(fit.status))
    (Array([2.], dtype=float32), Array(1., dtype=float32), <Status.OK: 0>)

    Sources: Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413-432 (derivative); Björck, BIT 7 (1967) 257-278.
    """
    if rcond is not None:
        rcond = boundary.read_number("rcond", rcond, "Give a small number such as 1e-10", SHARE)
    boundary.check_form(normalize, fit_intercept)
    return _fit(*boundary.read_data(X, y), rcond, normalize=normalize, fit_intercept=fit_intercept)


@partial(jax.jit, static_argnames=("normalize", "fit_intercept"))
def _fit(X: Array, y: Array, rcond: Any, *, normalize: Normalize, fit_intercept: bool) -> LinearFit:
    problem = pose(X, y, normalize, fit_intercept)
    A = problem.X / problem.unit_x
    spectrum = decompose(A, rcond)
    strength = jnp.zeros_like(problem.unit_y)
    solution = fit_spectral(problem, spectrum, A, strength, True)
    return to_fit(problem, solution.coef, solution.gap, flag_rank(problem, spectrum, strength))


def flag_rank(problem: Problem, spectrum: Spectrum, alpha: Float[Array, "*alphas"]) -> Int32[Array, "*alphas"]:
    """RANK_DEFICIENT where the columns that vary depend on each other, and no alpha says how to share among them."""
    deficient = (spectrum.values > 0).sum() < (~problem.design.constant).sum()
    deficient &= (alpha == 0) | is_lost(spectrum, alpha).any(-1)
    return jnp.where(deficient, Status.RANK_DEFICIENT, Status.OK).astype(jnp.int32)

"""Exact paths of the lasso and of least angle regression: every knot, every move, and a certificate for each."""

import math
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Num

from jaxreg.checks import NOT_NEGATIVE, check_choice, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.accumulate import add_rows
from jaxreg.linear.design import Normalize, pose, to_fit
from jaxreg.linear.fit import LinearFit, Status, predict
from jaxreg.linear.tableau import measure_gap, walk

_WIDEST = 4096  # columns; the tableau of each member of a batch has p² numbers
_MOST_KNOTS = 10**6  # far above the default, and still in memory
_Numbers = Num[Array | np.ndarray, "..."]


class LarsPath(NamedTuple):
    """A path that is linear between knots, from the largest alpha down; in the units of the data.

    `alphas` decreases; `coef` and `intercept` are the solution at each knot. `moves` is the change of the active set
    there: +(j+1) where column j enters, -(j+1) where it leaves, 0 at the end. `valid` marks the knots that there are:
    the rows after them repeat the last one, with a move of 0. `gap` is that of `LinearFit`. A batch has leading
    dimensions.
    """

    alphas: Float[Array, "*batch knots"]
    coef: Float[Array, "*batch knots p"]
    intercept: Float[Array, "*batch knots"]
    moves: Int32[Array, "*batch knots"]
    valid: Bool[Array, "*batch knots"]
    gap: Float[Array, "*batch knots"]
    status: Int32[Array, "*batch"]

    def at(self, alpha: int | float | Float[Array | np.ndarray, "*batch"]) -> LinearFit:
        r"""The solution at one alpha: exact, since the path is linear in alpha between its knots.

        At the first knot and above, every coefficient is 0. Below the last knot, which is alpha = 0 unless the path
        is TRUNCATED, the end of the path is returned; its `gap` then also bounds what is missing, by
        $(1 - \alpha / \alpha_\text{end})^2$. Between two knots it is the larger one of theirs.

        Args:
            alpha: one strength for all members of a batch, or one for each; `jax.vmap` over several.

        Raises:
            ArgumentError: alpha negative or not finite; inside a batch, the status is INVALID.
        """
        NOT_NEGATIVE.check_all("alpha", alpha, "Give a strength such as 0.1", self.alphas.dtype)
        alpha = read_floats("alpha", alpha).astype(self.alphas.dtype)
        if alpha.shape not in ((), self.status.shape):
            constraint = f"must be one number, or one for each member of the batch {self.status.shape}"
            raise ArgumentError("alpha", alpha.shape, constraint, "jax.vmap over several")
        return _interpolate(self, alpha)

    def predict(self, X: Float[Array | np.ndarray, "m p"]) -> Float[Array, "*batch knots m"]:
        """The fitted values at the rows of `X` at each knot; `path.at(alpha).predict(X)` has those at an alpha."""
        return predict(X, self.coef, self.intercept)


@jax.jit
def _interpolate(path: LarsPath, alpha: Float[Array, "*batch"]) -> LinearFit:
    """The fit at alpha, as a sum of the knots before and after it with weights."""
    alpha = jnp.broadcast_to(alpha, path.status.shape)
    last = path.alphas.shape[-1] - 1
    above = (path.alphas > alpha[..., None]).sum(-1)
    numbers = lax.broadcasted_iota(above.dtype, path.alphas.shape, above.ndim)
    high = numbers == jnp.maximum(above - 1, 0)[..., None]
    low = numbers == jnp.minimum(above, last)[..., None]
    before, after = (jnp.where(knot, path.alphas, 0).sum(-1) for knot in (high, low))
    share = jnp.where(before > after, (before - alpha) / jnp.where(before > after, before - after, 1), 1)
    weights = jnp.where(low, share[..., None], 0) + jnp.where(high & ~low, 1 - share[..., None], 0)
    end = path.alphas[..., -1]
    missing = jnp.where(alpha < end, (1 - alpha / jnp.where(end > 0, end, 1)) ** 2, 0)
    status = path.status | jnp.where((alpha >= 0) & (alpha < math.inf), 0, int(Status.INVALID)).astype(jnp.int32)
    wrong = (status & Status.INVALID) != 0
    coef = jnp.einsum("...k,...kp->...p", weights, path.coef, precision="highest")
    intercept = (weights * path.intercept).sum(-1)
    gap = jnp.where(high | low, path.gap, 0).max(-1) + missing
    return LinearFit(
        jnp.where(wrong[..., None], jnp.nan, coef),
        jnp.where(wrong, jnp.nan, intercept),
        jnp.where(wrong, jnp.nan, gap),
        status,
    )


def lars_path(
    X: _Numbers,
    y: _Numbers,
    *,
    method: Literal["lasso", "lar"] = "lasso",
    max_knots: int | None = None,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> LarsPath:
    r"""The whole path of the lasso, or of least angle regression (LAR), knot by knot.

    Lasso: the minimiser of $\tfrac{1}{2n}\|y - b_0 - Xb\|^2 + \alpha \|b\|_1$ for every alpha, scikit-learn's scale;
    a column whose coefficient comes to 0 leaves, and may come back. LAR: the same without leaving, so that k steps
    have k columns. With `normalize`, the penalty is on the coefficients of the normalized columns. The first knot is
    $\alpha = \max_j |x_j'(y - \bar y)| / n$, where all coefficients are 0; the last one is alpha = 0, least squares or,
    for more columns than rows, an interpolation. Where no column is left whose correlation is more than rounding of the
    first one's, as when y is an exact combination of few, the path goes to alpha = 0 at once.

    `gap` is the duality gap of the lasso at each knot, relative to $\tfrac{1}{2n}\|y - \bar y\|^2$. For "lar" it takes
    each coefficient's sign as that of its correlation: it certifies LAR's own conditions, and is the lasso's gap until
    a coefficient crosses 0. A path ends before the first knot with a gap above 1e-10
    (float32: 1e-5, and above 1e-6 it is NOT_CONVERGED).

    Status. RANK_DEFICIENT: a column of which the active ones leave no more than 1e-12 (float32: 1e-5) of its squared
    norm reached the common correlation, and was kept out: the solution is not unique, and that without it is returned.
    TRUNCATED: `max_knots` came before alpha = 0. Both: the path ended at its gap, as columns are too nearly dependent
    for this precision. INVALID: also where squares overflow. A constant column never enters. Of columns that tie, the
    first enters, and the others follow in knots of the same alpha. A y that does not vary has one knot, alpha = 0.

    Many targets: `jax.vmap` over y; many datasets: over both. A knot costs each member about p² operations and all go
    in step until the longest path ends; memory: p² + 2 `max_knots` p numbers each, fastest where a batch stays in the
    cache, which the chunks of `jaxreg.sweep` see to. Forward-mode derivatives are exact away from knots. Reverse mode,
    `jax.grad`, raises, since how many knots there are depends on the data: differentiate `lasso`.

    Args:
        X: design (n, p).
        y: target (n,).
        method: "lasso" or "lar" (static).
        max_knots: room for knots, the first and the last included; by default 3 min(n - 1, p) + 10 (static).
        normalize: None, "l2" or "std": see `standardize` (static).
        fit_intercept: whether the model has an unpenalized intercept (static).

    Raises:
        ArgumentError: shapes that do not fit, data that are not finite (in a batch: INVALID), an unknown method,
            max_knots below 1, or more than 4096 columns: take `lasso_path` there.

    >>> X = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> path = lars_path(X, X @ jnp.array([3.0, 1.0]))
    >>> path.alphas[:3].tolist(), path.moves[:3].tolist(), path.coef[:3].tolist()
    ([3.0, 1.0, 0.0], [1, 2, 0], [[0.0, 0.0], [2.0, 0.0], [3.0, 1.0]])
    >>> path.at(2.0).coef
    Array([1., 0.], dtype=float32)

    Source: Efron, Hastie, Johnstone and Tibshirani, Least angle regression, Ann. Stat. 32 (2004) 407-499.
    """
    check_choice("method", method, ("lasso", "lar"))
    boundary.check_form(normalize, fit_intercept)
    X, y = boundary.read_data(X, y)
    n, p = X.shape
    if p > _WIDEST:
        raise ArgumentError("X", (n, p), f"must have at most {_WIDEST} columns here", "Take lasso_path on a grid")
    knots = 3 * min(n - fit_intercept, p) + 10 if max_knots is None else max_knots
    boundary.check_integer("max_knots", knots, 1, _MOST_KNOTS, "Leave it out to have room for most paths")
    return _follow(X, y, method == "lasso", int(knots), normalize, fit_intercept)


@partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _follow(X: Array, y: Array, drop: bool, knots: int, normalize: Normalize, fit_intercept: bool) -> LarsPath:
    problem = pose(X, y, normalize, fit_intercept)
    n = X.shape[0]
    double = jnp.finfo(problem.y.dtype).bits == 64
    unit_x, unit_y = problem.unit_x, problem.unit_y
    A, z = problem.X / unit_x, problem.y / unit_y
    gram = jnp.matmul(A.T, A, precision="highest")
    square = add_rows(z * z)
    product = jnp.matmul(A.T, z, precision="highest")
    walked = walk(gram, product, knots, 1e-12 if double else 1e-5, drop=drop)
    gap = measure_gap(walked, gram, product, jnp.where(square > 0, square, 1), crossing=not drop)

    met = jnp.arange(knots, dtype=jnp.int32) < walked.knots
    certified = gap <= (1e-10 if double else 1e-5)
    valid = (jnp.cumsum(met & ~certified) == 0) & met & ((problem.status & Status.INVALID) == 0)
    lost = (met & ~valid).any()
    status = jnp.where(walked.running | lost, int(Status.TRUNCATED), 0)
    status |= jnp.where(walked.tied | lost, int(Status.RANK_DEFICIENT), 0)
    status = jnp.where(valid.any(), status, int(Status.INVALID)).astype(jnp.int32)  # not even b = 0: squares overflow
    end = jnp.maximum(valid.sum() - 1, 0)

    def repeat_last(knot: Array) -> Array:
        return jnp.where(valid.reshape(-1, *[1] * (knot.ndim - 1)), knot, knot[end])

    coef = repeat_last(walked.coef) * (unit_y / unit_x)
    fit = to_fit(problem, coef, repeat_last(gap), jnp.broadcast_to(status, (knots,)))
    joined = jax.lax.reduce(fit.status, jnp.int32(0), jax.lax.bitwise_or, (0,))
    alphas = jnp.where(valid.any(), repeat_last(walked.strengths) / n * unit_x * unit_y, jnp.nan)
    return LarsPath(alphas, fit.coef, fit.intercept, jnp.where(valid, walked.moves, 0), valid, fit.gap, joined)

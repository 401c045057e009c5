"""What every fit returns: coefficients in original units, a certificate and a status."""

import enum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from jaxreg.checks import read_array
from jaxreg.linear.accumulate import dot


class Status(enum.IntFlag):
    """What a fit met; several may hold at once. `Status(int(fit.status))` names those of one fit.

    >>> Status(3)
    <Status.CONSTANT_COLUMN|RANK_DEFICIENT: 3>
    """

    OK = 0
    CONSTANT_COLUMN = 1
    """A column does not vary: its coefficient is 0."""
    RANK_DEFICIENT = 2
    """Columns depend on each other: the docstring of the fit says which solution it returns."""
    NOT_CONVERGED = 4
    """The gap is above the stated `tolerance`, or rounding moves predictions by more than its root: use float64, and
    `normalize` for columns of very different units."""
    TRUNCATED = 8
    """The path ended at `max_knots`, before its end."""
    INVALID = 16
    """Numbers that overflow or, inside a batch, data that are not finite, or a hyperparameter outside its domain: the
    numbers are NaN."""
    SEPARABLE = 32
    """There is no minimum: along some direction, which no penalty holds back, the loss falls for ever."""


def tolerance(dtype: jnp.dtype) -> float:
    r"""The gap that a fit should reach: $10^{-10}$ in float64 and $10^{-6}$ in float32.

    Its root bounds how far the predictions are from the best ones, relative to the spread of y: $10^{-5}$ and
    $10^{-3}$. Where a design needs more than float32 has, `jax.enable_x64(True)` and `jaxreg.sweep(x64=True)` do.
    """
    return 1e-10 if jnp.finfo(dtype).bits == 64 else 1e-6


class LinearFit(NamedTuple):
    r"""A fitted linear model, $\hat y = X b + b_0$.

    `coef` is $b$ and `intercept` $b_0$, in the units of the data; `gap` bounds how far the objective is above its
    minimum, in units of the objective at b = 0; `status` holds the flags of `Status`. A batch has leading dimensions.

    Far from zero, terms of $X b$ and $b_0$ cancel: in float32 take `predict`, which adds them with twice the digits.
    """

    coef: Float[Array, "*batch p"]
    intercept: Float[Array, "*batch"]
    gap: Float[Array, "*batch"]
    status: Int32[Array, "*batch"]

    def predict(self, X: Float[Array | np.ndarray, "m p"]) -> Float[Array, "*batch m"]:
        """The fitted values at the rows of `X`, for each fit of the batch."""
        return predict(X, self.coef, self.intercept)


def predict(
    X: Float[Array | np.ndarray, "m p"],
    coef: Float[Array | np.ndarray, "*batch p"],
    intercept: Float[Array | np.ndarray, "*batch"],
) -> Float[Array, "*batch m"]:
    """The fitted values at the rows of `X`, as those at their mean and what departs from it: exact far from zero."""
    coef, intercept = jnp.asarray(coef), jnp.asarray(intercept)
    X = jnp.asarray(read_array("X", X), coef.dtype)
    center = X.mean(0) if len(X) else jnp.zeros_like(coef, shape=X.shape[1])
    center = jnp.where(jnp.isfinite(center), center, 0)
    inner = jnp.einsum("...p,mp->...m", coef, X - center[None], precision="highest")
    return inner + dot(coef, center, intercept)[0][..., None]

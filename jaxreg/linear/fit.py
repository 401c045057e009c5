"""What every fit returns: coefficients in original units, a certificate and a status."""

import enum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32


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
    """The gap is above the stated tolerance."""
    TRUNCATED = 8
    """The path ended at `max_knots`, before its end."""
    INVALID = 16
    """Data that are not finite, or a hyperparameter outside its domain, inside a batch: the numbers are NaN."""


class LinearFit(NamedTuple):
    r"""A fitted linear model, $\hat y = X b + b_0$.

    `coef` is $b$ and `intercept` $b_0$, in the units of the data; `gap` bounds how far the objective is above its
    minimum, in units of the objective at b = 0; `status` holds the flags of `Status`. A batch has leading dimensions.
    """

    coef: Float[Array, "*batch p"]
    intercept: Float[Array, "*batch"]
    gap: Float[Array, "*batch"]
    status: Int32[Array, "*batch"]

    def predict(self, X: Float[Array | np.ndarray, "m p"]) -> Float[Array, "*batch m"]:
        """The fitted values at the rows of `X`, for each fit of the batch."""
        X = jnp.asarray(X, self.coef.dtype)
        return jnp.einsum("...p,mp->...m", self.coef, X, precision="highest") + self.intercept[..., None]

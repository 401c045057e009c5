"""What fits of any loss return: a model, and the models of a path."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.held import unwrap

_Numbers = Num[Array | np.ndarray, "..."]


class Solution(NamedTuple):
    r"""A fitted model, $\eta = o + b_0 + Xb$; along a path with an axis for the strengths before all others.

    `coef` is $b$, (p,) or (p, classes), and `intercept` $b_0$, in the units of the data. `gap` bounds how far the
    objective is above its minimum, in units of the objective of the constant fit; it is infinite where loss or penalty
    have no dual. `residual` is the optimality residual in the same units, the root of what a proximal step would gain.
    `status` holds the flags of `Status`. A batch has leading dimensions.
    """

    coef: Float[Array, "..."]
    intercept: Float[Array, "..."]
    gap: Float[Array, "..."]
    residual: Float[Array, "..."]
    status: Int32[Array, "..."]
    loss: Any

    def predict(self, X: Float[Array | np.ndarray, "m p"], offset: _Numbers | None = None) -> Float[Array, "..."]:
        r"""The linear predictors at the rows of `X`, (m,) or (m, classes): log odds of `Logistic`, say."""
        X, is_one = boundary.read_floats("X", X).astype(self.coef.dtype), unwrap(self.loss).outputs is None
        columns = self.coef.shape[-1 if is_one else -2]
        if X.ndim != 2 or X.shape[1] != columns:
            raise ArgumentError(
                "X", X.shape, f"must be rows of the {columns} columns that were fitted", "Give a matrix"
            )
        if is_one:
            eta = jnp.einsum("...p,mp->...m", self.coef, X, precision="highest") + self.intercept[..., None]
        else:
            eta = jnp.einsum("...pk,mp->...mk", self.coef, X, precision="highest") + self.intercept[..., None, :]
        if offset is None:
            return eta
        shift, known = boundary.read_floats("offset", offset).astype(eta.dtype), eta.shape[-1 if is_one else -2 :]
        if shift.shape != known:
            raise ArgumentError("offset", shift.shape, f"must have the shape {known}", "Give one per predictor")
        return eta + shift

    def cost(self, X: Float[Array | np.ndarray, "m p"], y: _Numbers) -> Float[Array, "..."]:
        """The loss of each sample: what `cross_validate` averages."""
        loss, eta = unwrap(self.loss), self.predict(X)
        y, axes = loss.read(y), 1 if loss.outputs is None else 2
        if y.shape[0] != eta.shape[-axes]:
            constraint = f"must have one value per row of X, {eta.shape[-axes]}"
            raise ArgumentError("y", y.shape, constraint, "Match their lengths")
        measure = loss.value
        for _ in range(eta.ndim - axes):
            measure = jax.vmap(measure, (0, None))
        return measure(eta, y)


class SolutionPath(NamedTuple):
    """Fits along a grid: `alphas` as they were given, and a `Solution` whose first axis they are."""

    alphas: Float[Array, "*batch alphas"]
    solution: Solution

    @property
    def coef(self) -> Float[Array, "..."]:
        """Coefficients of each fit."""
        return self.solution.coef

    @property
    def intercept(self) -> Float[Array, "..."]:
        """Intercepts of each fit."""
        return self.solution.intercept

    @property
    def gap(self) -> Float[Array, "*batch alphas"]:
        """The duality gap of each fit."""
        return self.solution.gap

    @property
    def residual(self) -> Float[Array, "*batch alphas"]:
        """The optimality residual of each fit."""
        return self.solution.residual

    @property
    def status(self) -> Int32[Array, "*batch alphas"]:
        """The status of each fit."""
        return self.solution.status

    def predict(self, X: Float[Array | np.ndarray, "m p"], offset: _Numbers | None = None) -> Float[Array, "..."]:
        """The linear predictors of each fit at the rows of `X`."""
        return self.solution.predict(X, offset)

    def cost(self, X: Float[Array | np.ndarray, "m p"], y: _Numbers) -> Float[Array, "..."]:
        """The loss of each fit at each sample."""
        return self.solution.cost(X, y)

"""A fit of any loss before it is made: what was given is checked, then brought to the form that is solved."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxreg.checks import NOT_NEGATIVE, describe_cause
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary, data_loss
from jaxreg.linear.data_loss import DataLoss
from jaxreg.linear.design import Normalize, Standardized, standardize
from jaxreg.linear.proximal_newton import Problem, Setting, predict, start_at, value_at
from jaxreg.penalties.own import check_prox

_LOSSES = {
    "squared": data_loss.Squared(),
    "huber": data_loss.Huber(),
    "logistic": data_loss.Logistic(),
    "poisson": data_loss.Poisson(),
}


class Data(NamedTuple):
    """Data as arrays, checked as far as they can be looked at; targets as the loss reads them."""

    X: Float[Array, "n p"]
    y: Float[Array, "..."]
    weight: Float[Array, " n"]
    offset: Float[Array, "..."]


class Task(NamedTuple):
    """A problem in standard form, with all that is needed on the way back."""

    problem: Problem
    design: Standardized
    unit: Float[Array, ""]
    invalid: Any


def read(
    X: Any, y: Any, loss: DataLoss, penalty: Any, sample_weight: Any, offset: Any, normalize: Any, fit_intercept: Any
) -> tuple[Setting, Data]:
    """Check all that was given, before anything is compiled."""
    boundary.check_form(normalize, fit_intercept)
    X, y = boundary.read_design(X), loss.read(y)
    n, p = X.shape
    if y.shape[0] != n:
        raise ArgumentError("y", y.shape, f"must have one value per row of X, {n}", "Match their lengths")
    _check_loss(loss, n, y)
    outputs = () if loss.outputs is None else (loss.outputs,)
    shape = (p, *outputs)
    setting = Setting(shape, bool(fit_intercept), _read_blocks(penalty, shape, fit_intercept), _has_steps(penalty))
    weight = _read_weight(sample_weight, n)
    shift = jnp.zeros((n, *outputs), X.dtype) if offset is None else boundary.read_floats("offset", offset)
    if shift.shape != (n, *outputs):
        raise ArgumentError("offset", shift.shape, f"must have the shape {(n, *outputs)}", "Give one per predictor")
    return setting, Data(X, y, weight, shift)


def pose(setting: Setting, normalize: Normalize, loss: DataLoss, data: Data) -> Task:
    """Bring the data to the form that is solved; what is not sound becomes a problem that anybody can solve."""
    X, y, weight, shift = data
    n = X.shape[0]
    total = weight.sum()
    sound = jnp.isfinite(X).all() & jnp.isfinite(y).all() & loss.fits(y).all() & jnp.isfinite(shift).all()
    sound = lax.stop_gradient(sound & (weight >= 0).all() & jnp.isfinite(total) & (total > 0))
    X, shift = (jnp.where(sound, values, 0) for values in (X, shift))
    y = jnp.where(sound, y, loss.neutral(y))
    design = standardize(X, normalize, center=setting.fit_intercept)
    weight = jnp.where(sound, weight / jnp.where(sound, total, 1), 1 / n)
    columns = jnp.concatenate([design.X, jnp.ones((n, 1), X.dtype)], 1) if setting.fit_intercept else design.X
    problem = Problem(columns, y, weight, shift)
    null = start_at(problem, loss, None, setting)
    unit = lax.stop_gradient(value_at(problem, loss, predict(problem, loss, null)))
    return Task(problem, design, jnp.where(jnp.isfinite(unit) & (unit > 0), unit, 1), ~sound)


def read_loss(loss: Any) -> DataLoss:
    """A loss, or the one of this name."""
    if isinstance(loss, str) and loss in _LOSSES:
        return _LOSSES[loss]
    if not isinstance(loss, DataLoss):
        remedy = f"Give {', '.join(_LOSSES)}, linear.Multinomial(classes), or a linear.DataLoss"
        raise ArgumentError("loss", loss, "must be a loss of a linear predictor", remedy)
    return loss


def _check_loss(loss: DataLoss, n: int, y: Any) -> None:
    """Refuse a loss of the user's that is not one float per sample, twice differentiable, or one of several numbers."""
    if type(loss).__module__ == DataLoss.__module__ and not any(map(jnp.ndim, jax.tree.leaves(loss))):
        return
    eta = jnp.zeros((n,) if loss.outputs is None else (n, loss.outputs))
    try:
        told = jax.eval_shape(lambda eta: (loss.value(eta, y), loss.slope(eta, y), loss.curvature(eta, y)), eta)[0]
    except ArgumentError:
        raise
    except Exception as error:  # whatever a loss of somebody else's raises
        constraint = f"must take predictors and targets of {n} samples ({describe_cause(error)})"
        raise ArgumentError("loss", loss, constraint, "Define value(eta, y), one number per sample") from error
    if told.shape != (n,) or not jnp.issubdtype(told.dtype, jnp.floating):
        constraint = f"must have a float for each of the {n} samples as its value, not {told}"
        raise ArgumentError("loss", loss, constraint, "Do not average over samples")


def _has_steps(penalty: Any) -> bool:
    """Whether each block may have a proximal step of its own."""
    return bool(getattr(penalty, "separable", False)) or hasattr(penalty, "blocks")


def _read_blocks(penalty: Any, shape: tuple[int, ...], fit_intercept: bool) -> tuple[int, ...]:
    """The block of each coefficient; each intercept is one of its own."""
    for name in ("value", "prox"):
        if isinstance(penalty, type) or not callable(getattr(penalty, name, None)):
            remedy = "Give an object such as L1(0.1), or one with value(params) and prox(params, step)"
            raise ArgumentError("penalty", penalty, f"must have a method {name}", remedy)
    try:
        value, moved = jax.eval_shape(lambda w: (penalty.value(w), penalty.prox(w, 1.0)), jnp.zeros(shape))
    except ArgumentError:
        raise
    except Exception as error:  # whatever a penalty of somebody else's raises
        remedy = "Give factors and bounds that broadcast to it, and methods value(params) and prox(params, step)"
        constraint = f"must take coefficients of shape {shape} ({describe_cause(error)})"
        raise ArgumentError("penalty", penalty, constraint, remedy) from error
    if value.shape:
        raise ArgumentError("penalty", penalty, f"must have one number as its value, not {value}", "Sum over w")
    if getattr(moved, "shape", None) != shape:
        constraint = f"must keep the shape {shape} of the coefficients in prox, not {moved}"
        raise ArgumentError("penalty", penalty, constraint, "Return an array like params")
    check_prox("penalty", penalty, shape)
    if hasattr(penalty, "blocks"):
        labels = penalty.blocks(shape)
    else:
        size = int(np.prod(shape))
        labels = np.arange(size) if getattr(penalty, "separable", False) else np.zeros(size, int)
    labels = [int(label) for label in np.asarray(labels).reshape(-1)]
    outputs = shape[1] if len(shape) > 1 else 1
    return (*labels, *(max(labels) + 1 + k for k in range(outputs if fit_intercept else 0)))


def _read_weight(weight: Any, n: int) -> Float[Array, " n"]:
    """Weights of the samples, 1 by default."""
    if weight is None:
        return jnp.ones(n, jnp.result_type(float))
    remedy = "Give one number of 0 or more per row, not all 0"
    values = boundary.read_floats("sample_weight", weight)
    if values.shape != (n,):
        raise ArgumentError("sample_weight", values.shape, f"must have the shape ({n},)", remedy)
    NOT_NEGATIVE.check_all("sample_weight", values, remedy)
    if not isinstance(values, jax.core.Tracer) and not float(values.max()) > 0:
        raise ArgumentError("sample_weight", 0.0, "must not all be 0", remedy)
    return values

"""Any loss with any penalty: fits, paths along a grid of strengths, and the strength at which a path begins."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int32, Num

from jaxreg.checks import NOT_NEGATIVE, describe_cause
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary, data_loss
from jaxreg.linear.certificate import certify
from jaxreg.linear.data_loss import DataLoss
from jaxreg.linear.design import Normalize, Standardized, standardize
from jaxreg.linear.fit import Status, tolerance
from jaxreg.linear.held import unwrap, wrap
from jaxreg.linear.proximal_newton import Problem, Setting, predict, slope_at, split, start_at, value_at
from jaxreg.linear.stationary import expand, solve_stationary
from jaxreg.penalties.own import check_prox
from jaxreg.values import register_value

_Numbers = Num[Array | np.ndarray, "..."]
_LOSSES = {
    "squared": data_loss.Squared(),
    "huber": data_loss.Huber(),
    "logistic": data_loss.Logistic(),
    "poisson": data_loss.Poisson(),
}
_FAR = 0.1  # nats: a last step that moves a predictor by more leads to infinity


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


def solve(
    X: _Numbers,
    y: _Numbers,
    loss: Any,
    penalty: Any,
    *,
    sample_weight: _Numbers | None = None,
    offset: _Numbers | None = None,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> Solution:
    r"""Minimize any loss of a linear predictor with any penalty, certified and differentiable.

    $$\min_{b, b_0} \frac{1}{\sum_i \omega_i} \sum_i \omega_i\, \ell(o_i + b_0 + x_i'b,\; y_i) + P(b)$$

    A *mean* over the samples, plus a *sum* over the coefficients: with `Squared`, which has ½, and `L1` it is `lasso`
    to the letter. Columns are centred, if there is an intercept, and scaled as `normalize` says; the coefficients come
    back in the units of the data. Proximal Newton steps (`jaxreg.linear.proximal_newton`), for designs of up to some
    hundreds of columns, as their Hessian is formed; thousands of data sets by `jax.vmap` or `jaxreg.sweep`.
    `jax.grad` and `jax.jvp` with respect to X, y, weights, offset, and every number in the penalty and the loss follow
    the optimality conditions (`jaxreg.linear.stationary`), not the iterations.

    Penalties that are not convex (`MCP`, `SCAD`) have many stationary points: this is the one that is found from no
    coefficient, or along a path from the next larger strength. Where several solutions are equally good, one of them is
    returned. NOT_CONVERGED: the gap, or where there is none the residual, is above 1e-10 and 1e-7 (1e-6 and 1e-3 in
    float32). SEPARABLE: there is no minimum, as some direction of the predictors lowers the loss for ever.

    **A penalty of one's own** is any object with `value(params)` and `prox(params, step)`, the proximal step
    $\arg\min_z \tfrac12\|z - w\|^2 + \eta P(z)$ of one array; `nets.train` takes it as well (`nets.On`).
    With `separable = True` it is a sum over entries, and `step` has one number for each;
    `subdifferential_distance(params, gradient)`, how far each entry of minus the gradient is from a subgradient, is
    the residual where it is there. As a frozen dataclass with `register_value` its numbers may be swept, traced and
    differentiated, and with a field `alpha` it has paths; any other object must be hashable, and its numbers are
    fixed.

    >>> @register_value()
    ... @dataclasses.dataclass(frozen=True)
    ... class LogSum:
    ...     '''A penalty that hardly shrinks large weights, sum(alpha * log(1 + |w|)).'''
    ...     alpha: float
    ...     separable = True
    ...     def value(self, w):
    ...         return (self.alpha * jnp.log1p(jnp.abs(w))).sum()
    ...     def prox(self, w, step):
    ...         size, t = jnp.abs(w), step * self.alpha
    ...         root = jnp.sqrt(jnp.maximum((1 + size) ** 2 - 4 * t, 0))
    ...         z = jnp.maximum((size - 1 + root) / 2, 0)
    ...         better = (z - size) ** 2 / 2 + t * jnp.log1p(z) < size**2 / 2
    ...         return jnp.sign(w) * jnp.where((root > 0) & better, z, 0.0)
    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> solve(X, y, "squared", LogSum(0.5)).coef.round(3)
    Array([2.732, 0.   ], dtype=float32...)

    Args:
        X: design (n, p), of at least two rows.
        y: target (n,): numbers, labels 0 and 1, counts, or class numbers, as the loss takes them.
        loss: `Squared`, `Huber`, `Logistic`, `Poisson`, `Multinomial`, a `DataLoss` of one's own, or the name of one.
        penalty: an object of `jaxreg.penalties`, or one's own.
        sample_weight: $\omega$ (n,), each 0 or more, not all 0; only their ratios count.
        offset: $o$, (n,) or (n, classes).
        normalize: None, "l2" or "std", as in `standardize` (static).
        fit_intercept: whether there is a $b_0$, without a penalty, and X is centred (static).

    Raises:
        ArgumentError: data, weights, a loss or a penalty that do not fit; inside a batch the status is INVALID instead.

    >>> from jaxreg.penalties import L1, GroupLasso
    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> solve(X, y, "squared", L1(0.5)).coef.round(4)
    Array([2., 0.], dtype=float32...)
    >>> solve(X, y, "squared", GroupLasso(0.5, groups=[[0, 1]])).coef != 0  # all of a group or none
    Array([ True,  True], dtype=bool)

    Source: Lee, Sun and Saunders, SIAM J. Optim. 24 (2014) 1420-1443.
    """
    loss = read_loss(loss)
    setting, data = _read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
    stack = jax.tree.map(lambda leaf: leaf[None], wrap(penalty))
    found = _fit(setting, normalize, wrap(loss), stack, data)
    return jax.tree.map(lambda leaf: leaf[0], found)._replace(loss=wrap(loss))


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


def solve_path(
    X: _Numbers,
    y: _Numbers,
    alphas: _Numbers,
    loss: Any,
    penalty: Any,
    *,
    sample_weight: _Numbers | None = None,
    offset: _Numbers | None = None,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> SolutionPath:
    r"""`solve` at each of a grid of strengths, every solution starting from that of the next larger one.

    $\arg\min_b L(b) + \alpha P(b)$ for each $\alpha$ of `alphas`, $L$ the mean loss and $P$ the penalty of strength 1.

    `functools.partial(solve_path, loss=Logistic(), penalty=L1(1.0))` is a path for `cross_validate`, which averages the
    loss over the rows held out.

    Args:
        X: design (n, p).
        y: target (n,).
        alphas: strengths in any order, each 0 or more; `solve_alpha_max` is where the path begins.
        loss: as in `solve`.
        penalty: one with a strength `alpha`, in whose place each of the grid is put.
        sample_weight: as in `solve`.
        offset: as in `solve`.
        normalize: as in `solve` (static).
        fit_intercept: as in `solve` (static).

    Raises:
        ArgumentError: as `solve`, or a penalty without `alpha`.

    >>> from jaxreg.penalties import L1
    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> solve_path(X, y, np.array([0.375, 1.5]), "squared", L1(1.0)).coef.round(4)
    Array([[2.25, 0.  ], [0.  , 0.  ]], dtype=float32...)
    """
    alphas = boundary.read_alphas(alphas)
    loss = read_loss(loss)
    setting, data = _read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
    valid = jnp.isfinite(alphas) & (alphas >= 0)
    order = jnp.argsort(-jnp.where(valid, alphas, 1))
    stack = jax.vmap(lambda alpha: wrap(put_strength(penalty, alpha)))(jnp.where(valid, alphas, 1)[order])
    back = jnp.argsort(order)
    found = jax.tree.map(lambda leaf: leaf[back], _fit(setting, normalize, wrap(loss), stack, data))
    invalid = jnp.where(valid, 0, int(Status.INVALID)).astype(jnp.int32)
    return SolutionPath(alphas, found._replace(status=found.status | invalid, loss=wrap(loss)))


def solve_alpha_max(
    X: _Numbers,
    y: _Numbers,
    loss: Any,
    penalty: Any,
    *,
    sample_weight: _Numbers | None = None,
    offset: _Numbers | None = None,
    normalize: Normalize = None,
    fit_intercept: bool = True,
) -> Float[Array, ""]:
    r"""The least strength at which all penalized coefficients are zero: `penalty.alpha_max` of the gradient there.

    $\min \{\alpha: 0 \in \nabla L(0) + \alpha\, \partial P(0)\}$ with $L$ the mean loss, $P$ the penalty at strength 1.

    The gradient is that of the fit with the intercept and the coefficients of factor 0 alone. For penalties that are
    not convex it is where 0 ceases to be stationary.

    Args:
        X: design (n, p).
        y: target (n,).
        loss: as in `solve`.
        penalty: one under which coefficients are exactly zero; its own strength plays no part.
        sample_weight: as in `solve`.
        offset: as in `solve`.
        normalize: as in `solve` (static).
        fit_intercept: as in `solve` (static).

    Raises:
        ArgumentError: as `solve`, or a penalty that leaves no coefficient exactly zero.

    >>> from jaxreg.penalties import L1
    >>> X, y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([4.0, -2.0, 1.5, 0.5])
    >>> solve_alpha_max(X, y, "squared", L1(1.0))
    Array(1.5, dtype=float32...)
    """
    loss = read_loss(loss)
    if not hasattr(penalty, "alpha_max"):
        remedy = "Give L1, ElasticNet, GroupLasso, or one's own with alpha_max(gradient)"
        raise ArgumentError("penalty", penalty, "must set coefficients to zero", remedy)
    setting, data = _read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
    free = jnp.broadcast_to(_read_factors(penalty, setting.shape) == 0, setting.shape).astype(data.X.dtype)
    null = jax.tree.map(lambda leaf: leaf[None], Without(wrap(penalty), free))
    return penalty.alpha_max(_null_slope(setting, normalize, wrap(loss), null, data))


@register_value()
@dataclasses.dataclass(frozen=True)
class Without:
    """No coefficient but those that are free, for which the penalty, of factor 0, is at most a bound."""

    penalty: Any
    free: Float[Array, "..."]

    def value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        """Nothing."""
        return jnp.zeros((), w.dtype)

    def prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        """0, or as the penalty has it."""
        kept = unwrap(self.penalty).prox(w, step) if getattr(self.penalty, "separable", False) else w
        return jnp.where(self.free > 0, kept, 0)


class _Data(NamedTuple):
    """Data as arrays, checked as far as they can be looked at; targets as the loss reads them."""

    X: Float[Array, "n p"]
    y: Float[Array, "..."]
    weight: Float[Array, " n"]
    offset: Float[Array, "..."]


class _Task(NamedTuple):
    """A problem in standard form, with all that is needed on the way back."""

    problem: Problem
    design: Standardized
    unit: Float[Array, ""]
    invalid: Any


def _read(
    X: Any, y: Any, loss: DataLoss, penalty: Any, sample_weight: Any, offset: Any, normalize: Any, fit_intercept: Any
) -> tuple[Setting, _Data]:
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
    return setting, _Data(X, y, weight, shift)


def _pose(setting: Setting, normalize: Normalize, loss: DataLoss, data: _Data) -> _Task:
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
    return _Task(problem, design, jnp.where(jnp.isfinite(unit) & (unit > 0), unit, 1), ~sound)


@partial(jax.jit, static_argnums=(0, 1))
def _fit(setting: Setting, normalize: Normalize, held: Any, stack: Any, data: _Data) -> Solution:
    """Solve for a stack of penalties, certify, and go back to the units of the data."""
    loss = unwrap(held)
    problem, design, unit, invalid = _pose(setting, normalize, loss, data)
    found = solve_stationary(setting, problem, held, stack, unit)

    def check(coef: Array, penalty: Any) -> tuple[Array, Array]:
        return certify(problem, loss, unwrap(penalty), coef, unit, expand(setting))

    axis = 0 if jax.tree.leaves(stack) else None
    gap, residual = lax.stop_gradient(jax.vmap(check, (0, axis))(found.coef, stack))
    limit = tolerance(gap.dtype)
    poor = jnp.where(jnp.isfinite(gap), gap > limit, ~(residual <= (1e-7 if limit < 1e-8 else 1e-3)))
    status = jnp.where(poor, int(Status.NOT_CONVERGED), 0)
    if not loss.bounded:
        status = status | jnp.where(found.shift > _FAR, int(Status.SEPARABLE), 0)
    status = status | jnp.where(design.constant.any(), int(Status.CONSTANT_COLUMN), 0)
    size = int(np.prod(setting.shape))
    coef = found.coef[:, :size].reshape(-1, *setting.shape)
    column = (slice(None),) + (None,) * (len(setting.shape) - 1)
    coef = jnp.where(design.constant[column], 0, coef) / design.scale[column]
    inner = jnp.einsum("ap...,p->a...", coef, design.center, precision="highest")
    intercept = found.coef[:, size:].reshape(inner.shape) - inner if setting.fit_intercept else jnp.zeros_like(inner)
    wrong = lax.stop_gradient(invalid | ~jnp.isfinite(coef).all(tuple(range(1, coef.ndim))))

    def mark(values: Array) -> Array:
        return jnp.where(wrong.reshape(-1, *[1] * (values.ndim - 1)), jnp.nan, values)

    status = jnp.where(wrong, int(Status.INVALID), status).astype(jnp.int32)
    return Solution(mark(coef), mark(intercept), mark(gap), mark(residual), status, None)


@partial(jax.jit, static_argnums=(0, 1))
def _null_slope(setting: Setting, normalize: Normalize, held: Any, null: Any, data: _Data) -> Array:
    """The gradient where only free coefficients are not 0."""
    loss = unwrap(held)
    problem, _, unit, invalid = _pose(setting, normalize, loss, data)
    plain = setting._replace(same=tuple(range(len(setting.same))), separable=True)
    coef = solve_stationary(plain, problem, held, null, unit).coef[0]
    slope = slope_at(problem, loss, coef, predict(problem, loss, coef), expand(setting))
    return jnp.where(invalid, jnp.nan, split(slope, setting)[0])


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


def _read_factors(penalty: Any, shape: tuple[int, ...]) -> Array:
    """The factor of each coefficient, that of its group where those have them, or 1."""
    held: list[Any] = [
        one for one in (getattr(penalty, "penalty", None), penalty) if getattr(one, "factors", None) is not None
    ]
    factors = jnp.asarray(held[0].factors if held else 1.0, jnp.result_type(float))
    if held and hasattr(held[0], "blocks"):
        labels = held[0].blocks(shape)
        return jnp.broadcast_to(factors, (labels.max() + 1,))[labels]
    return factors


def put_strength(penalty: Any, alpha: Float[Array, ""]) -> Any:
    """The penalty at another strength."""
    if hasattr(penalty, "at"):
        return penalty.at(alpha)
    if dataclasses.is_dataclass(penalty) and hasattr(penalty, "alpha"):
        return dataclasses.replace(penalty, alpha=alpha)  # type: ignore[type-var]
    remedy = "Make it a frozen dataclass with a field alpha, registered by jaxreg.values.register_value"
    raise ArgumentError("penalty", penalty, "must have a strength alpha", remedy)

"""Any loss with any penalty: fits, paths along a grid of strengths, and the strength at which a path begins."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.certificate import certify
from jaxreg.linear.design import Normalize
from jaxreg.linear.fit import Status, tolerance
from jaxreg.linear.held import unwrap, wrap
from jaxreg.linear.posing import Data, pose, read, read_loss
from jaxreg.linear.proximal_newton import Setting, predict, slope_at, split
from jaxreg.linear.solution import Solution, SolutionPath
from jaxreg.linear.stationary import expand, solve_stationary
from jaxreg.values import register_value

_Numbers = Num[Array | np.ndarray, "..."]
_FAR = 0.1  # nats: a last step that moves a predictor by more leads to infinity


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
    setting, data = read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
    stack = jax.tree.map(lambda leaf: leaf[None], wrap(penalty))
    found = _fit(setting, normalize, wrap(loss), stack, data)
    return jax.tree.map(lambda leaf: leaf[0], found)._replace(loss=wrap(loss))


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
    setting, data = read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
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
    setting, data = read(X, y, loss, penalty, sample_weight, offset, normalize, fit_intercept)
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


@partial(jax.jit, static_argnums=(0, 1))
def _fit(setting: Setting, normalize: Normalize, held: Any, stack: Any, data: Data) -> Solution:
    """Solve for a stack of penalties, certify, and go back to the units of the data."""
    loss = unwrap(held)
    problem, design, unit, invalid = pose(setting, normalize, loss, data)
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
    column = (None, slice(None)) + (None,) * (len(setting.shape) - 1)
    coef = jnp.where(design.constant[column], 0, coef) / design.scale[column]
    inner = jnp.einsum("ap...,p->a...", coef, design.center, precision="highest")
    intercept = found.coef[:, size:].reshape(inner.shape) - inner if setting.fit_intercept else jnp.zeros_like(inner)
    wrong = lax.stop_gradient(invalid | ~jnp.isfinite(coef).all(tuple(range(1, coef.ndim))))

    def mark(values: Array) -> Array:
        return jnp.where(wrong.reshape(-1, *[1] * (values.ndim - 1)), jnp.nan, values)

    status = jnp.where(wrong, int(Status.INVALID), status).astype(jnp.int32)
    return Solution(mark(coef), mark(intercept), mark(gap), mark(residual), status, None)


@partial(jax.jit, static_argnums=(0, 1))
def _null_slope(setting: Setting, normalize: Normalize, held: Any, null: Any, data: Data) -> Array:
    """The gradient where only free coefficients are not 0."""
    loss = unwrap(held)
    problem, _, unit, invalid = pose(setting, normalize, loss, data)
    plain = setting._replace(same=tuple(range(len(setting.same))), separable=True)
    coef = solve_stationary(plain, problem, held, null, unit).coef[0]
    slope = slope_at(problem, loss, coef, predict(problem, loss, coef), expand(setting))
    return jnp.where(invalid, jnp.nan, split(slope, setting)[0])


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

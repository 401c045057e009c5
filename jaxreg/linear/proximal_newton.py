"""Penalized generalized linear models along a grid of strengths: proximal Newton steps, each from the one before."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, PyTree

from jaxreg.linear.batching import when
from jaxreg.linear.data_loss import DataLoss
from jaxreg.linear.held import unwrap
from jaxreg.linear.quadratic_model import Prox, gain_of, make_metric, make_model, minimize_model

ITERATIONS = 300
"""Newton steps for one strength, at the most: Huber's parabolas, which only bound its curvature, take up to 200."""
_SLOWER = 0.9  # of a gain: with more left than this a step is checked against the objective, and halved
_HALVINGS = 30


class Problem(NamedTuple):
    """A design with, if there is an intercept, a last column of ones; target, offset, and weights of sum 1."""

    X: Float[Array, "n q"]
    y: Float[Array, "..."]
    weight: Float[Array, " n"]
    offset: Float[Array, "..."]


class Setting(NamedTuple):
    """What shapes the program: the size of the penalized part, intercept or not, blocks of the proximal step."""

    shape: tuple[int, ...]
    fit_intercept: bool
    same: Any
    separable: bool


class Found(NamedTuple):
    """Coefficients, the intercepts last; what a proximal step would still gain; how far the last step went."""

    coef: Float[Array, "*alphas m"]
    gain: Float[Array, "*alphas"]
    shift: Float[Array, "*alphas"]


class _State(NamedTuple):
    """A point with its predictors and slopes, the Hessian of some point before, and how it got here."""

    coef: Float[Array, " m"]
    eta: Float[Array, "..."]
    slope: Float[Array, " m"]
    hessian: Float[Array, "m m"]
    gain: Float[Array, ""]
    shift: Float[Array, ""]
    stalls: Int32[Array, ""]
    steps: Int32[Array, ""]


class _Trial(NamedTuple):
    """A step of some length: where it leads, the next length, if that is needed, and if the objective surely falls."""

    coef: Float[Array, " m"]
    eta: Float[Array, "..."]
    slope: Float[Array, " m"]
    gain: Float[Array, ""]
    part: Float[Array, ""]
    fails: Bool[Array, ""]
    lowers: Bool[Array, ""]
    halvings: Int32[Array, ""]


def tolerance(dtype: jnp.dtype) -> float:
    """Of the objective at the constant fit, what a proximal step may still gain: 1e-24, in float32 1e-12."""
    return 1e-24 if jnp.finfo(dtype).bits == 64 else 1e-12


def predict(problem: Problem, loss: DataLoss, coef: Float[Array, " m"]) -> Float[Array, "..."]:
    """The linear predictors."""
    return problem.offset + apply(problem.X, loss, coef)


def apply(X: Float[Array, "n q"], loss: DataLoss, coef: Float[Array, " m"]) -> Float[Array, "..."]:
    """The design times the coefficients, one predictor or several for each sample."""
    if loss.outputs is None:
        return jnp.einsum("nq,q->n", X, coef, precision="highest")
    return jnp.einsum("nq,qk->nk", X, coef.reshape(X.shape[1], loss.outputs), precision="highest")


def slope_at(problem: Problem, loss: DataLoss, coef: Array, eta: Array, setting: Setting) -> Float[Array, " m"]:
    """The gradient of the smooth part; of intercepts of several classes also that of their sum, which is free, to 0."""
    residual = loss.slope(eta, problem.y)
    if loss.outputs is None:
        return jnp.einsum("nq,n->q", problem.X, problem.weight * residual, precision="highest")
    residual = problem.weight[:, None] * residual
    slope = jnp.einsum("nq,nk->qk", problem.X, residual, precision="highest").reshape(-1)
    return slope + _fix(setting, loss, slope) * coef[-loss.outputs :].sum() if setting.fit_intercept else slope


def hessian_at(problem: Problem, loss: DataLoss, eta: Array, setting: Setting) -> Float[Array, "m m"]:
    """The Hessian of the smooth part, or what the loss says is above it."""
    X, curvature = problem.X, loss.curvature(eta, problem.y)
    if loss.outputs is None:
        return jnp.einsum("ni,nj->ij", X * (problem.weight * curvature)[:, None], X, precision="highest")
    curvature = problem.weight[:, None, None] * curvature
    full = jnp.einsum("ni,nkl,nj->ikjl", X, curvature, X, precision="highest")
    full = full.reshape(X.shape[1] * loss.outputs, -1)
    if not setting.fit_intercept:
        return full
    fixed = _fix(setting, loss, full[0])
    return full + jnp.outer(fixed, fixed)


def _fix(setting: Setting, loss: DataLoss, like: Array) -> Array:
    """1 at the intercepts, 0 elsewhere."""
    return (jnp.arange(like.shape[0]) >= like.shape[0] - loss.outputs).astype(like.dtype)


def value_at(problem: Problem, loss: DataLoss, eta: Array) -> Float[Array, ""]:
    """The weighted mean of the loss."""
    return (problem.weight * loss.value(eta, problem.y)).sum()


def split(coef: Float[Array, " m"], setting: Setting) -> tuple[Array, Array]:
    """The penalized coefficients, in their shape, and the intercepts."""
    size = int(np.prod(setting.shape))
    return coef[:size].reshape(setting.shape), coef[size:]


def make_prox(penalty: Any, setting: Setting) -> Prox:
    """The proximal step of a penalty on the coefficients, and none on the intercepts."""

    def prox(z: Float[Array, " m"], metric: Float[Array, " m"]) -> Float[Array, " m"]:
        part, rest = split(z, setting)
        steps = split(1 / metric, setting)[0] if setting.separable else 1 / metric[0]
        return jnp.concatenate([penalty.prox(part, steps).reshape(-1), rest])

    return prox


def start_at(problem: Problem, loss: DataLoss, penalty: Any, setting: Setting) -> Float[Array, " m"]:
    """No coefficient, as far as the penalty takes that, and the intercept of the constant fit."""
    part = jnp.zeros(setting.shape, problem.X.dtype)
    if penalty is not None:
        part = penalty.prox(part, jnp.ones((), part.dtype))
    if not setting.fit_intercept:
        return part.reshape(-1)
    constant = loss.start_beside(problem.y, problem.weight, problem.offset)
    return jnp.concatenate([part.reshape(-1), jnp.broadcast_to(constant, (loss.outputs or 1,))])


def solve_grid(problem: Problem, loss: DataLoss, penalties: PyTree, unit: Float[Array, ""], setting: Setting) -> Found:
    r"""Minimize $\sum_i \omega_i \ell(\eta_i, y_i) + P_k(b)$ for each of a stack of penalties.

    Every strength starts from the solution and the Hessian of the one before. Of its Newton steps every other one, the
    first for instance, goes by the Hessian that there is: it costs a fraction of a new one. A step that leaves nearly
    as much to gain as before is halved until the objective falls.

    Args:
        problem: the data.
        loss: of each sample.
        penalties: penalties whose leaves have a first axis for the strengths.
        unit: of the objective.
        setting: shapes.
    """
    goal = tolerance(problem.X.dtype) * unit

    def hessian_of(_: Array, eta: Array) -> Array:
        return hessian_at(problem, loss, eta, setting)

    def solve(before: _State, penalty: Any) -> tuple[_State, Found]:
        penalty = unwrap(penalty)
        prox = make_prox(penalty, setting)

        def paid(coef: Array) -> Array:
            return penalty.value(split(coef, setting)[0])

        def objective(coef: Array, eta: Array) -> Array:
            return value_at(problem, loss, eta) + paid(coef)

        def goes_on(state: _State) -> Bool[Array, ""]:
            return (state.gain > goal) & (state.steps < ITERATIONS) & (state.stalls < 4)

        def step(state: _State) -> _State:
            hessian = state.hessian
            if not loss.quadratic:
                hessian = when(goes_on(state) & (state.steps % 2 == 1), hessian_of, hessian, state.eta)
            model = make_model(hessian, setting.same)
            move = minimize_model(model, state.coef, state.slope, prox, paid, setting.same) - state.coef
            change = apply(problem.X, loss, move)

            here = gain_of(state.coef, state.slope, model.metric, prox)
            most = jnp.full_like(here, jnp.inf)

            def compare(_: Any, coef: Array, eta: Array, ahead: Array, beyond: Array) -> tuple[Array, Array]:
                """By how much the objective rises, and what of that may be rounding."""
                before = objective(coef, eta)
                return objective(ahead, beyond) - before, 4 * float(jnp.finfo(coef.dtype).eps) * jnp.abs(before)

            def fails(trial: _Trial) -> Bool[Array, ""]:
                return trial.fails & (trial.halvings < _HALVINGS)

            def attempt(trial: _Trial) -> _Trial:
                """A step of this length; only one that leaves too much to gain is asked whether the objective falls."""
                coef, eta = state.coef + trial.part * move, state.eta + trial.part * change
                slope = slope_at(problem, loss, coef, eta, setting)
                gain = gain_of(coef, slope, model.metric, prox)
                doubtful = ~(gain <= _SLOWER * here) & fails(trial)
                rise, slack = when(doubtful, compare, (-most, here), state.coef, state.eta, coef, eta)
                verdict = ~(rise <= slack), rise < -slack
                return _Trial(coef, eta, slope, gain, trial.part / 2, *verdict, trial.halvings + 1)

            one, yes = jnp.ones((), move.dtype), jnp.bool_(True)
            begin = _Trial(state.coef, state.eta, state.slope, here, one, yes, yes, jnp.int32(0))
            coef, eta, slope, gain, _, _, lowers, _ = lax.while_loop(fails, attempt, begin)
            stalls = jnp.where((gain > _SLOWER * here) & ~lowers, state.stalls + 1, 0).astype(jnp.int32)
            return _State(coef, eta, slope, hessian, gain, jnp.abs(change).max(), stalls, state.steps + 1)

        metric = make_model(before.hessian, setting.same).metric
        start = before._replace(
            gain=gain_of(before.coef, before.slope, metric, prox),
            shift=jnp.zeros_like(before.shift),
            stalls=jnp.int32(0),
            steps=jnp.int32(0),
        )
        end = lax.while_loop(goes_on, step, start)
        return end, Found(end.coef, end.gain, end.shift)

    first = unwrap(jax.tree.map(lambda leaf: leaf[0], penalties))
    coef = start_at(problem, loss, first, setting)
    eta = predict(problem, loss, coef)
    slope, zero = slope_at(problem, loss, coef, eta, setting), jnp.zeros_like(unit)
    state = _State(coef, eta, slope, hessian_of(eta, eta), zero, zero, jnp.int32(0), jnp.int32(0))
    return lax.scan(solve, state, penalties, length=None if jax.tree.leaves(penalties) else 1)[1]


def metric_at(problem: Problem, loss: DataLoss, eta: Array, setting: Setting) -> tuple[Array, Array]:
    """The metric of proximal steps at a point, and the diagonal of the Hessian; only blocks need all of it."""
    if setting.same is not None:
        hessian, metric = make_model(hessian_at(problem, loss, eta, setting), setting.same)
        return metric, jnp.diagonal(hessian)
    squares, curvature = problem.X * problem.X, loss.curvature(eta, problem.y)
    if loss.outputs is None:
        diagonal = jnp.einsum("nq,n->q", squares, problem.weight * curvature, precision="highest")
    else:
        own = problem.weight[:, None] * jnp.diagonal(curvature, axis1=-2, axis2=-1)
        diagonal = jnp.einsum("nq,nk->qk", squares, own, precision="highest").reshape(-1)
        if setting.fit_intercept:
            diagonal = diagonal + _fix(setting, loss, diagonal)
    return make_metric(diagonal), diagonal

"""The inner problem of proximal Newton steps: a quadratic model plus a penalty, block by block and on its support."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

_ROUNDS = 8  # of descent and a Newton step; from a warm start nearly all problems need one or two
_ENOUGH = 1e-4  # of what a step could gain at the start, which the next quadratic model makes good

Prox = Callable[[Float[Array, " m"], Float[Array, " m"]], Float[Array, " m"]]


class Model(NamedTuple):
    r"""The model $\tfrac12 \delta'H\delta + g'\delta$ and the metric $D$ of proximal steps, constant on a block."""

    hessian: Float[Array, "m m"]
    metric: Float[Array, " m"]


class _Point(NamedTuple):
    """Coefficients, slopes of the model there, what one step could gain, and rounds so far."""

    coef: Float[Array, " m"]
    slope: Float[Array, " m"]
    gain: Float[Array, ""]
    rounds: Int32[Array, ""]


def make_model(hessian: Float[Array, "m m"], same: Bool[np.ndarray, "m m"] | None) -> Model:
    r"""The model with, as the metric of each block, a bound of its eigenvalues: the largest row sum of magnitudes.

    Args:
        hessian: $H$, positive semidefinite.
        same: whether two coefficients share a block; None where each is its own.
    """
    if same is None:
        return Model(hessian, make_metric(jnp.diagonal(hessian)))
    rows = jnp.where(same, jnp.abs(hessian), 0).sum(-1)
    return Model(hessian, make_metric(jnp.where(same, rows, 0).max(-1)))


def make_metric(bound: Float[Array, " m"]) -> Float[Array, " m"]:
    """A bound of the curvature of each coefficient as a metric, which is never 0."""
    least = float(jnp.finfo(bound.dtype).eps) * bound.max()
    return jnp.maximum(jnp.where(bound > 0, bound, 1), jnp.where(least > 0, least, 1))


def gain_of(coef: Float[Array, " m"], slope: Float[Array, " m"], metric: Float[Array, " m"], prox: Prox) -> Array:
    r"""What the proximal step would gain on independent blocks, $\tfrac12\|\mathrm{prox}(b - D^{-1}g) - b\|_D^2$."""
    move = prox(coef - slope / metric, metric) - coef
    return (metric * move * move).sum() / 2


def minimize_model(
    model: Model,
    coef: Float[Array, " m"],
    slope: Float[Array, " m"],
    prox: Prox,
    value: Callable[[Float[Array, " m"]], Float[Array, ""]],
    same: Bool[np.ndarray, "m m"] | None,
) -> Float[Array, " m"]:
    r"""Nearly minimize $g'(u - b) + \tfrac12 (u - b)'H(u - b) + P(u)$, from u = b.

    In rounds: a Newton step for the equation $u = \mathrm{prox}(u - D^{-1} g(u))$ is as good as exact on the support,
    and is taken where it leaves less to gain and the model does not rise: of more coefficients than rows it may go far
    along what the data do not see. Before every round but the first, as a warm start mostly has the support, proximal
    steps on the blocks that gain the most look for it, twice as many in each round.

    Args:
        model: $H$ and $D$.
        coef: $b$.
        slope: $g$, of the smooth part at b.
        prox: the proximal step of $P$ from a point, with step sizes $D^{-1}$.
        value: $P$.
        same: whether two coefficients share a block; None where each is its own.
    """
    start = gain_of(coef, slope, model.metric, prox)
    goal = _ENOUGH * start

    def improve(point: _Point) -> _Point:
        coef, slope = _descend(model, point, prox, same, goal)
        move = _newton(model, coef, slope, prox, goal)
        ahead = coef + move
        there = prox(ahead - (slope + multiply(model.hessian, move)) / model.metric, model.metric)
        beyond = slope + multiply(model.hessian, there - coef)
        pair = jnp.stack([coef, there]), jnp.stack([slope, beyond])
        here_gain, there_gain = jax.vmap(lambda c, s: gain_of(c, s, model.metric, prox))(*pair)
        paid = jnp.stack([(slope + beyond) @ (there - coef) / 2, value(there), -value(coef)])
        rises = paid.sum() > 8 * float(jnp.finfo(coef.dtype).eps) * jnp.abs(paid).max()
        better = (there_gain < here_gain) & ~rises
        return _Point(
            jnp.where(better, there, coef),
            jnp.where(better, beyond, slope),
            jnp.where(better, there_gain, here_gain),
            point.rounds + 1,
        )

    def goes_on(point: _Point) -> Bool[Array, ""]:
        return (point.gain > goal) & (point.rounds < _ROUNDS)

    return lax.while_loop(goes_on, improve, _Point(coef, slope, start, jnp.int32(0))).coef


def multiply(matrix: Float[Array, "m m"], vector: Float[Array, " m"]) -> Float[Array, " m"]:
    """A matrix times a vector."""
    return jnp.einsum("ij,j->i", matrix, vector, precision="highest")


def _descend(
    model: Model, point: _Point, prox: Prox, same: Bool[np.ndarray, "m m"] | None, goal: Array
) -> tuple[Array, Array]:
    """Proximal steps, each on the block that gains the most: none in the first round, ever more in later ones."""
    (m,) = point.coef.shape
    numbers = jnp.arange(m, dtype=jnp.int32)
    steps = jnp.int32(8 + m // 8) * (2**point.rounds - 1)

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        coef, slope, _, count = state
        move = prox(coef - slope / model.metric, model.metric) - coef
        gain = model.metric * move * move
        if same is not None:
            gain = jnp.where(same, gain, 0).sum(-1)
        most = gain.max()
        first = jnp.where(gain == most, numbers, m - 1).min()
        if same is None:
            move = jnp.where(numbers == first, move, 0)
            change = lax.dynamic_index_in_dim(model.hessian, first, keepdims=False) * move.sum()
        else:
            move = jnp.where(lax.dynamic_index_in_dim(jnp.asarray(same), first, keepdims=False), move, 0)
            change = multiply(model.hessian, move)
        return coef + move, slope + change, most, count + 1

    def goes_on(state: tuple[Array, ...]) -> Bool[Array, ""]:
        return (state[2] > goal / m) & (state[3] < steps)

    start: tuple[Array, ...] = (point.coef, point.slope, jnp.full_like(goal, jnp.inf), jnp.int32(0))
    coef, slope, *_ = lax.while_loop(goes_on, step, start)
    return coef, slope


def _newton(model: Model, coef: Array, slope: Array, prox: Prox, goal: Array) -> Array:
    r"""The Newton step of $F(u) = u - \mathrm{prox}(u - D^{-1} g(u))$, by conjugate gradients.

    With J the derivative of the proximal step, symmetric in the metric D, and $B = I - D^{-1}H$, the step x solves
    $(I - JB) x = -F$. It is $x = -F + Jy$ with $D (J - JBJ) y = -D J B F$, which is symmetric and positive
    semidefinite; on the support of an L1 penalty it is $H_{SS} y_S = -g_S \mp \alpha$.
    """
    hessian, metric = model
    moved, push = jax.linearize(lambda z: prox(z, metric), coef - slope / metric)
    miss = coef - moved

    def apply(y: Array) -> Array:
        w = push(y)
        return push(metric * (y - w) + multiply(hessian, w))

    right = push(multiply(hessian, miss) - metric * miss)
    return _conjugate_gradients(apply, right, metric, goal / 10, push) - miss


def _conjugate_gradients(
    apply: Callable[[Array], Array], right: Array, metric: Array, goal: Array, push: Callable[[Array], Array]
) -> Array:
    """J times the solution of `apply(y) = right`, until half the square of what is left in the metric is the goal."""
    (m,) = right.shape

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        y, rest, line, square, count = state
        bent = apply(line)
        curvature = (line * bent).sum()
        curved = curvature > 0  # else, as where a penalty is concave, it ends here
        pace = jnp.where(curved, square / jnp.where(curved, curvature, 1), 0)
        y, rest = y + pace * line, rest - pace * bent
        later = jnp.where(curved, (rest * rest / metric).sum(), 0)
        line = rest / metric + later / jnp.where(square > 0, square, 1) * line
        return y, rest, line, later, count + 1

    def goes_on(state: tuple[Array, ...]) -> Bool[Array, ""]:
        return (state[3] > 2 * goal) & (state[4] < m + 4)

    line = right / metric
    start: tuple[Array, ...] = (jnp.zeros_like(right), right, line, (right * line).sum(), jnp.int32(0))
    return push(lax.while_loop(goes_on, step, start)[0])

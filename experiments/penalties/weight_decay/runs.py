"""Runs with weight decay on one random linear regression: in the loss, in the gradient, or apart from both."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import lsq_linear

from jaxreg import randomness
from jaxreg.linear.factor import svd
from jaxreg.linear.ridge import ridge_path
from jaxreg.nets.optimizers import build, make_schedule

OPTIMIZERS = ("sgd", "momentum", "adam")
FORMS = ("in the loss", "coupled", "decoupled")
MOMENTUM = 0.9
ENDS = ("adam + l2", "adamw", "momentum, decoupled")
"""What is run to the end: L2 through Adam, decay past Adam, decay past the momentum."""
SOLUTIONS = ("ridge", "weaker ridge", "nearest ridge")
_COMMON = 0.7
_START = 2.0
_GRID = np.geomspace(1e-3, 1e5, 161)


class Problem(NamedTuple):
    """Data (m, p) and (m, 1), with 1 the largest eigenvalue of X'X/m, and weights (p, 1) to start from."""

    X: Any
    y: Any
    start: Any


class Decay(NamedTuple):
    """How much of each form there is: c of ½c‖θ‖² in the loss, c of cθ in the gradient, w of wθ in the direction."""

    in_loss: Any
    coupled: Any
    decoupled: Any


def make_problem(seed: Any, samples: int, columns: int) -> Problem:
    """A regression on correlated Gaussian features."""
    sizes = (samples * columns, samples, samples, columns, columns)
    # One draw, cut into pieces: every further one costs a third of a second to compile.
    drawn = jax.random.normal(randomness.split(seed, "problem")["problem"], (sum(sizes),), jnp.result_type(float))
    features, common, noise, truth, start = jnp.split(drawn, np.cumsum(sizes)[:-1])
    X = features.reshape(samples, columns) + _COMMON * common[:, None]
    X = X * jnp.sqrt(samples) / svd(X)[1][0]
    y = X @ truth[:, None] + noise[:, None] / 2
    return Problem(X, y, _START * start[:, None])


def descend(name: str, problem: Problem, decay: Decay, rate: Callable[[Any], Any], moments: Any, keep: bool) -> Any:
    """The weights (steps + 1, p) after 0, 1, ... steps, or the last alone; a moment is (step, rows of X to use)."""
    optimizer = build(name, MOMENTUM if name == "momentum" else None, decay.coupled, decay.decoupled)

    def loss(theta: Any, X: Any, y: Any) -> Any:
        return ((X @ theta - y) ** 2).mean() / 2 + decay.in_loss / 2 * (theta**2).sum()

    def step(carry: tuple[Any, Any], moment: tuple[Any, Any]) -> tuple[tuple[Any, Any], Any]:
        theta, memory = carry
        number, rows = moment
        batch = (problem.X, problem.y) if rows is None else (problem.X[rows], problem.y[rows])
        direction, memory = optimizer.update(jax.grad(loss)(theta, *batch), memory, theta)
        theta = theta - rate(number) * direction
        return (theta, memory), theta[:, 0] if keep else None

    (last, _), path = jax.lax.scan(step, (problem.start, optimizer.init(problem.start)), moments)
    return jnp.concatenate([problem.start.T, path]) if keep else last[:, 0]


def follow_problem(
    strengths: Any,
    learning_rate: Any,
    strength: Any,
    learning_rates: Any,
    *,
    seed: Any,
    steps: int,
    samples: int,
    columns: int,
    batch_size: int,
) -> dict[str, Any]:
    """Of one problem: gradient descent for each strength, and the forms of decay compared at one of them."""
    problem = make_problem(seed, samples, columns)
    rows = jax.random.randint(randomness.split(seed, "order")["order"], (steps, batch_size), 0, samples)
    return {
        **follow_strengths(problem, strengths, learning_rate, steps),
        "apart": compare_forms(problem, strength / samples, learning_rates, rows),
    }


def follow_strengths(problem: Problem, strengths: Any, learning_rate: Any, steps: int) -> dict[str, Any]:
    r"""Gradient descent $\theta \leftarrow \theta(1 - \alpha\lambda/m) - (\alpha/m) X'(X\theta - y)$ for each λ.

    In the direction of the eigenvector with eigenvalue μ of X'X/m it is
    $\theta_i(k) = \theta_i^* + (1 - \alpha(\mu_i + \lambda/m))^k (\theta_i(0) - \theta_i^*)$, with $\theta_i^* =
    z_i / (\mu_i + \lambda/m)$ and z = V'X'y/m.
    """
    X, y, start = problem
    samples = len(X)
    coupled = jnp.asarray(strengths) / samples
    zero = jnp.zeros_like(coupled)
    moments = (jnp.arange(steps), None)
    run = jax.vmap(lambda decay: descend("sgd", problem, decay, lambda _: learning_rate, moments, True))
    theta = run(Decay(zero, coupled, zero))
    _, singular, transposed = svd(X)
    values, vectors = singular**2 / samples, transposed.T
    fixed = ((vectors.T @ X.T @ y)[:, 0] / samples)[None] / (values[None] + coupled[:, None])
    factor = 1 - learning_rate * (values[None] + coupled[:, None])
    powers = factor[:, None] ** jnp.arange(steps + 1, dtype=factor.dtype)[None, :, None]
    expected = fixed[:, None] + powers * ((vectors.T @ start)[None, :, 0] - fixed)[:, None]
    found = theta @ vectors
    distance = jnp.linalg.norm(found - expected, axis=-1) / jnp.linalg.norm(expected, axis=-1)
    without = theta[:, 1:] + learning_rate * coupled[:, None, None] * theta[:, :-1]  # the same step, without decay
    return {
        "norm": jnp.linalg.norm(theta, axis=-1),
        "norm_without": jnp.linalg.norm(without, axis=-1),
        "off": distance.max(-1),
        "direction": found,
        "direction_exact": expected,
        "eigenvalue": values,
    }


def compare_forms(problem: Problem, decay: Any, learning_rates: Any, rows: Any) -> Any:
    """How far the forms are from L2 in the loss after each step, on the same mini-batches, relative to it."""
    decays = Decay(*(jnp.eye(len(FORMS)) * decay))
    apart = []
    for name, rate in zip(OPTIMIZERS, learning_rates, strict=True):
        theta = jax.vmap(partial(_descend_on, name, problem, rate, rows))(decays)
        distance = jnp.linalg.norm(theta - theta[:1], axis=-1) / jnp.linalg.norm(theta[:1], axis=-1)
        apart.append(distance[:, 1:])
    return jnp.stack(apart)


def _descend_on(name: str, problem: Problem, rate: Any, rows: Any, decay: Decay) -> Any:
    return descend(name, problem, decay, lambda _: rate, (None, rows), True)


def reach_ends(
    strength: Any, box: Any, learning_rates: Any, *, seed: Any, steps: int, samples: int, columns: int
) -> Any:
    """Where full-batch runs with a falling learning rate end, and solutions of ridge to compare with.

    The decay w past Adam is such that 1/w is the share `box` of the largest weight of least squares.
    """
    problem = make_problem(seed, samples, columns)
    alphas = jnp.concatenate([jnp.stack([strength, (1 - MOMENTUM) * strength, 0 * strength]), jnp.asarray(_GRID)])
    ridge = ridge_path(problem.X, problem.y[:, 0], alphas, fit_intercept=False).coef
    decay = 1 / (box * jnp.abs(ridge[2]).max())
    coupled = strength / samples
    zero = jnp.zeros_like(coupled)
    rates = [make_schedule("cosine", rate, steps) for rate in learning_rates]
    moments = (jnp.arange(steps), None)
    both = Decay(jnp.stack([zero, zero]), jnp.stack([coupled, zero]), jnp.stack([zero, decay]))
    adam = jax.vmap(lambda each: descend("adam", problem, each, rates[1], moments, False))(both)
    momentum = descend("momentum", problem, Decay(zero, zero, coupled), rates[0], moments, False)
    nearest = ridge[2:][jnp.linalg.norm(ridge[2:] - adam[1:2], axis=-1).argmin()]
    return {
        "end": jnp.concatenate([adam, momentum[None]]),
        "ridge": jnp.stack([ridge[0], ridge[1], nearest]),
        "bound": 1 / decay,
        "X": problem.X,
        "y": problem.y[:, 0],
    }


def minimize_in_box(X: np.ndarray, y: np.ndarray, bound: float) -> np.ndarray:
    r"""The least squares of $\|\theta\|_\infty \le$ `bound`, by SciPy's solver of bounded least squares.

    >>> minimize_in_box(np.eye(2), np.array([3.0, -0.5]), 1.0).round(6)
    array([ 1. , -0.5])
    """
    return np.asarray(lsq_linear(X, y, bounds=(-bound, bound), method="bvls", tol=1e-12).x)

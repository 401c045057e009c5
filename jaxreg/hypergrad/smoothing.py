"""Hypergradients of a smoothed objective: over seeds and small changes of the hyperparameters, with their error."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int32, Key, PyTree

from jaxreg import randomness
from jaxreg.checks import MOST, POSITIVE, check_choice, check_integer, check_key, check_kind
from jaxreg.hypergrad.coordinates import flatten, read_coordinates, read_hyperparameters
from jaxreg.hypergrad.gradients import MODES, count_runs, differentiate
from jaxreg.hypergrad.objective import Hyperparameters, evaluate, names_of
from jaxreg.hypergrad.status import flag_lost
from jaxreg.hypergrad.training import Training
from jaxreg.nets.training import begin, make_epoch, make_record

ESTIMATORS = ("evolution", "pathwise")
NOISES = ("persistent", "reused")


class Smoothed(NamedTuple):
    """A mean over draws: of the value, of the gradient in what `tune` moves, and the latter's standard error.

    `variance` is that of one draw's gradient, summed over its entries, times the training steps that a draw takes (of
    an objective that is no training, runs): what one compares estimators by. `status` is INVALID where a number among
    them is none, as when `sigma` leads where nothing is finite.
    """

    value: Float[Array, ""]
    gradient: PyTree
    error: PyTree
    variance: Float[Array, ""]
    status: Int32[Array, ""]


def smooth_gradient(
    objective: Any,
    at: Hyperparameters,
    *,
    seed: Key[Array, ""],
    sigma: float | Float[Array, ""] = 0.1,
    samples: int = 64,
    estimator: str = "evolution",
    mode: str = "auto",
    transforms: Mapping[str, str] | None = None,
) -> Smoothed:
    r"""The gradient of $\tilde L(u) = E\, L(u + \sigma z)$, z standard normal, and over the seeds of a training.

    Smoothed over $\sigma$, an objective has a derivative that means something, however rough it is: the remedy where
    `gauge` says CHAOTIC.

    | `estimator` | one draw |
    | --- | --- |
    | "evolution" | $z\, (L(u + \sigma z) - L(u - \sigma z)) / 2\sigma$: two runs, no derivative; sees jumps too |
    | "pathwise" | $\nabla L(u + \sigma z)$: of the same mean where L is continuous, of other variance |

    Args:
        objective: as in `gradient`; a `Training` gets another seed in each draw, the same for both runs of a pair.
        at: where, in hyperparameters.
        seed: a typed PRNG key.
        sigma: $\sigma > 0$, in what is moved: of logarithms, a relative change.
        samples: draws, 2 or more (static).
        estimator: "evolution" or "pathwise" (static).
        mode: of "pathwise", as in `gradient` (static).
        transforms: as in `tune` (static).

    Raises:
        ArgumentError: as `gradient`, no positive sigma, or an unknown estimator.

    >>> found = smooth_gradient(lambda h: jnp.sign(h["a"]), {"a": 0.0}, seed=jax.random.key(0), sigma=1.0, samples=1000,
    ...                         transforms={"a": "identity"})
    >>> bool(abs(found.gradient["a"] - 2 / jnp.sqrt(2 * jnp.pi)) < 4 * found.error["a"])  # twice the normal density
    True

    Source: Nesterov and Spokoiny, Found. Comput. Math. 17 (2017) 527-566.
    """
    check_choice("estimator", estimator, ESTIMATORS)
    check_choice("mode", mode, MODES)
    check_integer("samples", samples, 2, MOST, "Give 64")
    check_key("seed", seed)
    at = read_hyperparameters(at, names_of(objective))
    coordinates = read_coordinates(at, transforms)
    vector, back = flatten(coordinates.forth(at))
    POSITIVE.check("sigma", sigma, "Give 0.1, a tenth in logarithms", vector.dtype)
    sigma = jnp.asarray(sigma, vector.dtype)

    def draw(key: Key[Array, ""]) -> tuple[Array, Array]:
        keys = randomness.split(key, "noise", "run")
        z = jax.random.normal(keys["noise"], vector.shape, vector.dtype)
        own = dataclasses.replace(objective, seed=keys["run"]) if isinstance(objective, Training) else objective
        if estimator == "pathwise":
            found = differentiate(own, coordinates, back(vector + sigma * z), mode)
            return found.value, flatten(found.gradient)[0]
        high, low = (evaluate(own, coordinates.back(back(vector + s * sigma * z))).value for s in (1, -1))
        return (high + low) / 2, z * (high - low) / (2 * sigma)

    values, slopes = jax.vmap(draw)(jax.random.split(seed, samples))
    runs = 2 if estimator == "evolution" else count_runs(mode, vector.size)
    return _summarize(values, slopes, back, runs * (objective.steps if isinstance(objective, Training) else 1))


def persistent_gradient(
    training: Training,
    at: Hyperparameters,
    *,
    seed: Key[Array, ""],
    sigma: float | Float[Array, ""] = 0.1,
    particles: int = 64,
    noise: str = "persistent",
    transforms: Mapping[str, str] | None = None,
) -> Smoothed:
    r"""Evolution strategies that go on from epoch to epoch: unbiased, online, and without a derivative.

    Pairs of trainings run with hyperparameters $u \pm \epsilon_k$ in epoch k. With "persistent" noise each
    $\epsilon_k \sim N(0, \sigma^2)$ is drawn anew, $\xi_k = \sum_{j \le k} \epsilon_j$, and a pair gives

    $$\frac{1}{2\sigma^2} \sum_k \xi_k\, (L_k^+ - L_k^-) w_k,$$

    with "reused" noise all $\epsilon_k$ are the first one, and so is $\xi$. $w_k$ are 1 over the epochs for a training
    that averages its record, else 1 in the last epoch alone. The derivative is that of the loss when every epoch has
    the same u, smoothed; both estimate it without bias for the objective smoothed in their way. Persistent noise has
    the variance that grows with the epochs where they matter alike; reused noise less, where the loss is smooth.

    Args:
        training: with `average`, the mean over epochs.
        at: where.
        seed: a typed PRNG key; each pair has a run of its own, shared by its two.
        sigma: $\sigma > 0$, in what is moved.
        particles: pairs, 2 or more (static).
        noise: "persistent" or "reused" (static).
        transforms: as in `tune` (static).

    Raises:
        ArgumentError: as `smooth_gradient`; a training that is none.

    >>> x, y = jnp.eye(4), jnp.arange(4) % 2
    >>> settings = {"hidden": (4,), "classes": 2, "batch_size": 2, "epochs": 2, "learning_rate": 0.5}
    >>> training = Training(x, y, x, y, seed=jax.random.key(0), options=settings)
    >>> found = persistent_gradient(training, {"learning_rate": 0.5}, seed=jax.random.key(1), particles=8)
    >>> bool(found.error["learning_rate"] > 0)
    True

    Source: Vicol, Metz and Sohl-Dickstein, ICML 2021 (persistent); Li et al., NeurIPS 2023 (noise-reuse).
    """
    check_kind("training", training, Training, "Give hypergrad.Training(...); smooth_gradient takes any function")
    check_choice("noise", noise, NOISES)
    check_integer("particles", particles, 2, MOST, "Give 64")
    check_key("seed", seed)
    at = read_hyperparameters(at, training.names)
    coordinates = read_coordinates(at, transforms)
    vector, back = flatten(coordinates.forth(at))
    POSITIVE.check("sigma", sigma, "Give 0.1, a tenth in logarithms", vector.dtype)
    sigma = jnp.asarray(sigma, vector.dtype)
    epochs = training.epochs
    weights = jnp.full(epochs, 1 / epochs) if training.average else (jnp.arange(epochs) == epochs - 1).astype(float)
    weights = weights.astype(vector.dtype)

    def draw(key: Key[Array, ""]) -> tuple[Array, Array]:
        keys = randomness.split(key, "noise", "run")
        z = jax.random.normal(keys["noise"], (1 if noise == "reused" else epochs, vector.size), vector.dtype)
        shifts = sigma * jnp.broadcast_to(z, (epochs, vector.size))

        def settings(shift: Array) -> Any:
            return training.read(coordinates.back(back(vector + shift)), keys["run"])

        def epoch(carry: Any, this: tuple[Array, Array, Array]) -> tuple[Any, Array]:
            states, total, estimate = carry
            number, shift, weight = this

            def advance(state: PyTree, sign: Array) -> tuple[PyTree, Array]:
                of = settings(sign * shift)
                after, _ = make_epoch(of)(state, number)
                return after, make_record(of)(*after[:2])[training.objective]

            states, losses = jax.vmap(advance)(states, jnp.array([1.0, -1.0], vector.dtype))
            total = shift if noise == "reused" else total + shift
            estimate = estimate + weight * total * (losses[0] - losses[1]) / (2 * sigma * sigma)
            return (states, total, estimate), weight * losses.mean()

        first = jax.vmap(lambda sign: begin(settings(sign * shifts[0])))(jnp.array([1.0, -1.0], vector.dtype))
        zero = jnp.zeros_like(vector)
        (_, _, estimate), values = lax.scan(epoch, (first, zero, zero), (jnp.arange(epochs), shifts, weights))
        return values.sum(), estimate

    values, slopes = jax.vmap(draw)(jax.random.split(seed, particles))
    return _summarize(values, slopes, back, 2 * training.steps)


def _summarize(values: Array, slopes: Array, back: Any, cost: int) -> Smoothed:
    spread = slopes.var(0, ddof=1)
    error = jnp.sqrt(spread / slopes.shape[0])
    value, slope, variance = values.mean(), slopes.mean(0), spread.sum() * cost
    return Smoothed(value, back(slope), back(error), variance, flag_lost(value, slope, variance))

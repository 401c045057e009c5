"""Networks that predict an answer from a condition, trained with four losses, where several answers fit."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxreg as jr
from jaxreg.nets import MLP
from jaxreg.randomness import random_normals, random_words

LOSSES: dict[str, dict[str, Any]] = {
    "squared": {"form": "direct", "choice": 0},
    "absolute": {"form": "direct", "choice": 1},
    "mixture": {"form": "direct", "choice": 2},
    "adversarial": {"form": "adversarial", "choice": 3},
}
"""What each loss sets of `train`: those that a network minimizes alone share one program; a number tells which."""
_BETAS = {"b1": 0.5, "b2": 0.99}  # of Adam in the adversarial game, where more momentum makes the players circle
_AVERAGED = 0.995  # per step, of the generator's weights

Predict = Callable[[Any, Any], Any]


def train(
    key: Any,
    conditions: Any,
    answers: Any,
    *,
    form: str,
    choice: Any,
    learning_rate: Any,
    hidden: tuple[int, ...],
    components: int,
    noise: int,
    smoothness: float,
    bounded: bool,
    steps: int,
    batch_size: int,
) -> Predict:
    r"""Train a network on pairs of condition x and answer y by Adam, on random batches, its rate a cosine to 0.

    - "direct" minimizes the mean of `losses.squared`, `losses.absolute` or `losses.gaussian_mixture`, as `choice` is
      0, 1 or 2, of what an `MLP` says for each entry of the answer. With the last one it predicts a draw from the
      mixture.
    - "adversarial" trains a generator $g(x, z)$ of normal z against a discriminator, which says of a pair (x, y) or
      (x, g(x, z)) whether it is real. Each has its binary cross-entropy, the generator that of being taken for real,
      and the discriminator is held smooth by the penalty $\tfrac{\gamma}{2} \|\nabla_y D(x, y)\|^2$ on real answers.
      It predicts with the running average of its weights.

    Conditions are (n, inputs) and answers (n, outputs). The discriminator is as `hidden` as the network. `choice` may
    be traced; without `components` the mixture is left out of the network, and it is 0 or 1. z has `noise` numbers,
    `smoothness` is γ, and a `bounded` generator says numbers from 0 to 1 alone, as pixels are.

    Returns:
        Function of conditions and a key that predicts an answer to each.

    Source: Bishop, Mixture density networks (1994); Goodfellow et al., Generative adversarial nets (2014); Mirza and
    Osindero, Conditional generative adversarial nets (2014); Mescheder, Geiger and Nowozin, Which training methods for
    GANs do actually converge? (2018), for the penalty and the average.
    """
    streams = jr.randomness.split(key, "init", "batches", "noise")
    schedule = optax.cosine_decay_schedule(1.0, steps)

    def rate(count: Any) -> Any:
        return learning_rate * schedule(count)

    if form == "direct":
        start, step, predict = _direct(streams["init"], conditions, answers, rate, hidden, components, choice)
    else:
        sizes = (hidden, noise, smoothness, bounded)
        start, step, predict = _adversarial(streams["init"], conditions, answers, rate, *sizes)

    def follow(state: Any, number: Any) -> tuple[Any, None]:
        words = random_words(streams["batches"], 1, batch_size, number)[:, 0]
        chosen = words % jnp.uint32(len(conditions))
        z = _draw(streams["noise"], batch_size, noise, number)
        return step(state, conditions[chosen], answers[chosen], z), None

    state, _ = jax.lax.scan(follow, start, jnp.arange(steps))
    return partial(predict, state)


def adam(rate: Any, **betas: float) -> optax.GradientTransformation:
    """Adam that strict promotion of types lets through, as Optax mixes floats and integers."""
    whole = optax.adam(rate, **betas)

    def update(gradient: Any, memory: Any, params: Any = None) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):
            return whole.update(gradient, memory, params)

    return optax.GradientTransformation(whole.init, update)


def _draw(key: Any, rows: int, columns: int, number: Any = 0) -> Any:
    """Normal numbers (rows, columns), in a way that compiles in a fifth of the time of `jax.random.normal`."""
    return random_normals(key, 1, rows * columns, number).reshape(rows, columns)


def draw_uniform(key: Any, count: int) -> Any:
    """Numbers from 0 to 1."""
    return random_words(key, 1, count)[:, 0].astype(jnp.result_type(float)) * 2.0**-32


def _initialize(key: Any, model: MLP, inputs: int) -> Any:
    """Parameters of a network, all weights from one draw, of variance 1 over the number of inputs of their layer."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, key, jnp.zeros((1, inputs))))
    normals, used, values = random_normals(key, 1, sum(leaf.size for leaf in leaves))[:, 0], 0, []
    for leaf in leaves:
        drawn = normals[used : used + leaf.size].reshape(leaf.shape)
        values.append(drawn / math.sqrt(leaf.shape[1]) if leaf.ndim == 2 else jnp.zeros(leaf.shape))
        used += leaf.size
    return jax.tree.unflatten(structure, values)


def _direct(
    key: Any, conditions: Any, answers: Any, rate: Any, hidden: tuple[int, ...], components: int, choice: Any
) -> Any:
    """First state, step and prediction of a network that minimizes a loss."""
    outputs, parts = answers.shape[1], 3 * components if components else 1
    model, optimizer = MLP(hidden, parts * outputs, "tanh"), adam(rate)

    def say(params: Any, x: Any) -> Any:
        """Logits, means and log-widths (3, batch, outputs, components), or nothing but the mean."""
        shape = (len(x), outputs, components, 3) if components else (len(x), outputs, 1, 1)
        said: Any = model.apply(params, x)
        return jnp.moveaxis(said.reshape(shape), -1, 0)

    def loss(params: Any, x: Any, y: Any) -> Any:
        said = say(params, x)
        point = said[min(1, len(said) - 1), ..., 0]
        values = [jr.losses.squared(point, y), jr.losses.absolute(point, y)]
        values += [jr.losses.gaussian_mixture(said[0], said[1], said[2], y)] if components else []
        return jnp.stack([value.mean() for value in values])[choice]

    def step(state: Any, x: Any, y: Any, _: Any) -> Any:
        params, memory = state
        updates, memory = optimizer.update(jax.grad(loss)(params, x, y), memory, params)
        return optax.apply_updates(params, updates), memory

    def predict(state: Any, x: Any, draw: Any) -> Any:
        said = say(state[0], x)
        if not components:
            return said[0, ..., 0]
        logits, means, log_scales = said
        streams = jr.randomness.split(draw, "component", "place")
        levels = jnp.cumsum(jax.nn.softmax(logits), -1)[..., :-1]
        unit = draw_uniform(streams["component"], outputs * len(x)).reshape(len(x), outputs, 1)
        chosen = (unit > levels).sum(-1, keepdims=True)
        mean, log_scale = (jnp.take_along_axis(part, chosen, -1)[..., 0] for part in (means, log_scales))
        drawn = mean + jnp.exp(log_scale) * _draw(streams["place"], len(x), outputs)
        return jnp.where(choice == LOSSES["mixture"]["choice"], drawn, means[..., 0])

    params = _initialize(key, model, conditions.shape[1])
    return (params, optimizer.init(params)), step, predict


def _adversarial(
    key: Any,
    conditions: Any,
    answers: Any,
    rate: Any,
    hidden: tuple[int, ...],
    noise: int,
    smoothness: float,
    bounded: bool,
) -> Any:
    """First state, step and prediction of a generator and its discriminator."""
    generator = MLP(hidden, answers.shape[1], "leaky_relu")
    discriminator = MLP(hidden, 1, "leaky_relu")
    optimizer = adam(rate, **_BETAS)

    def generate(params: Any, x: Any, z: Any) -> Any:
        said: Any = generator.apply(params, jnp.concatenate([x, z], 1))
        return jax.nn.sigmoid(said) if bounded else said

    def judge(params: Any, x: Any, y: Any) -> Any:
        verdict: Any = discriminator.apply(params, jnp.concatenate([x, y], 1))
        return verdict[:, 0]

    def lose(params: Any, x: Any, y: Any, z: Any) -> Any:
        """The sum of both losses, each of which depends on its own player alone."""
        made, critic = params
        fake, ones = generate(made, x, z), jnp.ones(len(x))
        cross_entropy = jr.losses.binary_cross_entropy_from_logits
        real, pull = jax.vjp(partial(judge, critic, x), y)
        smooth = smoothness / 2 * (pull(ones)[0] ** 2).sum(1)
        detected = cross_entropy(judge(critic, x, jax.lax.stop_gradient(fake)), jnp.zeros(len(x)))
        deceived = cross_entropy(judge(jax.lax.stop_gradient(critic), x, fake), ones)
        return (cross_entropy(real, ones) + detected + smooth + deceived).mean()

    def step(state: Any, x: Any, y: Any, z: Any) -> Any:
        params, memory, average = state
        updates, memory = optimizer.update(jax.grad(lose)(params, x, y, z), memory, params)
        params = optax.apply_updates(params, updates)
        return params, memory, optax.incremental_update(params[0], average, 1 - _AVERAGED)

    def predict(state: Any, x: Any, draw: Any) -> Any:
        return generate(state[2], x, _draw(draw, len(x), noise))

    streams, inputs = jr.randomness.split(key, "generator", "discriminator"), conditions.shape[1]
    made = _initialize(streams["generator"], generator, inputs + noise)
    critic = _initialize(streams["discriminator"], discriminator, inputs + answers.shape[1])
    return ((made, critic), optimizer.init((made, critic)), made), step, predict

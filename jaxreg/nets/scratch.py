r"""A network of two layers with its back-propagation written out by the chain rule: no automatic differentiation.

The network of tutorial T4, $h = \sigma(x W_1),\; o = \sigma(h W_2)$ without biases (a column of ones in x serves the
hidden layer), falls by plain gradient descent on the sum of squares. `backpropagate` is what `jax.grad` would return.
Everything is written for one network; `jax.vmap` and `jaxreg.sweep` make it a population. The products of one network
are too small to fill a vector register; XLA does them for many networks at once.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, ScalarLike

from jaxreg import randomness
from jaxreg.checks import FINITE, MOST, NOT_NEGATIVE, check_integer, check_kind, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_seed

_ROUNDING = 16  # units in the last place by which an output may be off: see `train`


class Weights(NamedTuple):
    """What is learned: $W_1$, shape (features, units), and $W_2$, shape (units, outputs)."""

    hidden: Float[Array, "features units"]
    output: Float[Array, "units outputs"]


class Training(NamedTuple):
    """What one training leaves behind.

    `loss` is the sum of squares before the first step and after every `record_every` steps, `predictions` and `weights`
    are those at the end; `rises` counts the steps that raised the loss beyond rounding, and `worst_rise` is the largest
    change of the loss in one step, negative where every step lowered it.
    """

    loss: Float[Array, " records"]
    predictions: Float[Array, "n outputs"]
    rises: Integer[Array, ""]
    worst_rise: Float[Array, ""]
    weights: Weights


def draw_weights(
    seed: Key[Array, ""], features: int = 3, units: int = 4, outputs: int = 1, *, least: ScalarLike = 0.0
) -> Weights:
    r"""Initial weights, each independent and uniform on $[a, 1)$ with $a$ = `least`: as in tutorial T4 where $a = 0$.

    Args:
        seed: a typed PRNG key; its streams are "hidden" and "output".
        features: columns of the inputs.
        units: of the hidden layer; 4 in the tutorial.
        outputs: columns of the targets.
        least: $a$, -1 for weights of both signs.

    Returns:
        Weights in JAX's working precision.

    Raises:
        ArgumentError: `seed` is no key, a size is below 1.

    >>> draw_weights(jax.random.key(0)).hidden.shape
    (3, 4)
    """
    check_seed(seed)
    for name, size in (("features", features), ("units", units), ("outputs", outputs)):
        check_integer(name, size, 1, MOST, "Give a layer at least one unit")
    FINITE.check("least", least, "Give the lowest weight, such as -1.0", jnp.result_type(float))
    streams = randomness.split(seed, "hidden", "output")

    start = jnp.asarray(least, float)

    def draw(stream: str, *shape: int) -> Array:
        return start + (1 - start) * jax.random.uniform(streams[stream], shape)

    return Weights(draw("hidden", features, units), draw("output", units, outputs))


def predict(weights: Weights, x: Float[Array | np.ndarray, "n features"]) -> Float[Array, "n outputs"]:
    r"""Outputs $o = \sigma(\sigma(x W_1) W_2)$ with $\sigma(z) = 1/(1 + e^{-z})$, each in [0, 1].

    Args:
        weights: $W_1$ and $W_2$.
        x: inputs, one example a row.

    >>> predict(Weights(jnp.zeros((3, 4)), jnp.zeros((4, 1))), jnp.ones((1, 3)))
    Array([[0.5]], dtype=float32)
    """
    x = _read(weights, x)
    return jax.nn.sigmoid(jax.nn.sigmoid(x @ weights.hidden) @ weights.output)


def sum_of_squares(
    weights: Weights, x: Float[Array | np.ndarray, "n features"], y: Float[Array | np.ndarray, "n outputs"]
) -> Float[Array, ""]:
    r"""The loss $L = \sum_i (o_i - y_i)^2$ over examples and outputs, with neither ½ nor mean.

    Args:
        weights: of both layers.
        x: examples, one a row.
        y: targets, one row each; $o$ are the outputs for `x`.

    >>> sum_of_squares(Weights(jnp.zeros((3, 4)), jnp.zeros((4, 1))), jnp.ones((4, 3)), jnp.zeros((4, 1)))
    Array(1., dtype=float32)
    """
    x = _read(weights, x)
    return ((predict(weights, x) - _read_targets(weights, x, y)) ** 2).sum()


def backpropagate(
    weights: Weights, x: Float[Array | np.ndarray, "n features"], y: Float[Array | np.ndarray, "n outputs"]
) -> tuple[Float[Array, ""], Weights]:
    r"""The loss and its gradient by the chain rule, layer by layer from the output back.

    With $h = \sigma(x W_1)$, $o = \sigma(h W_2)$, and $\sigma' = \sigma (1 - \sigma)$,

    $$\delta_2 = \frac{\partial L}{\partial (h W_2)} = 2 (o - y)\, o (1 - o), \qquad
    \frac{\partial L}{\partial W_2} = h^\top \delta_2,$$

    $$\delta_1 = \frac{\partial L}{\partial (x W_1)} = \delta_2 W_2^\top \, h (1 - h), \qquad
    \frac{\partial L}{\partial W_1} = x^\top \delta_1.$$

    Args:
        weights: $W_1$ and $W_2$.
        x: inputs, one example a row.
        y: targets, of the shape of the outputs.

    Returns:
        The loss of `sum_of_squares` at `weights`, and its derivative in each weight.

    >>> weights, x, y = draw_weights(jax.random.key(0)), jnp.eye(3), jnp.zeros((3, 1))
    >>> loss, gradient = backpropagate(weights, x, y)
    >>> bool(jnp.allclose(gradient.hidden, jax.grad(sum_of_squares)(weights, x, y).hidden, atol=1e-6))
    True

    Source: Rumelhart, Hinton and Williams, Nature 323 (1986) 533-536.
    """
    x = _read(weights, x)
    y = _read_targets(weights, x, y)
    h = jax.nn.sigmoid(x @ weights.hidden)
    o = jax.nn.sigmoid(h @ weights.output)
    error = o - y
    delta_output = 2 * error * o * (1 - o)
    delta_hidden = (delta_output @ weights.output.T) * h * (1 - h)
    return (error**2).sum(), Weights(x.T @ delta_hidden, h.T @ delta_output)


def train(
    weights: Weights,
    x: Float[Array | np.ndarray, "n features"],
    y: Float[Array | np.ndarray, "n outputs"],
    learning_rate: ScalarLike = 1.0,
    *,
    steps: int,
    record_every: int = 1,
) -> Training:
    r"""Gradient descent on all examples at once, $W \leftarrow W - \eta\, \partial L / \partial W$, as in tutorial T4.

    A step from loss $L$ to $L'$ counts as a rise where $L' - L > 16 \epsilon (L + \sqrt{N L})$, with $\epsilon$ the
    precision of the weights and N the number of outputs over all examples: the loss is no surer than that, since an
    output near 1 is known to some $\epsilon$ only, and $\sum |o - y| \le \sqrt{N L}$.

    Args:
        weights: where to start, as `draw_weights` gives.
        x: inputs, one example a row.
        y: targets from 0 to 1, one row an example.
        learning_rate: $\eta \ge 0$; the tutorial has none, which is 1.
        steps: iterations (static), 1,500 in the tutorial.
        record_every: steps from one recorded loss to the next, a divisor of `steps` (static).

    Returns:
        The losses, and where the training ended.

    Raises:
        ArgumentError: an argument is outside its domain, or shapes do not fit.

    >>> x = jnp.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], jnp.float32)  # a column of ones is the bias
    >>> y = jnp.array([[0], [1], [1], [0]], jnp.float32)  # which no straight line separates
    >>> end = train(draw_weights(jax.random.key(0)), x, y, steps=1500)
    >>> end.predictions.round().ravel().tolist(), end.loss.shape
    ([0.0, 1.0, 1.0, 0.0], (1501,))
    """
    check_kind("weights", weights, Weights, "Give what draw_weights returns")
    check_integer("steps", steps, 1, MOST, "Give 1500, as the tutorial")
    check_integer("record_every", record_every, 1, steps, "Give 1 to record every step")
    if steps % record_every:
        raise ArgumentError("record_every", record_every, f"must divide steps = {steps}", "Give 1, or a divisor")
    NOT_NEGATIVE.check("learning_rate", learning_rate, "Give a step size such as 1.0", weights.hidden.dtype)
    x = _read(weights, x)
    y = _read_targets(weights, x, y)
    dtype = weights.hidden.dtype
    x, y, rate = (jnp.asarray(value, dtype) for value in (x, y, learning_rate))

    def step(weights: Weights, _: None) -> tuple[Weights, Array]:
        loss, gradient = backpropagate(weights, x, y)
        return jax.tree.map(lambda weight, slope: weight - rate * slope, weights, gradient), loss

    def block(state: tuple[Weights, _Falls], _: None) -> tuple[tuple[Weights, _Falls], Array]:
        weights, losses = jax.lax.scan(step, state[0], length=record_every)  # each before its step
        return (weights, _watch(state[1], losses, y.size)), losses[0]

    nothing = _Falls(jnp.asarray(jnp.inf, dtype), jnp.asarray(0, jnp.int32), jnp.asarray(-jnp.inf, dtype))
    (end, falls), recorded = jax.lax.scan(block, (weights, nothing), length=steps // record_every)
    last = sum_of_squares(end, x, y)
    falls = _watch(falls, last[None], y.size)
    return Training(jnp.append(recorded, last), predict(end, x), falls.rises, falls.worst, end)


class _Falls(NamedTuple):
    """The last loss seen, the number of rises, and the largest change so far."""

    last: Array
    rises: Array
    worst: Array


def _watch(falls: _Falls, losses: Array, outputs: int) -> _Falls:
    """Go on with the losses of the next steps, of that many outputs."""
    before = jnp.append(falls.last, losses[:-1])
    change = losses - before
    unsure = jnp.asarray(_ROUNDING * jnp.finfo(losses.dtype).eps, losses.dtype)
    is_rise = change > unsure * (before + jnp.sqrt(jnp.asarray(outputs, losses.dtype) * before))
    return _Falls(losses[-1], falls.rises + is_rise.sum(dtype=jnp.int32), jnp.maximum(falls.worst, change.max()))


def _read(weights: Any, x: Any) -> Array:
    """Inputs that fit the weights, one example a row."""
    check_kind("weights", weights, Weights, "Give what draw_weights returns")
    for name in weights._fields:
        if not isinstance(getattr(weights, name), jax.Array | np.ndarray):
            raise ArgumentError(f"weights.{name}", getattr(weights, name), "must be an array", "See draw_weights")
    x = read_floats("x", x)
    shapes = {"x": x.shape, "W_1": weights.hidden.shape, "W_2": weights.output.shape}
    _check_fit(shapes, [len(shape) == 2 for shape in shapes.values()])
    _check_fit(shapes, [x.shape[0] > 0, x.shape[1] == shapes["W_1"][0], shapes["W_1"][1] == shapes["W_2"][0]])
    return x.astype(weights.hidden.dtype)


def _read_targets(weights: Weights, x: Array, y: Any) -> Array:
    """Targets of the shape of the outputs."""
    y = read_floats("y", y)
    _check_fit({"x": x.shape, "y": y.shape}, [y.shape == (x.shape[0], weights.output.shape[1])])
    return y.astype(weights.hidden.dtype)


def _check_fit(shapes: dict[str, tuple[int, ...]], fits: list[bool]) -> None:
    """Refuse examples and layers that do not fit each other."""
    if not all(fits):
        constraint = "must be (n, features), (n, outputs), (features, units) and (units, outputs) with n of 1 or more"
        raise ArgumentError("shapes", shapes, constraint, "Give targets as a column, and weights of draw_weights")

"""Gradients of batches of every size at one point of a training, and the time that an epoch of them takes."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg as jr
from experiments.benchmarks.timing import seconds
from experiments.networks.batch_size.runs import mislabel
from jaxreg.losses import softmax_cross_entropy_one_hot
from jaxreg.nets.evaluation import one_hot

_WARM_UP_BATCH = 32


def measure(
    x: Any,
    y: Any,
    *,
    seed: Any,
    wrong: Any,
    batch_sizes: tuple[int, ...],
    draws: int,
    hidden: tuple[int, ...],
    activation: str,
    learning_rate: float,
    classes: int,
) -> dict[str, Any]:
    r"""Gradients $g_B$ of random batches, after an epoch of SGD in batches of 32, of one network without dropout.

    The batches of a draw are the beginnings of one random order of all n images, so that each is a random set. By
    sampling theory $\mathbb E \|g_B - g\|^2 = \frac{s^2}{B} \frac{n - B}{n - 1}$, with $s^2$ the mean of
    $\|g_i - g\|^2$ over the images and g the gradient of all of them.

    Returns:
        Over draws and batch sizes: `error`, $\|g_B - g\|^2 / \|g\|^2$; `cosine` between $g_B$ and the gradient of all
        images with their correct labels; `length`, $\|g_B\|$. Over batch sizes, the `expected` error.
    """
    n, streams = len(x), jr.randomness.split(seed, "init", "order", "batches")
    model = jr.nets.MLP(hidden, classes, activation)
    w, shape = jax.flatten_util.ravel_pytree(model.init(streams["init"], x[:1]))
    correct, given = (one_hot(labels, classes, x.dtype) for labels in (y, mislabel(seed, y, wrong, classes)))

    @jax.grad
    def gradient(w: Any, rows: Any, targets: Any, weights: Any) -> Any:
        losses = softmax_cross_entropy_one_hot(jnp.asarray(model.apply(shape(w), rows)), targets)
        return (weights * losses).sum()

    def descend(w: Any, rows: Any) -> tuple[Any, None]:
        return w - learning_rate * gradient(w, x[rows], given[rows], jnp.full(rows.shape, 1 / len(rows))), None

    first = jr.sampling.shuffled_epoch(streams["order"], n, min(_WARM_UP_BATCH, n), drop_last=True)
    w, _ = jax.lax.scan(descend, w, first.index)
    even = jnp.full(n, 1 / n, x.dtype)
    full, aim = jax.lax.map(lambda targets: gradient(w, x, targets, even), jnp.stack([given, correct]))
    one = jnp.ones(1, x.dtype)
    squares = jax.lax.map(lambda i: (gradient(w, x[i][None], given[i][None], one) ** 2).sum(), jnp.arange(n))
    power, sizes = (full**2).sum(), np.array(batch_sizes, x.dtype)

    def look(key_and_size: tuple[Any, Any]) -> tuple[Any, ...]:
        key, size = key_and_size
        rank = jr.sampling.shuffled_epoch(key, n, 1).index[:, 0].astype(x.dtype)
        of_batch = gradient(w, x, given, (rank < size).astype(x.dtype) / size)
        length = jnp.sqrt((of_batch**2).sum())
        cosine = (of_batch * aim).sum() / (length * jnp.sqrt((aim**2).sum()))
        return ((of_batch - full) ** 2).sum() / power, cosine, length

    keys = jax.random.split(streams["batches"], draws)
    pairs = jnp.repeat(keys, len(sizes)), jnp.tile(sizes, draws)
    error, cosine, length = (part.reshape(draws, -1) for part in jax.lax.map(look, pairs))
    expected = (squares.mean() / power - 1) / sizes * ((n - sizes) / (n - 1))
    return {"error": error, "cosine": cosine, "length": length, "expected": expected}


def time_epochs(
    x: Any,
    y: Any,
    batch_sizes: tuple[int, ...],
    repeats: int,
    *,
    hidden: tuple[int, ...],
    activation: str,
    classes: int,
) -> np.ndarray:
    """Seconds that an epoch of plain SGD steps takes on this machine, compiled: (repeats, batch sizes)."""
    x, key, model = jnp.asarray(x), jax.random.key(0), jr.nets.MLP(hidden, classes, activation)

    @jax.jit
    def prepare(y: Any) -> tuple[Any, Any, list[Any]]:
        orders = [jr.sampling.shuffled_epoch(key, len(x), size).index for size in batch_sizes]
        return one_hot(y, classes, x.dtype), model.init(key, x[:1]), orders

    targets, start, orders = prepare(y)

    def loss(params: Any, rows: Any) -> Any:
        return softmax_cross_entropy_one_hot(jnp.asarray(model.apply(params, x[rows])), targets[rows]).mean()

    def step(params: Any, rows: Any) -> tuple[Any, None]:
        return jax.tree.map(lambda w, g: w - 0.01 * g, params, jax.grad(loss)(params, rows)), None

    epoch = jax.jit(lambda params, batches: jax.lax.scan(step, params, batches)[0])
    runs = [partial(epoch, start, order) for order in orders]
    for run in runs:
        jax.block_until_ready(run())
    # In turn, so that a slow moment of the machine hits all of them.
    return np.array([[seconds(run) for run in runs] for _ in range(repeats)])

"""Training of a classifier as one pure function: a scan over epochs, and over the steps of each."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Integer, Key, PyTree

from jaxreg import losses, objectives, penalties, randomness, sampling
from jaxreg.nets import boundary
from jaxreg.nets.dropout import keep_mask, multiplier
from jaxreg.nets.evaluation import evaluate
from jaxreg.nets.model import ACTIVATIONS, INITIALIZERS, MLP
from jaxreg.penalties import Scalar


def train(
    x_train: Float[Array | np.ndarray, "n features"],
    y_train: Integer[Array | np.ndarray, " n"],
    x_test: Float[Array | np.ndarray, "m features"],
    y_test: Integer[Array | np.ndarray, " m"],
    *,
    seed: Key[Array, ""],
    learning_rate: Scalar,
    dropout: Scalar | Sequence[Scalar | None] | None = None,
    l2: Scalar | None = None,
    hidden: tuple[int, ...] = (256, 128),
    classes: int = 10,
    activation: str = "sigmoid",
    initializer: str = "glorot_uniform",
    batch_size: int = 32,
    epochs: int = 3,
    evaluate_train: bool = True,
) -> dict[str, Float[Array, " epochs"]]:
    r"""Train an `MLP` by stochastic gradient descent, $\theta \leftarrow \theta - \eta \nabla J_B(\theta)$.

    $J_B$ is the mean cross-entropy over the batch B, with dropout, plus `penalties.L2(l2)` on the weights but not the
    biases. Every epoch passes once through all n examples in a new order; a last short batch is kept, as Keras does.
    Arguments marked static decide about shapes or the program; numbers may be traced and swept.

    Args:
        x_train: inputs.
        y_train: labels, from 0 to classes - 1.
        x_test: inputs that are not trained on.
        y_test: their labels.
        seed: a typed PRNG key; its streams are "init", "order" and "dropout".
        learning_rate: $\eta \ge 0$.
        dropout: rate in [0, 1) at which outputs of the last hidden layer are dropped, or for each hidden layer a rate
            or None. None draws nothing; rate 0 gives the very same numbers.
        l2: strength $\alpha \ge 0$ of $\tfrac12 \alpha \sum w^2$ (twice Keras' number), or None.
        hidden: units of each hidden layer (static).
        classes: number of classes (static).
        activation: a key of `ACTIVATIONS` (static).
        initializer: a key of `INITIALIZERS` (static).
        batch_size: examples per step, from 1 to n (static).
        epochs: passes through the training data (static).
        evaluate_train: whether to evaluate on the training data too, at about a third of the training's cost (static).

    Returns:
        One value per epoch, taken at its end with dropout off: `test_loss` and `test_accuracy`; `train_loss` and
        `train_accuracy`, with `evaluate_train`; and `penalty`. Losses are mean cross-entropies without the penalty.

    Raises:
        ArgumentError: an argument is outside its domain.

    >>> x, y = jnp.eye(4), jnp.arange(4) % 2
    >>> settings = {"hidden": (8,), "classes": 2, "batch_size": 2, "epochs": 50}
    >>> run = train(x, y, x, y, seed=jax.random.key(0), learning_rate=1.0, **settings)
    >>> run["test_accuracy"][-1], run["test_loss"].shape
    (Array(1., dtype=float32), (50,))
    """
    x_train, y_train, x_test, y_test = map(jnp.asarray, (x_train, y_train, x_test, y_test))
    boundary.check_seed(seed)
    boundary.check_hidden(hidden)
    boundary.check_integer("classes", classes, 2, math.inf, "Give the number of classes")
    boundary.check_examples("train", x_train, y_train, classes)
    boundary.check_examples("test", x_test, y_test, classes, features=x_train.shape[1])
    n, dtype = x_train.shape[0], x_train.dtype
    boundary.check_integer("batch_size", batch_size, 1, n, "Give 1 for online learning, n for the full batch")
    boundary.check_integer("epochs", epochs, 1, math.inf, "Give at least one pass through the data")
    boundary.check_name("activation", activation, ACTIVATIONS)
    boundary.check_name("initializer", initializer, INITIALIZERS)
    boundary.check_strength("learning_rate", learning_rate, "Give a step size such as 0.1")
    boundary.check_strength("l2", l2, "Give a strength such as 1e-4, or None")
    given = boundary.read_dropout(dropout, len(hidden))
    rates: list[Any] = [rate if rate is None else jnp.asarray(rate, dtype) for rate in given]

    streams = randomness.split(seed, "init", "order", "dropout")
    model = MLP(hidden, classes, activation, initializer)
    optimizer = optax.sgd(jnp.asarray(learning_rate, dtype))
    active = [] if l2 is None else [penalties.L2(jnp.asarray(l2, dtype))]

    def predict(params: PyTree, x: Array, multipliers: Sequence[Array | None] = ()) -> Array:
        return jnp.asarray(model.apply(params, x, multipliers))

    masks = [penalties.kernels_only] * len(active)
    objective = objectives.build(predict, losses.softmax_cross_entropy_one_hot, active, masks)
    targets = _one_hot(y_train, classes, dtype)

    def epoch(state: PyTree, number: Array) -> tuple[PyTree, dict[str, Array]]:
        order, dropping = (jax.random.fold_in(streams[name], number) for name in ("order", "dropout"))
        batches = sampling.shuffled_epoch(order, n, batch_size)
        keys = [jax.random.fold_in(dropping, layer) for layer in range(len(hidden))]

        def draw(step: Any) -> list[Any]:
            return [
                rate if rate is None else keep_mask(key, rate, (batch_size, units), step)
                for key, rate, units in zip(keys, rates, hidden, strict=True)
            ]

        def step(state: PyTree, drawn: tuple[Array, sampling.Batches]) -> tuple[PyTree, None]:
            (params, memory, kept), (number, batch) = state, drawn
            multipliers = [mask if mask is None else multiplier(mask, r) for mask, r in zip(kept, rates, strict=True)]
            gradient, _ = jax.grad(objective, has_aux=True)(
                params, x_train[batch.index], targets[batch.index], weights=batch.valid, multipliers=multipliers
            )
            updates, memory = optimizer.update(gradient, memory, params)
            # Masks are drawn a step ahead, because what a loop carries is computed once, not wherever it is used.
            return (optax.apply_updates(params, updates), memory, draw(number + 1)), None

        steps = jnp.arange(len(batches.index))
        (params, memory, _), _ = jax.lax.scan(step, (*state, draw(0)), (steps, batches))
        return (params, memory), record(params)

    def record(params: PyTree) -> dict[str, Array]:
        scores = {"test": evaluate(predict, params, x_test, y_test)}
        if evaluate_train:
            scores["train"] = evaluate(predict, params, x_train, y_train)
        values = {f"{name}_{part}": value for name, score in scores.items() for part, value in score._asdict().items()}
        penalty = sum((p.value(params, mask) for p, mask in zip(active, masks, strict=True)), jnp.zeros((), dtype))
        return values | {"penalty": penalty}

    params = model.init(streams["init"], x_train[:1])
    return jax.lax.scan(epoch, (params, optimizer.init(params)), jnp.arange(epochs))[1]


def _one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """One-hot rows, NaN for a label outside the classes; in the loop they spare the gradient a scatter."""
    known = (labels >= 0) & (labels < classes)
    return jnp.where(known[:, None], jax.nn.one_hot(labels, classes, dtype=dtype), jnp.nan)

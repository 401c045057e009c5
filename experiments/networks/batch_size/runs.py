"""One training with a batch size, for equal epochs or equal updates, on labels of which a share is wrong."""

from typing import Any

import jax
import jax.numpy as jnp

import jaxreg as jr


def mislabel(seed: Any, labels: Any, share: Any, classes: int) -> Any:
    """The labels, each with the probability `share` replaced by another class, all others alike."""
    keys = jr.randomness.split(seed, "wrong", "which")
    is_wrong = jax.random.uniform(keys["wrong"], labels.shape) < share
    other = (labels + jax.random.randint(keys["which"], labels.shape, 1, classes, labels.dtype)) % classes
    return jnp.where(is_wrong, other, labels)


def plan(n: int, batch_size: int, epochs: int, updates: int | None) -> tuple[int, int]:
    """Images and epochs of a training: those given or, for a number of updates, what comes closest to it.

    Less than an epoch of SGD is an epoch of fewer images, drawn at random; more of it ends where an epoch does.

    >>> plan(1297, 64, 14, None), plan(1297, 64, 14, 574), plan(1297, 1, 14, 574), plan(1297, 1297, 14, 574)
    ((1297, 14), (1297, 27), (574, 1), (1297, 574))
    """
    steps = -(-n // batch_size)
    if updates is None:
        return n, epochs
    return (updates * batch_size, 1) if updates < steps else (n, round(updates / steps))


def follow(
    x_train: Any,
    y_train: Any,
    x_test: Any,
    y_test: Any,
    *,
    seed: Any,
    wrong: Any,
    scaling: Any,
    batch_size: int,
    images: int,
    epochs: int,
    rate: float,
    reference: int,
    classes: int,
    **settings: Any,
) -> dict[str, Any]:
    """One training on labels of which a share is wrong, and on so many of the images, which are drawn."""
    labels = mislabel(seed, y_train, wrong, classes)
    seen: Any = slice(None)
    if images < len(x_train):
        seen = jr.sampling.choose(jr.randomness.split(seed, "seen")["seen"], len(x_train), images)
    history = jr.nets.train(
        x_train[seen],
        labels[seen],
        x_test,
        y_test,
        x_train,
        labels,
        seed=seed,
        learning_rate=rate * (batch_size / reference) ** scaling,
        batch_size=batch_size,
        epochs=epochs,
        evaluate_every=epochs,
        evaluate_train=False,
        classes=classes,
        **settings,
    )
    return {"train_loss": history["validation_loss"][-1], "test_accuracy": history["test_accuracy"][-1]}

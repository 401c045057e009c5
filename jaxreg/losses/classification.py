"""Losses of predicted classes: cross-entropies of probabilities and of logits."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Integer, Real

from jaxreg.checks import SHARE, Domain, read_array, read_jax
from jaxreg.engine.known import find_values
from jaxreg.errors import ArgumentError
from jaxreg.losses.pairs import read_pair

Target = Real[Array, "*shape"] | Bool[Array, "*shape"]


def _check_labels(name: str, labels: Any, domain: Domain, remedy: str) -> None:
    """Refuse known labels outside the domain, also those that a sweep shares with its runs."""
    known = find_values(read_array(name, labels))
    if known is not None:
        domain.check_all(name, known, remedy, kinds="biuf")


def binary_cross_entropy(
    probabilities: Float[Array, "*shape"], targets: Target, epsilon: float = 1e-7
) -> Float[Array, "*shape"]:
    r"""Binary cross-entropy $-y \log p - (1-y) \log(1-p)$, both $p$ and $1-p$ clipped to $[\epsilon, 1-\epsilon]$.

    No loss exceeds $-\log \epsilon$, and where the clip acts the gradient is zero: a confident error teaches nothing.
    Prefer `binary_cross_entropy_from_logits`, which needs no clip.

    Args:
        probabilities: $p$, in [0, 1].
        targets: $y$: 0 or 1, truth values, or probabilities.
        epsilon: $\epsilon$, in (0, 0.5).

    Returns:
        One value per entry, in nats.

    Raises:
        ArgumentError: targets outside [0, 1] where they are known, `epsilon` outside (0, 0.5), or so small that it is
            zero in the precision of `probabilities`.

    >>> binary_cross_entropy(jnp.array([0.5, 1.0, 1.0]), jnp.array([1.0, 1.0, 0.0]))
    Array([6.9314718e-01, 1.1920929e-07, 1.6118095e+01], dtype=float32)
    """
    probabilities, y = read_pair(probabilities, targets, ("probabilities", "targets"))
    _check_labels("targets", targets, SHARE, "Give 0 and 1")
    smallest = float(jnp.finfo(probabilities.dtype).tiny)
    Domain(0, 0.5, "()").check("epsilon", epsilon, "Leave it at 1e-7")
    if epsilon < smallest:
        constraint = f"must lie in (0, 0.5), and not below {smallest:.3g} for {probabilities.dtype}"
        raise ArgumentError("epsilon", epsilon, constraint, "Leave it at 1e-7")
    # 1 - p is exact where p is near 1, 1 - epsilon is not: hence each is clipped for itself.
    true = jnp.clip(probabilities, epsilon, 1 - epsilon)
    false = jnp.clip(1 - probabilities, epsilon, 1 - epsilon)
    return -y * jnp.log(true) - (1 - y) * jnp.log(false)


def binary_cross_entropy_from_logits(logits: Float[Array, "*shape"], targets: Target) -> Float[Array, "*shape"]:
    r"""Binary cross-entropy of $p = 1/(1 + e^{-z})$ with $z$ = `logits`: $\log(1 + e^z) - y z$, without overflow.

    The gradient in $z$ is $p - y$.

    Args:
        logits: $z$.
        targets: $y$: 0 or 1, truth values, or probabilities.

    Returns:
        One value per entry, in nats.

    Raises:
        ArgumentError: targets outside [0, 1], where they are known.

    >>> binary_cross_entropy_from_logits(jnp.array([0.0, 100.0]), jnp.array([True, False]))
    Array([  0.6931472, 100.       ], dtype=float32)
    """
    logits, y = read_pair(logits, targets, ("logits", "targets"))
    _check_labels("targets", targets, SHARE, "Give 0 and 1")
    return optax.losses.sigmoid_binary_cross_entropy(logits, y)


def softmax_cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Integer[Array, "*batch"]
) -> Float[Array, "*batch"]:
    r"""Cross-entropy of a softmax against class numbers, $\log \sum_j e^{z_j} - z_y$ with $z$ = `logits`.

    The gradient in $z$ is $p - e_y$, the softmax minus the one-hot label.

    Args:
        logits: $z$.
        labels: $y$ from 0 to classes - 1; any other that is traced gives NaN, also a negative one.

    Returns:
        One value per example, in nats.

    Raises:
        ArgumentError: labels of other kinds or outside the classes, where they are known: arrays, and `args` of sweeps.

    >>> softmax_cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]))
    Array([1.3862944, 1.3862944], dtype=float32)
    """
    logits, _ = read_pair(logits, logits, ("logits", "logits"))
    given = read_array("labels", labels, kinds="iu")
    labels = read_jax("labels", given)
    if labels.shape != logits.shape[:-1] or not logits.ndim:
        constraint = f"must be one for each row of logits, {logits.shape}"
        raise ArgumentError("labels", labels.shape, constraint, "Give class numbers, and logits with a last axis")
    _check_labels("labels", given, Domain(0, logits.shape[-1] - 1), "Renumber the labels, or raise classes")
    # Indexing would read -1, a common mark for "no label", as the last class.
    outside = jnp.where(labels < 0, logits.shape[-1], labels)
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, outside)


def softmax_cross_entropy_one_hot(
    logits: Float[Array, "*batch classes"],
    targets: Real[Array, "*batch classes"] | Bool[Array, "*batch classes"],
) -> Float[Array, "*batch"]:
    r"""Cross-entropy of a softmax against one-hot (or soft) targets, $-\sum_j y_j \log p_j$, $p$ the softmax of $z$.

    The gradient in $z$ is $p \sum_j y_j - y$.

    Args:
        logits: $z$.
        targets: $y$: one-hot, or a probability for each class.

    Returns:
        One value per example, in nats.

    Raises:
        ArgumentError: logits without an axis of classes, or targets of another shape.

    >>> softmax_cross_entropy_one_hot(jnp.zeros((1, 4)), jnp.array([[0.0, 0.0, 1.0, 0.0]]))
    Array([1.3862944], dtype=float32)
    """
    logits, targets = read_pair(logits, targets, ("logits", "targets"))
    if not logits.ndim:
        raise ArgumentError("logits", logits.shape, "must have classes", "Give an axis of them, the last")
    return -_weigh(targets, jax.nn.log_softmax(logits)).sum(-1)


@jax.custom_jvp
def _weigh(targets: Array, logs: Array) -> Array:
    """Their product; a class that has no weight costs nothing, however unlikely it is: 0 times -infinity would be NaN.

    Its derivative in the logarithms is the plain one, which needs no such care and no operation more.
    """
    return jnp.where((targets == 0) & jnp.isneginf(logs), 0, targets * logs)


_weigh.defjvps(
    lambda d_targets, _, targets, logs: d_targets * jnp.where((targets == 0) & jnp.isneginf(logs), 0, logs),
    lambda d_logs, _, targets, logs: targets * d_logs,
)

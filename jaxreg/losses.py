r"""Data losses, one value per example (or per output of an example), never summed or averaged here.

Averaging is the business of `jaxreg.objectives`, which knows which samples count. Where other libraries differ:

- `squared` has no ½. Its mean is PyTorch's `MSELoss` and Keras' `MeanSquaredError`, its half `optax.l2_loss`. In
  scikit-learn, `Ridge` sums it, `Lasso` and `ElasticNet` take half of its mean.
- `absolute` averages to PyTorch's `L1Loss` and Keras' `MeanAbsoluteError`.
- `gaussian` is all of the negative log-density, as PyTorch's `GaussianNLLLoss` with `full=True` is, which takes σ².
- `huber` has ½ inside, as PyTorch's `HuberLoss` and Keras' `Huber` do; PyTorch's `SmoothL1Loss` divides by $\delta$.
- `binary_cross_entropy` clips probabilities, as Keras does (ε = 1e-7); PyTorch's `BCELoss` clips logarithms at -100.
- `softmax_cross_entropy` takes logits, as PyTorch's `CrossEntropyLoss` does; Keras needs `from_logits=True`.
"""

import math

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Integer, Real

from jaxreg.errors import ArgumentError

Target = Real[Array, "*shape"] | Bool[Array, "*shape"]
_HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2


def squared(predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Squared error $(p - y)^2$, without ½.

    Its mean over examples is the mean squared error, and its minimiser the conditional mean. It is $2\sigma^2$ times
    the negative log-likelihood of a Gaussian of fixed variance, up to a constant. The gradient is $2(p - y)$.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.

    Returns:
        One value per entry, in squared units of the target.

    Raises:
        ValueError: the shapes differ.

    >>> squared(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
    Array([0., 9.], dtype=float32)
    """
    return optax.losses.squared_error(predictions, targets)


def absolute(predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Absolute error $|p - y|$, whose minimiser is the conditional median.

    The gradient is $\mathrm{sign}(p - y)$, and 0 where the prediction is exact.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.

    Returns:
        One value per entry, in units of the target.

    >>> absolute(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
    Array([0., 3.], dtype=float32)
    """
    error = predictions - targets
    return error * jnp.sign(error)  # jnp.abs has derivative 1 at 0


def huber(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], delta: float | Float[Array, ""] = 1.0
) -> Float[Array, "*shape"]:
    r"""Huber's loss: $\tfrac12 e^2$ for $|e| \le \delta$, else $\delta (|e| - \tfrac12 \delta)$, with $e = p - y$.

    The gradient is $e$ clipped to $[-\delta, \delta]$.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.
        delta: $\delta > 0$, where the parabola becomes a line, in units of the target.

    Returns:
        One value per entry, in squared units of the target.

    Raises:
        ArgumentError: `delta` is not positive.

    >>> huber(jnp.array([0.5, 3.0]), jnp.zeros(2), delta=1.0)
    Array([0.125, 2.5  ], dtype=float32)

    Source: Huber, Ann. Math. Stat. 35 (1964) 73-101.
    """
    if isinstance(delta, int | float) and not delta > 0:
        raise ArgumentError("delta", delta, "must be positive", "Give the size of an error that is no longer small")
    return optax.losses.huber_loss(predictions, targets, delta=delta)


def gaussian(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], scale: float | Float[Array, "..."] = 1.0
) -> Float[Array, "*shape"]:
    r"""Negative log-density of a Gaussian, $\frac{(y - p)^2}{2 \sigma^2} + \log \sigma + \tfrac12 \log 2\pi$.

    At fixed $\sigma$ = `scale` it is `squared` up to a factor and a constant: its minimiser is the mean. With
    $\sigma$ free, the minimum is at $\sigma^2 = \overline{(y - p)^2}$.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.
        scale: $\sigma > 0$, one or of a shape that broadcasts, in units of the target.

    Returns:
        One value per entry, in nats.

    Raises:
        ArgumentError: `scale` is not positive.

    >>> gaussian(jnp.array([0.0, 2.0]), jnp.array([0.0, 0.0]))
    Array([0.9189385, 2.9189386], dtype=float32)
    """
    _check_scale(scale)
    standardized = (targets - predictions) / scale
    return standardized**2 / 2 + jnp.log(jnp.asarray(scale, predictions.dtype)) + _HALF_LOG_TWO_PI


def laplace(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], scale: float | Float[Array, "..."] = 1.0
) -> Float[Array, "*shape"]:
    r"""Negative log-density of a Laplace distribution, $|y - p| / b + \log 2b$.

    At fixed $b$ = `scale` it is `absolute` up to a factor and a constant: its minimiser is the median. With $b$ free,
    the minimum is at $b = \overline{|y - p|}$.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.
        scale: $b > 0$, one or of a shape that broadcasts, in units of the target.

    Returns:
        One value per entry, in nats.

    Raises:
        ArgumentError: `scale` is not positive.

    >>> laplace(jnp.array([0.0, 2.0]), jnp.array([0.0, 0.0]))
    Array([0.6931472, 2.6931472], dtype=float32)
    """
    _check_scale(scale)
    return absolute(predictions, targets) / scale + jnp.log(jnp.asarray(2 * scale, predictions.dtype))


def gaussian_mixture(
    logits: Float[Array, "*shape components"],
    means: Float[Array, "*shape components"],
    log_scales: Float[Array, "*shape components"],
    targets: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    r"""Negative log-density of a mixture of Gaussians, $-\log \sum_k \pi_k N(y; \mu_k, \sigma_k^2)$.

    A network that predicts all of these is a mixture-density network: it can say that there are several answers.
    The minimum over a finite sample is $-\infty$, at a component of no width on a single target: stop before.

    Args:
        logits: $\pi$ is their softmax.
        means: $\mu_k$, in units of the target.
        log_scales: $\log \sigma_k$.
        targets: $y$.

    Returns:
        One value per entry, in nats.

    >>> gaussian_mixture(jnp.zeros((1, 2)), jnp.array([[-1.0, 1.0]]), jnp.zeros((1, 2)), jnp.zeros(1))
    Array([1.4189386], dtype=float32)

    Source: Bishop, Mixture density networks, Aston University report NCRG/94/004 (1994).
    """
    each = gaussian(means, jnp.broadcast_to(targets[..., None], means.shape), jnp.exp(log_scales))
    return -jax.nn.logsumexp(jax.nn.log_softmax(logits) - each, axis=-1)


def _check_scale(scale: object) -> None:
    if isinstance(scale, int | float) and not scale > 0:
        raise ArgumentError("scale", scale, "must be positive", "Give a width of the distribution, such as 1.0")


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
        ArgumentError: `epsilon` outside (0, 0.5), or so small that it is zero in the precision of `probabilities`.

    >>> binary_cross_entropy(jnp.array([0.5, 1.0, 1.0]), jnp.array([1.0, 1.0, 0.0]))
    Array([6.9314718e-01, 1.1920929e-07, 1.6118095e+01], dtype=float32)
    """
    smallest = float(jnp.finfo(probabilities.dtype).tiny)
    if not smallest <= epsilon < 0.5:
        constraint = f"must lie in (0, 0.5), and not below {smallest:.3g} for {probabilities.dtype}"
        raise ArgumentError("epsilon", epsilon, constraint, "Leave it at 1e-7")
    # 1 - p is exact where p is near 1, 1 - epsilon is not: hence each is clipped for itself.
    true = jnp.clip(probabilities, epsilon, 1 - epsilon)
    false = jnp.clip(1 - probabilities, epsilon, 1 - epsilon)
    y = targets.astype(probabilities.dtype)
    return -y * jnp.log(true) - (1 - y) * jnp.log(false)


def binary_cross_entropy_from_logits(logits: Float[Array, "*shape"], targets: Target) -> Float[Array, "*shape"]:
    r"""Binary cross-entropy of $p = 1/(1 + e^{-z})$ with $z$ = `logits`: $\log(1 + e^z) - y z$, without overflow.

    The gradient in $z$ is $p - y$.

    Args:
        logits: $z$.
        targets: $y$: 0 or 1, truth values, or probabilities.

    Returns:
        One value per entry, in nats.

    >>> binary_cross_entropy_from_logits(jnp.array([0.0, 100.0]), jnp.array([True, False]))
    Array([  0.6931472, 100.       ], dtype=float32)
    """
    return optax.losses.sigmoid_binary_cross_entropy(logits, targets)


def softmax_cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Integer[Array, "*batch"]
) -> Float[Array, "*batch"]:
    r"""Cross-entropy of a softmax against class numbers, $\log \sum_j e^{z_j} - z_y$ with $z$ = `logits`.

    The gradient in $z$ is $p - e_y$, the softmax minus the one-hot label.

    Args:
        logits: $z$.
        labels: $y$ from 0 to classes - 1; any other gives NaN, also a negative one.

    Returns:
        One value per example, in nats.

    >>> softmax_cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]))
    Array([1.3862944, 1.3862944], dtype=float32)
    """
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

    >>> softmax_cross_entropy_one_hot(jnp.zeros((1, 4)), jnp.array([[0.0, 0.0, 1.0, 0.0]]))
    Array([1.3862944], dtype=float32)
    """
    return optax.losses.softmax_cross_entropy(logits, targets.astype(logits.dtype))

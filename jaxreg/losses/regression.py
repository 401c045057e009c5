"""Losses of predicted numbers: errors, and negative log-densities."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxreg.checks import POSITIVE, SHARE
from jaxreg.errors import ArgumentError
from jaxreg.losses.pairs import read_pair

_LOG_TWO = math.log(2)
_HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2
_WIDTH = "Give a width of the distribution, such as 1.0"


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
        ArgumentError: the shapes differ, or they are no numbers, as for every loss here.

    >>> squared(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
    Array([0., 9.], dtype=float32)
    """
    return optax.losses.squared_error(*read_pair(predictions, targets))


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
    p, y = read_pair(predictions, targets)
    return _magnitude(p - y)


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
    p, y = read_pair(predictions, targets)
    POSITIVE.check("delta", delta, "Give the size of an error that is no longer small", p.dtype)
    # In float64 the parabola's own precision would be that of a Python number.
    return optax.losses.huber_loss(p, y, delta=jnp.asarray(delta, p.dtype))


def quantile(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"], level: float | Float[Array, ""] = 0.5
) -> Float[Array, "*shape"]:
    r"""Quantile ("pinball") loss $\tau (y - p)$ where $y \ge p$, else $(1 - \tau)(p - y)$.

    Its minimiser is the conditional quantile of level $\tau$; at ½ it is half of `absolute`. The gradient is $-\tau$ or
    $1 - \tau$, and 0 where the prediction is exact.

    Args:
        predictions: $p$.
        targets: $y$, of the same shape.
        level: $\tau$, from 0 to 1.

    Returns:
        One value per entry, in units of the target.

    Raises:
        ArgumentError: `level` is outside [0, 1].

    >>> quantile(jnp.array([1.0, 1.0]), jnp.array([3.0, 0.0]), level=0.75)
    Array([1.5 , 0.25], dtype=float32)

    Source: Koenker and Bassett, Econometrica 46 (1978) 33-50.
    """
    p, y = read_pair(predictions, targets)
    SHARE.check("level", level, "Give the share of targets below, such as 0.9", p.dtype)
    error, level = y - p, jnp.asarray(level, p.dtype)
    # At 0 the slope of a maximum would be that of either side.
    return error * jnp.where(error > 0, level, jnp.where(error < 0, level - 1, 0))


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
    p, y = read_pair(predictions, targets)
    width = _read_scale(scale, p)
    standardized = _ratio(y - p, width)
    return standardized * (standardized / 2) + jnp.log(width) + _HALF_LOG_TWO_PI


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
    p, y = read_pair(predictions, targets)
    width = _read_scale(scale, p)
    return _magnitude(_ratio(p - y, width)) + jnp.log(width) + _LOG_TWO


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
        One value per entry, in nats. Value and slope are finite wherever the true ones are: a component that is too far
        from the target to count, by whatever power of its width, has no share in either.

    Raises:
        ArgumentError: the shapes do not belong together, or they are no numbers.

    >>> gaussian_mixture(jnp.zeros((1, 2)), jnp.array([[-1.0, 1.0]]), jnp.zeros((1, 2)), jnp.zeros(1))
    Array([1.4189386], dtype=float32)

    Source: Bishop, Mixture density networks, Aston University report NCRG/94/004 (1994).
    """
    means, log_scales = read_pair(means, log_scales, ("means", "log_scales"))
    means, logits = read_pair(means, logits, ("means", "logits"))
    if not means.ndim:
        raise ArgumentError("means", means.shape, "must have components", "Give an axis of them, the last")
    nearest, targets = read_pair(means[..., 0], targets, ("means[..., 0]", "targets"))
    error = targets[..., None] - means
    far = jax.lax.stop_gradient(_log_share(logits, error, log_scales))
    far = far < far.max(-1, keepdims=True) + 2 * math.log(float(jnp.finfo(nearest.dtype).tiny))
    # Its zero share times an infinite slope would be NaN, hence it is left out before anything is computed.
    shares = _log_share(logits, jnp.where(far, 0, error), jnp.where(far, 0, log_scales))
    return -jax.nn.logsumexp(jnp.where(far, -jnp.inf, shares), axis=-1)


def _log_share(logits: Array, error: Array, log_scales: Array) -> Array:
    r"""$\log \pi_k N(y; \mu_k, \sigma_k^2)$ of each component, from $y - \mu_k$ and $\log \sigma_k$."""
    # In two halves, as 1 / scale alone may overflow where the quotient does not.
    largest = math.log(float(jnp.finfo(error.dtype).max)) - 1
    half = jnp.exp(jnp.minimum(-log_scales / 2, largest))
    standardized = error * half * half
    return jax.nn.log_softmax(logits) - standardized * (standardized / 2) - log_scales - _HALF_LOG_TWO_PI


@jax.custom_jvp
def _ratio(error: Array, scale: Array) -> Array:
    """Error over scale; the slope of the plain quotient squares a small scale, and is NaN where there is no error."""
    return error / scale


@_ratio.defjvp
def _ratio_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (error, scale), (d_error, d_scale) = primals, tangents
    value = _ratio(error, scale)
    return value, (d_error - value * d_scale) / scale


def _magnitude(error: Array) -> Array:
    return error * jnp.sign(error)  # jnp.abs has derivative 1 at 0


def _read_scale(scale: Any, like: Array) -> Array:
    """Widths in the precision and shape of the predictions, refused where they are no positive numbers."""
    POSITIVE.check_all("scale", scale, _WIDTH, like.dtype)
    width = jnp.asarray(scale, like.dtype)
    try:
        fits = jnp.broadcast_shapes(width.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError("scale", width.shape, f"must broadcast to the predictions, {like.shape}", _WIDTH)
    return jnp.broadcast_to(width, like.shape)

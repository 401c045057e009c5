"""Data losses of linear models: value, slope, curvature and conjugate in the linear predictor, for `linear.solve`."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, Bool, Float

from jaxreg.checks import POSITIVE, Domain, check_integer, read_jax
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.values import register_value

_Strength = int | float | np.floating | Float[Array, "..."]
_Predictor = Float[Array, "..."]


class DataLoss(abc.ABC):
    r"""A loss $\ell(\eta, y)$ of the linear predictor $\eta = o + b_0 + x'b$ of each sample, convex in $\eta$.

    One's own needs `value` only, if that is twice differentiable; slope and curvature are then JAX's derivatives. With
    `conjugate` too its solutions have a duality gap, else the optimality residual certifies them. A frozen dataclass
    (`jaxreg.values.register_value`) with numbers that may be traced, or any object that can be hashed.

    >>> class Exponential(DataLoss):
    ...     def value(self, eta, y):
    ...         return jnp.exp(eta) - y * eta
    >>> Exponential().slope(jnp.zeros(2), jnp.ones(2))
    Array([0., 0.], dtype=float32)
    """

    quadratic: ClassVar[bool] = False
    """Whether the curvature does not depend on the predictor."""
    bounded: ClassVar[bool] = True
    """Whether it has a minimum in the predictor, for each y; without one, data may be separable."""
    outputs: Any = None
    """How many predictors a sample has; None for one, without an axis."""

    @abc.abstractmethod
    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """The loss of each sample."""

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """Its derivative in the predictor."""
        return jax.grad(lambda eta: self.value(eta, y).sum())(eta)

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        """Its second derivative, or what is above it: (n,), or (n, outputs, outputs)."""
        one = jnp.ones_like(eta)
        return jax.jvp(lambda eta: self.slope(eta, y), (eta,), (one,))[1]

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        r"""$\ell^*(s) = \sup_\eta s\eta - \ell(\eta, y)$ at a slope that some predictor has."""
        raise NotImplementedError

    @property
    def has_dual(self) -> bool:
        """Whether there is a conjugate."""
        return type(self).conjugate is not DataLoss.conjugate

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The best constant predictor, or where to start looking for it; weights have the sum 1."""
        return jnp.zeros((), y.dtype)

    def start_beside(self, y: _Predictor, weight: Float[Array, " n"], offset: _Predictor) -> Float[Array, "..."]:
        """The same beside an offset: by default, the constant predictor less the mean of the offset."""
        return self.start(y, weight) - jnp.tensordot(weight, offset, 1)

    def read(self, y: Any) -> Array:
        """The target as an array, refused where the loss is not made for it."""
        y = boundary.read_floats("y", y)
        if y.ndim != 1:
            raise ArgumentError(
                "y", y.shape, "must be one target, of shape (n,)", "For many targets, jax.vmap over them"
            )
        if not isinstance(y, jax.core.Tracer) and not (fits := np.asarray(self.fits(y))).all():
            place = int(np.argmin(fits))
            raise ArgumentError(f"y[{place}]", y[place].item(), *self._domain)
        return y

    def fits(self, y: Float[Array, "..."]) -> Bool[Array, "..."]:
        """Whether the loss is made for each target."""
        return jnp.ones(y.shape[:1], bool)

    _domain: ClassVar[tuple[str, str]] = ("must fit the loss", "Leave it out")

    def neutral(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """A target that every loss takes, in place of those that are none."""
        return jnp.zeros_like(y)


@register_value()
@dataclass(frozen=True)
class Squared(DataLoss):
    r"""Half of the squared error, $\tfrac12 (y - \eta)^2$: the fit is least squares. `losses.squared` has no ½.

    >>> Squared().value(jnp.array([1.0]), jnp.array([3.0]))
    Array([2.], dtype=float32)
    """

    quadratic = True

    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """Half of the square."""
        return (eta - y) ** 2 / 2

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """The residual."""
        return eta - y

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        """One."""
        return jnp.ones_like(eta)

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        r"""$\tfrac12 s^2 + s y$."""
        return slope * slope / 2 + slope * y

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The mean."""
        return (weight * y).sum()


@register_value()
@dataclass(frozen=True)
class Huber(DataLoss):
    r"""Huber's loss, $\tfrac12 e^2$ for $|e| \le \delta$, else $\delta(|e| - \tfrac12\delta)$, with $e = \eta - y$.

    Args:
        delta: $\delta > 0$, in units of the target.

    Raises:
        ArgumentError: `delta` is not positive.

    >>> Huber(1.0).value(jnp.array([0.5, 3.0]), jnp.zeros(2))
    Array([0.125, 2.5  ], dtype=float32)

    Source: Huber, Ann. Math. Stat. 35 (1964) 73-101.
    """

    delta: _Strength = 1.0

    def __post_init__(self) -> None:
        """Refuse a width that is not positive."""
        POSITIVE.check_all("delta", self.delta, "Give the size of an error that is no longer small")

    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """A parabola, continued by lines."""
        clipped = self.slope(eta, y)
        return clipped * (eta - y - clipped / 2)

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """The residual, clipped."""
        return jnp.clip(eta - y, -self.delta, self.delta)

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        r"""Slope over residual, $\min(1, \delta/|e|)$: a parabola of it lies above the loss."""
        size = jnp.abs(eta - y)
        return jnp.where(size > self.delta, self.delta / jnp.where(size > self.delta, size, 1), 1)

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        r"""$\tfrac12 s^2 + s y$ for $|s| \le \delta$."""
        return slope * slope / 2 + slope * y

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The median."""
        order = jnp.argsort(y)
        return y[order][jnp.argmax(jnp.cumsum(weight[order]) >= 0.5)]

    def start_beside(self, y: _Predictor, weight: Float[Array, " n"], offset: _Predictor) -> Float[Array, "..."]:
        """The median of what the offset leaves."""
        return self.start(y - offset, weight)


@register_value()
@dataclass(frozen=True)
class Logistic(DataLoss):
    r"""The logistic loss $\log(1 + e^\eta) - y\eta$ of labels 0 and 1, in nats.

    >>> Logistic().value(jnp.zeros(1), jnp.ones(1))
    Array([0.6931472], dtype=float32)

    Source: McCullagh and Nelder, Generalized Linear Models (1989), section 4.4.
    """

    bounded = False

    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """From the side where nothing cancels."""
        return jnp.logaddexp(jnp.zeros_like(eta), jnp.where(y == 1, -eta, eta))

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """The probability minus the label."""
        return jnp.where(y == 1, -jax.nn.sigmoid(-eta), jax.nn.sigmoid(eta))

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        """The variance of the label."""
        return jax.nn.sigmoid(eta) * jax.nn.sigmoid(-eta)

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """Minus the entropy of the probability that the slope stands for."""
        share = jnp.clip(jnp.abs(slope), 0, 1)
        return xlogy(share, share) + xlog1py(1 - share, -share)

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The log odds; in one class only, 0."""
        mean = (weight * y).sum()
        mixed = (mean > 0) & (mean < 1)
        mean = jnp.where(mixed, mean, 0.5)
        return jnp.log(mean) - jnp.log1p(-mean)

    def fits(self, y: Float[Array, "..."]) -> Bool[Array, "..."]:
        """0 or 1."""
        return (y == 0) | (y == 1)

    _domain = ("must be 0 or 1", "Give y == label")


@register_value()
@dataclass(frozen=True)
class Poisson(DataLoss):
    r"""The Poisson loss $e^\eta - y\eta$ of counts, less its minimum $y - y \log y$: half of the deviance, in nats.

    >>> Poisson().value(jnp.zeros(1), jnp.ones(1))
    Array([0.], dtype=float32)

    Source: McCullagh and Nelder, Generalized Linear Models (1989), chapter 6.
    """

    bounded = False

    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """Half of the deviance."""
        return jnp.exp(eta) - y * eta - y + xlogy(y, y)

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """The mean minus the count."""
        return jnp.exp(eta) - y

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        """The mean."""
        return jnp.exp(eta)

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """In terms of the mean that the slope stands for."""
        mean = jnp.maximum(slope + y, 0)
        return xlogy(mean, mean) - mean + y - xlogy(y, y)

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The logarithm of the mean."""
        mean = (weight * y).sum()
        return jnp.log(jnp.where(mean > 0, mean, 1))

    def start_beside(self, y: _Predictor, weight: Float[Array, " n"], offset: _Predictor) -> Float[Array, "..."]:
        """The logarithm of all counts in all of what the offset expects."""
        return self.start(y, weight) - jax.nn.logsumexp(offset, b=weight)

    def fits(self, y: Float[Array, "..."]) -> Bool[Array, "..."]:
        """0 or more."""
        return y >= 0

    _domain = ("must be 0 or more", "Give counts, or rates with weights")


@register_value("classes")
@dataclass(frozen=True)
class Multinomial(DataLoss):
    r"""The softmax loss $\log\sum_k e^{\eta_k} - \eta_y$ of class numbers, in nats; coefficients are (p, classes).

    Every class has its predictor; a constant added to all of them changes nothing, and intercepts have the sum 0.

    Args:
        classes: how many, at least 2 (static).

    Raises:
        ArgumentError: `classes` below 2.

    >>> Multinomial(4).value(jnp.zeros((1, 4)), jax.nn.one_hot(jnp.array([2]), 4))
    Array([1.3862944], dtype=float32)

    Source: Friedman, Hastie and Tibshirani, J. Stat. Softw. 33 (2010), section 4.
    """

    classes: int
    bounded = False

    def __post_init__(self) -> None:
        """Refuse what is no number of classes."""
        check_integer("classes", self.classes, 2, 10_000, "Give the number of classes")

    @property
    def outputs(self) -> int:
        """The classes."""
        return self.classes

    def value(self, eta: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """The cross-entropy of one-hot targets."""
        return jax.nn.logsumexp(eta - (y * eta).sum(-1, keepdims=True), axis=-1)

    def slope(self, eta: _Predictor, y: _Predictor) -> _Predictor:
        """The probabilities minus the one-hot label."""
        return jax.nn.softmax(eta) - y

    def curvature(self, eta: _Predictor, y: _Predictor) -> Float[Array, "..."]:
        """The covariance of the label."""
        share = jax.nn.softmax(eta)
        unit = jnp.eye(self.classes, dtype=share.dtype)
        return share[:, :, None] * (unit[None] - share[:, None, :])

    def conjugate(self, slope: _Predictor, y: _Predictor) -> Float[Array, " n"]:
        """Minus the entropy of the probabilities that the slope stands for."""
        share = jnp.clip(slope + y, 0, 1)
        return xlogy(share, share).sum(-1)

    def start(self, y: _Predictor, weight: Float[Array, " n"]) -> Float[Array, "..."]:
        """The logarithms of the shares, of sum 0."""
        share = (weight[:, None] * y).sum(0)
        logs = jnp.log(jnp.where(share > 0, share, 1e-3))
        return logs - logs.mean()

    def read(self, y: Any) -> Array:
        """Class numbers, as one-hot rows."""
        labels = read_jax("y", y)
        if labels.ndim != 1:
            raise ArgumentError("y", labels.shape, "must be class numbers, of shape (n,)", "Give one-hot.argmax(-1)")
        Domain(0, self.classes - 1, whole=True).check_all("y", labels, "Number the classes from 0", kinds="biuf")
        return (labels[:, None] == jnp.arange(self.classes).astype(labels.dtype)[None]).astype(jnp.result_type(float))

    def fits(self, y: Float[Array, "..."]) -> Bool[Array, "..."]:
        """One class."""
        return y.sum(-1) == 1

    def neutral(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """The first class."""
        return jnp.zeros_like(y).at[:, 0].set(1)

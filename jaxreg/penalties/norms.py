"""Norms on single entries: L1, L2 and what lies between."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.penalties.base import Separable, SparsePenalty, Strength, magnitude, soft_threshold
from jaxreg.values import register_value


@register_value()
@dataclass(frozen=True)
class L1(SparsePenalty, Separable):
    r"""The lasso's penalty $\alpha \sum_i |w_i|$: a sum, no ½. Its subgradient at 0 is 0.

    Gradient descent on `value` ("subgradient form", what Keras does) leaves weights near 0; `prox` makes exact zeros.

    Args:
        alpha: $\alpha \ge 0$.

    Raises:
        ArgumentError: `alpha` is negative or not finite.

    >>> L1(0.5).value(jnp.array([1.0, -2.0]))
    Array(1.5, dtype=float32)

    Source: Tibshirani, J. R. Stat. Soc. B 58 (1996) 267-288.
    """

    alpha: Strength

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        return self.alpha * magnitude(w)

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * magnitude(w).sum()

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """0 within the slope, else without end."""
        return _beyond(v, self.alpha, jnp.zeros_like(v))

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The slope to both sides."""
        slope = jnp.broadcast_to(self.alpha, v.shape)
        return -slope, slope

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        return soft_threshold(w, step * self.alpha)

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(g)


@register_value()
@dataclass(frozen=True)
class L2(Separable):
    r"""The ridge penalty $\tfrac12 \alpha \sum_i w_i^2$: a sum, with ½, hence of gradient $\alpha w$.

    Under plain gradient descent this is coupled weight decay of the same number.

    Args:
        alpha: $\alpha \ge 0$.

    Raises:
        ArgumentError: `alpha` is negative or not finite.

    >>> L2(0.5).value(jnp.array([1.0, -2.0]))
    Array(1.25, dtype=float32)

    Source: Hoerl and Kennard, Technometrics 12 (1970) 55-67.
    """

    alpha: Strength

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        return self.alpha * (0.5 * (w * w))

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * (0.5 * (w * w).sum())

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Where the slope of the parabola is v."""
        return _beyond(v, jnp.zeros_like(v), jnp.broadcast_to(self.alpha, v.shape))

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Without bounds, unless the strength is 0."""
        most = jnp.broadcast_to(jnp.where(self.alpha > 0, jnp.inf, 0).astype(v.dtype), v.shape)
        return -most, most

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        return w / (1 + step * self.alpha)


@register_value()
@dataclass(frozen=True)
class ElasticNet(SparsePenalty, Separable):
    r"""The elastic net $\alpha \rho \sum_i |w_i| + \tfrac12 \alpha (1 - \rho) \sum_i w_i^2$, between `L2` and `L1`.

    Args:
        alpha: $\alpha \ge 0$.
        l1_ratio: $\rho$, from 0 (`L2`, and `alpha_max` is infinite) to 1 (`L1`).

    Raises:
        ArgumentError: `alpha` is negative or not finite, or `l1_ratio` outside [0, 1].

    >>> ElasticNet(1.0, l1_ratio=0.5).value(jnp.array([1.0, -2.0]))
    Array(2.75, dtype=float32)

    Source: Zou and Hastie, J. R. Stat. Soc. B 67 (2005) 301-320: the naive elastic net, in scikit-learn's scale.
    """

    alpha: Strength
    l1_ratio: Strength

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        return self.alpha * (self.l1_ratio * magnitude(w) + (1 - self.l1_ratio) * (0.5 * (w * w)))

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * (self.l1_ratio * magnitude(w).sum() + (1 - self.l1_ratio) * (0.5 * (w * w).sum()))

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Where the slope of parabola and kink is v."""
        return _beyond(v, self.alpha * self.l1_ratio, jnp.broadcast_to(self.alpha * (1 - self.l1_ratio), v.shape))

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The slope of the kink to both sides; without one, that of the parabola, which has no bounds."""
        slope, curvature = self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)
        most = jnp.where((jnp.asarray(slope) == 0) & (curvature > 0), jnp.inf, slope).astype(v.dtype)
        return -jnp.broadcast_to(most, v.shape), jnp.broadcast_to(most, v.shape)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        strength = step * self.alpha
        return soft_threshold(w, strength * self.l1_ratio) / (1 + strength * (1 - self.l1_ratio))

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(g) / self.l1_ratio


def _beyond(v: Float[Array, "..."], slope: Any, curvature: Float[Array, "..."]) -> Float[Array, "..."]:
    """How far v is beyond the slope, in units of the curvature; infinitely far where that is 0."""
    excess = soft_threshold(v, slope)
    far = jnp.where(excess == 0, 0, jnp.sign(excess) * jnp.inf)
    return jnp.where(curvature > 0, excess / jnp.where(curvature > 0, curvature, 1), far)

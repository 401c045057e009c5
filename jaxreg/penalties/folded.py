"""Folded concave penalties: like L1 near 0, constant far from it, so that large weights are not shrunk."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.penalties.base import Separable, SparsePenalty, Strength, magnitude, soft_threshold
from jaxreg.values import register_value


class Folded(SparsePenalty, Separable):
    """What both share: they are not convex, so that solutions are stationary points, and have no dual."""

    has_dual = False

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """There is none, as the penalty is bounded."""
        return jnp.where(v == 0, 0, jnp.inf)

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Nothing but 0."""
        return jnp.zeros_like(v), jnp.zeros_like(v)

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(g)

    def _choose(self, w: Float[Array, "..."], step: Any, *candidates: Float[Array, "..."]) -> Float[Array, "..."]:
        """Of the points where the slope is 0, one for each piece, and 0, the one of the least objective."""
        best = jnp.zeros_like(w)
        least = w * w / 2
        for z in candidates:
            cost = (z - w) ** 2 / 2 + step * self.terms(z)
            best, least = jnp.where(cost < least, z, best), jnp.minimum(cost, least)
        return best


@register_value()
@dataclass(frozen=True)
class MCP(Folded):
    r"""The minimax concave penalty $\sum_i \alpha |w_i| - w_i^2 / (2\gamma)$ up to $\gamma\alpha$, then constant.

    The constant is $\tfrac12 \gamma \alpha^2$: a sum, no ½ before it. Not convex; its proximal step is the exact
    minimum, also for steps above $\gamma$, where it jumps.

    Args:
        alpha: $\alpha \ge 0$.
        gamma: $\gamma > 1$; the larger, the more like L1.

    Raises:
        ArgumentError: `alpha` is negative or not finite, or `gamma` not above 1.

    >>> MCP(1.0, gamma=3.0).prox(jnp.array([0.5, 2.0, 4.0]), 1.0)
    Array([0. , 1.5, 4. ], dtype=float32)

    Source: Zhang, Ann. Stat. 38 (2010) 894-942.
    """

    alpha: Strength
    gamma: Strength = 3.0

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        size = magnitude(w)
        near = size <= self.gamma * self.alpha
        return jnp.where(near, self.alpha * size - w * w / (2 * self.gamma), self.gamma * self.alpha**2 / 2)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        bend = 1 - step / self.gamma
        near = soft_threshold(w, step * self.alpha) / jnp.where(bend > 0, bend, 1)
        end = self.gamma * self.alpha
        near = jnp.where((bend > 0) & (jnp.abs(near) <= end), near, 0)
        return self._choose(w, step, near, jnp.where(jnp.abs(w) >= end, w, 0))


@register_value()
@dataclass(frozen=True)
class SCAD(Folded):
    r"""Smoothly clipped absolute deviation: of slope $\alpha$ up to $|w| = \alpha$, falling to 0 at $a\alpha$.

    $p(w) = \alpha|w|$; from $\alpha$ on $(2 a \alpha |w| - w^2 - \alpha^2) / (2(a - 1))$; from $a\alpha$ on the
    constant $\tfrac12 (a + 1) \alpha^2$. A sum over entries. Not convex; the proximal step is the exact minimum.

    Args:
        alpha: $\alpha \ge 0$.
        a: above 2.

    Raises:
        ArgumentError: `alpha` is negative or not finite, or `a` not above 2.

    >>> SCAD(1.0, a=3.7).prox(jnp.array([0.5, 1.5, 5.0]), 1.0)
    Array([0. , 0.5, 5. ], dtype=float32)

    Source: Fan and Li, J. Am. Stat. Assoc. 96 (2001) 1348-1360.
    """

    alpha: Strength
    a: Strength = 3.7

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        size, alpha, a = magnitude(w), self.alpha, self.a
        middle = (2 * a * alpha * size - w * w - alpha**2) / (2 * (a - 1))
        far = (a + 1) * alpha**2 / 2
        return jnp.where(size <= alpha, alpha * size, jnp.where(size <= a * alpha, middle, far))

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        alpha, a = self.alpha, self.a
        first = soft_threshold(w, step * alpha)
        first = jnp.where(jnp.abs(first) <= alpha, first, 0)
        bend = 1 - step / (a - 1)
        second = soft_threshold(w, step * a * alpha / (a - 1)) / jnp.where(bend > 0, bend, 1)
        size = jnp.abs(second)
        second = jnp.where((bend > 0) & (size >= alpha) & (size <= a * alpha), second, 0)
        return self._choose(w, step, first, second, jnp.where(jnp.abs(w) >= a * alpha, w, 0))

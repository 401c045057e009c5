"""Penalties made of others: with a factor for each entry, and within bounds."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxreg.checks import Domain, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.penalties.base import Entries, Penalty, Separable, SparsePenalty, Strength
from jaxreg.values import register_value

_BOUND = Domain()


@register_value()
@dataclass(frozen=True)
class Weighted(SparsePenalty, Separable):
    r"""Another penalty with a factor for each entry, $\sum_i f_i\, p(w_i)$: 0 for no penalty, adaptive weights.

    The adaptive lasso is `Weighted(L1(alpha), 1 / abs(first_fit))`. Factors are taken as they are, not rescaled to a
    sum of p, as glmnet does (`conventions.from_glmnet` says how).

    Args:
        penalty: one that is a sum over entries: `L1`, `L2`, `ElasticNet`, `MCP`, `SCAD`.
        factors: $f_i \ge 0$, of a shape that broadcasts to that of the parameters.

    Raises:
        ArgumentError: a penalty that is no sum over entries, or a negative factor.

    >>> from jaxreg.penalties import L1
    >>> Weighted(L1(1.0), jnp.array([0.0, 2.0])).prox(jnp.array([3.0, 3.0]), 1.0)
    Array([3., 1.], dtype=float32)

    Source: Zou, J. Am. Stat. Assoc. 101 (2006) 1418-1429.
    """

    penalty: Any
    factors: Entries

    def __post_init__(self) -> None:
        """Refuse what is no sum over entries."""
        super().__post_init__()
        _check_separable(self.penalty)
        if isinstance(self.penalty, Box):
            raise ArgumentError("penalty", self.penalty, "must not have bounds", "Give Box(low, high, Weighted(...))")

    @property
    def has_dual(self) -> bool:  # type: ignore[override]
        """That of the penalty."""
        return bool(self.penalty.has_dual)

    def at(self, alpha: Strength) -> "Penalty":
        """The same at another strength of the penalty."""
        return replace(self, penalty=self.penalty.at(alpha))

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""
        factors = jnp.asarray(self.factors, w.dtype)
        return jnp.where(factors == 0, 0, factors * self.penalty.terms(w))

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """That of the penalty at v over the factor; without a penalty none."""
        factors = jnp.asarray(self.factors, v.dtype)
        free = factors == 0
        far = jnp.where(v == 0, 0, jnp.sign(v) * jnp.inf)
        return jnp.where(free, far, self.penalty.maximizer(v / jnp.where(free, 1, factors)))

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """That of the penalty times the factor."""
        low, high = self.penalty.range(v)
        factors = jnp.asarray(self.factors, v.dtype)
        return jnp.where(factors == 0, 0, factors * low), jnp.where(factors == 0, 0, factors * high)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        return self.penalty._prox(w, step * jnp.asarray(self.factors, w.dtype))

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        factors = jnp.asarray(self.factors, g.dtype)
        free = factors == 0
        return jnp.where(free, 0, self.penalty._critical(g) / jnp.where(free, 1, factors))


@register_value()
@dataclass(frozen=True)
class Box(SparsePenalty, Separable):
    r"""Bounds $l \le w_i \le u$ on every entry, with another penalty inside or none: infinite outside.

    Args:
        low: $l$, one or of a shape that broadcasts; -infinity for none.
        high: $u \ge l$.
        penalty: a convex one that is a sum over entries, or None.

    Raises:
        ArgumentError: bounds that are NaN or in the wrong order, a penalty that is not convex or no sum.

    >>> Box(-1.0, 2.0).prox(jnp.array([-3.0, 0.5, 3.0]), 1.0)
    Array([-1. ,  0.5,  2. ], dtype=float32)

    Source: Parikh and Boyd, Proximal Algorithms (2014), section 6.2.4.
    """

    low: Entries
    high: Entries
    penalty: Any = None

    def __post_init__(self) -> None:
        """Refuse bounds in the wrong order."""
        for name in ("low", "high"):
            _BOUND.check_all(name, getattr(self, name), "Give a number, or an infinite one for no bound")
        ends = (self.low, self.high)
        if not any(isinstance(end, jax.core.Tracer) for end in ends):
            try:
                ordered = bool((np.asarray(self.low) <= np.asarray(self.high)).all())
            except ValueError:
                ordered = False
            if not ordered:
                raise ArgumentError("high", self.high, f"must not be below low, {self.low}", "Exchange them")
        if self.penalty is not None:
            _check_separable(self.penalty)
            if not self.penalty.has_dual:
                raise ArgumentError("penalty", self.penalty, "must be convex", "Give L1, L2 or ElasticNet")

    def at(self, alpha: Strength) -> "Penalty":
        """The same at another strength of the penalty inside."""
        if self.penalty is None:
            raise ArgumentError("penalty", self, "must have a strength alpha", "Put a penalty inside the bounds")
        return replace(self, penalty=self.penalty.at(alpha))

    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty inside; infinite beyond a bound."""
        inner = jnp.zeros_like(w) if self.penalty is None else self.penalty.terms(w)
        return jnp.where(self._clip(w) != w, jnp.inf, inner)

    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """That of the penalty inside, within the bounds."""
        free = jnp.where(v == 0, 0, jnp.sign(v) * jnp.inf)
        return self._clip(free if self.penalty is None else self.penalty.maximizer(v))

    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Without limit to the side of a bound, else that of the penalty inside."""
        low, high = (jnp.zeros_like(v),) * 2 if self.penalty is None else self.penalty.range(v)
        below, above = (jnp.isfinite(jnp.asarray(end, v.dtype)) for end in (self.low, self.high))
        return jnp.where(below, -jnp.inf, low), jnp.where(above, jnp.inf, high)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        return self._clip(w if self.penalty is None else self.penalty._prox(w, step))

    def _clip(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.clip(w, jnp.asarray(self.low, w.dtype), jnp.asarray(self.high, w.dtype))

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.penalty is None:
            raise ArgumentError("penalty", self, "must have a strength alpha", "Put a penalty inside the bounds")
        # Where 0 is a bound, only what pulls to the other side counts.
        pulls = jnp.where(g < 0, jnp.asarray(self.high) > 0, jnp.asarray(self.low) < 0)
        return self.penalty._critical(jnp.where(pulls, g, 0))


def positive(penalty: Any = None) -> Box:
    r"""Bounds from 0 on, $w_i \ge 0$, with another penalty or none: non-negative least squares, the positive lasso.

    >>> from jaxreg.penalties import L1
    >>> positive(L1(1.0)).prox(jnp.array([-3.0, 3.0]), 1.0)
    Array([0., 2.], dtype=float32)
    """
    return Box(0.0, jnp.inf, penalty)


def _check_separable(penalty: Any) -> None:
    check_kind("penalty", penalty, Separable, "Give L1, L2, ElasticNet, MCP or SCAD, which are sums over entries")

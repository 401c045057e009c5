"""Penalties that go by groups: the group lasso, with and without L1, and the max-norm constraint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxreg.checks import check_integer
from jaxreg.errors import ArgumentError
from jaxreg.penalties.base import (
    Entries,
    Penalty,
    SparsePenalty,
    Strength,
    euclidean,
    incoming,
    magnitude,
    soft_threshold,
    units,
)
from jaxreg.values import register_value

Groups = int | Sequence[Sequence[int]] | None
_HALVINGS = 60  # of an interval of slopes, down to rounding in double precision


class Grouped(SparsePenalty):
    """What both group lassos share: their groups, as index lists of a vector or as rows of a kernel."""

    has_dual = True
    alpha: Strength
    groups: Groups
    unit_axis: int | None
    factors: Entries | None = None

    def __post_init__(self) -> None:
        """Refuse strengths outside their domain, and groups that overlap or leave entries out."""
        super().__post_init__()
        object.__setattr__(self, "groups", _read_groups(self.groups))
        if self.factors is not None and self.groups is None:
            raise ArgumentError("factors", self.factors, "are for groups of a vector", "Give groups too")

    def blocks(self, shape: tuple[int, ...]) -> Int[np.ndarray, "..."]:
        """The number of each entry's group."""
        if self.groups is None:
            if not shape:
                return np.zeros((), int)
            axis = range(len(shape))[-1 if self.unit_axis is None else self.unit_axis]
            return np.broadcast_to(np.expand_dims(_count(shape, axis), axis), shape)
        if len(shape) != 1:
            raise ArgumentError(
                "params", shape, "must be a vector, as groups are lists of its entries", "Leave groups out"
            )
        if isinstance(self.groups, int):
            lists = [list(range(i, i + self.groups)) for i in range(0, shape[0], self.groups)]
        else:
            lists = [list(group) for group in self.groups]
        known = sorted(index for group in lists for index in group)
        if known != list(range(shape[0])):
            constraint = f"must hold each of the {shape[0]} entries once"
            raise ArgumentError("groups", self.groups, constraint, "Give lists of indices that cover them all")
        labels = np.empty(shape, int)
        for number, group in enumerate(lists):
            labels[group] = number
        return labels

    def _spread_norms(self, w: Float[Array, "..."]) -> tuple[Float[Array, "..."], Any]:
        """The norm of each entry's group and the root of its size, in shapes that broadcast to that of w."""
        if not w.size:
            return w, 1.0
        if self.groups is None:
            axes = units(w, self.unit_axis)
            return euclidean(w, axes), math.sqrt(math.prod(w.shape[i] for i in axes))
        labels = self.blocks(w.shape)
        norm, root = self._norms_of_lists(w, labels)
        if self.factors is None:
            return norm, root
        factors, count = jnp.asarray(self.factors, w.dtype), labels.max() + 1
        if factors.shape not in ((), (count,)):
            raise ArgumentError("factors", factors.shape, f"must be one for each of the {count} groups", "Match them")
        return norm, root * jnp.broadcast_to(factors, (count,))[labels]

    def _norms_of_lists(self, w: Float[Array, " p"], labels: Int[np.ndarray, " p"]) -> tuple[Float[Array, " p"], Any]:
        """The same for groups that are lists, without their factors."""
        sizes = np.bincount(labels)
        if (sizes == sizes[0]).all():  # a table: far faster than sums over segments
            size = int(sizes[0])
            if (labels == np.repeat(np.arange(len(sizes)), size)).all():  # of neighbours: nothing has to be gathered
                norms = euclidean(w.reshape(len(sizes), size), (1,))
                return jnp.broadcast_to(norms, (len(sizes), size)).reshape(-1), math.sqrt(size)
            order = np.argsort(labels, kind="stable")
            return euclidean(w[order].reshape(len(sizes), size), (1,))[:, 0][labels], math.sqrt(size)
        # Sums over segments, of numbers whose squares do not overflow.
        largest = jax.lax.stop_gradient(jax.ops.segment_max(jnp.abs(w), labels, len(sizes)))[labels]
        scaled = w / jnp.where(largest == 0, 1, largest)
        squares = jax.ops.segment_sum(scaled * scaled, labels, len(sizes))[labels]
        return largest * jnp.sqrt(jnp.where(squares == 0, 1, squares)), np.sqrt(sizes)[labels].astype(w.dtype)

    def _sum_groups(self, values: Float[Array, "..."], w: Float[Array, "..."]) -> Float[Array, ""]:
        """The sum over groups of what `_spread_norms` gives for each."""
        if self.groups is None:
            return values.sum()
        labels = self.blocks(w.shape)
        first = np.unique(labels, return_index=True)[1]
        return values[first].sum()


@register_value("unit_axis", "groups")
@dataclass(frozen=True)
class GroupLasso(Grouped):
    r"""The group lasso $\alpha \sum_g \sqrt{p_g}\, \|w_g\|_2$: a sum over groups of $p_g$ entries, no ½.

    A group of a kernel (in, out) is a row: all weights that leave one input, which live or die together. A vector, or
    a single number, is one group: coefficients in a dict of vectors make groups of any sizes.

    Args:
        alpha: $\alpha \ge 0$.
        unit_axis: the axis of a kernel along which its units (outputs) lie: -1 for kernels (in, out), as Flax and Keras
            have them, 0 for weights (out, in), as PyTorch, Equinox and `jaxreg.nets` do (`nets.UNIT_AXIS`). None is -1,
            but refuses parameters of the name `weight`.
        groups: for a vector: lists of the indices of each group, or the size of groups of neighbours (static).
        factors: with `groups`: $f_g \ge 0$ that multiplies the strength of each group, 0 for no penalty; None is 1.

    Raises:
        ArgumentError: `alpha` or a factor is negative or not finite; a parameter of the name `weight` without a
            `unit_axis`; groups that overlap, or that do not cover the vector.

    >>> GroupLasso(1.0).value(jnp.array([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    Array(10., dtype=float32)
    >>> GroupLasso(1.0, groups=[[0, 1], [2]]).prox(jnp.array([3.0, 4.0, 0.5]), 1.0).round(4)
    Array([2.1515, 2.8686, 0.    ], dtype=float32)

    Source: Yuan and Lin, J. R. Stat. Soc. B 68 (2006) 49-67.
    """

    alpha: Strength
    unit_axis: int | None = None
    groups: Groups = None
    factors: Entries | None = None

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        norm, root = self._spread_norms(w)
        return self.alpha * self._sum_groups(root * norm, w)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        norm, root = self._spread_norms(w)
        return w * jnp.maximum(1 - step * self.alpha * root / jnp.where(norm == 0, 1, norm), 0)

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        norm, root = self._spread_norms(g)
        root = jnp.asarray(root)
        return jnp.where(root == 0, 0, norm / jnp.where(root == 0, 1, root))

    def conjugate(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """0 where no group's norm exceeds its slope, else infinite."""
        norm, root = self._spread_norms(v)
        return jnp.where((norm <= self.alpha * root).all(), 0, jnp.inf).astype(v.dtype)

    def shrink(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """The factor that brings each group's norm to its slope."""
        norm, root = self._spread_norms(v)
        limit = self.alpha * root
        return jnp.where(norm > limit, limit / jnp.where(norm > limit, norm, 1), 1).min(initial=1)

    def confine(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Nothing, where the strength or the group's factor is 0."""
        return jnp.where(jnp.asarray(self.alpha * self._spread_norms(v)[1]) > 0, v, 0)


@register_value("unit_axis", "groups")
@dataclass(frozen=True)
class SparseGroupLasso(Grouped):
    r"""The sparse group lasso $\alpha \rho \sum_i |w_i| + \alpha (1 - \rho) \sum_g \sqrt{p_g}\, \|w_g\|_2$, sums, no ½.

    Args:
        alpha: $\alpha \ge 0$.
        l1_ratio: $\rho$, from 0 (`GroupLasso`) to 1 (`L1`).
        unit_axis: as in `GroupLasso`.
        groups: as in `GroupLasso`.

    Raises:
        ArgumentError: as for `GroupLasso`, or `l1_ratio` outside [0, 1].

    >>> SparseGroupLasso(1.0, 0.5, groups=2).prox(jnp.array([3.0, 0.5, 0.25, 0.5]), 1.0).round(4)
    Array([1.7929, 0.    , 0.    , 0.    ], dtype=float32)

    Source: Simon, Friedman, Hastie and Tibshirani, J. Comput. Graph. Stat. 22 (2013) 231-245.
    """

    alpha: Strength
    l1_ratio: Strength
    unit_axis: int | None = None
    groups: Groups = None

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        norm, root = self._spread_norms(w)
        groups = self._sum_groups(root * norm, w)
        return self.alpha * (self.l1_ratio * magnitude(w).sum() + (1 - self.l1_ratio) * groups)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        w = soft_threshold(w, step * self.alpha * self.l1_ratio)
        norm, root = self._spread_norms(w)
        return w * jnp.maximum(1 - step * self.alpha * (1 - self.l1_ratio) * root / jnp.where(norm == 0, 1, norm), 0)

    def _excess(self, v: Float[Array, "..."], alpha: Any) -> Float[Array, "..."]:
        """By how much the norm of what is left of each group exceeds its slope."""
        norm, root = self._spread_norms(soft_threshold(v, alpha * self.l1_ratio))
        return norm - alpha * (1 - self.l1_ratio) * root

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        # What is left of a group decreases in alpha, and at its largest entry over rho, or norm over 1 - rho, is gone.
        most = jnp.full_like(self._excess(g, 0.0), 2) * jnp.abs(g).sum()

        def halve(_: Any, ends: Any) -> Any:
            low, high = ends
            middle = (low + high) / 2
            # One strength for each group: of entries, that of their own group.
            at = jnp.broadcast_to(middle, g.shape)
            over = self._excess(g, at if self.groups is not None else middle) > 0
            return jnp.where(over, middle, low), jnp.where(over, high, middle)

        return jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.zeros_like(most), most))[1]

    def conjugate(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """0 where what the L1 part leaves of each group is within the slope of its norm, else infinite."""
        slack = 4 * float(jnp.finfo(v.dtype).eps) * jnp.abs(v).sum()
        return jnp.where((self._excess(v, self.alpha) <= slack).all(), 0, jnp.inf).astype(v.dtype)

    def shrink(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """The largest factor that is feasible, by halving."""

        def halve(_: Any, ends: Any) -> Any:
            low, high = ends
            middle = (low + high) / 2
            fits = (self._excess(middle * v, self.alpha) <= 0).all()
            return jnp.where(fits, middle, low), jnp.where(fits, high, middle)

        one = jnp.ones((), v.dtype)
        factor = jax.lax.fori_loop(0, _HALVINGS, halve, (0 * one, one))[0]
        return jnp.where((self._excess(v, self.alpha) <= 0).all(), 1, factor)

    def confine(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Nothing, where the strength is 0."""
        return jnp.where(jnp.asarray(self.alpha) > 0, v, 0)


@register_value("unit_axis")
@dataclass(frozen=True)
class MaxNorm(Penalty):
    r"""The constraint $\|w_u\|_2 \le r$ on the incoming weights of every unit: no slope, but a wall.

    The incoming weights of a unit are a column of a kernel (in, out), in general all axes but `unit_axis`; a vector or
    a single number is one unit. `value` is 0, or infinite where a norm is above $r$ by more than its rounding; its
    gradient is 0. What keeps the constraint is `prox`, the projection, after every step and whatever the step size.

    Args:
        radius: $r \ge 0$; infinite for no constraint.
        unit_axis: the axis of a kernel along which its units lie, as in `GroupLasso`.

    Raises:
        ArgumentError: `radius` is negative or NaN; a parameter of the name `weight` without a `unit_axis`.

    >>> MaxNorm(1.0).prox(jnp.array([[3.0, 0.25], [4.0, 0.5]]), 1.0)
    Array([[0.6 , 0.25], [0.8 , 0.5 ]], dtype=float32)

    Source: Srivastava et al., J. Mach. Learn. Res. 15 (2014) 1929-1958, section 5.1.
    """

    radius: Strength
    unit_axis: int | None = None

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        tolerance = 1 + w.size * float(jnp.finfo(w.dtype).eps)
        return jnp.where(
            (euclidean(w, incoming(w, self.unit_axis)) <= self.radius * tolerance).all(), 0, jnp.inf
        ).astype(w.dtype)

    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        norm = euclidean(w, incoming(w, self.unit_axis))
        inside = norm <= self.radius
        # Both are 1 inside, where an infinite radius would make the slope NaN.
        return w * (jnp.where(inside, 1, self.radius) / jnp.where(inside, 1, norm))


def _count(shape: tuple[int, ...], axis: int) -> Int[np.ndarray, "..."]:
    rest = tuple(size for i, size in enumerate(shape) if i != axis)
    return np.arange(int(np.prod(rest))).reshape(rest)


def _read_groups(groups: Any) -> Any:
    """Groups as a number or a tuple of tuples, each index in one of them."""
    if groups is None:
        return None
    remedy = "Give lists of indices such as [[0, 1], [2, 3, 4]], or one size"
    if isinstance(groups, int | np.integer):
        check_integer("groups", groups, 1, 2**31, remedy)
        return int(groups)
    try:
        lists = tuple(tuple(np.asarray(group).tolist()) for group in groups)
    except (TypeError, ValueError) as error:
        raise ArgumentError("groups", groups, "must be lists of indices", remedy) from error
    flat = [index for group in lists for index in group]
    if not flat or not all(lists) or not all(isinstance(index, int) and not isinstance(index, bool) for index in flat):
        raise ArgumentError("groups", groups, "must be lists of one index or more", remedy)
    if len(set(flat)) < len(flat):
        raise ArgumentError("groups", groups, "must not overlap", remedy)
    if min(flat) != 0 or max(flat) != len(flat) - 1:
        raise ArgumentError("groups", groups, "must cover all indices from 0 on", remedy)
    return lists

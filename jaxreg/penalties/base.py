"""What penalties share: masks, checks of strengths, a value and a proximal step on pytrees, a dual for certificates."""

import abc
import dataclasses
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PyTree

from jaxreg.checks import (
    NOT_NEGATIVE,
    SHARE,
    Domain,
    as_real,
    check_choice,
    check_fits,
    is_flag,
    read_factor,
    read_floats,
)
from jaxreg.errors import ArgumentError

Mask: TypeAlias = Any  # a pytree prefix of bool, a function that makes it from the parameters, or None
Scalar: TypeAlias = int | float | np.floating | Float[Array, ""]
Strength: TypeAlias = int | float | np.floating | Float[Array, "..."]  # several numbers only as a stack for `vmap`
Entries: TypeAlias = Strength | Num[Array | np.ndarray, "..."]  # one for each entry


def kernels_only(params: PyTree[Float[Array | jax.ShapeDtypeStruct, "..."]]) -> PyTree[bool]:
    """The mask that is True for leaves of two or more dimensions: kernels, not biases or scales.

    Args:
        params: parameters of a model, or their shapes.

    >>> kernels_only({"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)})
    {'bias': False, 'kernel': True}
    """
    return jax.tree.map(_is_kernel, params)


def _is_kernel(leaf: Any) -> bool:
    if not hasattr(leaf, "ndim"):
        raise ArgumentError("params", leaf, "must hold arrays", "Convert its leaves")
    return bool(leaf.ndim >= 2)


def soft_threshold(x: Float[Array, "*shape"], threshold: Entries) -> Float[Array, "*shape"]:
    r"""Proximal operator of the L1 norm, $\arg\min_z \tfrac12\|z-x\|^2 + t\|z\|_1$ with $t$ = `threshold`, one or many.

    Entries no larger than `threshold` in magnitude become exactly zero; the others move towards zero by it.

    Raises:
        ArgumentError: what is no array of real numbers, or a threshold that does not broadcast to `x`.

    >>> soft_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0)
    Array([-2.,  0.,  1.], dtype=float32)

    Source: Parikh and Boyd, Proximal Algorithms (2014), section 6.5.2.
    """
    x, is_one = read_floats("x", x), isinstance(threshold, jax.core.Tracer | float | int)
    threshold = as_real(threshold) if is_one else read_floats("threshold", threshold)
    check_fits("threshold", np.shape(threshold), "x", x.shape)
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


class Penalty(abc.ABC):
    """What all penalties share: a sum over leaves for the value, a map over leaves for the proximal step.

    `jaxreg.linear.solve` asks for more, of one array: its `blocks` and, for a duality gap, `conjugate` and `shrink`.
    """

    separable: ClassVar[bool] = False
    """Whether it is a sum over entries: then `prox` takes a step for each of them."""
    has_dual: ClassVar[bool] = False
    """Whether it is convex and `conjugate` and `shrink` are there."""

    def __post_init__(self) -> None:
        """Refuse strengths outside their domain."""
        for name, value in vars(self).items():
            if name == "unit_axis":
                check_choice(name, value, (None, 0, -1), "Give -1 for kernels (in, out), 0 for weights (out, in)")
            elif (name in _DOMAINS or name == "alpha") and not (name == "factors" and value is None):
                _check(name, value)
                if (number := as_real(value)) is not value:
                    object.__setattr__(self, name, number)

    @abc.abstractmethod
    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        """The penalty of one leaf."""

    @abc.abstractmethod
    def _prox(self, w: Float[Array, "..."], step: Any) -> Float[Array, "..."]:
        """The proximal step of one leaf."""

    def value(self, params: PyTree[Float[Array, "..."]], mask: Mask = None) -> Float[Array, ""]:
        r"""$P(w)$ over the parameters the mask selects; exactly 0 at zero strength.

        Its gradient is finite everywhere: at 0, where a norm is not differentiable, the subgradient 0 is taken.

        Raises:
            ArgumentError: the mask does not fit the parameters.

        >>> from jaxreg.penalties import L1
        >>> L1(0.5).value({"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([9.0])}, kernels_only)
        Array(1.5, dtype=float32)
        """
        params = self._read("params", params, mask)
        return jnp.asarray(sum((self._value(w) for w in _select(params, mask)), 0.0))

    def prox(
        self, params: PyTree[Float[Array, "..."]], step: Strength, mask: Mask = None
    ) -> PyTree[Float[Array, "..."]]:
        r"""The proximal step $\arg\min_z \tfrac12 \|z - w\|^2 + \eta P(z)$ with $\eta$ = `step`.

        Of a sum over entries, as `L1` is, each may have its own step, in an array that fits every leaf; of one over
        groups, each group.

        Parameters outside the mask come back unchanged, and so do all at zero strength (but for subnormal numbers,
        which XLA's arithmetic takes for zero).

        Raises:
            ArgumentError: a negative step, or a mask that does not fit the parameters.

        >>> from jaxreg.penalties import L1
        >>> L1(0.5).prox({"kernel": jnp.array([[1.0, 0.25]]), "bias": jnp.array([9.0])}, 1.0, kernels_only)
        {'bias': Array([9.], dtype=float32), 'kernel': Array([[0.5, 0. ]], dtype=float32)}
        """
        NOT_NEGATIVE.check_all("step", step, "Give a step size such as 0.1", jnp.result_type(float))
        step, params = read_factor("step", step), self._read("params", params, mask)
        for w in _select(params, mask):
            check_fits("step", np.shape(step), "params", w.shape)
        return jax.tree.map(lambda w, acts: self._prox(w, step) if acts else w, params, _spread(mask, params))

    def _read(self, name: str, params: PyTree, mask: Mask) -> PyTree:
        """Parameters whose leaves are all arrays of JAX, that the strengths fit."""
        params = jax.tree.map(lambda leaf: read_floats(name, leaf), params)
        _check_layout(self, params, mask)
        _check_use(self, name, _select(params, mask))
        return params

    def at(self, alpha: Strength) -> "Penalty":
        """The same penalty at another strength."""
        if not hasattr(self, "alpha"):
            raise ArgumentError("penalty", self, "must have a strength alpha", "Give L1, L2 or GroupLasso, say")
        return dataclasses.replace(self, alpha=alpha)  # type: ignore[type-var]

    def blocks(self, shape: tuple[int, ...]) -> Int[np.ndarray, "..."]:
        """Numbers of the blocks that entries of an array of this shape belong to, each with a proximal step of its own.

        >>> from jaxreg.penalties import L1, L2
        >>> L1(1.0).blocks((3,)), L2(1.0).blocks((1, 2))
        (array([0, 1, 2]), array([[0, 1]]))
        """
        return np.arange(int(np.prod(shape))).reshape(shape) if self.separable else np.zeros(shape, int)

    def conjugate(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        r"""The convex conjugate $P^*(v) = \sup_w v'w - P(w)$ on one array; infinite where the dual is not feasible."""
        raise NotImplementedError

    def shrink(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        r"""A factor from 0 to 1, of the largest, by which v has a finite and small $P^*$; 0 ranges play no part."""
        raise NotImplementedError

    def confine(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """The part of v in the directions that no factor makes feasible set to 0: there the penalty has no slope."""
        raise NotImplementedError


class SparsePenalty(Penalty):
    """A penalty under which all weights are exactly zero from some strength on."""

    @abc.abstractmethod
    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        """The strength at which each entry or group of one leaf becomes zero."""

    def alpha_max(self, gradient: PyTree[Float[Array, "..."]], mask: Mask = None) -> Float[Array, ""]:
        r"""The smallest `alpha` at which all penalised weights are zero (the own `alpha` plays no part).

        Args:
            gradient: $g$, of the data loss where the penalised weights are zero. For $\tfrac1{2n}\|y - Xb\|^2$ it is
                $-X'y/n$, which gives the $\max|X'y|/n$ of the textbooks for the lasso.
            mask: parameters that are penalised.

        Raises:
            ArgumentError: the mask does not fit, or selects nothing.

        >>> from jaxreg.penalties import L1, ElasticNet
        >>> gradient = jnp.array([0.5, -3.0])
        >>> float(L1(1.0).alpha_max(gradient)), float(ElasticNet(1.0, l1_ratio=0.5).alpha_max(gradient))
        (3.0, 6.0)
        """
        gradient = self._read("gradient", gradient, mask)
        leaves = [self._critical(g).max() for g in _select(gradient, mask)]
        if not leaves:
            raise ArgumentError("mask", mask, "must select some parameters", "Give True where the penalty acts")
        return jnp.stack(leaves).max()


class Separable(Penalty):
    r"""A penalty that is a sum over entries, $P(w) = \sum_i p(w_i)$, convex unless it says otherwise.

    >>> from jaxreg.penalties import L1, Separable
    >>> isinstance(L1(0.5), Separable), L1(0.5).terms(jnp.array([-2.0, 0.0])).tolist()
    (True, [1.0, 0.0])
    """

    separable = True
    has_dual = True

    @abc.abstractmethod
    def terms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of each entry."""

    @abc.abstractmethod
    def maximizer(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\arg\max_w v w - p(w)$ for each entry, infinite where there is no maximum."""

    @abc.abstractmethod
    def range(self, v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Between which two numbers each entry of v has a small conjugate: 0 or, where that is impossible, finite."""

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.terms(w).sum()

    def conjugate_terms(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """The conjugate of each entry."""
        best = self.maximizer(v)
        finite = jnp.isfinite(best)
        best = jnp.where(finite, best, 0)
        return jnp.where(finite, v * best - self.terms(best), jnp.inf)

    def conjugate(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """The sum of the conjugates of the entries."""
        return self.conjugate_terms(v).sum()

    def shrink(self, v: Float[Array, "..."]) -> Float[Array, ""]:
        """The factor that brings each entry into its range."""
        low, high = self.range(v)
        limit = jnp.where(v > 0, high, -low)
        size = jnp.abs(v)
        return jnp.where(size > limit, limit / jnp.where(size > limit, size, 1), 1).min(initial=1)

    def confine(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Where a range ends at 0, v beyond it is set to 0."""
        low, high = self.range(v)
        return jnp.where((v > 0) & (high == 0) | (v < 0) & (low == 0), 0, v)


_DOMAINS = {
    "l1_ratio": (SHARE, "Give 0 for L2, at most 1, which is L1"),
    "radius": (Domain(0), "Give a length, infinite for no constraint"),
    "gamma": (Domain(1, ends="()"), "Give 3.0"),
    "a": (Domain(2, ends="()"), "Give 3.7"),
    "factors": (NOT_NEGATIVE, "Give 0 for no penalty, 1 for the usual one"),
}


_ENTRIES = ("factors", "low", "high")


def _check(name: str, value: Any, dtype: Any = None) -> None:
    """Refuse a concrete number outside its domain; traced values cannot be looked at."""
    domain, remedy = _DOMAINS.get(name, (NOT_NEGATIVE, "Give a strength such as 1e-4"))
    domain.check_all(name, value, remedy, dtype)


def _check_use(penalty: Penalty, like: str, leaves: list[Array]) -> None:
    """Refuse strengths that the precision at hand has no room for, and numbers of entries that do not fit them."""
    dtype = jnp.result_type(float)
    for name, value in vars(penalty).items():
        if isinstance(value, Penalty):
            _check_use(value, like, leaves)
        elif name in _ENTRIES and value is not None and getattr(penalty, "groups", None) is None:
            for w in leaves:
                check_fits(name, np.shape(value), like, w.shape)
        elif name == "alpha" or (name in _DOMAINS and name not in _ENTRIES):
            _check(name, value, dtype)


def _spread(mask: Mask, params: PyTree) -> PyTree[bool]:
    """The mask with one truth value for each leaf of `params`."""
    prefix = True if mask is None else mask(params) if callable(mask) else mask
    try:
        full = jax.tree.map(lambda acts, part: jax.tree.map(lambda _: acts, part), prefix, params)
    except ValueError as error:
        remedy = "Give None, kernels_only, or truth values for whole branches"
        raise ArgumentError("mask", prefix, f"must be a prefix of the parameters ({error})", remedy) from error
    if not all(map(is_flag, jax.tree.leaves(full))):
        raise ArgumentError("mask", prefix, "must hold truth values only", "Give True where the penalty acts")
    return full


def _select(params: PyTree, mask: Mask) -> list[Array]:
    """The leaves a penalty acts on."""
    return [w for w, acts in zip(*map(jax.tree.leaves, (params, _spread(mask, params))), strict=True) if acts]


def magnitude(w: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The absolute value, with derivative 0 at 0, where that of `jnp.abs` is 1."""
    return w * jnp.sign(w)


def euclidean(w: Float[Array, "..."], axes: tuple[int, ...]) -> Float[Array, "..."]:
    """Euclidean norm over `axes`, kept as dimensions of 1: gradient 0 at 0, and squares that never overflow."""
    largest = jax.lax.stop_gradient(jnp.abs(w).max(axes, keepdims=True))
    scaled = w / jnp.where(largest == 0, 1, largest)
    squares = (scaled * scaled).sum(axes, keepdims=True)
    return largest * jnp.sqrt(jnp.where(squares == 0, 1, squares))


def units(w: Float[Array, "..."], unit_axis: int | None) -> tuple[int, ...]:
    """Axes of a group: that of the units of a kernel, the only one of a vector, none of a number."""
    return (range(w.ndim)[-1 if unit_axis is None else unit_axis],) if w.ndim else ()


def incoming(w: Float[Array, "..."], unit_axis: int | None) -> tuple[int, ...]:
    """Axes of a unit's incoming weights: all of a kernel but that of the units, the only one of a vector, or none."""
    axes = units(w, unit_axis)
    return tuple(axis for axis in range(w.ndim) if axis not in axes) or axes


def _check_layout(penalty: Penalty, params: PyTree, mask: Mask) -> None:
    """Refuse to guess: of what is called `weight`, the units lie first in some libraries and last in others."""
    if getattr(penalty, "unit_axis", -1) is not None:
        return
    leaves = jax.tree_util.tree_leaves_with_path(params)
    for (path, w), acts in zip(leaves, jax.tree.leaves(_spread(mask, params)), strict=True):
        name = getattr(path[-1], "key", getattr(path[-1], "name", None)) if path else None
        if acts and jnp.ndim(w) >= 2 and name == "weight":
            place, remedy = jax.tree_util.keystr(path), "Give 0 for (out, in), as jaxreg.nets has it, -1 for (in, out)"
            raise ArgumentError("unit_axis", None, f"must be said for params{place} of shape {w.shape}", remedy)

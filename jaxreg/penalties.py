r"""Penalties on the parameters: value, proximal step and critical strength, on pytrees with a mask.

A penalty is a frozen value whose strengths are leaves of a pytree: they may be swept, traced, batched by `vmap` and
differentiated. Each is a plain sum over all the entries it acts on, whatever the number of samples:

| penalty | $P(w)$ | all zero from `alpha_max` on |
| --- | --- | --- |
| `L1` | $\alpha \sum |w_i|$ | $\max |g_i|$ |
| `L2` | $\tfrac12 \alpha \sum w_i^2$ | never |
| `ElasticNet` | $\alpha \rho \sum |w_i| + \tfrac12 \alpha (1-\rho) \sum w_i^2$ | $\max |g_i| / \rho$ |
| `GroupLasso` | $\alpha \sum_g \sqrt{p_g}\, \|w_g\|_2$, $p_g$ entries | $\max \|g_g\|_2 / \sqrt{p_g}$ |
| `MaxNorm` | 0 where all $\|w_u\|_2 \le r$, else infinite | |

A *mask* says which parameters a penalty acts on: a pytree prefix of `params` with truth values, a function that makes
one from `params` (as `kernels_only`), or None for all. `jaxreg.conventions` translates other libraries' strengths.
"""

import abc
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from jaxreg.checks import NOT_NEGATIVE, SHARE, Domain, check_choice, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.values import register_value

Mask: TypeAlias = Any  # a pytree prefix of bool, a function that makes it from the parameters, or None
Scalar: TypeAlias = int | float | np.floating | Float[Array, ""]
Strength: TypeAlias = int | float | np.floating | Float[Array, "..."]  # several numbers only as a stack for `vmap`


def kernels_only(params: PyTree[Float[Array | jax.ShapeDtypeStruct, "..."]]) -> PyTree[bool]:
    """The mask that is True for leaves of two or more dimensions: kernels, not biases or scales.

    >>> kernels_only({"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)})
    {'bias': False, 'kernel': True}
    """
    return jax.tree.map(_is_kernel, params)


def _is_kernel(leaf: Any) -> bool:
    if not hasattr(leaf, "ndim"):
        raise ArgumentError("params", leaf, "must hold arrays", "Convert its leaves")
    return bool(leaf.ndim >= 2)


def soft_threshold(x: Float[Array, "*shape"], threshold: Scalar) -> Float[Array, "*shape"]:
    r"""Proximal operator of the L1 norm, $\arg\min_z \tfrac12\|z-x\|^2 + t\|z\|_1$ with $t$ = `threshold`.

    Entries no larger than `threshold` in magnitude become exactly zero; the others move towards zero by it.

    >>> soft_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0)
    Array([-2.,  0.,  1.], dtype=float32)

    Source: Parikh and Boyd, Proximal Algorithms (2014), section 6.5.2.
    """
    x = read_floats("x", x)
    if not isinstance(threshold, jax.core.Tracer | float | int):
        threshold = read_floats("threshold", threshold)
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


class Penalty(abc.ABC):
    """What all penalties share: a sum over leaves for the value, a map over leaves for the proximal step."""

    def __post_init__(self) -> None:
        """Refuse strengths outside their domain."""
        for name, value in vars(self).items():
            if name == "unit_axis":
                check_choice(name, value, (None, 0, -1), "Give -1 for kernels (in, out), 0 for weights (out, in)")
            else:
                _check(name, value)

    @abc.abstractmethod
    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        """The penalty of one leaf."""

    @abc.abstractmethod
    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        """The proximal step of one leaf."""

    def value(self, params: PyTree[Float[Array, "..."]], mask: Mask = None) -> Float[Array, ""]:
        r"""$P(w)$ over the parameters the mask selects; exactly 0 at zero strength.

        Its gradient is finite everywhere: at 0, where a norm is not differentiable, the subgradient 0 is taken.

        Raises:
            ArgumentError: the mask does not fit the parameters.

        >>> L1(0.5).value({"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([9.0])}, kernels_only)
        Array(1.5, dtype=float32)
        """
        params = _read_params("params", params)
        _check_layout(self, params, mask)
        return jnp.asarray(sum((self._value(w) for w in _select(params, mask)), 0.0))

    def prox(self, params: PyTree[Float[Array, "..."]], step: Scalar, mask: Mask = None) -> PyTree[Float[Array, "..."]]:
        r"""The proximal step $\arg\min_z \tfrac12 \|z - w\|^2 + \eta P(z)$ with $\eta$ = `step`.

        Parameters outside the mask come back unchanged, and so do all at zero strength (but for subnormal numbers,
        which XLA's arithmetic takes for zero).

        Raises:
            ArgumentError: a negative step, or a mask that does not fit the parameters.

        >>> L1(0.5).prox({"kernel": jnp.array([[1.0, 0.25]]), "bias": jnp.array([9.0])}, 1.0, kernels_only)
        {'bias': Array([9.], dtype=float32), 'kernel': Array([[0.5, 0. ]], dtype=float32)}
        """
        NOT_NEGATIVE.check("step", step, "Give a step size such as 0.1")
        params = _read_params("params", params)
        _check_layout(self, params, mask)
        return jax.tree.map(lambda w, acts: self._prox(w, step) if acts else w, params, _spread(mask, params))


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

        >>> gradient = jnp.array([0.5, -3.0])
        >>> float(L1(1.0).alpha_max(gradient)), float(ElasticNet(1.0, l1_ratio=0.5).alpha_max(gradient))
        (3.0, 6.0)
        """
        gradient = _read_params("gradient", gradient)
        _check_layout(self, gradient, mask)
        leaves = [self._critical(g).max() for g in _select(gradient, mask)]
        if not leaves:
            raise ArgumentError("mask", mask, "must select some parameters", "Give True where the penalty acts")
        return jnp.stack(leaves).max()


@register_value()
@dataclass(frozen=True)
class L1(SparsePenalty):
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

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * _magnitude(w).sum()

    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        return soft_threshold(w, step * self.alpha)

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(g)


@register_value()
@dataclass(frozen=True)
class L2(Penalty):
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

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * (0.5 * (w * w).sum())

    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        return w / (1 + step * self.alpha)


@register_value()
@dataclass(frozen=True)
class ElasticNet(SparsePenalty):
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

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * (self.l1_ratio * _magnitude(w).sum() + (1 - self.l1_ratio) * (0.5 * (w * w).sum()))

    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        strength = step * self.alpha
        return soft_threshold(w, strength * self.l1_ratio) / (1 + strength * (1 - self.l1_ratio))

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(g) / self.l1_ratio


@register_value("unit_axis")
@dataclass(frozen=True)
class GroupLasso(SparsePenalty):
    r"""The group lasso $\alpha \sum_g \sqrt{p_g}\, \|w_g\|_2$: a sum over groups of $p_g$ entries, no ½.

    A group of a kernel (in, out) is a row: all weights that leave one input, which live or die together. A vector, or
    a single number, is one group: coefficients in a dict of vectors make groups of any sizes.

    Args:
        alpha: $\alpha \ge 0$.
        unit_axis: the axis of a kernel along which its units (outputs) lie: -1 for kernels (in, out), as Flax and Keras
            have them, 0 for weights (out, in), as PyTorch, Equinox and `jaxreg.nets` do (`nets.UNIT_AXIS`). None is -1,
            but refuses parameters of the name `weight`.

    Raises:
        ArgumentError: `alpha` is negative or not finite; a parameter of the name `weight` without a `unit_axis`.

    >>> GroupLasso(1.0).value(jnp.array([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    Array(10., dtype=float32)

    Source: Yuan and Lin, J. R. Stat. Soc. B 68 (2006) 49-67.
    """

    alpha: Strength
    unit_axis: int | None = None

    def _value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        return self.alpha * (self._root_size(w) * self._norms(w).sum())

    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        norm = self._norms(w)
        return w * jnp.maximum(1 - step * self.alpha * self._root_size(w) / jnp.where(norm == 0, 1, norm), 0)

    def _critical(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        return self._norms(g) / self._root_size(g)

    def _norms(self, w: Float[Array, "..."]) -> Float[Array, "..."]:
        return _norm(w, _units(w, self.unit_axis))

    def _root_size(self, w: Float[Array, "..."]) -> float:
        return math.sqrt(math.prod(w.shape[i] for i in _units(w, self.unit_axis)))


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
        return jnp.where((_norm(w, _incoming(w, self.unit_axis)) <= self.radius * tolerance).all(), 0, jnp.inf).astype(
            w.dtype
        )

    def _prox(self, w: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
        norm = _norm(w, _incoming(w, self.unit_axis))
        inside = norm <= self.radius
        # Both are 1 inside, where an infinite radius would make the slope NaN.
        return w * (jnp.where(inside, 1, self.radius) / jnp.where(inside, 1, norm))


_DOMAINS = {
    "l1_ratio": (SHARE, "Give 0 for L2, at most 1, which is L1"),
    "radius": (Domain(0), "Give a length, infinite for no constraint"),
}


def _check(name: str, value: Any) -> None:
    """Refuse a concrete number outside its domain; traced values cannot be looked at."""
    domain, remedy = _DOMAINS.get(name, (NOT_NEGATIVE, "Give a strength such as 1e-4"))
    domain.check_all(name, value, remedy)


def _spread(mask: Mask, params: PyTree) -> PyTree[bool]:
    """The mask with one truth value for each leaf of `params`."""
    prefix = True if mask is None else mask(params) if callable(mask) else mask
    try:
        full = jax.tree.map(lambda acts, part: jax.tree.map(lambda _: acts, part), prefix, params)
    except ValueError as error:
        remedy = "Give None, kernels_only, or truth values for whole branches"
        raise ArgumentError("mask", prefix, f"must be a prefix of the parameters ({error})", remedy) from error
    if not all(isinstance(acts, bool | np.bool_) for acts in jax.tree.leaves(full)):
        raise ArgumentError("mask", prefix, "must hold truth values only", "Give True where the penalty acts")
    return full


def _read_params(name: str, params: PyTree) -> PyTree:
    """Parameters whose leaves are all arrays of JAX."""
    return jax.tree.map(lambda leaf: read_floats(name, leaf), params)


def _select(params: PyTree, mask: Mask) -> list[Array]:
    """The leaves a penalty acts on."""
    return [w for w, acts in zip(*map(jax.tree.leaves, (params, _spread(mask, params))), strict=True) if acts]


def _magnitude(w: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The absolute value, with derivative 0 at 0, where that of `jnp.abs` is 1."""
    return w * jnp.sign(w)


def _norm(w: Float[Array, "..."], axes: tuple[int, ...]) -> Float[Array, "..."]:
    """Euclidean norm over `axes`, kept as dimensions of 1: gradient 0 at 0, and squares that never overflow."""
    largest = jax.lax.stop_gradient(jnp.abs(w).max(axes, keepdims=True))
    scaled = w / jnp.where(largest == 0, 1, largest)
    squares = (scaled * scaled).sum(axes, keepdims=True)
    return largest * jnp.sqrt(jnp.where(squares == 0, 1, squares))


def _units(w: Float[Array, "..."], unit_axis: int | None) -> tuple[int, ...]:
    """Axes of a group: that of the units of a kernel, the only one of a vector, none of a number."""
    return (range(w.ndim)[-1 if unit_axis is None else unit_axis],) if w.ndim else ()


def _incoming(w: Float[Array, "..."], unit_axis: int | None) -> tuple[int, ...]:
    """Axes of a unit's incoming weights: all of a kernel but that of the units, the only one of a vector, or none."""
    units = _units(w, unit_axis)
    return tuple(axis for axis in range(w.ndim) if axis not in units) or units


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

"""Designs: polynomial features, and columns centred and scaled, with the way back to original units."""

import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Num

from jaxreg.checks import FINITE, check_choice
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary
from jaxreg.linear.accumulate import add_rows, average_rows, dot, uncertainty
from jaxreg.linear.fit import LinearFit, Status, tolerance

Normalize = Literal["l2", "std"] | None
_Numbers = Num[Array | np.ndarray, "..."]


def polynomial_features(
    x: Num[Array | np.ndarray, " n"],
    degree: int,
    *,
    basis: Literal["monomial", "legendre"] = "monomial",
    domain: tuple[float, float] | None = None,
) -> Float[Array, "n degree"]:
    r"""Polynomials of degrees 1 … `degree` at each x, without a constant column (the fits have an intercept).

    "monomial": $x, x^2, \dots$. "legendre": $P_1(t), P_2(t), \dots$ of $t \in [-1, 1]$, the image of x in `domain`,
    from $(k+1) P_{k+1} = (2k+1) t P_k - k P_{k-1}$. Both span the same models; on 50 even points and with columns
    of unit length, the condition number at degree 30 is 2e11 for monomials and 5e2 for Legendre polynomials.

    Args:
        x: abscissae.
        degree: highest degree, at least 1 (static).
        basis: "monomial" or "legendre" (static).
        domain: the interval that "legendre" maps to [-1, 1]: give that of the fit when predicting elsewhere; by
            default the least and the largest x.

    Raises:
        ArgumentError: x not flat, not finite or so large that a power overflows, another basis, a degree below 1, an
            empty domain, or equal x without one (NaN where x is traced).

    >>> polynomial_features(jnp.array([0, 1, 2]), 3)
    Array([[0., 0., 0.], [1., 1., 1.], [2., 4., 8.]], dtype=float32)
    >>> polynomial_features(jnp.array([0, 1, 2]), 2, basis="legendre")
    Array([[-1. ,  1. ], [ 0. , -0.5], [ 1. ,  1. ]], dtype=float32)
    """
    check_choice("basis", basis, ("monomial", "legendre"))
    boundary.check_integer("degree", degree, 1, 1000, "A degree of 1 is a straight line")
    x = boundary.read_floats("x", x)
    if x.ndim != 1 or x.shape[0] < 1:
        raise ArgumentError("x", x.shape, "must be a flat array of one or more numbers", "Flatten it")
    if basis == "monomial":
        powers = jnp.cumprod(jnp.broadcast_to(x[:, None], (x.shape[0], degree)), axis=1)
        return boundary.read_floats("powers of x", powers)
    low, high = (x.min(), x.max()) if domain is None else _read_domain(domain)
    if not any(isinstance(end, jax.core.Tracer) for end in (low, high)) and not low < high:
        raise ArgumentError("domain", domain, f"must be given where all x are {float(low):g}", "Give (-1.0, 1.0), say")
    t = 2 * (x - low) / (high - low) - 1
    before, p, columns = jnp.ones_like(t), t, []
    for k in range(1, degree + 1):
        columns.append(p)
        before, p = p, ((2 * k + 1) * t * p - k * before) / (k + 1)
    features = jnp.stack(columns, axis=1)
    if not isinstance(features, jax.core.Tracer) and not jnp.isfinite(features).all():
        raise ArgumentError("domain", domain, "must be near x: its polynomials overflow", "Give that of the fitted x")
    return features


def _read_domain(domain: Any) -> tuple[Any, Any]:
    ends = tuple(domain) if isinstance(domain, tuple | list) or getattr(domain, "ndim", 0) == 1 else ()
    if len(ends) != 2:
        raise ArgumentError("domain", domain, "must be two numbers", "Give the ends of the interval of the fitted x")
    for end in ends:
        FINITE.check("domain", end, "Give the ends of the interval of the fitted x", jnp.result_type(float))
    low, high = (jnp.asarray(end, jnp.result_type(float)) for end in ends)
    if not any(isinstance(end, jax.core.Tracer) for end in (low, high)) and not low < high:
        raise ArgumentError("domain", domain, "must be two increasing numbers", "Give those of the fitted x")
    return low, high


class Standardized(NamedTuple):
    """A design with columns of mean 0 and unit scale: `X` = (original - `center`) / `scale`.

    Where all numbers of a column are equal it is `constant`: it is 0 in `X` and its scale is 1.
    """

    X: Float[Array, "n p"]
    center: Float[Array, " p"]
    scale: Float[Array, " p"]
    constant: Bool[Array, " p"]


def standardize(X: Num[Array | np.ndarray, "n p"], scale: Normalize = None, *, center: bool = True) -> Standardized:
    r"""Subtract each column's mean and divide by its scale.

    "l2": the norm of the centred column, $\|x_j - \bar x_j\|$, what scikit-learn once called `normalize=True`; "std":
    its standard deviation, that norm over $\sqrt n$; None: 1. Safe where squares would overflow, and far from zero:
    what is left of the mean after a first subtraction is subtracted too.

    Args:
        X: design.
        scale: "l2", "std" or None (static).
        center: whether to subtract the means (static); without it, only a column of zeros counts as constant.

    Raises:
        ArgumentError: X not a finite matrix of two rows or more, or another scale.

    >>> standardize(jnp.array([[1.0, 5.0], [3.0, 5.0]]), "std")
    Standardized(X=Array([[-1.,  0.], [ 1.,  0.]], dtype=float32), center=Array([2., 5.], dtype=float32),
                 scale=Array([1., 1.], dtype=float32), constant=Array([False,  True], dtype=bool))
    """
    boundary.check_form(scale, center, ("scale", "center"))
    return _standardize(boundary.read_design(X), scale, center)[0]


def _standardize(X: Float[Array, "n p"], scale: Normalize, center: bool) -> tuple[Standardized, Float[Array, " p"]]:
    """The standard form, and what rounding took from `center`: it is subtracted from X all the same."""
    safe = find_power(X, axis=0)
    unit, mean, rest = centre(X / safe, center)  # within [-4, 4], so that its squares do not overflow
    highest, lowest = X.max(0), X.min(0)
    constant = lax.stop_gradient((highest == lowest) if center else (highest == 0) & (lowest == 0))
    if scale is None:
        columns, divisor = unit * safe, jnp.ones_like(safe)
    else:
        squares = add_rows(unit * unit) / (X.shape[0] if scale == "std" else 1)
        norm = jnp.sqrt(jnp.where(constant, 1, squares))
        columns, divisor = unit / norm, jnp.where(constant, 1, norm * safe)
    return Standardized(jnp.where(constant, 0, columns), mean * safe, divisor, constant), rest * safe


def centre(
    values: Float[Array, "n *rest"], center: bool = True
) -> tuple[Float[Array, "n *rest"], Float[Array, "*rest"], Float[Array, "*rest"]]:
    """Values less their mean, the mean, and what rounding took from it. A mean of what is left is nearly exact."""
    if not center:
        return values, jnp.zeros_like(values[0]), jnp.zeros_like(values[0])
    mean = average_rows(values)
    mean = mean + average_rows(values - mean)
    left = values - mean
    rest = average_rows(left)
    return left - rest, mean, rest


def find_power(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """A power of two, below the largest magnitude and above a quarter of it: to divide by it is exact.

    Not the nearest one: the reciprocal of that would be subnormal for the largest numbers there are, and so be lost.
    For the same reason it is never less than the smallest normal number. Zero, and what is not finite, count as 1/2.

    Found by halving the exponent, not read from the bits: a TPU has no 64-bit floats, and its compiler, which makes
    them of pairs of others, refuses to look at their bits, as `jnp.frexp` and `jnp.ldexp` do.
    """
    largest = lax.stop_gradient(jnp.abs(values).max(axis))
    limits = jnp.finfo(largest.dtype)
    rest = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 0.5)
    power = jnp.full_like(rest, 0.5)
    steps = [2.0**2**k for k in reversed(range(limits.maxexp.bit_length() - 1))]
    for step in steps:
        is_large = rest >= step
        rest, power = jnp.where(is_large, rest / step, rest), jnp.where(is_large, power * step, power)
    for step in steps:
        is_small = rest * step < 2
        rest, power = jnp.where(is_small, rest * step, rest), jnp.where(is_small, power / step, power)
    return jnp.maximum(power, float(limits.tiny))


class Problem(NamedTuple):
    """A regression in standard form: the standardized design, the centred target, and what was taken from it.

    `rest` is what rounding took from the means of the columns, `mean_rest` that of the target.
    """

    X: Float[Array, "n p"]
    y: Float[Array, " n"]
    design: Standardized
    rest: Float[Array, " p"]
    mean: Float[Array, ""]
    mean_rest: Float[Array, ""]
    status: Int32[Array, ""]


def pose(X: _Numbers, y: _Numbers, normalize: Normalize, fit_intercept: bool) -> Problem:
    """Check the data and bring them to standard form; a constant column and, in a batch, NaN are in its status."""
    boundary.check_form(normalize, fit_intercept)
    X, y = boundary.read_data(X, y)
    design, rest = _standardize(X, normalize, fit_intercept)
    unit = find_power(y)
    centred, mean, mean_rest = centre(y / unit, fit_intercept)
    varies = y.max() > y.min() if fit_intercept else jnp.bool_(True)
    finite_X, finite_y = (jnp.isfinite(values).all() for values in (X, y))
    status = jnp.where(design.constant.any(), Status.CONSTANT_COLUMN, Status.OK).astype(jnp.int32)
    status = jnp.where(finite_X & finite_y, status, jnp.int32(Status.INVALID))
    # Zeros in place of what is not finite: no solver loops on them, and `to_fit` says NaN. Each of the two by itself:
    # targets that share a design must go on sharing it. Zeros, too, for a target that is constant.
    X, y = jnp.where(finite_X, design.X, 0), jnp.where(finite_y & varies, centred * unit, 0)
    return Problem(X, y, design, rest, mean * unit, mean_rest * unit, status)


def to_fit(
    problem: Problem, coef: Float[Array, "*path p"], gap: Float[Array, "*path"], status: Int32[Array, "*path"]
) -> LinearFit:
    r"""The coefficients of a problem in standard form, in the units of the data, and what they are worth.

    NOT_CONVERGED where the gap is above the `tolerance`, or where rounding the coefficients and the intercept to this
    precision moves the fitted values by more than the root of it, relative to the spread of y; NaN and INVALID where
    the data are not finite or the numbers overflow.
    """
    status = status | problem.status
    size, constant = problem.design.scale, problem.design.constant
    moved = jnp.where(constant, 0, coef)
    coef = jnp.where(constant, 0, coef / size)
    start = problem.mean_rest - jnp.einsum("...p,p->...", coef, problem.rest, precision="highest")
    intercept = dot(-coef, problem.design.center, problem.mean, start)
    limit = tolerance(gap.dtype)
    unit_x, unit_y = find_power(problem.X, axis=0), find_power(problem.y)
    lengths = jnp.sqrt(average_rows((problem.X / unit_x) ** 2))
    spread = jnp.sqrt(average_rows((problem.y / unit_y) ** 2))
    lost = jnp.abs(coef * size - moved) * unit_x / unit_y * lengths
    epsilon = float(jnp.finfo(gap.dtype).eps)
    terms = jnp.abs(coef * problem.design.center).sum(-1)
    offset = epsilon / 2 * jnp.abs(intercept) + uncertainty(gap.dtype) * terms
    error = lost.sum(-1) + offset / unit_y + jnp.sqrt(jnp.maximum(lax.stop_gradient(gap), 0)) * spread
    vanish = unit_y / unit_x.max() < float(jnp.finfo(gap.dtype).tiny) / epsilon  # as coefficients of this size do
    poor = (gap > limit) | ((spread > 0) & ((error > math.sqrt(limit) * spread) | vanish))
    status = status | jnp.where(lax.stop_gradient(poor), int(Status.NOT_CONVERGED), 0).astype(jnp.int32)
    overflows = ~(jnp.isfinite(coef).all(-1) & jnp.isfinite(intercept))
    invalid = ((status & Status.INVALID) != 0) | overflows
    return LinearFit(
        jnp.where(invalid[..., None], jnp.nan, coef),
        jnp.where(invalid, jnp.nan, intercept),
        jnp.where(invalid, jnp.nan, gap),
        jnp.where(invalid, jnp.int32(Status.INVALID), status),
    )

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
from jaxreg.linear.accumulate import add_rows, average_rows, dot, spacing, uncertainty
from jaxreg.linear.fit import LinearFit, Status, tolerance

Normalize = Literal["l2", "std"] | None
_LEAST = {"float32": 2.0**-52, "float64": 2.0**-485}  # of a column to the largest one, for its square to be exact
_SPARE = 16  # moves of a coefficient, up and down, from which that is chosen which suits the intercept
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
    return _standardize(boundary.read_design(X), scale, center).design


class _Standard(NamedTuple):
    """A standardized design, and four facts on it.

    `length` is no less than the root of the mean square of each column of X. `rest` is what rounding took from
    `center`, None if next to nothing: it is subtracted from X all the same. `unit` is a power of two, at most the
    largest number of X and at least an eighth of it, or 1 for columns of unit scale.
    """

    design: Standardized
    length: Float[Array, "#p"]
    rest: Float[Array, " p"] | None
    unit: Float[Array, ""]
    finite: Bool[Array, ""]


def _standardize(X: Float[Array, "n p"], scale: Normalize, center: bool) -> _Standard:
    highest, lowest = (lax.stop_gradient(ends) for ends in (X.max(0), X.min(0)))
    largest = jnp.maximum(highest, -lowest)
    safe = floor_power(largest)
    constant = highest == lowest if center else largest == 0
    if center or scale is not None:
        columns = X * (1 / safe)[None]  # within [-4, 4], so that its squares do not overflow
    if center:
        columns, mean, rest = centre(columns, (highest / 2 + lowest / 2) / safe)
    if scale is not None:
        squares = add_rows(columns * columns) / (X.shape[0] if scale == "std" else 1)
        norm = jnp.sqrt(jnp.where(constant, 1, squares))
        columns, divisor = columns / norm[None], jnp.where(constant, 1, norm * safe)
        unit = jnp.ones_like(safe, shape=())
        length = jnp.full_like(safe, 1 if scale == "std" else X.shape[0] ** -0.5, shape=1)
    else:
        columns, divisor = columns * safe[None] if center else X, jnp.ones_like(safe)
        length = highest / 2 - lowest / 2 if center else largest
        unit = floor_power(length.max())
    middle = mean * safe if center else jnp.zeros_like(safe)
    rest = rest * safe if center and rest is not None else None
    finite = (jnp.isfinite(highest) & jnp.isfinite(lowest)).all()
    return _Standard(
        Standardized(jnp.where(constant[None], 0, columns), middle, divisor, constant), length, rest, unit, finite
    )


def centre(
    values: Float[Array, "n *rest"], near: Float[Array, "*rest"]
) -> tuple[Float[Array, "n *rest"], Float[Array, "*rest"], Float[Array, "*rest"] | None]:
    """Values less their mean, the mean, and what rounding took from it: from `near`, the middle of all, it is not far.

    Double precision does not keep what rounding took.
    """
    mean = near + average_rows(values - near[None])
    left = values - mean[None]
    rest = average_rows(left)
    return left - rest[None], *((mean + rest, None) if values.dtype == jnp.float64 else (mean, rest))


def find_power(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """`floor_power` of the largest magnitude, over all axes or one."""
    return floor_power(jnp.abs(lax.stop_gradient(values)).max(axis))


def floor_power(size: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A power of two of at most half the `size` and more than a quarter of it: to divide by it is exact.

    Not the nearest one: the reciprocal of that would be subnormal for the largest numbers there are, and so be lost.
    For the same reason it is never less than the smallest normal number. Zero, and what is not finite, count as 1/2.

    Halved and doubled, not read from the bits: a TPU has no 64-bit floats, and its compiler, which makes them of pairs
    of others, refuses to look at their bits, as `jnp.frexp` and `jnp.ldexp` do.
    """
    size = lax.stop_gradient(size)
    limits = jnp.finfo(size.dtype)
    inverse, rest = jnp.ones_like(size), jnp.where((size > 0) & jnp.isfinite(size), size, 0.5) / 2
    for digit in reversed(range(int(limits.maxexp).bit_length() - 1)):  # of the exponent
        factor = 2.0**2**digit
        step = jnp.where(rest >= factor, 1 / factor, jnp.where(rest < 2 / factor, factor, 1)).astype(size.dtype)
        inverse, rest = inverse * step, rest * step
    return jnp.maximum(1 / inverse, limits.tiny)


class Problem(NamedTuple):
    """A regression in standard form: the standardized design, the centred target, and what was taken from it.

    `mean` is that of the target, None without an intercept. `mean_rest` is what rounding took from it, `rest` what it
    took from the means of the columns, None in double precision. `length` is no less than the root of the mean square
    of each column of `X`. `unit_x` and `unit_y` are powers of two: X and y divided by them are moderate numbers, whose
    squares neither overflow nor vanish.
    """

    X: Float[Array, "n p"]
    y: Float[Array, " n"]
    design: Standardized
    rest: Float[Array, " p"] | None
    mean: Float[Array, ""] | None
    mean_rest: Float[Array, ""]
    length: Float[Array, "#p"]
    unit_x: Float[Array, ""]
    unit_y: Float[Array, ""]
    status: Int32[Array, ""]


def pose(X: _Numbers, y: _Numbers, normalize: Normalize, fit_intercept: bool) -> Problem:
    """Check the data and bring them to standard form; a constant column and, in a batch, NaN are in its status."""
    boundary.check_form(normalize, fit_intercept)
    X, y = boundary.read_data(X, y)
    design, length, rest, unit_x, finite_X = _standardize(X, normalize, fit_intercept)
    highest, lowest = lax.stop_gradient(y.max()), lax.stop_gradient(y.min())
    finite_y = jnp.isfinite(highest) & jnp.isfinite(lowest)
    unit = floor_power(jnp.maximum(highest, -lowest))
    centred, mean, mean_rest = y / unit, None, None
    if fit_intercept:
        centred, mean, mean_rest = centre(centred, (highest / 2 + lowest / 2) / unit)
    varies = highest > lowest if fit_intercept else jnp.bool_(True)
    status = jnp.where(design.constant.any(), Status.CONSTANT_COLUMN, Status.OK).astype(jnp.int32)
    lost = ~design.constant & (length < _LEAST[jnp.dtype(X.dtype).name] * unit_x)
    status |= jnp.where(lost.any(), int(Status.NOT_CONVERGED), 0).astype(jnp.int32)
    status = jnp.where(finite_X & finite_y, status, jnp.int32(Status.INVALID))
    # Zeros in place of what is not finite: no solver loops on them, and `to_fit` says NaN. Each of the two by itself:
    # targets that share a design must go on sharing it. Zeros, too, for a target that is constant.
    X, centred = jnp.where(finite_X, design.X, 0), jnp.where(finite_y & varies, centred, 0)
    unit_y = find_power(centred) * unit
    taken = None if mean is None else mean * unit
    mean_rest = jnp.zeros_like(unit) if mean_rest is None else mean_rest * unit
    return Problem(X, centred * unit, design, rest, taken, mean_rest, length, unit_x, unit_y, status)


def to_fit(
    problem: Problem, coef: Float[Array, "*path p"], gap: Float[Array, "*path"], status: Int32[Array, "*path"]
) -> LinearFit:
    r"""The coefficients of a problem in standard form, in the units of the data, and what they are worth.

    NOT_CONVERGED where the gap is above the `tolerance`, or where rounding the data, the coefficients and the intercept
    to this precision moves the fitted values by more than the root of it, relative to the spread of y, or squares of a
    column vanish beside those of another; NaN and INVALID where the data are not finite or the numbers overflow.
    """
    design, unit_y = problem.design, problem.unit_y
    limit, epsilon = tolerance(gap.dtype), float(jnp.finfo(gap.dtype).eps)
    each = (design.center, design.scale, design.constant, problem.length)
    center, size, constant, length = (lax.broadcast_to_rank(one, coef.ndim) for one in each)
    status, given = status | problem.status, jnp.where(constant, 0, coef)
    coef = given / size
    lost = epsilon * _measure(given / unit_y * length)
    if problem.mean is None:
        intercept, finite = jnp.zeros_like(gap), jnp.isfinite(jnp.abs(coef).max(-1))
    else:
        rest = problem.mean_rest
        if problem.rest is not None:
            rest = rest - jnp.einsum("...p,p->...", coef, problem.rest, precision="highest")
        intercept, off = dot(coef, -center, problem.mean, rest)
        if gap.dtype == jnp.float32:
            coef, intercept, off = _spare(coef, design.center, problem.length * design.scale, intercept, off)
        terms = jnp.abs(problem.mean) + jnp.abs(coef * center).sum(-1)
        finite = jnp.isfinite(intercept)  # nor is it if a coefficient is not
        lost = lost + (off + uncertainty(gap.dtype) * terms) / unit_y
    spread = jnp.sqrt(average_rows((problem.y / unit_y) ** 2))
    error = lax.stop_gradient(lost + jnp.sqrt(jnp.maximum(gap, 0)) * spread)
    vanish = unit_y / problem.unit_x < float(jnp.finfo(gap.dtype).tiny) / epsilon  # as coefficients of this size do
    poor = ~(gap <= limit) | ((spread > 0) & ((error > math.sqrt(limit) * spread) | vanish))
    invalid = ((status & Status.INVALID) != 0) | ~finite  # by itself, as who asks for no gap need not compute it
    status = status | jnp.where(poor, int(Status.NOT_CONVERGED), 0).astype(jnp.int32)
    return LinearFit(
        jnp.where(invalid[..., None], jnp.nan, coef),
        jnp.where(invalid, jnp.nan, intercept),
        jnp.where(invalid, jnp.nan, gap),
        jnp.where(invalid, jnp.int32(Status.INVALID), status),
    )


def _measure(values: Float[Array, "*path p"]) -> Float[Array, "*path"]:
    """The length of each vector, safe where squares overflow or vanish."""
    size = jnp.abs(lax.stop_gradient(values)).max(-1, keepdims=True)
    size = jnp.where(size > 0, size, 1)
    return size[..., 0] * jnp.sqrt(((values / size) ** 2).sum(-1))


def _spare(
    coef: Float[Array, "*path p"],
    center: Float[Array, " p"],
    length: Float[Array, " p"],
    intercept: Float[Array, "*path"],
    left: Float[Array, "*path"],
) -> tuple[Float[Array, "*path p"], Float[Array, "*path"], Float[Array, "*path"]]:
    r"""Coefficients, an intercept and how far fitted values are off, with the last bits chosen so that this is little.

    Far from zero the intercept is so large a number that its rounding, `left`, shows in the fitted values, where that
    of the coefficients does not. A few units in the last place of that which adds most to the intercept move it by as
    many times $\bar x \epsilon b$: one of the sums is next to a number of this precision.
    """
    added = coef * lax.broadcast_to_rank(center, coef.ndim)
    chosen = jnp.argmax(lax.stop_gradient(jnp.abs(added)), -1)[..., None]
    here, middle, spread = jnp.take_along_axis(coef, chosen, -1), jnp.take(center, chosen), jnp.take(length, chosen)
    units = np.array(sorted(range(-_SPARE, _SPARE + 1), key=abs), np.float32)
    moves = 2 * spacing(here) * lax.broadcast_to_rank(units, here.ndim)  # exact sums
    totals, rests = dot(moves[..., None], -middle[..., None], intercept[..., None], left[..., None])
    off = lax.stop_gradient(jnp.abs(rests) + jnp.abs(moves) * spread)
    best = jnp.argmin(off, -1)[..., None]
    move, total, off = (jnp.take_along_axis(values, best, -1) for values in (moves, totals, off))
    coef = coef + jnp.where(lax.broadcasted_iota(chosen.dtype, coef.shape, coef.ndim - 1) == chosen, move, 0)
    return coef, total[..., 0], off[..., 0]

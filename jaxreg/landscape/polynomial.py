"""Polynomial landscapes in one dimension: value, slope, minima, and the basins that gradient flow divides them into."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Real
from numpy.polynomial import polynomial

from jaxreg.checks import FINITE, POSITIVE, check_kind, read_array, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.values import register_value

_SAME_POINT = 1e-6  # roots of the slope closer than this, relative to 1 + |root|, are one critical point
_NOISE = 1e-12  # of a fit in float64, relative to its values
_ONE_DIGIT = 10.0  # what powers of x may lose more of the numbers than powers about the middle of the data
Weight = int | float | Real[Array | np.ndarray, "*weights"] | Sequence[Any]
Points = Real[Array | np.ndarray, " points"] | Sequence[int | float]


def as_float(w: Weight) -> Float[Array, "*weights"]:
    """`w` as an array of floats: arrays of them in their own precision, all else in JAX's default one."""
    return read_floats("w", w)


@register_value(constant=("center", "scale"))
@dataclass(frozen=True, init=False)
class Polynomial:
    r"""A polynomial $p(w) = \sum_k c_k t^k$ in $t = (w - m)/s$, with $m$ = `center` and $s$ = `scale`.

    Far from zero only such a $t$ keeps the digits: powers of 2010 in float32 leave none of a landscape over years.

    Args:
        coefficients: $c_0, c_1, \dots$, lowest power first, along the last axis.
        center: $m$; one number is compiled in, an array of JAX may be traced, one entry for each polynomial of a batch.
        scale: $s > 0$, likewise.

    Raises:
        ArgumentError: no coefficient, one that is not finite, or a scale that is not positive.

    >>> well = Polynomial([1.0, 0.0, -2.0, 0.0, 1.0])  # (w² - 1)²
    >>> well.value(0.5), well.gradient(0.5), well.curvature(1.0)
    (Array(0.5625, dtype=float32...), Array(-1.5, dtype=float32...), Array(8., dtype=float32...))
    >>> well.minima.tolist(), well.basin(jnp.array([-0.1, 0.1])).tolist()
    ([-1.0, 1.0], [0, 1])
    >>> Polynomial(well.coefficients, center=2010.0, scale=10.0).minima.tolist()
    [2000.0, 2020.0]
    """

    coefficients: Float[Array | np.ndarray, "*batch terms"]
    center: float | Float[Array, "..."] = 0.0
    scale: float | Float[Array, "..."] = 1.0

    def __init__(
        self,
        coefficients: Real[Array | np.ndarray, "*batch terms"] | Sequence[Any],
        center: int | float | Real[Array | np.ndarray, "..."] = 0.0,
        scale: int | float | Real[Array | np.ndarray, "..."] = 1.0,
    ) -> None:
        """Refuse what is no polynomial; traced numbers pass."""
        held = read_array("coefficients", coefficients, kinds="iuf")
        if not jnp.issubdtype(held.dtype, jnp.floating):
            held = held.astype(np.float64 if isinstance(held, np.ndarray) else jnp.result_type(float))
        if held.ndim == 0 or held.shape[-1] == 0:
            raise ArgumentError("coefficients", coefficients, "must hold at least one number", "Give [0.0] for zero")
        FINITE.check_all("coefficients", held, "Check what they were computed from")
        FINITE.check_all("center", center, "Give the middle of the data, or 0")
        POSITIVE.check_all("scale", scale, "Give half the width of the data, or 1")
        object.__setattr__(self, "coefficients", held)
        object.__setattr__(self, "center", _frame(center))
        object.__setattr__(self, "scale", _frame(scale))

    def standardize(self, w: Weight) -> Float[Array, "..."]:
        """The variable t = (w - center) / scale; numbers that are not yet in JAX's precision lose nothing by it."""
        is_known = isinstance(self.center, float) and isinstance(self.scale, float)
        if is_known and self.center == 0 and self.scale == 1:
            return as_float(w)
        if is_known and not isinstance(w, jax.Array):
            given = read_array("w", w, kinds="iuf")
            if isinstance(given, np.ndarray):
                t = (given.astype(np.float64) - self.center) / self.scale
                return as_float(t.astype(given.dtype) if jnp.issubdtype(given.dtype, jnp.floating) else t)
        w = as_float(w)
        return (w - jnp.asarray(self.center, w.dtype)) / jnp.asarray(self.scale, w.dtype)

    def value(self, w: Weight) -> Float[Array, "..."]:
        """The height p(w), by Horner's rule, in the precision of `w`."""
        t = self.standardize(w)
        coefficients = jnp.asarray(self.coefficients, t.dtype)
        total = jnp.zeros_like(t)
        for k in reversed(range(coefficients.shape[-1])):
            total = total * t + coefficients[..., k]
        return total

    def gradient(self, w: Weight) -> Float[Array, "..."]:
        """The slope p'(w)."""
        return self.derivative.value(w)

    def curvature(self, w: Weight) -> Float[Array, "..."]:
        """The second derivative p''(w)."""
        return self.derivative.derivative.value(w)

    @property
    def derivative(self) -> "Polynomial":
        """The polynomial p'."""
        c = self.coefficients
        powers = np.arange(1, c.shape[-1], dtype=c.dtype)
        slope = c[..., 1:] * np.expand_dims(powers, tuple(range(c.ndim - 1))) if len(powers) else c * 0
        if not isinstance(self.scale, float):
            slope = slope / jnp.asarray(self.scale, slope.dtype)[..., None]
        elif self.scale != 1:
            slope = slope / np.asarray(self.scale, slope.dtype)
        return Polynomial(slope, self.center, self.scale)

    @property
    def critical_points(self) -> Float[np.ndarray, " points"]:
        """Where the slope is zero, ascending; found on the host in float64.

        Raises:
            ArgumentError: numbers that are traced, or several polynomials.
        """
        return self._place(self._flow()[0])

    @property
    def minima(self) -> Float[np.ndarray, " minima"]:
        """The local minima, ascending: critical points with the slope falling to the left and rising to the right."""
        return self._place(self._bottoms())

    @property
    def lowest(self) -> int:
        """Index of the lowest minimum in `minima`, the first of equals.

        Raises:
            ArgumentError: there is no minimum.
        """
        bottoms = self._bottoms()
        if not len(bottoms):
            raise ArgumentError("coefficients", self.coefficients, "must have a minimum", "Take another landscape")
        return int(np.argmin(polynomial.polyval(bottoms, read_host(self))))

    def basin(self, w: Weight) -> Int32[Array, "*weights"]:
        """Number of the minimum that gradient flow from `w` reaches, as an index into `minima`.

        -1 where it reaches none: it runs off to infinity, ends on an inflection point, or `w` is not finite. A
        maximum itself counts to the basin on its left.
        """
        points, signs = self._flow()
        numbers = np.full(len(points) + 2, -1, np.int32)  # of each critical point, between two ends at infinity
        bottom = (signs[:-1] < 0) & (signs[1:] > 0)
        numbers[1:-1][bottom] = np.arange(bottom.sum())
        reached = np.where(signs > 0, numbers[:-1], numbers[1:])
        t = self.standardize(w)
        interval = jnp.searchsorted(jnp.asarray(points, t.dtype), t, method="compare_all")
        return jnp.where(jnp.isfinite(t), jnp.asarray(reached)[interval], -1)

    def _flow(self) -> tuple[np.ndarray, np.ndarray]:
        """The critical points as t, ascending, and the sign of the slope in each interval between them."""
        slope = polynomial.polyder(read_host(self))
        trimmed = polynomial.polytrim(slope)
        if len(trimmed) < 2:
            return np.empty(0), np.sign(polynomial.polyval(np.zeros(1), slope))
        roots = np.asarray(polynomial.polyroots(trimmed), complex)
        tolerance = _SAME_POINT * (1 + abs(roots))
        real = np.sort(roots.real[abs(roots.imag) <= tolerance])
        points = real[np.diff(real, prepend=-np.inf) > _SAME_POINT * (1 + abs(real))]
        inside = np.zeros(1)
        if len(points):
            inside = np.concatenate([points[:1] - 1, (points[1:] + points[:-1]) / 2, points[-1:] + 1])
        return points, np.sign(polynomial.polyval(inside, slope))

    def _bottoms(self) -> np.ndarray:
        """The minima as t."""
        points, signs = self._flow()
        return points[(signs[:-1] < 0) & (signs[1:] > 0)]

    def _place(self, t: np.ndarray) -> np.ndarray:
        center, scale = read_frame(self)
        return center + scale * t


def _frame(number: Any) -> float | Array:
    """A center or a scale: a Python number, or an array of JAX."""
    if isinstance(number, jax.Array):
        return number
    held = np.asarray(number, np.float64)
    return jnp.asarray(held, jnp.result_type(float)) if held.ndim else float(held) + 0.0  # -0.0 is no other center


def check_landscape(landscape: Any) -> None:
    """Refuse what is no polynomial."""
    check_kind("landscape", landscape, Polynomial, "Give landscape.Polynomial(...), or what fit_polynomial returns")


def read_host(landscape: Polynomial) -> np.ndarray:
    """The coefficients of one polynomial in float64, on the host."""
    if isinstance(landscape.coefficients, jax.core.Tracer):
        remedy = "Close over the landscape instead of passing it as an argument"
        raise ArgumentError("coefficients", landscape.coefficients, "must be known before tracing", remedy)
    if landscape.coefficients.ndim > 1:
        raise ArgumentError("coefficients", landscape.coefficients, "must be of one polynomial", "Take them in turn")
    return np.asarray(landscape.coefficients, np.float64)


def read_frame(landscape: Polynomial) -> tuple[float, float]:
    """The center and the scale of one polynomial, on the host."""
    for name in ("center", "scale"):
        number = getattr(landscape, name)
        if isinstance(number, jax.core.Tracer):
            remedy = "Close over the landscape instead of passing it as an argument"
            raise ArgumentError(name, number, "must be known before tracing", remedy)
        if not isinstance(number, float) and number.ndim:
            raise ArgumentError(name, number, "must be of one polynomial", "Take them in turn")
    return float(landscape.center), float(landscape.scale)


def fit_polynomial(x: Points, y: Points, degree: int) -> Polynomial:
    r"""The least-squares polynomial, $\arg\min_p \sum_i (p(x_i) - y_i)^2$ over polynomials of `degree`.

    Solved on the host in float64, in powers of x scaled to [-1, 1], which `degree` up to about 20 leaves well
    conditioned. It is then written in powers of x, with center 0 and scale 1, where these lose at most one digit more
    than the powers about the middle of the data; else in the latter, with the center and the scale of the data.

    Args:
        x: abscissae, all different.
        y: ordinates.
        degree: at least 1 and less than the number of points.

    Raises:
        ArgumentError: data that do not determine the polynomial, or that are traced.

    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit_polynomial(x, x**2 - 3.0, degree=2).coefficients.round(9) + 0.0
    array([-3.,  0.,  1.])
    >>> years = fit_polynomial(2000 + x, x**2 - 3.0, degree=2)
    >>> years.center, years.scale, float(years.value(2003.0))
    (2001.5, 1.5, 6.0)
    """
    x64, y64 = boundary.read_points(x, y, degree)
    plain = polynomial.Polynomial.fit(x64, y64, degree).convert().coef
    center, scale = boundary.frame(x64)
    centered = polynomial.Polynomial.fit((x64 - center) / scale, y64, degree, domain=[-1, 1]).coef
    if keeps_digits(x64, plain, center, scale, centered):
        return Polynomial(plain)
    return Polynomial(centered, center, scale)


def keeps_digits(x: np.ndarray, plain: np.ndarray, center: float, scale: float, centered: np.ndarray) -> bool:
    """Whether powers of x lose at most one digit more than those of t, of the values at the data and of the slopes."""
    t = (x - center) / scale
    return all(
        _terms(x, plain, order) * scale**order <= _ONE_DIGIT * _terms(t, centered, order) + _NOISE * _terms(t, centered)
        for order in (0, 1)
    )


def _terms(x: np.ndarray, coefficients: np.ndarray, order: int = 0) -> float:
    """The largest sum of the sizes of the terms of a derivative, which is what its rounding errors are relative to."""
    with np.errstate(over="ignore"):
        return float(polynomial.polyval(abs(x), abs(polynomial.polyder(coefficients, order))).max())


T2_POINTS: tuple[tuple[float, ...], tuple[float, ...]] = (
    (-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
    (5.0, 1.5, 2.0, 1.5, 0.0, -3.0, -1.0, 2.0, 3.0, 2.5, 5.0),
)
"""The x and the y of the 11 points of tutorial T2."""

T2_LANDSCAPE: Polynomial = fit_polynomial(np.array(T2_POINTS[0]), np.array(T2_POINTS[1]), degree=6)
"""The landscape of tutorial T2, of degree 6 through `T2_POINTS`: minima near -4.17, 0.045 (the lowest) and 4.25."""

QUADRATIC: Polynomial = Polynomial(np.array([0.0, 0.0, 0.5]))
"""w²/2: one minimum at 0, of curvature 1."""

DOUBLE_WELL: Polynomial = Polynomial(np.array([0.25, 0.0, -0.5, 0.0, 0.25]))
"""(w² - 1)²/4: minima at -1 and 1, of curvature 2; between them a barrier of height 1/4 at 0, of curvature -1."""

EQUAL_DEPTH_SEXTIC: Polynomial = Polynomial(np.array([2.0, -2.0, -3.0, 4.0, 0.0, -2.0, 1.0]) / 8)
"""(w² - 1)² ((w - 1)² + 1)/8: a sharp minimum at -1 of curvature 5 and a flat one at 1 of curvature 1, both of height
exactly 0; between them a barrier of height 0.28 at -0.23. Its coefficients are exact in float32."""

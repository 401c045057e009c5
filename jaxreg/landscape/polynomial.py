"""Polynomial landscapes in one dimension: value, slope, minima, and the basins that gradient flow divides them into."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32
from numpy.polynomial import polynomial

from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.values import register_value

_SAME_POINT = 1e-6  # roots of the slope closer than this, relative to 1 + |root|, are one critical point
Weight = int | float | Float[Array | np.ndarray, "*weights"]


def as_float(w: Weight) -> Float[Array, "*weights"]:
    """`w` as an array: Python numbers in JAX's default precision, arrays in their own."""
    return jnp.asarray(w, jnp.result_type(float) if isinstance(w, int | float) else None)


@register_value()
@dataclass(frozen=True)
class Polynomial:
    r"""A polynomial $p(w) = \sum_k c_k w^k$.

    Args:
        coefficients: $c_0, c_1, \dots$, lowest power first, along the last axis.

    Raises:
        ArgumentError: no coefficient, or one that is not finite.

    >>> well = Polynomial(np.array([1.0, 0.0, -2.0, 0.0, 1.0]))  # (w² - 1)²
    >>> well.value(0.5), well.gradient(0.5), well.curvature(1.0)
    (Array(0.5625, dtype=float32...), Array(-1.5, dtype=float32...), Array(8., dtype=float32...))
    >>> well.minima.tolist(), well.basin(jnp.array([-0.1, 0.1])).tolist()
    ([-1.0, 1.0], [0, 1])
    """

    coefficients: Float[Array | np.ndarray, "*batch terms"]

    def __post_init__(self) -> None:
        """Refuse what is no polynomial; traced coefficients pass."""
        held = self.coefficients
        if isinstance(held, np.ndarray | jax.Array) and not isinstance(held, jax.core.Tracer):
            if held.ndim == 0 or held.shape[-1] == 0:
                raise ArgumentError("coefficients", held, "must hold at least one number", "Give [0.0] for zero")
            if not np.isfinite(held).all():
                raise ArgumentError("coefficients", held, "must be finite", "Check what they were computed from")

    def value(self, w: Weight) -> Float[Array, "..."]:
        """The height p(w), by Horner's rule, in the precision of `w`."""
        w = as_float(w)
        coefficients = jnp.asarray(self.coefficients, w.dtype)
        total = jnp.zeros_like(w)
        for k in reversed(range(coefficients.shape[-1])):
            total = total * w + coefficients[..., k]
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
        return Polynomial(c[..., 1:] * powers if len(powers) else c * 0)

    @property
    def critical_points(self) -> Float[np.ndarray, " points"]:
        """Where the slope is zero, ascending; found on the host in float64.

        Raises:
            ArgumentError: coefficients that are traced, or several polynomials.
        """
        slope = polynomial.polytrim(polynomial.polyder(read_host(self)))
        if len(slope) < 2:
            return np.empty(0)
        roots = np.asarray(polynomial.polyroots(slope), complex)
        tolerance = _SAME_POINT * (1 + abs(roots))
        real = np.sort(roots.real[abs(roots.imag) <= tolerance])
        first = np.diff(real, prepend=-np.inf) > _SAME_POINT * (1 + abs(real))
        return real[first]

    @property
    def minima(self) -> Float[np.ndarray, " minima"]:
        """The local minima, ascending: critical points with the slope falling to the left and rising to the right."""
        points, signs = self._flow()
        return points[(signs[:-1] < 0) & (signs[1:] > 0)]

    @property
    def lowest(self) -> int:
        """Index of the lowest minimum in `minima`, the first of equals.

        Raises:
            ArgumentError: there is no minimum.
        """
        minima = self.minima
        if not len(minima):
            raise ArgumentError("coefficients", self.coefficients, "must have a minimum", "Take another landscape")
        return int(np.argmin(polynomial.polyval(minima, read_host(self))))

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
        w = as_float(w)
        interval = jnp.searchsorted(jnp.asarray(points, w.dtype), w, method="compare_all")
        return jnp.where(jnp.isfinite(w), jnp.asarray(reached)[interval], -1)

    def _flow(self) -> tuple[np.ndarray, np.ndarray]:
        """The critical points, and the sign of the slope in each interval between them."""
        points = self.critical_points
        if len(points) == 0:
            inside = np.zeros(1)
        else:
            inside = np.concatenate([points[:1] - 1, (points[1:] + points[:-1]) / 2, points[-1:] + 1])
        return points, np.sign(polynomial.polyval(inside, polynomial.polyder(read_host(self))))


def read_host(landscape: Polynomial) -> np.ndarray:
    """The coefficients of one polynomial in float64, on the host."""
    if isinstance(landscape.coefficients, jax.core.Tracer):
        remedy = "Close over the landscape instead of passing it as an argument"
        raise ArgumentError("coefficients", landscape.coefficients, "must be known before tracing", remedy)
    if landscape.coefficients.ndim > 1:
        raise ArgumentError("coefficients", landscape.coefficients, "must be of one polynomial", "Take them in turn")
    return np.asarray(landscape.coefficients, np.float64)


def fit_polynomial(
    x: Float[Array | np.ndarray, " points"], y: Float[Array | np.ndarray, " points"], degree: int
) -> Polynomial:
    r"""The least-squares polynomial, $\arg\min_p \sum_i (p(x_i) - y_i)^2$ over polynomials of `degree`.

    Solved on the host in float64, in powers of x scaled to [-1, 1], which `degree` up to about 20 leaves well
    conditioned, and then written in powers of x.

    Args:
        x: abscissae, all different.
        y: ordinates.
        degree: at least 1 and less than the number of points.

    Raises:
        ArgumentError: data that do not determine the polynomial, or that are traced.

    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit_polynomial(x, x**2 - 3.0, degree=2).coefficients.round(9) + 0.0
    array([-3.,  0.,  1.])
    """
    x64, y64 = boundary.read_points(x, y, degree)
    return Polynomial(polynomial.Polynomial.fit(x64, y64, degree).convert().coef)


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

"""Refits to K of N points: the law of their typical error, and the average over all subsets that is exactly right."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import polynomial
from numpy.polynomial.polynomial import Polynomial as HostPolynomial
from scipy.special import chdtri

from jaxreg.checks import FINITE, Domain, check_integer, read_array
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.polynomial import Points as _Points
from jaxreg.landscape.polynomial import keeps_digits
from jaxreg.landscape.theory.escape import Numbers

_MOST_SUBSETS = 1_000_000
_DEGREE = Domain(1, 2**53)
_MEDIAN_SQUARE = float(chdtri(1, 0.5))  # the median of the square of a standard normal number, 0.4549


def refit_law(batch_size: Numbers, population: Numbers, degree: Numbers) -> Numbers:
    r"""How the typical squared error of a refit falls with its points, $(1 - K/N)/(K - (d + 1) - 1)$.

    Regression on K Gaussian points errs by $1/(K - q - 1)$ with q coefficients, here $d + 1$, and what is drawn
    without replacement from N points by the factor $1 - K/N$ less. For powers of x the law describes the median; the
    mean is far above it. If the x are continuous, all K fall within a width $\varepsilon$ with a probability that goes
    as $\varepsilon^{K-1}$, and the derivative elsewhere is then off by $\varepsilon^{-d}$: the tail exponent is at most
    $(K-1)/d$, and the mean square infinite for $K \le 2d + 1$. A finite set of points only cuts this tail off.

    Args:
        batch_size: K, at most N.
        population: N.
        degree: d of the polynomial, at least 1.

    Returns:
        The factor of `typical_refit_error`, infinite for K ≤ d + 2, where the law says nothing; 0 for K = N.

    Raises:
        ArgumentError: a number outside its domain.

    >>> refit_law(np.array([8, 10, 50, 100]), 100, 6).tolist()
    [inf, 0.45, 0.0119..., 0.0]
    """
    batch_size = boundary.read_numbers("batch_size", batch_size, boundary.BATCH, "Give a number of points")
    population = boundary.read_numbers("population", population, boundary.BATCH, "Give the number of all points")
    degree = boundary.read_numbers("degree", degree, _DEGREE, "Give the degree of the polynomial")
    boundary.check_shapes(batch_size=batch_size, population=population, degree=degree)
    if np.greater(batch_size, population).any():
        raise ArgumentError("batch_size", batch_size, f"must not exceed the {population} points", "Draw fewer")
    spare = np.asarray(batch_size) - degree - 2
    rest = 1 - np.asarray(batch_size) / population
    return np.where(rest == 0, 0.0, np.where(spare > 0, rest / np.where(spare > 0, spare, 1), np.inf))[()]


def typical_refit_error(
    x: _Points, y: _Points, degree: int, batch_size: Numbers, w: Float[np.ndarray, " weights"]
) -> Float[np.ndarray, "..."]:
    r"""Median squared error of the derivative of a refit at w, $0.455\, v(w)\, \frac{1 - K/N}{K - d - 2}$.

    $v(w) = \frac{1}{N-1} \sum_i (\phi'(w)^T A^{-1} \phi(x_i)\, r_i)^2$ with $A = \frac1N \sum_i \phi(x_i)
    \phi(x_i)^T$, the powers $\phi$ and the residuals $r$ of the fit to all points: the variance for large K, times K.
    The number in front is the median of $\chi^2_1$.

    Args:
        x: abscissae of the N points.
        y: ordinates.
        degree: d.
        batch_size: K, one number or several.
        w: where the derivative is taken.

    Returns:
        The error, over the batch sizes (where there are several) and the w.

    Raises:
        ArgumentError: data that do not determine the polynomial, or a batch size out of range.

    >>> x = np.linspace(-10.0, 10.0, 100)
    >>> typical_refit_error(x, np.where(x > 0, 1.0, 0.0), 1, np.array([4, 100]), np.array([0.0])).round(7).tolist()
    [[0.0003242], [0.0]]

    Source: White, A heteroskedasticity-consistent covariance matrix estimator, Econometrica 48 (1980) 817-838.
    """
    x, y = boundary.read_points(x, y, degree)
    w = np.asarray(read_array("w", w, kinds="iuf", ndim=1), np.float64)
    FINITE.check_all("w", w, "Give finite points")
    law = np.asarray(refit_law(batch_size, len(x), degree))
    center, scale = boundary.frame(x)
    nodes = (x - center) / scale
    powers = polynomial.polyvander(nodes, degree)
    basis, triangle = np.linalg.qr(powers)
    residuals = y - basis @ (basis.T @ y)
    places = polynomial.polyvander((w - center) / scale, degree)
    slopes = np.zeros_like(places)
    slopes[:, 1:] = places[:, :-1] * np.arange(1, degree + 1) / scale
    influence = len(x) * np.linalg.solve(triangle.T, slopes.T).T @ (basis * residuals[:, None]).T
    variance = (influence**2).sum(1) / (len(x) - 1)
    return law[..., None] * _MEDIAN_SQUARE * variance


class RefitAverages(NamedTuple):
    """Coefficients in powers of x, lowest first: of the fit to all points, and of two averages over all its refits.

    Far from zero, where these would lose digits, in powers of (x - center) / scale: see `fit_polynomial`. `weighted`
    weighs each refit with the determinant of its Gram matrix, `plain` all alike; there are `subsets`.
    """

    full: Float[np.ndarray, " powers"]
    weighted: Float[np.ndarray, " powers"]
    plain: Float[np.ndarray, " powers"]
    subsets: int
    center: float = 0.0
    scale: float = 1.0


def average_refits(x: _Points, y: _Points, degree: int, batch_size: int) -> RefitAverages:
    r"""Average the refits to all subsets of K points: $\sum_S \det(X_S^T X_S)\, b_S / \sum_S \det(X_S^T X_S) = b$.

    Weighted by volume, refits are exactly right on average; drawn with equal probability, as by SGD, they are not: the
    expected gradient of a refit is not that of the full fit. Every subset is enumerated.

    Args:
        x: abscissae of the N points, all different.
        y: ordinates.
        degree: of the polynomial.
        batch_size: K, from degree + 1 to N, with no more than a million subsets.

    Returns:
        `RefitAverages` of the coefficients.

    Raises:
        ArgumentError: data that do not determine the polynomial, or a batch size out of range.

    >>> averages = average_refits(np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.0, 0.0, 1.0, 0.0]), 1, batch_size=2)
    >>> averages.subsets, averages.full.round(4).tolist()
    (6, [0.2, 0.0286])
    >>> averages.weighted.round(4).tolist(), averages.plain.round(4).tolist()
    ([0.2, 0.0286], [0.1667, 0.1667])

    Source: Dereziński and Warmuth, Unbiased estimates for linear regression via volume sampling, NeurIPS (2017).
    """
    x, y = boundary.read_points(x, y, degree)
    remedy = f"A refit of degree {degree} needs {degree + 1} points, of {len(x)} that there are"
    check_integer("batch_size", batch_size, degree + 1, len(x), remedy)
    count = math.comb(len(x), batch_size)
    if count > _MOST_SUBSETS:
        constraint = f"makes {count:,} subsets of {len(x)} points, more than {_MOST_SUBSETS:,}"
        raise ArgumentError("batch_size", batch_size, constraint, "Give fewer points")
    center, scale = boundary.frame(x)
    powers = polynomial.polyvander((x - center) / scale, degree)
    subsets = np.array(list(itertools.combinations(range(len(x)), batch_size)))
    basis, triangle = np.linalg.qr(powers[subsets])
    volume = np.prod(np.diagonal(triangle, axis1=1, axis2=2), axis=1) ** 2  # the scale of x is a common factor
    refits = np.linalg.solve(triangle, np.einsum("skq,sk->sq", basis, y[subsets])[..., None])[..., 0]
    full = np.linalg.lstsq(powers, y, rcond=None)[0]

    def in_powers_of_x(coefficients: np.ndarray) -> np.ndarray:
        fit = HostPolynomial(coefficients, domain=[center - scale, center + scale], window=[-1, 1])
        expanded = np.zeros(degree + 1)
        found = fit.convert().coef
        expanded[: len(found)] = found
        return expanded

    averages = full, volume @ refits / volume.sum(), refits.mean(0)
    plain = [in_powers_of_x(average) for average in averages]
    if all(keeps_digits(x, one, center, scale, other) for one, other in zip(plain, averages, strict=True)):
        return RefitAverages(plain[0], plain[1], plain[2], count)
    return RefitAverages(averages[0], averages[1], averages[2], count, center, scale)

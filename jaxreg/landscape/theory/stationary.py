"""Stationary laws of SGD on a quadratic: variances, stability, heavy tails; and landscapes smoothed by noise."""

import math

import numpy as np
from numpy.polynomial import polynomial
from scipy.optimize import brentq
from scipy.special import gammaln, lambertw, logsumexp

from jaxreg.checks import Domain
from jaxreg.errors import ArgumentError
from jaxreg.landscape.boundary import BATCH, MOMENTUM, SIZE, WIDTH, check_shapes, read_number, read_numbers
from jaxreg.landscape.polynomial import Polynomial, read_frame
from jaxreg.landscape.theory.escape import Number, Numbers
from jaxreg.landscape.theory.quadrature import panels, read_landscape

_TAIL_BATCH = Domain(1, 1e6)  # of more, rounding hides the law: at a million an index of 2 is right to 2e-5
_LARGEST_INDEX = 1e9
_SMALLEST_INDEX = 1e-12


def gradient_variance(noise: Numbers, batch_size: Numbers, population: Numbers | None = None) -> Numbers:
    r"""Variance of a mini-batch gradient, $s^2/B$; without replacement from N samples, $\frac{s^2}{B}\frac{N-B}{N-1}$.

    Args:
        noise: $s$, the standard deviation (with N in its denominator) of the gradients of the samples.
        batch_size: $B$.
        population: $N$, at least 2; None for independent samples.

    Raises:
        ArgumentError: a number outside its domain.

    >>> gradient_variance(1.0, 4), round(gradient_variance(1.0, 4, 10), 4), gradient_variance(1.0, 10, 10)
    (0.25, 0.1667, 0.0)
    """
    noise = read_numbers("noise", noise, SIZE, "Give a standard deviation")
    batch_size = _read_batch(batch_size)
    if population is None:
        check_shapes(noise=noise, batch_size=batch_size)
        return noise**2 / batch_size
    remedy = "Give the number of samples to draw from"
    population = read_numbers("population", population, Domain(2, 1e100), remedy)
    check_shapes(noise=noise, batch_size=batch_size, population=population)
    if np.greater(batch_size, population).any():
        raise ArgumentError("batch_size", batch_size, f"must not exceed the {population} samples", "Draw fewer")
    return noise**2 / batch_size * (population - batch_size) / (population - 1)


def stationary_variance(
    learning_rate: Numbers,
    curvature: Numbers,
    variance: Numbers,
    momentum: Numbers = 0.0,
) -> Numbers:
    r"""Variance of w on $h w^2/2$ under additive noise, $V = \eta v (1+\beta) / [h (1-\beta) (2(1+\beta) - \eta h)]$.

    Without momentum this is $\eta v/(h(2 - \eta h))$, and the diffusion's $\eta v/(2h)$ as $\eta \to 0$.

    Args:
        learning_rate: $\eta$.
        curvature: $h$, more than 0.
        variance: $v$, of the gradient: see `gradient_variance`.
        momentum: $\beta$ of the heavy ball, from 0 to less than 1.

    Returns:
        V, infinite from the edge of stability $\eta h = 2(1+\beta)$ on.

    Raises:
        ArgumentError: a number outside its domain.

    >>> stationary_variance(np.array([0.5, 2.0]), 1.0, 1.0).round(4).tolist()
    [0.3333, inf]
    >>> round(float(stationary_variance(0.5, 1.0, 1.0, momentum=0.9)), 4)
    2.8788
    """
    learning_rate = read_numbers("learning_rate", learning_rate, SIZE, "Give a step size such as 0.3")
    curvature = read_numbers("curvature", curvature, WIDTH, "Give that of a minimum")
    variance = read_numbers("variance", variance, SIZE, "Give that of the gradient")
    momentum = read_numbers("momentum", momentum, MOMENTUM, "Give a number such as 0.9, or 0 for none")
    check_shapes(learning_rate=learning_rate, curvature=curvature, variance=variance, momentum=momentum)
    room = 2 * (1 + momentum) - learning_rate * np.asarray(curvature)
    finite = learning_rate * variance * (1 + momentum) / (curvature * (1 - momentum) * np.where(room > 0, room, 1))
    return np.where(room > 0, finite, np.inf)[()]


def regression_variance(learning_rate: Numbers, noise: Numbers, batch_size: Numbers) -> Numbers:
    r"""Variance of w in linear regression by SGD on fresh mini-batches, $V = \frac{\eta s^2/B}{2 - \eta (1 + 2/B)}$.

    For $y = w_* x + s\varepsilon$ with $x, \varepsilon \sim N(0, 1)$ and the loss $(wx - y)^2/2$: the curvature of a
    batch is random too, and V about $w_*$ larger than under additive noise.

    Args:
        learning_rate: $\eta$.
        noise: $s$.
        batch_size: $B$.

    Returns:
        V, infinite from `stability_threshold` on.

    Raises:
        ArgumentError: a number outside its domain.

    >>> regression_variance(np.array([0.5, 1.0]), 1.0, 2).tolist()
    [0.25, inf]
    """
    learning_rate = read_numbers("learning_rate", learning_rate, SIZE, "Give a step size such as 0.3")
    noise = read_numbers("noise", noise, SIZE, "Give a standard deviation")
    batch_size = _read_batch(batch_size)
    check_shapes(learning_rate=learning_rate, noise=noise, batch_size=batch_size)
    room = 2 - learning_rate * (1 + 2 / batch_size)
    return np.where(room > 0, learning_rate * noise**2 / batch_size / np.where(room > 0, room, 1), np.inf)[()]


def stability_threshold(batch_size: Numbers) -> Numbers:
    r"""Learning rate at which regression by SGD diverges in mean square, $2/(1 + 2/B)$, in units of 1 / curvature.

    Args:
        batch_size: $B$.

    >>> stability_threshold(2), stability_threshold(1e9)
    (1.0, 1.999...)
    """
    return 2 / (1 + 2 / _read_batch(batch_size))


def tail_index(learning_rate: Number, batch_size: Number) -> float:
    r"""Exponent of the tails of regression by SGD, $P(|w| > x) \sim x^{-\alpha}$, from $E|1 - \eta m|^\alpha = 1$.

    $m$, the mean of B squares of normal numbers, has the law Gamma(B/2, 2/B). Moments from the order $\alpha$ on do
    not exist; $\alpha = 2$ at `stability_threshold`. For small $\eta$ it is $uB/2\eta$ with
    $u\log u = u + 1$, to a relative error below $\eta\log(1/\eta)$.

    Args:
        learning_rate: $\eta$, more than 0.
        batch_size: $B$, at most a million.

    Returns:
        $\alpha$; 0 where $E\log|1 - \eta m| \ge 0$, so that there is no stationary law at all, and below 1e-12;
        infinite above 1e9.

    Raises:
        ArgumentError: a number outside its domain.

    >>> round(tail_index(stability_threshold(10), 10), 9)
    2.0

    Source: Kesten, Random difference equations and renewal theory for products of random matrices, Acta Math. 131
    (1973) 207-248.
    """
    learning_rate = read_number("learning_rate", learning_rate, WIDTH, "Give a step size")
    batch_size = read_number("batch_size", batch_size, _TAIL_BATCH, "A larger batch has next to no noise")
    shape, kink = batch_size / 2, 1 / learning_rate
    limit = shape * kink / float(lambertw(1 / math.e).real)  # of small rates, by Laplace's method: no index is above
    if limit > _LARGEST_INDEX:
        return math.inf

    def tabulate(index: float) -> tuple[np.ndarray, np.ndarray]:
        """log|1 - ηm| at nodes, and the logarithm of their probabilities, as far as moments up to `index` reach."""
        most = shape + index + 60 + 12 * math.sqrt(shape + index)
        # In the root of m the density is smooth at 0 also for B = 1; panels shrink towards the kink.
        top = math.sqrt(kink + most / shape)
        near = math.sqrt(kink) * (1 + np.append(-(2.0 ** -np.arange(1, 40)), 2.0 ** -np.arange(40)))
        # Where most of m lies, and of its largest values: there the integrand is a hump of width 1/2√shape.
        half = (index + shape + shape * kink) / (2 * shape)
        humps = np.sqrt([1.0, half + math.sqrt(max(half**2 - kink, 0))])
        fine = (humps[:, None] + np.linspace(-8, 8, 33) / math.sqrt(shape)).ravel()
        within = np.concatenate([near, fine, [math.sqrt(kink)]])
        edges = np.unique(np.concatenate([np.linspace(0, top, 400), within[(within > 0) & (within < top)]]))
        root, weights = panels(edges)
        m = root.ravel() ** 2
        density = shape * math.log(shape) - gammaln(shape) + (shape - 0.5) * np.log(m) - shape * m + math.log(2)
        return np.log(np.abs(1 - learning_rate * m)), density + np.log(weights.ravel())

    shrinks, law = tabulate(1.0)
    if np.exp(law) @ shrinks >= 0:
        return 0.0
    high = 1.0
    while True:
        shrinks, law = tabulate(high)
        if logsumexp(high * shrinks + law) > 0:
            break
        high *= 2
    low = high / 2
    while logsumexp(low * shrinks + law) >= 0:  # only below an index of 1
        low /= 2
        if low < _SMALLEST_INDEX:  # the sum is rounding alone
            return 0.0
    return float(brentq(lambda index: logsumexp(index * shrinks + law), low, high, xtol=1e-13, rtol=1e-12))


def smooth_polynomial(landscape: Polynomial, variance: Number) -> Polynomial:
    r"""Landscape convolved with Gaussian noise, $f * N(0, q) = \sum_k (q/2)^k f^{(2k)}/k!$, exactly.

    SGD with step size η, seen from the points $y = x - \eta f'(x)$ before the noise is added, descends it on average,
    with $q = \eta^2 s^2/B$.

    Args:
        landscape: $f$.
        variance: $q$, 0 or more.

    Raises:
        ArgumentError: a negative variance, or traced numbers.

    >>> from jaxreg.landscape.polynomial import DOUBLE_WELL
    >>> smooth_polynomial(DOUBLE_WELL, 0.2).coefficients.round(3).tolist()  # the barrier sinks
    [0.18, 0.0, -0.2, 0.0, 0.25]

    Source: Kleinberg, Li and Yuan, An alternative view: when does SGD escape local minima? ICML (2018).
    """
    variance = read_number("variance", variance, SIZE, "Give the square of a standard deviation")
    term = read_landscape(landscape, (False, False))
    variance = variance / read_frame(landscape)[1] ** 2
    total = term.copy()
    for k in range(1, (len(term) - 1) // 2 + 1):
        term = polynomial.polyder(term, 2) * (variance / 2 / k)
        total[: len(term)] += term
    return Polynomial(total, landscape.center, landscape.scale)


def _read_batch(batch_size: Numbers) -> Numbers:
    return read_numbers("batch_size", batch_size, BATCH, "Give a number of samples")

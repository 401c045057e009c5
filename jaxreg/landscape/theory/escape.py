"""SGD as a diffusion: the temperature of its noise, Kramers' escape time, exact mean first passage, Boltzmann's law."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Real

from jaxreg.checks import FINITE, Domain
from jaxreg.errors import ArgumentError
from jaxreg.landscape.boundary import BATCH, SIZE, WIDTH, check_shapes, read_number, read_numbers
from jaxreg.landscape.polynomial import Polynomial
from jaxreg.landscape.space.surface import Landscape
from jaxreg.landscape.theory.profile import read_profile
from jaxreg.landscape.theory.quadrature import log_integrals, panels

_CUT = 60.0  # what lies higher than so many temperatures is left out: less than 1e-25 of the whole
_ACCURACY = 1e-10
_SOUND = 1e-6  # relative error at which a time is no result
_LONGEST = 1e3  # logarithm of a time that is infinite at every temperature
_TEMPERATURE = "Give the learning rate times the variance of the gradient over 2"
_FIRST_PANELS, _MOST_PANELS = 128, 2**14
Number = int | float
Numbers = int | float | Real[np.ndarray, "..."]


def temperature(learning_rate: Numbers, noise: Numbers, batch_size: Numbers = 1) -> Numbers:
    r"""Temperature of the diffusion that SGD approaches at small steps, $D = \eta s^2 / (2B)$.

    In time $t = \eta k$ after k steps, $dw = -U'(w)\,dt + \sqrt{2D}\,dW$.

    Args:
        learning_rate: $\eta$.
        noise: $s$, the standard deviation of the gradient of one sample.
        batch_size: $B$.

    Raises:
        ArgumentError: a number outside its domain.

    >>> temperature(0.1, 2.0, 4)
    0.05
    """
    learning_rate = read_numbers("learning_rate", learning_rate, SIZE, "Give a step size such as 0.3")
    noise = read_numbers("noise", noise, SIZE, "Give a standard deviation")
    batch_size = read_numbers("batch_size", batch_size, BATCH, "Give a number of samples")
    check_shapes(learning_rate=learning_rate, noise=noise, batch_size=batch_size)
    return learning_rate * noise**2 / (2 * batch_size)


def kramers_time(landscape: Polynomial | Landscape, minimum: Number, saddle: Number, temperature: Numbers) -> Numbers:
    r"""Kramers' time to escape over a barrier, $2\pi\,|U''(a)\,U''(b)|^{-1/2}\, e^{(U(b) - U(a))/D}$.

    It is the time to the far side of the barrier, for D much less than its height; to the saddle itself, from which
    half of the runs fall back, it is half as long. Divide by the learning rate for steps.

    Args:
        landscape: $U$, a polynomial or a `space.Landscape` of one dimension.
        minimum: $a$, where the run starts.
        saddle: $b$, the maximum between.
        temperature: $D$, more than 0.

    Raises:
        ArgumentError: points that are no minimum and no maximum, or a temperature that is not positive.

    >>> from jaxreg.landscape.polynomial import DOUBLE_WELL
    >>> float(round(kramers_time(DOUBLE_WELL, minimum=-1.0, saddle=0.0, temperature=0.05), 1))
    659.4

    Source: Kramers, Brownian motion in a field of force, Physica 7 (1940) 284-304.
    """
    temperature = read_numbers("temperature", temperature, WIDTH, _TEMPERATURE)
    profile = read_profile(landscape, (False, False))
    center, scale = profile.center, profile.scale
    points, bends = [], []
    for name, place, sign in (("minimum", minimum, 1), ("saddle", saddle, -1)):
        point = (read_number(name, place, FINITE, "Take one of its critical_points") - center) / scale
        with np.errstate(over="ignore", invalid="ignore"):
            bend = profile.bend(point)
            off = abs(profile.slope(point)) / (1 + abs(point))
        # The slope within rounding of the point: points from `critical_points` pass.
        if not (0 < sign * bend < math.inf and off <= 1e-5 * abs(bend)):
            kind = "minimum" if sign > 0 else "maximum"
            raise ArgumentError(name, place, f"must be a {kind} of the landscape", "Take one of its critical_points")
        points.append(point)
        bends.append(abs(bend))
    barrier = profile.height(points[1]) - profile.height(points[0])
    with np.errstate(over="ignore"):
        return 2 * math.pi / math.sqrt(bends[0] * bends[1]) * scale**2 * np.exp(barrier / temperature)


def mean_first_passage(landscape: Polynomial | Landscape, start: Number, target: Number, temperature: Number) -> float:
    r"""Mean time for the diffusion to reach a point, by quadrature.

    $\tau(x_0 \to b) = \frac1D \int_{x_0}^{b} e^{U(y)/D} \int_{-\infty}^{y} e^{-U(z)/D}\,dz\,dy$ for $b > x_0$, and its
    mirror image for $b < x_0$; in time $t = \eta k$, so divide by the learning rate for steps. Exact to about 1e-10, at
    any temperature: integrals are kept as logarithms.

    Args:
        landscape: $U$, a polynomial or a `space.Landscape` of one dimension, rising without bound on the side away from
            the target.
        start: $x_0$.
        target: $b$.
        temperature: $D$, more than 0.

    Returns:
        The time, infinite where it exceeds the largest float.

    Raises:
        ArgumentError: target and start coincide, a temperature that is not positive, or a landscape that is open.

    >>> from jaxreg.landscape.polynomial import DOUBLE_WELL
    >>> round(mean_first_passage(DOUBLE_WELL, -1.0, 1.0, 0.05), 1)
    729.7

    Source: Gardiner, Handbook of Stochastic Methods (2004), section 5.2.7.
    """
    temperature = read_number("temperature", temperature, WIDTH, _TEMPERATURE)
    start, target = read_target(start, target)
    rightward = target > start
    profile = read_profile(landscape, (rightward, not rightward))
    center, scale = profile.center, profile.scale
    origin, goal, start, target = start, target, (start - center) / scale, (target - center) / scale
    if not rightward:
        profile, start, target = profile.mirror(), -start, -target
    with np.errstate(over="ignore", invalid="ignore"):
        ground = profile.height(start) + _CUT * temperature
    check_height("start", origin, ground)
    left = profile.ends(ground)[0]
    before, count = math.nan, _FIRST_PANELS
    while True:
        inside = np.linspace(start, target, count + 1)
        edges = np.append(np.linspace(left, start, count + 1)[:-1], inside)
        with np.errstate(over="ignore", invalid="ignore"):
            height = profile.height(panels(edges)[0]) / temperature
        if not (height > -math.inf).all():
            constraint = "must lie where the landscape over the temperature is a number"
            raise ArgumentError("target", goal, constraint, "Give a nearer one")
        if (height == math.inf).any():
            return math.inf  # a barrier that no float measures
        _, inner = log_integrals(edges, -height)
        total, _ = log_integrals(inside, (height + inner)[count:])
        if abs(total[-1] - before) < _ACCURACY or count >= _MOST_PANELS:
            break
        before, count = total[-1], 2 * count
    if not (abs(total[-1] - before) < _SOUND or total[-1] > _LONGEST):
        constraint = f"must be near enough for {_MOST_PANELS} panels"
        raise ArgumentError("target", goal, constraint, "Give a nearer one, or a higher temperature")
    with np.errstate(over="ignore"):
        return float(np.exp(total[-1]) / temperature * scale**2)


@dataclass(frozen=True)
class BoltzmannLaw:
    """The stationary law of the diffusion; made by `boltzmann_law`.

    `log_total` is the logarithm of the integral of exp(-U/D) from `low` to `high`, which hold all but 1e-25 of it.
    """

    landscape: Polynomial | Landscape
    temperature: float
    log_total: float
    low: float
    high: float

    def density(self, w: Numbers) -> Numbers:
        """Probability density at w, per unit of w."""
        w = read_numbers("w", w, FINITE, "Give a place")
        profile = read_profile(self.landscape, (True, True))
        with np.errstate(over="ignore"):  # far out the density is 0
            height = profile.height((w - profile.center) / profile.scale)
            return np.exp(-height / self.temperature - self.log_total)

    def probability(self, low: Number, high: Number) -> float:
        """Probability of low < w < high; either may be infinite."""
        low, high = (read_number(name, end, Domain(), "Give a place") for name, end in (("low", low), ("high", high)))
        edges = np.linspace(max(low, self.low), min(high, self.high), 8 * _FIRST_PANELS + 1)
        if edges[0] >= edges[-1]:
            return 0.0
        nodes, weights = panels(edges)
        return float((self.density(nodes) * weights).sum())


def boltzmann_law(landscape: Polynomial | Landscape, temperature: Number) -> BoltzmannLaw:
    r"""Stationary law of the diffusion, $\pi(w) \propto e^{-U(w)/D}$.

    Two minima of equal depth hold probabilities in the ratio $\sqrt{h_2/h_1}$ of their curvatures at small D.

    Args:
        landscape: $U$, a polynomial or a `space.Landscape` of one dimension, rising without bound on both sides.
        temperature: $D$, more than 0.

    Returns:
        A law with methods `density` and `probability`.

    Raises:
        ArgumentError: a temperature that is not positive, or an open landscape.

    >>> from jaxreg.landscape.polynomial import EQUAL_DEPTH_SEXTIC
    >>> law = boltzmann_law(EQUAL_DEPTH_SEXTIC, 0.0001)
    >>> round(law.probability(0.0, np.inf) / law.probability(-np.inf, 0.0), 2)  # near the square root of 5
    2.24
    """
    temperature = read_number("temperature", temperature, WIDTH, _TEMPERATURE)
    profile = read_profile(landscape, (True, True))
    center, scale = profile.center, profile.scale
    ends = profile.ends(profile.ground() + _CUT * temperature)
    edges = np.linspace(ends[0], ends[-1], 8 * _FIRST_PANELS + 1)
    to_edges, _ = log_integrals(edges, -profile.height(panels(edges)[0]) / temperature)
    low, high = (float(center + scale * end) for end in (ends[0], ends[-1]))
    return BoltzmannLaw(landscape, float(temperature), float(to_edges[-1]) + math.log(scale), low, high)


def check_height(name: str, place: Number, height: float) -> None:
    """Refuse a place where the landscape overflows."""
    if not math.isfinite(height):
        raise ArgumentError(name, place, "must lie where the landscape is a number", "Give a nearer one")


def read_target(start: Number, target: Number) -> tuple[float, float]:
    """Start and target as Python's floats; refuse a target that is the start, or numbers that are not finite."""
    start, target = (
        read_number(name, value, FINITE, "Give a finite point")
        for name, value in (("start", start), ("target", target))
    )
    if start == target:
        raise ArgumentError("target", target, "must lie beyond the start", "Change one of them")
    return start, target

r"""SGD with Gaussian noise as it is, step by step: escape and stationary law from its transfer operator.

One step of `noisy_gradient` takes w to $m(w) + \sigma\xi$, with $m(w) = w - \eta U'(w)$ and $\sigma = \eta s/\sqrt B$.
Its transfer kernel $K(w, y) = N(y; m(w), \sigma^2)$ is smooth, so that Gauss-Legendre panels a few σ wide leave an
error far below that of any simulation (Nyström's method).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import linalg
from scipy.special import ndtr

from jaxreg.checks import FINITE, Domain
from jaxreg.errors import ArgumentError
from jaxreg.landscape.boundary import BATCH, WIDTH, check_shapes, read_number, read_numbers
from jaxreg.landscape.polynomial import Polynomial
from jaxreg.landscape.space.surface import Landscape
from jaxreg.landscape.theory.escape import Number, Numbers, check_height, read_target
from jaxreg.landscape.theory.profile import Profile, read_profile
from jaxreg.landscape.theory.quadrature import ORDER, panels

_COARSE, _FINE = 6.0, 4.0  # widths of panels in σ; their results differ by the error that is reported
_MOST_NODES = 6000  # 300 MB for the matrix
_DEPTH = 40.0  # temperatures above the ground at which the domain ends, at first
_WIDER, _WIDENINGS = 1.2, 20
_NO_LOSS, _NO_LAW = 1e-12, 1e-3
_SETTLED = 0.99  # a loss that falls by less when the domain is widened is that of runs that diverge
_REACH = 10.0  # σ beyond which no step goes


class _Chain(NamedTuple):
    """The chain of t = (w - origin) / unit: its mean after a step, with the standard deviation `spread`."""

    profile: Profile
    learning_rate: float  # of t: that of w over the square of the unit
    spread: float
    origin: float
    unit: float

    def place(self, w: float) -> float:
        return (w - self.origin) / self.unit

    def centre(self, w: Numbers) -> Any:
        return w - self.learning_rate * self.profile.slope(w)

    def kernel(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """K, one row per start."""
        z = (end - self.centre(start)[:, None]) / self.spread
        return np.exp(-0.5 * z**2) / (self.spread * math.sqrt(2 * math.pi))

    def grid(self, low: float, high: float, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights, in panels no wider than `width` σ, and less where the step stretches distances."""
        sample = np.linspace(low, high, 8001)
        centre = self.centre(sample)
        first, last = np.minimum(centre[1:], centre[:-1]), np.maximum(centre[1:], centre[:-1])
        stays = (last > low - _REACH * self.spread) & (first < high + _REACH * self.spread)
        stretched = np.where(stays, last - first, 0.0)  # what leaves at once needs no resolution
        number = np.append(0.0, np.cumsum(np.maximum(np.diff(sample), stretched))) / (width * self.spread)
        if not number[-1] * ORDER <= _MOST_NODES:
            constraint = f"must give noise that {_MOST_NODES} nodes resolve, instead of {number[-1] * ORDER:.3g}"
            remedy = "Raise it, or take the diffusion, mean_first_passage or boltzmann_law, which is its limit"
            raise ArgumentError("learning_rate", self.learning_rate * self.unit**2, constraint, remedy)
        edges = np.interp(np.linspace(0, number[-1], max(math.ceil(number[-1]), 2) + 1), number, sample)
        nodes, weights = panels(edges)
        return nodes.ravel(), weights.ravel()


def _read_chain(
    landscape: Polynomial | Landscape,
    learning_rate: Number,
    noise: Number,
    batch_size: Number,
    confined: tuple[bool, bool],
) -> _Chain:
    remedy = "Without noise no run escapes: give a positive number"
    learning_rate = read_number("learning_rate", learning_rate, WIDTH, remedy)
    noise = read_number("noise", noise, WIDTH, remedy)
    batch_size = read_number("batch_size", batch_size, BATCH, "Give a number of samples")
    profile = read_profile(landscape, confined)
    origin, unit = profile.center, profile.scale
    spread = learning_rate * noise / math.sqrt(batch_size)
    return _Chain(profile, learning_rate / unit**2, spread / unit, origin, unit)


class EscapeSteps(NamedTuple):
    """Mean steps to a target, and a bound of the numerical `error` of that number."""

    steps: float
    error: float


def escape_steps(
    landscape: Polynomial | Landscape,
    start: Number,
    target: Number,
    learning_rate: Number,
    noise: Number,
    batch_size: Number = 1,
) -> EscapeSteps:
    r"""Mean number of steps until SGD first stands at or beyond a point: exact for `noisy_gradient`, at any step size.

    Solves $(I - K)\,\tau = 1$ for the transfer kernel K below the target, where runs are taken out.

    Args:
        landscape: $U$, a polynomial or a `space.Landscape` of one dimension, rising without bound on the side away from
            the target.
        start: the first w.
        target: where the exit is counted, on either side of the start.
        learning_rate: $\eta$.
        noise: $s$, the standard deviation of the gradient of one sample.
        batch_size: $B$.

    Returns:
        `EscapeSteps`: the mean, and its error: the difference to a coarser grid, and bounds of what rounding and the
        finite grid may do. A run that is thrown to and fro counts when it first stands beyond the target.

    Raises:
        ArgumentError: target and start coincide, no noise, an open landscape, or noise too fine for the grid.

    >>> from jaxreg.landscape.polynomial import DOUBLE_WELL
    >>> round(escape_steps(DOUBLE_WELL, -1.0, 1.0, learning_rate=0.1, noise=1.0).steps)
    7055
    """
    origin, target = read_target(start, target)
    rightward = target > origin
    chain = _read_chain(landscape, learning_rate, noise, batch_size, (rightward, not rightward))
    start, target = chain.place(origin), chain.place(target)
    with np.errstate(over="ignore", invalid="ignore"):
        height = chain.profile.height(start) + _DEPTH * chain.spread**2 / (2 * chain.learning_rate)
    check_height("start", origin, height)
    far = chain.profile.ends(height)[0 if rightward else -1]
    before = math.inf
    for _ in range(_WIDENINGS):
        coarse, lost = _solve_escape(chain, start, target, far, _COARSE)
        if lost < _NO_LOSS or lost > _SETTLED * before:
            break
        before = lost
        far = target + _WIDER * (far - target)
    fine, lost = _solve_escape(chain, start, target, far, _FINE)
    rounding = np.finfo(float).eps * len(fine)
    return EscapeSteps(float(fine[0]), float(abs(fine[0] - coarse[0]) + (rounding * fine[0] + lost) * fine.max()))


def _solve_escape(chain: _Chain, start: float, target: float, far: float, width: float) -> tuple[np.ndarray, float]:
    """Mean steps from the start and from each node, and the share of runs from the start that leave at the far end."""
    nodes, weights = chain.grid(min(far, target), max(far, target), width)
    points = np.append(start, nodes)
    kernel = chain.kernel(points, nodes) * weights
    leaves = ndtr((1 if target > start else -1) * (far - chain.centre(points)) / chain.spread)
    known = np.stack([np.ones_like(points), leaves], axis=1)
    solution = linalg.solve(np.eye(len(nodes)) - kernel[1:], known[1:])
    steps, lost = (known + kernel @ solution).T  # Nyström's interpolation to the start
    return steps, float(lost[0])


@dataclass(frozen=True, eq=False)
class StationaryLaw:
    """The law that SGD settles to: a mixture of Gaussians; made by `stationary_law`.

    `centres` (nodes) are the means after a step from each node, `weights` (nodes) the probabilities of the nodes, and
    `spread` the standard deviation of the noise of a step. `leak` is the probability per step to leave the grid, that
    is, to diverge: with noise that has no bound, a law on a landscape steeper than a quadratic lasts about 1 / `leak`
    steps. `error` is the largest difference of its cumulative probability to that of a coarser grid.
    """

    centres: Float[np.ndarray, " nodes"]
    weights: Float[np.ndarray, " nodes"]
    spread: float
    leak: float
    error: float

    def density(self, w: Numbers) -> Numbers:
        """Probability density at w, per unit of w."""
        w = np.asarray(read_numbers("w", w, FINITE, "Give a place"))
        with np.errstate(over="ignore"):  # far out the density is 0
            z = (w[..., None] - self.centres) / self.spread
            return (np.exp(-0.5 * z**2) @ self.weights) / (self.spread * math.sqrt(2 * math.pi))

    def probability(self, low: Numbers, high: Numbers) -> Numbers:
        """Probability of low < w < high; either may be infinite, or an array, such as of the edges of bins."""
        low, high = (read_numbers(name, end, Domain(), "Give a place") for name, end in (("low", low), ("high", high)))
        check_shapes(low=low, high=high)
        return self._below(high) - self._below(low)

    def _below(self, w: Numbers) -> Numbers:
        return ndtr((np.asarray(w)[..., None] - self.centres) / self.spread) @ self.weights

    @property
    def mean(self) -> float:
        """Mean of w."""
        return float(self.centres @ self.weights)

    @property
    def variance(self) -> float:
        """Variance of w."""
        return float((self.centres - self.mean) ** 2 @ self.weights + self.spread**2)


def stationary_law(
    landscape: Polynomial | Landscape, learning_rate: Number, noise: Number, batch_size: Number = 1
) -> StationaryLaw:
    r"""Law of the weights of SGD after many steps: exact for `noisy_gradient`, at any step size.

    The left eigenvector of the transfer kernel, $\pi(y) = \int \pi(w)\,K(w, y)\,dw$, by inverse iteration.

    Args:
        landscape: $U$, a polynomial or a `space.Landscape` of one dimension, rising without bound on both sides.
        learning_rate: $\eta$.
        noise: $s$, the standard deviation of the gradient of one sample.
        batch_size: $B$.

    Returns:
        A law with methods `density` and `probability`, a `mean` and a `variance`.

    Raises:
        ArgumentError: no noise, an open landscape, runs that diverge within 1000 steps instead of settling, or noise
            too fine for the grid.

    >>> from jaxreg.landscape.polynomial import QUADRATIC
    >>> law = stationary_law(QUADRATIC, learning_rate=0.5, noise=1.0)
    >>> round(law.variance, 9)  # η s² / (h (2 - η h))
    0.333333333
    """
    chain = _read_chain(landscape, learning_rate, noise, batch_size, (True, True))
    ends = chain.profile.ends(chain.profile.ground() + _DEPTH * chain.spread**2 / (2 * chain.learning_rate))
    coarse = _solve_law(chain, ends, _COARSE)
    for _ in range(_WIDENINGS):
        if coarse.leak < _NO_LOSS:
            break
        ends = ends.mean() + _WIDER * (ends - ends.mean())
        before, coarse = coarse, _solve_law(chain, ends, _COARSE)
        if coarse.leak > _SETTLED * before.leak:
            break
    if coarse.leak > _NO_LAW:
        constraint = f"must let runs settle, and {coarse.leak:.1g} of them diverge at every step"
        raise ArgumentError("learning_rate", learning_rate, constraint, "Lower it, or the noise")
    fine = _solve_law(chain, ends, _FINE)
    points = chain.origin + chain.unit * np.linspace(ends[0], ends[1], 200)
    error = np.abs(fine.probability(-np.inf, points) - coarse.probability(-np.inf, points)).max()
    return StationaryLaw(fine.centres, fine.weights, fine.spread, fine.leak, float(error))


def _solve_law(chain: _Chain, ends: np.ndarray, width: float) -> StationaryLaw:
    """The law on one grid, of the runs that have not left it."""
    nodes, weights = chain.grid(ends[0], ends[1], width)
    step = chain.kernel(nodes, nodes) * weights
    # Its largest eigenvalue is 1 less a leak that is tiny: a shift just above 1 converges in one or two iterations.
    factors = linalg.lu_factor((1 + 1e-13) * np.eye(len(nodes)) - step.T)
    share = np.full(len(nodes), 1 / len(nodes))
    for _ in range(4):
        share = linalg.lu_solve(factors, share)
        share = share / share.sum()
    centres = chain.centre(nodes)
    leaves = ndtr((ends[0] - centres) / chain.spread) + ndtr((centres - ends[1]) / chain.spread)
    places = chain.origin + chain.unit * centres
    return StationaryLaw(places, share, chain.spread * chain.unit, float(leaves @ share), 0.0)

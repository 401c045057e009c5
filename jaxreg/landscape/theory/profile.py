"""A landscape in one dimension as the theory needs it: a polynomial, or any smooth function; float64 on the host."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.polynomial import polynomial
from scipy.optimize import bisect, minimize_scalar

from jaxreg.errors import ArgumentError
from jaxreg.landscape.polynomial import Polynomial, read_frame
from jaxreg.landscape.space.surface import Landscape
from jaxreg.landscape.theory.quadrature import level_set, read_landscape

_AT_ONCE = 4096  # places that a function is called with, so that one program does
_SCAN = np.sinh(np.linspace(-30, 30, 6001))  # places a hundredth apart near 0, and one per cent far from it
_Heights = Callable[[Any], Any]
_SIDES = ("left", "right")


@dataclasses.dataclass(frozen=True, eq=False)
class Profile:
    """Height, slope and second derivative in t = (w - center) / scale, as functions of arrays.

    `ground()` is the height of the lowest minimum, and `ends(height)` are the outermost places of a height.
    """

    height: _Heights
    slope: _Heights
    bend: _Heights
    ground: Callable[[], float]
    ends: Callable[[float], np.ndarray]
    center: float = 0.0
    scale: float = 1.0

    def mirror(self) -> "Profile":
        """The same with left and right exchanged."""
        return dataclasses.replace(
            self,
            height=lambda t: self.height(-np.asarray(t)),
            slope=lambda t: -self.slope(-np.asarray(t)),
            bend=lambda t: self.bend(-np.asarray(t)),
            ends=lambda height: -self.ends(height)[::-1],
        )


def read_profile(landscape: Polynomial | Landscape, confined: tuple[bool, bool]) -> Profile:
    """The profile of a landscape that rises without bound on the left and on the right, where `confined` says so.

    Of a function, that is seen at places as far as 5e12 from 0 and from its lowest point, of which those near to them
    are a hundredth apart: wells must be wider than that.

    Raises:
        ArgumentError: no landscape, one of several dimensions, traced coefficients, or one that does not rise.

    >>> profile = read_profile(Landscape(lambda w: jax.numpy.cosh(w[0]), 1), (True, True))
    >>> round(profile.ground(), 12), profile.ends(np.cosh(2.0)).round(9).tolist()
    (1.0, [-2.0, 2.0])
    """
    if not isinstance(landscape, Landscape):
        coefficients = read_landscape(landscape, confined)
        center, scale = read_frame(landscape)
        slope = polynomial.polyder(coefficients)
        bend = polynomial.polyder(slope)

        def ground() -> float:
            return float(polynomial.polyval((landscape.minima - center) / scale, coefficients).min())

        return Profile(
            lambda t: polynomial.polyval(t, coefficients),
            lambda t: polynomial.polyval(t, slope),
            lambda t: polynomial.polyval(t, bend),
            ground,
            lambda height: level_set(coefficients, height)[[0, -1]],
            center,
            scale,
        )
    if landscape.dim != 1:
        raise ArgumentError("landscape", landscape.dim, "must have 1 dimension", "Fix the others in its function")
    profile, rises = _scan(landscape)
    for must, does, side in zip(confined, rises, _SIDES, strict=True):
        if must and not does:
            constraint = f"must rise without bound on the {side}, to hold the runs"
            raise ArgumentError("landscape", landscape.name or landscape.function, constraint, "Take another landscape")
    return profile


@functools.lru_cache(maxsize=16)
def _scan(landscape: Landscape) -> tuple[Profile, tuple[bool, ...]]:
    """The profile of a function, and whether it rises on the left and on the right."""

    def flat(t: Any) -> Any:
        return landscape.function(t[None])

    slope = jax.grad(flat)
    values = _evaluate(flat)

    def height(t: Any) -> Any:
        """Where it is no number there is a wall."""
        found = values(t)
        return np.where(np.isnan(found), math.inf, found)[()]

    first = _SCAN[int(np.argmin(height(_SCAN)))]
    places = np.unique(np.append(_SCAN, first + _SCAN))
    heights = height(places)
    lowest = int(np.argmin(heights))

    def ground() -> float:
        near = places[max(lowest - 1, 0)], places[min(lowest + 1, len(places) - 1)]
        found = minimize_scalar(height, bounds=near, method="bounded", options={"xatol": 1e-10 * (1 + abs(first))})
        return float(min(found.fun, heights[lowest]))

    def ends(level: float) -> np.ndarray:
        below = np.flatnonzero(heights <= level)
        found = [math.nan, math.nan]
        for side, (inner, step) in enumerate(((below[0], -1), (below[-1], 1)) if len(below) else ()):
            if 0 <= inner + step < len(places):
                pair = places[inner], places[inner + step]
                found[side] = bisect(lambda t: 1.0 if height(t) > level else -1.0, *pair, xtol=1e-300, rtol=1e-15)
        return np.array(found)

    outermost = (heights[0], heights[1]), (heights[-1], heights[-2])
    rises = tuple(bool(outer > inner or outer == math.inf) for outer, inner in outermost)
    return Profile(height, _evaluate(slope), _evaluate(jax.grad(slope)), ground, ends), rises


def _evaluate(function: Callable[[Any], Any]) -> _Heights:
    """A function of one number as one of arrays, in float64, that compiles once whatever their sizes."""
    call = jax.jit(jax.vmap(function))

    def evaluate(t: Any) -> Any:
        given = np.asarray(t, np.float64)
        padded = np.pad(given.ravel(), (0, -given.size % _AT_ONCE), mode="edge").reshape(-1, _AT_ONCE)
        with jax.enable_x64(True):
            values = np.concatenate([np.asarray(call(part)) for part in padded])
        return values[: given.size].reshape(given.shape)[()]

    return evaluate

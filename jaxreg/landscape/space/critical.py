"""Critical points of a landscape, found from many starts, and the basins that descent divides it into."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Int32

from jaxreg.checks import check_integer, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.landscape.space.surface import Landscape

_NEWTON, _FLOW = 100, 3000  # iterations; flows creep along flat valleys
_FLAT = 1e-8  # a slope as small as this, relative to the curvature, is none
_SAME = 1e-5  # points closer than this, relative to the box, are one
_NEAR = 1e-3  # of the box: a flow that ends so near to a minimum has reached it


FATES: tuple[str, ...] = ("global minimum", "another minimum", "no minimum", "diverged")
"""Names of the numbers that `fate` returns."""


class CriticalPoints(NamedTuple):
    """Where the slope is zero, the lowest first.

    Args:
        points: one a row.
        values: the heights there.
        downhill: the number of directions that go down, Morse's index: 0 for minima, 1 for saddles between two basins.
    """

    points: Float[np.ndarray, "points dim"]
    values: Float[np.ndarray, " points"]
    downhill: Int[np.ndarray, " points"]

    @property
    def minima(self) -> Float[np.ndarray, "minima dim"]:
        """The minima, the lowest first."""
        return self.points[self.downhill == 0]

    @property
    def saddles(self) -> Float[np.ndarray, "saddles dim"]:
        """The saddles of index 1, the lowest first."""
        return self.points[self.downhill == 1]


def find_critical_points(
    landscape: Landscape, low: Any, high: Any, starts: int = 1000, seed: int = 0
) -> CriticalPoints:
    """The critical points within a box, by Newton's method for the slope from uniform random starts, in float64.

    Those whose region of attraction is small may be missed: compare with more `starts`. Points that are degenerate,
    with a direction of no curvature, are left out.

    Args:
        landscape: what is looked at.
        low: the corner of the box with the smallest coordinates, one number for all or one for each.
        high: the opposite corner.
        starts: how many.
        seed: of the starts.

    Raises:
        ArgumentError: no box.

    >>> from jaxreg.landscape.space import STYBLINSKI_TANG
    >>> found = find_critical_points(STYBLINSKI_TANG, -4.0, 4.0)
    >>> found.minima[0].round(6).tolist(), found.values[0].round(3).item(), len(found.minima), len(found.points)
    ([-2.903534, -2.903534], -78.332, 4, 9)
    """
    check_kind("landscape", landscape, Landscape, "Give Landscape(function, dim)")
    check_integer("starts", starts, 1, 10**6, "Give some hundreds")
    check_integer("seed", seed, 0, 2**32 - 1, "Give a number such as 0")
    with jax.enable_x64(True):
        low, high = (np.asarray(corner, float) for corner in landscape.read_box(low, high))
    random = np.random.default_rng(seed).uniform(low, high, (starts, landscape.dim))
    with jax.enable_x64(True):
        points, slopes, curvatures = map(np.asarray, _settle(landscape, jnp.asarray(random)))
    size = np.abs(curvatures).max(1)
    found = (np.linalg.norm(slopes, axis=1) <= _FLAT * np.maximum(size, 1e-300) * np.linalg.norm(high - low)) & (
        np.abs(curvatures).min(1) > _FLAT * size
    )
    found &= ((points >= low) & (points <= high)).all(1)
    kept = _unique(points[found], _SAME * float(np.linalg.norm(high - low)))
    with jax.enable_x64(True):
        values, hessians = np.asarray(landscape.value(kept)), np.asarray(landscape.hessian(kept))
    order = np.argsort(values, kind="stable")
    downhill = (np.linalg.eigvalsh(hessians) < 0).sum(1) if len(kept) else np.zeros(0, int)
    return CriticalPoints(kept[order], values[order], downhill[order])


def basin(w: Any, landscape: Landscape, minima: Any) -> Int32[Array, "..."]:
    r"""The number of the minimum that descent from each point reaches, -1 where it reaches none.

    Descent follows the slope by steps $\nabla f / (2\,\|H\|)$ with the Frobenius norm of the second derivatives, which
    never leap over a valley: it ends where gradient flow does, but for points close to the border of two basins.

    Args:
        w: points (..., dim).
        landscape: the landscape.
        minima: its minima (minima, dim), as of `find_critical_points`.

    Raises:
        ArgumentError: points or minima that are not of the landscape's dimension.

    >>> from jaxreg.landscape.space import HIMMELBLAU
    >>> minima = jnp.array([[3.0, 2.0], [-3.779, -3.283]])  # two of the four
    >>> basin(jnp.array([[2.0, 1.0], [-3.0, -3.0], [-3.0, 3.0]]), HIMMELBLAU, minima).tolist()
    [0, 1, -1]
    """
    check_kind("landscape", landscape, Landscape, "Give Landscape(function, dim)")
    w, minima = landscape.read(w), landscape.read(minima, "minima")
    if minima.ndim != 2 or not len(minima):
        raise ArgumentError("minima", minima.shape, "must be one point a row", "Give find_critical_points(...).minima")
    return _follow(w, minima.astype(w.dtype), landscape)


@partial(jax.jit, static_argnames="landscape")
def _follow(
    w: Float[Array, "*points dim"], minima: Float[Array, "minima dim"], landscape: Landscape
) -> Int32[Array, "*points"]:
    """The number of the minimum that each point comes to."""

    def follow(start: Float[Array, " dim"]) -> Int32[Array, ""]:
        def step(_: Any, w: Array) -> Array:
            scale = jnp.linalg.norm(landscape.hessian(w))
            return w - landscape.gradient(w) / (2 * jnp.where(scale == 0, 1, scale))

        end = lax.fori_loop(0, _FLOW, step, start)
        distance = jnp.linalg.norm(minima - end[None], axis=1)
        reach = _NEAR * (1 + jnp.abs(minima).max())
        reached = (distance <= reach) & jnp.isfinite(end).all()
        return jnp.where(reached.any(), jnp.argmin(distance), -1).astype(jnp.int32)

    return jnp.vectorize(follow, signature="(d)->()")(w)


def fate(w: Any, landscape: Landscape, minima: Any) -> Int32[Array, "..."]:
    """Where each run ended, as a number whose name is in `FATES`: 0 in the basin of the lowest of the minima.

    Args:
        w: last weights of runs (..., dim), infinite where they diverged.
        landscape: the landscape.
        minima: its minima (minima, dim), as of `find_critical_points`.

    >>> from jaxreg.landscape.space import MULLER_BROWN
    >>> minima = jnp.array([[-0.558, 1.442], [0.623, 0.028], [-0.05, 0.467]])
    >>> ends = jnp.array([[-0.5, 1.4], [0.6, 0.0], [jnp.inf, jnp.inf]])
    >>> [FATES[number] for number in fate(ends, MULLER_BROWN, minima)]
    ['global minimum', 'another minimum', 'diverged']
    """
    number = basin(w, landscape, minima)
    minima = landscape.read(minima, "minima")
    lowest = jnp.argmin(landscape.value(minima)).astype(jnp.int32) if len(minima) else jnp.int32(0)
    arrived = jnp.where(number == lowest, 0, jnp.where(number < 0, 2, 1))
    return jnp.where(jnp.isfinite(landscape.read(w)).all(-1), arrived, 3).astype(jnp.int32)


@partial(jax.jit, static_argnums=0)
def _settle(landscape: Landscape, starts: Float[Array, "starts dim"]) -> tuple[Array, Array, Array]:
    """Where damped steps of Newton's method end, the slope there, and the principal curvatures."""

    def settle(start: Array) -> tuple[Array, Array, Array]:
        def step(_: Any, w: Array) -> Array:
            slope, (curvatures, axes) = landscape.gradient(w), jnp.linalg.eigh(landscape.hessian(w))
            along = axes.T @ slope
            move = axes @ (-along / jnp.where(curvatures == 0, 1, curvatures))
            length = jnp.linalg.norm(move)
            longest = 0.1 * (1 + jnp.linalg.norm(w))
            return w + move * jnp.minimum(1, longest / jnp.where(length == 0, 1, length))

        end = lax.fori_loop(0, _NEWTON, step, start)
        return end, landscape.gradient(end), jnp.linalg.eigvalsh(landscape.hessian(end))

    return lax.map(settle, starts)


def _unique(points: Float[np.ndarray, "found dim"], distance: float) -> Float[np.ndarray, "points dim"]:
    """One of each group of points that are closer to each other than `distance`."""
    kept: list[np.ndarray] = []
    for point in points:
        if all(np.linalg.norm(point - other) > distance for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, points.shape[1])

"""Whether a hypergradient means something: exponents of the training map, differences, and spread over seeds."""

import dataclasses
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int32, Key, PyTree

from jaxreg.checks import POSITIVE, as_real, check_choice, check_integer, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.coordinates import flatten, read_coordinates, read_hyperparameters
from jaxreg.hypergrad.gradients import MODES, Hypergradient, differentiate
from jaxreg.hypergrad.objective import Hyperparameters, evaluate, names_of
from jaxreg.hypergrad.training import Training
from jaxreg.nets.training import begin, prepare

_BETWEEN = 8  # steps from one orthogonalization of the tangents to the next
_GROWTH = 4.6  # nats: a disturbance that has grown a hundredfold by the end


class Trust(IntEnum):
    """What a hypergradient is worth.

    >>> Trust.CHAOTIC.name
    'CHAOTIC'
    """

    RELIABLE = 0
    """It agrees with differences, and seeds agree with each other if there are any."""
    NOISY = 1
    """It does not agree with differences, or its mean over seeds lies within two standard errors of 0."""
    CHAOTIC = 2
    """It does not agree with differences, and disturbances grow a hundredfold or more; or it is no finite number."""


class Gauge(NamedTuple):
    r"""A hypergradient and what it is worth.

    `hypergradient` is that at the seed of the objective, in what `tune` moves; `trust` a number of `Trust`; `exponents`
    (k,) the leading finite-time Lyapunov exponents per step, none for an objective that is no `Training`; `slope` the
    length of the gradient and `differences` (2,) the slope along it by central differences at a step and half of it;
    `disagreement` how far their extrapolation is from `slope`, relative to it; `mean` and `error` the
    mean over seeds and its standard error of each entry, infinite without seeds.
    """

    hypergradient: Hypergradient
    trust: Int32[Array, ""]
    exponents: Float[Array, " k"]
    slope: Float[Array, ""]
    differences: Float[Array, "2"]
    disagreement: Float[Array, ""]
    mean: PyTree
    error: PyTree


def gauge(
    objective: Any,
    at: Hyperparameters,
    *,
    seeds: Key[Array, " seeds"] | None = None,
    exponents: int = 1,
    step: float | None = None,
    tolerance: float | None = None,
    mode: str = "auto",
    transforms: Mapping[str, str] | None = None,
) -> Gauge:
    r"""A hypergradient with what says whether it means something.

    Three things can make the derivative of a training worthless: disturbances that grow exponentially, so that it is as
    large as $e^{\lambda T}$ and says nothing about steps of any size; kinks on the way, so that it is that of one piece
    among many; and seeds that disagree. Hence

    1. the exponents $\lambda_i$ of the map from step to step (`lyapunov`);
    2. central differences along the gradient at steps s and s/2, $D_s$ and $D_{s/2}$, extrapolated to
       $(4 D_{s/2} - D_s)/3$, of an error of order s^4: RELIABLE asks for agreement within `tolerance`;
    3. with `seeds`, the mean gradient and its standard error: a mean within two standard errors of 0 is NOISY.

    Costs the hypergradient, five runs, and one run with `exponents` tangents.

    Args:
        objective: as in `gradient`.
        at: the hyperparameters.
        seeds: keys, for a `Training`.
        exponents: how many (static).
        step: s, in what is moved (of logarithms: relative): by default 1e-3, in single precision 2e-2.
        tolerance: relative: by default 1e-7, in single precision 2e-2.
        mode: as in `gradient` (static).
        transforms: as in `tune` (static).

    Raises:
        ArgumentError: as `gradient`, or seeds for what takes none.

    >>> found = gauge(lambda h: jnp.sin(h["a"]), {"a": 1.0}, transforms={"a": "identity"})
    >>> Trust(int(found.trust)).name, found.exponents.shape
    ('RELIABLE', (0,))

    Source: Metz et al., Gradients are not all you need (2021); Benettin et al., Meccanica 15 (1980) 9-20.
    """
    check_choice("mode", mode, MODES)
    at = read_hyperparameters(at, names_of(objective))
    coordinates = read_coordinates(at, transforms)
    u = coordinates.forth(at)
    vector, back = flatten(u)
    single = jnp.finfo(vector.dtype).bits < 64
    step = (2e-2 if single else 1e-3) if step is None else step
    tolerance = (2e-2 if single else 1e-7) if tolerance is None else tolerance
    for name, number in (("step", step), ("tolerance", tolerance)):
        POSITIVE.check(name, number, "Leave it out", vector.dtype)
    step, tolerance = as_real(step), as_real(tolerance)
    if not any(isinstance(part, jax.core.Tracer) for part in (vector, step)):
        ends = [flatten(coordinates.back(back(vector + way * step)))[0] for way in (-1, 1)]
        if not all(jnp.isfinite(end).all() for end in ends):
            raise ArgumentError("step", step, "must leave hyperparameters finite", "Leave it out")
    check_integer("exponents", exponents, 0, 1000, "Give 1 for the leading one")
    if seeds is not None:
        check_kind("objective", objective, Training, "Seeds are for a Training")

    def value(vector: Array) -> Array:
        return evaluate(objective, coordinates.back(back(vector))).value

    found = differentiate(objective, coordinates, u, mode)
    slope = flatten(found.gradient)[0]
    length = jnp.sqrt((slope * slope).sum())
    known = jnp.isfinite(length) & (length > 0)
    along = jnp.where(known, slope / jnp.where(known, length, 1), vector.size**-0.5)
    sizes = step * jnp.array([1.0, 0.5], vector.dtype)
    ends = lax.map(value, vector[None] + jnp.outer(jnp.concatenate([sizes, -sizes]), along))
    differences = (ends[:2] - ends[2:]) / (2 * sizes)
    best = (4 * differences[1] - differences[0]) / 3
    away = jnp.abs(best - length)
    # What rounding leaves of a difference, so that a slope of 0 may agree with one.
    rounding = 16 * float(jnp.finfo(vector.dtype).eps) * jnp.abs(found.value) / step
    disagreement = away / jnp.maximum(length, rounding / tolerance)
    rates = jnp.zeros(0, vector.dtype)
    if isinstance(objective, Training) and exponents:
        rates = lyapunov(objective, at, count=exponents)
    mean, error = found.gradient, jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.inf), u)
    opposed = jnp.bool_(False)
    if seeds is not None:

        def of_seed(seed: Key[Array, ""]) -> Array:
            one = dataclasses.replace(objective, seed=seed)
            return flatten(differentiate(one, coordinates, u, mode).gradient)[0]

        slopes = jax.vmap(of_seed)(seeds)
        centre, spread = slopes.mean(0), slopes.std(0, ddof=1) / len(seeds) ** 0.5
        mean, error = back(centre), back(spread)
        opposed = ~(jnp.abs(centre) > 2 * spread).any()
    finite = jnp.isfinite(length) & jnp.isfinite(ends).all()
    agrees = disagreement <= tolerance
    grows = rates[0] * objective.steps > _GROWTH if rates.size else jnp.bool_(False)
    trust = jnp.where(agrees & ~opposed, int(Trust.RELIABLE), int(Trust.NOISY))
    trust = jnp.where(~finite | (~agrees & grows), int(Trust.CHAOTIC), trust).astype(jnp.int32)
    return Gauge(found, trust, rates, length, differences, disagreement, mean, error)


def lyapunov(training: Training, at: Hyperparameters, *, count: int = 1) -> Float[Array, " count"]:
    r"""The leading finite-time Lyapunov exponents of a training, per step: at which rates small disturbances grow.

    Tangents of all that is carried from step to step, parameters and memory of the optimizer, are pushed through the
    steps of `nets.train` and orthogonalized by QR every 8 steps; $\lambda_i = \tfrac1T \sum \log |R_{ii}|$. For
    gradient descent on a quadratic of curvatures $h_i$ they are the largest $\log |1 - \eta h_i|$. They start from
    random directions, whose share in the leading ones is part of a finite-time exponent: some units over T.

    Args:
        training: the training.
        at: its hyperparameters.
        count: how many (static).

    Raises:
        ArgumentError: as `gradient`, or more exponents than there are numbers.

    >>> x, y = jnp.eye(4), jnp.arange(4.0)
    >>> settings = {"model": (lambda key, x: {"w": jnp.zeros(4)}, lambda p, x: x @ p["w"]), "loss": "squared"}
    >>> settings |= {"batch_size": 4, "epochs": 50, "learning_rate": 0.2}
    >>> training = Training(x, y, x, y, seed=jax.random.key(0), options=settings)
    >>> bool(jnp.allclose(lyapunov(training, {"learning_rate": 0.2}), jnp.log(0.9)))  # curvature 2 / 4
    True
    """
    check_kind("training", training, Training, "Give hypergrad.Training(...)")
    at = read_hyperparameters(at, training.names)
    settings = training.read(at)
    passes = prepare(settings)
    carried = begin(settings)
    size = sum(leaf.size for leaf in jax.tree.leaves(_split(carried)[0]))
    check_integer("count", count, 1, size, "Give 1 for the leading one")
    start, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (size, count), settings.dtype))

    def push(step: Callable[..., Any], state: tuple[Any, Array, Array], given: PyTree) -> tuple[Any, Array, Array]:
        """Some steps, and tangents through them, orthogonal again."""
        carry, tangents, growth = state
        moving, join = _split(carry)
        point, unravel = ravel_pytree(moving)

        def several(point: Array) -> tuple[Array, Any]:
            after, _ = lax.scan(step, join(unravel(point)), given)
            return ravel_pytree(_split(after)[0])[0], after

        turn = jax.vmap(lambda tangent: jax.jvp(several, (point,), (tangent,), has_aux=True), 1, (None, 1, None))
        _, moved, after = turn(tangents)
        basis, triangle = jnp.linalg.qr(moved)
        return after, basis, growth + jnp.log(jnp.abs(jnp.diagonal(triangle)))

    def epoch(state: tuple[Any, Array, Array], number: Array) -> tuple[tuple[Any, Array, Array], None]:
        carried, tangents, growth = state
        this = passes(number)
        inner = ((*carried, this.drawn), tangents, growth)
        total = this.whole[0].shape[0]
        parts = total // _BETWEEN
        if parts:
            cut = parts * _BETWEEN
            whole = jax.tree.map(lambda leaf: leaf[:cut].reshape(parts, _BETWEEN, *leaf.shape[1:]), this.whole)
            inner, _ = lax.scan(lambda state, given: (push(this.step, state, given), None), inner, whole)
        if total % _BETWEEN:
            inner = push(this.step, inner, jax.tree.map(lambda leaf: leaf[parts * _BETWEEN :], this.whole))
        if this.last is not None:
            inner = push(this.step, inner, jax.tree.map(lambda leaf: leaf[None], this.last))
        carry, tangents, growth = inner
        return (carry[:3], tangents, growth), None

    state = (carried, start, jnp.zeros(count, settings.dtype))
    (_, _, growth), _ = lax.scan(epoch, state, jnp.arange(settings.epochs))
    return growth / training.steps


def _split(carry: PyTree) -> tuple[list[Array], Callable[[list[Array]], PyTree]]:
    """What of the first three parts of a carry are floats, and how to put others in their place."""
    leaves, structure = jax.tree.flatten(carry[:3])
    floats = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def join(moving: list[Array]) -> PyTree:
        own = list(leaves)
        for i, leaf in zip(floats, moving, strict=True):
            own[i] = leaf
        return (*jax.tree.unflatten(structure, own), *carry[3:])

    return [leaves[i] for i in floats], join

"""Any Optax optimizer on a landscape, with noise: where it ends, when it arrives, and where it spends its steps."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int32, Key

from jaxreg.checks import (
    FINITE,
    MOST,
    NOT_NEGATIVE,
    POSITIVE,
    as_real,
    check_integer,
    check_key,
    check_kind,
    describe_cause,
)
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.observers import is_real, watch_passage, watch_path
from jaxreg.landscape.passage import Passage
from jaxreg.landscape.space.surface import Landscape
from jaxreg.randomness import random_normals

_BLOCK = 128  # steps whose noise is drawn at once
Optimizer: TypeAlias = optax.GradientTransformation | optax.MultiSteps
_REMEDY = "Give one such as optax.adam(0.1)"


class Descent(NamedTuple):
    """The end of a descent, and what was recorded on the way.

    `weight` (dim) is w after the last step, infinite for a run that diverged; `survived` is the number of steps before
    it did, else all of them; `path` (records, dim) is w after every `record_every` steps.
    """

    weight: Float[Array, " dim"]
    survived: Int32[Array, ""]
    path: Float[Array, "records dim"]

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Names of the dimensions, for `jaxreg.sweep`."""
        return {"weight": ("coordinate",), "path": ("record", "coordinate")}


class Occupancy(NamedTuple):
    """Steps after which a run stood in each cell of a grid, and those outside of it; `survived` as in `Descent`."""

    counts: Int32[Array, "..."]
    outside: Int32[Array, ""]
    survived: Int32[Array, ""]

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Names of the dimensions, for `jaxreg.sweep`: `bin_0` lies along the first coordinate."""
        return {"counts": tuple(f"bin_{axis}" for axis in range(self.counts.ndim))}


def descend(
    landscape: Landscape,
    start: Any,
    optimizer: Optimizer,
    steps: int,
    *,
    seed: Key[Array, ""],
    noise: Any = 0.0,
    record_every: int | None = None,
    limit: int | float = 1e6,
) -> Descent:
    r"""Follow $\nabla f(w) + \sigma \epsilon_t$ with any optimizer, $\epsilon_t$ standard normal in every coordinate.

    A run with a coordinate outside of (-limit, limit), or no number, has diverged: it stays at infinity, and nothing
    raises. Noise depends on the seed and the number of the step alone.

    Args:
        landscape: $f$.
        start: the first w (dim,).
        optimizer: an Optax transformation, whose numbers may be traced: make it inside the run that is swept. One that
            looks at the height, such as `optax.lbfgs`, sees it without noise.
        steps: number of steps (static).
        seed: a typed PRNG key.
        noise: $\sigma \ge 0$.
        record_every: keep w after every so many steps, a divisor of `steps`; by default the last only (static).
        limit: where a run counts as diverged (static).

    Raises:
        ArgumentError: a number outside its domain, or a start of another dimension.

    >>> from jaxreg.landscape.space import HIMMELBLAU
    >>> run = descend(HIMMELBLAU, [0.0, 0.0], optax.adam(0.1), 500, seed=jax.random.key(0))
    >>> run.weight.round(2).tolist(), run.survived
    ([3.0, 2.0], Array(500, dtype=int32))
    """
    first = _check(landscape, start, optimizer, steps, seed, noise, limit)
    record_every = steps if record_every is None else record_every
    check_integer("record_every", record_every, 1, steps, "Leave it out to keep the last weight only")
    if steps % record_every:
        raise ArgumentError("record_every", record_every, f"must divide the {steps} steps", "Change one of them")

    nothing, observe = watch_path(first, steps, record_every)
    w, (survived, path) = _walk(landscape, first, optimizer, steps, seed, noise, limit, nothing, observe)
    return Descent(w, survived, w[None] if record_every == steps else path)


def first_passage(
    landscape: Landscape,
    start: Any,
    optimizer: Optimizer,
    steps: int,
    *,
    seed: Key[Array, ""],
    target: Any,
    radius: Any,
    noise: Any = 0.0,
    limit: int | float = 1e6,
) -> Passage:
    r"""Steps until a descent first stands within `radius` of `target`, censored after `steps`.

    Args:
        landscape: as for `descend`, and so are `start`, `optimizer`, `steps`, `seed`, `noise` and `limit`.
        start: the first w; one that stands there already has passed after 0 steps.
        optimizer: an Optax transformation.
        steps: where a run is given up (static).
        seed: a typed PRNG key; the run is that of `descend` with the same seed.
        target: a point (dim,).
        radius: Euclidean, more than 0.
        noise: $\sigma$.
        limit: where a run counts as diverged (static).

    Returns:
        `landscape.Passage` of steps and status, whose names are in `landscape.PASSAGES`.

    Raises:
        ArgumentError: as `descend`, or a target that is no point, or a radius that is not positive.

    >>> from jaxreg.landscape.space import Landscape
    >>> bowl = Landscape(lambda w: (w * w).sum(), 2)
    >>> key = jax.random.key(0)
    >>> first_passage(bowl, [1.0, 0.0], optax.sgd(0.25), 10, seed=key, target=[0.0, 0.0], radius=0.2).steps
    Array(3, dtype=int32)
    """
    first = _check(landscape, start, optimizer, steps, seed, noise, limit)
    POSITIVE.check("radius", radius, "Give a distance such as 0.1", first.dtype)
    FINITE.check_all("target", target, "Give a point that can be reached")
    goal = landscape.read(target, "target").astype(first.dtype)
    if goal.ndim != 1:
        raise ArgumentError("target", goal.shape, "must be one point", "Sweep it to have several")

    def arrives(w: Array) -> Array:
        return ((w - goal) ** 2).sum() <= jnp.asarray(radius, first.dtype) ** 2

    nothing, observe = watch_passage(first, steps, arrives)
    _, (taken, status) = _walk(landscape, first, optimizer, steps, seed, noise, limit, nothing, observe)
    return Passage(taken, status)


def occupancy(
    landscape: Landscape,
    start: Any,
    optimizer: Optimizer,
    steps: int,
    *,
    seed: Key[Array, ""],
    low: Any,
    high: Any,
    bins: int,
    burn_in: int = 0,
    noise: Any = 0.0,
    limit: int | float = 1e6,
) -> Occupancy:
    r"""Histogram of the weights of a descent over a grid of `bins` even cells along each coordinate of a box.

    Args:
        landscape: as for `descend`, and so are `start`, `optimizer`, `steps`, `seed`, `noise` and `limit`.
        start: the first w, which is not counted.
        optimizer: an Optax transformation.
        steps: number of steps, with the burn-in (static).
        seed: a typed PRNG key; the run is that of `descend` with the same seed.
        low: the corner of the box with the smallest coordinates, one number for all or one for each.
        high: the opposite corner.
        bins: cells along each coordinate (static).
        burn_in: the first so many steps are not counted (static).
        noise: $\sigma$.
        limit: where a run counts as diverged (static).

    Raises:
        ArgumentError: as `descend`, or a box without volume, more than 2²⁷ cells, or a burn-in that leaves no step.

    >>> from jaxreg.landscape.space import Landscape
    >>> bowl = Landscape(lambda w: (w * w).sum(), 1)
    >>> occupancy(bowl, [1.0], optax.sgd(0.25), 4, seed=jax.random.key(0), low=0.0, high=0.5, bins=2).counts
    Array([2, 1], dtype=int32)
    """
    first = _check(landscape, start, optimizer, steps, seed, noise, limit)
    check_integer("bins", bins, 1, 2**15, "Give cells along each coordinate")
    check_integer("burn_in", burn_in, 0, steps - 1, "Count at least one step")
    if bins**landscape.dim > 2**27:
        raise ArgumentError("bins", bins, "must make at most 2**27 cells", "Give fewer")
    bottom, top = (corner.astype(first.dtype) for corner in landscape.read_box(low, high))

    def observe(seen: tuple[Array, Array, Array], number: Array, w: Array) -> tuple[Array, Array, Array]:
        counts, outside, survived = seen
        survives = is_real(w) & (number < steps)
        counted = survives & (number >= burn_in)
        place = jnp.floor(bins * ((w - bottom) / (top - bottom)))
        inside = ((place >= 0) & (place < bins)).all()
        cell = jnp.clip(jnp.where(jnp.isfinite(place), place, 0), 0, bins - 1).astype(jnp.int32)
        counts = counts.at[tuple(cell)].add((counted & inside).astype(jnp.int32))
        return counts, outside + (counted & ~inside).astype(jnp.int32), survived + survives.astype(jnp.int32)

    nothing = jnp.zeros((bins,) * landscape.dim, jnp.int32), jnp.int32(0), jnp.int32(0)
    return Occupancy(*_walk(landscape, first, optimizer, steps, seed, noise, limit, nothing, observe)[1])


def _check(
    landscape: Any, start: Any, optimizer: Any, steps: Any, seed: Any, noise: Any, limit: Any
) -> Float[Array, " dim"]:
    """The first point; refuse what no descent can have."""
    check_kind("landscape", landscape, Landscape, "Give Landscape(function, dim)")
    check_kind("optimizer", optimizer, (optax.GradientTransformation, optax.MultiSteps), _REMEDY)
    check_integer("steps", steps, 1, MOST, "Make at least one step")
    check_key("seed", seed)
    NOT_NEGATIVE.check("noise", noise, "Give a standard deviation such as 0.1, or 0", jnp.result_type(float))
    boundary.check_static("limit", limit, POSITIVE, "Give a size that no run should reach, such as 1e6")
    first = landscape.read(start, "start").astype(jnp.result_type(float))
    if first.ndim != 1:
        raise ArgumentError("start", first.shape, "must be one point", "Sweep it to have several")
    _check_optimizer(landscape, optimizer, first)
    return first


def _check_optimizer(landscape: Landscape, optimizer: Optimizer, first: Array) -> None:
    """Refuse an optimizer that does not take a point, or that changes shapes from step to step."""
    try:
        before = first, jax.eval_shape(optimizer.init, first)
        after = jax.eval_shape(lambda memory: _step(landscape, optimizer, first, memory, first), before[1])
    except ArgumentError:
        raise
    except Exception as error:  # whatever an optimizer of somebody else's raises
        constraint = f"must take a point and a gradient like it ({describe_cause(error)})"
        raise ArgumentError("optimizer", optimizer, constraint, _REMEDY) from error
    forms = [
        (jax.tree.structure(part), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(part)])
        for part in (before, after)
    ]
    if forms[0] != forms[1]:
        constraint = "must keep the shapes and types of the point and of its state"
        raise ArgumentError("optimizer", optimizer, constraint, "Return arrays like those that it is given")


def _step(landscape: Landscape, optimizer: Optimizer, before: Array, memory: Any, slope: Array) -> tuple[Array, Any]:
    """The next point, and what the optimizer remembers."""
    look = {"value": landscape.function(before), "grad": slope, "value_fn": landscape.function}
    with jax.numpy_dtype_promotion("standard"):  # Optax mixes floats and integers
        updates, memory = optax.with_extra_args_support(optimizer).update(slope, memory, before, **look)
    if jnp.shape(updates) != before.shape:  # it would be broadcast
        constraint = f"must have the shape of a point, {before.shape}"
        raise ArgumentError("optimizer", f"update {jnp.shape(updates)}", constraint, "Return a number per coordinate")
    return jnp.asarray(optax.apply_updates(before, updates)), memory


def _walk(
    landscape: Landscape,
    start: Float[Array, " dim"],
    optimizer: Optimizer,
    steps: int,
    seed: Key[Array, ""],
    noise: Any,
    limit: int | float,
    seen: Any,
    observe: Callable[[Any, Array, Array], Any],
) -> tuple[Float[Array, " dim"], Any]:
    """Fold `observe` over the weights, as `landscape.walk` does in one dimension."""
    is_noisy = not (isinstance(noise, int | float) and noise == 0)
    blocks = -(-steps // _BLOCK)
    block = -(-steps // blocks)  # the last one goes on past the end
    size, limit = jnp.asarray(noise, start.dtype), as_real(limit)

    def advance(state: Any, each: Any) -> tuple[Any, None]:
        (before, memory, seen), (number, normals) = state, each
        slope = landscape.gradient(before)
        slope = slope if normals is None else slope + size * normals
        w, memory = _step(landscape, optimizer, before, memory, slope)
        w = jnp.where((jnp.abs(w) < limit).all(), w, jnp.inf)  # also where it is no number; and infinity stays
        w = jnp.where(number < steps, w, before)
        return (w, memory, observe(seen, number, w)), None

    def follow(number: Array, state: Any) -> Any:
        numbers = number * block + jnp.arange(block, dtype=jnp.int32)
        normals = None
        if is_noisy:
            drawn = random_normals(seed, block, landscape.dim, number * block)
            normals = drawn.T.astype(start.dtype)
        return lax.scan(advance, state, (numbers, normals))[0]

    w, _, seen = lax.fori_loop(0, blocks, follow, (start, optimizer.init(start), seen))
    return w, seen

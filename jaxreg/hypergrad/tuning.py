"""Tuning by gradients: whole populations of restarts and problems, through the engine, with labelled histories."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jax import lax
from jaxtyping import Array, Key, PyTree

from jaxreg.checks import (
    MOST,
    NOT_NEGATIVE,
    check_choice,
    check_flag,
    check_function,
    check_integer,
    check_key,
    check_kind,
)
from jaxreg.engine import sweep
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.coordinates import Coordinates, flatten, read_coordinates, read_hyperparameters
from jaxreg.hypergrad.criterion import prepare
from jaxreg.hypergrad.gradients import MODES, count_runs, differentiate_from
from jaxreg.hypergrad.objective import Hyperparameters, Objective, evaluate, names_of


def tune(
    objective: Any,
    init: Hyperparameters,
    optimizer: Any = None,
    *,
    bounds: Mapping[str, Any] | None = None,
    transforms: Mapping[str, str] | None = None,
    steps: int = 50,
    restarts: int = 1,
    seed: Key[Array, ""] | None = None,
    spread: float = 1.0,
    patience: int | None = None,
    min_delta: float = 0.0,
    mode: str = "auto",
    axes: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    r"""Minimize an objective over its hyperparameters by gradient descent, from several starts and for many problems.

    $u \leftarrow \mathrm{clip}(u - \text{optimizer}(\nabla_u L))$ in transformed hyperparameters u: strengths and rates
    move by factors (log), shares by their log odds, bounds are kept by projection. All restarts and all points of
    `axes` are one sweep: batched, on all devices, and with a `store` resumable.

    Args:
        objective: as in `gradient`. With `axes` or `args`, a function `(*args, **point)` that makes the objective of a
            point, such as `lambda X, y, *, problem: LinearCriterion(X[problem], y[problem], ...)`.
        init: where the first restart begins, a dict from name to numbers.
        optimizer: an Optax transformation, by default `optax.adam(0.1)`: tenths in logarithms.
        bounds: from name to (low, high), of the hyperparameters themselves.
        transforms: from name to "log", "logit" or "identity"; others have what suits their name.
        steps: gradients, at the most (static).
        restarts: starts; all but the first are drawn around it (static).
        seed: a typed PRNG key, needed for several restarts.
        spread: standard deviation of the starts in u.
        patience: steps without an improvement after which a run stops; None: it does not (static).
        min_delta: what counts as an improvement is more than this.
        mode: as in `gradient` (static).
        axes: further axes of the sweep, handed to `objective`: problems, seeds.
        args: data shared by all points.
        store: as in `sweep`.
        x64: as in `sweep`.
        progress: as in `sweep`.

    Returns:
        A dataset over restart and `axes`: along step, `value`, `gradient_norm`, `status` and each hyperparameter as
        `at/NAME`; `best_value` and `best/NAME`, `last_value` and `last/NAME`; `stopped_step`, the number of steps that
        were made; `training_steps`, what they cost in steps of a training (1 for a run of another objective): 1 + k
        runs for a forward gradient in k numbers, 4 for a reverse one. After a stop records repeat.

    Raises:
        ArgumentError: unknown names, crossed bounds, integers, a start outside, or an optimizer that is none.

    >>> found = tune(lambda h: (jnp.log(h["alpha"]) - 1) ** 2, {"alpha": 1.0}, steps=60, progress=False)
    >>> round(float(found["best/alpha"][0]), 1)
    2.7

    Source: Bengio, Neural Comput. 12 (2000) 1889-1900; Franceschi et al., ICML 2017.
    """
    make = read_maker(objective, axes, args)
    check_choice("mode", mode, MODES)
    check_flag("x64", x64)
    optimizer = optax.adam(0.1) if optimizer is None else optimizer
    check_kind("optimizer", optimizer, optax.GradientTransformation, "Give optax.adam(0.1)")
    check_integer("steps", steps, 1, MOST, "Give 50")
    check_integer("restarts", restarts, 1, MOST, "Give 1 for the start alone")
    if patience is not None:
        check_integer("patience", patience, 1, MOST, "Give 5, or None")
    for name, number in (("spread", spread), ("min_delta", min_delta)):
        NOT_NEGATIVE.check(name, number, "Give 0 or more")
    if restarts > 1:
        check_key("seed", seed)
    # What is wrong for all points is told before any is traced.
    with jax.enable_x64(x64 or jnp.result_type(float) == jnp.float64):
        known = None if axes or len(args) else names_of(objective)
        read_coordinates(read_hyperparameters(init, known), transforms, bounds)

    def run(*args: Any, restart: Array, **point: Any) -> dict[str, Any]:
        of = make(*args, **point)
        at = read_hyperparameters(init, names_of(of))
        of = prepare(of, at)
        coordinates = read_coordinates(at, transforms, bounds)
        vector, back = flatten(coordinates.forth(at))
        if seed is not None and restarts > 1:
            noise = jax.random.normal(jax.random.fold_in(seed, restart), vector.shape, vector.dtype)
            vector = vector + jnp.where(restart > 0, spread, 0).astype(vector.dtype) * noise
            vector = flatten(coordinates.clip(back(vector)))[0]
        history, stopped = _descend(of, coordinates, vector, back, optimizer, (steps, patience, min_delta, mode))
        values = jnp.where(jnp.isfinite(history["value"]), history["value"], jnp.inf)
        best = values.argmin()
        kept = {"best": jax.tree.map(lambda leaf: leaf[best], history["at"])}
        kept |= {"last": jax.tree.map(lambda leaf: leaf[-1], history["at"])}
        cost = count_runs(mode, vector.size) * int(getattr(of, "steps", 1))
        ends = {"best_value": history["value"][best], "last_value": history["value"][-1]}
        return history | ends | kept | {"stopped_step": stopped, "training_steps": stopped * cost}

    found = {"restart": np.arange(restarts)}
    dims = name_dims(init, ("step",))
    given: dict[str, Any] = {"args": args, "dims": dims, "store": store, "x64": x64, "progress": progress}
    return sweep(run, found | dict(axes or {}), **given)


def _descend(
    of: Any, coordinates: Coordinates, vector: Array, back: Callable[[Array], PyTree], optimizer: Any, rule: Any
) -> tuple[dict[str, Any], Array]:
    """The history of a descent, and how many steps it made."""
    steps, patience, min_delta, mode = rule

    def step(state: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        vector, memory, least, since, made, stopped, before, start = state
        found, start = differentiate_from(start, of, coordinates, back(vector), mode)
        slope = flatten(found.gradient)[0]
        now = {
            "value": found.value,
            "gradient_norm": jnp.sqrt((slope * slope).sum()),
            "status": found.status,
            "at": label(coordinates.back(back(vector))),
        }
        seen = jax.tree.map(lambda old, new: jnp.where(stopped, old, new), before, now)
        better = found.value < least - jnp.asarray(min_delta, least.dtype)
        since = jnp.where(better, 0, since + 1)
        with jax.numpy_dtype_promotion("standard"):
            update, later = optimizer.update(slope, memory, vector)
            ahead = optax.apply_updates(vector, update)
        ahead = flatten(coordinates.clip(back(ahead)))[0]
        made = made + jnp.where(stopped, 0, 1)
        lost = ~jnp.isfinite(slope).all() | ~jnp.isfinite(found.value)
        stopped = stopped | lost | (jnp.bool_(False) if patience is None else since >= patience)
        hold = lambda old, new: jnp.where(stopped, old, new)  # noqa: E731
        memory = jax.tree.map(hold, memory, later)
        return (hold(vector, ahead), memory, jnp.minimum(least, found.value), since, made, stopped, seen, start), seen

    like = jax.eval_shape(lambda: _see(of, coordinates, back(vector)))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    value = jnp.asarray(jnp.inf, like["value"].dtype)
    none, begun = jnp.int32(0), of.begin() if hasattr(of, "begin") else None
    state = (vector, optimizer.init(vector), value, none, none, jnp.bool_(False), empty, begun)
    (*_, made, _, _, _), history = lax.scan(step, state, None, length=steps)
    return history, made


def _see(of: Any, coordinates: Coordinates, u: PyTree) -> dict[str, Any]:
    """What is seen of a step, by its shapes."""
    value, status, _ = evaluate(of, coordinates.back(u))
    norm = jnp.zeros((), flatten(u)[0].dtype)
    return {"value": value, "gradient_norm": norm, "status": status, "at": label(coordinates.back(u))}


def label(at: Hyperparameters) -> dict[str, Any]:
    """Every leaf by its path, in a form that names an output of a sweep."""
    leaves = jax.tree_util.tree_leaves_with_path(dict(at))
    return {jax.tree_util.keystr(path, simple=True, separator=".").replace("/", "."): leaf for path, leaf in leaves}


def name_dims(at: Hyperparameters, along: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names of the dimensions of all that a search returns."""
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(("value", "gradient_norm", "status"), along)
    for name, leaf in label(at).items():
        own = tuple(f"{name}_{axis}" for axis in range(np.ndim(leaf)))
        dims |= {f"at/{name}": (*along, *own), f"best/{name}": own, f"last/{name}": own}
    return dims


def read_maker(objective: Any, axes: Any, args: Any, **more: Any) -> Callable[..., Any]:
    """What makes the objective of a point, and of `more` by name; one that is there already is that of all."""
    check_kind("args", args, (tuple, list), "Give a tuple of arrays")
    if axes is not None:
        check_kind("axes", axes, Mapping, "Give a dict from name to values, as to sweep")
        for name in axes:
            if not isinstance(name, str):
                raise ArgumentError("axes", name, "must be named by text", "Name each axis after a hyperparameter")
            if name in ("restart", "trial"):
                raise ArgumentError("axes", name, "is an axis of its own", "Give it another name")
    point = {**(axes or {}), **more}
    if point or len(args):
        remedy = f"Give a function of args and of {', '.join(point or ['nothing else'])} that makes the objective"
        made = functools.partial(objective, **point) if callable(objective) else objective
        check_function("objective", made, len(args), remedy)
        return objective
    if not isinstance(objective, Objective):
        check_function("objective", objective, 1, "Give a function of a dict of hyperparameters, or a Training")
    return lambda: objective

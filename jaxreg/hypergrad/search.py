"""Searches without derivatives, in the form of `tune`: a grid, random trials, and successive halving."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax
from jaxtyping import Array, Key

from jaxreg.checks import MOST, check_flag, check_integer, check_key, check_kind, read_array
from jaxreg.engine import sweep
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.coordinates import Coordinates, flatten, read_coordinates, read_hyperparameters
from jaxreg.hypergrad.criterion import prepare
from jaxreg.hypergrad.objective import Hyperparameters, evaluate, names_of
from jaxreg.hypergrad.tuning import label, name_dims, read_maker


def grid(
    objective: Any,
    points: Mapping[str, Any],
    *,
    axes: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Evaluate an objective at every combination of some values.

    Args:
        objective: as in `tune`.
        points: from name to the values of that hyperparameter, each one number.
        axes: as in `tune`.
        args: as in `tune`.
        store: as in `sweep`.
        x64: as in `sweep`.
        progress: as in `sweep`.

    Returns:
        A dataset over `axes`: along trial `value`, `status` and `at/NAME`; `best_value`, `best/NAME`;
        `training_steps`, those of all trials together.

    Raises:
        ArgumentError: as `tune`; no values.

    >>> found = grid(lambda h: (h["a"] - 2) ** 2, {"a": [1.0, 2.0, 4.0]}, progress=False)
    >>> float(found["best/a"]), found.sizes["trial"]
    (2.0, 3)
    """
    check_kind("points", points, Mapping, "Give a dict from name to values")
    if not points:
        raise ArgumentError("points", points, "must hold at least one", "Give {'alpha': numpy.geomspace(...)}")
    for name, values in points.items():
        found, remedy = np.asarray(read_array(f"points[{name!r}]", values)), "Give numpy.geomspace(...)"
        if found.ndim != 1 or not found.size or not np.isfinite(found).all():
            raise ArgumentError(f"points[{name!r}]", values, "must be a list of finite numbers", remedy)
    rows = np.array(list(itertools.product(*points.values())), float)
    trials = {name: rows[:, i] for i, name in enumerate(points)}
    return _try(objective, lambda *_: trials, axes, args, {"store": store, "x64": x64, "progress": progress})


def random_search(
    objective: Any,
    init: Hyperparameters,
    bounds: Mapping[str, Any],
    *,
    trials: int,
    seed: Key[Array, ""],
    transforms: Mapping[str, str] | None = None,
    axes: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Evaluate an objective at random, uniformly between bounds in what `tune` moves.

    The points are the same for all problems, and others for each seed of an axis of seeds.

    Args:
        objective: as in `tune`.
        init: the first trial, which also says the shapes.
        bounds: from every name to (low, high).
        trials: how many (static).
        seed: a typed PRNG key.
        transforms: as in `tune`.
        axes: as in `tune`.
        args: as in `tune`.
        store: as in `sweep`.
        x64: as in `sweep`.
        progress: as in `sweep`.

    Returns:
        As `grid`.

    Raises:
        ArgumentError: as `tune`; a hyperparameter without bounds.

    >>> found = random_search(lambda h: jnp.log(h["a"]) ** 2, {"a": 0.1}, {"a": (0.01, 100.0)}, trials=50,
    ...                       seed=jax.random.key(0), transforms={"a": "log"}, progress=False)
    >>> bool(abs(np.log(found["best/a"])) < 0.5)
    True

    Source: Bergstra and Bengio, J. Mach. Learn. Res. 13 (2012) 281-305.
    """
    check_integer("trials", trials, 1, MOST, "Give 20")
    check_key("seed", seed)
    check_flag("x64", x64)
    with jax.enable_x64(x64 or jnp.result_type(float) == jnp.float64):
        read_ranges(read_hyperparameters(init), transforms, bounds)

    def draw(known: Any, point: Mapping[str, Any]) -> dict[str, Any]:
        at = read_hyperparameters(init, known)
        coordinates = read_ranges(at, transforms, bounds)
        return coordinates.back(draw_trials(coordinates, at, trials, own_key(seed, point)))

    return _try(objective, draw, axes, args, {"store": store, "x64": x64, "progress": progress})


def successive_halving(
    objective: Callable[..., Any],
    init: Hyperparameters,
    bounds: Mapping[str, Any],
    *,
    trials: int,
    budgets: Sequence[int],
    seed: Key[Array, ""],
    keep: float = 0.5,
    transforms: Mapping[str, str] | None = None,
    axes: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Random trials with a small budget, the better part of them with a larger one, and so on.

    Args:
        objective: a function `(*args, budget, **point)` that makes the objective with so large a budget, such as
            `lambda *, budget: Training(..., options={"epochs": budget, ...})`. Every rung trains anew.
        init: as in `random_search`.
        bounds: as in `random_search`.
        trials: in the first rung (static).
        budgets: of the rungs, increasing integers (static).
        seed: a typed PRNG key.
        keep: the share of trials that go on, of each rung (static).
        transforms: as in `tune`.
        axes: as in `tune`.
        args: as in `tune`.
        store: as in `sweep`.
        x64: as in `sweep`.
        progress: as in `sweep`.

    Returns:
        A dataset over `axes`: along trial, those of the last rung, `value`, `status` and `at/NAME`; `best_value`,
        `best/NAME`; `training_steps`, those of all rungs together.

    Raises:
        ArgumentError: as `random_search`; budgets that do not increase, a share outside (0, 1).

    >>> found = successive_halving(lambda *, budget: lambda h: jnp.log(h["a"]) ** 2 / budget, {"a": 0.1},
    ...                            {"a": (0.01, 100.0)}, trials=16, budgets=(1, 2, 4), seed=jax.random.key(0),
    ...                            transforms={"a": "log"}, progress=False)
    >>> found.sizes["trial"], int(found["training_steps"])
    (4, 28)

    Source: Jamieson and Talwalkar, AISTATS 2016.
    """
    check_integer("trials", trials, 1, MOST, "Give 16")
    check_key("seed", seed)
    check_kind("budgets", budgets, (tuple, list), "Give increasing integers such as (1, 2, 4)")
    for budget in budgets:
        check_integer("budgets", budget, 1, MOST, "Give increasing integers such as (1, 2, 4)")
    if not len(budgets) or any(b <= a for a, b in itertools.pairwise(budgets)):
        raise ArgumentError("budgets", budgets, "must increase", "Give (1, 2, 4)")
    if not isinstance(keep, float) or not 0 < keep < 1:
        raise ArgumentError("keep", keep, "must lie in (0, 1)", "Give 0.5")
    check_kind("init", init, Mapping, "Give a dict such as {'learning_rate': 0.1}")
    make = read_maker(objective, axes, args, budget=budgets)

    def run(*args: Any, **point: Any) -> dict[str, Any]:
        first = make(*args, budget=budgets[0], **point)
        at = read_hyperparameters(init, names_of(first))
        coordinates = read_ranges(at, transforms, bounds)
        u = draw_trials(coordinates, at, trials, own_key(seed, point))
        spent = 0
        for rung, budget in enumerate(budgets):
            of = first if not rung else make(*args, budget=budget, **point)
            value, status = lax.map(lambda one, of=of: evaluate(of, coordinates.back(one))[:2], u)
            spent += len(value) * int(getattr(of, "steps", 1))
            if rung + 1 < len(budgets):
                left = max(1, round(len(value) * keep))
                best = lax.top_k(-jnp.where(jnp.isfinite(value), value, jnp.inf), left)[1]
                u = jax.tree.map(lambda leaf, best=best: leaf[best], u)
        return _choose(value, status, coordinates.back(u)) | {"training_steps": jnp.int32(spent)}

    given: dict[str, Any] = {"args": args, "store": store, "x64": x64, "progress": progress}
    return _sweep_all(run, init, dict(axes or {}), given)


def read_ranges(at: Hyperparameters, transforms: Any, bounds: Any) -> Coordinates:
    """Coordinates with bounds for all."""
    check_kind("bounds", bounds, Mapping, "Give a dict from name to (low, high)")
    for name in at:
        if name not in bounds:
            raise ArgumentError("bounds", list(bounds), f"must have those of {name}", "Give its (low, high)")
    return read_coordinates(at, transforms, bounds)


def draw_trials(coordinates: Coordinates, at: Hyperparameters, trials: int, seed: Key[Array, ""]) -> Any:
    """Points in what is moved, stacked; the first is where `at` is."""
    start = coordinates.forth(at)
    vector, back = flatten(start)
    low, high = (flatten(end)[0] for end in coordinates.ends(start))
    drawn = jax.random.uniform(seed, (trials, vector.size), vector.dtype)
    points = (low[None] + drawn * (high - low)[None]).at[0].set(vector)
    return jax.vmap(back)(points)


def own_key(seed: Key[Array, ""], point: Mapping[str, Any]) -> Key[Array, ""]:
    """The key of the search, another one for each seed of the point."""
    for value in point.values():
        if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            seed = jax.random.fold_in(seed, jax.random.bits(value))
    return seed


def _try(objective: Any, trials_of: Callable[..., Any], axes: Any, args: Any, given: Mapping[str, Any]) -> xr.Dataset:
    """Evaluate at all trials, one after the other within a run."""
    make = read_maker(objective, axes, args)

    def run(*args: Any, **point: Any) -> dict[str, Any]:
        of = make(*args, **point)
        trials = trials_of(names_of(of), point)
        trials = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), trials)
        of = prepare(of, jax.tree.map(lambda leaf: leaf[0], trials))
        value, status = lax.map(lambda at: evaluate(of, read_hyperparameters(at, names_of(of)))[:2], trials)
        cost = len(value) * int(getattr(of, "steps", 1))
        return _choose(value, status, trials) | {"training_steps": jnp.int32(cost)}

    like = jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0], trials_of(None, {})))
    return _sweep_all(run, like, dict(axes or {}), {"args": args, **given})


def _sweep_all(run: Callable[..., Any], like: Any, axes: dict[str, Any], given: dict[str, Any]) -> xr.Dataset:
    dims = {name: along for name, along in name_dims(like, ("trial",)).items() if name != "gradient_norm"}
    dims = {name: along for name, along in dims.items() if not name.startswith("last/")}
    if axes:
        return sweep(run, axes, dims=dims, **given)
    found = sweep(lambda *args, only: run(*args), {"only": np.zeros(1)}, dims=dims, **given)
    return found.isel(only=0, drop=True)


def _choose(value: Array, status: Array, trials: Any) -> dict[str, Any]:
    """All trials, and the best of them."""
    best = jnp.where(jnp.isfinite(value), value, jnp.inf).argmin()
    seen = label(trials)
    chosen = {name: leaf[best] for name, leaf in seen.items()}
    return {"value": value, "status": status, "at": seen, "best": chosen, "best_value": value[best]}

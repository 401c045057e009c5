"""How fast is it, against what a user would write instead and against the machine's own limit?

`python -m experiments.benchmarks` keeps each entry as soon as it is measured, and goes on where an earlier call
stopped; with --fresh it measures anew. With --device it is the benchmark of an accelerator, with settings of its own.
"""

import dataclasses
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.benchmarks import hypergradients, rivals, timing
from experiments.benchmarks.landscape import START, STEPS, make_refit_gradient, measure_landscape_kernels
from experiments.benchmarks.linear import measure_linear
from experiments.benchmarks.nets import BASE, measure_nets, sweep_of
from experiments.benchmarks.recipes import learn as follow
from experiments.benchmarks.scratch import measure_scratch
from experiments.benchmarks.settings import PRESETS as PRESETS
from experiments.benchmarks.settings import Config, Rows, load_data
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.provenance import describe_environment
from jaxreg.engine.rehearsal import find_rehearsal
from jaxreg.errors import ArgumentError, StoreError
from jaxreg.landscape import descend

JSON_NAME = "benchmark.json"


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Measure the entries of `config.only`; with `store`, each is kept there as JSON, and one that is kept is read.

    Raises:
        ArgumentError: it is planned, for which it would have to be measured.
        StoreError: what is kept was measured with other settings; or `store` is a URL.
    """
    if find_rehearsal() is not None:
        remedy = "Measure: each entry is kept as soon as it is there, and --only names a few"
        raise ArgumentError("--plan", True, "is for studies: what a benchmark takes is what it measures", remedy)
    if "://" in str(store):
        raise StoreError("store", store, "must be a folder: what is measured is kept as JSON", "Give a path")
    kept = None if store is None else Path(store) / JSON_NAME
    record = _open(config, kept)
    say = functools.partial(print, file=sys.stderr) if progress else lambda *_: None
    done = {entry["entry"] for entry in record["rows"]}
    for name, find_rows in _ENTRIES.items():
        if name in done or name not in ("machine", *config.only):
            continue
        say(f"measuring: {name} ...")
        for found in find_rows(config, _limit(record)):
            say(timing.tell(found))
            record["rows"].append({"entry": name} | found)
        record["rows"].sort(key=lambda entry: list(_ENTRIES).index(entry["entry"]))
        record["history"] = [describe_environment(run, jax.local_devices(), {"threefry2x32"})]
        if kept is not None:
            timing.write_record(kept, record)
    return _to_dataset(record)


def _open(config: Config, kept: Path | None) -> dict[str, Any]:
    """What is kept, or a record without rows."""
    settings = {key: value for key, value in dataclasses.asdict(config).items() if key != "only"}
    if kept is None or not kept.exists():
        return {"rows": [], "config": settings, "history": []}
    record: dict[str, Any] = json.loads(kept.read_text())
    if record["config"] != settings or not all("entry" in entry for entry in record["rows"]):
        constraint = "holds measurements with other settings"
        raise StoreError("store", str(kept), constraint, "Name another, or measure anew with --fresh")
    return record


def _limit(record: dict[str, Any]) -> float:
    """Operations per second of the best matrix product, once that is measured."""
    return next((1e9 * entry["value"] for entry in record["rows"] if entry["entry"] == "machine"), np.nan)


def measure_machine(config: Config, limit: float) -> Rows:
    """Its best matrix product."""
    best = timing.best_product_rate(config.repeats)
    yield timing.row("best float32 matrix product", best / 1e9, "GFLOP/s", note="the fastest of several sizes")


def measure_landscape(config: Config, limit: float) -> Rows:
    """The engine against nested vmaps by hand on refit descent, at the same chunk, with equal results."""
    gradient = make_refit_gradient()
    rates = np.geomspace(0.03, 1.0, 8, dtype=np.float32)

    def fall(*, seed: Any, learning_rate: Any) -> dict[str, Any]:
        end = descend(gradient, START, learning_rate, STEPS, seed=seed)
        return {"weight": jnp.clip(end.weight, -1e9, 1e9)}

    engine = timing.measure(_contest_engine("refit descent", fall, (), config.runs, rates, 1024), config.repeats)
    yield engine
    yield timing.rate(
        "refit descent: population", config.runs * len(rates) * STEPS, "steps/s", {"seconds": engine["seconds"]}
    )


def measure_networks(config: Config, limit: float) -> Rows:
    """The base network of tutorial T5: engine against hand-written JAX, products per second, PyTorch, Keras."""
    data, members = load_data(config), config.seeds
    recipe = dataclasses.replace(BASE, epochs=config.epochs)
    name, rates = f"{data.x_train.shape[1]}-256-128-10 network", [recipe.learning_rate]
    contest = _contest_engine(name, follow(recipe), tuple(data[:4]), members, rates, jax.local_device_count())
    yield timing.measure(contest, config.repeats)
    loops: rivals.Loops = {}
    if config.torch and timing.installed("torch", "no PyTorch loops"):
        train = functools.partial(rivals.time_torch, recipe, data, members)
        loops["PyTorch loop (DataLoader)"] = (6.0, functools.partial(train, loader=True))
        loops["PyTorch loop (tensor indexing)"] = (None, train)
    if config.keras and all(timing.installed(library, "no Keras loop") for library in ("keras", "tensorflow")):
        loops["Keras loop"] = (13.0, functools.partial(rivals.train_keras, recipe, data, members))
    products = (recipe.operations(data), limit, 0.55)
    call = sweep_of(recipe, data, members)
    yield from rivals.measure_population(name, call, members, config.repeats, loops, products)


_ENTRIES: dict[str, Callable[[Config, float], Rows]] = {
    "machine": measure_machine,
    "engine": measure_landscape,
    "descents": measure_landscape_kernels,
    "network": measure_networks,
    "nets": measure_nets,
    "scratch": measure_scratch,
    "linear": measure_linear,
    "forward": hypergradients.measure_forward,
    "reverse": hypergradients.measure_reverse,
    "influence": hypergradients.measure_influence,
    "tuning": hypergradients.measure_tuning,
    "strengths": hypergradients.measure_strengths,
    "gauge": hypergradients.measure_gauge,
}
"""What is measured, in the order of the table: from the settings and the rate of the best matrix product to rows."""


def _contest_engine(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], runs: int, rates: Any, at_once: int
) -> timing.Contest:
    """A sweep over seeds and learning rates, so many seeds in a chunk, and the same chunks by hand."""
    seeds = jr.seeds(runs)
    axes, chunk = {"seed": seeds, "learning_rate": rates}, at_once * len(rates)
    sweep = functools.partial(jr.sweep, function, axes, args=args, chunk_size=chunk, progress=False)
    keys = jax.vmap(seeds.key)(jnp.arange(runs, dtype=jnp.uint32))
    learning_rates = jnp.asarray(rates, jnp.float32)
    mesh = make_mesh(jax.local_devices())
    program = rivals.map_by_hand(function, jax.device_put(args), nested=len(rates) > 1, mesh=mesh)

    def by_hand() -> dict[str, np.ndarray]:
        parts = [program(keys[i : i + at_once], learning_rates) for i in range(0, runs, at_once)]
        return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}

    def agree(ours: xr.Dataset, theirs: dict[str, np.ndarray]) -> str:
        assert json.loads(ours.attrs["provenance"])["chunk"][0] == at_once, "the comparison is of the same chunks"
        for key, value in theirs.items():
            same = np.isclose(value.ravel(), ours[key].values.ravel(), rtol=1e-3, atol=2e-3)
            assert same.mean() > 0.99, f"{name}: {key} of the sweep and of the same by hand differ"
        return ""

    return timing.Contest(f"{name}: engine / hand-written JAX", 1.05, sweep, by_hand, agree, is_cost=True)


def report(dataset: xr.Dataset) -> str:
    """The table, and which machine it is of."""
    record = json.loads(dataset.attrs["provenance"])
    lines = ["| figure | measured | target | |", "| --- | ---: | ---: | --- |"]
    lines += map(timing.tell, record["rows"])
    made = record["history"][-1]
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items() if k in ("python", "jax", "jaxreg"))
    return "\n".join([*lines, "", f"{made['device']}, {made['machine']}, {versions}, {made['time']}"])


def _to_dataset(record: dict[str, Any]) -> xr.Dataset:
    rows = record["rows"]
    columns = {key: ("figure", [entry[key] for entry in rows]) for key in ("value", "unit")}
    less = ("figure", [entry["unit"] in timing.UPPER_BOUNDS for entry in rows])
    targets = ("figure", [np.nan if entry["target"] is None else entry["target"] for entry in rows])
    return xr.Dataset(
        {**columns, "target": targets, "less_is_better": less},
        {"figure": [entry["name"] for entry in rows]},
        {"provenance": json.dumps(record)},
    )

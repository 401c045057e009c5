"""How fast is it, against what a user would write instead and against the machine's own limit?

`python -m experiments.benchmarks` keeps each entry as soon as it is measured, and goes on where an earlier call
stopped; with --fresh it measures anew. With --device it is the benchmark of an accelerator, with settings of its own.
"""

import dataclasses
import functools
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.sharding import Mesh

import jaxreg as jr
from experiments.benchmarks import rivals
from experiments.benchmarks.landscape import START, STEPS, make_refit_gradient, measure_landscape_kernels
from experiments.benchmarks.linear import measure_linear
from experiments.benchmarks.nets import BASE, measure_nets
from experiments.benchmarks.recipes import Recipe
from experiments.benchmarks.recipes import learn as follow
from experiments.benchmarks.rivals import Timed
from experiments.benchmarks.scratch import measure_scratch
from experiments.benchmarks.timing import UPPER_BOUNDS, best_product_rate, compare, median_seconds, row
from jaxreg.datasets import Dataset
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.provenance import describe_environment
from jaxreg.engine.rehearsal import find_rehearsal
from jaxreg.errors import ArgumentError, StoreError
from jaxreg.landscape import descend

JSON_NAME = "benchmark.json"


Entry = Literal["machine", "engine", "descents", "network", "nets", "scratch", "linear"]


@dataclasses.dataclass(frozen=True)
class Config:
    """What is measured, and how often."""

    only: tuple[Entry, ...] = get_args(Entry)
    """Entries to measure, beside the machine's own limit; those measured before are kept."""
    dataset: Literal["digits", "mnist"] = "mnist"
    """Data of the network: the first 6,000 and 1,000 images of MNIST, or the embedded digits."""
    seeds: int = 32
    """Networks in the population, and runs of each rival."""
    epochs: int = 3
    """Passes through the training data."""
    runs: int = 131_072
    """Runs of the landscape at each of 8 learning rates; a power of two, so that chunks are whole."""
    descents: int = 262_144
    """Runs of the landscape at one learning rate; a quarter of them with added noise."""
    tutorial: int = 40
    """How many of them the tutorial's loop follows; its time is scaled up."""
    batched: int = 4096
    """How many of them batched least squares follow; their time is scaled up."""
    memory: int = 1_000_000
    """Runs of the landscape in a process of their own, whose peak memory is measured."""
    repeats: int = 5
    """Measurements of each time; the median counts."""
    torch: bool = True
    """Whether to measure PyTorch loops, where PyTorch is installed."""
    keras: bool = True
    """Whether to measure a Keras loop, where Keras and TensorFlow are installed."""
    deep: int = 16
    """Networks of five hidden layers in the population."""
    online: int = 64
    """Networks in the population that learns from one image at a time."""
    scratch: int = 10_000
    """Networks with back-propagation written out."""
    scratch_loop: int = 10
    """How many of them the NumPy loop trains; its time is scaled up."""
    linear: int = 1000
    """Datasets of the linear models; they are measured where scikit-learn is installed."""
    loop: int = 20
    """How many of them the scikit-learn loops fit; their time is scaled up."""
    columns: int = 5000
    """Columns of the one large lasso."""


PRESETS = {
    "quick": Config(
        dataset="digits",
        seeds=8,
        epochs=2,
        runs=8192,
        descents=4096,
        tutorial=2,
        batched=64,
        memory=4096,
        repeats=3,
        torch=False,
        keras=False,
        deep=2,
        online=2,
        scratch=64,
        scratch_loop=1,
        linear=64,
        loop=2,
        columns=500,
    ),
    "laptop": Config(),
    "paper": Config(seeds=128, runs=1_048_576, repeats=9, loop=100),
}


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
    for name, measure in _ENTRIES.items():
        if name in done or name not in ("machine", *config.only):
            continue
        say(f"measuring: {name} ...")
        rows = [{"entry": name} | entry for entry in measure(config, record["rows"], say)]
        record["rows"] = sorted([*record["rows"], *rows], key=lambda entry: list(_ENTRIES).index(entry["entry"]))
        record["history"] = [describe_environment(run, jax.local_devices(), {"threefry2x32"})]
        if kept is not None:
            _write(kept, record)
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


def _write(kept: Path, record: dict[str, Any]) -> None:
    """The record as one file, replaced whole."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_name(f".{kept.name}")
    draft.write_text(json.dumps(record, indent=1))
    draft.replace(kept)


Rows = list[dict[str, Any]]


def _limit(rows: Rows) -> float:
    """Operations per second of the best matrix product, from the rows of the machine."""
    return 1e9 * next(entry["value"] for entry in rows if entry["entry"] == "machine")


_ENTRIES: dict[str, Callable[[Config, Rows, Callable[..., None]], Rows]] = {
    "machine": lambda config, rows, say: measure_machine(config.repeats),
    "engine": lambda config, rows, say: measure_landscape(config, make_mesh(jax.local_devices())),
    "descents": lambda config, rows, say: measure_landscape_kernels(
        config.descents, config.tutorial, config.batched, config.memory, config.repeats, say
    ),
    "network": lambda config, rows, say: measure_networks(config, make_mesh(jax.local_devices()), _limit(rows), say),
    "nets": lambda config, rows, say: measure_nets(
        load_data(config), config.deep, config.online, config.seeds, config.repeats, _limit(rows), config.torch, say
    ),
    "scratch": lambda config, rows, say: measure_scratch(
        config.scratch, config.scratch_loop, _limit(rows), config.repeats, say
    ),
    "linear": lambda config, rows, say: measure_linear(config.linear, config.loop, config.columns, config.repeats, say),
}
"""What is measured, in the order of the table: from the settings and the rows so far to more rows."""


def measure_machine(repeats: int) -> Rows:
    """Its best matrix product."""
    limit = best_product_rate(repeats)
    return [row("best float32 matrix product", limit / 1e9, "GFLOP/s", note="the fastest of several sizes")]


def load_data(config: Config) -> Dataset:
    """The images of the networks."""
    is_mnist = config.dataset == "mnist"
    return jr.datasets.load(config.dataset, train=6000 if is_mnist else None, test=1000 if is_mnist else None)


def measure_landscape(config: Config, mesh: Mesh) -> list[dict[str, Any]]:
    """The engine against nested vmaps by hand on refit descent, at the same chunk, with equal results."""
    gradient = make_refit_gradient()
    rates = np.geomspace(0.03, 1.0, 8, dtype=np.float32)

    def fall(*, seed: Any, learning_rate: Any) -> dict[str, Any]:
        end = descend(gradient, START, learning_rate, STEPS, seed=seed)
        return {"weight": jnp.clip(end.weight, -1e9, 1e9)}

    axes = {"seed": jr.seeds(config.runs), "learning_rate": rates}
    return _engine_rows("refit descent", fall, (), axes, 8 * 1024, mesh, config, nested=True, steps=STEPS)


def measure_networks(config: Config, mesh: Mesh, limit: float, say: Any) -> list[dict[str, Any]]:
    """The base network of tutorial T5: engine against hand-written JAX, products per second, PyTorch, Keras."""
    data = load_data(config)
    recipe = dataclasses.replace(BASE, epochs=config.epochs)
    learn = follow(recipe)
    axes = {"seed": jr.seeds(config.seeds), "learning_rate": [recipe.learning_rate]}
    name = f"{data.x_train.shape[1]}-256-128-10 network"
    rows = _engine_rows(name, learn, tuple(data[:4]), axes, mesh.size, mesh, config, nested=False)

    ours = lambda: jr.sweep(learn, axes, args=data[:4], progress=False)  # noqa: E731
    result = ours()
    ours_seconds = median_seconds(ours, config.repeats)
    accuracy = result.accuracy.values[:, 0, -1]
    rate = config.seeds / ours_seconds
    share = recipe.operations(data.x_train.shape[1], 10, len(data.x_train), len(data.x_test)) * rate / limit
    rows += [
        row(f"{name}: population of {config.seeds}", rate, "runs/s", seconds=ours_seconds),
        row("  of the best matrix-product rate", share, "share", target=0.55),
    ]
    for label, wanted, least, loop in _rivals(config, data, recipe):
        if not wanted:
            continue
        say(f"measuring {label} ...")
        rows.append(rivals.row_against(f"  against a {label}", rate, accuracy, loop(), target=least))
    return rows


def _rivals(config: Config, data: Any, recipe: Recipe) -> list[tuple[str, bool, float | None, Callable[[], Timed]]]:
    has_torch = config.torch and importlib.util.find_spec("torch") is not None
    has_keras = config.keras and all(map(importlib.util.find_spec, ("keras", "tensorflow")))
    torch = functools.partial(rivals.time_torch, recipe, data, config.seeds)
    keras = functools.partial(rivals.train_keras, data, config.seeds, config.epochs, recipe.learning_rate)
    return [
        ("PyTorch loop (DataLoader)", has_torch, 6.0, lambda: torch(loader=True)),
        ("PyTorch loop (tensor indexing)", has_torch, None, lambda: torch(loader=False)),
        ("Keras loop", has_keras, 13.0, lambda: keras(recipe.batch_size)),
    ]


def _engine_rows(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    axes: dict[str, Any],
    chunk: int,
    mesh: Mesh,
    config: Config,
    *,
    nested: bool,
    steps: int | None = None,
) -> list[dict[str, Any]]:
    """Time of a sweep over time of the same chunks by hand, second calls of both; results compared."""
    sweep = functools.partial(jr.sweep, function, axes, args=args, chunk_size=chunk, progress=False)
    began = time.perf_counter()
    result = sweep()
    first_call = time.perf_counter() - began
    box = json.loads(result.attrs["provenance"])["chunk"]
    keys = jax.vmap(lambda n: axes["seed"].key(n))(jnp.arange(axes["seed"].count, dtype=jnp.uint32))
    rates = jnp.asarray(axes["learning_rate"], jnp.float32)
    program = rivals.map_by_hand(function, jax.device_put(args), nested=nested, mesh=mesh)

    def by_hand() -> dict[str, np.ndarray]:
        parts = [program(keys[i : i + box[0]], rates) for i in range(0, len(keys), box[0])]
        return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}

    assert len(keys) % box[0] == 0, "the comparison is of whole chunks"
    hand = by_hand()
    for key, value in hand.items():
        agree = np.isclose(value.ravel(), result[key].values.ravel(), rtol=1e-3, atol=2e-3)
        assert agree.mean() > 0.99, f"{name}: {key} of the sweep and of the same by hand differ"
    ours, theirs, ratio = compare(sweep, by_hand, config.repeats)
    rows = [
        row(
            f"{name}: engine / hand-written JAX",
            ratio,
            "ratio of times",
            target=1.05,
            seconds=ours,
            rival_seconds=theirs,
        )
        | {"compile_seconds": first_call - ours}
    ]
    if steps:
        rows.append(row(f"{name}: population", len(keys) * len(rates) * steps / ours, "steps/s", seconds=ours))
    return rows


def meets(entry: dict[str, Any]) -> str:
    """Whether a row meets its target: what is in one of `UPPER_BOUNDS` must not exceed it, all else must reach it."""
    if entry["target"] is None:
        return ""
    value, target = entry["value"], entry["target"]
    return "met" if (value <= target if entry["unit"] in UPPER_BOUNDS else value >= target) else "missed"


def tell(entry: dict[str, Any]) -> str:
    """A row as a line of the table."""
    target = "" if entry["target"] is None else f"{entry['target']:g}"
    note = "; ".join(filter(None, [meets(entry), entry.get("note", "")]))
    return f"| {entry['name']} | {entry['value']:,.3g} {entry['unit']} | {target} | {note} |"


def report(dataset: xr.Dataset) -> str:
    """The table, and which machine it is of."""
    record = json.loads(dataset.attrs["provenance"])
    lines = ["| figure | measured | target | |", "| --- | ---: | ---: | --- |"]
    lines += map(tell, record["rows"])
    made = record["history"][-1]
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items() if k in ("python", "jax", "jaxreg"))
    return "\n".join([*lines, "", f"{made['device']}, {made['machine']}, {versions}, {made['time']}"])


def _to_dataset(record: dict[str, Any]) -> xr.Dataset:
    rows = record["rows"]
    columns = {key: ("figure", [entry[key] for entry in rows]) for key in ("value", "unit")}
    less = ("figure", [entry["unit"] in UPPER_BOUNDS for entry in rows])
    targets = ("figure", [np.nan if entry["target"] is None else entry["target"] for entry in rows])
    return xr.Dataset(
        {**columns, "target": targets, "less_is_better": less},
        {"figure": [entry["name"] for entry in rows]},
        {"provenance": json.dumps(record)},
    )

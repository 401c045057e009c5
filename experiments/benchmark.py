"""How fast is it, against what a user would write instead and against the machine's own limit?"""

import dataclasses
import functools
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
import xarray as xr
from jax.sharding import Mesh

import jaxreg as jr
from experiments import rivals
from experiments.linear_benchmark import measure_linear
from experiments.timing import compare, median_seconds, row
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.provenance import describe_environment
from jaxreg.landscape import T2_LANDSCAPE, descend, refit_gradient
from jaxreg.nets import train

JSON_NAME = "benchmark.json"


@dataclasses.dataclass(frozen=True)
class Config:
    """What is measured, and how often."""

    dataset: Literal["digits", "mnist"] = "mnist"
    """Data of the network: the first 6,000 and 1,000 images of MNIST, or the embedded digits."""
    seeds: int = 32
    """Networks in the population, and runs of each rival."""
    epochs: int = 3
    """Passes through the training data."""
    runs: int = 131_072
    """Runs of the landscape at each of 8 learning rates; a power of two, so that chunks are whole."""
    repeats: int = 5
    """Measurements of each time; the median counts."""
    torch: bool = True
    """Whether to measure PyTorch loops, where PyTorch is installed."""
    keras: bool = True
    """Whether to measure a Keras loop, where Keras and TensorFlow are installed."""
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
        repeats=3,
        torch=False,
        keras=False,
        linear=64,
        loop=2,
        columns=500,
    ),
    "laptop": Config(),
    "paper": Config(seeds=128, runs=1_048_576, repeats=9, loop=100),
}

HIDDEN = (256, 128)
BATCH = 32
RATE = 0.1


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Measure every entry; with `store`, keep the rows there as JSON, and read them when they are there."""
    kept = None if store is None else Path(store) / JSON_NAME
    if kept is not None and kept.exists():
        return _to_dataset(json.loads(kept.read_text()))
    say = functools.partial(print, file=sys.stderr) if progress else lambda *_: None
    mesh = make_mesh(jax.local_devices())
    say("measuring the machine ...")
    limit = best_product_rate(config.repeats)
    rows = [row("best float32 matrix product", limit / 1e9, "GFLOP/s", note="the fastest of several sizes")]
    say("measuring the engine ...")
    rows += measure_landscape(config, mesh)
    rows += measure_networks(config, mesh, limit, say)
    rows += measure_linear(config.linear, config.loop, config.columns, config.repeats, say)
    record = {"rows": rows, "config": dataclasses.asdict(config)}
    record["history"] = [describe_environment(run, jax.local_devices())]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(record, indent=1))
    return _to_dataset(record)


def best_product_rate(repeats: int) -> float:
    """Float32 operations per second of this machine's fastest matrix product."""
    best = 0.0
    product = jax.jit(functools.partial(jnp.matmul, precision="highest"))
    for size in (512, 1024, 2048):
        matrix = jnp.ones((size, size))
        best = max(best, 2 * size**3 / median_seconds(functools.partial(product, matrix, matrix), 5 * repeats))
    return best


def measure_landscape(config: Config, mesh: Mesh) -> list[dict[str, Any]]:
    """The engine against nested vmaps by hand on refit descent, at the same chunk, with equal results."""
    x = np.linspace(-10, 10, 100)
    y = np.asarray(T2_LANDSCAPE.value(x)) + np.random.default_rng(0).normal(0, 0.2, 100)
    gradient = refit_gradient(x, y, 6, 10)
    rates = np.geomspace(0.03, 1.0, 8, dtype=np.float32)

    def fall(*, seed: Any, learning_rate: Any) -> dict[str, Any]:
        end = descend(gradient, 3.5, learning_rate, 100, seed=seed)
        return {"weight": jnp.clip(end.weight, -1e9, 1e9)}

    axes = {"seed": jr.seeds(config.runs), "learning_rate": rates}
    return _engine_rows("refit descent", fall, (), axes, 8 * 1024, mesh, config, nested=True, steps=100)


def measure_networks(config: Config, mesh: Mesh, limit: float, say: Any) -> list[dict[str, Any]]:
    """The base network of tutorial T5: engine against hand-written JAX, products per second, PyTorch, Keras."""
    is_mnist = config.dataset == "mnist"
    data = jr.datasets.load(config.dataset, train=6000 if is_mnist else None, test=1000 if is_mnist else None)
    build = functools.partial(train, dropout=0.5, hidden=HIDDEN, batch_size=BATCH, epochs=config.epochs)

    def learn(*data: Any, seed: Any, learning_rate: Any) -> dict[str, Any]:
        history = build(*data, seed=seed, learning_rate=learning_rate, evaluate_train=False)
        return {"accuracy": history["test_accuracy"]}

    axes = {"seed": jr.seeds(config.seeds), "learning_rate": [RATE]}
    name = f"{data.x_train.shape[1]}-256-128-10 network"
    rows = _engine_rows(name, learn, tuple(data[:4]), axes, mesh.size, mesh, config, nested=False)

    ours = lambda: jr.sweep(learn, axes, args=data[:4], progress=False)  # noqa: E731
    result = ours()
    ours_seconds = median_seconds(ours, config.repeats)
    accuracy = result.accuracy.values[:, 0, -1]
    rate = config.seeds / ours_seconds
    share = necessary_operations(data, config.epochs) * rate / limit
    rows += [
        row(f"{name}: population of {config.seeds}", rate, "runs/s", seconds=ours_seconds),
        row("  of the best matrix-product rate", share, "share", target=0.55),
    ]
    for label, wanted, least, loop in _rivals(config, data):
        if not wanted:
            continue
        say(f"measuring {label} ...")
        theirs = loop()
        their_rate = 1 / float(np.median(theirs.seconds))
        test = scipy.stats.mannwhitneyu(accuracy, theirs.accuracy)
        rows.append(
            row(
                f"  against a {label}",
                rate / their_rate,
                "x",
                target=least,
                rival_runs_per_second=their_rate,
                rival_compile_seconds=theirs.compile_seconds,
                note=f"test accuracy {accuracy.mean():.4f} and {theirs.accuracy.mean():.4f}, p = {test.pvalue:.2f}",
            )
        )
    return rows


def _rivals(config: Config, data: Any) -> list[tuple[str, bool, float | None, Callable[[], rivals.Timed]]]:
    common = (data, config.seeds, config.epochs, RATE, BATCH)
    has_torch = config.torch and importlib.util.find_spec("torch") is not None
    has_keras = config.keras and all(map(importlib.util.find_spec, ("keras", "tensorflow")))
    return [
        ("PyTorch loop (DataLoader)", has_torch, 6.0, lambda: rivals.train_torch(*common, loader=True)),
        ("PyTorch loop (tensor indexing)", has_torch, None, lambda: rivals.train_torch(*common, loader=False)),
        ("Keras loop", has_keras, 13.0, lambda: rivals.train_keras(*common)),
    ]


def necessary_operations(data: Any, epochs: int) -> float:
    """Multiply-adds times two that one training needs: no gradient for the inputs of the first layer."""
    layers = list(zip((data.x_train.shape[1], *HIDDEN), (*HIDDEN, 10), strict=True))
    forward = sum(a * b for a, b in layers)
    step = 2 * forward + sum(a * b for a, b in layers[1:])
    return 2.0 * epochs * (step * len(data.x_train) + forward * len(data.x_test))


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
    """Whether a row meets its target: times must not exceed it, everything else must reach it."""
    if entry["target"] is None:
        return ""
    value, target = entry["value"], entry["target"]
    return "met" if (value <= target if entry["unit"] == "ratio of times" else value >= target) else "missed"


def report(dataset: xr.Dataset) -> str:
    """The table, and which machine it is of."""
    record = json.loads(dataset.attrs["provenance"])
    lines = ["| figure | measured | target | |", "| --- | ---: | ---: | --- |"]
    for entry in record["rows"]:
        target = "" if entry["target"] is None else f"{entry['target']:g}"
        note = "; ".join(filter(None, [meets(entry), entry.get("note", "")]))
        lines.append(f"| {entry['name']} | {entry['value']:,.3g} {entry['unit']} | {target} | {note} |")
    made = record["history"][0]
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items() if k in ("python", "jax", "jaxreg"))
    return "\n".join([*lines, "", f"{made['device']}, {made['machine']}, {versions}, {made['time']}"])


def _to_dataset(record: dict[str, Any]) -> xr.Dataset:
    rows = record["rows"]
    columns = {key: ("figure", [entry[key] for entry in rows]) for key in ("value", "unit")}
    targets = ("figure", [np.nan if entry["target"] is None else entry["target"] for entry in rows])
    return xr.Dataset(
        {**columns, "target": targets},
        {"figure": [entry["name"] for entry in rows]},
        {"provenance": json.dumps(record)},
    )


def main() -> None:
    """`python -m experiments.benchmark [--preset ...]`: measure, draw, write JSON and figure, print the table."""
    from paper_figures.__main__ import main as draw

    code = draw(["benchmark", "--fresh", *sys.argv[1:]])
    kept = sorted(Path("results").glob(f"benchmark-*/{JSON_NAME}"), key=lambda path: path.stat().st_mtime)
    if code == 0 and kept:
        print(report(_to_dataset(json.loads(kept[-1].read_text()))))
    sys.exit(code)


if __name__ == "__main__":
    main()

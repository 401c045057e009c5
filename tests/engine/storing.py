"""What storing costs against memory, with and without syncing: `python tests/engine/storing.py [REPEATS]`.

Two sweeps: 100,000 runs in 1,000 chunks of 100, and ten chunks of about a second each. Each way in turn, then again;
ratios are those of the shortest times, of the clock and of the processor, the latter less moved by what else runs.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg as jr
from jaxreg.engine.buffer import Batch

fsync, write = os.fsync, Batch.write
writing: list[float] = []  # seconds of each write of the sweep that runs


def draw(*, seed, rate):
    """Four small outputs: next to nothing to compute."""
    return {name: rate * jax.random.normal(jax.random.fold_in(seed, i)) for i, name in enumerate("abcd")}


def walk(*, seed, rate):
    """Many steps: a chunk of 100 takes a second or two."""

    def step(w, i):
        return w - rate * (w + jax.random.normal(jax.random.fold_in(seed, i))), None

    w, _ = jax.lax.scan(step, jnp.zeros(()), jnp.arange(100_000))
    return {"a": w, "b": 2 * w, "c": w + 1, "d": w - 1}


def measure(run, seeds: int, repeats: int) -> str:
    """Shortest seconds, of the clock and of all cores, in memory and in a store, synced and not; share of writes."""
    axes, least = {"seed": jr.seeds(seeds), "rate": [0.1]}, {}
    jr.sweep(run, axes | {"seed": jr.seeds(100)}, chunk_size=100, progress=False)
    for way in ("memory", "synced", "not synced") * repeats:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            os.fsync = (lambda number: None) if way == "not synced" else fsync
            store = None if way == "memory" else Path(folder) / "s.zarr"
            writing.clear()
            began, cpu = time.perf_counter(), time.process_time()
            jr.sweep(run, axes, chunk_size=100, store=store, progress=False).load()
            seconds = time.perf_counter() - began
            found = np.array([seconds, time.process_time() - cpu, sum(writing) / seconds])
            os.fsync = fsync
        least[way] = np.minimum(least.get(way, np.inf), found)
    seconds, cpu, _ = least["memory"]
    lines = [f"{run.__name__} in memory: {seconds:.2f} s, {cpu:.2f} s of all cores"]
    for way in ("synced", "not synced"):
        ratios = least[way] / least["memory"]
        lines.append(
            f"  in a store, {way}: {ratios[0]:.2f} and {ratios[1]:.2f} times that, {least[way][2]:.1%} in writes"
        )
    return "\n".join(lines)


def timed_write(self, guard) -> None:
    """Write, and note how long it took."""
    began = time.perf_counter()
    write(self, guard)
    writing.append(time.perf_counter() - began)


if __name__ == "__main__":
    Batch.write = timed_write  # type: ignore[method-assign]
    repeats = int((sys.argv[1:] or ["5"])[0])
    print(measure(draw, 100_000, repeats), flush=True)
    print(measure(walk, 1_000, -(-repeats // 3)), flush=True)

"""What storing costs against memory, with and without syncing: `python tests/engine/storing.py [REPEATS]`.

Two sweeps: 100,000 runs in 1,000 chunks of 100, and ten chunks of about a second each. Each way in turn, then again;
ratios are those of the shortest times. The share is that of the time within writes, which noise elsewhere cannot move.
"""

import math
import os
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.engine.store import Store

fsync, flush = os.fsync, Store.flush
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
    """Shortest seconds in memory; in a store, synced and not: the ratio to it, and the share of writes."""
    axes, best, share = {"seed": jr.seeds(seeds), "rate": [0.1]}, {}, {}
    jr.sweep(run, axes | {"seed": jr.seeds(100)}, chunk_size=100, progress=False)
    for way in ("memory", "synced", "not synced") * repeats:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            os.fsync = (lambda number: None) if way == "not synced" else fsync
            store = None if way == "memory" else Path(folder) / "s.zarr"
            writing.clear()
            began = time.perf_counter()
            jr.sweep(run, axes, chunk_size=100, store=store, progress=False).load()
            seconds = time.perf_counter() - began
            os.fsync = fsync
        best[way] = min(best.get(way, math.inf), seconds)
        share[way] = min(share.get(way, math.inf), sum(writing) / seconds)
    ways = [f"{way} {best[way] / best['memory']:.2f} ({share[way]:.1%} in writes)" for way in ("synced", "not synced")]
    return f"{run.__name__}: in memory {best['memory']:.2f} s; in a store, times that: {', '.join(ways)}"


def timed_flush(self) -> None:
    """Write, and note how long it took."""
    began = time.perf_counter()
    flush(self)
    writing.append(time.perf_counter() - began)


if __name__ == "__main__":
    Store.flush = timed_flush  # type: ignore[method-assign]
    repeats = int((sys.argv[1:] or ["5"])[0])
    print(measure(draw, 100_000, repeats), flush=True)
    print(measure(walk, 1_000, -(-repeats // 3)), flush=True)

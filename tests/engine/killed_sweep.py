"""A sweep in its own process, for the tests that kill it: `python killed_sweep.py STORE SEEDS SECONDS`."""

import sys

import jax

jax.config.update("jax_num_cpu_devices", 2)

import jax.numpy as jnp  # noqa: E402

import jaxreg as jr  # noqa: E402
from jaxreg.engine import store as stores  # noqa: E402


def walk(*, seed, rate, width):
    """A few thousand steps, so that one call takes some milliseconds."""

    def step(w, key):
        w = w - rate * (w + jax.random.normal(key, (width,)))
        return w, None

    w, _ = jax.lax.scan(step, jnp.zeros(width), jax.random.split(seed, 2000))
    return {"weight": w[:2], "norm": jnp.sqrt((w * w).sum())}


walk.__module__ = "killed_sweep"  # one name, whether this file runs as a script or is imported


def main(store: str, seeds: int, flush: float = 0.0) -> None:
    """Sweep into `store`; what came in is written at once, unless said: the more moments to be killed at."""
    stores.FLUSH_SECONDS = flush
    axes = {"seed": jr.seeds(seeds), "rate": [0.1, 0.3, 0.7], "width": jr.static([2, 4])}
    jr.sweep(walk, axes, dims={"weight": ("unit",)}, store=store, chunk_size=6, progress=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

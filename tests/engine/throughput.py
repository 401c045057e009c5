"""How fast stores are: `python tests/engine/throughput.py [REPEATS]`, on an idle machine with 3 GB of memory.

Written and read: 10⁶ runs of 100 numbers, 400 MB. Writing is what a sweep takes beyond the same in memory; reading is
the same sweep again, which finds all there, and its values. Beside them a plain file of these bytes, synced, and read
by NumPy. Memory that the system has to give anew takes as long as reading: so both are read twice, ours, plain, plain,
ours, after the memory of either was given once. Each in turn, then again; medians.

Nothing to do: how long a sweep takes that finds 10⁷ and 10⁸ runs of one number in its store.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr

NUMBERS, MANY = 100, {"seed": jr.seeds(1_000_000)}
RATES = np.linspace(0, 1, 100, dtype=np.float32)


def draw(*, seed):
    """Many numbers."""
    return {"x": jax.random.uniform(seed, (NUMBERS,))}


def add(*, seed, rate):
    """One number."""
    return {"x": rate + jax.random.key_data(seed)[1].astype(jnp.float32)}


def sweep(run, axes, store: Path | None = None) -> xr.Dataset:
    """A sweep without words."""
    return jr.sweep(run, axes, store=store, progress=False)


def read(store: Path) -> np.ndarray:
    """All values of a store, by the sweep that finds them there."""
    return sweep(draw, MANY, store).x.values


def clock(action: Callable[..., object], *given: object) -> np.ndarray:
    """Seconds that a call takes, of the clock and of all cores."""
    began, cpu = time.perf_counter(), time.process_time()
    action(*given)
    return np.array([time.perf_counter() - began, time.process_time() - cpu])


def write(file: Path, values: np.ndarray) -> None:
    """A plain file, on the disk when this returns."""
    with file.open("wb") as opened:
        opened.write(values)
        opened.flush()
        os.fsync(opened.fileno())


def move(repeats: int) -> str:
    """Write and read, a store and a plain file."""
    found, values = [], sweep(draw, MANY).x.values  # which compiles
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            store, file = Path(folder) / "s.zarr", Path(folder) / "file"
            memory, stored = clock(sweep, draw, MANY), clock(sweep, draw, MANY, store)
            plain = clock(write, file, values)
            assert np.array_equal(read(store), values)
            back, plainly = clock(read, store), clock(np.fromfile, file, np.float32)
            plainly, back = (plainly + clock(np.fromfile, file, np.float32)) / 2, (back + clock(read, store)) / 2
            found.append((memory, stored, stored - memory, plain, back, plainly))
    memory, stored, written, plain, back, plainly = np.median(found, axis=0)
    return "\n".join(
        [
            f"in memory {memory[0]:.2f} s ({memory[1]:.2f} of all cores), in a store {stored[0]:.2f} ({stored[1]:.2f})",
            compare("written", written, plain),
            compare("read", back, plainly),
            compare("both", written + back, plain + plainly),
        ]
    )


def compare(what: str, ours: np.ndarray, plain: np.ndarray) -> str:
    """A store beside a plain file."""
    return (
        f"{what} {ours[0]:.2f} s ({ours[1]:.2f} s of all cores), a plain file {plain[0]:.2f} ({plain[1]:.2f}): "
        f"{ours[0] / plain[0]:.2f} times by the clock"
    )


def find(runs: int, repeats: int) -> str:
    """A sweep that has nothing to do."""
    axes = {"seed": jr.seeds(runs // len(RATES)), "rate": RATES}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        store = Path(folder) / "s.zarr"
        sweep(add, axes, store)
        again, cpu = np.median([clock(sweep, add, axes, store) for _ in range(repeats)], axis=0)
    return f"{runs:,} runs found in {again:.2f} s ({cpu:.2f} s of all cores)"


if __name__ == "__main__":
    repeats = int((sys.argv[1:] or ["5"])[0])
    print(move(repeats), flush=True)
    for runs in (10**7, 10**8):
        print(find(runs, repeats), flush=True)

"""A study that workers share, with files that they write and files that the driver does; how to kill either.

`python spreading.py STORE COUNT WORKERS`: sweep with so many dask workers, those of a scheduler's address, of "mpi",
two of "threads" or "spawn", or in "one" process, and die within a tenth of a second after so many tasks came back.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_num_cpu_devices", 2)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxreg as jr  # noqa: E402
from jaxreg.engine import distribute, layout, lease  # noqa: E402
from jaxreg.engine import store as stores  # noqa: E402

SPREADING = Path(__file__)
DATA = np.linspace(-1, 1, 50, dtype=np.float32)
AXES = {"seed": jr.seeds(24), "rate": [0.1, 0.3], "power": jr.static([1, 2])}
SETTINGS = {"args": (DATA,), "dims": {"weight": ("unit",)}, "chunk_size": 8, "progress": False}


def walk(data, *, seed, rate, power):
    """Steps of noise on many weights: a tile of eight runs has more than the 128 KiB that files are joined below."""
    noise = jax.random.normal(seed, (8192,))
    weight = jax.lax.fori_loop(0, 5, lambda i, w: w - rate * (w - data.mean() - noise) ** power, noise)
    return {"weight": weight, "norm": jnp.abs(weight).max()}


def walk_twice(data, **point):
    """Two outputs of many weights."""
    found = walk(data, **point)
    return found | {"twice": 2 * found["weight"]}


for run in (walk, walk_twice):
    run.__module__ = "tests.engine.spreading"  # one name, whether this file runs as a script or is imported


def sweep(store, run=walk, **options):
    """The study, in one process or with an executor."""
    return jr.sweep(run, options.pop("axes", AXES), store=store, **SETTINGS | options)


def files_of(path):
    """The bytes of all files but those that hold the manifest, which says when and where."""
    files = (file for file in Path(path).rglob("*") if file.is_file())
    named = {str(file.relative_to(path)): file.read_bytes() for file in files}
    return {name: data for name, data in named.items() if not name.startswith((".zattrs", ".zmetadata", "done/man"))}


def make_environment():
    """That of a process that is to import the tests."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(SPREADING.parents[2]), os.environ.get("PYTHONPATH", "")])}


@contextlib.contextmanager
def make_executor(kind, workers=2):
    """A pool of so many threads or processes; the test is skipped where the library of its kind is missing."""
    import pytest

    with contextlib.ExitStack() as stack:
        if kind == "threads":
            yield stack.enter_context(ThreadPoolExecutor(workers))
        elif kind == "spawn":
            spawn = multiprocessing.get_context("spawn")
            yield stack.enter_context(ProcessPoolExecutor(workers, spawn))
        elif kind == "loky":
            pool = pytest.importorskip("loky").ProcessPoolExecutor(workers)
            yield pool
            pool.shutdown()
        else:
            dask = pytest.importorskip("dask.distributed")
            own = dask.LocalCluster(workers, threads_per_worker=1, dashboard_address=None)
            yield stack.enter_context(dask.Client(stack.enter_context(own))).get_executor()


def watch_tasks(notice, patch=setattr):
    """Call `notice` with the outcome of each task that came back, after it was taken in."""
    take_in = distribute.Dispatch._take_in

    def watched(self, outcome, number):
        take_in(self, outcome, number)
        notice(outcome)

    patch(distribute.Dispatch, "_take_in", watched)


def kill_a_worker(monkeypatch, number):
    """Kill the process that did the task of this number, counted from 1; the list of all that did one."""
    came = []

    def kill(outcome):
        came.append(outcome.worker)
        if len(came) == number:
            os.kill(int(outcome.worker.split()[1]), signal.SIGKILL)

    watch_tasks(kill, monkeypatch.setattr)
    return came


def watch_blocks(notice):
    """Call `notice` after each block that this process computed and gave to its store."""
    write = stores.Store.write

    def watched(self, positions, block):
        write(self, positions, block)
        notice(block)

    stores.Store.write = watched  # type: ignore[method-assign]


def main(store: str, count: int, workers: str) -> None:
    """Sweep, and be killed after `count` tasks."""
    layout.uuid.uuid4 = lambda: layout.uuid.UUID(int=16)  # so that bytes can be compared
    lease.LIFE, lease.BEAT = 3.0, 0.5
    stores.FLUSH_SECONDS = 0.0
    left = [count]

    def kill(outcome):
        left[0] -= 1
        if not left[0]:
            threading.Timer(random.random() / 10, os.kill, (os.getpid(), signal.SIGKILL)).start()

    (watch_blocks if workers == "one" else watch_tasks)(kill)
    distribute._Pace.learn = lambda self, seconds, tiles: None  # type: ignore[method-assign]
    with contextlib.ExitStack() as stack:
        executor: Any = None
        if workers == "mpi":
            from mpi4py.futures import MPIPoolExecutor

            executor = stack.enter_context(MPIPoolExecutor())
        elif workers in ("threads", "spawn") or workers.isdigit():
            kind, number = ("dask", int(workers)) if workers.isdigit() else (workers, 2)
            executor = stack.enter_context(make_executor(kind, number))
        elif workers != "one":
            import dask.distributed

            executor = stack.enter_context(dask.distributed.Client(workers)).get_executor()
        sweep(store, executor=executor)
        if count:
            time.sleep(60)  # for the kill that comes after the last task


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

"""A study that workers share, with files that they write and files that the driver does; one to be killed.

`python spreading.py STORE COUNT WORKERS`: sweep with so many dask workers, those of a scheduler's address, or of "mpi",
and die within a tenth of a second after so many tasks came back.
"""

import contextlib
import os
import random
import signal
import sys
import threading
import time
from typing import Any

import jax

jax.config.update("jax_num_cpu_devices", 2)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxreg as jr  # noqa: E402

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


def main(store: str, count: int, workers: str) -> None:
    """Sweep, and be killed after `count` tasks."""
    from jaxreg.engine import distribute, layout, lease
    from jaxreg.engine import store as stores

    layout.uuid.uuid4 = lambda: layout.uuid.UUID(int=16)  # so that bytes can be compared
    lease.LIFE, lease.BEAT = 3.0, 0.5
    stores.FLUSH_SECONDS = 0.0
    take_in, left = distribute.Dispatch._take_in, [count]

    def counted(self, outcome, number):
        take_in(self, outcome, number)
        left[0] -= 1
        if not left[0]:
            threading.Timer(random.random() / 10, os.kill, (os.getpid(), signal.SIGKILL)).start()

    distribute.Dispatch._take_in = counted  # type: ignore[method-assign]
    distribute._Pace.learn = lambda self, seconds, tiles: None  # type: ignore[method-assign]
    with contextlib.ExitStack() as stack:
        if workers == "mpi":
            from mpi4py.futures import MPIPoolExecutor

            sweep(store, executor=stack.enter_context(MPIPoolExecutor()))
            return
        import dask.distributed

        cluster: Any = workers
        if workers.isdigit():
            own = dask.distributed.LocalCluster(int(workers), threads_per_worker=1, dashboard_address=None)
            cluster = stack.enter_context(own)
        client = stack.enter_context(dask.distributed.Client(cluster))
        sweep(store, executor=client.get_executor())
        if count:
            time.sleep(60)  # for the kill that comes after the last task


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

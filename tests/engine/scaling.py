"""Weak scaling: twice the runs on twice the cores. `python tests/engine/scaling.py [REPEATS]`, on an idle machine.

A landscape and a network, each swept in one process with one and with two CPU devices, and by one and by two spawned
workers. A process gets as many cores as it has devices; every worker has one. What is swept compiles beforehand. The
gain is that of runs a second, the shortest of some times on each side: 2 is all that there is to gain.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import jax

CORES = sorted(os.sched_getaffinity(0))
RUNS = {"landscape": 4096, "networks": 64}  # for each core, of some seconds


def roam(*, seed):
    """Noisy descent in a double well."""
    from jaxreg import landscape

    gradient = landscape.noisy_gradient(landscape.DOUBLE_WELL, 0.3)
    return {"weight": landscape.descend(gradient, 0.5, 0.02, 20_000, seed=seed).weight}


def learn(*data, seed):
    """A network that learns digits."""
    from jaxreg.nets import train

    return {"accuracy": train(*data, seed=seed, learning_rate=0.1, epochs=8)["test_accuracy"][-1]}


def sweep(kind: str, cores: int, executor=None) -> float:
    """Seconds of a sweep of so many times the runs."""
    import jaxreg as jr

    run, args = (roam, ()) if kind == "landscape" else (learn, jr.datasets.load("digits")[:4])
    seeds = jr.seeds(RUNS[kind] * cores)
    chunk = RUNS[kind] // 4 * (1 if executor else cores)
    began = time.perf_counter()
    jr.sweep(run, {"seed": seeds}, args=args, chunk_size=chunk, executor=executor, progress=False)
    return time.perf_counter() - began


def take_core(taken) -> None:
    """Begin a worker: with one device, on the next core."""
    with taken.get_lock():
        os.sched_setaffinity(0, CORES[taken.value : taken.value + 1])
        taken.value += 1
    jax.config.update("jax_num_cpu_devices", 1)


def measure(kind: str, way: str, cores: int, repeats: int) -> float:
    """The shortest of some sweeps, after one that compiles."""
    if way == "devices":
        os.sched_setaffinity(0, CORES[:cores])
        jax.config.update("jax_num_cpu_devices", cores)
        return min([sweep(kind, cores) for _ in range(repeats + 1)][1:])
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Value("i", 0)
    with ProcessPoolExecutor(cores, mp_context=spawn, initializer=take_core, initargs=(taken,)) as pool:
        return min([sweep(kind, cores, pool) for _ in range(repeats + 1)][1:])


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(measure(*sys.argv[1:3], *map(int, sys.argv[3:])))
        sys.exit()
    repeats = (sys.argv[1:] or ["3"])[0]
    for kind in RUNS:
        for way in ("devices", "processes"):
            command = [sys.executable, __file__, kind, way]
            one, two = (
                float(subprocess.run([*command, cores, repeats], check=True, capture_output=True).stdout)
                for cores in ("1", "2")
            )
            print(f"{kind}, 1 to 2 {way}: {one:.2f} and {two:.2f} s, so {2 * one / two:.2f} times the runs a second")

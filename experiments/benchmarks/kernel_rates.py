"""Steps per second of landscape populations, as one Pallas kernel and as XLA's loops, on the device that JAX found."""

import functools
import time
from collections.abc import Sequence

import jax
import numpy as np

from experiments.benchmarks.landscape import NOISY_STEPS, RATE, START, STEPS, make_refit_gradient
from experiments.benchmarks.settings import Rows
from experiments.benchmarks.timing import median_seconds, rate, tell
from jaxreg.landscape import DOUBLE_WELL, T2_LANDSCAPE, descend, fate, noisy_gradient
from jaxreg.landscape.kernels import Kernel

KERNELS: tuple[Kernel, ...] = ("xla", "pallas")
"""How populations on landscapes run, where `descend` lets one choose."""
_NOISY_RATE = 0.1
_SAME = 0.999


def measure_rates(runs: Sequence[int] = (1024, 8192, 65_536, 262_144), repeats: int = 5) -> Rows:
    """Refit descent (100 steps) and noisy descent (1,000) for growing populations, their compiled programs alone.

    On a CPU the kernel would be interpreted, and is left out. Its rows say which share of the runs ends in the same
    basin as by XLA's loops; in refit descent fewer than 99.9 % are refused. From a command line:
    `python -m experiments.benchmarks.kernel_rates`.
    """
    refit, noisy = make_refit_gradient(), noisy_gradient(DOUBLE_WELL, 1.0)
    descents = {
        "refit": (functools.partial(descend, refit, START, RATE, STEPS), STEPS, T2_LANDSCAPE),
        "noisy": (functools.partial(descend, noisy, -1.0, _NOISY_RATE, NOISY_STEPS), NOISY_STEPS, DOUBLE_WELL),
    }
    kernels = KERNELS[:1] if jax.devices()[0].platform == "cpu" else KERNELS
    for name, (run, steps, landscape) in descents.items():
        for size in runs:
            keys, fates = jax.random.split(jax.random.key(0), size), []
            for kernel in kernels:
                began = time.perf_counter()
                end = jax.vmap(lambda key, run=run, kernel=kernel: run(seed=key, kernel=kernel).weight)
                program = jax.jit(end).lower(keys).compile()
                times = {"compile_seconds": time.perf_counter() - began}
                fates.append(np.asarray(fate(program(keys), landscape)))
                same = float((fates[0] == fates[-1]).mean())
                if name == "refit" and same < _SAME:
                    raise AssertionError(f"only {same:.4f} of {size} runs have the same fate on both paths")
                times["seconds"] = median_seconds(functools.partial(program, keys), repeats)
                note = "" if kernel == "xla" else f"same fates in {same:.2%}"
                yield rate(f"{name} descent, {size:,} runs, {kernel}", size * steps, "steps/s", times, note=note)


if __name__ == "__main__":
    for entry in measure_rates():
        print(tell(entry), flush=True)

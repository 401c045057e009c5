"""Steps per second of landscape populations, as one Pallas kernel and as XLA's loops, on the device that JAX found."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from experiments.benchmarks.landscape import NOISY_STEPS, RATE, START, STEPS, make_refit_gradient
from experiments.benchmarks.timing import median_seconds
from jaxreg.landscape import DOUBLE_WELL, T2_LANDSCAPE, descend, fate, noisy_gradient

_NOISY_RATE = 0.1
_SAME = 0.999


def measure_rates(
    runs: Sequence[int] = (1024, 8192, 65_536, 262_144), repeats: int = 5, say: Callable[[str], Any] = print
) -> list[dict[str, Any]]:
    """Time refit descent (100 steps) and noisy descent (1,000 steps) for growing populations, on the first device.

    Results are compared before anything is timed. On a CPU the kernel would be interpreted, and is left out: the
    columns of Pallas are None. From a command line: `python -m experiments.benchmarks.kernel_rates`.

    Args:
        runs: sizes of the populations.
        repeats: timed calls, of which the median counts.
        say: told each row as it is measured.

    Returns:
        Rows of `descent`, `runs`, `steps`; `xla_compile_s`, `pallas_compile_s`; `xla_steps_per_s`,
        `pallas_steps_per_s`; `speedup`; `same_fates`, the share of runs that end in the same basin on both paths; and
        `temporary_bytes` of the kernel's program.
    """
    refit, noisy = make_refit_gradient(), noisy_gradient(DOUBLE_WELL, 1.0)
    descents = {
        "refit": (functools.partial(descend, refit, START, RATE, STEPS), STEPS, T2_LANDSCAPE),
        "noisy": (functools.partial(descend, noisy, -1.0, _NOISY_RATE, NOISY_STEPS), NOISY_STEPS, DOUBLE_WELL),
    }
    has_kernel = jax.devices()[0].platform != "cpu"
    rows = []
    for name, (run, steps, landscape) in descents.items():
        for size in runs:
            keys = jax.random.split(jax.random.key(0), size)
            row: dict[str, Any] = {"descent": name, "runs": size, "steps": steps}
            fates = {}
            for path in ("xla", "pallas"):
                if path == "pallas" and not has_kernel:
                    row |= {"pallas_compile_s": None, "pallas_steps_per_s": None, "speedup": None, "same_fates": None}
                    continue
                program, compiling = _compile(functools.partial(run, kernel=path), keys)
                fates[path] = np.asarray(fate(program(keys), landscape))
                seconds = median_seconds(functools.partial(program, keys), repeats)
                row |= {f"{path}_compile_s": compiling, f"{path}_steps_per_s": size * steps / seconds}
                if path == "pallas":
                    row["temporary_bytes"] = program.memory_analysis().temp_size_in_bytes
            if has_kernel:
                row["same_fates"] = float((fates["xla"] == fates["pallas"]).mean())
                row["speedup"] = row["pallas_steps_per_s"] / row["xla_steps_per_s"]
                if name == "refit" and row["same_fates"] < _SAME:
                    raise AssertionError(
                        f"only {row['same_fates']:.4f} of {size} runs have the same fate on both paths"
                    )
            say(str(row))
            rows.append(row)
    return rows


def _compile(run: Callable[..., Any], keys: Array) -> tuple[Any, float]:
    began = time.perf_counter()
    program = jax.jit(jax.vmap(lambda key: run(seed=key).weight)).lower(keys).compile()
    return program, time.perf_counter() - began


if __name__ == "__main__":
    measure_rates()

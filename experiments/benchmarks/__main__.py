"""The command line: `python -m experiments.benchmarks [--only NAME ...] [--fresh] [--device]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from experiments.benchmarks import benchmark, device
from jaxreg.engine.provenance import read_setting
from jaxreg.study.command import run_module

_CACHE = "jax_enable_compilation_cache"


def main(arguments: Sequence[str]) -> int:
    """Measure what is missing, write JSON, print the table; return the exit code.

    `python -m paper_figures benchmark --preset ...` draws what was measured. With `--device` the benchmark of an
    accelerator, which has a command line of its own.
    """
    if "--device" in arguments:
        return device.main([argument for argument in arguments if argument != "--device"])
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="laptop")
    first.add_argument("--store", type=Path)
    first.add_argument("--fresh", action="store_true")
    own, fields = first.parse_known_args(arguments)
    store = own.store or Path("results") / f"benchmark-{own.preset}.zarr"
    if own.fresh:
        (store / benchmark.JSON_NAME).unlink(missing_ok=True)
    options = ["--preset", own.preset, "--store", str(store)]
    kept = read_setting(_CACHE)
    jax.config.update(_CACHE, False)  # else the times of compiling would be those of looking up
    try:
        return run_module([*options, *fields], benchmark, "python -m experiments.benchmarks")
    finally:
        jax.config.update(_CACHE, kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

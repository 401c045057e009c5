"""What the command lines say: a result in one line, and a bar of progress where somebody watches it."""

import math
import sys

import xarray as xr


def describe(dataset: xr.Dataset) -> str:
    """Say how many runs a result holds, over which axes, and how many of them diverged.

    A result without the variable `diverged`, which every sweep has, is described by its dimensions alone.

    >>> describe(xr.Dataset({"diverged": (("seed", "case"), [[False, True], [False, False]])}))
    '4 runs (seed 2 × case 2), 1 diverged'
    """
    if "diverged" not in dataset:
        return " × ".join(f"{name} {size:,}" for name, size in dataset.sizes.items())
    diverged = dataset["diverged"]
    axes = " × ".join(f"{name} {size:,}" for name, size in diverged.sizes.items())
    return f"{math.prod(diverged.shape):,} runs ({axes}), {int(diverged.sum()):,} diverged"


def is_watched() -> bool:
    """Whether errors and progress go to a terminal; in a file, a bar is a line for each of its steps."""
    return sys.stderr is not None and sys.stderr.isatty()

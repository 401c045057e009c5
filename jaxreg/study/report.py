"""What the command lines say: a result in one line, and a bar of progress where somebody watches it."""

import math
import sys
from collections.abc import Sequence

import xarray as xr

from jaxreg.claims import Claim, Verdict
from jaxreg.stats import adjust_claims


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


def describe_adjusted(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    """Say the p values of a study's claims, adjusted for their number (Holm), and which verdicts they leave.

    >>> from jaxreg.claims import Above
    >>> claims = [Claim(f"Rate {i} helps", "folklore", lambda dataset: None, Above(0)) for i in range(2)]
    >>> verdicts = [Verdict(1.0, (low, 2.0 - low), 20, bound=Above(0)) for low in (0.02, 0.5)]
    >>> print(describe_adjusted(list(zip(claims, verdicts))))
    Adjusted for 2 claims (Holm), 2 of 2 verdicts stay; p of each in order: 0.046, 0.001.
    """
    found = adjust_claims(judged)
    decided = found["status"].values != "undecided"
    lost = decided & (found["adjusted_status"].values == "undecided")
    told = f"Adjusted for {len(judged)} claims (Holm), {(decided & ~lost).sum()} of {decided.sum()} verdicts stay"
    each = ", ".join("none" if math.isnan(p) else f"{p:.2g}" for p in found["adjusted"].values.tolist())
    told = f"{told}; p of each in order: {each}"
    return f"{told}; undecided then: {'; '.join(found['claim'].values[lost])}." if lost.any() else f"{told}."


def is_watched() -> bool:
    """Whether errors and progress go to a terminal; in a file, a bar is a line for each of its steps."""
    return sys.stderr is not None and sys.stderr.isatty()

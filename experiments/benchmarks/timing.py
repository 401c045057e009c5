"""Times of two ways to compute the same thing, measured in turn in one process, and the rows of a table of them."""

import functools
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

UPPER_BOUNDS = ("ratio of times", "MB", "points")
"""Units of which less is better: a target in them is a largest value, in all others a least one."""
SAME = 1e-8
"""Largest difference from a rival, relative to its largest number, where both solve exactly."""


class Contest(NamedTuple):
    """One computation for all `datasets` by us, and for the first `sample` of them by a rival's loop.

    `agree` refuses results that are not the same, to the stated tolerance, and returns what is to be said of them. The
    row tells how many times as fast ours is; or, with `is_cost`, the share of their time that it takes.
    """

    name: str
    target: float | None
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    agree: Callable[[Any, Any], str] = lambda ours, theirs: ""
    datasets: int = 1
    sample: int = 1
    is_cost: bool = False


def installed(module: str, without: str) -> bool:
    """Whether `module` can be imported; where it cannot, it is said what is missing without it."""
    found = importlib.util.find_spec(module) is not None
    if not found:
        print(f"{module} is not installed: {without}", file=sys.stderr)
    return found


def row(name: str, value: float, unit: str, *, target: float | None = None, **more: Any) -> dict[str, Any]:
    """One line of the table; whether `target` is a least or a largest value depends on the unit: `UPPER_BOUNDS`."""
    return {"name": name, "value": float(value), "unit": unit, "target": target, **more}


def meets(entry: dict[str, Any]) -> str:
    """Whether a row meets its target: what is in one of `UPPER_BOUNDS` must not exceed it, all else must reach it."""
    if entry["target"] is None:
        return ""
    value, target = entry["value"], entry["target"]
    return "met" if (value <= target if entry["unit"] in UPPER_BOUNDS else value >= target) else "missed"


def tell(entry: dict[str, Any]) -> str:
    """A row as a line of the table."""
    target = "" if entry["target"] is None else f"{entry['target']:g}"
    note = "; ".join(filter(None, [meets(entry), entry.get("note", "")]))
    return f"| {entry['name']} | {entry['value']:,.3g} {entry['unit']} | {target} | {note} |"


def write_record(path: Path, record: dict[str, Any]) -> None:
    """What is measured as one file of JSON, replaced whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(record, indent=1))
    draft.replace(path)


def rate(name: str, work: float, unit: str, times: dict[str, float], **more: Any) -> dict[str, Any]:
    """A row of how much `work` is done a second, by the `seconds` among `times`."""
    return row(name, work / times["seconds"], unit, **times, **more)


def median_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median time of a call that has run once already, until its result is ready."""
    jax.block_until_ready(call())
    return float(np.median([seconds(call) for _ in range(repeats)]))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of one call, and the seconds until it is ready."""
    began = time.perf_counter()
    result = jax.block_until_ready(call())
    return result, time.perf_counter() - began


def seconds(call: Callable[[], Any]) -> float:
    """Time of one call until its result is ready."""
    return timed(call)[1]


def time_compiled(call: Callable[[], Any], repeats: int) -> tuple[Any, dict[str, float]]:
    """The result of a call, its median `seconds`, and `compile_seconds`, by which the first one took longer."""
    (result, first), taken = timed(call), median_seconds(call, repeats)
    return result, {"seconds": taken, "compile_seconds": max(0.0, first - taken)}


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """Median seconds of two calls measured in turn, and the median of their ratio pair by pair."""
    pairs = np.array([(seconds(ours), seconds(theirs)) for _ in range(repeats)])
    return float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1])), float(np.median(pairs[:, 0] / pairs[:, 1]))


def best_product_rate(repeats: int, precision: str | None = "highest", dtype: Any = np.float32) -> float:
    """Operations per second of this machine's fastest matrix product; see `jax.lax.Precision`."""
    best = 0.0
    product = jax.jit(functools.partial(jnp.matmul, precision=precision))
    for size in (512, 1024, 2048) if jax.default_backend() == "cpu" else (2048, 4096, 8192):
        matrix = jnp.ones((size, size), dtype)
        best = max(best, 2 * size**3 / median_seconds(functools.partial(product, matrix, matrix), 5 * repeats))
    return best


def time_twice(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The same with the least of up to three calls that need not compile; of one, if that takes seconds."""
    first, (result, taken) = seconds(call), timed(call)
    for _ in range(2 if taken < 2 else 0):
        taken = min(taken, seconds(call))
    return result, {"seconds": taken, "compile_seconds": max(0.0, first - taken)}


def measure(contest: Contest, repeats: int) -> dict[str, Any]:
    """Run both sides once, check that they agree, and compare their times, second calls and later ones."""
    result, first = timed(contest.ours)
    notes = [contest.agree(result, timed(contest.theirs)[0])]
    ours, theirs, ratio = compare(contest.ours, contest.theirs, repeats)
    scale = contest.datasets / contest.sample
    if scale > 1:
        notes.append(f"their loop over {contest.sample} of {contest.datasets:,}, scaled up")
    speedup = scale / ratio
    if contest.target is None and speedup < 1:
        notes.append("they win")
    value, unit = (ratio, "ratio of times") if contest.is_cost else (speedup, "x")
    return row(
        contest.name,
        value,
        unit,
        target=contest.target,
        seconds=ours,
        rival_seconds=scale * theirs,
        compile_seconds=max(0.0, first - ours),
        note="; ".join(filter(None, notes)),
    )


def check_same(name: str, ours: Any, theirs: Any, tolerance: float = SAME) -> float:
    """The largest difference relative to their largest number, which must not exceed `tolerance`."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not difference <= tolerance:
        raise AssertionError(f"{name}: ours and theirs differ by {difference:.1e}, more than {tolerance:.0e}")
    return difference


def check_gaps(ours: float, theirs: float, rounding: float = 1e-13) -> str:
    """Refuse a gap above theirs by more than rounding."""
    if not ours <= max(theirs, rounding):
        raise AssertionError(f"our duality gap of {ours:.1e} is above theirs of {theirs:.1e}")
    return f"duality gaps {max(ours, 0.0):.0e} and {theirs:.0e}"

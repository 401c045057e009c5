"""The size of a chunk: as many runs as cache or memory hold, and not more than take a few seconds."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.engine.axes import Axis
from jaxreg.engine.cost import Cost
from jaxreg.engine.devices import Machine
from jaxreg.engine.grid import Box, choose_box
from jaxreg.engine.program import choose_batching
from jaxreg.engine.tracing import Program
from jaxreg.errors import SweepError

# On a CPU, loops over many small runs are fastest at a few times the cache (refit descent: 90 million steps/s at 4 and
# 8 MiB a core with 2 MiB of L2, 47 at 0.5); runs that are done one after the other need only outlast a call's start.
CACHE_MULTIPLE = 4
OPERATIONS_PER_CALL = 1e9
# A slow core's speed, to guess which calls may last: operations, products' operations, and loop bodies in a second.
SLOW, SLOW_PRODUCTS, SLOW_LOOPS = 5e8, 5e9, 3e5
BRIEF = 4.0  # seconds: a call that lasts no longer by this guess is not measured
FIRST = 0.8  # seconds, by the same guess, that the first chunk of a long sweep may last beside its loops
AIM = 8.0  # seconds that a chunk of a long sweep should last
LEAST_GROWTH, MOST_GROWTH = 1.4, 64.0
CHEAP = 500  # equations of a program that compiles within a second or so
LONGEST = 12.0  # seconds: a chunk of runs of unknown length that lasts longer is halved for those to come


def read_chunk_size(chunk_size: Any) -> int | str:
    """The size that a caller asks for, a Python integer, or "auto".

    Raises:
        SweepError: it is neither.
    """
    if isinstance(chunk_size, str) and chunk_size == "auto":
        return chunk_size
    if isinstance(chunk_size, int | np.integer) and not isinstance(chunk_size, bool) and chunk_size > 0:
        return int(chunk_size)
    raise SweepError("chunk_size", chunk_size, "must be a positive integer", 'Leave it at "auto"')


def initial_box(axes: Sequence[Axis], programs: Sequence[Program], chunk_size: int | str, machine: Machine) -> Box:
    """The chunk shape: as asked, or from what one run keeps alive and the device's cache (CPU) or memory."""
    cells = int(np.prod([len(axis.labels) for axis in axes]))
    if isinstance(chunk_size, int):
        return choose_box(axes, min(chunk_size, cells), machine.devices)
    members = max(1, machine.memory // max(1, *(program.cost.peak_bytes for program in programs)))
    if machine.cache is not None:
        beside = math.prod(min(len(g.positions) for g in axis.groups) for axis in axes if axis.kind != "seeds")
        members = min(members, *(_members_on_core(program.cost, machine.cache, beside) for program in programs))
    return choose_box(axes, min(members * machine.devices, cells), machine.devices)


def _members_on_core(cost: Cost, cache: int, runs_per_seed: int) -> int:
    """How many runs one call should give to a CPU core of so much cache."""
    if choose_batching(cost, cache) == "alone":
        return max(1, int(OPERATIONS_PER_CALL / cost.operations))
    return max(1, int(CACHE_MULTIPLE * cache / max(1.0, cost.hot_bytes_per_run(runs_per_seed))))


def footprint(compiled: jax.stages.Compiled) -> int:
    """Bytes that a call of the executable needs on each device beside its arguments, by its own memory analysis."""
    analysis = compiled.memory_analysis()
    return 0 if analysis is None else int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes)


def is_brief(program: Program, box: Box, devices: int) -> bool:
    """Whether a call surely lasts a few seconds at most, even on a slow core."""
    return (
        not program.cost.is_open
        and _work(program.cost) * box.members / devices + program.cost.iterations / SLOW_LOOPS <= BRIEF
    )


def first_box(program: Program, axes: Sequence[Axis], full: Box, devices: int) -> Box:
    """A small chunk to measure a program by that may last: four runs for each device, or more that are surely short.

    Where nobody knows how long loops run, it is one run for each, unless the program is so large that compiling it a
    second time would cost more than is lost by one chunk that lasts too long.
    """
    if _is_tried(program.cost):
        return full if full.members <= 4 * devices else choose_box(axes, devices, devices)
    members = max(4, int(FIRST / _work(program.cost))) * devices
    return full if members >= full.members else choose_box(axes, members, devices)


def next_box(measured: Sequence[tuple[int, float]], axes: Sequence[Axis], full: Box, devices: int) -> Box | None:
    """The chunk to go on with after chunks of so many runs took so many seconds each; None when the last will do.

    Time grows with the runs at most in proportion, and less where a loop's own steps are most of it: that is what the
    last two measurements show. One measurement alone may be of runs that are shorter than others.
    """
    members, seconds = measured[-1]
    growth = AIM / max(seconds, 1e-6 if len(measured) > 1 else AIM / MOST_GROWTH)
    if len(measured) > 1:
        before, lasted = measured[-2]
        slope = max((seconds - lasted) / max(1, members - before), 0.05 * seconds / members)
        growth = max(growth, min(MOST_GROWTH, 1 + (AIM - seconds) / (slope * members)))
    if growth < LEAST_GROWTH or members >= full.members:
        return None
    wanted = int(members * growth)
    return full if wanted >= full.members else choose_box(axes, wanted, devices)


def _is_tried(cost: Cost) -> bool:
    return cost.is_open and cost.equations <= CHEAP


def count_halvings(seconds: float) -> int:
    """How often a chunk that took so long should be halved: not at all, or until it lasts as long as it should."""
    return math.ceil(math.log2(seconds / AIM)) if seconds > LONGEST else 0


def _work(cost: Cost) -> float:
    """Seconds that one run keeps a slow core busy."""
    return (cost.operations - cost.product_operations) / SLOW + cost.product_operations / SLOW_PRODUCTS + 1e-9

"""Execution: compile, run tile after tile, halve the chunk when memory runs out, report from the host."""

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm.auto import tqdm

from jaxreg.engine.axes import Axis
from jaxreg.engine.cost import Cost
from jaxreg.engine.devices import cache_size, memory_budget
from jaxreg.engine.grid import Box, Region, Tile, choose_box, cut_tile
from jaxreg.engine.program import MEMBERS, Program, choose_batching, chunk_values, compile_chunk
from jaxreg.errors import SweepError

# On a CPU, loops over many small runs are fastest at a few times the cache (refit descent: 90 million steps/s at 4 and
# 8 MiB a core with 2 MiB of L2, 47 at 0.5); runs that are done one after the other need only outlast a call's start.
CACHE_MULTIPLE = 4
OPERATIONS_PER_CALL = 1e9
Block = dict[str, np.ndarray]


@dataclasses.dataclass
class Tally:
    """What an execution did; the summary line is its text."""

    found: int = 0
    runs: int = 0
    diverged: int = 0
    programs: int = 0
    compiling: float = 0.0
    running: float = 0.0

    def add(self, runs: int, diverged: int) -> None:
        """Count finished runs."""
        self.runs += runs
        self.diverged += diverged

    def __str__(self) -> str:
        """One line: runs, diverged, seconds compiling and running, members per second."""
        rate = f", {self.runs / self.running:,.4g} members/s" if self.running > 0 else ""
        found = f"{self.found:,} runs found in the store; " if self.found else ""
        return (
            f"{found}{self.runs:,} runs, {self.diverged:,} diverged; {self.compiling:.1f} s compiling"
            f" {self.programs} program{'s' * (self.programs != 1)}, {self.running:.1f} s running{rate}"
        )


def make_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """One mesh axis over the devices that share the members."""
    return jax.make_mesh((len(devices),), (MEMBERS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def initial_box(axes: Sequence[Axis], programs: Sequence[Program], chunk_size: int | str, mesh: Mesh) -> Box:
    """The chunk shape: as asked, or from what one run keeps alive and the device's cache (CPU) or memory."""
    cells = int(np.prod([len(axis.labels) for axis in axes]))
    if isinstance(chunk_size, int):
        return choose_box(axes, min(chunk_size, cells), mesh.size)
    device = mesh.devices.flat[0]
    members = max(1, memory_budget(device) // max(1, *(program.cost.peak_bytes for program in programs)))
    cache = cache_size(device)
    if cache is not None:
        beside = math.prod(min(len(g.positions) for g in axis.groups) for axis in axes if axis.kind != "seeds")
        members = min(members, *(_members_on_core(program.cost, device, cache, beside) for program in programs))
    return choose_box(axes, min(members * mesh.size, cells), mesh.size)


def _members_on_core(cost: Cost, device: jax.Device, cache: int, runs_per_seed: int) -> int:
    """How many runs one call should give to a CPU core of so much cache."""
    if choose_batching(cost, device) == "alone":
        return max(1, int(OPERATIONS_PER_CALL / cost.operations))
    return max(1, int(CACHE_MULTIPLE * cache / max(1.0, cost.hot_bytes_per_run(runs_per_seed))))


def footprint(compiled: jax.stages.Compiled) -> int:
    """Bytes that a call of the executable needs on each device beside its arguments, by its own memory analysis."""
    analysis = compiled.memory_analysis()
    return 0 if analysis is None else int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes)


def execute(
    programs: Sequence[Program],
    args: Any,
    tiles: Sequence[Tile],
    box: Box,
    mesh: Mesh,
    keep: Callable[[Region, Block], None],
    *,
    tally: Tally,
    progress: bool,
    change_box: Callable[[Box], None] = lambda box: None,
) -> Box:
    """Run every tile and hand its outputs to `keep`; return the chunk shape in use at the end.

    One call computes while the one before is stored. When memory runs out the chunk is halved, `change_box` hears of
    it, and the work goes on.
    """
    waiting = collections.deque(tiles)
    started: collections.deque[tuple[Tile, Any]] = collections.deque()
    compiled: dict[int, jax.stages.Compiled] = {}
    began, compiling = time.perf_counter(), tally.compiling
    with tqdm(total=sum(tile.cells for tile in tiles), unit="run", disable=not progress, leave=False) as bar:
        while waiting or started:
            try:
                if waiting:
                    program = waiting[0].program
                    if program not in compiled:
                        compiled[program] = _compile_timed(programs[program], args, box, mesh, tally)
                    values = chunk_values(programs[program], waiting[0], box, mesh)
                    started.append((waiting[0], compiled[program](args, values)))
                    waiting.popleft()
                if len(started) > 1 or not waiting:
                    tile, results = started[0]
                    inside = tuple(slice(0, len(positions)) for positions in tile.positions)
                    block = {name: np.asarray(value)[inside] for name, value in results.items()}
                    started.popleft()
                    keep(tile.positions, block)
                    tally.add(tile.cells, int(block["diverged"].sum()))
                    bar.update(tile.cells)
                    bar.set_postfix(diverged=tally.diverged, refresh=False)
            except (_DoesNotFitError, jax.errors.JaxRuntimeError) as error:
                box = _smaller_box(error, box, programs[(waiting or [started[0][0]])[0].program])
                waiting.extendleft(tile for tile, _ in reversed(started))
                started.clear()
                compiled.clear()
                change_box(box)
                waiting = collections.deque(piece for tile in waiting for piece in cut_tile(tile, box))
    tally.running += time.perf_counter() - began - (tally.compiling - compiling)
    return box


def fits(compiled: jax.stages.Compiled, mesh: Mesh) -> bool:
    """Whether the memory analysis of the executable fits what the device may use."""
    return footprint(compiled) <= memory_budget(mesh.devices.flat[0])


class _DoesNotFitError(Exception):
    """The memory analysis of a compiled program asks for a smaller chunk."""


def _compile_timed(program: Program, args: Any, box: Box, mesh: Mesh, tally: Tally) -> jax.stages.Compiled:
    began = time.perf_counter()
    compiled = compile_chunk(program, args, box, mesh)
    tally.compiling += time.perf_counter() - began
    tally.programs += 1
    if not fits(compiled, mesh) and box.halved() is not None:
        raise _DoesNotFitError
    return compiled


def _smaller_box(error: Exception, box: Box, program: Program) -> Box:
    """Half of `box` when `error` says that memory ran out; any other error is raised again."""
    if not isinstance(error, _DoesNotFitError) and "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    smaller = box.halved()
    if smaller is None:
        raise SweepError("run", program.label, "needs more memory for one run than the device has", "Make it smaller")
    return smaller

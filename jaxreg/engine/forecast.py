"""What a sweep will take: programs, runs, chunk shape, memory, result size and time, before it runs."""

import dataclasses
import datetime
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg.engine.axes import Axis
from jaxreg.engine.chunks import first_box, footprint, is_brief, next_box
from jaxreg.engine.execute import LONG_CALL, Block, fits
from jaxreg.engine.grid import Box, Tile, cut_tile
from jaxreg.engine.nesting import calling_host
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.program import chunk_values, compile_chunk
from jaxreg.engine.tracing import Program


@dataclasses.dataclass(frozen=True)
class Plan:
    """The forecast of a sweep; its text is readable.

    Attributes:
        programs: programs to compile, one per combination of static values.
        runs: cells of the sweep.
        chunk: runs along each axis in one program call.
        calls: program calls.
        devices: how many devices share each call.
        peak_bytes: most memory that one device holds during a call, beside the result.
        result_bytes: size of the dataset, uncompressed.
        compile_seconds: measured; the sweep that follows does not spend them again.
        seconds: estimated time of all calls, from two measured calls of each program; NaN for a chip that is not here.
        target: that chip's name, or "" for the devices that are here.
        problems: why a sweep would fail there: programs that do not compile, or do not fit its memory.
        kernels: that one call of each program launches there.
        notes: what else should be known of that chip.
    """

    programs: int
    runs: int
    chunk: dict[str, int]
    calls: int
    devices: int
    peak_bytes: int
    result_bytes: int
    compile_seconds: float
    seconds: float
    target: str = ""
    problems: tuple[str, ...] = ()
    kernels: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every program compiles and fits the memory."""
        return not self.problems

    def __str__(self) -> str:
        """A few readable lines."""
        chunk = " x ".join(f"{length:,} {name}" for name, length in self.chunk.items())
        place = f"one {self.target}" if self.target else f"{self.devices} device{'s' * (self.devices != 1)}"
        lines = [
            f"{self.runs:,} runs in {self.calls:,} call{'s' * (self.calls != 1)} of {self.programs}"
            f" program{'s' * (self.programs != 1)}",
            f"chunk    {chunk} = {math.prod(self.chunk.values()):,} runs on {place}",
            f"memory   {byte_count(self.peak_bytes)} per device at the peak, {byte_count(self.result_bytes)} of result",
        ]
        if not self.target:
            return "\n".join(
                [*lines, f"time     about {duration(self.seconds)}, after {self.compile_seconds:.1f} s of compiling"]
            )
        counts = sorted({min(self.kernels, default=0), max(self.kernels, default=0)})
        lines.append(f"kernels  {' to '.join(f'{count:,}' for count in counts)} a call")
        lines.append(f"time     not known from here; {self.compile_seconds:.1f} s of compiling here")
        lines += [f"note     {note}" for note in self.notes]
        return "\n".join([*lines, *(f"PROBLEM  {problem}" for problem in self.problems)])


class Trial(NamedTuple):
    """A program that was compiled and called: its chunk shape, seconds of both, bytes that it needs, its outputs."""

    box: Box
    compiling: float
    seconds: float
    footprint: int
    block: Block


def forecast(
    programs: Sequence[Program],
    args: Any,
    axes: Sequence[Axis],
    outputs: Outputs,
    box: Box,
    is_fixed: bool,
    devices: int,
    attempt: Callable[[Program, Box], Trial],
    see: Callable[[Program, Block], None] = lambda program, block: None,
) -> Plan:
    """Compile every program, time a call or two of each, and extrapolate to all cells; `see` is shown what came out.

    Programs whose calls may last are timed in their first, small chunk: their time is then an upper estimate.
    """
    grows = not is_fixed and not all(is_brief(program, box, devices) for program in programs)
    calls, seconds, peak, compiling = 0, 0.0, 0, 0.0
    for program in programs:
        cells = math.prod(len(group.positions) for group in program.groups)
        trial = attempt(program, first_box(program, axes, box, devices) if grows else box)
        tried, lasted = trial.box, trial.seconds
        compiling += trial.compiling
        see(program, trial.block)
        chunk = tried
        if grows and tried != box:
            chunk = next_box([(tried.members, lasted)], axes, box, devices) or tried
            seconds += lasted * cells / tried.members
        pieces = list(cut_tile(Tile(0, tuple(tuple(g.positions.tolist()) for g in program.groups)), chunk))
        seconds += 0.0 if grows and tried != box else lasted * len(pieces)
        calls += len(pieces)
        peak = max(peak, trial.footprint * chunk.members // tried.members)
    cells = math.prod(len(axis.labels) for axis in axes)
    per_cell = 1 + sum(math.prod(output.shape) * output.dtype.itemsize for output in outputs.variables.values())
    return Plan(
        programs=len(programs),
        runs=cells,
        chunk={axis.name: length for axis, length in zip(axes, chunk.lengths, strict=True)},
        calls=calls,
        devices=devices,
        peak_bytes=peak + sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(args)),
        result_bytes=cells * per_cell,
        compile_seconds=compiling,
        seconds=seconds,
    )


def try_program(program: Program, args: Any, box: Box, mesh: Mesh) -> Trial:
    """Compile a program for the chunk shape `box`, or half of it until it fits, and time a call."""
    began = time.perf_counter()
    compiled, tried = _compile(program, args, box, mesh)
    compiling = time.perf_counter() - began
    seconds, block = _time_call(program, compiled, args, tried, mesh)
    return Trial(tried, compiling, seconds, footprint(compiled), block)


def _compile(program: Program, args: Any, box: Box, mesh: Mesh) -> tuple[jax.stages.Compiled, Box]:
    """A program compiled for a chunk shape that fits."""
    while True:
        compiled, smaller = compile_chunk(program, args, box, mesh), box.halved()
        if fits(compiled, mesh) or smaller is None:
            return compiled, box
        box = smaller


def _time_call(program: Program, compiled: jax.stages.Compiled, args: Any, box: Box, mesh: Mesh) -> tuple[float, Block]:
    """Seconds of one call, the shorter of two unless the first is long enough to tell, and what it returned."""
    positions = tuple(tuple(g.positions[:n].tolist()) for g, n in zip(program.groups, box.lengths, strict=True))
    measured: list[float] = []
    while len(measured) < 2 and sum(measured) < LONG_CALL:
        began = time.perf_counter()
        with calling_host([program.member]):
            results = jax.block_until_ready(compiled(args, chunk_values(program, Tile(0, positions), box, mesh)))
        measured.append(time.perf_counter() - began)
    inside = tuple(slice(0, len(part)) for part in positions)
    return min(measured), {name: np.asarray(value)[inside] for name, value in results.items()}


def byte_count(count: int) -> str:
    """So many bytes, in words."""
    power = min(int(math.log(max(count, 1), 1024)), 4)
    return f"{count / 1024**power:,.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def duration(seconds: float) -> str:
    """So many seconds, in words."""
    return f"{seconds:.2g} s" if seconds < 60 else str(datetime.timedelta(seconds=round(seconds)))

"""What a sweep will take: programs, runs, chunk shape, memory, result size and time, before it runs."""

import collections
import dataclasses
import datetime
import math
import time
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from jaxreg.engine.axes import Axis
from jaxreg.engine.execute import fits, footprint
from jaxreg.engine.grid import Box, Tile, cut_tile
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.program import Program, chunk_values, compile_chunk


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
        seconds: estimated time of all calls, from two measured calls of each program.
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

    def __str__(self) -> str:
        """A few readable lines."""
        chunk = " x ".join(f"{length:,} {name}" for name, length in self.chunk.items())
        return "\n".join(
            [
                f"{self.runs:,} runs in {self.calls:,} calls of {self.programs} program{'s' * (self.programs != 1)}",
                f"chunk    {chunk} = {math.prod(self.chunk.values()):,} runs on {self.devices} device(s)",
                f"memory   {_bytes(self.peak_bytes)} per device at the peak, {_bytes(self.result_bytes)} of result",
                f"time     about {_duration(self.seconds)}, after {self.compile_seconds:.1f} s of compiling",
            ]
        )


def forecast(
    programs: Sequence[Program],
    args: Any,
    axes: Sequence[Axis],
    outputs: Outputs,
    tiles: Sequence[Tile],
    box: Box,
    mesh: Mesh,
) -> Plan:
    """Compile every program, time two calls of each, and extrapolate to all `tiles`."""
    compiled, box, compile_seconds = _compile_all(programs, args, box, mesh)
    pieces = [piece for tile in tiles for piece in cut_tile(tile, box)]
    calls = collections.Counter(piece.program for piece in pieces)
    firsts = {piece.program: piece for piece in reversed(pieces)}
    seconds = 0.0
    for number, tile in firsts.items():
        measured = []
        for _ in range(2):
            began = time.perf_counter()
            jax.block_until_ready(compiled[number](args, chunk_values(programs[number], tile, box, mesh)))
            measured.append(time.perf_counter() - began)
        seconds += min(measured) * calls[number]
    cells = math.prod(len(axis.labels) for axis in axes)
    per_cell = 1 + sum(math.prod(output.shape) * output.dtype.itemsize for output in outputs.variables.values())
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(args))
    return Plan(
        programs=len(programs),
        runs=cells,
        chunk={axis.name: length for axis, length in zip(axes, box.lengths, strict=True)},
        calls=len(pieces),
        devices=mesh.size,
        peak_bytes=shared + max(footprint(executable) for executable in compiled),
        result_bytes=cells * per_cell,
        compile_seconds=compile_seconds,
        seconds=seconds,
    )


def _compile_all(
    programs: Sequence[Program], args: Any, box: Box, mesh: Mesh
) -> tuple[list[jax.stages.Compiled], Box, float]:
    """Every program compiled for one chunk shape that fits them all."""
    began = time.perf_counter()
    compiled: list[jax.stages.Compiled] = []
    while len(compiled) < len(programs):
        executable = compile_chunk(programs[len(compiled)], args, box, mesh)
        compiled.append(executable)
        smaller = box.halved()
        if not fits(executable, mesh) and smaller is not None:
            compiled, box = [], smaller
    return compiled, box, time.perf_counter() - began


def _bytes(count: int) -> str:
    power = min(int(math.log(max(count, 1), 1024)), 4)
    return f"{count / 1024**power:,.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 60 else str(datetime.timedelta(seconds=round(seconds)))

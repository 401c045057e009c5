"""The plan of a sweep on a chip that is not there."""

import math
from collections.abc import Sequence
from typing import Any

from jaxreg.accelerators.compiling import compile_programs
from jaxreg.accelerators.targets import find_target as find_target
from jaxreg.engine.axes import Axis
from jaxreg.engine.fitting import EMULATED
from jaxreg.engine.forecast import Plan
from jaxreg.engine.grid import tile_region
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.provenance import read_setting
from jaxreg.engine.tracing import Program


def forecast_for(
    name: str,
    programs: Sequence[Program],
    args: tuple[Any, ...],
    axes: Sequence[Axis],
    outputs: Outputs,
    chunk_size: int | str,
) -> Plan:
    """Compile every program for the chip, for chunks that fill its memory, and say what a sweep there would take."""
    target = find_target(name)
    box, compiled = compile_programs(target, programs, args, axes, chunk_size)
    whole = tuple(tuple(range(len(axis.labels))) for axis in axes)
    cells = math.prod(len(axis.labels) for axis in axes)
    per_cell = 1 + sum(math.prod(output.shape) * output.dtype.itemsize for output in outputs.variables.values())
    problems = [f"{program.label}: {program.outcome}: {program.message}" for program in compiled if not program.fits]
    return Plan(
        programs=len(programs),
        runs=cells,
        chunk={axis.name: length for axis, length in zip(axes, box.lengths, strict=True)},
        calls=sum(1 for _ in tile_region(whole, axes, box)),
        devices=1,
        peak_bytes=max(program.total_bytes for program in compiled),
        result_bytes=cells * per_cell,
        compile_seconds=sum(program.compile_seconds for program in compiled),
        seconds=math.nan,
        target=name,
        problems=tuple(problems),
        notes=() if target.has_float64 or not read_setting("jax_enable_x64") else (EMULATED,),
        kernels=tuple(program.kernels for program in compiled),
    )

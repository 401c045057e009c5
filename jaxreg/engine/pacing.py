"""Which cells are computed in which chunks: those of short calls at once, those of long ones in chunks that grow."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from jaxreg.engine.axes import Axis
from jaxreg.engine.chunks import first_box, is_brief, next_box
from jaxreg.engine.execute import Work
from jaxreg.engine.grid import Assignment, Box, Region, Rest, Tile, cut_tile, restrict, subtract
from jaxreg.engine.tracing import Program


@runtime_checkable
class Sink(Protocol):
    """Where cells go, and which chunk shapes were chosen for them: recorded before they are computed."""

    @property
    def assignments(self) -> list[Assignment]:
        """The chunk shapes chosen so far, each with its cells."""

    def is_done(self, positions: Region) -> bool:
        """Whether all these cells are there."""

    def unassigned(self, region: Region) -> list[Region]:
        """The cells of `region` that no chunk shape was chosen for."""

    def assign(self, pieces: Sequence[Region], box: Box) -> None:
        """Choose the chunk shape of cells that have none."""

    def change_box(self, number: int, box: Box) -> None:
        """Choose another chunk shape for the assignment `number`."""


@runtime_checkable
class Runner(Protocol):
    """What runs tiles: `execute.Execution` here, `distribute.Dispatch` elsewhere."""

    work: Work
    broken: set[int]
    seconds: float

    @property
    def devices(self) -> int:
        """How many devices share a call."""

    def run(
        self, tiles: Iterable[Tile], box: Box, change_box: Callable[[Box], None] = ..., is_fixed: bool = True
    ) -> Box:
        """Run every tile; return the chunk shape in use at the end. They can be gone through more than once."""


def complete(execution: Runner, sink: Sink, axes: Sequence[Axis], box: Box, is_fixed: bool) -> Box:
    """Compute every cell of `axes` that `sink` lacks; return the last chunk shape.

    Cells that have a chunk shape keep it, so that a sweep that goes on computes what it would have computed. Others
    get `box`, or chunks that grow from a small one until they last some seconds.
    """
    whole = tuple(tuple(np.sort(np.concatenate([g.positions for g in axis.groups])).tolist()) for axis in axes)
    for number in range(len(sink.assignments)):
        _run_assigned(execution, sink, axes, number, is_fixed)
    rest = sink.unassigned(whole)
    brief = [p is None or is_brief(p, box, execution.devices) for p in execution.work.programs]
    if is_fixed or all(brief):
        last = sink.assignments[-1].box if sink.assignments else box
        if 2 * last.members >= box.members:
            box = last  # no second program for a chunk of about the same size
        return _assign_and_run(execution, sink, axes, rest, box, is_fixed)
    for number, program in enumerate(execution.work.programs):
        if program is not None:
            pieces = [piece for part in rest for piece in restrict(part, program.groups)]
            box = _run_growing(execution, sink, axes, program, Tile(number, ()), pieces, box)
    return box


def _run_assigned(execution: Runner, sink: Sink, axes: Sequence[Axis], number: int, is_fixed: bool) -> Box:
    held = sink.assignments[number]
    tiles = Rest(held.region, axes, held.box, sink.is_done)
    if next(iter(tiles), None) is None:
        return held.box
    return execution.run(tiles, held.box, functools.partial(sink.change_box, number), is_fixed)


def _assign_and_run(
    execution: Runner, sink: Sink, axes: Sequence[Axis], pieces: Sequence[Region], box: Box, is_fixed: bool = False
) -> Box:
    if not pieces:
        return box
    first = len(sink.assignments)
    sink.assign(pieces, box)
    for number in range(first, len(sink.assignments)):
        box = _run_assigned(execution, sink, axes, number, is_fixed)
    return box


def _run_growing(
    execution: Runner,
    sink: Sink,
    axes: Sequence[Axis],
    program: Program,
    kind: Tile,
    pieces: list[Region],
    full: Box,
) -> Box:
    """The cells `pieces` of one program: a small chunk, larger ones until one lasts some seconds, then the rest."""
    box = first_box(program, axes, full, execution.devices) if pieces else full
    measured: list[tuple[int, float]] = []
    used: list[Box] = []
    while pieces and box != full and kind.program not in execution.broken:
        tile = next(cut_tile(Tile(kind.program, pieces[0]), box))
        _assign_and_run(execution, sink, axes, [tile.positions], box)
        measured.append((box.members, execution.seconds))
        used.append(box)
        pieces = [part for piece in pieces for part in subtract(piece, tile.positions)]
        larger = next_box(measured, axes, full, execution.devices)
        if larger is None:
            break
        box = larger
    for piece in pieces:  # what is left of a smaller chunk's surroundings is not worth a large one
        cells = Tile(kind.program, piece).cells
        fitting = [smaller for smaller in used if cells <= smaller.members]
        _assign_and_run(execution, sink, axes, [piece], fitting[0] if fitting and fitting[0] != box else box)
    return box

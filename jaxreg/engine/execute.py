"""Execution: compile, run tile after tile, halve the chunk when memory runs out, go on when one program fails."""

import collections
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg.engine.chunks import count_halvings, footprint
from jaxreg.engine.devices import memory_budget
from jaxreg.engine.grid import Box, Region, Tile, Waiting, cut_tile
from jaxreg.engine.nesting import calling_host
from jaxreg.engine.program import MEMBERS, chunk_values, compile_chunk
from jaxreg.engine.reporting import Report
from jaxreg.engine.tracing import Program
from jaxreg.errors import SweepError

LONG_CALL = 1.0  # seconds; longer calls are not queued, so that a kill loses one of them
SURELY_FITS = 16  # times what the estimate says, for which a program's own analysis, which takes a while, is not asked
NAP = 0.005  # seconds
CALM_CALLS = 4  # calls without a shortage before the chunk grows back; twice as many after every relapse
PAUSES = (0.05, 0.2, 0.8, 3.0)  # seconds between tries of a single run that memory was too short for
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

    def merge(self, other: "Tally") -> None:
        """Count what another process did; its seconds of running overlap with those of others and are left out."""
        self.add(other.runs, other.diverged)
        self.programs += other.programs
        self.compiling += other.compiling

    def __str__(self) -> str:
        """One line: runs, diverged, seconds compiling and running, runs per second."""
        if self.found and not self.runs and not self.programs:
            return f"{self.found:,} runs found in the store, none left to compute"
        rate = f", {self.runs / self.running:,.4g} runs/s" if self.running > 0 else ""
        found = f"{self.found:,} runs found in the store; " if self.found else ""
        return (
            f"{found}{self.runs:,} runs, {self.diverged:,} diverged; {self.compiling:.1f} s compiling"
            f" {self.programs} program{'s' * (self.programs != 1)}, {self.running:.1f} s running{rate}"
        )


def make_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """One mesh axis over the devices that share the members."""
    return jax.make_mesh((len(devices),), (MEMBERS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


@dataclasses.dataclass(frozen=True)
class Work:
    """What is to be computed, and who hears of it.

    What the tiles of `programs` return goes to `keep`. `failures` takes in the errors of single programs by their
    labels: what they concern is left out, the rest goes on.
    """

    programs: Sequence[Program | None]
    keep: Callable[[Region, Block], None]
    tally: Tally
    report: Report
    failures: dict[str, Exception]


@dataclasses.dataclass
class Execution:
    """Runs tiles of programs, compiled when they are first met.

    `heed` raises what a signal raised before. `broken` numbers the programs that cannot run. `seconds` is how long the
    last call took.
    """

    work: Work
    args: Any
    mesh: Mesh
    heed: Callable[[], None] = lambda: None
    seconds: float = 0.0
    broken: set[int] = dataclasses.field(default_factory=set)
    _compiled: dict[tuple[int, Box], jax.stages.Compiled] = dataclasses.field(default_factory=dict)

    @property
    def devices(self) -> int:
        """How many devices share a call."""
        return int(self.mesh.size)

    def run(
        self,
        tiles: Iterable[Tile],
        box: Box,
        change_box: Callable[[Box], None] = lambda box: None,
        is_fixed: bool = True,
    ) -> Box:
        """Run every tile in chunks of the shape `box`; return the shape in use at the end.

        One call computes while the one before is stored. When memory runs out the chunk is halved, and grows back
        after a while; where a program needs too much by its own analysis, `change_box` hears of the smaller shape. So
        it does, unless the shape `is_fixed`, where runs of unknown length last too long.
        """
        with calling_host([program.member for program in self.work.programs if program is not None]):
            return self._run(tiles, box, change_box, is_fixed)

    def _run(self, tiles: Iterable[Tile], box: Box, change_box: Callable[[Box], None], is_fixed: bool) -> Box:
        waiting = Waiting(tiles)
        started: collections.deque[_Call] = collections.deque()
        halving = _Halving(box)
        began, compiling = time.perf_counter(), self.work.tally.compiling
        one_at_a_time = False
        while waiting or started:
            self.heed()
            is_long = bool(started) and self.seconds > LONG_CALL
            is_alone = one_at_a_time or (is_long and self._is_open(started[0].tile))
            try:
                if waiting and not (started and one_at_a_time):
                    if is_long:
                        self._wait(started[0])
                    if not (started and is_alone):
                        self._start_next(waiting, started, halving)
                if started and (len(started) > 1 or not waiting or is_alone):
                    tile = started[0].tile
                    self._finish_first(started)
                    halving.calm_down()
                    if not is_fixed and self._is_open(tile):
                        for _ in range(count_halvings(self.seconds)):
                            change_box(halving.shrink_for_good())
                    one_at_a_time = one_at_a_time and bool(started)
            except _ShortageError as shortage:
                if started and not one_at_a_time:
                    one_at_a_time = True  # what is under way may be all that stands in the way
                    continue
                waiting.put_back([call.tile for call in started])
                started.clear()
                if shortage.is_permanent:
                    change_box(halving.shrink_for_good())
                elif not halving.shrink():
                    self._give_up(
                        waiting.first.program, _needs_more_memory(self._label(waiting.first.program), shortage)
                    )
        self.work.tally.running += time.perf_counter() - began - (self.work.tally.compiling - compiling)
        return halving.box

    def _start_next(self, waiting: Waiting, started: "collections.deque[_Call]", halving: "_Halving") -> None:
        waiting.put_back(list(cut_tile(waiting.pop(), halving.box)))
        tile = waiting.first
        program = self.work.programs[tile.program]
        if program is None or tile.program in self.broken:
            waiting.pop()
            return
        try:
            compiled = self._compile(tile.program, program, halving.box)
            values = chunk_values(program, tile, halving.box, self.mesh)
            call = _Call(tile, compiled(self.args, values), time.perf_counter())
        except Exception as error:
            _raise_shortage(error)
            self._give_up(tile.program, error)
            return
        started.append(call)
        waiting.pop()

    def _finish_first(self, started: "collections.deque[_Call]") -> None:
        call = started[0]
        try:
            self._wait(call)
            inside = tuple(slice(0, len(positions)) for positions in call.tile.positions)
            block = {name: np.asarray(value)[inside] for name, value in call.results.items()}
            self.seconds = time.perf_counter() - call.began
        except Exception as error:
            _raise_shortage(error)
            self.work.failures.setdefault(self._label(call.tile.program), error)  # other chunks of it may still do
            started.popleft()
            return
        try:
            self.work.keep(call.tile.positions, block)
        except MemoryError as error:
            _raise_shortage(error)
        started.popleft()
        self.work.tally.add(call.tile.cells, int(block["diverged"].sum()))
        self.work.report.advance(call.tile.cells, self.work.tally.diverged)

    def _wait(self, call: "_Call") -> None:
        """Until the call is computed, in naps: a signal is heard between two steps of Python only."""
        began = time.perf_counter()
        while not all(array.is_ready() for array in call.results.values()):
            time.sleep(min(NAP, 1e-4 + 0.05 * (time.perf_counter() - began)))

    def _compile(self, number: int, program: Program, box: Box) -> jax.stages.Compiled:
        if (number, box) not in self._compiled:
            began = time.perf_counter()
            compiled = compile_chunk(program, self.args, box, self.mesh)
            self.work.tally.compiling += time.perf_counter() - began
            self.work.tally.programs += 1
            estimate = program.cost.peak_bytes * box.members / self.mesh.size
            is_near = estimate > memory_budget(self.mesh.devices.flat[0]) / SURELY_FITS
            if is_near and box.halved() is not None and not fits(compiled, self.mesh):
                raise _ShortageError(is_permanent=True)
            self._compiled[number, box] = compiled
        return self._compiled[number, box]

    def _give_up(self, number: int, error: Exception) -> None:
        self.broken.add(number)
        self.work.failures.setdefault(self._label(number), error)

    def _is_open(self, tile: Tile) -> bool:
        program = self.work.programs[tile.program]
        return program is not None and program.cost.is_open

    def _label(self, number: int) -> str:
        program = self.work.programs[number]
        return program.label if program is not None else "the run"


@dataclasses.dataclass(frozen=True)
class _Call:
    """A call that was started: its tile, what it will return, and when it began."""

    tile: Tile
    results: Any
    began: float


class _Halving:
    """The chunk shape in use: halved in a shortage, grown back when that has passed."""

    def __init__(self, box: Box) -> None:
        self.box, self._larger = box, list[Box]()
        self._calm, self._patience, self._tries, self._has_grown = 0, CALM_CALLS, 0, False

    def shrink(self) -> bool:
        """Halve the chunk; a single run waits a little instead, and has its tries."""
        smaller = self.box.halved()
        if smaller is None:
            if self._tries == len(PAUSES):
                self._tries = 0
                return False
            time.sleep(PAUSES[self._tries])
            self._tries += 1
            return True
        if self._has_grown and self._calm < CALM_CALLS:
            self._patience *= 2
        self._larger.append(self.box)
        self.box, self._calm = smaller, 0
        return True

    def shrink_for_good(self) -> Box:
        """Halve the chunk, not to grow back."""
        self.box = self.box.halved() or self.box
        self._larger.clear()
        return self.box

    def calm_down(self) -> None:
        """Count a call that found memory enough."""
        self._calm, self._tries = self._calm + 1, 0
        if self._larger and self._calm >= self._patience:
            self.box, self._calm, self._has_grown = self._larger.pop(), 0, True


def fits(compiled: jax.stages.Compiled, mesh: Mesh) -> bool:
    """Whether the memory analysis of the executable fits what the device may use."""
    return footprint(compiled) <= memory_budget(mesh.devices.flat[0])


class _ShortageError(Exception):
    """Memory ran out: for now, or, by the analysis of a compiled program, for good."""

    def __init__(self, is_permanent: bool) -> None:
        self.is_permanent = is_permanent


def _raise_shortage(error: Exception) -> None:
    if isinstance(error, _ShortageError):
        raise error
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        raise _ShortageError(is_permanent=False) from error


def _needs_more_memory(label: str, cause: Exception) -> SweepError:
    error = SweepError("run", label, "needs more memory for one run than there is", "Make it smaller")
    error.__cause__ = cause.__cause__ or cause
    return error

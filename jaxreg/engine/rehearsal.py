"""A rehearsal: each sweep is planned, and what its first chunks return stands for all the others."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from jaxreg.engine.execute import Block
from jaxreg.engine.forecast import Plan
from jaxreg.engine.memory import MemorySink
from jaxreg.engine.tracing import Program


class Call(NamedTuple):
    """What a sweep was called with, as far as it decides what is computed."""

    run: Callable[..., Any]
    axes: Mapping[str, Any]
    args: tuple[Any, ...]
    x64: bool


@dataclasses.dataclass
class Rehearsal:
    """The plans of the sweeps so far, what they were called with, and the seconds that making the plans took."""

    plans: list[Plan] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    is_alone: bool = False  # chunks are of one run, on one device: programs that are compiled fast

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """Count the time spent within."""
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began


_REHEARSAL: ContextVar[Rehearsal | None] = ContextVar("rehearsal", default=None)


@contextlib.contextmanager
def rehearsing(is_alone: bool = False) -> Iterator[Rehearsal]:
    """Within, no sweep computes more than its first chunks or touches a store; what comes gets the plan of each.

    What a sweep returns has the shape and the labels of all its runs, with the results of the runs of the first chunks
    over and over: enough for a study to go on, and no result. With `is_alone`, chunks are of one run.
    """
    rehearsal = Rehearsal(is_alone=is_alone)
    token = _REHEARSAL.set(rehearsal)
    try:
        yield rehearsal
    finally:
        _REHEARSAL.reset(token)


def find_rehearsal() -> Rehearsal | None:
    """The rehearsal that is on, or None."""
    return _REHEARSAL.get()


def stand_in(sink: MemorySink, program: Program, block: Block) -> None:
    """Give every cell of a program the results of a cell of `block`, one after the other along each axis."""
    positions = tuple(tuple(group.positions.tolist()) for group in program.groups)
    lengths = block["diverged"].shape
    cells = np.ix_(*(np.arange(len(part)) % length for part, length in zip(positions, lengths, strict=True)))
    sink.write(positions, {name: values[cells] for name, values in block.items()})

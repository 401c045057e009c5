"""The sink of a sweep without a store: arrays in memory, filled tile by tile."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.engine.execute import Block
from jaxreg.engine.grid import Assignment, Box, Region, tighten, unassigned
from jaxreg.engine.outputs import Outputs, padding_value
from jaxreg.errors import SweepError


class MemorySink:
    """Arrays over all cells, padded where an output is shorter than its dimension; which cells are done, and how."""

    def __init__(self, lengths: Sequence[int], outputs: Outputs) -> None:
        self.assignments: list[Assignment] = []
        try:
            self.arrays: Block = {
                name: np.full((*lengths, *output.shape), padding_value(output.dtype), output.dtype)
                for name, output in outputs.variables.items()
            }
        except (MemoryError, ValueError) as error:  # ValueError: more than NumPy can address
            size = math.prod(lengths) * sum(math.prod(o.shape) * o.dtype.itemsize for o in outputs.variables.values())
            raise SweepError(
                "axes", f"{size:,} bytes of result", "must fit the memory", "Give a store, or return less"
            ) from error
        self.arrays["diverged"] = np.zeros(tuple(lengths), bool)
        self.done = np.zeros(tuple(lengths), bool)

    def is_done(self, positions: Region) -> bool:
        """Whether every cell at `positions` has been computed."""
        return bool(self.done[region_index(positions, ())].all())

    def unassigned(self, region: Region) -> list[Region]:
        """The cells of `region` that no chunk shape was chosen for."""
        return unassigned(region, [one.region for one in self.assignments])

    def assign(self, pieces: Sequence[Region], box: Box) -> None:
        """Choose the chunk shape of cells that have none."""
        self.assignments += [Assignment(piece, box) for piece in pieces]

    def change_box(self, number: int, box: Box) -> None:
        """Choose another chunk shape for the assignment `number`."""
        self.assignments[number] = Assignment(self.assignments[number].region, box)

    def write(self, positions: Region, block: Block) -> None:
        """Keep the outputs of the cells at `positions`."""
        cells = region_index(positions, ())
        is_solid = all(isinstance(part, slice) for part in cells)
        for name, values in block.items():
            trailing = values.shape[len(positions) :]
            index = (*cells, *map(slice, trailing)) if is_solid else region_index(positions, trailing)
            self.arrays[name][index] = values
        self.done[cells] = True


def region_index(positions: Region, trailing: Sequence[int]) -> Any:
    """An index of the cells at `positions` and the first `trailing` entries: slices where the cells are contiguous."""
    ends = tuple(slice(0, size) for size in trailing)
    tight = [tighten(part) for part in positions]
    if all(isinstance(part, range) for part in tight):
        return (*(slice(part[0], part[-1] + 1) for part in tight), *ends)
    return np.ix_(*positions, *(range(size) for size in trailing))

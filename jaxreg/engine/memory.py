"""The sink of a sweep without a store: arrays in memory, filled tile by tile."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.engine.execute import Block
from jaxreg.engine.grid import Region
from jaxreg.engine.outputs import Outputs, padding_value


class MemorySink:
    """Arrays over all cells, padded where an output is shorter than its dimension."""

    def __init__(self, lengths: Sequence[int], outputs: Outputs) -> None:
        self.arrays: Block = {
            name: np.full((*lengths, *output.shape), padding_value(output.dtype), output.dtype)
            for name, output in outputs.variables.items()
        }
        self.arrays["diverged"] = np.zeros(tuple(lengths), bool)

    def write(self, positions: Region, block: Block) -> None:
        """Keep the outputs of the cells at `positions`."""
        for name, values in block.items():
            self.arrays[name][region_index(positions, values.shape[len(positions) :])] = values


def region_index(positions: Region, trailing: Sequence[int]) -> Any:
    """An index of the cells at `positions` and the first `trailing` entries: slices where the cells are contiguous."""
    ends = tuple(slice(0, size) for size in trailing)
    if all(part == tuple(range(part[0], part[-1] + 1)) for part in positions):
        return (*(slice(part[0], part[-1] + 1) for part in positions), *ends)
    return np.ix_(*positions, *(range(size) for size in trailing))

"""The chunk that fills an accelerator's memory, found from what compiled programs need."""

import math
import warnings
from collections.abc import Callable, Sequence

from jaxreg.engine.axes import Axis
from jaxreg.engine.grid import Box, choose_box
from jaxreg.engine.provenance import read_setting
from jaxreg.engine.tracing import Program

EMULATED = (
    "64-bit floats are emulated on a TPU, and slow; devices=jax.devices('cpu') computes them on the CPU,"
    " x64=False in single precision"
)
"""What is said of double precision on a chip that has none."""

WELL_FILLED = 0.8
_MARGIN = 0.97  # padding and layouts grow in steps, not quite in proportion
_ATTEMPTS = 4


def fit_box(
    axes: Sequence[Axis],
    programs: Sequence[Program],
    box: Box,
    footprint: Callable[[Program, Box], float],
    budget: int,
    devices: int = 1,
) -> Box:
    """Let the chunk grow or shrink until the largest program, as compiled, fills the memory well.

    Memory grows nearly in proportion to the runs of a chunk, so that the estimate from the program's text, which knows
    nothing of fusion and is up to six times too large, is put right by compiling once or twice more.

    Args:
        axes: of the sweep.
        programs: of the sweep.
        box: where to start from.
        footprint: bytes that a call needs on each device; infinite where the compiler itself refuses it as too large.
        budget: bytes that it may need.
        devices: that share a chunk.
    """
    if not programs:
        return box
    largest = max(programs, key=lambda program: program.cost.peak_bytes)
    cells = math.prod(len(axis.labels) for axis in axes)
    fitting: Box | None = None
    for _ in range(_ATTEMPTS):
        used = footprint(largest, box)
        if used <= budget:
            fitting = box if fitting is None or box.members > fitting.members else fitting
        if used == 0 or (WELL_FILLED * budget <= used <= budget):
            break
        wanted = box.members / 4 if math.isinf(used) else _MARGIN * box.members * budget / used
        changed = choose_box(axes, min(max(1, int(wanted)), cells), devices)
        if changed == box or (fitting is not None and changed.members <= fitting.members):
            break
        box = changed
    return fitting or box


def warn_of_emulation(platform: str) -> None:
    """Say once that double precision will be slow where the platform has none."""
    if platform == "tpu" and read_setting("jax_enable_x64"):
        warnings.warn(EMULATED, stacklevel=4)

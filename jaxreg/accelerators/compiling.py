"""The programs of a sweep, compiled for a chip that is not there, each in a process of its own."""

import dataclasses
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.export
from jax.sharding import Mesh

from jaxreg.accelerators.processes import compile_exported, compile_files
from jaxreg.accelerators.report import CompiledProgram
from jaxreg.accelerators.targets import Target, find_target
from jaxreg.checks import Domain, check_integer
from jaxreg.engine.axes import Axis
from jaxreg.engine.chunks import read_chunk_size
from jaxreg.engine.devices import OWN_MEMORY_SHARE
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.fitting import fit_box
from jaxreg.engine.grid import Box, Tile, choose_box
from jaxreg.engine.program import chunk_values, replicate, run_chunk
from jaxreg.engine.provenance import read_setting
from jaxreg.engine.reading import read_axes
from jaxreg.engine.shared import read_args
from jaxreg.engine.tracing import Program, build_programs

_SECONDS = Domain(0, math.inf, "(]")


@dataclasses.dataclass(frozen=True)
class Compilation:
    """The programs of a sweep as compiled for a chip; its text is readable.

    Attributes:
        target: name of the chip.
        chunk: runs along each axis in one program call.
        programs: one report per combination of static values.

    >>> compiled = Compilation("v5e", {"seed": 64}, (CompiledProgram("width 8", "timed out"),))
    >>> compiled.fits, str(compiled).splitlines()
    (False, ['v5e: chunks of 64 seed', 'width 8: timed out: '])
    """

    target: str
    chunk: dict[str, int]
    programs: tuple[CompiledProgram, ...]

    @property
    def fits(self) -> bool:
        """Whether all programs compiled and fit the chip's memory."""
        return all(program.fits for program in self.programs)

    def __str__(self) -> str:
        """A line for the chunk and one for each program."""
        chunk = " x ".join(f"{length:,} {name}" for name, length in self.chunk.items())
        return "\n".join([f"{self.target}: chunks of {chunk}", *map(str, self.programs)])


def compile_for(
    target: str,
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    args: Sequence[Any] = (),
    *,
    chunk_size: int | str = "auto",
    x64: bool = False,
    processes: int = 1,
    timeout: float = 900.0,
) -> Compilation:
    """Compile what `sweep(run, axes, args=args)` would run on a chip, without having that chip.

    It is the real compiler: libtpu's for a TPU, XLA's for a GPU. The program is traced here, exported, and compiled in
    a process of its own; so `run` may be any function, of a notebook too. Nothing is computed.

    Args:
        target: "v5e" (Colab's TPU), "v6e", "h100" or "a100".
        run: as in `sweep`.
        axes: as in `sweep`.
        args: as in `sweep`; the arrays' values do not matter.
        chunk_size: runs per program call, or "auto": as many as the compiled program shows to fit the chip's memory.
        x64: compile in 64-bit precision.
        processes: how many programs to compile at once.
        timeout: seconds that one program may take.

    Returns:
        What each program came to: whether it compiled and fits, its memory, its kernels.

    Raises:
        AcceleratorError: there is no such target, or what compiles for it is not installed.
        ArgumentError: no positive number of processes or seconds.
        SweepError: as `sweep`.

    Example, where `jaxreg[aot-tpu]` is installed::

        print(jr.accelerators.compile_for("v5e", run, {"seed": jr.seeds(100_000)}))
    """
    chunk_size = read_chunk_size(chunk_size)
    check_integer("processes", processes, 1, math.inf, "Give a number of processes")
    _SECONDS.check("timeout", timeout, "Give a number of seconds")
    chip = find_target(target)
    with jax.enable_x64(x64 or bool(read_setting("jax_enable_x64"))):
        read = read_axes(run, axes, args)
        mesh = make_mesh(jax.local_devices()[:1])
        shared = replicate(read_args(args), mesh)
        programs = build_programs(run, read, shared)
        box, compiled = compile_programs(chip, programs, shared, read, chunk_size, processes, timeout)
    chunk = {axis.name: length for axis, length in zip(read, box.lengths, strict=True)}
    return Compilation(target, chunk, tuple(compiled))


def compile_programs(
    target: Target,
    programs: Sequence[Program],
    args: tuple[Any, ...],
    axes: Sequence[Axis],
    chunk_size: int | str,
    processes: int = 1,
    timeout: float = 900.0,
) -> tuple[Box, list[CompiledProgram]]:
    """Every program compiled for one chunk shape, which fills the chip's memory if `chunk_size` is "auto"."""
    cells = math.prod(len(axis.labels) for axis in axes)
    mesh = make_mesh(jax.local_devices()[:1])
    done: dict[tuple[int, Box], CompiledProgram] = {}

    def compile_one(program: Program, box: Box) -> CompiledProgram:
        if (id(program), box) not in done:
            exported = export_chunk(program, args, box, mesh, target.platform)
            done[id(program), box] = compile_exported(target, program.label, exported, timeout)
        return done[id(program), box]

    if isinstance(chunk_size, int):
        box = choose_box(axes, min(chunk_size, cells), 1)
    else:
        budget = int(OWN_MEMORY_SHARE * (target.memory - sum(leaf.nbytes for leaf in jax.tree.leaves(args))))
        members = max(1, budget // max(1, *(program.cost.peak_bytes for program in programs)))
        box = choose_box(axes, min(members, cells), 1)
        box = fit_box(axes, programs, box, lambda program, box: _footprint(compile_one(program, box)), budget)
    missing = [program for program in programs if (id(program), box) not in done]
    with tempfile.TemporaryDirectory() as folder:
        files = [(program.label, Path(folder, str(number))) for number, program in enumerate(missing)]
        for program, (_, file) in zip(missing, files, strict=True):
            file.write_bytes(export_chunk(program, args, box, mesh, target.platform))
        results = compile_files(target, files, timeout, processes)
    done |= {(id(program), box): result for program, result in zip(missing, results, strict=True)}
    return box, [done[id(program), box] for program in programs]


def export_chunk(program: Program, args: Any, box: Box, mesh: Mesh, platform: str) -> bytes:
    """The program of a chunk, lowered for a platform and serialized; nothing of it refers to this process."""
    first = tuple((int(group.positions[0]),) for group in program.groups)
    values = chunk_values(program, Tile(0, first), box, mesh)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (args, values))
    bound = {"member": program.member, "split": box.split, "mesh": mesh}
    batching = "flat" if program.cost.is_product_bound else "nested"
    return export(run_chunk, platform, *shapes, batching=batching, **bound)


def export(function: Any, platform: str, *args: Any, **keywords: Any) -> bytes:
    """A jitted function lowered for a platform and serialized, custom calls included: it is compiled at once."""
    leaves, structure = jax.tree.flatten(args)  # the classes of a user's pytrees cannot be serialized, nor need they

    @jax.jit
    def flat(*leaves: Any) -> Any:
        return function(*jax.tree.unflatten(structure, leaves), **keywords)

    allowed: list[jax.export.DisabledSafetyCheck] = []
    while True:
        try:
            make = jax.export.export(flat, platforms=(platform,), disabled_checks=allowed)
            return bytes(make(*leaves).serialize())
        except ValueError as error:
            # JAX guarantees some custom calls for months to come; others need only live until they are compiled.
            names = set(re.findall(r"[\w$.]+", str(error).partition("custom call")[2]))
            found = [jax.export.DisabledSafetyCheck.custom_call(name) for name in sorted(names)]
            fresh = [check for check in found if check not in allowed]
            if "custom call" not in str(error) or not fresh:
                raise
            allowed += fresh


def _footprint(program: CompiledProgram) -> float:
    """Bytes beside the arguments that a call needs; infinite where the compiler says that they are too many."""
    if program.outcome == "too large" and program.total_bytes == 0:
        return math.inf
    return program.temporary_bytes + program.output_bytes

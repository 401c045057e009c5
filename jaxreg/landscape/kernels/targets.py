"""What differs between a TPU and a GPU: how runs are laid out, and how a kernel reads tables and writes records."""

import dataclasses
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu
from jax.sharding import AbstractDevice, AbstractMesh

from jaxreg.landscape.kernels.arrays import NotInKernelError, gather_objects
from jaxreg.landscape.kernels.numbers import Memory, Table

_LANES = 128
_SUBLANES = 8
_SOME_GPU = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
_RECORD_BYTES = 2**24  # of a tile of runs, which a TPU holds in its vector memory


@dataclass(frozen=True)
class Mosaic:
    """A TPU: a tile is one or more registers of 8 x 128 runs, tables and records are in vector memory."""

    rows: int

    @property
    def tile(self) -> tuple[int, ...]:
        """Shape of a tile of runs."""
        return self.rows, _LANES

    def begin(self) -> "Mosaic":
        """The target as it is inside of a kernel."""
        return self

    def near(self) -> AbstractContextManager[Any]:
        """Where its kernels are called."""
        return nullcontext()

    def pack(self, array: jax.Array, is_batched: bool, is_record: bool) -> list[jax.Array]:
        """An operand as the kernel takes it, from (runs, ...) padded to whole tiles if it is batched, else (...)."""
        if is_batched:
            return [array.reshape(len(array), -1).T.reshape(-1, len(array) // _LANES, _LANES)]
        packed = [array.reshape(-1)]
        if array.ndim == 1 and not is_record:
            chunks = jnp.pad(array, (0, -len(array) % _LANES)).reshape(-1, 1, _LANES)
            packed.append(jnp.broadcast_to(chunks, (len(chunks), self.rows, _LANES)))
        return packed

    def operand_specs(self, packed: list[jax.Array], is_batched: bool) -> list[Any]:
        """Where the kernel finds what `pack` returned."""
        if is_batched:
            return [self.record_spec(len(packed[0]))]
        whole = [pl.BlockSpec(table.shape, lambda i: (0, 0, 0)) for table in packed[1:]]
        return [pl.BlockSpec(memory_space=pltpu.SMEM), *whole]

    def record_spec(self, entries: int) -> Any:
        """Where the kernel writes arrays of so many entries, one of each run."""
        if entries * self.rows * _LANES * 4 > _RECORD_BYTES:
            raise NotInKernelError(f"records {entries} numbers of each run")
        return pl.BlockSpec((entries, self.rows, _LANES), lambda i: (0, i, 0))

    def record_shape(self, entries: int, runs: int) -> tuple[int, ...]:
        """Shape of such arrays, of all runs."""
        return entries, runs // _LANES, _LANES

    def read(self, references: list[Any], shape: tuple[int, ...], is_batched: bool) -> Any:
        """The numbers of an operand."""
        numbers = gather_objects([references[0][k] for k in range(math.prod(shape))], shape)
        return numbers if is_batched or len(shape) != 1 else Table(numbers, references[1])

    def look_up(self, table: Any, index: Any) -> Any:
        """Entries of a table, by a gather along the lanes for every 128 of them."""
        lane = index & (_LANES - 1)
        found = jnp.take_along_axis(table[0], lane, axis=1, mode="promise_in_bounds")
        for chunk in range(1, len(table)):
            there = jnp.take_along_axis(table[chunk], lane, axis=1, mode="promise_in_bounds")
            found = jnp.where(index >= chunk * _LANES, there, found)
        return found

    def entry(self, reference: Any, entry: Any) -> Any:
        """One entry of an array that all runs share."""
        return reference[entry]

    def record(self, reference: Any, entry: Any, value: Any) -> None:
        """Set one entry of every run's array."""
        reference[entry] = value

    def write(self, memory: Memory, index: Any, value: Any, adds: bool) -> None:
        """Set, or add to, one entry: at the runs' own positions by going through all of them."""
        reference = memory.reference
        if np.shape(index) == ():
            reference[index] = reference[index] + value if adds else value
            return

        def visit(entry: Any, _: Any) -> None:
            held = reference[entry]
            reference[entry] = jnp.where(index == entry, held + value if adds else value, held)

        jax.lax.fori_loop(0, memory.shape[0], visit, None)

    compiler_params: ClassVar[Any] = pltpu.CompilerParams(dimension_semantics=("parallel",), vmem_limit_bytes=2**26)


@dataclass(frozen=True)
class Triton:
    """A GPU: a tile is one run per thread; tables and records are in global memory, behind the caches."""

    lanes: int = _LANES
    first: Any = None

    @property
    def tile(self) -> tuple[int, ...]:
        """Shape of a tile of runs."""
        return (self.lanes,)

    def pack(self, array: jax.Array, is_batched: bool, is_record: bool) -> list[jax.Array]:
        """An operand as the kernel takes it, from (runs, ...) padded to whole tiles if it is batched, else (...)."""
        return [array.reshape(len(array), -1).T if is_batched else array.reshape(-1)]

    def operand_specs(self, packed: list[jax.Array], is_batched: bool) -> list[Any]:
        """Where the kernel finds what `pack` returned."""
        return [pl.BlockSpec() for _ in packed]

    def record_spec(self, entries: int) -> Any:
        """Where the kernel writes arrays of so many entries, one of each run."""
        return pl.BlockSpec()

    def record_shape(self, entries: int, runs: int) -> tuple[int, ...]:
        """Shape of such arrays, of all runs."""
        return entries, runs

    def read(self, references: list[Any], shape: tuple[int, ...], is_batched: bool) -> Any:
        """The numbers of an operand."""
        (reference,) = references
        if is_batched:
            entries = [plgpu.load(reference.at[jnp.int32(k), self._runs]) for k in range(math.prod(shape))]
            return gather_objects(entries, shape)
        numbers = gather_objects([plgpu.load(reference.at[jnp.int32(k)]) for k in range(math.prod(shape))], shape)
        return Table(numbers, reference) if len(shape) == 1 else numbers

    def begin(self) -> "Triton":
        """The target as it is inside of a kernel, which knows the first of its runs."""
        return dataclasses.replace(self, first=pl.program_id(0) * self.lanes)

    def near(self) -> AbstractContextManager[Any]:
        """Where its kernels are called: since JAX 0.12 Pallas must be told of some GPU where there is none.

        Which one is of no matter: what depends on it is decided when the kernel is compiled.
        """
        if jax.default_backend() == "gpu":
            return nullcontext()
        return jax.sharding.use_abstract_mesh(AbstractMesh((), (), abstract_device=_SOME_GPU))

    @property
    def _runs(self) -> Any:
        return pl.ds(self.first, self.lanes)

    def look_up(self, table: Any, index: Any) -> Any:
        """Entries of a table, each thread its own."""
        return plgpu.load(table.at[index])

    def entry(self, reference: Any, entry: Any) -> Any:
        """One entry of an array that all runs share."""
        return plgpu.load(reference.at[entry])

    def record(self, reference: Any, entry: Any, value: Any) -> None:
        """Set one entry of every run's array."""
        plgpu.store(reference.at[jnp.int32(entry), self._runs], value)

    def write(self, memory: Memory, index: Any, value: Any, adds: bool) -> None:
        """Set, or add to, one entry, each thread its own."""
        if np.shape(index) == ():
            place = memory.reference.at[index, self._runs]
        else:
            place = memory.reference.at[index, self.first + jax.lax.iota(jnp.int32, self.lanes)]
        plgpu.store(place, plgpu.load(place) + value if adds else value)

    compiler_params: ClassVar[Any] = plgpu.CompilerParams(num_warps=_LANES // 32, num_stages=1)


def choose_target(platform: str, words: int) -> Mosaic | Triton:
    """The target on a platform of JAX; several registers at once hide a TPU's latency where a step draws few words."""
    return Mosaic(_SUBLANES if words > 2 else 4 * _SUBLANES) if platform == "tpu" else Triton()

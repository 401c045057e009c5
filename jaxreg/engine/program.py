"""Programs: one compiled function per combination of static values, which runs a whole box of cells at once."""

import dataclasses
import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.engine.axes import Axis, Group, derive_key
from jaxreg.engine.cost import Cost, measure_cost
from jaxreg.engine.describing import describe, without_addresses
from jaxreg.engine.devices import cache_size
from jaxreg.engine.grid import Box, Tile
from jaxreg.engine.reading import to_working_dtype
from jaxreg.errors import SweepError

MEMBERS = "members"
LARGE_SHARE = 1 / 8  # of the cache: a run that keeps more alive gains nothing from being batched on a CPU
Batching = Literal["nested", "flat", "alone"]
Statics = tuple[tuple[str, Hashable], ...]
Values = tuple[tuple[Any, dict[str, Any]], ...]  # per axis: positions within the chunk, and the traced keywords


@dataclasses.dataclass(frozen=True)
class Program:
    """A run function with its static keywords bound: label, groups of axis positions, its jaxpr, outputs and cost."""

    label: str
    run: Callable[..., Any]
    static: Statics
    keys: tuple[str, ...]
    groups: tuple[Group, ...]
    jaxpr: ClosedJaxpr
    shapes: dict[str, jax.ShapeDtypeStruct]
    cost: Cost

    @property
    def signature(self) -> str:
        """The label with the traced keywords: programs of one signature have one fingerprint, or their code differs."""
        traced = [f"{k}: {v.dtype}{list(v.shape[1:])}" for group in self.groups for k, v in group.traced.items()]
        return f"{self.label} ({', '.join(traced)})"

    def fingerprint(self) -> str:
        """A hash of everything the program computes: its jaxpr, free of addresses, and the constants in it."""
        digest = hashlib.blake2b(without_addresses(str(self.jaxpr)).encode(), digest_size=16)
        for constant in _constants(self.jaxpr):
            is_key = isinstance(constant, jax.Array) and jnp.issubdtype(constant.dtype, jax.dtypes.prng_key)
            array = np.asarray(jax.random.key_data(constant) if is_key else constant)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


@functools.partial(jax.jit, static_argnames=("run", "static", "keys"))
def run_member(
    args: Any, traced: dict[str, Any], *, run: Callable[..., Any], static: Statics, keys: tuple[str, ...]
) -> dict[str, jax.Array]:
    """One run at one point: its outputs as arrays, and whether any of them is not finite."""
    point = {name: derive_key(value, name) if name in keys else value for name, value in traced.items()}
    outputs = _as_arrays(run(*args, **point, **dict(static)))
    floats = [value for value in outputs.values() if jnp.issubdtype(value.dtype, jnp.inexact)]
    finite = jnp.array([jnp.isfinite(value).all() for value in floats]).all() if floats else jnp.array(True)
    return {**outputs, "diverged": ~finite}


@functools.partial(jax.jit, static_argnames=("run", "static", "keys", "batching", "split", "mesh"))
def run_chunk(
    args: Any,
    values: Values,
    *,
    run: Callable[..., Any],
    static: Statics,
    keys: tuple[str, ...],
    batching: Batching,
    split: int | None,
    mesh: Mesh,
) -> dict[str, jax.Array]:
    """A box of runs, with the `split` axis spread over the devices of `mesh`; outputs lead with all axes.

    "nested" batches axis by axis, so that what depends on the seed alone (random draws above all) is computed once for
    all values of the other axes. Matrix products are faster as one "flat" batch, and on a CPU, where a run's weights
    fill the cache, faster still "alone": each device takes its runs one after the other.
    """

    def member(args: Any, point: Values) -> dict[str, jax.Array]:
        traced = {name: value for _, keywords in point for name, value in keywords.items()}
        return run_member(args, traced, run=run, static=static, keys=keys)

    def local(args: Any, values: Values) -> dict[str, jax.Array]:
        one = functools.partial(member, args)
        return _map_nested(one, values) if batching == "nested" else _map_flat(one, values, batching == "alone")

    spec = [PartitionSpec(MEMBERS) if axis == split else PartitionSpec() for axis in range(len(values))]
    out = PartitionSpec() if split is None else PartitionSpec(*[None] * split, MEMBERS)
    spread = jax.shard_map(local, mesh=mesh, in_specs=(PartitionSpec(), tuple(spec)), out_specs=out, check_vma=False)
    return spread(args, values)


def _map_nested(member: Callable[[Values], Any], values: Values) -> Any:
    for axis in reversed(range(len(values))):
        member = jax.vmap(member, in_axes=(tuple(0 if k == axis else None for k in range(len(values))),))
    return member(values)


def _map_flat(member: Callable[[Values], Any], values: Values, one_by_one: bool) -> Any:
    lengths = tuple(len(positions) for positions, _ in values)
    index = jnp.unravel_index(jnp.arange(int(np.prod(lengths))), lengths)
    points = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], value) for value, i in zip(values, index, strict=True))
    results = jax.lax.map(member, points) if one_by_one else jax.vmap(member)(points)
    return jax.tree.map(lambda leaf: leaf.reshape(*lengths, *leaf.shape[1:]), results)


def choose_batching(cost: Cost, device: jax.Device) -> Batching:
    """How the runs of a call are batched: see `run_chunk`."""
    if not cost.is_product_bound:
        return "nested"
    cache = cache_size(device)
    return "alone" if cache is not None and cost.hot_bytes > LARGE_SHARE * cache else "flat"


def build_programs(run: Callable[..., Any], axes: Sequence[Axis], args: tuple[Any, ...]) -> list[Program]:
    """Trace `run` once per combination of static values; nothing is compiled."""
    keys = tuple(axis.name for axis in axes if axis.kind == "seeds")
    programs = []
    for groups in itertools.product(*(axis.groups for axis in axes)):
        static = tuple(item for group in groups for item in group.static)
        traced = {
            name: jax.ShapeDtypeStruct(value.shape[1:], value.dtype)
            for group in groups
            for name, value in group.traced.items()
        }
        label = ", ".join(f"{name}={describe(value)}" for name, value in static) or "the run"
        jaxpr, shapes = _trace(args, traced, run=run, static=static, keys=keys)
        shared = len(jax.tree.leaves(args))
        seeded = [shared + i for i, name in enumerate(sorted(traced)) if name in keys]
        cost = measure_cost(jaxpr, range(shared), seeded)
        programs.append(Program(label, run, static, keys, groups, jaxpr, shapes, cost))
    return programs


def place_programs(programs: Sequence[Program], axes: Sequence[Axis]) -> list[Program]:
    """The same programs with the groups of `axes`, whose positions are those of a store."""
    combinations = itertools.product(*(axis.groups for axis in axes))
    return [dataclasses.replace(p, groups=groups) for p, groups in zip(programs, combinations, strict=True)]


def compile_chunk(program: Program, args: Any, box: Box, mesh: Mesh) -> jax.stages.Compiled:
    """The executable of `program` for chunks of the shape `box`; JAX keeps it for the next sweep."""
    first = tuple((int(group.positions[0]),) for group in program.groups)
    return run_chunk.lower(
        args,
        chunk_values(program, Tile(0, first), box, mesh),
        run=program.run,
        static=program.static,
        keys=program.keys,
        batching=choose_batching(program.cost, mesh.devices.flat[0]),
        split=box.split,
        mesh=mesh,
    ).compile()


def chunk_values(program: Program, tile: Tile, box: Box, mesh: Mesh) -> Values:
    """The traced values of a tile, padded to the shape of `box` by repeating the last cell."""
    result = []
    for group, positions, length in zip(program.groups, tile.positions, box.padded(mesh.size), strict=True):
        rows = np.searchsorted(group.positions, positions)
        rows = np.pad(rows, (0, length - len(rows)), mode="edge")
        traced = {name: value[rows] for name, value in group.traced.items()}
        result.append((np.arange(length, dtype=np.int32), traced))
    return tuple(result)


def replicate(args: Sequence[Any], mesh: Mesh) -> tuple[Any, ...]:
    """Put the shared data on every device once; refuse leaves that are not arrays."""
    for leaf in jax.tree.leaves(tuple(args)):
        if not isinstance(leaf, bool | int | float | np.ndarray | np.generic | jax.Array) or (
            not isinstance(leaf, jax.Array) and np.asarray(leaf).dtype.kind not in "biuf"
        ):
            raise SweepError("args", leaf, "must hold arrays and numbers only", "Bind other values with static axes")
        if not isinstance(leaf, jax.Array) and np.asarray(leaf).dtype.kind in "iu":
            to_working_dtype("args", np.asarray(leaf))
    return jax.device_put(tuple(args), NamedSharding(mesh, PartitionSpec()))


def _trace(args: Any, traced: Mapping[str, Any], **bound: Any) -> tuple[ClosedJaxpr, dict[str, jax.ShapeDtypeStruct]]:
    try:
        tracing = run_member.trace(args, dict(traced), **bound)
    except (TypeError, jax.errors.NonConcreteBooleanIndexError) as error:  # ConcretizationTypeError is a TypeError
        if "depends on the value of the argument" not in str(error) and "oncrete" not in str(error):
            raise
        names = sorted(set(re.findall(r"traced\['(\w+)'\]|(args\[\d+\])", str(error))))
        culprits = [swept or shared for swept, shared in names] or ["an argument"]
        raise SweepError(
            "run",
            ", ".join(culprits),
            "is traced, and must not decide Python control flow or a shape",
            f"Sweep it as jaxreg.static([...]), or use jnp.where ({str(error).splitlines()[0]})",
        ) from error
    shapes = {name: jax.ShapeDtypeStruct(s.shape, s.dtype) for name, s in tracing.out_info.items()}
    return tracing.jaxpr, {name: shape for name, shape in shapes.items() if name != "diverged"}


def _constants(program: ClosedJaxpr) -> Iterator[Any]:
    """The arrays that a program closes over, at any depth: its printed form does not show them."""
    yield from program.consts
    for equation in program.jaxpr.eqns:
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: isinstance(v, ClosedJaxpr)):
            if isinstance(value, ClosedJaxpr):
                yield from _constants(value)
            elif isinstance(value, Jaxpr):
                yield from _constants(ClosedJaxpr(value, ()))


def _as_arrays(returned: Any) -> dict[str, jax.Array]:
    if isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if not isinstance(returned, Mapping) or not returned:
        raise SweepError(
            "run", returned, "must return a dict or NamedTuple of arrays, at least one", "Name its outputs"
        )
    outputs = {}
    for name, value in returned.items():
        is_number = isinstance(value, bool | int | float | np.ndarray | np.generic | jax.Array)
        array = jnp.asarray(value) if is_number else None
        if not isinstance(name, str) or array is None or not _is_plain(array.dtype):
            raise SweepError(
                f"output {name!r}", value, "must be an array of numbers", "Return numbers, or leave it out"
            )
        outputs[name] = array.astype(jnp.float32) if array.dtype == jnp.bfloat16 else array
    if "diverged" in outputs:
        raise SweepError("run", "diverged", "is an output that the engine adds", "Rename this output")
    return outputs


def _is_plain(dtype: Any) -> bool:
    """Whether a dtype is boolean, integer or real: neither a PRNG key nor complex."""
    return any(jnp.issubdtype(dtype, kind) for kind in (jnp.bool_, jnp.integer, jnp.floating))

"""Programs: one compiled function per combination of static values, which runs a whole box of cells at once."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.engine.cost import Cost
from jaxreg.engine.devices import cache_size
from jaxreg.engine.grid import Box, Tile
from jaxreg.engine.in_turn import take_lapack_in_turn
from jaxreg.engine.member import Member
from jaxreg.engine.tracing import Program

MEMBERS = "members"
LARGE_SHARE = 1 / 8  # of the cache: a run that keeps more alive gains nothing from being batched on a CPU
Batching = Literal["nested", "flat", "alone"]
Values = tuple[tuple[Any, dict[str, Any]], ...]  # per axis: positions within the chunk, and the traced keywords


@functools.partial(jax.jit, static_argnames=("member", "batching", "split", "mesh", "in_turn"))
def run_chunk(
    args: Any,
    values: Values,
    *,
    member: Member,
    batching: Batching,
    split: int | None,
    mesh: Mesh,
    in_turn: bool = False,
) -> dict[str, jax.Array]:
    """A box of runs, with the `split` axis spread over the devices of `mesh`; outputs lead with all axes.

    "nested" batches axis by axis, so that what depends on the seed alone (random draws above all) is computed once for
    all values of the other axes. Matrix products are faster as one "flat" batch, and on a CPU, where a run's weights
    fill the cache, faster still "alone": each device takes its runs one after the other. With `in_turn` large batches
    of matrix factorizations are taken piece after piece.
    """

    def local(args: Any, values: Values) -> dict[str, jax.Array]:
        def one(point: Values) -> dict[str, jax.Array]:
            return member(args, {name: value for _, keywords in point for name, value in keywords.items()})

        return _map_nested(one, values) if batching == "nested" else _map_flat(one, values, batching == "alone")

    spec = [PartitionSpec(MEMBERS) if axis == split else PartitionSpec() for axis in range(len(values))]
    out = PartitionSpec() if split is None else PartitionSpec(*[None] * split, MEMBERS)
    rewritten = take_lapack_in_turn(local) if in_turn else local
    spread = jax.shard_map(
        rewritten, mesh=mesh, in_specs=(PartitionSpec(), tuple(spec)), out_specs=out, check_vma=False
    )
    return spread(args, values)


def _map_nested(member: Any, values: Values) -> Any:
    for axis in reversed(range(len(values))):
        member = jax.vmap(member, in_axes=(tuple(0 if k == axis else None for k in range(len(values))),))
    return member(values)


def _map_flat(member: Any, values: Values, one_by_one: bool) -> Any:
    lengths = tuple(len(positions) for positions, _ in values)
    index = jnp.unravel_index(jnp.arange(int(np.prod(lengths))), lengths)
    points = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], value) for value, i in zip(values, index, strict=True))
    results = jax.lax.map(member, points) if one_by_one else jax.vmap(member)(points)
    return jax.tree.map(lambda leaf: leaf.reshape(*lengths, *leaf.shape[1:]), results)


def choose_batching(cost: Cost, cache: int | None) -> Batching:
    """How the runs of a call are batched on devices of so much cache: see `run_chunk`."""
    if not cost.is_product_bound:
        return "nested"
    return "alone" if cache is not None and cost.hot_bytes > LARGE_SHARE * cache else "flat"


def compile_chunk(program: Program, args: Any, box: Box, mesh: Mesh) -> jax.stages.Compiled:
    """The executable of `program` for chunks of the shape `box`; JAX keeps it for the next sweep."""
    first = tuple((int(group.positions[0]),) for group in program.groups)
    with program.member.compiling():
        lowered = run_chunk.lower(
            args,
            chunk_values(program, Tile(0, first), box, mesh),
            member=program.member,
            batching=choose_batching(program.cost, cache_size(mesh.devices.flat[0])),
            split=box.split,
            mesh=mesh,
            in_turn=program.member.uses_lapack and mesh.size > 1 and mesh.devices.flat[0].platform == "cpu",
        )
    return lowered.compile()


def chunk_values(program: Program, tile: Tile, box: Box, mesh: Mesh) -> Values:
    """The traced values of a tile, padded to the shape of `box` by repeating the last cell."""
    result = []
    for group, positions, length in zip(program.groups, tile.positions, box.padded(mesh.size), strict=True):
        chosen = np.asarray(positions, group.positions.dtype)
        rows = np.searchsorted(group.positions, chosen)
        rows = np.pad(rows, (0, length - len(rows)), mode="edge")
        traced = {name: value[rows] for name, value in group.traced.items()}
        result.append((np.arange(length, dtype=np.int32), traced))
    return tuple(result)


def replicate(args: Sequence[Any], mesh: Mesh) -> tuple[Any, ...]:
    """Put the shared data on every device once."""
    return jax.device_put(tuple(args), NamedSharding(mesh, PartitionSpec()))

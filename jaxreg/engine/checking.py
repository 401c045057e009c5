"""Whether a run is the same alone as among others: in any chunk, order, on any devices, by workers, in a grown store.

Compilers promise no bits across shapes, so that "the same" means up to rounding, and the largest difference is told.
How far rounding goes in a run is told too, where it is asked for; and in chunks of one shape the bits do tell whether
a run knows of its neighbours, however chaotic it is.
"""

import dataclasses
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from jaxreg.engine.axes import Axis, Cases, Seeds, Static, Zipped
from jaxreg.engine.bench import Bench
from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.chunks import initial_box
from jaxreg.engine.entry import sweep
from jaxreg.engine.execute import Block, Tally, Work
from jaxreg.engine.grid import Tile
from jaxreg.engine.layout import find_positions
from jaxreg.engine.lazy import open_result
from jaxreg.engine.locating import StoreLike, find_place
from jaxreg.engine.places import as_store_error
from jaxreg.engine.reading import read_axes
from jaxreg.engine.rehearsal import Call
from jaxreg.engine.reporting import Report
from jaxreg.engine.rounding import round_otherwise
from jaxreg.engine.settings import settled
from jaxreg.engine.shared import read_args
from jaxreg.engine.tracing import build_programs
from jaxreg.errors import StoreError, SweepError

COPIES = "beside copies of itself"
_SEEDS, _OTHERS = 3, 2  # values of an axis that are compared
_DRAWS = 3  # ways to round that are tried
_ROUNDING = {"f4": 1e-5, "f8": 1e-12}  # of numbers of order one; found: 2e-13, by least squares on 30 monomials


class Difference(NamedTuple):
    """How far runs were from themselves alone: in which way they were computed, and in which output most."""

    way: str
    output: str
    size: float
    runs: int


def check_call(call: Call, is_brief: bool = False) -> list[Difference]:
    """Compute some runs of a sweep alone, and among others in every way; the largest difference of each way.

    A difference is that of one output of one run, over the largest absolute value in it; infinite where one is finite
    and the other is not. Of values that are compiled in, the first ones of all axes are taken together, and the last.
    The way `COPIES` is another: a run among others against the same among copies of itself, in one program, to the bit.
    If it `is_brief`, these are that and the first of the others, so that two programs are compiled in place of three.
    """
    ways = _first_way if is_brief else _ways
    return _find(call, lambda few, lengths: [*_compare(call, few, lengths, ways), _beside_copies(call, few)])


def measure_rounding(call: Call) -> float:
    """The largest difference of the same runs, alone, to what they are when their sums are rounded otherwise."""
    return max(one.size for one in _find(call, lambda few, lengths: _compare(call, few, lengths, _round)))


def _find(
    call: Call, compare: Callable[[Mapping[str, Any], Mapping[str, int]], Sequence[Difference]]
) -> list[Difference]:
    """The largest differences that `compare` finds, given some values of each axis and how many these are."""
    with settled(call.x64):
        read = read_axes(call.run, call.axes, read_args(call.args))
    compiled = {axis.name for axis in read if len(axis.groups) > 1}
    chosen = {axis.name: _choose(axis) for axis in read}
    found: dict[str, Difference] = {}
    for end in (0, -1)[: max((len(chosen[name]) for name in compiled), default=1)]:
        at = chosen | {name: [chosen[name][end]] for name in compiled}
        few = {name: pick(value, at[name]) for name, value in call.axes.items()}
        for one in compare(few, {name: len(positions) for name, positions in at.items()}):
            before = found.get(one.way, one._replace(size=-1.0, runs=0))
            found[one.way] = max(before, one, key=lambda d: d.size)._replace(runs=before.runs + one.runs)
    return list(found.values())


def _compare(
    call: Call, few: Mapping[str, Any], lengths: Mapping[str, int], ways: Callable[..., Any]
) -> list[Difference]:
    """The largest differences of runs at the corners of a few axes, alone, from what the `ways` yield."""
    corners = [dict.fromkeys(lengths, 0), {name: n - 1 for name, n in lengths.items()}]
    one_device = jax.local_devices()[:1]
    alone = [
        _sweep(call, {name: pick(value, [at[name]]) for name, value in few.items()}, chunk_size=1, devices=one_device)
        for at in corners[: min(2, math.prod(lengths.values()))]
    ]
    found = []
    for way, result in ways(call, few, lengths):
        sizes = [
            (_distance(one[name].values[(0,) * len(at)], result[name].isel(at).values), str(name))
            for one, at in zip(alone, corners, strict=False)
            for name in one.data_vars
            if set(at) <= set(one[name].dims)
        ]
        size, output = max(sizes)
        found.append(Difference(way, output, size, len(alone)))
    return found


def _beside_copies(call: Call, few: Mapping[str, Any]) -> Difference:
    """The first run among others, and among copies of itself in the same program and place; nothing may differ.

    Where the same call, repeated, gives other bits, as some accelerators do, this cannot be told, and counts as none.
    """
    blocks: list[Block] = []
    failures: dict[str, Exception] = {}
    with settled(call.x64):
        shared = read_args(call.args)
        axes = read_axes(call.run, few, shared)
        (program,) = build_programs(call.run, axes, shared)
        bench = Bench(shared, jax.local_devices()[:1])
        box = initial_box(axes, [program], math.prod(len(axis.labels) for axis in axes), bench.machine)
        copied = [{name: np.repeat(v[:1], len(v), axis=0) for name, v in g.traced.items()} for g in program.groups]
        groups = tuple(dataclasses.replace(g, traced=t) for g, t in zip(program.groups, copied, strict=True))
        programs = [program, dataclasses.replace(program, groups=groups)]
        among = Tile(0, tuple(tuple(group.positions.tolist()) for group in program.groups))
        tiles = [among, dataclasses.replace(among, program=1), among]
        keep = lambda positions, block: blocks.append(block)  # noqa: E731
        with bench.start(Work(programs, keep, Tally(), Report(False), failures)) as execution:
            execution.run(tiles, box)
    for error in failures.values():
        raise error
    first, beside, again = ({n: v[(0,) * len(axes)] for n, v in block.items()} for block in blocks)
    is_told = all(np.array_equal(first[name], again[name], equal_nan=True) for name in first)
    sizes = {name: _distance(first[name], beside[name], rounding=0.0) if is_told else 0.0 for name in first}
    output = max(sizes, key=lambda name: sizes[name])
    return Difference(COPIES, output, sizes[output], 1)


def replay(
    store: StoreLike, run: Callable[..., Any], axes: Mapping[str, Any], args: Sequence[Any] = (), /, **point: Any
) -> xr.Dataset:
    """Compute one run of a store again, alone, and say how far it is from what the store holds.

    A store holds no code, and none is looked for by what it says: the run, its axes and its shared data are given as
    they were to `sweep`.

    Args:
        store: its folder, its URL or a zarr store.
        run: the run function.
        axes: of the sweep, or of a part of it that has this run.
        args: shared data.
        **point: the label of the run along every axis.

    Returns:
        Its outputs, and the attribute `difference`: the largest one, over the largest absolute value of that output.

    Raises:
        SweepError: `point` names no run of `axes`.
        StoreError: the store does not hold this run.

    >>> import tempfile, jax, jaxreg as jr
    >>> run = lambda *, seed, rate: {"x": rate * jax.random.normal(seed)}
    >>> axes = {"seed": jr.seeds(100), "rate": [0.1, 0.3]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = jr.sweep(run, axes, store=f"{folder}/s.zarr", progress=False)
    ...     again = jr.replay(f"{folder}/s.zarr", run, axes, seed=7, rate=0.3)
    >>> again.x.dims, again.attrs["difference"] < 1e-6
    ((), True)
    """
    place = find_place(store)
    with as_store_error(place):
        catalog = open_catalog(place)
    x64 = bool(catalog.manifest["settings"]["x64"])
    with settled(x64):
        read = read_axes(run, axes, read_args(args))
    if set(point) != {axis.name for axis in read}:
        raise SweepError("point", sorted(point), f"must name {[axis.name for axis in read]}", "Give one label of each")
    places = {axis.name: _look_up(axis, point[axis.name]) for axis in read}
    single = {name: pick(value, [places[name]]) for name, value in axes.items()}
    alone = _sweep(Call(run, single, tuple(args), x64), single).isel(dict.fromkeys(places, 0))
    done = xr.open_zarr(place.to_zarr(), chunks=None).done.values
    held = open_result(catalog, done, "")
    try:
        at = {axis.name: find_positions(_keep(axis, places[axis.name]), catalog.labels[axis.name])[0] for axis in read}
    except KeyError:
        at = {}
    if not at or not done[tuple(at[name] for name in catalog.axes)]:
        raise StoreError("store", str(place), f"does not hold the run {point}", "Sweep it, or name one that it holds")
    stored = held.isel(at)
    names = {name: str(name).replace("/", ".") for name in alone.data_vars}
    pairs = [(alone[name].values, stored[kept].values) for name, kept in names.items() if kept in stored]
    return alone.drop_attrs().assign_attrs(difference=max(_distance(ours, theirs) for ours, theirs in pairs))


def pick(value: Any, positions: Sequence[int]) -> Any:
    """The axis with these of its values; seeds can only be taken one after the other.

    >>> pick(Seeds(10, start=5), [2, 3]), pick([0.1, 0.2, 0.3], [2, 0])
    (Seeds(count=2, root=0, start=7), array([0.3, 0.1]))
    """
    match value:
        case Seeds():
            return Seeds(len(positions), value.root, value.start + positions[0])
        case Static():
            return Static(tuple(value.values[i] for i in positions))
        case Cases():
            return Cases(tuple(value.bundles[i] for i in positions))
        case Zipped():
            return Zipped(tuple((name, pick(column, positions)) for name, column in value.columns))
    return np.asarray(value)[np.asarray(positions)]


def _ways(call: Call, few: Mapping[str, Any], lengths: Mapping[str, int]) -> Iterator[tuple[str, xr.Dataset]]:
    """The runs of a few axes, computed in every way, with as few chunk shapes as show it: each is compiled."""
    together, one_device = math.prod(lengths.values()), jax.local_devices()[:1]
    yield "one chunk on one device", _sweep(call, few, chunk_size=together, devices=one_device)
    yield "chunks of 3", _sweep(call, few, chunk_size=3)
    turned = {name: list(range(n))[:: 1 if _has_seeds(few[name]) else -1] for name, n in lengths.items()}
    backward = {name: pick(value, turned[name]) for name, value in few.items()}
    yield "backwards", _sweep(call, backward, chunk_size=together, devices=one_device).isel(turned)
    with ThreadPoolExecutor(1) as pool:
        yield "a worker", _sweep(call, few, chunk_size=3, executor=pool)
    with tempfile.TemporaryDirectory() as folder:
        grown = next((name for name, n in lengths.items() if n > 1), next(iter(lengths)))
        less = {**few, grown: pick(few[grown], range(max(1, lengths[grown] - 1)))}
        try:
            _sweep(call, less, chunk_size=3, store=Path(folder) / "s.zarr")
            yield "extended", _sweep(call, few, chunk_size=3, store=Path(folder) / "s.zarr").load()
        except (StoreError, SweepError) as error:
            if "host" not in str(error):  # a run that calls the host is refused by stores
                raise


def _first_way(call: Call, few: Mapping[str, Any], lengths: Mapping[str, int]) -> Iterator[tuple[str, xr.Dataset]]:
    return itertools.islice(_ways(call, few, lengths), 1)


def _round(call: Call, few: Mapping[str, Any], lengths: Mapping[str, int]) -> Iterator[tuple[str, xr.Dataset]]:
    """The runs of a few axes one by one, rounded otherwise."""
    for draw in range(_DRAWS):
        other = call._replace(run=round_otherwise(call.run, draw))
        yield f"rounded as {draw}", _sweep(other, few, chunk_size=1, devices=jax.local_devices()[:1])


def _sweep(call: Call, axes: Mapping[str, Any], **options: Any) -> xr.Dataset:
    return sweep(call.run, axes, args=call.args, x64=call.x64, progress=False, **options)


def _choose(axis: Axis) -> list[int]:
    """A few positions of an axis: its first seeds, or its ends."""
    count = len(axis.labels)
    return list(range(min(count, _SEEDS))) if axis.seeded else sorted({0, count - 1})[:_OTHERS]


def _has_seeds(value: Any) -> bool:
    return isinstance(value, Seeds) or (
        isinstance(value, Zipped) and any(isinstance(column, Seeds) for _, column in value.columns)
    )


def _look_up(axis: Axis, label: Any) -> int:
    try:
        wanted = np.asarray(label, axis.labels.dtype)
    except (TypeError, ValueError, OverflowError):  # nothing that such an axis could have
        wanted = np.empty(0, axis.labels.dtype)
    places = np.flatnonzero(axis.labels == wanted) if wanted.ndim == 0 else np.empty(0, int)
    if not len(places):
        raise SweepError(axis.name, label, f"must be among {axis.labels.tolist()}", "Name a run of these axes")
    return int(places[0])


def _keep(axis: Axis, place: int) -> Axis:
    return Axis(axis.name, axis.kind, axis.labels[place : place + 1], {}, ())


def _distance(ours: Any, theirs: Any, rounding: float | None = None) -> float:
    """The largest difference of two outputs of a run, where both have entries, over the largest absolute value.

    One as small as `rounding` is none: it is that of what was subtracted in the run, as in the gap of a solution.
    """
    rounding = _ROUNDING.get(np.asarray(ours).dtype.str[1:], 0.0) if rounding is None else rounding
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    both = tuple(slice(0, min(a, b)) for a, b in zip(ours.shape, theirs.shape, strict=True))
    ours, theirs = ours[both], theirs[both]
    finite = np.isfinite(ours)
    if (finite != np.isfinite(theirs)).any():
        return math.inf
    scale = np.abs(ours[finite]).max(initial=0.0)
    difference = np.abs(ours - theirs)[finite].max(initial=0.0)
    return float(difference / (scale or 1.0)) if difference > rounding else 0.0

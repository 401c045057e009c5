"""The entry points `sweep` and `plan`: check everything, trace, then run or forecast."""

import contextlib
import dataclasses
import functools
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax.sharding import Mesh
from tqdm.auto import tqdm

from jaxreg.engine.axes import Axis
from jaxreg.engine.devices import local_devices
from jaxreg.engine.execute import Tally, execute, initial_box, make_mesh
from jaxreg.engine.forecast import Plan, forecast
from jaxreg.engine.grid import Box, Region, tile_region
from jaxreg.engine.identity import Identity
from jaxreg.engine.memory import MemorySink
from jaxreg.engine.outputs import Outputs, compiled_axes, read_outputs, read_validity
from jaxreg.engine.program import Program, build_programs, place_programs, replicate
from jaxreg.engine.provenance import (
    describe_environment,
    describe_function,
    fingerprint_data,
    matmul_precision,
    read_setting,
)
from jaxreg.engine.reading import read_axes
from jaxreg.engine.store import open_store, read_finished, resolve_path
from jaxreg.errors import SweepError


@dataclasses.dataclass(frozen=True)
class _Study:
    """A checked and traced sweep, ready to run or to forecast."""

    run: Callable[..., Any]
    axes: tuple[Axis, ...]
    args: tuple[Any, ...]
    programs: tuple[Program, ...]
    outputs: Outputs
    box: Box
    mesh: Mesh


def sweep(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    *,
    args: Sequence[Any] = (),
    dims: Mapping[str, Any] | None = None,
    chunk_size: int | str = "auto",
    devices: Sequence[jax.Device] | None = None,
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Run a pure function at every point of named axes, compiled once, and return a labelled dataset.

    Every run is independent of the others: a run with a non-finite output is marked in `diverged` and nothing else
    changes. The same seed gives the same randomness at every other axis value, so that comparisons are paired.

    Args:
        run: pure function `run(*args, **point)` returning a dict or NamedTuple of arrays. Swept numbers arrive as
            traced 0-d arrays, seeds as typed PRNG keys, static values as they are.
        axes: from parameter name to a list or array of numbers, `seeds(n)`, `static([...])` or `cases({...})`.
            The names become the leading dimensions, in this order.
        args: shared data, pytrees of arrays, given to every run first.
        dims: from output name to the names of its trailing dimensions, or to a dict from name to coordinates;
            `ragged(name)` marks a dimension whose length depends on static values.
        chunk_size: runs per program call (rounded up to one per device), or "auto": from what one run keeps alive,
            and the cache (CPU) or memory of the device.
        devices: JAX devices to split each chunk over; all local ones by default.
        store: directory of a zarr store, readable by `xarray.open_zarr` at any moment. Cells that it already holds
            are not computed again, so that a killed sweep goes on and a larger one adds only what is new.
        x64: compute in 64-bit precision, for this sweep only (as all do where `jax_enable_x64` is set).
        progress: show a progress bar and a summary line on standard error.

    Returns:
        A dataset with one variable per output, plus `diverged`, and `provenance` among its attributes. With a
        store, values are read from it when they are used.

    Raises:
        SweepError: an argument cannot be used; raised before anything is compiled.
        StoreError: the store holds another sweep, is in use or cannot be written.

    >>> import jax, jax.numpy as jnp, jaxreg as jr
    >>> def descend(*, seed, learning_rate):
    ...     def step(w, key):
    ...         w = w - learning_rate * (w + jax.random.normal(key))
    ...         return w, w
    ...     return {"weight": jax.lax.scan(step, jnp.float32(1), jax.random.split(seed, 20))[1]}
    >>> result = jr.sweep(descend, {"seed": jr.seeds(100), "learning_rate": [0.1, 1.0, 3.0]},
    ...                   dims={"weight": ("step",)}, progress=False)
    >>> dict(result.weight.sizes)
    {'seed': 100, 'learning_rate': 3, 'step': 20}
    """
    path = None if store is None else resolve_path(store)
    with _settled(x64) as x64:
        study = _prepare(run, axes, args, dims, chunk_size, devices)
        environment = describe_environment(run, list(study.mesh.devices.flat)) | {"data": fingerprint_data(args)}
        tally = Tally()
        if path is None:
            sink = MemorySink([len(axis.labels) for axis in study.axes], study.outputs)
            tiles = list(tile_region(_whole(study.axes), study.axes, study.box))
            call = (study.args, tiles, study.box, study.mesh)
            box = execute(study.programs, *call, sink.write, tally=tally, progress=progress)
            described = [{"name": axis.name, "kind": axis.kind, "identity": axis.identity} for axis in study.axes]
            manifest = {"settings": _settings(study, x64), "axes": described, "chunk": list(box.lengths)}
            dataset = _dataset(study, sink, json.dumps(manifest | {"history": [environment]}))
        else:
            dataset = _sweep_store(study, path, x64, environment, tally, progress)
    if progress:
        tqdm.write(str(tally), file=sys.stderr)
    return dataset


def plan(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    *,
    args: Sequence[Any] = (),
    dims: Mapping[str, Any] | None = None,
    chunk_size: int | str = "auto",
    devices: Sequence[jax.Device] | None = None,
    store: str | Path | None = None,
    x64: bool = False,
    progress: bool = True,
) -> Plan:
    """What `sweep` with the same arguments would do: programs, runs, chunk shape, memory, result size, time.

    Compiles the programs, which the sweep then need not do again, and runs two chunks of each to measure the time;
    computes and writes nothing else. A `store` is not looked at: the plan is that of the whole sweep.

    Raises:
        SweepError: as `sweep`.

    >>> import jaxreg as jr
    >>> plan(lambda *, seed, scale: {"draw": scale * jax.random.normal(seed)},
    ...      {"seed": jr.seeds(1000), "scale": [1.0, 2.0]}).runs
    2000
    """
    with _settled(x64):
        study = _prepare(run, axes, args, dims, chunk_size, devices)
        tiles = list(tile_region(_whole(study.axes), study.axes, study.box))
        return forecast(study.programs, study.args, study.axes, study.outputs, tiles, study.box, study.mesh)


@contextlib.contextmanager
def _settled(x64: bool) -> Iterator[bool]:
    """JAX as a sweep needs it: in 64 bits if asked for here or globally, and with NaN as data, not as an error."""
    wide = x64 or bool(read_setting("jax_enable_x64"))
    with jax.enable_x64(wide), jax.debug_nans(False), jax.debug_infs(False):
        yield wide


def _prepare(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    args: Sequence[Any],
    dims: Mapping[str, Any] | None,
    chunk_size: int | str,
    devices: Sequence[jax.Device] | None,
) -> _Study:
    is_number = isinstance(chunk_size, int | np.integer) and not isinstance(chunk_size, bool)
    if not (is_number and int(chunk_size) > 0) and chunk_size != "auto":
        raise SweepError("chunk_size", chunk_size, "must be a positive integer", 'Leave it at "auto"')
    read = read_axes(run, axes, args)
    mesh = make_mesh(local_devices(devices))
    shared = replicate(args, mesh)
    programs = tuple(build_programs(run, read, shared))
    labels = [program.label for program in programs]
    outputs = read_outputs([program.shapes for program in programs], labels, dims, [axis.name for axis in read])
    size = int(chunk_size) if is_number else "auto"
    return _Study(run, read, shared, programs, outputs, initial_box(read, programs, size, mesh), mesh)


def _sweep_store(
    study: _Study,
    path: Path,
    x64: bool,
    environment: dict[str, Any],
    tally: Tally,
    progress: bool,
) -> xr.Dataset:
    identity = Identity(
        _settings(study, x64) | {"data": environment["data"]},
        {program.signature: program.fingerprint() for program in study.programs},
    )
    finished = read_finished(path, identity, study.axes)
    if finished is not None:
        tally.found = math.prod(len(axis.labels) for axis in study.axes)
        return finished
    with open_store(path, identity, environment, study.axes, study.outputs, study.box) as store:
        if progress and store.notes:
            tqdm.write("\n".join(store.notes), file=sys.stderr)
        programs = place_programs(study.programs, store.axes)
        work = []
        for number, assigned in enumerate(store.assignments):
            assigned_tiles = tile_region(assigned.region, store.axes, assigned.box)
            work.append((number, assigned.box, [tile for tile in assigned_tiles if not store.is_done(tile.positions)]))
        missing = sum(tile.cells for _, _, tiles in work for tile in tiles)
        tally.found = math.prod(len(axis.labels) for axis in study.axes) - missing
        for number, box, tiles in work:
            if tiles:
                change = functools.partial(store.change_box, number)
                call = (study.args, tiles, box, study.mesh)
                execute(programs, *call, store.write, tally=tally, progress=progress, change_box=change)
        return store.read(study.axes)


def _whole(axes: Sequence[Axis]) -> Region:
    return tuple(tuple(range(len(axis.labels))) for axis in axes)


def _settings(study: _Study, x64: bool) -> dict[str, Any]:
    """What a store must share with a sweep to be continued by it, ready for JSON."""
    outputs = {
        name: [
            list(o.dims),
            [None if d in study.outputs.ragged_lengths else n for d, n in zip(o.dims, o.shape, strict=True)],
            str(o.dtype),
        ]
        for name, o in study.outputs.variables.items()
    }
    return {
        "function": describe_function(study.run),
        "x64": x64,
        "matmul_precision": matmul_precision(),
        "outputs": outputs,
        "coordinates": {dim: values.tolist() for dim, values in study.outputs.coordinates.items()},
    }


def _dataset(study: _Study, sink: MemorySink, provenance: str) -> xr.Dataset:
    names = tuple(axis.name for axis in study.axes)
    trailing = {name: output.dims for name, output in study.outputs.variables.items()} | {"diverged": ()}
    variables: dict[str, Any] = {name: ((*names, *trailing[name]), values) for name, values in sink.arrays.items()}
    static = tuple(axis.name for axis in compiled_axes(study.axes))
    for name, mask in read_validity(study.outputs, study.axes).items():
        variables[name] = ((*static, name.removesuffix("_valid")), mask)
    coordinates = {axis.name: axis.labels for axis in study.axes} | study.outputs.coordinates
    return xr.Dataset(variables, coordinates, {"provenance": provenance})

"""The layout of a store on disk: its arrays, its manifest, and how both grow while readers see whole states only."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from jaxreg.engine.axes import LABEL_CHARACTERS, Axis, Group
from jaxreg.engine.grid import Assignment, Box, unassigned
from jaxreg.engine.outputs import Outputs, compiled_axes, padding_value
from jaxreg.errors import StoreError

FORMAT = 1
FILE_BYTES = 2**18  # an array's file holds about this much, or one chunk of the sweep where that is more
MOST_FILE_BYTES = 2**30  # the compressor takes no more than twice this
COORDINATE_CHUNK = 2**16


@dataclasses.dataclass(frozen=True)
class Identity:
    """What must agree for a store to be continued: named settings, and a fingerprint per program."""

    settings: dict[str, Any]
    programs: dict[str, str]


def create_group(path: Path, identity: Identity, axes: Sequence[Axis], outputs: Outputs, box: Box) -> None:
    """Write a store without cells at `path`."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    names = tuple(axis.name for axis in axes)
    for axis in axes:
        dtype = np.dtype(f"U{LABEL_CHARACTERS}") if axis.labels.dtype.kind == "U" else axis.labels.dtype
        _create(group, axis.name, (axis.name,), (0,), (COORDINATE_CHUNK,), dtype)
    for dim, values in outputs.coordinates.items():
        _create(group, dim, (dim,), values.shape, values.shape, values.dtype)
    none = (0,) * len(axes)
    for dim, lengths in outputs.ragged_lengths.items():
        static = [axis.name for axis in compiled_axes(axes)]
        shape = (*(0 for _ in static), max(lengths))
        _create(group, f"{dim}_valid", (*static, dim), shape, (*(64 for _ in static), max(lengths)), np.dtype(bool))
    for name in ("diverged", "done"):
        _create(group, name, names, none, _file_cells(axes, box, 1), np.dtype(bool))
    for name, output in outputs.variables.items():
        cells = _file_cells(axes, box, math.prod(output.shape) * output.dtype.itemsize)
        trailing = [max(1, size) for size in output.shape]
        while math.prod((*cells, *trailing)) * output.dtype.itemsize > MOST_FILE_BYTES:
            longest = trailing.index(max(trailing))
            trailing[longest] = -(-trailing[longest] // 2)
        _create(group, name, (*names, *output.dims), (*none, *output.shape), (*cells, *trailing), output.dtype)
    axes_now = [{"name": axis.name, "kind": axis.kind, "length": 0, "identity": {}} for axis in axes]
    manifest = {"format": FORMAT, "settings": identity.settings, "programs": {}, "axes": axes_now}
    publish(group, manifest | {"regions": [], "history": []})


def extend_group(
    path: Path,
    group: zarr.Group,
    manifest: dict[str, Any],
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    box: Box,
) -> tuple[Axis, ...]:
    """Add the labels, cells and programs that `axes` newly ask for; return `axes` in the store's positions.

    Arrays grow first; readers take shapes from the consolidated metadata, which the last step replaces at once.
    """
    _check_same(path, manifest, identity, axes)
    placed = []
    for axis, entry in zip(axes, manifest["axes"], strict=True):
        array = _array(group, axis.name)
        held = np.asarray(array[: entry["length"]])
        _check_labels(path, axis, entry, held)
        known = set(held.tolist())
        asked = axis.labels.astype(array.dtype)
        labels = np.concatenate([held, asked[[label not in known for label in asked.tolist()]]])
        array.resize((len(labels),))
        array[...] = labels
        placed.append(_place(axis, labels))
        entry.update(length=len(labels), identity=entry["identity"] | axis.identity)
    _resize_cells(group, placed, outputs)
    region = tuple(tuple(sorted(i for g in axis.groups for i in g.positions.tolist())) for axis in placed)
    assigned = read_assignments(manifest)
    if assigned and 2 * assigned[-1].box.members >= box.members:
        box = assigned[-1].box  # no second program for a chunk of about the same size
    new = unassigned(region, [one.region for one in assigned])
    write_assignments(manifest, [*assigned, *(Assignment(piece, box) for piece in new)])
    manifest["programs"] |= identity.programs
    manifest["history"].append(environment)
    publish(group, manifest)
    return tuple(placed)


def publish(group: zarr.Group, manifest: dict[str, Any]) -> None:
    """Make the manifest and the arrays' present shapes visible to readers, in one replacement of one file."""
    group.attrs["provenance"] = json.dumps(manifest)
    zarr.consolidate_metadata(group.store)


def read_assignments(manifest: dict[str, Any]) -> list[Assignment]:
    """The regions assigned so far, in the order in which they were first asked for."""
    return [
        Assignment(
            tuple(tuple(i for start, stop in part for i in range(start, stop)) for part in entry["positions"]),
            Box(tuple(entry["chunk"]), entry["split"]),
        )
        for entry in manifest["regions"]
    ]


def write_assignments(manifest: dict[str, Any], assignments: Sequence[Assignment]) -> None:
    """Put the assigned regions into the manifest, positions as ranges."""
    manifest["regions"] = [
        {"positions": list(map(_to_ranges, one.region)), "chunk": list(one.box.lengths), "split": one.box.split}
        for one in assignments
    ]


def find_positions(axis: Axis, labels: np.ndarray) -> list[int]:
    """Where the labels of `axis` stand among the store's `labels`."""
    where = {label: i for i, label in enumerate(labels.tolist())}
    return [where[label] for label in axis.labels.astype(labels.dtype).tolist()]


def _place(axis: Axis, labels: np.ndarray) -> Axis:
    """The axis with the store's labels: its groups' positions in the store, ascending."""
    where = np.array(find_positions(axis, labels))
    groups = []
    for group in axis.groups:
        order = np.argsort(where[group.positions])
        traced = {name: values[order] for name, values in group.traced.items()}
        groups.append(Group(where[group.positions][order], group.static, traced))
    return dataclasses.replace(axis, labels=labels, groups=tuple(groups))


def _resize_cells(group: zarr.Group, axes: Sequence[Axis], outputs: Outputs) -> None:
    """Bring every array to the axes' new lengths, and to the longest that any array has along other dimensions.

    An extension that was killed may have left some arrays longer than others.
    """
    sizes = {dim: size for o in outputs.variables.values() for dim, size in zip(o.dims, o.shape, strict=True)}
    arrays = {name: array for name, array in group.arrays() if array.ndim and name not in outputs.coordinates}
    for array in arrays.values():
        for dim, size in zip(_dims(array), array.shape, strict=True):
            sizes[dim] = max(sizes.get(dim, 0), size)
    sizes |= {axis.name: len(axis.labels) for axis in axes}
    for array in arrays.values():
        array.resize(tuple(sizes[dim] for dim in _dims(array)))
    for dim, values in outputs.coordinates.items():
        _array(group, dim)[...] = values


def _check_same(path: Path, manifest: dict[str, Any], identity: Identity, axes: Sequence[Axis]) -> None:
    for name, value in identity.settings.items():
        if manifest["settings"].get(name) != value:
            _refuse(path, name, manifest["settings"].get(name), value)
    for program in manifest["programs"].keys() & identity.programs.keys():
        if manifest["programs"][program] != identity.programs[program]:
            then = manifest["history"][-1]["versions"]["jax"]
            _refuse(
                path,
                f"the computation of {program}",
                f"program {manifest['programs'][program][:8]} (JAX {then})",
                f"program {identity.programs[program][:8]} (its code, or what it calls or closes over, changed)",
            )
    described = [(axis.name, axis.kind) for axis in axes]
    held = [(entry["name"], entry["kind"]) for entry in manifest["axes"]]
    if described != held:
        _refuse(path, "the axes", held, described)


def _check_labels(path: Path, axis: Axis, entry: dict[str, Any], held: np.ndarray) -> None:
    for label, text in axis.identity.items():
        if entry["identity"].get(label, text) != text:
            _refuse(path, f"{axis.name}[{label!r}]", entry["identity"][label], text)
    if len(held) and axis.labels.dtype.kind != held.dtype.kind:
        _refuse(path, f"the kind of values of {axis.name}", held.tolist(), axis.labels.tolist())
    longest = max((len(label) for label in axis.labels.tolist()), default=0) if axis.labels.dtype.kind == "U" else 0
    if longest > LABEL_CHARACTERS:
        raise StoreError(axis.name, longest, f"names must not exceed {LABEL_CHARACTERS} characters", "Use short names")
    if axis.kind in ("static", "cases") and len(held):
        ours, theirs = set(axis.labels.tolist()), set(held.tolist())
        if not (ours <= theirs or ours >= theirs):
            _refuse(path, f"the {axis.kind} values of {axis.name}", held.tolist(), axis.labels.tolist())


def _refuse(path: Path, what: str, held: object, asked: object) -> None:
    raise StoreError(
        "store",
        str(path),
        f"holds another sweep: {what} is {held!r} there, {asked!r} here",
        "Use another path, or delete it",
    )


def _file_cells(axes: Sequence[Axis], box: Box, bytes_per_cell: int) -> tuple[int, ...]:
    """Cells per file: whole chunks of the sweep, joined along the axes until a file holds `FILE_BYTES`."""
    cells = list(box.lengths)
    while bytes_per_cell * math.prod(cells) > MOST_FILE_BYTES and max(cells) > 1:
        longest = cells.index(max(cells))
        cells[longest] = -(-cells[longest] // 2)
    for k in reversed(range(len(cells))):
        room = FILE_BYTES // max(1, bytes_per_cell * math.prod(cells))
        growing = axes[k].kind == "seeds"  # more seeds are what is asked for later
        cells[k] *= max(1, room if growing else min(room, -(-len(axes[k].labels) // cells[k])))
    return tuple(cells)


def _create(
    group: zarr.Group,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype,
) -> None:
    # Readers take a fill value for "missing": floats have one; zeros, False and "" are real values and have none.
    group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(1, size) for size in chunks),
        fill_value=padding_value(dtype) if dtype.kind == "f" else None,
        attributes={"_ARRAY_DIMENSIONS": list(dims)},
    )


def _dims(array: zarr.Array) -> list[str]:
    names = array.attrs["_ARRAY_DIMENSIONS"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _to_ranges(positions: Sequence[int]) -> list[list[int]]:
    """Ascending positions as half-open ranges, short enough for JSON."""
    ranges: list[list[int]] = []
    for position in positions:
        if ranges and ranges[-1][1] == position:
            ranges[-1][1] += 1
        else:
            ranges.append([position, position + 1])
    return ranges

"""The layout of a store: which arrays it has, how they are cut into files, and how they grow."""

import dataclasses
import itertools
import math
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.engine.arrays import Piece, StoredArray, file_chunks
from jaxreg.engine.axes import LABEL_CHARACTERS, Axis, Group
from jaxreg.engine.catalog import Catalog, digest_labels, kept_twice
from jaxreg.engine.grid import Box
from jaxreg.engine.identity import Identity, check_labels
from jaxreg.engine.manifest import FORMAT, metadata_files, publish
from jaxreg.engine.numbers import label_keys
from jaxreg.engine.outputs import Outputs, compiled_axes, read_validity
from jaxreg.engine.places import Place
from jaxreg.errors import StoreError

FILE_BYTES = 2**18  # an array's file holds about this much, or one chunk of the sweep where that is more
MOST_FILE_BYTES = 2**30  # the compressor takes no more than twice this
MASK_LENGTH = 64  # static values per file of a validity mask


def create_store(place: Place, identity: Identity, axes: Sequence[Axis], outputs: Outputs, box: Box) -> None:
    """Write a store without cells into a place that is new."""
    arrays = _plan_arrays(axes, outputs, box)
    manifest = {
        "format": FORMAT,
        "id": uuid.uuid4().hex,
        "revision": 0,
        "settings": identity.settings,
        "programs": {},
        "arrays": {name: array.to_json() for name, array in arrays.items()},
        "sizes": _trailing_sizes(outputs),
        "axes": [
            {"name": a.name, "kind": a.kind, "length": 0, "labels": digest_labels(_label_dtype(a, 0)), "identity": {}}
            for a in axes
        ],
        "regions": [],
        "history": [],
    }
    place.add_folders(list(arrays))
    catalog = Catalog(place, manifest, {axis.name: _label_dtype(axis, 0) for axis in axes})
    for dim, values in outputs.coordinates.items():
        write_kept(catalog, arrays[dim], values)
    publish(place, manifest, {})


def extend_store(
    catalog: Catalog,
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    held: np.ndarray,
) -> tuple[Catalog, tuple[Axis, ...]]:
    """Add the labels, cells and programs that `axes` newly ask for; return the store and `axes` in its positions.

    `held` says which cells are there. Labels and files come first; the manifest, which counts them in, comes last.
    """
    manifest = dict(catalog.manifest)
    placed = [_place(axis, _join(axis, catalog.labels[axis.name])) for axis in axes]
    labels = {axis.name: axis.labels for axis in placed}
    sizes = _trailing_sizes(outputs)
    manifest["sizes"] = {dim: max(n, sizes.get(dim, 0)) for dim, n in catalog.manifest["sizes"].items()}
    manifest["axes"] = [
        entry
        | {
            "length": len(axis.labels),
            "labels": digest_labels(axis.labels),
            "identity": entry["identity"] | axis.identity,
        }
        for axis, entry in zip(placed, manifest["axes"], strict=True)
    ]
    grown = Catalog(catalog.place, manifest, labels)
    for axis in placed:
        if len(axis.labels) > len(catalog.labels[axis.name]):
            write_kept(grown, grown.arrays[axis.name], axis.labels)
    for name, mask in read_validity(outputs, placed).items():
        _write_mask(catalog, grown, name, mask)
    _pad_longer(catalog, grown, held)
    manifest["programs"] = manifest["programs"] | identity.programs
    manifest["history"] = [*manifest["history"], environment]
    publish(catalog.place, manifest, metadata_files(catalog.manifest))
    return grown, tuple(placed)


def place_axes(catalog: Catalog, axes: Sequence[Axis]) -> tuple[Axis, ...] | None:
    """`axes` in the positions of a store that has all their labels already; None where it has not."""
    joined = [_join(axis, catalog.labels[axis.name]) for axis in axes]
    if any(len(labels) > len(catalog.labels[axis.name]) for axis, labels in zip(axes, joined, strict=True)):
        return None
    return tuple(_place(axis, labels) for axis, labels in zip(axes, joined, strict=True))


def check_axes(catalog: Catalog, axes: Sequence[Axis]) -> None:
    """Refuse axes that the store cannot take in, before anything is written."""
    for axis, entry in zip(axes, catalog.manifest["axes"], strict=True):
        check_labels(catalog.place, axis, entry, catalog.labels[axis.name])


def find_positions(axis: Axis, labels: np.ndarray) -> np.ndarray:
    """Where the labels of `axis` stand among the store's `labels`."""
    asked = axis.labels.astype(labels.dtype, copy=False)
    if _begin_alike(asked, labels):
        return np.arange(len(asked))
    where = {label: i for i, label in enumerate(label_keys(labels))}
    return np.array([where[label] for label in label_keys(asked)], int)


def write_kept(catalog: Catalog, array: StoredArray, values: np.ndarray) -> None:
    """Write an array that no run computes, each file in two places."""
    for part in array.split([range(n) for n in values.shape]):
        piece = array.blank()
        piece.values[part.inside] = values[part.of_block]
        piece.cells[part.inside[: array.cells]] = True
        data = array.pack(piece, catalog.store_id, part.file, catalog.labels)
        catalog.place.write(dict.fromkeys(reversed(kept_twice(catalog.file(array, part.file))), data))


def _plan_arrays(axes: Sequence[Axis], outputs: Outputs, box: Box) -> dict[str, StoredArray]:
    names = tuple(axis.name for axis in axes)
    arrays = []
    for axis in axes:
        dtype = _label_dtype(axis, 0).dtype
        arrays.append(StoredArray(axis.name, (axis.name,), dtype, (FILE_BYTES // dtype.itemsize,), 1, kept=True))
    for dim, values in outputs.coordinates.items():
        arrays.append(StoredArray(dim, (dim,), values.dtype, (max(1, len(values)),), 0, kept=True))
    static = tuple(axis.name for axis in compiled_axes(axes))
    for dim, lengths in outputs.ragged_lengths.items():
        chunks = (*(MASK_LENGTH for _ in static), max(1, *lengths))
        arrays.append(StoredArray(f"{dim}_valid", (*static, dim), np.dtype(bool), chunks, len(static), kept=True))
    for name in ("diverged", "done"):
        arrays.append(StoredArray(name, names, np.dtype(bool), _file_cells(axes, box, 1), len(axes)))
    for name, output in outputs.variables.items():
        if output.dtype.kind not in "biuf":
            raise StoreError(f"output {name!r}", output.dtype, "is no type that zarr stores", "Cast it in the run")
        cells = _file_cells(axes, box, math.prod(output.shape) * output.dtype.itemsize)
        chunks = file_chunks(cells, output.shape, output.dtype, MOST_FILE_BYTES)
        arrays.append(StoredArray(name, (*names, *output.dims), output.dtype, chunks, len(axes)))
    return {array.name: array for array in arrays}


def _trailing_sizes(outputs: Outputs) -> dict[str, int]:
    return {dim: size for o in outputs.variables.values() for dim, size in zip(o.dims, o.shape, strict=True)}


def _label_dtype(axis: Axis, length: int) -> np.ndarray:
    """Labels of the type that a store keeps them in."""
    dtype = np.dtype(f"<U{LABEL_CHARACTERS}") if axis.labels.dtype.kind == "U" else axis.labels.dtype
    return axis.labels[:length].astype(dtype)


def _join(axis: Axis, held: np.ndarray) -> np.ndarray:
    """The store's labels, and after them those of `axis` that are new."""
    asked = axis.labels.astype(held.dtype, copy=False)
    if not len(held):
        return asked
    if _begin_alike(asked, held):
        return held
    known = set(label_keys(held))
    return np.concatenate([held, asked[np.array([label not in known for label in label_keys(asked)], bool)]])


def _place(axis: Axis, labels: np.ndarray) -> Axis:
    """The axis with the store's labels: its groups' positions in the store, ascending."""
    if _begin_alike(axis.labels.astype(labels.dtype, copy=False), labels):
        return dataclasses.replace(axis, labels=labels)
    where = find_positions(axis, labels)
    groups = []
    for group in axis.groups:
        placed, traced = where[group.positions], group.traced
        if (np.diff(placed) < 0).any():
            order = np.argsort(placed)
            placed, traced = placed[order], {name: values[order] for name, values in traced.items()}
        groups.append(Group(placed, group.static, traced))
    return dataclasses.replace(axis, labels=labels, groups=tuple(groups))


def _begin_alike(asked: np.ndarray, held: np.ndarray) -> bool:
    """Whether labels stand where they are asked for, as most often: then nothing need be looked up."""
    return np.array_equal(asked, held[: len(asked)])


def _write_mask(before: Catalog, after: Catalog, name: str, mask: np.ndarray) -> None:
    """Write which entries of a ragged dimension are real: as before, and where this sweep knows."""
    array = after.arrays[name]
    held = before.read_whole(array)
    merged = np.zeros(array.shape(after.sizes), bool)
    merged[tuple(map(slice, held.shape))] = held
    merged[..., : mask.shape[-1]] |= mask
    if held.shape != merged.shape or (held != merged).any():
        write_kept(after, array, merged)


def _pad_longer(before: Catalog, after: Catalog, held: np.ndarray) -> None:
    """Where a ragged dimension grew past its files, write padding for the cells that are there: theirs is shorter."""
    for array in after.outputs:
        known = set(array.indices(before.sizes))
        for index in itertools.filterfalse(known.__contains__, array.indices(after.sizes)):
            part = held[array.window(index)]
            if part.any():
                piece = Piece(array.blank().values, array.blank().cells)
                piece.cells[tuple(map(slice, part.shape))] = part
                after.place.write({after.file(array, index): array.pack(piece, after.store_id, index, after.labels)})


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

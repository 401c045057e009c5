"""A store opened for reading: its manifest, its labels, and its files, each checked before it is believed."""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from jaxreg.engine.arrays import Piece, StoredArray, file_key
from jaxreg.engine.manifest import Manifest, list_arrays, list_sizes, read_manifests
from jaxreg.engine.places import Place
from jaxreg.engine.sealing import DamageError, in_threads
from jaxreg.errors import StoreError


@dataclasses.dataclass(frozen=True)
class Catalog:
    """The arrays of a store at one moment, and the labels of its axes."""

    place: Place
    manifest: Manifest
    labels: dict[str, np.ndarray]

    @functools.cached_property
    def arrays(self) -> dict[str, StoredArray]:
        """The arrays that the store must have."""
        return list_arrays(self.manifest)

    @functools.cached_property
    def sizes(self) -> dict[str, int]:
        """The length of every dimension."""
        return list_sizes(self.manifest)

    @property
    def store_id(self) -> str:
        """What every file of the store is bound to."""
        return str(self.manifest["id"])

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the sweep's axes, in order."""
        return tuple(axis["name"] for axis in self.manifest["axes"])

    @property
    def outputs(self) -> list[StoredArray]:
        """What runs compute: the arrays over all axes, without `done`."""
        return [array for array in self.arrays.values() if not array.kept and array.name != "done"]

    def file(self, array: StoredArray, index: Sequence[int]) -> str:
        """The file of an array at `index`."""
        return f"{array.name}/{file_key(index)}"

    def check(self, array: StoredArray, index: Sequence[int]) -> np.ndarray:
        """Which cells a file holds; DamageError where it is damaged, FileNotFoundError where it is not there."""
        return array.check(self.place.read(self.file(array, index)), self.store_id, index, self.labels)

    def read(self, array: StoredArray, index: Sequence[int]) -> Piece:
        """What a file holds; DamageError: it is damaged, FileNotFoundError: it is not there."""
        return array.unpack(self.place.read(self.file(array, index)), self.store_id, index, self.labels)

    def read_again(self, array: StoredArray, index: Sequence[int], out: np.ndarray | None) -> Piece:
        """The same of a file that was checked whole before, in `out` if given; values, cells and place are again."""
        data = self.place.read(self.file(array, index))
        return array.unpack(data, self.store_id, index, self.labels, out, is_whole=False)

    def read_copy(self, array: StoredArray, file: str, index: Sequence[int]) -> Piece:
        """What one of two such files holds; DamageError where it is damaged or lacks what the manifest counts."""
        piece = array.unpack(self.place.read(file), self.store_id, index, self.labels)
        self._check_counted(array, index, piece.cells)
        return piece

    def check_copy(self, array: StoredArray, file: str, index: Sequence[int]) -> None:
        """DamageError where one of two such files is damaged or lacks what the manifest counts."""
        self._check_counted(array, index, array.check(self.place.read(file), self.store_id, index, self.labels))

    def _check_counted(self, array: StoredArray, index: Sequence[int], cells: np.ndarray) -> None:
        counted = zip(array.window(index), array.shape(self.sizes), strict=False)
        if not cells[tuple(slice(0, size - part.start) for part, size in counted)].all():
            raise DamageError("is older than the manifest")

    def read_kept(self, array: StoredArray, index: Sequence[int]) -> Piece:
        """What a file that is kept twice holds: the first of the two that is right, or what is known without it."""
        for file in kept_twice(self.file(array, index)):
            with contextlib.suppress(DamageError, FileNotFoundError):
                return self.read_copy(array, file, index)
        if (values := self._known(array)) is not None:
            part = next(part for part in array.split([range(n) for n in values.shape]) if part.file == tuple(index))
            piece = array.blank()
            piece.values[part.inside] = values[part.of_block]
            piece.cells[part.inside[: array.cells]] = True
            return piece
        raise StoreError(
            "store",
            str(self.place),
            f"has lost {array.name!r}: {array.name}/{file_key(index)} and its copy are missing or damaged",
            "Sweep again with the same labels in the same order, or bring one of the two files back from a copy",
        )

    def _known(self, array: StoredArray) -> np.ndarray | None:
        """Values of an array that are known without its files: labels that were read, coordinates in the manifest."""
        told = self.manifest["settings"].get("coordinates", {}).get(array.name)
        return self.labels.get(array.name, None if told is None else np.array(told, array.dtype))

    def read_whole(self, array: StoredArray) -> np.ndarray:
        """All values of an array that is kept twice."""
        result = np.zeros(array.shape(self.sizes), array.dtype)

        def read(index: tuple[int, ...]) -> None:
            part = result[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, array.chunks, strict=True))]
            part[...] = self.read_kept(array, index).values[tuple(map(slice, part.shape))]

        in_threads(read, array.indices(self.sizes))
        return result


def open_catalog(place: Place, asked: Mapping[str, np.ndarray] | None = None) -> Catalog:
    """Read the manifest and the labels of the store at `place`.

    Labels that are lost in both copies may be among those `asked` for now: the manifest can tell.

    Raises:
        StoreError: it is no store, or labels are damaged in both copies.
    """
    manifests = read_manifests(place)
    # Each copy of the manifest checks itself; if one came from another store, the files tell which it is.
    own = [manifest for manifest in manifests if _owns_files(place, manifest)] or manifests
    catalog = Catalog(place, own[0], {})
    for entry in own[0]["axes"]:
        array = catalog.arrays[entry["name"]]
        try:
            labels = catalog.read_whole(array)
        except StoreError:
            given = (asked or {}).get(array.name, np.empty(0))[: entry["length"]]
            if given.dtype.kind != array.dtype.kind or digest_labels(given.astype(array.dtype)) != entry["labels"]:
                raise
            labels = given.astype(array.dtype)
        if digest_labels(labels) != entry["labels"]:
            raise StoreError(
                "store",
                str(place),
                f"holds other labels of {entry['name']!r} than were written",
                f"Bring the files of {entry['name']} back from a copy, or use another path; this one keeps its files",
            )
        catalog.labels[entry["name"]] = labels
    return catalog


def kept_twice(file: str) -> tuple[str, str]:
    """The two places of a file that no run can compute again; the second lies where zarr looks for chunks only."""
    array, _, key = file.rpartition("/")
    return file, f"done/.copy-{array}-{key}"


def digest_labels(labels: np.ndarray) -> str:
    """What the manifest says of an axis' labels."""
    return hashlib.blake2b(np.ascontiguousarray(labels).view(np.uint8).data, digest_size=16).hexdigest()


def _owns_files(place: Place, manifest: Manifest) -> bool:
    catalog = Catalog(place, manifest, {})
    first = catalog.arrays[catalog.axes[0]]
    try:
        return bool(catalog.read_kept(first, (0,)).cells.any())
    except StoreError:
        return False

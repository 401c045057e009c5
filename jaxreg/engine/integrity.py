"""Whether a store is what was written: every file looked at, what is damaged named, and only that put right."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from jaxreg.engine.arrays import StoredArray, file_key
from jaxreg.engine.catalog import Catalog, kept_twice
from jaxreg.engine.manifest import metadata_files, read_assignments, read_manifests
from jaxreg.engine.memory import region_index
from jaxreg.engine.sealing import DamageError, Data, in_threads

_MISSING = "is missing"
_READERS = 4  # threads: digests and reading overlap, and files of a gigabyte are few in memory


@dataclasses.dataclass(frozen=True)
class Damage:
    """One file that is not what was written, and what is wrong with it."""

    file: str
    problem: str

    def __str__(self) -> str:
        """The file and its problem as a sentence without a full stop."""
        return f"{self.file} {self.problem}"


@dataclasses.dataclass
class Findings:
    """What an examination found: damage, the cells that are there, those that are lost, and what repairs it."""

    damage: list[Damage]
    held: np.ndarray  # cells whose outputs are all there
    lost: np.ndarray  # cells that were marked done and are not there
    restored: dict[str, Data]  # metadata and what is kept twice, as it must be
    dropped: list[str]  # files of outputs that hold nothing to be believed
    folders: list[str]  # arrays' folders that are not there
    unmarked: list[tuple[int, ...]]  # files of `done` that must be written

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to repair."""
        return not (self.damage or self.restored or self.dropped or self.folders or self.unmarked)


def examine(catalog: Catalog, is_left: bool = False) -> Findings:
    """Look at every file of a store. Nothing is changed.

    Which cells are there is known from the seals of the outputs' files; `done` repeats it for readers. So a damaged
    output loses the cells of that file alone, and a damaged `done`, coordinate or metadata file loses nothing. Where
    the last writer ended without closing the store (`is_left`), a file of `done` that is missing was not written yet.

    Raises:
        StoreError: what is kept twice is damaged in both copies.
    """
    lengths = tuple(catalog.sizes[axis] for axis in catalog.axes)
    found = Findings([], np.ones(lengths, bool), np.zeros(lengths, bool), {}, [], [], [])
    gaps = catalog.place.gaps(list(catalog.arrays))
    found.damage += [Damage(name, problem) for name, problem in gaps.items()]
    found.folders += gaps
    _examine_metadata(catalog, found)
    for array in (array for array in catalog.arrays.values() if array.kept):
        _examine_kept(catalog, array, found)
    claimed, unread = _read_done(catalog, found)
    marked, seen = claimed.copy(), _examine_outputs(catalog, claimed, found)
    done = catalog.arrays["done"]
    for index in unread:  # what was done there, other outputs tell
        claimed[done.window(index)] |= seen[done.window(index)]
    found.lost = claimed & ~found.held
    for index in done.indices(catalog.sizes):
        window = done.window(index)
        is_damaged = index in unread and unread[index] != _MISSING
        if is_damaged or (marked[window] != found.held[window]).any():
            found.unmarked.append(index)
        is_lost = unread.get(index) == _MISSING and "done" not in found.folders and not is_left
        if is_lost and found.held[window].any():
            found.damage.append(Damage(f"done/{file_key(index)}", _MISSING))
    return found


def repair(catalog: Catalog, found: Findings) -> list[str]:
    """Put right what an examination found; cells that are lost are marked so, and the next sweep computes them.

    `done` comes first: readers never see a cell marked whose file is gone. What lies in the place of a file or folder
    of the store and may be somebody's is moved aside; returned is where to.
    """
    done = catalog.arrays["done"]
    files = [*(catalog.file(done, index) for index in found.unmarked), *found.restored, *found.dropped]
    moved = catalog.place.make_way(found.folders, files)
    catalog.place.write(pack_done(catalog, found.held, found.unmarked))
    catalog.place.write(found.restored)
    for file in found.dropped:
        catalog.place.remove(file)
    return [f"what was in the place of {name} is kept as {aside}" for name, aside in moved]


def count_missing(catalog: Catalog, held: np.ndarray) -> int:
    """How many of the cells that were ever asked for are not there."""
    regions = (assignment.region for assignment in read_assignments(catalog.manifest))
    return sum(int((~held[region_index(region, ())]).sum()) for region in regions)


def pack_done(catalog: Catalog, held: np.ndarray, indices: Sequence[tuple[int, ...]]) -> dict[str, Data]:
    """The files of `done` at `indices`: these cells are there."""
    done = catalog.arrays["done"]
    files = {}
    for index in indices:
        piece = done.blank()
        part = held[done.window(index)]
        inside = tuple(map(slice, part.shape))
        piece.values[inside] = piece.cells[inside] = part
        files[catalog.file(done, index)] = done.pack(piece, catalog.store_id, index, catalog.labels)
    return files


def _examine_metadata(catalog: Catalog, found: Findings) -> None:
    """Compare zarr's files with what the manifest says, or said before an extension that was killed."""
    expected = metadata_files(catalog.manifest)
    own = [m for m in read_manifests(catalog.place) if m["id"] == catalog.store_id]
    states = [metadata_files(manifest) for manifest in own]
    for (name, data), (held, problem) in zip(
        expected.items(), in_threads(functools.partial(_read_or_say, catalog), expected), strict=True
    ):
        if name.rpartition("/")[0] in found.folders:
            found.restored[name] = data
            continue
        if held not in [state.get(name) for state in states]:
            found.damage.append(Damage(name, problem))
        if held != data:
            found.restored[name] = data


def _read_or_say(catalog: Catalog, name: str) -> tuple[bytes, str]:
    """The bytes of a metadata file, and what is wrong with it if they are not what was written."""
    try:
        return catalog.place.read(name), "is not what was written there"
    except FileNotFoundError:
        return b"", _MISSING
    except DamageError as error:
        return b"", str(error)


def _examine_kept(catalog: Catalog, array: StoredArray, found: Findings) -> None:
    indices = array.indices(catalog.sizes)
    copies = [(index, file) for index in indices for file in kept_twice(catalog.file(array, index))]
    looks = in_threads(functools.partial(_look_at_copy, catalog, array), copies, threads=_READERS)
    for (index, file), problem in zip(copies, looks, strict=True):
        if problem:
            if file.rpartition("/")[0] not in found.folders:
                found.damage.append(Damage(file, problem))
            piece = catalog.read_kept(array, index)
            found.restored[file] = array.pack(piece, catalog.store_id, index, catalog.labels)


def _read_done(catalog: Catalog, found: Findings) -> tuple[np.ndarray, dict[tuple[int, ...], str]]:
    """The cells marked done, and which files of `done` do not say."""
    done = catalog.arrays["done"]
    claimed, unread = np.zeros_like(found.held), {}

    def read(index: tuple[int, ...]) -> str:
        try:
            part = claimed[done.window(index)]
            part[...] = catalog.read(done, index).values[tuple(map(slice, part.shape))]
        except FileNotFoundError:
            return _MISSING
        except DamageError as error:
            return str(error)
        return ""

    indices = list(done.indices(catalog.sizes))
    for index, problem in zip(indices, in_threads(read, indices, threads=_READERS), strict=True):
        if problem:
            unread[index] = problem
        if problem not in ("", _MISSING):
            found.damage.append(Damage(f"done/{file_key(index)}", problem))
    return claimed, unread


def _examine_outputs(catalog: Catalog, claimed: np.ndarray, found: Findings) -> np.ndarray:
    """Look at the files of all outputs; return which cells are in one of them."""
    files = [(array, index) for array in catalog.outputs for index in array.indices(catalog.sizes)]
    seen = np.zeros_like(claimed)
    looks = in_threads(functools.partial(_look, catalog), *zip(*files, strict=True), threads=_READERS)
    for (array, index), cells in zip(files, looks, strict=True):
        window = array.window(index)
        name = catalog.file(array, index)
        if isinstance(cells, str):
            found.held[window] = False
            if cells != _MISSING:
                found.damage.append(Damage(name, cells))
                found.dropped.append(name)
            elif claimed[window].any() and array.name not in found.folders:
                found.damage.append(Damage(name, cells))
        elif cells is None:
            seen[window] = True
        else:
            cells = cells[tuple(map(slice, found.held[window].shape))]
            found.held[window] &= cells
            seen[window] |= cells
            if (claimed[window] & ~cells).any():
                found.damage.append(Damage(name, "is older than what was marked done"))
    return seen


def _look_at_copy(catalog: Catalog, array: StoredArray, copy: tuple[tuple[int, ...], str]) -> str:
    """What is wrong with one of two files that hold the same; empty where nothing is."""
    index, file = copy
    try:
        catalog.check_copy(array, file, index)
    except FileNotFoundError:
        return _MISSING
    except DamageError as error:
        return str(error)
    return ""


def _look(catalog: Catalog, array: StoredArray, index: tuple[int, ...]) -> np.ndarray | str | None:
    """The cells that a file holds, or what is wrong with it; None where it is full, as most are."""
    try:
        cells = catalog.check(array, index)
        return None if cells.all() else cells
    except FileNotFoundError:
        return _MISSING
    except DamageError as error:
        return str(error)

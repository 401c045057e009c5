"""The store of a sweep: a zarr group that any reader can open at any moment, and that the same sweep can continue."""

import contextlib
import dataclasses
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jaxreg.engine.axes import Axis
from jaxreg.engine.buffer import Buffer
from jaxreg.engine.catalog import Catalog, open_catalog
from jaxreg.engine.execute import Block
from jaxreg.engine.grid import Assignment, Box, Region, unassigned
from jaxreg.engine.identity import Identity, check_same
from jaxreg.engine.integrity import examine, repair
from jaxreg.engine.layout import check_axes, create_store, extend_store, find_positions, place_axes
from jaxreg.engine.lazy import open_result
from jaxreg.engine.lock import hold_folder, hold_lock
from jaxreg.engine.manifest import (
    GROUP,
    metadata_files,
    provenance_text,
    publish,
    read_assignments,
    read_manifests,
    write_assignments,
)
from jaxreg.engine.memory import region_index
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.sealing import PARTIAL, sync_folder, write_files
from jaxreg.engine.signals import answer_signals
from jaxreg.errors import StoreError

FLUSH_SECONDS = 4.0  # what a kill may cost, beside the chunk that is being computed
FLUSH_BYTES = 2**28
_ATTEMPTS = 20


class Store:
    """An open store: the sweep's axes in the store's positions, which cells are done, and where blocks are written."""

    def __init__(self, catalog: Catalog, axes: tuple[Axis, ...], held: np.ndarray, notes: tuple[str, ...]) -> None:
        self.path, self.axes, self.notes = catalog.path, axes, notes
        self._catalog, self._done = catalog, held
        self._buffer = Buffer(catalog, held)
        self._place = self.path.stat()
        self._metadata = {name: _status(self.path / name) for name in metadata_files(catalog.manifest)}
        self._flushed = time.monotonic()
        self._is_lost = False
        self._heed: Callable[[], None] = lambda: None

    @property
    def assignments(self) -> list[Assignment]:
        """The cells assigned so far and their chunk shapes, in the order in which they were first asked for."""
        return read_assignments(self._catalog.manifest)

    def is_done(self, positions: Region) -> bool:
        """Whether every cell at `positions` has been computed."""
        return bool(self._done[region_index(positions, ())].all())

    def write(self, positions: Region, block: Block) -> None:
        """Take in the outputs of the cells at `positions`; every few seconds what came in is written."""
        self._heed()
        with self._as_store_errors():
            self._buffer.put(positions, block)
        if time.monotonic() - self._flushed > FLUSH_SECONDS or self._buffer.bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what came in, then mark its cells as done: a cell is never half there."""
        if not self._is_lost:
            with self._as_store_errors():
                self._buffer.flush(self._guard)
            self._flushed = time.monotonic()

    def count_missing(self) -> int:
        """How many of the cells that the sweep asks for, or that were asked for before, are not done."""
        asked = tuple(tuple(sorted(i for g in axis.groups for i in g.positions.tolist())) for axis in self.axes)
        regions = [*(one.region for one in self.assignments), *self.unassigned(asked)]
        return sum(int((~self._done[region_index(region, ())]).sum()) for region in regions)

    def unassigned(self, region: Region) -> list[Region]:
        """The cells of `region` that no chunk shape was chosen for."""
        return unassigned(region, [one.region for one in self.assignments])

    def assign(self, pieces: Sequence[Region], box: Box) -> None:
        """Choose, for good, the chunk shape of cells that have none."""
        if pieces:
            self._record([*self.assignments, *(Assignment(piece, box) for piece in pieces)])

    def change_box(self, number: int, box: Box) -> None:
        """Record that a region's chunk had to be made smaller."""
        assignments = self.assignments
        assignments[number] = dataclasses.replace(assignments[number], box=box)
        self._record(assignments)

    def read(self, axes: Sequence[Axis]) -> xr.Dataset:
        """The cells that `axes` ask for, in their order; values are read when they are used."""
        self.flush()
        return _read(self._catalog, self.axes, axes, self._done)

    def _record(self, assignments: Sequence[Assignment]) -> None:
        write_assignments(self._catalog.manifest, assignments)
        with self._as_store_errors():
            self._guard()
            try:
                publish(self.path, self._catalog.manifest)
            finally:  # an interrupt here must not make our own files look like those of another process
                self._metadata = {name: _status(self.path / name) for name in self._metadata}

    @contextlib.contextmanager
    def heeding(self) -> Iterator[None]:
        """Within the block, signals that end the process write what came in first."""
        with answer_signals(self._farewell) as heed:
            self._heed = heed
            try:
                yield
            finally:
                self.flush()

    def _farewell(self) -> str:
        missing = self.count_missing()
        if self._is_lost or not missing:
            return f"{self.path}: interrupted."
        return f"{self.path}: interrupted with {missing:,} runs to go; the same sweep again goes on from here."

    def _guard(self) -> None:
        """Notice that the store was deleted, moved or changed by another process since we last looked."""
        if not os.path.samestat(self.path.stat(), self._place):
            raise FileNotFoundError(errno.ENOENT, "another folder is in its place", str(self.path))
        for name, status in self._metadata.items():
            if _status(self.path / name) != status:
                raise FileNotFoundError(errno.ENOENT, f"{name} was deleted or changed", str(self.path))

    @contextlib.contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._is_lost = True
            if isinstance(error, FileNotFoundError | FileExistsError | NotADirectoryError):
                raise StoreError(
                    "store",
                    str(self.path),
                    f"was deleted, moved or changed by another process while the sweep ran ({error})",
                    "Run the sweep again: cells that are still there stay, the others are computed again",
                ) from error
            raise StoreError(
                "store",
                str(self.path),
                f"cannot be written ({error})",
                "Make room, or mend what it says, and run the sweep again: done cells stay",
            ) from error


@contextlib.contextmanager
def open_store(
    path: Path,
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    box: Box,
) -> Iterator[Store]:
    """Create the store, or add to it what `axes` newly ask for; hold its lock; yield it.

    Every file is examined first, and cells whose files are damaged count as not done.

    Raises:
        StoreError: the path is not a store, holds another sweep, is in use or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with as_store_error(path):
            _remove_unfinished(path)
            if not path.exists() or not any(path.iterdir()):
                _create(path, identity, axes, outputs, box)
            stale = stack.enter_context(hold_lock(path))
            _remove_partial(path)
            catalog = open_catalog(path)
            check_same(path, catalog.manifest, identity, axes)
            check_axes(catalog, axes)
            found = examine(catalog)
            repair(catalog, found)
            notes = [f"{path}: taking over from {stale}, which ended without closing it"] if stale else []
            if found.damage:
                named = [str(damage) for damage in found.damage]
                environment = environment | {"repaired": named}
                notes += [f"{path}: {text}" for text in named]
                notes += [f"{path}: {int(found.lost.sum()):,} runs are computed again, the rest is repaired"]
            catalog, placed = extend_store(catalog, identity, environment, axes, outputs, found.held)
            held = np.zeros([len(axis.labels) for axis in placed], bool)
            held[tuple(map(slice, found.held.shape))] = found.held
            store = Store(catalog, placed, held, tuple(notes))
        stack.enter_context(store.heeding())
        yield store


def read_finished(path: Path, identity: Identity, axes: Sequence[Axis]) -> xr.Dataset | None:
    """The result of a store that may not be written, if all that `axes` ask for is there; None where it may be.

    Raises:
        StoreError: it may not be written, and something is missing or damaged.
    """
    with as_store_error(path):
        as_it_is = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
        if not path.is_dir() or os.access(path, os.W_OK, **as_it_is) or not any(path.iterdir()):
            return None
        catalog = open_catalog(path)
        check_same(path, catalog.manifest, identity, axes)
        check_axes(catalog, axes)
        found = examine(catalog)
        placed = place_axes(catalog, axes)
        if placed is not None:
            cells = tuple(find_positions(axis, catalog.labels[axis.name]) for axis in axes)
            if found.held[np.ix_(*cells)].all():
                return _read(catalog, placed, axes, found.held)
    damage = f" ({found.damage[0]})" if found.damage else ""
    raise StoreError(
        "store",
        str(path),
        f"is not writable, and lacks runs that are asked for{damage}",
        "Change its permissions, or copy it and sweep into the copy",
    )


def resolve_path(store: object) -> Path:
    """The folder that `store` names: `~` expanded, links followed.

    Raises:
        StoreError: no store can be there, or something else is.
    """
    if not isinstance(store, str | Path) or not str(store).strip() or "\0" in str(store):
        raise StoreError("store", store, "must be the path of a folder", 'Write store="results/study.zarr"')
    if "://" in str(store) or ":/" in str(store):
        raise StoreError("store", store, "must be a local folder", "Copy the finished store to where it should be")
    with as_store_error(Path(store)):
        given = Path(store).expanduser()
        path = given.resolve()
        if given.is_symlink() and not path.exists():
            raise StoreError(
                "store",
                str(given),
                f"is a link to {path}, which does not exist",
                "Make that folder, or remove the link",
            )
        if path.exists() and not path.is_dir():
            raise StoreError("store", str(path), "is no folder", "Give a folder's path, such as results/study.zarr")
        if path.is_dir():
            if any(path.iterdir()):
                read_manifests(path)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    """Errors of the system at a store's path, as StoreError."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: no home for ~, or links in a circle
        is_permission = isinstance(error, PermissionError)
        remedy = "Change its permissions, or use another path" if is_permission else "Use another path, or make room"
        raise StoreError("store", str(path), f"cannot be used ({error})", remedy) from error


def _read(catalog: Catalog, placed: Sequence[Axis], axes: Sequence[Axis], held: np.ndarray) -> xr.Dataset:
    dataset = open_result(catalog, held, provenance_text(catalog.manifest))
    for axis, asked in zip(placed, axes, strict=True):
        positions = find_positions(asked, axis.labels)
        if positions != list(range(len(axis.labels))):
            dataset = dataset.isel({asked.name: positions})
    return dataset


def _create(path: Path, identity: Identity, axes: Sequence[Axis], outputs: Outputs, box: Box) -> None:
    """Make a store without cells, whole at once: in a folder beside it, under that folder's lock, then renamed."""
    for _ in range(_ATTEMPTS):
        building = path.with_name(f"{path.name}.creating-{secrets.randbelow(10**5)}")
        # Another process may take it for a left-over before it is locked: then it is begun anew.
        with contextlib.suppress(FileExistsError, FileNotFoundError, BlockingIOError):
            building.mkdir()
            write_files({building / ".zgroup": GROUP})  # what begins so is a store in the making
            with hold_folder(building):
                create_store(building, identity, axes, outputs, box)
                try:
                    building.rename(path)
                except OSError:
                    shutil.rmtree(building)
                    if path.is_dir() and any(path.iterdir()):
                        return  # another process was faster: its store is opened next
                    raise
                sync_folder(path.parent)
            return
    raise FileNotFoundError(errno.ENOENT, "no folder can be made beside it", str(path))


def _remove_unfinished(path: Path) -> None:
    """Remove the stores that processes began here and did not live to finish: those whose lock is free."""
    pattern = re.compile(re.escape(path.name) + r"\.creating-\d{1,10}")
    for left in [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]:
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            if left.is_dir() and not left.is_symlink() and ((left / ".zgroup").exists() or not any(left.iterdir())):
                with hold_folder(left):
                    shutil.rmtree(left)


def _remove_partial(path: Path) -> None:
    """Remove the files that a killed writer of this store had not finished."""
    names = re.compile(r"(\d+(\.\d+)*|\.z(array|attrs|group|metadata)|\.owner|\.copy-.+)" + re.escape(PARTIAL))
    for folder in (path, *(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())):
        for left in [entry for entry in folder.iterdir() if names.fullmatch(entry.name)]:
            if left.is_symlink() or left.is_file():
                left.unlink()


def _status(file: Path) -> tuple[int, int, int]:
    status = file.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns

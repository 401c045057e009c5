"""The store of a sweep: a zarr group that any reader can open at any moment, and that the same sweep can continue."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
import xarray as xr

from jaxreg.engine.arrays import StoredArray
from jaxreg.engine.axes import Axis
from jaxreg.engine.buffer import Batch, Buffer, FileName
from jaxreg.engine.catalog import Catalog, open_catalog
from jaxreg.engine.execute import PAUSES, Block
from jaxreg.engine.grid import Assignment, Box, Region, Tile, unassigned
from jaxreg.engine.identity import Identity, check_same
from jaxreg.engine.integrity import examine, repair
from jaxreg.engine.layout import check_axes, create_store, extend_store, find_positions, place_axes
from jaxreg.engine.lazy import open_result
from jaxreg.engine.manifest import metadata_files, provenance_text, publish, read_assignments, write_assignments
from jaxreg.engine.memory import region_index
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.places import Hold, Place, as_store_error, explain, fill, is_new, read_token
from jaxreg.engine.sealing import in_background
from jaxreg.engine.signals import answer_signals
from jaxreg.errors import StoreError

FLUSH_SECONDS = 4.0  # what a kill may cost, beside the chunk that is being computed
FLUSH_BYTES = 2**25  # as many are written meanwhile


@dataclasses.dataclass(frozen=True)
class Loan:
    """The arrays of a store whose files others write for a while, how many tiles they do, and which cells are there."""

    arrays: tuple[StoredArray, ...]
    tiles: int
    catalog: Catalog
    held: np.ndarray

    def list_begun(self, tiles: Sequence[Tile]) -> frozenset[FileName]:
        """The files of `tiles` that hold cells already, and must be read before they are written."""
        begun = set()
        for array in self.arrays:
            for tile in tiles:
                files = (part.file for part in array.split_region(tile.positions, self.catalog.sizes))
                begun |= {(array.name, file) for file in files if self.held[array.window(file)].any()}
        return frozenset(begun)


class Store:
    """An open store: the sweep's axes in the store's positions, which cells are done, and where blocks are written."""

    def __init__(
        self,
        catalog: Catalog,
        axes: tuple[Axis, ...],
        held: np.ndarray,
        hold: Hold,
        damage: Sequence[str] = (),
    ) -> None:
        self.place, self.axes, self.stale, self.damage = catalog.place, axes, hold.stale, damage
        self._catalog, self._done = catalog, held
        self._buffer = Buffer(catalog, held)
        self._hold = hold
        self._metadata = metadata_files(catalog.manifest)
        self._watched = self.place.watch(list(self._metadata))
        self._flushed = time.monotonic()
        self._batch: Batch | None = None
        self._writing: Future[None] | None = None
        self._trouble: BaseException | None = None
        self._heed: Callable[[], None] = lambda: None
        self._has_ended = False

    @functools.cached_property
    def _assigned(self) -> list[Assignment]:
        return read_assignments(self._catalog.manifest)  # long, where axes are: read once, if at all

    @property
    def assignments(self) -> list[Assignment]:
        """The cells assigned so far and their chunk shapes, in the order in which they were first asked for."""
        return list(self._assigned)

    @property
    def store_id(self) -> str:
        """What every file of the store is bound to."""
        return self._catalog.store_id

    def read_token(self) -> str:
        """What the note of this sweep says, as long as it is the one that writes; see `places.read_token`."""
        token = read_token(self.place)
        with self._as_store_errors():
            self._hold.check()
        return token

    def is_done(self, positions: Region) -> bool:
        """Whether every cell at `positions` has been computed."""
        return bool(self._done[region_index(positions, ())].all())

    def write(self, positions: Region, block: Block) -> None:
        """Take in the outputs of the cells at `positions`; every few seconds what came in is written."""
        self._heed()
        with self._as_store_errors():
            self._buffer.put(positions, block)
        if time.monotonic() - self._flushed > FLUSH_SECONDS or self._buffer.bytes > FLUSH_BYTES:
            self._settle()
            self._begin_batch()

    def flush(self) -> None:
        """Write what came in, then mark its cells as done: a cell is never half there."""
        self._settle()
        self._begin_batch()
        self._settle()

    def _begin_batch(self) -> None:
        """Begin to write what came in, while the next chunk is computed."""
        if self._trouble is None:
            self._batch = self._buffer.take_batch()
            if self._batch:
                self._writing = Future()
                in_background(self._writing, self._batch.write, self._guard)
            self._flushed = time.monotonic()

    def _settle(self) -> None:
        """Wait until what was begun is written; what no thread began, or lacked memory for, is written here and now."""
        self._wait()
        if self._batch is None or self._trouble is not None:
            return
        writing, self._writing = self._writing, None
        with self._as_store_errors():
            self._batch.write(self._guard) if writing is None else writing.result()
        self._batch = None
        self._buffer.forget()

    def _wait(self) -> None:
        """Until no thread writes."""
        if self._writing is not None:
            if self._writing.cancel():
                self._writing = None
            else:
                wait([self._writing])

    def lend(self, tiles: Iterable[Tile]) -> Loan:
        """Leave to others the arrays of which no two of `tiles` share a file: only these can many processes write."""
        arrays, count = find_unshared(self._catalog.outputs, tiles)
        self.finish()
        self._buffer.lend([array.name for array in arrays])
        return Loan(tuple(arrays), count, self._catalog, self._done)

    def note(self, told: dict[str, Any]) -> None:
        """Add to what the store says of the sweep that writes it."""
        self._catalog.manifest["history"][-1] |= told
        self._publish()

    def count_missing(self) -> int:
        """How many of the cells that the sweep asks for, or that were asked for before, are not done."""
        if self._done.all():  # most often, and then nothing need be known of who asked for what
            return 0
        asked = tuple(tuple(np.sort(np.concatenate([g.positions for g in axis.groups])).tolist()) for axis in self.axes)
        new = (~self._done[region_index(region, ())] for region in self.unassigned(asked))
        known = (~self._done[region_index(one.region, ())] for one in self._assigned)
        return sum(int(cells.sum()) for cells in (*known, *new))

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
        self.finish()
        with as_store_error(self.place):
            return _read(self._catalog, self.axes, axes, self._done)

    def finish(self) -> None:
        """Write what came in last; memory that is short then is an error, where before the engine would make room."""
        with self._as_store_errors((MemoryError,)):
            for pause in PAUSES:
                with contextlib.suppress(MemoryError):
                    self.flush()
                    return
                time.sleep(pause)
            self.flush()

    def _record(self, assignments: Sequence[Assignment]) -> None:
        self._assigned = list(assignments)
        write_assignments(self._catalog.manifest, assignments)
        self._publish()

    def _publish(self) -> None:
        self._settle()
        with self._as_store_errors():
            self._guard()
            try:
                self._metadata = publish(self.place, self._catalog.manifest, self._metadata)
            finally:  # an interrupt here must not make our own files look like those of another process
                self._watched = self.place.watch(list(self._metadata))

    @contextlib.contextmanager
    def heeding(self, heed: Callable[[], None]) -> Iterator[None]:
        """Within the block, `heed` is asked before every write; whatever ends the block, what came in is written."""
        self._heed = heed
        try:
            try:
                yield
            except BaseException as error:
                try:
                    self.finish()
                except StoreError as trouble:  # the exit code is that of what came first
                    error.add_note(str(trouble))
                raise
            self.finish()
        finally:  # a second interrupt ends this too: before others may write, nothing more is begun
            self._has_ended = True
            self._wait()

    def describe_rest(self) -> str:
        """What a sweep that is interrupted says last."""
        if self._trouble is not None:
            return f"{self.place}: interrupted; what came in last could not be written ({explain(self._trouble)})."
        missing = self.count_missing()
        if not missing:
            return f"{self.place}: interrupted when all runs were there."
        return f"{self.place}: interrupted with {missing:,} runs to go; the same sweep again goes on from here."

    def _guard(self) -> None:
        """Notice that the store was deleted, moved or changed by another process since we last looked."""
        if self._has_ended:
            raise FileExistsError("the sweep was interrupted")
        self._hold.check()
        if self.place.watch(list(self._metadata)) != self._watched:
            raise FileExistsError("its metadata was deleted or changed")

    @contextlib.contextmanager
    def _as_store_errors(self, kinds: tuple[type[Exception], ...] = (OSError, RuntimeError)) -> Iterator[None]:
        try:
            yield
        except kinds as error:  # RuntimeError: the compressor, when memory is short
            self._trouble = error
            if isinstance(error, FileNotFoundError | FileExistsError | NotADirectoryError | IsADirectoryError):
                raise StoreError(
                    "store",
                    str(self.place),
                    f"was deleted, moved or changed by another process while the sweep ran ({error})",
                    "Run the sweep again: cells that are still there stay, the others are computed again",
                ) from error
            raise StoreError(
                "store",
                str(self.place),
                f"cannot be written ({explain(error)})",
                "Make room, or mend what it says, and run the sweep again: cells that are marked done stay",
            ) from error


@contextlib.contextmanager
def open_store(
    place: Place,
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    box: Box,
    tell: Callable[[str], None],
) -> Iterator[Store]:
    """Create the store, or add to it what `axes` newly ask for; hold its lock; yield it.

    Every file is examined first, and cells whose files are damaged count as not done. `tell` says what is waited for.

    Raises:
        StoreError: the path is not a store, holds another sweep, is in use or cannot be written.
    """
    opened: list[Store] = []

    def farewell() -> str:
        return opened[0].describe_rest() if opened else describe_start(place)

    def make(new: Place) -> None:
        create_store(new, identity, axes, outputs, box)

    with contextlib.ExitStack() as stack:
        heed = stack.enter_context(answer_signals(farewell))
        with as_store_error(place):
            place.begin(make)
            hold = stack.enter_context(place.hold(tell))
            if is_new(place):
                fill(hold.place, make)
                hold.announce()
            hold.place.tidy()
            opened.append(_open(hold.place, identity, environment, axes, outputs, hold))
        stack.enter_context(opened[0].heeding(heed))
        yield opened[0]


def describe_start(place: Place) -> str:
    """What a sweep that is interrupted says before its store is open."""
    return f"{place}: interrupted before a run was computed; the same sweep again goes on from what is there."


def _open(
    place: Place,
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    hold: Hold,
) -> Store:
    """Examine, repair and extend the store at `place`; where all is well and there, nothing is written."""
    catalog = open_catalog(place, {axis.name: axis.labels for axis in axes})
    check_same(place, catalog.manifest, identity, axes)
    check_axes(catalog, axes)
    found = examine(catalog, hold.stale is not None)
    placed = place_axes(catalog, axes)
    if found.is_whole and placed is not None and identity.programs.items() <= catalog.manifest["programs"].items():
        store = Store(catalog, placed, found.held, hold)
        if not store.count_missing():
            return store
    moved = repair(catalog, found)
    if "done" in found.folders:
        hold.announce()
    named = [str(damage) for damage in found.damage]
    if named:
        environment = environment | {"repaired": named}
    catalog, placed = extend_store(catalog, identity, environment, axes, outputs, found.held)
    held = np.zeros([len(axis.labels) for axis in placed], bool)
    held[tuple(map(slice, found.held.shape))] = found.held
    told = [f"{int(found.lost.sum()):,} runs are computed again, the rest is repaired"] if named else []
    return Store(catalog, placed, held, hold, [*named, *moved, *told])


def read_finished(place: Place, identity: Identity, axes: Sequence[Axis]) -> tuple[xr.Dataset, list[str]] | None:
    """The result of a store that may not be written, if all that `axes` ask for is there, and what is damaged.

    None where it may be written.

    Raises:
        StoreError: it may not be written, and something is missing or damaged.
    """
    with as_store_error(place):
        if not place.exists() or place.is_writable() or is_new(place):
            return None
        catalog = open_catalog(place, {axis.name: axis.labels for axis in axes})
        check_same(place, catalog.manifest, identity, axes)
        check_axes(catalog, axes)
        found = examine(catalog)
        placed = place_axes(catalog, axes)
        if placed is not None:
            cells = tuple(find_positions(axis, catalog.labels[axis.name]) for axis in axes)
            if found.held[np.ix_(*cells)].all():
                named = [f"{damage}, which may not be repaired here" for damage in found.damage]
                return _read(catalog, placed, axes, found.held), named
    damage = f" ({found.damage[0]})" if found.damage else ""
    raise StoreError(
        "store",
        str(place),
        f"is not writable, and lacks runs that are asked for{damage}",
        "Change its permissions, or copy it and sweep into the copy",
    )


def _read(catalog: Catalog, placed: Sequence[Axis], axes: Sequence[Axis], held: np.ndarray) -> xr.Dataset:
    dataset = open_result(catalog, held, provenance_text(catalog.manifest))
    for axis, asked in zip(placed, axes, strict=True):
        positions = find_positions(asked, axis.labels)
        if not np.array_equal(positions, np.arange(len(axis.labels))):
            dataset = dataset.isel({asked.name: positions})
    return dataset


def find_unshared(arrays: Iterable[StoredArray], tiles: Iterable[Tile]) -> tuple[list[StoredArray], int]:
    """The arrays of which no two tiles share a file, and how many tiles there are.

    Tiles are products of parts of the axes: two of them share a file only where two parts of an axis do.
    """
    known: dict[int, dict[int, Sequence[int]]] = {}
    count = 0
    for count, tile in enumerate(tiles, 1):  # noqa: B007
        for axis, part in enumerate(tile.positions):
            known.setdefault(axis, {})[id(part)] = part  # most are objects that other tiles have too
    parts = [set(column.values()) for column in known.values()]
    apart = [array for array in arrays if all(_are_apart(p, n) for p, n in zip(parts, array.chunks, strict=False))]
    return apart, count


def _are_apart(parts: Iterable[Sequence[int]], length: int) -> bool:
    """Whether no two of these positions of an axis lie in one file of so many."""
    seen: set[int] = set()
    for part in parts:
        files = {i // length for i in part}
        if files & seen:
            return False
        seen |= files
    return True

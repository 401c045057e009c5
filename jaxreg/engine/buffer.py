"""Writes of many small blocks, gathered: each file of a store is written once every few seconds, `done` last."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from jaxreg.engine.arrays import Part, Piece, StoredArray, file_key, outer
from jaxreg.engine.catalog import Catalog
from jaxreg.engine.execute import Block
from jaxreg.engine.grid import Region
from jaxreg.engine.integrity import pack_done
from jaxreg.engine.memory import region_index
from jaxreg.engine.places import Place, Sign
from jaxreg.engine.sealing import DamageError, Data

KEPT_BYTES = 2**27  # of files that are not full and will be written again
FileName = tuple[str, tuple[int, ...]]  # its array, and its place in it


class Pieces:
    """Files of a store that are being filled, in memory; `begin` gives what a file holds at first, None for nothing."""

    def __init__(self, catalog: Catalog, begin: Callable[[StoredArray, tuple[int, ...]], Piece | None]) -> None:
        self.catalog = catalog
        self.bytes = 0  # of files that must be written
        self._begin = begin
        self._pieces: dict[FileName, Piece | None] = {}
        self._changed: set[FileName] = set()

    def fill(self, positions: Region, block: Block) -> None:
        """Take in the outputs of the cells at `positions`; entries that a shorter output lacks are padding."""
        for name, values in block.items():
            array = self.catalog.arrays[name]
            shape = array.shape(self.catalog.sizes)[array.cells :]
            if values.shape[array.cells :] != shape:
                padded = np.full((*values.shape[: array.cells], *shape), array.blank().values.flat[0], array.dtype)
                padded[tuple(map(slice, values.shape))] = values
                values = padded
            for part in array.split_region(positions, self.catalog.sizes):
                self._fill_file(array, part, values[outer(part.of_block, values.shape)])

    def take(self) -> "Packed":
        """The files that changed, as they are now: what comes in next does not change them."""
        files = {}
        for name, index in sorted(self._changed):
            array, piece = self.catalog.arrays[name], self._pieces[name, index]
            assert piece is not None  # it was filled
            piece.values.flags.writeable = False
            files[self.catalog.file(array, index)] = array, index, piece
        self._changed.clear()
        self.bytes = 0
        return Packed(self.catalog, files)

    def _fill_file(self, array: StoredArray, part: Part, values: np.ndarray) -> None:
        """Put values into a file; those of a whole file are kept as they are, since copying them takes a while."""
        key = (array.name, part.file)
        if key not in self._pieces:
            self._pieces[key] = self._begin(array, part.file)
        if values.shape == array.chunks and values.dtype == array.dtype:
            piece = Piece(values, np.ones(array.chunks[: array.cells], bool))
        else:
            piece = self._pieces[key] or array.blank()
            if not piece.values.flags.writeable:
                piece = Piece(piece.values.copy(), piece.cells.copy())
            piece.values[outer(part.inside, array.chunks)] = values
            piece.cells[outer(part.inside[: array.cells], array.chunks)] = True
        self._pieces[key] = piece
        if key not in self._changed:
            self._changed.add(key)
            self.bytes += piece.values.nbytes


class Packed(Mapping[str, Data]):
    """Files by name, each sealed when it is asked for: just before it is written, so that few are in memory twice."""

    def __init__(self, catalog: Catalog, files: dict[str, tuple[StoredArray, tuple[int, ...], Piece]]) -> None:
        self._catalog, self._files = catalog, files

    def __getitem__(self, file: str) -> Data:
        """What the file is to hold."""
        array, index, piece = self._files[file]
        return array.pack(piece, self._catalog.store_id, index, self._catalog.labels)

    def __iter__(self) -> Iterator[str]:
        """The files' names."""
        return iter(self._files)

    def __len__(self) -> int:
        """How many files there are."""
        return len(self._files)


class Buffer(Pieces):
    """Files that are being filled by the one process that marks cells, and which cells they make complete."""

    def __init__(self, catalog: Catalog, held: np.ndarray) -> None:
        super().__init__(catalog, self._begin_seen)
        self.held = held
        self._marked: set[tuple[int, ...]] = set()
        self._seen: dict[str, Sign] = {}

    def put(self, positions: Region, block: Block) -> None:
        """Take in the outputs of the cells at `positions`, which with them are there, the others being written."""
        self.fill(positions, block)
        done = self.catalog.arrays["done"]
        self._marked.update(part.file for part in done.split_region(positions, self.catalog.sizes))
        self.held[region_index(positions, ())] = True

    def take_batch(self) -> "Batch | None":
        """What came in since the last time, if anything: to be written while more comes in; then call `forget`."""
        if not self._marked:
            return None
        done = pack_done(self.catalog, self.held, sorted(self._marked))
        self._marked.clear()
        return Batch(self.catalog.place, self.take(), done, self._seen)

    def forget(self) -> None:
        """Drop the files that are full and written, and all that are written where they are too many to be kept."""
        written = {key: piece for key, piece in self._pieces.items() if key not in self._changed}
        partial = {key: piece for key, piece in written.items() if piece and not piece.cells.all()}
        kept = partial if sum(piece.values.nbytes for piece in partial.values()) <= KEPT_BYTES else {}
        self._pieces = {key: piece for key, piece in self._pieces.items() if key in kept or key in self._changed}
        files = {self.catalog.file(self.catalog.arrays[name], index) for name, index in self._pieces}
        for file in self._seen.keys() - files:
            del self._seen[file]

    def lend(self, names: Collection[str]) -> None:
        """Keep nothing of these arrays, whose files others write for now; what came in has been written."""
        self._pieces = {key: piece for key, piece in self._pieces.items() if key[0] not in names}

    def _begin_seen(self, array: StoredArray, index: tuple[int, ...]) -> Piece | None:
        file = self.catalog.file(array, index)
        self._seen[file] = self.catalog.place.sign(file)
        return None if self._seen[file] is None else self._read(array, index)

    def _read(self, array: StoredArray, index: tuple[int, ...]) -> Piece | None:
        """A file as it is; what a forgotten extension left, whose cells nobody holds, is begun anew."""
        try:
            return self.catalog.read(array, index)
        except DamageError as error:
            if self.held[array.window(index)].any():
                raise FileExistsError(f"{array.name}/{file_key(index)} {error}") from error
            return None


class Batch:
    """Files to be written, and those of `done` that mark what is in them."""

    def __init__(
        self, place: Place, files: Mapping[str, Data], done: Mapping[str, Data], seen: dict[str, Sign]
    ) -> None:
        self._place, self._files, self._done, self._seen = place, files, done, seen

    def write(self, guard: Callable[[], None]) -> None:
        """Write every file, then `done`; `guard` is asked before each whether the store is still ours."""
        guard()
        self._place.write_if(self._files, self._seen)
        guard()
        self._place.write(self._done)

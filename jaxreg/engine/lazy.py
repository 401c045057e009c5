"""The result of a store: an xarray dataset whose values are read, and checked, when they are used."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from jaxreg.engine.arrays import Part, Piece, StoredArray, file_key, outer
from jaxreg.engine.catalog import Catalog, open_catalog
from jaxreg.engine.places import as_store_error
from jaxreg.engine.sealing import DamageError, in_threads
from jaxreg.errors import StoreError


class StoredValues(BackendArray):
    """The values of one array of a store: only those of the store that it was made from, and only as written.

    `held` says which cells were there; a file that lacks one of them is an error, not a missing value.
    """

    def __init__(self, catalog: Catalog, array: StoredArray, held: np.ndarray) -> None:
        self.shape, self.dtype = array.shape(catalog.sizes), array.dtype
        self._catalog, self._array, self._held = catalog, array, held

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """The values at an index of xarray's."""
        outermost = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outermost, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        positions = [_positions(part, n) for part, n in zip(key, self.shape, strict=True)]
        result = np.empty([len(part) for part in positions], self.dtype)
        cells = self._array.cells
        along = [np.arange(p.start, p.stop, p.step) if isinstance(p, range) else np.asarray(p) for p in positions]

        def read(part: Part) -> None:
            here = [places[w] for places, w in zip(along[:cells], part.of_block[:cells], strict=True)]
            out = self._find_room(result, part)
            piece = self._load(part.file, part.inside[:cells], self._held[np.ix_(*here)], out)
            if piece.values is not out:
                result[outer(part.of_block, result.shape)] = piece.values[outer(part.inside, self._array.chunks)]

        parts = list(self._array.split(positions))
        in_threads(read, parts) if len(parts) > 1 else list(map(read, parts))
        return np.asarray(result[tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)])

    def _find_room(self, result: np.ndarray, part: Part) -> np.ndarray | None:
        """Where in `result` a file can be decoded, which is faster than to copy it there: all of it, as it is."""
        if not all(isinstance(places, slice) for places in (*part.inside, *part.of_block)):
            return None
        room: np.ndarray = result[part.of_block]
        return room if room.shape == self._array.chunks and room.flags.c_contiguous else None

    def _load(self, index: tuple[int, ...], inside: Sequence[Any], held: np.ndarray, out: np.ndarray | None) -> Piece:
        """A file that has the cells `held`; a store that grew since is opened again."""
        with as_store_error(self._catalog.place):
            return self._find(index, inside, held, out)

    def _find(self, index: tuple[int, ...], inside: Sequence[Any], held: np.ndarray, out: np.ndarray | None) -> Piece:
        for catalog in (self._catalog, None):
            try:
                piece = (catalog or self._reopen()).read_again(self._array, index, out)
                problem = "is older than the result that reads it"
            except FileNotFoundError:
                piece, problem = self._array.blank(), "is missing"
            except DamageError as error:
                piece, problem = None, str(error)
            if piece is not None and not (held & ~piece.cells[outer(inside, self._array.chunks)]).any():
                return piece
        name = f"{self._array.name}/{file_key(index)}"
        raise StoreError(
            "store",
            str(self._catalog.place),
            f"is damaged: {name} {problem}",
            "Run the sweep again: it finds and computes again what was hit, and only that",
        )

    def _reopen(self) -> Catalog:
        place = self._catalog.place
        if not place.exists():
            raise StoreError(
                "store", str(place), "was deleted or moved since this result was made", "Bring it back, or sweep again"
            )
        catalog = open_catalog(place)
        if catalog.store_id != self._catalog.store_id:
            raise StoreError(
                "store", str(place), "is another one than this result was made from", "Take the result of its own sweep"
            )
        self._catalog = catalog
        return catalog


class StoreBackend(BackendEntrypoint):
    """How xarray opens a store: each array as `StoredValues`, labels and coordinates at once."""

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str,
        *,
        drop_variables: Any = None,
        catalog: Catalog,
        held: np.ndarray,
        provenance: str,
    ) -> xr.Dataset:
        """The dataset of an open store."""
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = dict(catalog.labels)
        for name, array in catalog.arrays.items():
            if name in catalog.labels or name == "done":
                continue
            if array.kept:
                (coordinates if name in array.dims else variables)[name] = (array.dims, catalog.read_whole(array))
            else:
                values = indexing.LazilyIndexedArray(StoredValues(catalog, array, held))
                variables[name] = xr.Variable(array.dims, values)
        return xr.Dataset(variables, coordinates, {"provenance": provenance})


def open_result(catalog: Catalog, held: np.ndarray, provenance: str) -> xr.Dataset:
    """All cells of a store, read when they are used."""
    own = {"catalog": catalog, "held": held, "provenance": provenance}
    return xr.open_dataset(str(catalog.place), engine=StoreBackend, chunks=None, backend_kwargs=own)


def _positions(part: Any, length: int) -> Sequence[int]:
    """The positions that an index of one dimension names."""
    if isinstance(part, slice):
        return range(length)[part]
    return tuple(np.atleast_1d(np.arange(length)[part]).tolist())

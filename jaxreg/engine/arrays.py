"""One array of a store: its metadata in zarr's format 2, its files, and which of them hold which positions."""

import dataclasses
import functools
import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numcodecs
import numpy as np

from jaxreg.engine.grid import Region, tighten
from jaxreg.engine.outputs import padding_value
from jaxreg.engine.sealing import Data, seal, unseal

_CODEC = numcodecs.Zstd(level=1, checksum=True)
_PLAIN = numcodecs.Zstd(level=-1, checksum=True)  # any reader's as well: finds what is repeated, at six times the speed
_SAMPLE, _WORTH = 2**14, 0.75  # bytes that are tried, and the share of them that the slower level must get them down to
Place = slice | np.ndarray


class Piece(NamedTuple):
    """What one file of an array holds: values of the chunk's shape, and which of its cells were computed."""

    values: np.ndarray
    cells: np.ndarray


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array whose first `cells` dimensions are axes of the sweep; its files hold `chunks` of it.

    The shape is not here: axes and ragged dimensions grow, and their sizes are the store's.
    """

    name: str
    dims: tuple[str, ...]
    dtype: np.dtype
    chunks: tuple[int, ...]
    cells: int
    kept: bool = False  # twice, since no run computes it: labels, coordinates, validity

    @classmethod
    def from_json(cls, name: str, held: Mapping[str, Any]) -> "StoredArray":
        """The array that a manifest describes."""
        dims, chunks = tuple(held["dims"]), tuple(held["chunks"])
        return cls(name, dims, np.dtype(held["dtype"]), chunks, held["cells"], held["kept"])

    def to_json(self) -> dict[str, Any]:
        """What a manifest says of this array."""
        described = {"dims": list(self.dims), "dtype": self.dtype.str, "chunks": list(self.chunks)}
        return described | {"cells": self.cells, "kept": self.kept}

    def metadata(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Zarr's two metadata documents, by file name."""
        # Readers take a fill value for "missing": floats have one; zeros, False and "" are real values and have none.
        array = {
            "chunks": list(self.chunks),
            "compressor": _CODEC.get_config(),
            "dimension_separator": ".",
            "dtype": self.dtype.str,
            "fill_value": "NaN" if self.dtype.kind == "f" else None,
            "filters": None,
            "order": "C",
            "shape": list(self.shape(sizes)),
            "zarr_format": 2,
        }
        return {".zarray": array, ".zattrs": {"_ARRAY_DIMENSIONS": list(self.dims)}}

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The array's shape where dimensions have these sizes."""
        return tuple(sizes[dim] for dim in self.dims)

    def blank(self) -> Piece:
        """A file's content before anything is known."""
        padding = padding_value(self.dtype) if self.dtype.kind != "U" else ""
        return Piece(np.full(self.chunks, padding, self.dtype), np.zeros(self.chunks[: self.cells], bool))

    def pack(self, piece: Piece, store: str, index: Sequence[int], labels: Mapping[str, np.ndarray]) -> Data:
        """The bytes of the file at `index` of the store with this id, sealed."""
        # The labels bound are those that the file's cells have by now: a store only ever adds labels.
        counts = [
            max(0, min(len(labels[dim]) - part.start, part.stop - part.start)) for dim, part in self._bound(index)
        ]
        note = struct.pack(f"<{len(counts)}I", *counts) + _CODEC.encode(np.packbits(piece.cells))
        frame = _compress(np.ascontiguousarray(piece.values).reshape(-1).view(np.uint8))
        return seal(frame, note, self._bind(store, index, labels, note))

    def check(self, data: bytes, store: str, index: Sequence[int], labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which cells a file holds, once its seal is right; DamageError otherwise."""
        return self._unseal(data, store, index, labels)[1]

    def unpack(
        self,
        data: bytes,
        store: str,
        index: Sequence[int],
        labels: Mapping[str, np.ndarray],
        out: np.ndarray | None = None,
        is_whole: bool = True,
    ) -> Piece:
        """What a file holds, in `out` if given, once its seal is right; DamageError otherwise.

        Unless `is_whole` is asked for, that is where the file belongs and which cells it has; zstd's own checksum, of
        the values, always is.
        """
        frame, cells = self._unseal(data, store, index, labels, is_whole)
        values = np.empty(self.chunks, self.dtype) if out is None else out
        try:
            _CODEC.decode(frame, values.reshape(-1).view(np.uint8))
        except (RuntimeError, ValueError):
            self._unseal(data, store, index, labels)  # says so, unless it is memory that is short
            raise
        return Piece(values, cells)

    def indices(self, sizes: Mapping[str, int]) -> Iterator[tuple[int, ...]]:
        """The places of all files of the array."""
        counts = (-(-n // chunk) for n, chunk in zip(self.shape(sizes), self.chunks, strict=True))
        return itertools.product(*map(range, counts))

    def window(self, index: Sequence[int]) -> tuple[slice, ...]:
        """Which cells of the sweep the file at `index` covers; slices may reach beyond the last."""
        pairs = itertools.islice(zip(index, self.chunks, strict=True), self.cells)
        return tuple(slice(i * chunk, (i + 1) * chunk) for i, chunk in pairs)

    def split(self, positions: Sequence[Sequence[int]]) -> Iterator["Part"]:
        """The files that the product of `positions` lies in: where in each file, and where in a block of them."""
        places = [_split(part, chunk) for part, chunk in zip(positions, self.chunks, strict=True)]
        for combination in itertools.product(*places):
            numbers, inside, of_block = zip(*combination, strict=True)
            yield Part(numbers, inside, of_block)

    def split_region(self, region: Region, sizes: Mapping[str, int]) -> Iterator["Part"]:
        """The same of all entries of the cells of a region, where dimensions have these sizes."""
        yield from self.split([*map(tighten, region), *map(range, self.shape(sizes)[self.cells :])])

    def _unseal(
        self, data: bytes, store: str, index: Sequence[int], labels: Mapping[str, np.ndarray], is_whole: bool = True
    ) -> tuple[memoryview, np.ndarray]:
        frame, note = unseal(data, functools.partial(self._bind, store, index, labels), is_whole)
        bits = np.frombuffer(_CODEC.decode(note[4 * len(self._bound(index)) :]), np.uint8)
        shape = self.chunks[: self.cells]
        return frame, np.unpackbits(bits, count=math.prod(shape)).astype(bool).reshape(shape)

    def _bound(self, index: Sequence[int]) -> list[tuple[str, slice]]:
        """The axes whose labels a file is bound to, and its part of each; what is kept twice gives labels itself."""
        return [] if self.kept else list(zip(self.dims, self.window(index), strict=False))

    def _bind(
        self, store: str, index: Sequence[int], labels: Mapping[str, np.ndarray], note: bytes, is_first: bool = False
    ) -> bytes:
        """Where a file belongs: the store, the array, the place, and the labels of its cells."""
        parts = [f"{store}/{self.name}/{file_key(index)}".encode(), note]
        bound = self._bound(index)
        if len(note) >= 4 * len(bound):
            counts = struct.unpack_from(f"<{len(bound)}I", note)
            held = [labels[d][p.start : p.start + n] for (d, p), n in zip(bound, counts, strict=True)]
            parts += [part.tobytes() if is_first else b"%08x" % zlib.crc32(part.view(np.uint8).data) for part in held]
        return b"\0".join(parts)


def _compress(values: np.ndarray) -> bytes:
    """Bytes as a zstd frame, about as they are where compressing them would gain little, as with most floats."""
    sample = _CODEC.encode(values[:_SAMPLE])
    if len(values) <= _SAMPLE:
        return bytes(sample)
    return bytes((_CODEC if len(sample) < _WORTH * _SAMPLE else _PLAIN).encode(values))


class Part(NamedTuple):
    """The part of a block that lies in one file: the file's place, and the entries within the file and the block."""

    file: tuple[int, ...]
    inside: tuple[Place, ...]
    of_block: tuple[Place, ...]


def file_key(index: Sequence[int]) -> str:
    """The name of a file in its array's folder."""
    return ".".join(map(str, index))


def outer(parts: Sequence[Place], shape: Sequence[int]) -> Any:
    """An index of the product of `parts`: slices as they are, arrays along their own axis."""
    if all(isinstance(part, slice) for part in parts):
        return tuple(parts)
    return np.ix_(*(np.arange(n)[part] for part, n in zip(parts, shape, strict=False)))


@functools.lru_cache(maxsize=256)
def _split(positions: Sequence[int], length: int) -> list[tuple[int, Place, Place]]:
    """Positions by the file of `length` that they lie in: its number, places in it, places in `positions`."""
    if isinstance(positions, range) and positions.step == 1:
        start, stop = positions.start, positions.stop
        ends = [*range((start // length + 1) * length, stop, length), stop] if positions else []
        spans = zip([start, *ends], ends, strict=False)
        return [(a // length, slice(a % length, a % length + b - a), slice(a - start, b - start)) for a, b in spans]
    where = np.asarray(positions, int)
    files = where // length
    result: list[tuple[int, Place, Place]] = []
    for number in np.unique(files).tolist():
        members = np.flatnonzero(files == number)
        result.append((number, _tighten(where[members] - number * length), _tighten(members)))
    return result


def _tighten(places: np.ndarray) -> Place:
    """A slice where `places` are one after the other."""
    if (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def file_chunks(cells: Sequence[int], shape: Sequence[int], dtype: np.dtype, most_bytes: int) -> tuple[int, ...]:
    """Chunk lengths: these cells, and the trailing `shape` cut until a file holds at most `most_bytes`."""
    trailing = [max(1, size) for size in shape]
    while math.prod((*cells, *trailing)) * dtype.itemsize > most_bytes:
        longest = trailing.index(max(trailing))
        trailing[longest] = -(-trailing[longest] // 2)
    return (*(max(1, n) for n in cells), *trailing)

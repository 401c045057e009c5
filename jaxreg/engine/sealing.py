"""Files that cannot lie: replaced whole, durable, and sealed with what they hold and where they belong."""

import hashlib
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numcodecs
import numpy as np

PARTIAL = ".partial"
_SKIPPABLE = 0x184D2A50  # begins a frame that every decoder of zstd passes over (RFC 8878, section 3.1.2)
_DIGEST = 16  # bytes
_CELLS = numcodecs.Zstd(level=1)


class DamageError(Exception):
    """A file is not what was written there; the message says how, as the end of a sentence."""


def write_files(files: Mapping[Path, bytes]) -> None:
    """Replace each file whole, in this order; when this returns, a power cut does not undo it.

    Each is written beside its place, synced, and renamed: readers see the old or the new bytes, and a symlink at
    either name is replaced, never followed. Folders are not made: one that is gone is an error.
    """
    for path, data in files.items():
        beside = _beside(path)
        beside.unlink(missing_ok=True)
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for path in files:
        _beside(path).replace(path)
    for folder in {path.parent for path in files}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def seal(frame: bytes, cells: np.ndarray, binding: bytes) -> bytes:
    """A zstd frame followed by which `cells` it holds and two digests: of where it belongs, and of the whole file.

    The seal is a skippable frame: readers of zarr see the data alone.
    """
    packed = _CELLS.encode(np.packbits(cells))
    head = struct.pack("<II", _SKIPPABLE, len(packed) + 4 + 2 * _DIGEST)
    body = frame + head + packed + struct.pack("<I", len(packed)) + digest(binding)
    return body + digest(body)


def unseal(data: bytes, shape: tuple[int, ...], bind: Callable[[np.ndarray], bytes]) -> tuple[bytes, np.ndarray]:
    """The frame and the cells of a sealed file, once its digests are right.

    Raises:
        DamageError: bytes changed, or the file belongs elsewhere.
    """
    body, whole = data[:-_DIGEST], data[-_DIGEST:]
    if len(data) < 2 * _DIGEST or digest(body) != whole:
        raise DamageError("is not what was written there")
    length = struct.unpack("<I", body[-_DIGEST - 4 : -_DIGEST])[0]
    end = len(body) - _DIGEST - 4
    bits = np.frombuffer(_CELLS.decode(body[end - length : end]), np.uint8)
    count = int(np.prod(shape))
    if bits.size != -(-count // 8):
        raise DamageError("belongs to another array")
    cells = np.unpackbits(bits, count=count).astype(bool).reshape(shape)
    if digest(bind(cells)) != body[-_DIGEST:]:
        raise DamageError("belongs to another store, another place or other labels")
    return body[: end - length - 8], cells


def digest(data: bytes) -> bytes:
    """The digest that seals use: BLAKE2b of 16 bytes."""
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)

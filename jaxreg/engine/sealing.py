"""Files that cannot lie: replaced whole, durable, and sealed with what they hold and where they belong."""

import hashlib
import os
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PARTIAL = ".partial"
_SKIPPABLE = 0x184D2A50  # begins a frame that every decoder of zstd passes over (RFC 8878, section 3.1.2)
_DIGEST = 16  # bytes
_THREADS = 8


class DamageError(Exception):
    """A file is not what was written there; the message says how, as the end of a sentence."""


def write_files(files: Mapping[Path, bytes]) -> None:
    """Replace each file whole, in this order; when this returns, a power cut does not undo it.

    Each is written beside its place, synced, and renamed: readers see the old or the new bytes, and a symlink at
    either name is replaced, never followed. Folders are not made: one that is gone is an error.
    """
    if not files:
        return
    with ThreadPoolExecutor(min(_THREADS, len(files))) as pool:  # a disk syncs many files in about the time of one
        list(pool.map(_write_beside, files, files.values()))
        for path in files:
            _beside(path).replace(path)
        list(pool.map(sync_folder, {path.parent for path in files}))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def seal(frame: bytes, note: bytes, binding: bytes) -> bytes:
    """A zstd frame, followed by a `note` on what it holds and two digests: of where it belongs, and of the whole file.

    The seal is a skippable frame: readers of zarr see the data alone.
    """
    head = struct.pack("<II", _SKIPPABLE, len(note) + 4 + 2 * _DIGEST)
    body = frame + head + note + struct.pack("<I", len(note)) + digest(binding)
    return body + digest(body)


def unseal(data: bytes, bind: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """The frame and the note of a sealed file, once its digests are right; `bind` makes the binding from the note.

    Raises:
        DamageError: bytes changed, or the file belongs elsewhere.
    """
    body, whole = data[:-_DIGEST], data[-_DIGEST:]
    if len(data) < 2 * _DIGEST or digest(body) != whole:
        raise DamageError("is not what was written there")
    end = len(body) - _DIGEST - 4
    begin = end - struct.unpack_from("<I", body, end)[0]
    if digest(bind(body[begin:end])) != body[-_DIGEST:]:
        raise DamageError("belongs to another store, another place or other labels")
    return body[: begin - 8], body[begin:end]


def digest(data: bytes) -> bytes:
    """The digest that seals use: BLAKE2b of 16 bytes."""
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _write_beside(path: Path, data: bytes) -> None:
    beside = _beside(path)
    beside.unlink(missing_ok=True)
    with beside.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)

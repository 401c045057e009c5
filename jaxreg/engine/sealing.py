"""Files that cannot lie: replaced whole, durable, and sealed with what they hold and where they belong."""

import contextlib
import hashlib
import itertools
import os
import stat
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
Data = bytes | tuple[bytes, ...]
"""What a file is to hold, perhaps in parts: joining long ones takes as long as compressing them."""
PARTIAL = ".partial"
LARGEST = 2**31  # bytes; no file of a store is larger
_FIRST, _SECOND = 0x184D2A50, 0x184D2A51  # begin frames that decoders of zstd pass over (RFC 8878, section 3.1.2)
_DIGEST = 16  # bytes
_THREADS = 8


class DamageError(Exception):
    """A file is not what was written there; the message says how, as the end of a sentence."""


def write_files(folder: Path, files: Mapping[str, Data], mark: str = "") -> None:
    """Replace each file of a folder whole, in this order; when this returns, a power cut does not undo it.

    Each is written beside its place, synced, and renamed: readers see the old or the new bytes, and a symlink at
    either name is replaced, never followed. Folders are not made: one that is gone is an error. Writers of the same
    file that do not know of each other need different marks. What a file is to hold is looked up when it is written.
    """
    beside = {name: folder / f"{name}{mark}{PARTIAL}" for name in files}
    try:
        # A disk syncs many files in about the time of one.
        in_threads(lambda name: _write_new(beside[name], files[name]), beside)
        for name, path in beside.items():
            path.replace(folder / name)
    except OSError:
        for path in beside.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    in_threads(sync_folder, {path.parent for path in beside.values()})


def in_threads(function: Callable[..., Result], *columns: Iterable[object], threads: int = _THREADS) -> list[Result]:
    """`map` in a few threads; in this one where the system has no more, or there is one thing to do."""
    rows = list(zip(*columns, strict=True))
    if len(rows) < 2:
        return list(itertools.starmap(function, rows))
    try:
        with ThreadPoolExecutor(min(threads, len(rows))) as pool:
            return list(pool.map(lambda row: function(*row), rows))
    except RuntimeError:
        return list(itertools.starmap(function, rows))


def in_background(future: "Future[Result]", function: Callable[..., Result], *args: object) -> None:
    """A call in a thread of its own, or in this one where the system has no more, unless `future` is cancelled first.

    The future is the caller's, which knows of it before the thread begins: an interrupt may come in between.
    """

    def call() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

    try:
        threading.Thread(target=call).start()
    except RuntimeError:
        call()


def read_plain(file: Path, most: int | None = LARGEST) -> bytes:
    """The bytes of a plain file of a store, at most so many.

    No folder, no link, not behind one, nothing that waits for a writer.

    Raises:
        DamageError: something else is there. FileNotFoundError: nothing is.
    """
    try:
        status = file.lstat()
    except NotADirectoryError:
        raise FileNotFoundError(file) from None
    if file.parent.is_symlink():
        raise FileNotFoundError(file)
    if not stat.S_ISREG(status.st_mode):
        raise DamageError("is a folder" if stat.S_ISDIR(status.st_mode) else "is no plain file")
    if most is not None and status.st_size > most:
        raise DamageError("is larger than what was written there")
    return file.read_bytes()


def make_room(place: Path) -> Path | None:
    """Free a name of a store for its file or folder; what may be somebody's stays beside it, under the name returned.

    Links, pipes, sockets and empty folders hold nothing and go.
    """
    is_folder = place.is_dir() and not place.is_symlink()
    if not os.path.lexists(place):
        return None
    if is_folder and not any(place.iterdir()):
        place.rmdir()
        return None
    if not is_folder and (place.is_symlink() or not place.is_file()):
        place.unlink()
        return None
    names = (place.with_name(f"{place.name}.aside-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not os.path.lexists(name))
    return place.rename(aside)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def joined(data: Data) -> bytes:
    """The bytes of a file in one piece."""
    return data if isinstance(data, bytes) else b"".join(data)


def seal(frame: bytes, note: bytes, binding: bytes) -> tuple[bytes, bytes]:
    """A zstd frame, followed by a `note` on what it holds and two digests: of where it belongs, and of the whole file.

    The seal is a skippable frame: readers of zarr see the data alone.
    """
    head = struct.pack("<II", _SECOND, len(note) + 4 + 2 * _DIGEST)
    rest = b"".join([head, note, struct.pack("<I", len(note)), digest(binding)])
    return frame, rest + _digest_whole(frame, rest)


def unseal(data: bytes, bind: Callable[[bytes, bool], bytes], is_whole: bool = True) -> tuple[memoryview, bytes]:
    """The frame and the note of a sealed file, once its digests are right: that of the whole, unless not asked for.

    `bind` makes the binding from the note, and from whether the seal is of the first kind, of stores that were begun
    when all was digested by BLAKE2b.

    Raises:
        DamageError: bytes changed, or the file belongs elsewhere.
    """
    body, whole = memoryview(data)[:-_DIGEST], data[-_DIGEST:]
    end = len(body) - _DIGEST - 4
    begin = end - struct.unpack_from("<I", body, end)[0] if end >= 0 else 0
    if begin < 8:
        raise DamageError("is not what was written there")
    frame, rest = body[: begin - 8], body[begin - 8 :]
    is_first = struct.unpack_from("<I", rest)[0] == _FIRST
    if is_whole and whole != (digest(body) if is_first else _digest_whole(frame, rest)):
        raise DamageError("is not what was written there")
    note = bytes(body[begin:end])
    if digest(bind(note, is_first)) != body[-_DIGEST:]:
        raise DamageError("belongs to another store, another place or other labels")
    return frame, note


def digest(*parts: bytes | memoryview) -> bytes:
    """The digest that seals use, of parts one after the other: BLAKE2b of 16 bytes."""
    hashed = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        hashed.update(part)
    return hashed.digest()


def _digest_whole(frame: bytes | memoryview, rest: bytes | memoryview) -> bytes:
    """The digest of a whole file: of the CRC-32 of its frame, which is long and has its own checksum, and the rest.

    (BLAKE2b of all would take as long as everything else that is done to a file.)
    """
    return digest(struct.pack("<QI", len(frame), zlib.crc32(frame)), rest)


def _write_new(path: Path, data: Data) -> None:
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())

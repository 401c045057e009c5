"""One writer per store: a lock on its folder, which dies with its process, and a note saying who holds it."""

import contextlib
import errno
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from jaxreg.engine.manifest import GROUP
from jaxreg.engine.places import NOTE
from jaxreg.engine.provenance import describe_owner
from jaxreg.engine.sealing import write_files
from jaxreg.errors import StoreError

try:
    import fcntl
except ImportError:  # no POSIX
    fcntl = None  # type: ignore[assignment]

_TRIES, _PAUSE = 40, 0.05  # seconds


@contextlib.contextmanager
def hold_lock(store: Path) -> Iterator[str | None]:
    """Hold the lock of the folder `store`; yield who left a stale one behind (None: nobody).

    The lock is on the folder itself, so that no other name of it leads around it and no file of it can be deleted.
    The operating system releases it when its process ends in any way, so that what is left of a killed process is
    recognised: its note is still there but nobody holds the lock.

    Raises:
        StoreError: another process holds it; the message names that process.
    """
    store = store.resolve()
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hold_folder(store))
        except BlockingIOError:
            owner = _read_when_written(store / NOTE) or "another process"
            raise StoreError(
                "store", str(store), f"is being written by {owner}", "Wait for it, or use another path"
            ) from None
        stale = _read(store / NOTE)
        try:  # a signal ends this process between any two steps
            leave_note(store)
            yield stale
        finally:
            with contextlib.suppress(OSError):
                (store / NOTE).unlink(missing_ok=True)


def leave_note(store: Path) -> None:
    """Say who holds a store; this only informs, and a folder of somebody else, or a full disk, may not take it."""
    with contextlib.suppress(OSError):
        write_files(store, {NOTE: json.dumps(describe_owner() | {"token": secrets.token_hex(16)}).encode()})


def read_owner(note: bytes) -> str | None:
    """Who left a note, in words; None where it says nothing."""
    try:
        return "process {process} of {user} on {host} since {since}".format(**json.loads(note))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, without a note; BlockingIOError where another holds it."""
    number = _lock(folder)
    try:
        yield
    finally:
        os.close(number)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of `folder`."""
    if fcntl is None:
        raise StoreError("store", str(folder), "cannot be locked on this system", "Sweep on Linux or macOS")
    # NFS takes locks on files that are open for writing only, not on folders: there the lock is on `.zgroup`, which
    # the writer misses at its next write when somebody deletes it.
    for target, flags in ((folder, os.O_RDONLY), (folder / ".zgroup", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)):
        number = os.open(target, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(number), target.stat()):
                if target != folder and not os.fstat(number).st_size:
                    os.write(number, GROUP)  # as what is right stays, and the lock with it
                return number
            raise BlockingIOError(errno.EAGAIN, "replaced while it was being locked", str(target))
        except BlockingIOError:
            os.close(number)
            raise
        except OSError:
            os.close(number)
    raise StoreError(
        "store", str(folder), "is on a file system that gives no locks", "Sweep on a local disk and copy it afterwards"
    )


def _read_when_written(note: Path) -> str | None:
    """What the note says; its writer, which holds the lock, may be between taking the lock and writing the note."""
    for _ in range(_TRIES):
        if owner := _read(note):
            return owner
        time.sleep(_PAUSE)
    return None


def _read(note: Path) -> str | None:
    try:
        return None if note.is_symlink() or not note.is_file() else read_owner(note.read_bytes())
    except OSError:
        return None

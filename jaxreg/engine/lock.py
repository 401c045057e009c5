"""One writer per store: a lock that dies with its process, and a note saying who holds it."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from jaxreg.engine.provenance import describe_owner
from jaxreg.errors import StoreError

_TRIES, _PAUSE = 40, 0.05  # seconds


@contextlib.contextmanager
def hold_lock(store: Path) -> Iterator[str | None]:
    """Hold the lock of `store`; yield who left a stale one behind (None: nobody).

    The operating system releases the lock when its process ends in any way, so that what is left of a killed
    process is recognised: its note is still there but nobody holds the lock.

    Raises:
        StoreError: another process holds it; the message names that process.
    """
    note = store.with_name(store.name + ".owner")
    lock = filelock.FileLock(store.with_name(store.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        owner = _read_when_written(note) or "another process"
        raise StoreError(
            "store", str(store), f"is being written by {owner}", "Wait for it, or use another path"
        ) from None
    try:
        stale = _read(note)
        note.write_text(json.dumps(describe_owner()))
        yield stale
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _read_when_written(note: Path) -> str | None:
    """What the note says; its writer, which holds the lock, may be between taking the lock and writing the note."""
    for _ in range(_TRIES):
        if owner := _read(note):
            return owner
        time.sleep(_PAUSE)
    return None


def _read(note: Path) -> str | None:
    try:
        owner = json.loads(note.read_text())
        return "process {process} of {user} on {host} since {since}".format(**owner)
    except (OSError, ValueError, KeyError):
        return None

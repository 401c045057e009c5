"""One writer per store where no file can be locked: a lease in the store, renewed while its holder lives.

No clocks of two machines are compared. Whoever wants a lease that is held watches it: a holder that lives renews it, so
that what nobody renewed for `LIFE` seconds is left over from a process that died.
"""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from jaxreg.engine.lock import read_owner
from jaxreg.engine.places import NOTE, Hold, Sign
from jaxreg.engine.provenance import describe_owner
from jaxreg.errors import StoreError

LIFE = 30.0  # seconds that a lease lasts without being renewed
BEAT = 8.0  # seconds from one renewal to the next: three may fail
_LOOK = 1.0  # seconds from one look at another's lease to the next
_FREE = b""  # what a lease that nobody holds says


@runtime_checkable
class Objects(Protocol):
    """Where leases are: an object store that puts an object only if it is what it was."""

    def read_seen(self, name: str) -> tuple[bytes, str]:
        """The bytes of an object, and its e-tag."""

    def put_seen(self, name: str, data: bytes, seen: Sign) -> str:
        """Put an object if it is what it was when it was seen (None: not there); its new e-tag, or FileExistsError."""


@contextlib.contextmanager
def hold_lease(place: Objects) -> Iterator[Hold]:
    """Hold the lease of a store, and renew it until the end.

    Raises:
        StoreError: another process holds it; the message names that process. Or the store does not heed conditions.
    """
    lease = _Lease(place)
    stale = lease.take()
    ended = threading.Event()

    def renew_often() -> None:
        while not ended.wait(BEAT):
            with contextlib.suppress(OSError):  # of the network, or lost: the next write says so
                lease.renew()

    beating = threading.Thread(target=renew_often, name="lease", daemon=True)
    try:
        beating.start()
        yield Hold(stale, lease.renew, lambda: None)
    finally:
        ended.set()
        with contextlib.suppress(OSError):  # lost, or out of reach: it ends by itself
            lease.release()


class _Lease:
    """The lease as this process last wrote it."""

    def __init__(self, place: Objects) -> None:
        self._place = place
        self._note = describe_owner() | {"token": secrets.token_hex(16), "renewed": 0}
        self._tag: Sign = None
        self._one_at_a_time = threading.Lock()

    def take(self) -> str | None:
        """Become the holder, once nobody else is; who left it behind."""
        while True:
            held, seen = self._look()
            if held != _FREE and self._is_renewed(seen):
                owner = read_owner(held) or "another process"
                raise StoreError(
                    "store", str(self._place), f"is being written by {owner}", "Wait for it, or use another path"
                )
            try:
                self._put(seen)
            except FileExistsError:  # another was faster
                continue
            self._test_conditions()
            return None if held == _FREE else read_owner(held)

    def renew(self) -> None:
        """Say that we live; FileExistsError where another process took the lease, or it was deleted."""
        with self._one_at_a_time:
            try:
                self._put(self._tag)
            except FileExistsError as error:
                raise FileExistsError(f"the lease was taken over, or {error}") from error

    def release(self) -> None:
        """Leave it to others. It is not deleted: no object store deletes on a condition."""
        with self._one_at_a_time:
            self._tag = self._place.put_seen(NOTE, _FREE, self._tag)

    def _put(self, seen: Sign) -> None:
        self._note["renewed"] += 1  # e-tags may be digests: equal bytes would be no news
        self._tag = self._place.put_seen(NOTE, json.dumps(self._note).encode(), seen)

    def _look(self) -> tuple[bytes, Sign]:
        try:
            return self._place.read_seen(NOTE)
        except FileNotFoundError:
            return _FREE, None

    def _is_renewed(self, seen: Sign) -> bool:
        """Whether somebody renews a lease, which is watched for its lifetime."""
        began = time.monotonic()
        while time.monotonic() - began < LIFE:
            time.sleep(_LOOK)
            held, now = self._look()
            if now != seen:
                return held != _FREE
        return False

    def _test_conditions(self) -> None:
        """Refuse stores that put objects whatever the condition says."""
        try:
            self._place.put_seen(NOTE, _FREE, None)
        except FileExistsError:
            return
        raise StoreError(
            "store",
            str(self._place),
            "must put objects only under a condition (If-None-Match), which this one ignores",
            "Use a store that does, or a local folder",
        )

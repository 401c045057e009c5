"""One writer per store where no file can be locked: a lease in the store, renewed while its holder lives.

No clocks of two machines are compared. Whoever wants a lease that is held watches it: a holder that lives renews it, so
that what nobody renewed for `LIFE` seconds is left over from a process that died.
"""

import contextlib
import errno
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol, runtime_checkable

from jaxreg.engine.lock import read_owner
from jaxreg.engine.places import NOTE, Hold, Sign, silent
from jaxreg.engine.provenance import describe_owner
from jaxreg.errors import StoreError

LIFE = 30.0  # seconds that a lease lasts without being renewed
BEAT = 8.0  # seconds from one renewal to the next: three may fail
_LOOK = 1.0  # seconds from one look at another's lease to the next
_FREE = b""  # what a lease that nobody holds says


@runtime_checkable
class Objects(Protocol):
    """Where leases are: an object store that puts an object only if it is what it was."""

    def read_seen(self, name: str) -> tuple[bytes, Sign]:
        """The bytes of an object, and its sign."""

    def put_seen(self, name: str, data: bytes, seen: Sign) -> Sign:
        """Put an object if it is what it was when it was seen (None: not there); its new sign, or FileExistsError."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""


@contextlib.contextmanager
def hold_lease(place: Objects, tell: Callable[[str], None] = silent) -> Iterator[Hold]:
    """Hold the lease of a store, and renew it until the end; `tell` says that another's is watched.

    Raises:
        StoreError: another process holds it; the message names that process. Or the store does not heed conditions.
    """
    lease = _Lease(place)
    ended = threading.Event()

    def renew_often() -> None:
        while not ended.wait(BEAT):
            with contextlib.suppress(OSError):  # of the network, or lost: the next write says so
                lease.renew()

    beating = threading.Thread(target=renew_often, name="lease", daemon=True)
    try:  # a signal ends this process between any two steps
        stale = lease.take(tell)
        beating.start()
        yield Hold(stale, lease.renew, lambda: None, place)
    finally:
        ended.set()
        with contextlib.suppress(OSError):  # lost, or out of reach: it ends by itself
            lease.release()


class _Lease:
    """The lease as this process last wrote it; its token tells it from all others."""

    def __init__(self, place: Objects) -> None:
        self._place = place
        self.token = secrets.token_hex(16)
        self._note = describe_owner() | {"token": self.token, "renewed": 0}
        self._sign: Sign = None
        self._has_ended = False
        self._one_at_a_time = threading.Lock()

    def take(self, tell: Callable[[str], None]) -> str | None:
        """Become the holder, once nobody else is; who left it behind."""
        while True:
            held, seen = self._look()
            owner = read_owner(held) or "another process"
            if held != _FREE:
                tell(f"{self._place}: watching for up to {LIFE:g} s whether {owner}, which wrote it last, still lives")
            if held != _FREE and self._is_renewed(seen):
                raise StoreError(
                    "store", str(self._place), f"is being written by {owner}", "Wait for it, or use another path"
                )
            try:
                self._sign = self._place.put_seen(NOTE, self._text(), seen)
            except FileExistsError:  # another was faster
                continue
            self._test_conditions()
            return None if held == _FREE else read_owner(held)

    def renew(self) -> None:
        """Say that we live; FileExistsError where another process took the lease, or it was deleted."""
        with self._one_at_a_time:
            if not self._has_ended:
                self._put(self._text())

    def release(self) -> None:
        """Leave it to others. It is not deleted: no object store deletes on a condition."""
        with self._one_at_a_time:  # of which a renewal that is under way goes first
            self._has_ended = True
            if self._sign is not None or self._find():
                self._put(_FREE)

    def _text(self) -> bytes:
        self._note["renewed"] += 1  # e-tags may be digests: equal bytes would be no news
        return json.dumps(self._note).encode()

    def _put(self, data: bytes) -> None:
        """Put the lease where it is ours, also as a put left it of which no answer came: a signal, or the network."""
        try:
            self._sign = self._place.put_seen(NOTE, data, self._sign)
        except FileExistsError:
            if not self._find():
                raise FileExistsError("the lease was taken over, or deleted") from None
            self._sign = self._place.put_seen(NOTE, data, self._sign)

    def _find(self) -> bool:
        """Whether the lease that is there is ours; its sign is then known."""
        held, seen = self._look()
        is_ours = self.token.encode() in held
        if is_ours:
            self._sign = seen
        return is_ours

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
        """Refuse stores that do not put objects under conditions, or put them whatever the condition says."""
        first = self._sign
        try:
            self._sign = self._place.put_seen(NOTE, self._text(), first)
            ignored = [kind for kind, seen in (("If-None-Match", None), ("If-Match", first)) if self._puts(seen)]
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            self._refuse(f"cannot put an object under a condition ({error})", error)
        if ignored:
            self._refuse(f"must heed the condition of a put ({' and '.join(ignored)}), which this one ignores")

    def _puts(self, seen: Sign) -> bool:
        """Whether a put goes through under a condition that does not hold."""
        try:
            self._place.put_seen(NOTE, _FREE, seen)
        except FileExistsError:
            return False
        return True

    def _refuse(self, constraint: str, error: OSError | None = None) -> NoReturn:
        with contextlib.suppress(OSError):
            self._place.remove(NOTE)
        self._sign = None
        raise StoreError(
            "store", str(self._place), constraint, "Use a store that puts objects under conditions, or a local folder"
        ) from error

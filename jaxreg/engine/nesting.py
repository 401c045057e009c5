"""A sweep inside another sweep's run: refused where the run reaches it through the host, as it would wait for ever.

The devices that it needs are those that wait for it. Threads that have nothing to do with the run may sweep meanwhile.
"""

import contextlib
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from typing import Any

from jaxreg.errors import SweepError

PATIENCE = 20.0  # seconds; a call of the host that another thread may be part of is awaited so long
_NAP = 0.02
_CALLS = "jax._src.callback"  # the module whose functions call the host for a program: private, JAX has no other sign
_running: list[Any] = []  # a mark for each sweep whose programs call the host, whatever its thread


@contextlib.contextmanager
def calling_host(members: Sequence[Any]) -> Iterator[None]:
    """Within the block programs run, some of which may call the host."""
    mark = object()
    if any(member.fingerprint.calls_host for member in members):
        _running.append(mark)
    try:
        yield
    finally:
        if mark in _running:
            _running.remove(mark)


def refuse_nested() -> None:
    """Refuse a sweep that a sweep's run called through the host.

    A thread that such a call started, and waits for, is not known by its own frames: so calls that are under way are
    awaited, and one that does not end is taken to wait for this sweep.

    Raises:
        SweepError: this is within another sweep's run.
    """
    if not _running:
        return
    frames = sys._current_frames()
    if _find_call(frames.pop(threading.get_ident(), None)) is not None:
        raise _refusal()
    calls = {number: call for number, frame in frames.items() if (call := _find_call(frame)) is not None}
    until = time.monotonic() + PATIENCE
    while calls and _running:
        if time.monotonic() > until:
            raise _refusal()
        time.sleep(_NAP)
        frames = sys._current_frames()
        calls = {number: call for number, call in calls.items() if _find_call(frames.get(number)) is call}


def _find_call(frame: types.FrameType | None) -> types.FrameType | None:
    """The outermost frame in which JAX calls the host, among those of a thread."""
    found = None
    while frame is not None:
        found = frame if frame.f_globals.get("__name__") == _CALLS else found
        frame = frame.f_back
    return found


def _refusal() -> SweepError:
    return SweepError(
        "sweep", "called by another sweep's run, through the host", "must be called outside", "Move it out"
    )

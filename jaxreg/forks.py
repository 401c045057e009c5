"""Whether this process was forked from one in which JAX had started: JAX's threads stayed behind, nothing would run.

Noted at the moment of a fork, on every system that forks, as soon as jaxreg is imported: later nothing tells for sure.
"""

import os
import sys
import threading

_was_started: list[bool] = []  # whether JAX had started at the last fork
_inherited: list[bool] = []  # the same, of the fork that made this process


def forked_after_start() -> bool:
    """Whether JAX had started when this process was forked from another."""
    return any(_inherited)


def _has_started() -> bool:
    bridge = sys.modules.get("jax._src.xla_bridge")  # private: what is public would start the backends
    return bridge is not None and bridge.backends_are_initialized()


def _lacks_threads() -> bool:
    """Whether Python itself started every thread there is: JAX's own are missing. Told on Linux only."""
    try:
        tasks = set(map(int, os.listdir("/proc/self/task")))  # noqa: PTH208 (half the cost)
    except OSError:
        return False
    # Threads of others that once called Python are listed too, as dummies.
    own = {thread.native_id for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}
    return tasks <= own | {threading.get_native_id()}


def _before() -> None:
    _was_started[:] = [_has_started()]


def _in_child() -> None:
    _inherited[:] = _was_started


_inherited[:] = [_has_started() and _lacks_threads()]  # a fork of before this import
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)

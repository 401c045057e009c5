"""Whether this process was forked from one in which JAX had started: JAX's threads stayed behind, nothing would run.

Noted at the moment of a fork, on every system that forks, as soon as jaxreg is imported: later nothing tells for sure.
"""

import os
import sys

_was_started: list[bool] = []  # whether JAX had started at the last fork
_inherited: list[bool] = []  # the same, of the fork that made this process


def forked_after_start() -> bool:
    """Whether JAX had started when this process was forked from another."""
    return any(_inherited)


def _before() -> None:
    bridge = sys.modules.get("jax._src.xla_bridge")  # private: what is public would start the backends
    _was_started[:] = [bridge is not None and bridge.backends_are_initialized()]


def _in_child() -> None:
    _inherited[:] = _was_started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)

"""JAX's settings around a sweep: those that it needs, and those that decide its numbers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import unsafe_am_i_under_a_jit_DO_NOT_USE as is_within_jit  # type: ignore[attr-defined]
from jax.extend.core import unsafe_am_i_under_a_vmap_DO_NOT_USE as is_within_vmap  # type: ignore[attr-defined]

from jaxreg.checks import is_flag
from jaxreg.engine.nesting import refuse_nested
from jaxreg.engine.provenance import matmul_precision, read_flags, read_setting
from jaxreg.errors import SweepError

_COMPILER = (  # settings of how programs are compiled, which may change last bits
    *("jax_disable_most_optimizations", "jax_optimization_level"),
    *("jax_exec_time_optimization_effort", "jax_memory_fitting_effort"),
)
_TRACING = (  # settings of how runs are traced, by the names of their context managers
    *("enable_x64", "default_matmul_precision", "default_prng_impl", "threefry_partitionable"),
    *("numpy_dtype_promotion", "numpy_rank_promotion"),
)
_UNSET = (None, False, 0.0, "UNKNOWN")


@contextlib.contextmanager
def settled(x64: bool) -> Iterator[None]:
    """JAX as a sweep needs it: in 64 bits if asked for here or globally, compiled, NaN as data, no mesh of the caller.

    Raises:
        SweepError: `x64` is neither true nor false, or JAX is tracing a function that calls this.
    """
    if not is_flag(x64):
        raise SweepError("x64", x64, "must be True or False", "Leave it out for 32 bits")
    if is_within_jit() or is_within_vmap():
        raise SweepError(
            "sweep", "called within jit, vmap, grad or another sweep's run", "must be called outside", "Move it out"
        )
    refuse_nested()
    with (
        jax.enable_x64(bool(x64) or bool(read_setting("jax_enable_x64"))),
        jax.disable_jit(False),
        jax.debug_nans(False),
        jax.debug_infs(False),
        jax.transfer_guard("allow"),
        _without_mesh(),
    ):
        yield


def _without_mesh() -> contextlib.AbstractContextManager[Any]:
    """No mesh of the caller's: a sweep spreads its runs over one of its own."""
    is_set = not jax.sharding.get_abstract_mesh().empty
    return jax.set_mesh(jax.sharding.Mesh(np.empty((), object), ())) if is_set else contextlib.nullcontext()


def describe_precision() -> dict[str, Any]:
    """The settings that decide which numbers a program gives, ready for JSON; those of the compiler if they are set."""
    compiler = {name.removeprefix("jax_"): getattr(jax.config, name, None) for name in _COMPILER}
    return {name: str(value) for name, value in compiler.items() if value not in _UNSET} | {
        **({"xla_flags": flags} if (flags := read_flags()) else {}),
        "x64": bool(read_setting("jax_enable_x64")),
        "matmul_precision": matmul_precision(),
        "prng": str(read_setting("jax_default_prng_impl")),
        "threefry_partitionable": bool(read_setting("jax_threefry_partitionable")),
    }


def read_settings() -> dict[str, Any]:
    """The settings that decide what a run computes, as they hold here, for another process."""
    return {name: read_setting(f"jax_{name}") for name in _TRACING} | {
        name.removeprefix("jax_"): getattr(jax.config, name, None) for name in _COMPILER
    }


@contextlib.contextmanager
def settled_as(settings: dict[str, Any]) -> Iterator[None]:
    """JAX as another process has it by `read_settings`, for a sweep of that process."""
    with contextlib.ExitStack() as stack:
        for name in _TRACING:
            stack.enter_context(getattr(jax, name)(settings[name]))
        for name in (
            name for name in _COMPILER if getattr(jax.config, name, None) != settings[name.removeprefix("jax_")]
        ):
            stack.callback(jax.config.update, name, getattr(jax.config, name))  # these have no context managers
            jax.config.update(name, settings[name.removeprefix("jax_")])
        stack.enter_context(settled(bool(settings["enable_x64"])))
        yield

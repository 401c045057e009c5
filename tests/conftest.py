"""Two CPU devices, strict dtype promotion and no rank promotion for every test; warnings are errors (pyproject.toml).

Programs here run for moments and compile for seconds, so XLA compiles them quickly: LLVM without optimizing, fusions by
the older emitters, each in one piece (5 to 8 times less time on a CPU). `XLA_FLAGS= pytest` compiles as users do.
What is traced does not note where in the code it came from, and garbage is collected seldom: a tenth of the time.
Programs are kept from run to run, as the command lines do: half the time. `JAX_ENABLE_COMPILATION_CACHE=false pytest`
compiles all anew.
"""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

QUICK = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)


def _compile_quickly():
    """Set the flags before JAX reads them, here and in child processes, unless this XLA does not know them all."""
    flags = " ".join(QUICK)
    known = [sys.executable, "-c", "import jax; jax.config.update('jax_platforms', 'cpu'); jax.devices()"]
    if subprocess.run(known, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, check=False).returncode == 0:
        os.environ["XLA_FLAGS"] = flags


gc.set_threshold(50_000, 20, 50)
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # of the workers: threads that compile leave their arenas full of holes
if "XLA_FLAGS" not in os.environ:
    _compile_quickly()

import jax  # noqa: E402
from hypothesis import settings  # noqa: E402

from jaxreg.study.compiled import keep_programs  # noqa: E402

settings.register_profile("checks", derandomize=True)  # the same draws each time; campaigns draw others
settings.load_profile("checks")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

_ENOUGH = 1.5e9  # bytes of a process above which its programs are dropped


def _resident():
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


class _Forgetting:
    """A plugin, since the doctests of `jaxreg` do not see the fixtures of this folder."""

    @staticmethod
    def pytest_collection_finish():
        """What was imported stays: it is not looked through again."""
        gc.collect()
        gc.freeze()

    @staticmethod
    def pytest_runtest_logfinish():
        """Drop all programs after a test that leaves the process large: those of all would fill gigabytes."""
        if _resident() >= _ENOUGH:
            jax.clear_caches()
            gc.collect()
            if trim := sys.platform == "linux" and getattr(
                ctypes.CDLL(None), "malloc_trim", None
            ):  # glibc alone has it
                trim(0)  # what is free goes back to the system, a third of it all


_kept = contextlib.ExitStack()


def pytest_configure(config):
    config.pluginmanager.register(_Forgetting())
    _kept.enter_context(keep_programs())


def pytest_unconfigure():
    _kept.close()

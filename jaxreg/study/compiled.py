"""Compile once, ever: the command lines keep what they compile, by JAX's persistent cache, and trace fast."""

import contextlib
import dataclasses
import gc
import hashlib
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
from jax.experimental.compilation_cache import compilation_cache

from jaxreg.datasets.download import cache_folder
from jaxreg.engine.provenance import read_setting

LARGEST = 2**30  # bytes of kept programs
_EVENTS = {
    "/jax/compilation_cache/compile_requests_use_cache": "needed",
    "/jax/compilation_cache/cache_hits": "found",
}
_SHORTEST = "jax_persistent_cache_min_compile_time_secs"  # by default a second, which most programs here are below


@dataclasses.dataclass
class Programs:
    """How many programs were needed, and how many of them were there from before."""

    needed: int = 0
    found: int = 0

    def __str__(self) -> str:
        """A few words for a summary, as "57 programs, 36 of them kept from before"."""
        if not self.needed:
            return "no programs"
        programs = "1 program" if self.needed == 1 else f"{self.needed} programs"
        return f"{programs} compiled" if not self.found else f"{programs}, {self.found} of them kept from before"

    def count(self, event: str, **_: Any) -> None:
        """Listen to what JAX says of its cache."""
        if event in _EVENTS:
            setattr(self, _EVENTS[event], getattr(self, _EVENTS[event]) + 1)


def trace_fast() -> None:
    """For a process that traces study after study: a tenth less time of a quick one whose programs are kept.

    What is traced are millions of objects, hardly any of them in cycles: garbage is collected seldom. Where in the code
    an operation came from, which profilers alone show, is not noted.
    """
    gc.set_threshold(50_000, 20, 50)
    jax.config.update("jax_traceback_in_locations_limit", 0)


@contextlib.contextmanager
def keep_programs(folder: Path | None = None) -> Iterator[Programs]:
    """Within it, what JAX compiles is kept in a folder and found there by later calls; both are counted.

    `JAX_ENABLE_COMPILATION_CACHE=false` switches it off: then nothing is kept and nothing counted. Deleting the folder
    costs nothing but compiling again.

    Args:
        folder: by default the one that JAX was told (`JAX_COMPILATION_CACHE_DIR`), which is used as it is, else
            `programs_folder()`. In a folder of ours, above `LARGEST` bytes, what was used longest ago goes first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, keep_programs(Path(folder)) as programs:
    ...     tripled = jax.jit(lambda x: 3.0 * x)(2.0)
    >>> float(tripled), str(programs)
    (6.0, '1 program compiled')

    Source: https://docs.jax.dev/en/latest/persistent_compilation_cache.html.
    """
    programs = Programs()
    with contextlib.ExitStack() as restored:
        if read_setting("jax_enable_compilation_cache"):
            jax.monitoring.register_event_listener(programs.count)
            restored.callback(jax.monitoring.unregister_event_listener, programs.count)
            if folder or read_setting("jax_compilation_cache_dir") is None:
                _keep_in(folder or programs_folder(), restored)
        yield programs


def _keep_in(folder: Path, restored: contextlib.ExitStack) -> None:
    """Switch JAX's cache on, in a folder, until `restored` is closed."""
    if not _prepare(folder):
        return
    for name, value in {_SHORTEST: 0.0, "jax_compilation_cache_dir": str(folder)}.items():
        restored.callback(jax.config.update, name, read_setting(name))
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX opens a folder once
    restored.callback(compilation_cache.reset_cache)
    # An entry that another process is just writing is no news to anybody: it is compiled here, too.
    restored.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def programs_folder() -> Path:
    """Where programs are kept: in the cache of downloads, a folder for each processor and each version of JAX.

    A program holds instructions of the processor that it was compiled on, which another one may not have.
    """
    return (
        cache_folder() / "programs" / f"jax-{jax.__version__}-jaxlib-{jaxlib.version.__version__}-{_name_processor()}"
    )


def _name_processor() -> str:
    told = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):  # Linux alone says what its processor can do
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
        told += [line for line in first.splitlines() if line.startswith(("model name", "flags", "Features"))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def _prepare(folder: Path) -> bool:
    """Make the folder, the user's alone as it holds code, and small enough; whether that went well."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [path for path in folder.iterdir() if path.is_file()]
        held = sorted(
            (max(told.st_atime, told.st_mtime), told.st_size, path) for path in files for told in [path.stat()]
        )
        total = sum(size for _, size, _ in held)
        for _, size, path in held:
            if total > LARGEST:
                path.unlink()
                total -= size
    except FileNotFoundError:  # another process makes room, too
        return True
    except OSError:
        return False
    return True

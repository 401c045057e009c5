"""Where a result comes from: function, data, versions, device, precision, PRNG, commit, time; as plain values."""

import datetime
import functools
import getpass
import hashlib
import importlib.metadata
import inspect
import os
import platform
import shlex
import socket
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.engine.describing import describe, without_addresses

_HARMLESS = (  # parts of names of XLA's flags that decide no number
    *("device_count", "dump", "log", "verbos", "profil", "trace", "timeout", "_dir", "_path", "cache", "memory"),
    *("thread_count", "compilation_parallelism", "preallocate", "command_buffer", "latency_hiding", "annotat"),
)


def fingerprint_data(args: Sequence[Any]) -> str:
    """A hash of the shared data: structure, dtypes, shapes and bytes."""
    leaves, structure = jax.tree.flatten(tuple(args))
    digest = hashlib.blake2b(without_addresses(str(structure)).encode(), digest_size=16)
    for leaf in leaves:
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = np.ascontiguousarray(jax.random.key_data(leaf) if is_key else leaf)
        if isinstance(leaf, bool | int | float):  # as JAX takes it in
            array = array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.view(np.uint8).data if array.size and array.ndim else array.tobytes())
    return digest.hexdigest()


def describe_function(run: Callable[..., Any]) -> str:
    """Module and qualified name of `run`; for a `functools.partial` also what it binds."""
    if isinstance(run, functools.partial):
        bound = {str(i): value for i, value in enumerate(run.args)} | run.keywords
        return f"{describe_function(run.func)} with {describe(bound)}"
    module = getattr(run, "__module__", type(run).__module__)
    return f"{module}.{getattr(run, '__qualname__', type(run).__qualname__)}"


def describe_environment(
    run: Callable[..., Any], devices: Sequence[jax.Device], generators: Collection[str] = ()
) -> dict[str, Any]:
    """Versions, devices, precision, PRNGs of the run's keys, commit and time of this process, ready for JSON."""
    return describe_run(run, generators) | describe_host(devices)


def describe_run(run: Callable[..., Any], generators: Collection[str] = ()) -> dict[str, Any]:
    """Name, time, PRNGs of the run's keys and commit, wherever it runs, ready for JSON."""
    return {
        "function": describe_function(run),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "prng": ", ".join(sorted(generators)) or "none",
        "commit": _commit(run),
    }


def describe_host(devices: Sequence[jax.Device]) -> dict[str, Any]:
    """Versions, devices and precision of this process, ready for JSON."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{
                name: _version(name) for name in ("jaxreg", "jax", "jaxlib", "numpy", "optax", "flax", "xarray", "zarr")
            },
        },
        "platform": devices[0].platform,
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "machine": f"{platform.system()} {platform.machine()}",
        "x64": bool(read_setting("jax_enable_x64")),
        "matmul_precision": matmul_precision(),
        "xla_flags": read_flags(),
    }


@functools.cache
def read_flags() -> dict[str, str]:
    """XLA's flags that may alter numbers, by name, as the first sweep finds them in the environment.

    >>> choose_flags("--xla_cpu_enable_fast_math --xla_dump_to=/tmp/x --xla_cpu_enable_fast_math=false")
    {'xla_cpu_enable_fast_math': 'false'}
    """
    text = os.environ.get("XLA_FLAGS", "")
    if text.strip() and not text.lstrip().startswith("-"):  # it names a file
        try:
            text = Path(text.strip()).read_text()
        except OSError:
            text = ""
    return choose_flags(f"{text} {os.environ.get('LIBTPU_INIT_ARGS', '')}")


def choose_flags(text: str) -> dict[str, str]:
    """The flags of a command line, the last of each name, without those that decide where and how fast alone."""
    flags = {}
    for word in shlex.split(text):
        name, _, value = word.lstrip("-").partition("=")
        if name.startswith("xla_") and not any(part in name for part in _HARMLESS):
            flags[name] = {"": "true", "1": "true", "0": "false"}.get(value, value).lower()
    return dict(sorted(flags.items()))


def matmul_precision() -> str:
    """The precision that JAX now gives to matrix products which ask for none."""
    return str(read_setting("jax_default_matmul_precision") or "default")


def read_setting(name: str) -> Any:
    """A setting of JAX as it holds here, context managers included; JAX declares these attributes at run time."""
    return getattr(jax.config, name)


def describe_owner() -> dict[str, Any]:
    """Who holds a store: host, process, user, time."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "process": os.getpid(), "user": user, "since": time}


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit(run: Callable[..., Any]) -> str:
    """The git commit of the file that defines `run`, marked when the checkout differs from it."""
    try:
        folder = Path(inspect.getfile(inspect.unwrap(getattr(run, "func", run)))).parent
        git = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=, with changes"]
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, TypeError, subprocess.SubprocessError):
        return "unknown"

"""The devices of this machine: all CPU cores as JAX devices, and how much memory or cache a chunk may use."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import jax

from jaxreg.errors import SweepError
from jaxreg.forks import forked_after_start

MEMORY_SHARE = 0.5
"""Of the free memory that a CPU shares with all else."""
OWN_MEMORY_SHARE = 0.9
"""Of the memory that an accelerator gives to JAX alone."""
FALLBACK_CACHE = 2**20


@dataclasses.dataclass(frozen=True)
class Machine:
    """The devices that share a call: of which kind, how many, and the memory and cache that each may use, in bytes."""

    platform: str
    kind: str
    devices: int
    memory: int
    cache: int | None


def describe_machine(devices: Sequence[jax.Device]) -> Machine:
    """What a chunk is cut to fit: these devices of this process, as they are now."""
    first = devices[0]
    return Machine(first.platform, first.device_kind, len(devices), memory_budget(first), cache_size(first))


def use_all_cores() -> int:
    """Make every CPU core that this process may use a JAX device, and return their number.

    Call it before JAX touches a device: the command lines do, importing jaxreg does not. It changes nothing on a
    GPU or TPU, and keeps a number of devices that was already chosen.

    Raises:
        SweepError: JAX has already started with fewer devices.

    >>> use_all_cores() >= len(jax.local_devices())  # twice is as good as once, where JAX has all of them
    True
    """
    cores = count_cores()
    if "--xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return len(jax.devices("cpu"))
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:
        if len(jax.devices("cpu")) < cores:
            raise SweepError(
                "use_all_cores",
                f"{len(jax.devices('cpu'))} CPU device",
                "must be called before JAX starts",
                "Move it up, before the first array; in a notebook, restart the kernel and call it in the first cell",
            ) from None
    return cores


def count_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_idle(devices: Sequence[jax.Device]) -> str:
    """For a summary line: that a sweep over these devices leaves CPU cores idle, and what to do; else nothing."""
    cores, used = count_cores(), len(devices)
    if devices[0].platform != "cpu" or used >= cores:
        return ""
    return f"; on {used} of {cores} cores: jr.use_all_cores(), called before the first array, uses all"


def memory_budget(device: jax.Device) -> int:
    """Bytes that the programs of one device may hold at once: most of an accelerator's own memory, half of a CPU's."""
    statistics = device.memory_stats() or {}
    if "bytes_limit" in statistics:
        return int(OWN_MEMORY_SHARE * (statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)))
    return int(MEMORY_SHARE * _free_memory() / max(1, len(jax.local_devices())))


def cache_size(device: jax.Device) -> int | None:
    """Bytes of cache that one device has to itself; None where memory alone matters (GPU, TPU)."""
    return _second_level_cache() if device.platform == "cpu" else None


def local_devices(devices: Sequence[jax.Device] | None) -> tuple[jax.Device, ...]:
    """The devices to run on: those given, else all local ones."""
    try:
        chosen = tuple(jax.local_devices() if devices is None else devices)
    except TypeError:
        chosen = ()
    if not chosen or not all(isinstance(device, jax.Device) for device in chosen):
        raise SweepError("devices", devices, "must list at least one device", "Leave it at None for all local devices")
    if len(set(chosen)) < len(chosen):
        raise SweepError("devices", devices, "must not name a device twice", "Name each once")
    if any(device.process_index != jax.process_index() for device in chosen):
        raise SweepError(
            "devices",
            [str(device) for device in chosen],
            "must be of this process",
            "Pass jax.local_devices(), or an executor to use those of other processes",
        )
    if chosen[0].platform == "cpu" and forked_after_start():
        raise SweepError(
            "sweep",
            "called in a forked process",
            "cannot run where JAX had started before the fork: its threads stayed behind",
            'Start processes with multiprocessing.get_context("spawn"), or fork before JAX is used',
        )
    return chosen


def _free_memory() -> int:
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 4 * 2**30


def _second_level_cache() -> int:
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.rstrip("KM")) * {"K": 2**10, "M": 2**20}[text[-1]]
    except (OSError, KeyError, ValueError):
        return FALLBACK_CACHE

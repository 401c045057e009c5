"""The accelerators that programs can be compiled for without having one, and what their compilers need to know."""

import dataclasses
import importlib.util
from typing import Any, Literal

from jaxreg.errors import AcceleratorError

_GIB = 2**30
_TPU = 'pip install "jaxreg[aot-tpu]" (libtpu, 0.7 GB)'
_CUDA = 'pip install "jaxreg[aot-cuda]" (no driver and no CUDA libraries needed)'


@dataclasses.dataclass(frozen=True)
class Target:
    """One chip.

    Attributes:
        name: what `compile_for` calls it.
        platform: "tpu" or "cuda".
        description: for people.
        memory: bytes that JAX gives to programs there when nothing else is set: on a GPU three quarters of all.
        bandwidth: bytes per second of its memory.
        topology: of a TPU its topology and its accelerator type, of a GPU its description for XLA.
        has_float64: whether it has 64-bit floats; where not, they are emulated, and slow.

    >>> chip = TARGETS["v5e"]
    >>> chip.platform, chip.has_float64
    ('tpu', False)
    """

    name: str
    platform: Literal["tpu", "cuda"]
    description: str
    memory: int
    bandwidth: float
    topology: tuple[str, ...]
    has_float64: bool

    def environment(self) -> dict[str, str]:
        """Environment variables of the process that compiles, to be set before it imports JAX."""
        shared = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        if self.platform == "cuda":
            return shared
        return shared | {
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_ACCELERATOR_TYPE": self.topology[1],
            "TPU_WORKER_HOSTNAMES": "localhost",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # without it a second process aborts at the first one's lock file
        }

    def describe_chip(self) -> Any:
        """JAX's description of one such chip, whose devices can be compiled for but hold no arrays."""
        from jax.experimental import topologies

        if self.platform == "tpu":
            place = {"topology_name": self.topology[0], "chips_per_host_bounds": (1, 1, 1)}
            return topologies.get_topology_desc(platform="tpu", **place)  # type: ignore[arg-type]
        place = {"topology_name": "", "topology": "1x1x1", "target_config": self.topology[0]}
        return topologies.get_topology_desc(platform="cuda", **place)  # type: ignore[arg-type]


def _describe_gpu(name: str, major: int, cores: int, per_core: int, bandwidth: float, cache: int, memory: int) -> str:
    """What XLA wants to know of a GPU: the fields of its `GpuTargetConfigProto`."""
    shared = {9: (233472, 232448, 128, 1.98), 8: (167936, 166912, 64, 1.41)}[major]
    return f"""gpu_device_info {{ threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
        shared_memory_per_core: {shared[0]} threads_per_core_limit: 2048 core_count: {cores} fpus_per_core: {per_core}
        block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
        memory_bandwidth: {int(bandwidth)} l2_cache_size: {cache} clock_rate_ghz: {shared[3]}
        device_memory_size: {memory} shared_memory_per_block_optin: {shared[1]}
        cuda_compute_capability {{ major: {major} }} registers_per_core_limit: 65536 registers_per_block_limit: 65536 }}
        platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 8 }} device_description_str: "{name}" """


_H100, _A100 = 84_942_979_072, 42_297_786_368
_PREALLOCATED = 0.75  # JAX's share of a GPU's memory unless XLA_PYTHON_CLIENT_MEM_FRACTION says otherwise

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "v5e", "tpu", "one TPU v5e chip, Colab's", int(15.75 * _GIB), 0.82e12, ("v5e:1x1", "v5litepod-1"), False
        ),
        Target("v6e", "tpu", "one TPU v6e chip", int(31.25 * _GIB), 1.64e12, ("v6e:1x1", "v6e-1"), False),
        Target(
            "h100",
            "cuda",
            "one NVIDIA H100 of 80 GB",
            int(_PREALLOCATED * _H100),
            3.35e12,
            (_describe_gpu("NVIDIA H100 80GB HBM3", 9, 132, 128, 3.352e12, 52428800, _H100),),
            True,
        ),
        Target(
            "a100",
            "cuda",
            "one NVIDIA A100 of 40 GB, Colab's",
            int(_PREALLOCATED * _A100),
            1.555e12,
            (_describe_gpu("NVIDIA A100-SXM4-40GB", 8, 108, 64, 1.555e12, 41943040, _A100),),
            True,
        ),
    )
}
"""Every chip that can be compiled for, by name."""


def find_target(name: str) -> Target:
    """The target of that name, where what compiles for it is installed.

    Raises:
        AcceleratorError: there is no such target, or its compiler is not installed.
    """
    if not isinstance(name, str) or name not in TARGETS:
        raise AcceleratorError("target", name, f"must be one of {', '.join(TARGETS)}", "Choose one of them")
    target = TARGETS[name]
    if importlib.util.find_spec("flatbuffers") is None or not is_installed(target):
        remedy = _TPU if target.platform == "tpu" else _CUDA
        raise AcceleratorError("target", name, "needs its compiler, which is not installed", remedy)
    return target


def is_installed(target: Target) -> bool:
    """Whether the compiler for that platform can be imported."""
    if target.platform == "tpu":
        return importlib.util.find_spec("libtpu") is not None
    names = ("jax_plugins", "jax_plugins.xla_cuda13", "jax_plugins.xla_cuda12")
    return importlib.util.find_spec(names[0]) is not None and any(map(importlib.util.find_spec, names[1:]))

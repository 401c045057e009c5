"""`python -m jaxreg info`: versions, devices, precision, caches and data of this process, for a report of a fault."""

import argparse
import importlib.metadata
import platform
from collections.abc import Sequence

import jax

import jaxreg
from jaxreg.datasets.download import cache_folder
from jaxreg.engine.devices import describe_idle
from jaxreg.engine.provenance import matmul_precision, read_flags, read_setting
from jaxreg.study.compiled import programs_folder
from jaxreg.study.data import describe_data

_PACKAGES = ("jax", "jaxlib", "numpy", "optax", "flax", "xarray", "zarr")


def info_command(arguments: Sequence[str]) -> int:
    """Say what computes here: versions, devices, precision, caches, data."""
    argparse.ArgumentParser(prog="python -m jaxreg info", description=info_command.__doc__).parse_args(arguments)
    devices = jax.devices()
    told = read_setting("jax_compilation_cache_dir") or programs_folder()
    kept = told if read_setting("jax_enable_compilation_cache") else "switched off"
    lines = {
        "jaxreg": jaxreg.__version__,
        "python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "devices": f"{len(devices)} of kind {devices[0].device_kind}{describe_idle(devices)}",
        "float64": "on" if read_setting("jax_enable_x64") else "off",
        "matrix products": matmul_precision(),
        "XLA flags": str(read_flags() or "none"),
        "cache": str(cache_folder()),
        "programs": str(kept),
    }
    width = max(map(len, lines))
    print("\n".join([*(f"{name:<{width}}  {value}" for name, value in lines.items()), "", *describe_data()]))
    return 0

"""The process that compiles: `python -m jaxreg.accelerators.child TARGET FILE ...` prints JSON for each file.

A process of its own, since a TPU's compiler ends the whole process at some programs. It is given an exported program
(`jax.export`), so that it need not import, unpickle or even have what the program was made from.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.accelerators.kernels import count_kernels
from jaxreg.accelerators.targets import TARGETS, Target

MARK = "jaxreg compiled: "


def lower(target: Target, exported: jax.export.Exported) -> Any:
    """The program, ready to be compiled for one chip."""
    there = NamedSharding(Mesh(np.array(target.describe_chip().devices), ("chip",)), PartitionSpec())
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=there) for a in exported.in_avals]
    args, keywords = jax.tree.unflatten(exported.in_tree, shapes)
    return jax.jit(exported.call).trace(*args, **keywords).lower(lowering_platforms=(target.platform,))


def compile_exported(target: Target, exported: jax.export.Exported) -> dict[str, Any]:
    """Compile for one chip; the fields of `CompiledProgram` that this tells."""
    lowered = lower(target, exported)
    began = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - began
    memory = compiled.memory_analysis()
    cost = compiled.cost_analysis() or {}
    kernels = count_kernels(compiled.as_text())
    return {
        "compile_seconds": seconds,
        "argument_bytes": memory.argument_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "operations": cost.get("flops"),
        "bytes_accessed": cost.get("bytes accessed"),
        "kernels": kernels.per_call,
        "kernels_per_step": kernels.per_step,
        "steps": kernels.steps,
    }


def main() -> None:
    """Compile the programs in files one after the other, and print the result or the compiler's error of each."""
    target = TARGETS[sys.argv[1]]
    for name in sys.argv[2:]:
        try:
            exported = jax.export.deserialize(bytearray(Path(name).read_bytes()))
            result = compile_exported(target, exported)
        except Exception as error:  # whatever the compiler says is the result
            result = {"message": f"{type(error).__name__}: {error}"}
        print(MARK + json.dumps(result), flush=True)
        jax.clear_caches()


if __name__ == "__main__":
    main()

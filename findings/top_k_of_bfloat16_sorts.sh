#!/usr/bin/env bash
# JAX 0.10.2 on a CPU: lax.top_k takes its fast algorithm for float32 only; float64, int32 and bfloat16 sort everything.
#
# Guess before the run: half the bytes, so bfloat16 takes no longer than float32, and float64 twice as long.
# Seen (JAX 0.10.2, two cores of a Xeon, the 10 largest of 5,000 numbers, best of 200 calls):
#   float32 20 us, float64 1,062 us, int32 752 us, bfloat16 1,145 us
# In the compiled program float32 is one call of "TopK", the others are a stable sort of all numbers with their indices.
# So in float64 choosing columns by `top_k(values.astype(float32))` is right to rounding, and 50 times as fast.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
values = np.random.default_rng(0).normal(size=5000)
ways = {}
for dtype in (jnp.float32, jnp.float64, jnp.int32, jnp.bfloat16):
    array = jnp.asarray(values, dtype)
    program = jax.jit(lambda v: jax.lax.top_k(v, 10)).lower(array).compile()
    text = program.as_text()
    ways[dtype.__name__] = "TopK" if 'custom_call_target="TopK"' in text else "sort" if " sort(" in text else "other"
    best = float("inf")
    for _ in range(200):
        began = time.perf_counter()
        jax.block_until_ready(program(array))
        best = min(best, time.perf_counter() - began)
    print(f"{dtype.__name__:9} {1e6 * best:8.0f} us  {ways[dtype.__name__]}")
expected = {"float32": "TopK", "float64": "sort", "int32": "sort", "bfloat16": "sort"}
sys.exit(ways != expected)
PYTHON

#!/usr/bin/env bash
# JAX 0.10.2 on a CPU: the gradient of a convolution takes 9 to 21 times as long in a step of lax.scan as outside of it.
#
# Guess before the run: a step of a scan costs what the same gradient costs by itself; if anything less, for nothing is
# dispatched between steps.
# Seen (JAX 0.10.2, two cores of a Xeon, 32 images of 28 x 28 x 8, 16 filters of 3 x 3, best of 5, two runs):
#   outside 9.7 and 6.2 ms; in a scan 84.5 and 133 ms a step; written out step after step 3.0 ms a step.
# The convolution itself is not concerned (0.8 to 1.1 of the time): the gradient in the filters is. So a whole training as
# one scan is many times slower than a loop of jitted steps, unless convolutions become matrix products.
# Exits 0 while the scan takes more than 5 times as long, 1 once it does not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import sys
import time

import jax
import numpy as np

STEPS = 8
images = jax.random.normal(jax.random.key(0), (32, 28, 28, 8))
filters = 0.1 * jax.random.normal(jax.random.key(1), (3, 3, 8, 16))


def convolve(filters):
    return jax.lax.conv_general_dilated(images, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def descend(filters):
    return filters - 0.1 * jax.grad(lambda f: (convolve(f) ** 2).mean())(filters)


def scanned(filters):
    return jax.lax.scan(lambda f, _: (descend(f), None), filters, None, length=STEPS)[0]


def written_out(filters):
    for _ in range(STEPS):
        filters = descend(filters)
    return filters


def seconds(function):
    function = jax.jit(function)
    result, best = jax.block_until_ready(function(filters)), float("inf")
    for _ in range(5):
        began = time.perf_counter()
        jax.block_until_ready(function(filters))
        best = min(best, time.perf_counter() - began)
    return best, np.asarray(result)


alone, _ = seconds(descend)
scan, one = seconds(scanned)
out, other = seconds(written_out)
np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
scan, out = scan / STEPS, out / STEPS
print(f"outside {1e3 * alone:.1f} ms, in a scan {1e3 * scan:.1f} ms a step, written out {1e3 * out:.1f} ms a step")
sys.exit(scan < 5 * alone)
PYTHON

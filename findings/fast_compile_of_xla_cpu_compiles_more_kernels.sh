#!/usr/bin/env bash
# jaxlib 0.10.2: XLA's preset FAST_COMPILE for the CPU compiles more kernels, and takes no less time for it.
#
# Guess before the run: --xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE optimizes less and compiles faster than the
# default.
# Seen, of a vmapped study of ridge paths: 239 fused kernels in place of 185, and 1.2 times the processor time of
# compiling (5.4 to 6.6 s in place of 4.5 to 5.1 s on a shared Xeon). Each kernel costs some 25 ms of LLVM, so what
# fuses less compiles longer. What does shorten compiling there is --xla_cpu_use_fusion_emitters=false, by a quarter to
# a half.
# So nothing of a small study that compiles for longer than it runs is won by the preset.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat > "$work/compile.py" <<'PYTHON'
import time

import jax
import jax.numpy as jnp


def ridge(X, y, alphas):
    """Coefficients, leave-one-out and generalized cross-validation errors of a path, by the SVD."""
    scale = X.std(0)
    Z = (X - X.mean(0)) / scale
    u, s, vt = jnp.linalg.svd(Z, full_matrices=False)
    centred = y - y.mean()

    def one(alpha):
        d = s / (s * s + alpha)
        coef = vt.T @ (d * (u.T @ centred))
        hat = (u * u) @ (s * d) + 1 / len(y)
        residual = centred - Z @ coef
        return coef / scale, ((residual / (1 - hat)) ** 2).mean(), (residual**2).mean() / (1 - hat.mean()) ** 2

    return jax.vmap(one)(alphas)


def study(X, y, alphas):
    found = []
    for rows in ((0, 50), (0, 20), (10, 40), (20, 50), (5, 35), (0, 45)):
        x, target = X[slice(*rows)], y[slice(*rows)]
        coef, loo, gcv = ridge(x, target, alphas)
        found += [coef[loo.argmin()], coef[gcv.argmin()], jnp.linalg.lstsq(x, target)[0]]
    return jnp.stack(found)


lowered = jax.jit(jax.vmap(study, (0, 0, None))).lower(jnp.ones((100, 50, 8)), jnp.ones((100, 50)), jnp.ones(20))
start = time.process_time()
compiled = lowered.compile()
print(compiled.as_text().count(" fusion("), time.process_time() - start)
PYTHON
"$work/venv/bin/python" - "$work" <<'PYTHON'
import os
import statistics
import subprocess
import sys

PRESETS = {"default": "", "FAST_COMPILE": "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE"}
kernels, seconds = {}, {name: [] for name in PRESETS}
for _ in range(3):
    for name, flags in PRESETS.items():
        environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
        command = [sys.executable, f"{sys.argv[1]}/compile.py"]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        kernels[name] = int(said[0])
        seconds[name].append(float(said[1]))
took = {name: statistics.median(each) for name, each in seconds.items()}
for name in PRESETS:
    print(f"{name}: {kernels[name]} kernels, {took[name]:.1f} s of processor time to compile")
sys.exit(not (kernels["FAST_COMPILE"] > kernels["default"] and took["FAST_COMPILE"] > 0.9 * took["default"]))
PYTHON

#!/usr/bin/env bash
# JAX 0.12 renames what a scan equation says of itself: interpreters of jaxprs that read num_consts and num_carry end in KeyError.
#
# Guess before the run: `num_carry` has been a parameter of scan's equation for years and is in every tutorial on jaxpr
# interpreters, so it is there in JAX 0.12 as in 0.10. Nothing of the kind is among the changes for users.
# Seen:
#   jax 0.10.2:   jaxpr length num_carry num_consts reverse unroll
#   jax 0.12.0.1: ft_in ft_out jaxpr length reverse unroll
# What works in both: what is scanned over has one axis more outside of the body than inside; the rest is carried or fixed.
# JAX 0.12 needs Python 3.12; set PYTHON to one. Exits 0 while this is so, 1 once it has changed, 2 without such a Python.
set -euo pipefail
python=${PYTHON:-}
for name in python3.13 python3.12 python3; do
    [ -n "$python" ] || ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || python=$name
done
[ -n "$python" ] || { echo "needs Python 3.12 or newer" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.10.2 0.12.0.1; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet "jax==$version" "jaxlib==$version"
    JAX_PLATFORMS=cpu "$work/$version/bin/python" - <<'PYTHON' | tee -a "$work/seen"
import jax
import jax.numpy as jnp

program = jax.make_jaxpr(lambda start, x: jax.lax.scan(lambda total, y: (total + y, total), start, x))(0.0, jnp.ones(3))
(scan,) = (equation for equation in program.eqns if equation.primitive.name == "scan")
longer = [len(a.aval.shape) > len(b.aval.shape) for a, b in zip(scan.invars, scan.params["jaxpr"].jaxpr.invars)]
assert longer == [False, True]
print(f"jax {jax.__version__}:", *sorted(scan.params))
PYTHON
done
diff "$work/seen" - <<'SEEN' || exit 1
jax 0.10.2: jaxpr length num_carry num_consts reverse unroll
jax 0.12.0.1: ft_in ft_out jaxpr length reverse unroll
SEEN

"""What a run returns, as named arrays: dicts and other pytrees within it are flattened to `params/hidden_0/weight`."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import SweepError


def as_arrays(returned: Any) -> dict[str, jax.Array]:
    """The outputs of a run by name."""
    if isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if not isinstance(returned, Mapping) or not returned:
        raise SweepError(
            "run", returned, "must return a dict or NamedTuple of arrays, at least one", "Name its outputs"
        )
    if "diverged" in returned:
        raise SweepError("run", "diverged", "is an output that the engine adds", "Rename this output")
    outputs: dict[str, jax.Array] = {}
    for name, value in returned.items():
        leaves = jax.tree_util.tree_flatten_with_path(value)[0]
        if not isinstance(name, str) or not leaves:
            raise SweepError(
                f"output {name!r}", value, "must be an array of numbers", "Return numbers, or leave it out"
            )
        for path, leaf in leaves:
            full = "/".join([_checked(name), *map(_step, path)])
            if full in outputs:
                raise SweepError("run", full, "is the name of two outputs", "Rename one")
            outputs[full] = _as_array(full, leaf)
    return outputs


def _step(entry: Any) -> str:
    """One step of a path into a pytree, such as a key, an index or a field."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return _checked(str(getattr(entry, attribute)))
    return _checked(str(entry))


def _checked(name: str) -> str:
    if not name or "/" in name or "\\" in name or not name.isprintable():
        raise SweepError(
            "run", name, "must not be an output's name: it is empty or would hold '/' or '\\'", "Rename it"
        )
    return name


def _as_array(name: str, value: Any) -> jax.Array:
    refusal = SweepError(f"output {name!r}", value, "must be an array of numbers", "Return numbers, or leave it out")
    if not isinstance(value, bool | int | float | np.ndarray | np.generic | jax.Array) or np.ma.is_masked(value):
        raise refusal
    if not isinstance(value, jax.Array):
        held = np.asarray(value)
        if held.dtype.kind not in "biufV":
            raise refusal
        working = jax.dtypes.canonicalize_dtype(held.dtype)
        if held.dtype.kind in "iu" and not (held.astype(working) == held).all():
            raise SweepError(f"output {name!r}", value, f"must fit {working}", "Scale it, or pass x64=True")
    array = jnp.asarray(value)
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.bool_, jnp.integer, jnp.floating)):
        raise refusal
    if array.dtype.kind == "V":  # what NumPy does not know: bfloat16, float8 and integers of 2 or 4 bits
        return array.astype(jnp.float32 if jnp.issubdtype(array.dtype, jnp.floating) else jnp.int8)
    return array

"""What a program computes, as a hash: the same however its functions are named, nested or commented."""

import dataclasses
import enum
import functools
import hashlib
import types
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.interpreters import partial_eval

from jaxreg.engine.describing import without_addresses

CALLS = {  # equations that only wrap a program, and where they keep it
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
_IGNORED = {"name", "name_and_src_info", "debug_info", "debug", "metadata", "ctx_mesh", "sharding", "out_sharding"}


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """A hash of a computation, the functions on the host that it calls, and what the hash could not look into."""

    digest: str
    callbacks: tuple[str, ...]
    opaque: tuple[Any, ...]


def without_dead_code(program: ClosedJaxpr) -> ClosedJaxpr:
    """The program without the equations that no output needs, at any depth; its inputs stay.

    This is the pass that JAX itself runs before it differentiates or compiles; there is no other way to it.
    """
    held = [False] * len(program.consts) + [True] * len(program.jaxpr.invars)
    smaller, used, _ = partial_eval.dce_jaxpr_consts(program.jaxpr, [True] * len(program.jaxpr.outvars), held)
    return ClosedJaxpr(smaller, [value for value, is_used in zip(program.consts, used, strict=True) if is_used])


def take_fingerprint(program: ClosedJaxpr, inputs: Sequence[str]) -> Fingerprint:
    """The fingerprint of a program whose inputs have the names `inputs`."""
    writer = _Writer()
    outputs = writer.walk(program.jaxpr, program.consts, inputs)
    writer.write("returns", *outputs)
    return Fingerprint(writer.digest.hexdigest(), tuple(writer.callbacks), tuple(writer.opaque))


class _Writer:
    """Writes equations into a hash, with variables numbered as they come."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.callbacks: list[str] = []
        self.opaque: list[Any] = []
        self._count = 0

    def write(self, *words: str) -> None:
        self.digest.update(" ".join(words).encode() + b"\n")

    def walk(self, jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[str]) -> list[str]:
        """Write the equations of `jaxpr`; return what its outputs are called."""
        known: dict[Any, str] = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= {variable: _array(value) for variable, value in zip(jaxpr.constvars, consts, strict=True)}

        def name(atom: Any) -> str:
            return _array(atom.val, getattr(atom.aval, "dtype", None)) if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            kind, operands = equation.primitive.name, [name(atom) for atom in equation.invars]
            if kind in CALLS:
                inner = _closed(equation.params[CALLS[kind]])
                known |= dict(zip(equation.outvars, self.walk(inner.jaxpr, inner.consts, operands), strict=True))
                continue
            if "callback" in kind or kind == "debug_print":
                self.opaque.extend(equation.params.values())
                if kind.startswith("debug"):
                    continue
                self.callbacks.append(without_addresses(str(equation.params.get("callback", kind))))
            settings = [f"{k}={self._describe(v)}" for k, v in sorted(equation.params.items()) if k not in _IGNORED]
            known |= {variable: self._fresh() for variable in equation.outvars}
            types = [str(variable.aval) for variable in equation.outvars]
            self.write(kind, *settings, "(", *operands, ")", *types)
        return [name(atom) for atom in jaxpr.outvars]

    def _fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _describe(self, value: Any) -> str:
        if isinstance(value, ClosedJaxpr | Jaxpr):
            inner, outer = _closed(value), self._count
            self._count = 0
            types = [str(variable.aval) for variable in inner.jaxpr.invars]
            self.write("{", *types)
            outputs = self.walk(inner.jaxpr, inner.consts, [f"i{i}" for i in range(len(types))])
            self.write("}", *outputs)
            self._count = outer
            return "{}"
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            return _array(value)
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{key}: {self._describe(item)}' for key, item in sorted(value.items(), key=str))}}}"
        if isinstance(value, tuple | list):
            return f"({', '.join(map(self._describe, value))})"
        if value is None or isinstance(value, str | bytes | int | float | complex | enum.Enum | np.dtype | type):
            return repr(value)
        if dataclasses.is_dataclass(value):
            return f"({', '.join(self._describe(getattr(value, f.name)) for f in dataclasses.fields(value))})"
        if callable(value) or type(value).__repr__ is object.__repr__:
            self.opaque.append(value)  # such as a rule for batching
            return ""
        return without_addresses(repr(value))


def opaque_key(value: Any) -> Any:
    """A key that two functions share only if they do the same: their code and what they close over; else their address.

    >>> make = lambda n: lambda x: x + n
    >>> opaque_key(make(1)) == opaque_key(make(1)), opaque_key(make(1)) == opaque_key(make(2))
    (True, False)
    """
    return _opaque_key(value, {})


def _opaque_key(value: Any, seen: dict[int, int]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return type(value), repr(value)
    if id(value) in seen:
        return seen[id(value)]  # functions may close over themselves
    seen[id(value)] = len(seen)
    head: Any
    parts: Any
    if isinstance(value, functools.partial):
        head, parts = functools.partial, (value.func, *value.args, *value.keywords.items())
    elif isinstance(value, types.FunctionType):
        code = value.__code__
        head = (value.__module__, value.__qualname__, code.co_code, str(code.co_consts))
        parts = (*(cell.cell_contents for cell in value.__closure__ or ()), *(value.__defaults__ or ()))
    elif isinstance(value, tuple):
        head, parts = tuple, value
    elif type(value).__module__.startswith("jax.") and hasattr(value, "__dict__") and not isinstance(value, jax.Array):
        head, parts = type(value), vars(value).items()
    else:
        return id(value)
    return head, tuple(_opaque_key(part, seen) for part in parts)


def _closed(program: ClosedJaxpr | Jaxpr) -> ClosedJaxpr:
    return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())


def _array(value: Any, dtype: Any = None) -> str:
    """An array by its type and contents; numbers written into a program are no other than those that it holds."""
    is_key = isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
    kind = str(value.dtype) if is_key else ""
    array = np.asarray(jax.random.key_data(value) if is_key else value, None if is_key else dtype)
    digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return f"[{kind}{array.dtype}{array.shape}{digest}]"

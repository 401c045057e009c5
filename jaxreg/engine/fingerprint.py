"""What a program computes, as a hash: the same however its functions are named, nested or commented."""

import dataclasses
import enum
import functools
import hashlib
import inspect
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun, jaxprs_in_params
from jax.interpreters import partial_eval

from jaxreg.engine.describing import without_addresses
from jaxreg.engine.pruning import CALLS, prune
from jaxreg.engine.surroundings import closed_over, is_library, read_by

_GENERATORS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}  # by the names of their dtypes
_IGNORED = {"name", "name_and_src_info", "debug_info", "debug", "metadata", "ctx_mesh", "sharding", "out_sharding"}


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """A hash of a computation and, if it differs, of that with what it prints; what no hash can look into.

    `callbacks` names the functions of the host and other code that decides numbers and cannot be looked into; `opaque`
    holds them all. `calls_host`: it calls the host, be it to print. `has_rules`: it holds rules for batches, which are
    called when it is compiled.
    """

    digest: str
    printed: str
    callbacks: tuple[str, ...]
    opaque: tuple[Any, ...]
    calls_host: bool
    has_rules: bool


def without_dead_code(program: ClosedJaxpr) -> ClosedJaxpr:
    """The program without the equations that no output needs, at any depth; its inputs stay.

    This is the pass that JAX itself runs before it differentiates or compiles; there is no other way to it.
    """
    held = [False] * len(program.consts) + [True] * len(program.jaxpr.invars)
    smaller, used, _ = partial_eval.dce_jaxpr_consts(program.jaxpr, [True] * len(program.jaxpr.outvars), held)
    return ClosedJaxpr(smaller, [value for value, is_used in zip(program.consts, used, strict=True) if is_used])


def take_fingerprint(program: ClosedJaxpr, inputs: Sequence[str], shared: int = 0) -> Fingerprint:
    """The fingerprint of a program whose inputs have the names `inputs`; the first `shared` are never batched."""
    writer = _write(prune(program), inputs)
    whole = _write(program, inputs) if program.effects else writer
    if whole.has_rules:
        for batched in _batch(program, shared):
            inner = _write(prune(batched), inputs)
            for one in {writer, whole}:
                one.write("batched", inner.digest.hexdigest())
            whole.opaque += inner.opaque
            whole.calls_host |= inner.calls_host
            writer.callbacks += inner.callbacks
    return Fingerprint(
        writer.digest.hexdigest(),
        whole.digest.hexdigest(),
        tuple(writer.callbacks),
        tuple(whole.opaque),
        whole.calls_host,
        whole.has_rules,
    )


def _write(program: ClosedJaxpr, inputs: Sequence[str]) -> "_Writer":
    writer = _Writer()
    writer.write("returns", *writer.walk(program.jaxpr, program.consts, inputs))
    return writer


def list_generators(jaxpr: Jaxpr) -> set[str]:
    """The names of the generators whose keys a program uses, at any depth."""
    variables = [*jaxpr.invars, *jaxpr.constvars, *(v for equation in jaxpr.eqns for v in equation.outvars)]
    dtypes = {v.aval.dtype for v in variables if hasattr(v.aval, "dtype")}
    names = {dtype.name for dtype in dtypes if jnp.issubdtype(dtype, jax.dtypes.prng_key)}
    inner = [list_generators(part) for equation in jaxpr.eqns for part in jaxprs_in_params(equation.params)]
    return {_GENERATORS.get(name, name) for name in names}.union(*inner)


def _batch(program: ClosedJaxpr, shared: int) -> list[ClosedJaxpr]:
    """The program over batches as rules for batches make it: over each input alone, and over all at once.

    Over one input after the other, too, where rules call functions that have rules of their own: it takes longest.
    """
    inputs = range(len(program.in_avals))
    swept = inputs[shared:]

    def trace(*levels: Collection[int]) -> ClosedJaxpr:
        function = jaxpr_as_fun(program)
        for over in levels:
            function = jax.vmap(function, in_axes=tuple(0 if k in over else None for k in inputs))
        sizes = [(2,) * sum(k in over for over in levels) for k in inputs]
        structs = [jax.ShapeDtypeStruct(n + a.shape, a.dtype) for n, a in zip(sizes, program.in_avals, strict=True)]
        return jax.make_jaxpr(function)(*structs)

    alone = [[i] for i in swept]
    batched = [*map(trace, alone), trace(swept) if swept else trace()]
    if any(_list_rules(one.jaxpr) - _list_rules(program.jaxpr) for one in batched):
        batched.append(trace(*alone))
    return batched


def _list_rules(jaxpr: Jaxpr) -> set[Any]:
    """The rules for batches of a program, at any depth."""
    inner = [_list_rules(part) for equation in jaxpr.eqns for part in jaxprs_in_params(equation.params)]
    own = {inspect.unwrap(e.params["rule"]) for e in jaxpr.eqns if e.primitive.name == "custom_vmap_call"}
    return own.union(*inner)


class _Writer:
    """Writes equations into a hash, with variables numbered as they come."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.callbacks: list[str] = []
        self.opaque: list[Any] = []
        self.calls_host = self.has_rules = False
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
                self.has_rules |= kind == "custom_vmap_call"
                inner = _closed(equation.params[CALLS[kind]])
                known |= dict(zip(equation.outvars, self.walk(inner.jaxpr, inner.consts, operands), strict=True))
                continue
            if "callback" in kind:
                self.calls_host = True
                self.opaque.extend(equation.params.values())
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
        if callable(value):  # such as a rule for partitioning
            self.opaque.append(value)
            if not is_library(value):
                self.callbacks.append(without_addresses(repr(value)))
            return ""
        if type(value).__repr__ is object.__repr__:  # type: ignore[comparison-overlap]
            return type(value).__qualname__ + self._describe(dict(getattr(value, "__dict__", {})))
        return without_addresses(repr(value))


def opaque_key(value: Any) -> Any:
    """A key that two functions share only if they do the same: their code and all that they read; else their address.

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
    elif isinstance(value, types.FunctionType) and not is_library(value):
        head, parts = value.__code__, (*_defaults(value), *read_by(value).items())
    elif isinstance(value, types.FunctionType) and value.__closure__:
        head, parts = value.__code__, (*_defaults(value), *closed_over(value).items())
    elif isinstance(value, tuple):
        head, parts = tuple, value
    elif type(value).__module__.startswith("jax.") and hasattr(value, "__dict__") and not isinstance(value, jax.Array):
        head, parts = type(value), vars(value).items()
    else:
        return id(value)
    return head, tuple(_opaque_key(part, seen) for part in parts)


def _defaults(function: types.FunctionType) -> tuple[Any, ...]:
    return function.__defaults__, *(function.__kwdefaults__ or {}).items()


def _closed(program: ClosedJaxpr | Jaxpr) -> ClosedJaxpr:
    return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())


def _array(value: Any, dtype: Any = None) -> str:
    """An array by its type and contents; numbers written into a program are no other than those that it holds."""
    is_key = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    kind = str(value.dtype) if is_key else ""
    array = np.asarray(jax.random.key_data(value) if is_key else value, None if is_key else dtype)
    digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return f"[{kind}{array.dtype}{array.shape}{digest}]"

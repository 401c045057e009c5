"""What a run reads beside its arguments: globals, closures and attributes, so that a change is seen within a process.

A run is traced anew by every sweep. The functions that it calls may be kept by JAX, if they are jitted or the body of a
loop; a change in what they read is found here, and lets them be traced anew too.
"""

import functools
import hashlib
import inspect
import types
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

_LIBRARIES = ("jax", "jaxlib", "jaxreg", "numpy", "scipy", "optax", "flax", "builtins")
_CODE = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, type(jax.jit(len)))
_MOST_PARTS = 10_000
_first: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()  # what each function read when first met


def find_changes(run: Callable[..., Any]) -> str:
    """A text that changes with what `run`, and the functions that it calls, read; empty as long as nothing changed."""
    changed = []
    for function in _functions(run, set()):
        now = _digest(function)
        if now != _first.setdefault(function, now):
            changed.append(now)
    return "".join(sorted(changed))


def _functions(value: Any, seen: set[int]) -> Iterator[types.FunctionType]:
    """The functions of the user that `value` is made of or calls, by name."""
    value = inspect.unwrap(value) if callable(value) else value
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield from _functions(part, seen)
    elif isinstance(value, types.MethodType):
        yield from _functions(value.__func__, seen)
    elif isinstance(value, types.FunctionType) and str(value.__module__).partition(".")[0] not in _LIBRARIES:
        yield value
        for part in _read_by(value).values():
            if callable(part):
                yield from _functions(part, seen)


def _read_by(function: types.FunctionType) -> Mapping[str, Any]:
    """The globals that a function names, what it names of modules and classes among them, and what it closes over."""
    names, codes = set(), [function.__code__]
    for code in codes:
        names |= set(code.co_names)
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    held = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
    for name, owner in list(held.items()):
        if isinstance(owner, types.ModuleType | type) and owner.__name__.partition(".")[0] not in _LIBRARIES:
            held |= {f"{name}.{part}": vars(owner)[part] for part in sorted(names & vars(owner).keys())}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:
            continue  # not yet assigned
    return held


def _digest(function: types.FunctionType) -> str:
    seen: dict[int, Any] = {}
    read = {name: _text(value, seen) for name, value in _read_by(function).items()}
    return hashlib.blake2b(repr(read).encode(), digest_size=8).hexdigest()


def _text(value: Any, seen: dict[int, Any]) -> str:
    """What can be said of a value and of all in it; each object once, for they may hold each other."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if id(value) in seen or len(seen) > _MOST_PARTS:
        return ""
    seen[id(value)] = value
    if isinstance(value, jax.Array):
        return f"{id(value)}"  # it cannot be changed in place
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return _text(value.tolist(), seen)
        return f"{value.dtype}{value.shape}{zlib.crc32(np.ascontiguousarray(value).data.cast('B'))}"
    if isinstance(value, types.MethodType):
        return f"{id(value.__func__)}{_text(value.__self__, seen)}"
    if isinstance(value, (*_CODE, jax.custom_jvp, jax.custom_vjp)):
        return f"{id(value)}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{_text(item, seen)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{','.join(_text(item, seen) for item in value)}]"
    held = dict(getattr(value, "__dict__", {}))
    slots = [name for kind in type(value).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]
    held |= {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return f"{type(value).__qualname__}{_text(held, seen)}"

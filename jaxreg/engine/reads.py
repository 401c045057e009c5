"""All that tracing a run reads, as a key: where two keys are equal, so are the programs, and one trace does for both.

Only what is surely understood has a key: numbers, arrays, containers and frozen values of them, plain functions and
what they call, by name, and libraries, which are taken not to change. A run that reads anything else, such as an
attribute of an object or of a module of the user, is traced anew by every sweep.
"""

import abc
import builtins
import dataclasses
import dis
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.engine.exact import exact_key

_LIBRARIES = ("jax", "jaxlib", "jaxreg", "numpy", "scipy", "optax", "flax", "math", "functools", "itertools", "typing")
_UNSURE = {"open", "input", "eval", "exec", "compile", "globals", "locals", "vars", "__import__", "id", "breakpoint"}
_UNSURE_STEPS = {dis.opmap[name] for name in ("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")}
_GENERATED = {  # of a frozen dataclass; none decides what a trace computes
    *("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__match_args__", "__slots__"),
    *("__dataclass_fields__", "__dataclass_params__", "__init__", "__repr__", "__eq__", "__hash__", "__setattr__"),
    *("__delattr__", "__replace__", "__firstlineno__", "__static_attributes__", "__annotate_func__"),
}
_MOST_BYTES, _MOST_PARTS = 2**22, 10_000


class _UnknownError(Exception):
    """Something that may change without a trace."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Same:
    """A value that cannot change, equal to itself only; held, so that its address stays its own."""

    value: Any

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


def read_key(run: Callable[..., Any], args: Sequence[Any], static: Sequence[tuple[str, Any]]) -> Hashable | None:
    """A key of the run's code, of what it reads beside traced values, and of JAX's settings; None where that is unsure.

    >>> factor = [2.0]
    >>> run = lambda *, a: {"x": factor[0] * a}
    >>> key = read_key(run, (), ())
    >>> factor[0] = 3.0
    >>> key is None or key == read_key(run, (), ())
    False
    >>> read_key(lambda *, a: {"x": open("data").read()}, (), ()) is None
    True
    """
    reader = _Reader()
    try:
        parts = (reader.read(run), tuple((name, exact_key(value), reader.read(value)) for name, value in static))
    except Exception:  # whatever objects of the user do when they are looked at, too
        return None
    leaves, structure = jax.tree.flatten(tuple(args))
    settings = tuple(repr(getattr(jax.config, name, None)) for name in sorted(jax.config.values))
    key = (*parts, structure, tuple(map(_kind, leaves)), settings, jax.sharding.get_abstract_mesh())
    try:
        hash(key)
    except TypeError:  # something in the structure of the args
        return None
    return key


def _kind(leaf: Any) -> tuple[Any, ...]:
    """What tracing sees of an array or a number."""
    if hasattr(leaf, "dtype"):
        return leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)
    return (type(leaf),)


class _Reader:
    """Walks what a run reads; every object once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}

    def read(self, value: Any) -> Hashable:
        """A key of a value that changes whenever something in it does; _UnknownError where that is unsure."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return type(value), repr(value)
        if id(value) in self._seen:
            return self._seen[id(value)][0]
        self._seen[id(value)] = (len(self._seen), value)  # held: an address may be used again
        if len(self._seen) > _MOST_PARTS:
            raise _UnknownError
        return type(value).__qualname__, tuple(self._parts(value))

    def _parts(self, value: Any) -> Iterator[Hashable]:
        if isinstance(value, jax.core.Tracer):
            raise _UnknownError
        if isinstance(value, jax.Array | np.dtype | np.ufunc):
            yield _Same(value)
        elif isinstance(value, np.ndarray | np.generic):
            is_plain = type(value) is np.ndarray or isinstance(value, np.generic)
            if not is_plain or value.dtype == object or value.nbytes > _MOST_BYTES:
                raise _UnknownError
            yield value.shape, str(value.dtype), hashlib.blake2b(np.ascontiguousarray(value).tobytes()).digest()
        elif type(value) is dict:
            for key, item in value.items():
                yield self.read(key)
                yield self.read(item)
        elif isinstance(value, tuple) or type(value) is list:
            if not _is_of_library(type(value)):
                raise _UnknownError
            yield from map(self.read, value)
        elif isinstance(value, functools.partial):
            yield from map(self.read, (value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            yield from map(self.read, (value.__func__, value.__self__))
        elif isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, types.ModuleType):
            if not _is_library(value.__name__) or "random" in value.__name__.partition("numpy")[2]:
                raise _UnknownError
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, types.BuiltinFunctionType):
            if not isinstance(value.__self__, types.ModuleType | None) or value.__name__ in _UNSURE:
                raise _UnknownError
            yield _Same(value)
        elif _is_frozen(value):
            yield self.read(type(value))
            yield from (self.read(getattr(value, field.name)) for field in dataclasses.fields(value))
        elif callable(value) and hasattr(value, "__wrapped__") and _only_wraps(value):
            yield _Same(value)  # under jit: its options are its own
            yield self.read(value.__wrapped__)
        else:
            raise _UnknownError

    def _class(self, kind: type) -> Iterator[Hashable]:
        """A class of a library, or a frozen dataclass of the user with all that it defines."""
        yield _Same(kind)
        for base in kind.__mro__:
            if _is_of_library(base):
                continue
            if not _is_frozen(base):
                raise _UnknownError
            for name, item in vars(base).items():
                if name not in _GENERATED:
                    item = getattr(item, "fget", None) or getattr(item, "__func__", None) or getattr(item, "func", item)
                    yield self.read(item)

    def _function(self, function: types.FunctionType) -> Iterator[Hashable]:
        yield function.__code__  # and what it reads: another function of the same is as good
        if vars(function).keys() - {"__wrapped__"}:
            raise _UnknownError
        yield from map(self.read, (function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                yield self.read(cell.cell_contents)
            except ValueError:
                raise _UnknownError from None
        module = sys.modules.get(function.__module__)
        if module and _is_library(module.__name__) and function.__globals__ is vars(module):
            return
        names, codes = set(), [function.__code__]
        for code in codes:
            if _UNSURE_STEPS & set(code.co_code[::2]):
                raise _UnknownError
            names |= set(code.co_names)
            codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
        held = [function.__globals__[name] for name in sorted(names) if name in function.__globals__]
        if "random" in names and any(part is np for part in held):
            raise _UnknownError
        unsure = names & _UNSURE - function.__globals__.keys()
        if unsure & vars(builtins).keys():
            raise _UnknownError
        yield from map(self.read, held)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def _is_of_library(kind: type) -> bool:
    return kind is abc.ABC or kind.__module__ == "builtins" or _is_library(kind.__module__)


def _is_frozen(value: Any) -> bool:
    parameters = getattr(value, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _only_wraps(value: Any) -> bool:
    """Whether a callable is JAX's compiled form of one function, or a function of a library with rules of its own."""
    return type(value).__name__ == "PjitFunction" or _is_library(str(value.__wrapped__.__module__))

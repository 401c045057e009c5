"""What a run reads beside its arguments: globals, closures and attributes, so that a change is seen within a process.

A run is traced anew by every sweep. The functions that it calls may be kept by JAX, if they are jitted or the body of a
loop; a change in what they read is found here, and lets them be traced anew too.
"""

import dataclasses
import functools
import hashlib
import inspect
import itertools
import sys
import sysconfig
import types
import weakref
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

_LIBRARIES = {"jax", "jaxlib", "jaxreg", "numpy", "scipy", "optax", "flax", "chex", "equinox", "jaxtyping", "beartype"}
_LIBRARIES |= {
    "pandas",
    "xarray",
    "zarr",
    "dask",
    "sklearn",
    "torch",
    "keras",
    "tensorflow",
    "matplotlib",
    "tqdm",
    "tyro",
}
_LIBRARIES |= {"pytest", "_pytest", "pluggy", "execnet", "pygments", "typeguard", "hypothesis", "IPython", "ipykernel"}
_MACHINERY = {"logging", "threading", "_thread", "io", "_io", "asyncio", "concurrent", "multiprocessing", "weakref"}
_MOST_THINGS = 3_000  # beyond, nothing is taken to be as it was
_count = itertools.count()


@dataclasses.dataclass
class _Thing:
    """A function, object or class: its number, which no other has or will have, and its state when first met."""

    alive: "weakref.ref[Any]"
    number: int
    first: str = ""


_known: dict[int, _Thing] = {}  # by address, which a later thing may have


def find_changes(*roots: Any) -> str:
    """A text that changes with what `roots`, and all that they hold or call, read; empty as long as nothing changed.

    Functions, objects and classes of the user are *things* that have a state each, which refers to other things by
    their numbers: so a change is found at the thing that it happened to, whatever leads there.
    """
    changed = []
    try:
        for known, state in _list_states(roots):
            known.first = known.first or state
            if state != known.first:
                changed.append(f"{known.number}:{state}")
    except Exception:  # too many things, or one that cannot be looked at, whatever its attributes raise
        return f"unknown {next(_count)}"
    return " ".join(sorted(changed))


class _TooManyError(Exception):
    """More things than can be looked at."""


def _list_states(roots: Sequence[Any]) -> Iterator[tuple[_Thing, str]]:
    walk = _Walk()
    for root in roots:
        walk.say(root)
    for met, (known, thing) in enumerate(walk.things()):
        if met == _MOST_THINGS:
            raise _TooManyError
        yield known, hashlib.blake2b(walk.state(thing).encode(), digest_size=8).hexdigest()


class _Walk:
    """Says what values are, and collects the things that they lead to, each once."""

    def __init__(self) -> None:
        self._met: set[int] = set()
        self._waiting: deque[tuple[_Thing, Any]] = deque()

    def things(self) -> Iterator[tuple[_Thing, Any]]:
        """The things met so far and, as their states are asked for, those that they lead to."""
        while self._waiting:
            yield self._waiting.popleft()

    def say(self, value: Any, within: tuple[int, ...] = ()) -> str:
        """A text of a value: what it holds where it is a number, an array or a container, else its number."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return repr(value)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return f"{value.dtype}{value.shape}{zlib.crc32(np.ascontiguousarray(value).view(np.uint8).data)}"
        if id(value) in within:
            return "itself"
        within = (*within, id(value))
        if isinstance(value, types.MethodType):
            return f"{self.say(value.__func__, within)} of {self.say(value.__self__, within)}"
        if isinstance(value, functools.partial):
            return f"partial{self._list((value.func, *value.args, *value.keywords.items()), within)}"
        if isinstance(value, property):
            return self._list((value.fget, value.fset), within)
        if isinstance(value, staticmethod | classmethod):
            return self.say(value.__func__, within)
        known = None if isinstance(value, Mapping | Sequence | set | frozenset) else _find(value)
        if known is None:  # a container, or an object that can only be known by what it holds
            return f"{type(value).__qualname__}{self._list(self._held(value, within), within)}"
        if known.number not in self._met:
            self._met.add(known.number)
            if not _is_closed(value):
                self._waiting.append((known, value))
        return f"#{known.number}"

    def state(self, thing: Any) -> str:
        """What a thing is made of: of a function what it reads, of an object its attributes, of a class its members."""
        if isinstance(thing, types.FunctionType):
            read = closed_over(thing) if is_library(thing) else read_by(thing)
            return self._list((hash(thing.__code__), thing.__defaults__, thing.__kwdefaults__, vars(thing), read))
        if isinstance(thing, type):
            members = {k: v for k, v in vars(thing).items() if k[:2] != "__" or isinstance(v, types.FunctionType)}
            return self._list((*thing.__mro__[1:], members))
        return self._list(self._held(thing))

    def _held(self, value: Any, within: tuple[int, ...] = ()) -> Iterator[Any]:
        yield type(value)
        if isinstance(value, Mapping):
            yield from itertools.chain.from_iterable(value.items())
        elif isinstance(value, set | frozenset):
            yield sorted(self.say(item, within) for item in value)
        elif isinstance(value, np.ndarray):
            yield value.tolist()
        elif isinstance(value, Sequence | deque):
            yield from value
        held = dict(getattr(value, "__dict__", {}))
        for kind in type(value).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                name = f"_{kind.__name__.lstrip('_')}{name}" if name[:2] == "__" != name[-2:] else name
                if name != "__weakref__" and hasattr(value, name):
                    held[name] = getattr(value, name)
        if type(value).__module__.startswith(("jax.", "jaxlib")):  # such as its rules for derivatives
            held = {name: item for name, item in held.items() if callable(item)}
        yield from itertools.chain.from_iterable(held.items())

    def _list(self, values: Any, within: tuple[int, ...] = ()) -> str:
        return f"[{','.join(self.say(value, within) for value in values)}]"


def read_by(function: types.FunctionType) -> dict[str, Any]:
    """The globals that a function names, what it names of modules among them, and what it closes over."""
    names, codes = set(), [function.__code__]
    for code in codes:
        names |= set(code.co_names)
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    held = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
    owners = [(name, owner) for name, owner in held.items() if isinstance(owner, types.ModuleType)]
    for name, owner in owners:
        if not is_library(owner):
            found = {f"{name}.{part}": vars(owner)[part] for part in sorted(names & vars(owner).keys())}
            modules = [item for item in found.items() if isinstance(item[1], types.ModuleType)]
            owners += [item for item in modules if all(item[1] is not known for _, known in owners)]
            held |= found
    return held | closed_over(function)


def closed_over(function: types.FunctionType) -> dict[str, Any]:
    """What a function closes over, by name."""
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:
            continue  # not yet assigned
    return held


def is_library(value: Any) -> bool:
    """Whether a function, class or module belongs to a library, whose code and globals are taken not to change."""
    if isinstance(value, types.ModuleType):
        return _is_library(value.__name__)
    if isinstance(value, types.FunctionType):  # not by `__module__`, which decorators copy
        return _is_library(str(value.__globals__.get("__name__")))
    return _is_library(str(getattr(value, "__module__", None)))


@functools.cache
def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    if top in _LIBRARIES or top == "builtins":
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    return top in sys.stdlib_module_names and (file is None or file.startswith(sysconfig.get_path("stdlib")))


def _is_closed(value: Any) -> bool:
    """Whether nothing in a value can change, or is taken to: a library's class or module, an array of JAX."""
    if isinstance(value, jax.Array | types.ModuleType | types.BuiltinFunctionType | np.ufunc):
        return True
    if isinstance(value, types.FunctionType):
        return is_library(value) and (_is_own(value) or not (value.__closure__ or vars(value)))
    if type(value) is type(jax.numpy.sin):  # under jit
        return _is_closed(inspect.unwrap(value, stop=lambda held: isinstance(held, types.FunctionType)))
    if isinstance(value, type) or inspect.isroutine(value):
        return is_library(value)
    return type(value).__module__.partition(".")[0] in _MACHINERY


def _is_own(function: types.FunctionType) -> bool:
    """Whether a library itself made a function, and no decorator of it for a user."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _find(value: Any) -> _Thing | None:
    """What is known of a value; None where nothing can be kept of it without keeping it alive."""
    known = _known.get(id(value))
    if known is None or known.alive() is not value:
        try:
            alive = weakref.ref(value, functools.partial(_known.pop, id(value)))
        except TypeError:
            return None
        known = _known[id(value)] = _Thing(alive, next(_count))
    return known

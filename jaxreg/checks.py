"""Checks of arguments before anything is traced: one number, integer, array, key or choice against its domain.

Each raises an `ArgumentError` that names the argument, its value, the constraint and the remedy, whatever the value
is. A traced value cannot be looked at: of it only shape and dtype are checked.
"""

import difflib
import inspect
import math
import numbers
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxreg.errors import ArgumentError

_NUMBER = "must be one number"
MOST = 2**31 - 1
"""The largest count: JAX counts in 32 bits."""
_LARGEST = sys.float_info.max  # integers beyond it are as good as infinite
_KINDS = {"b": "truth values", "iu": "integers", "biu": "integers", "biuf": "real numbers", "iuf": "real numbers"}


@dataclass(frozen=True, slots=True)
class Domain:
    """Real numbers from `low` to `high`, whole ones only if `whole`; `ends` says which ends belong to it.

    Args:
        low: the lower end.
        high: the upper end.
        ends: "[]", "[)", "(]" or "()", a square bracket for an end that belongs to it; an infinite one rarely does.
        whole: integers, and floats without a fraction.

    >>> Domain(0, 1, "[)").check("momentum", 0.9, "Give a number such as 0.9")
    >>> Domain(0, 1, "[)").check("momentum", 1, "Give a number such as 0.9")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: momentum = 1: must lie in [0, 1). Give a number such as 0.9.
    """

    low: int | float = -math.inf
    high: int | float = math.inf
    ends: str = "[]"
    whole: bool = False

    def holds(self, values: Any) -> Any:
        """Whether each number lies in the domain, NaN in none; also of traced floats."""
        above = values >= self.low if self.ends[0] == "[" else values > self.low
        below = values <= self.high if self.ends[1] == "]" else values < self.high
        if self.whole:
            below = below & (values == (jnp if isinstance(values, jax.Array) else np).floor(values))
        return above & below

    def check(self, name: str, value: Any, remedy: str, dtype: Any = None) -> None:
        """Refuse what is not one number of the domain.

        Args:
            name: of the argument.
            value: any object.
            remedy: what to do, as a sentence without its full stop.
            dtype: the floats that it will be turned into; what is infinite or zero only there is refused too.
        """
        if isinstance(value, jax.core.Tracer):
            if value.ndim or not _is_real(value.dtype):
                raise ArgumentError(name, value, _NUMBER, remedy)
            return
        number = _read_number(value)
        if number is None:
            raise ArgumentError(name, value, _NUMBER, remedy)
        if not self.holds(number):
            raise ArgumentError(name, value, self.constraint, remedy)
        if dtype is not None and not _is_kept(number, dtype):
            raise ArgumentError(name, value, _kept(dtype), remedy)

    def check_all(self, name: str, values: Any, remedy: str, dtype: Any = None, kinds: str = "iuf") -> None:
        """Refuse what is not a number or an array of numbers of the domain, and name the first one outside.

        `dtype` is as for `check`, `kinds` as for `read_array`.
        """
        if isinstance(values, int | float) and not isinstance(values, bool):
            return self.check(name, values, remedy, dtype)
        values = read_array(name, values, kinds=kinds)
        if isinstance(values, jax.core.Tracer):
            return None
        known = np.asarray(values)
        inside = self.holds(known)
        if not inside.all():
            raise ArgumentError(*_first(name, known, ~inside), self.constraint, remedy)
        if dtype is not None and not (kept := _is_kept(known, dtype)).all():
            raise ArgumentError(*_first(name, known, ~kept), _kept(dtype), remedy)
        return None

    @property
    def constraint(self) -> str:
        """The domain in words, as the end of a sentence."""
        kind = "whole and " if self.whole else ""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"must {'be whole and ' if self.whole else ''}lie in {self}"
        finite = ", and finite" if "(" in self.ends or ")" in self.ends else ""
        if math.isfinite(self.high):
            return f"must be {kind}{'below' if self.ends[1] == ')' else 'at most'} {self.high:g}{finite}"
        if math.isfinite(self.low):
            if self.ends[0] == "(":
                more = "positive" if self.low == 0 else f"more than {self.low:g}"
                return f"must be {kind}{more}{' and finite' if self.ends[1] == ')' else ''}"
            return f"must be {kind}{self.low:g} or more{finite}"
        return f"must be {kind}{'finite' if finite else 'a number, not NaN'}"

    def __str__(self) -> str:
        """The domain as an interval."""
        return f"{self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


FINITE = Domain(ends="()")
POSITIVE = Domain(0, ends="()")
NOT_NEGATIVE = Domain(0, ends="[)")
SHARE = Domain(0, 1)
LEVEL = Domain(0, 1, "()")


def is_number(value: Any) -> bool:
    """Whether a value is one real number, traced or known."""
    if isinstance(value, jax.core.Tracer):
        return value.ndim == 0 and _is_real(value.dtype)
    return _read_number(value) is not None


def check_integer(name: str, value: Any, least: int, most: int | float, remedy: str) -> None:
    """Refuse what is not an integer from `least` to `most`, which may be infinite, before it shapes a program.

    >>> check_integer("steps", 0, 1, 100, "Make at least one step")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: steps = 0: must be an integer from 1 to 100. Make at least one step.
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)
    if not is_integer or not least <= value <= min(most, 2**63 - 1):
        upper = f"to {most}" if math.isfinite(most) else "on, of 64 bits"
        raise ArgumentError(name, value, f"must be an integer from {least} {upper}", remedy)


def check_pair(name: str, pair: Any, domain: Domain, constraint: str, remedy: str, *, apart: bool = False) -> None:
    """Refuse what is not two numbers of the domain in order, and where they must lie `apart`, equal ones.

    >>> check_pair("x", (2.0, 1.0), FINITE, "must be two finite numbers, the lower first", "Give (-2.0, 2.0)")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: x = (2.0, 1.0): must be two finite numbers, the lower first. Give (-2.0, 2.0).
    """
    read = [_read_number(end) for end in pair] if isinstance(pair, tuple | list) else []
    ends = [end for end in read if end is not None and domain.holds(end)]
    if len(read) != 2 or len(ends) != 2 or ends[0] > ends[1] or (apart and ends[0] == ends[1]):
        raise ArgumentError(name, pair, constraint, remedy)


def check_key(name: str, value: Any) -> None:
    """Refuse what is not one typed PRNG key.

    >>> check_key("seed", jax.random.key(0))
    """
    is_key = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not is_key or value.shape:
        remedy = "Give jax.random.key(0), or sweep jaxreg.seeds"
        raise ArgumentError(name, value, "must be a typed PRNG key", remedy)


def check_words(name: str, words: Any) -> None:
    """Refuse what are no random words.

    Raises:
        ArgumentError: no array of uint32.
    """
    if not isinstance(words, jax.Array | np.ndarray) or words.dtype != np.uint32:
        raise ArgumentError(name, words, "must hold 32-bit words, uint32", "Give randomness.random_words(...)")


def check_choice(name: str, value: Any, known: Iterable[Any], remedy: str = "Choose one of these") -> None:
    """Refuse what is none of the known values, and list them.

    >>> check_choice("side", "up", ("left", "right"))
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: side = 'up': must be one of left, right. Choose one of these.
    """
    known = tuple(known)
    if not any(type(value) is type(choice) and value == choice for choice in known):
        near = difflib.get_close_matches(value, map(str, known), 1) if isinstance(value, str) else []
        guess = f"Did you mean {near[0]}? " if near else ""
        raise ArgumentError(name, value, f"must be one of {', '.join(map(str, known))}", guess + remedy)


def check_kind(name: str, value: Any, kind: type | tuple[type, ...], remedy: str) -> None:
    """Refuse an object of another kind.

    >>> check_kind("equation", 3, str, "Write it as text")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: equation = 3: must be a str. Write it as text.
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(dict.fromkeys(one.__name__ for one in kinds))  # NumPy's bool is called as Python's
        article = "an" if names[0] in "AEIOUaeiou" else "a"
        raise ArgumentError(name, value, f"must be {article} {names}", remedy)


def is_flag(value: Any) -> bool:
    """Whether a value is true or false, of Python or of NumPy: no number, no array, nothing traced."""
    return isinstance(value, bool | np.bool_)


def check_flag(name: str, value: Any, remedy: str = "Say which") -> None:
    """Refuse what is neither true nor false.

    >>> check_flag("paired", "no")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: paired = 'no': must be True or False. Say which.
    """
    if not is_flag(value):
        raise ArgumentError(name, value, "must be True or False", remedy)


def check_function(name: str, value: Any, arguments: int, remedy: str) -> None:
    """Refuse what cannot be called with so many positional arguments; what it raises when called is its own.

    >>> check_function("predict", int, 2, "Give predict(params, x)")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: predict = <class 'int'>: must be a function of 2 arguments. Give predict(params, x).
    """
    try:
        inspect.signature(value).bind(*range(arguments))
    except (TypeError, ValueError) as error:
        raise ArgumentError(name, value, f"must be a function of {arguments} arguments", remedy) from error


def read_array(
    name: str, values: Any, *, kinds: str = "biuf", ndim: int | Collection[int] | None = None
) -> np.ndarray | Array:
    """An array of numbers from anything that is one: lists, frames, labelled arrays; JAX's arrays as they are.

    Args:
        name: of the argument.
        values: any object.
        kinds: letters of the NumPy kinds that are taken: truth values, signed and unsigned integers, floats.
        ndim: how many dimensions it may have; None for any number.

    Raises:
        ArgumentError: text, objects, complex numbers, masked entries, rows of unequal lengths, sparse matrices.

    >>> read_array("x", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    remedy = f"Give an array of {_KINDS[kinds]}"
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ArgumentError(name, values, "must not be masked", "Leave the masked entries out")
    if hasattr(values, "todense") or hasattr(values, "toarray"):
        raise ArgumentError(name, type(values).__name__, "must be dense", f"Give {name}.toarray() or .todense()")
    array = values if isinstance(values, jax.Array) else _convert(name, values, remedy)
    if not any(_is_kind(array.dtype, kind) for kind in kinds):
        raise ArgumentError(name, values, f"must hold {_KINDS[kinds]}, not {array.dtype}", remedy)
    if ndim is not None and array.ndim not in ((ndim,) if isinstance(ndim, int) else ndim):
        allowed = " or ".join(map(str, (ndim,) if isinstance(ndim, int) else ndim))
        plural = "" if allowed == "1" else "s"
        raise ArgumentError(name, array.shape, f"must have {allowed} dimension{plural}", remedy)
    return array


def read_floats(name: str, values: Any) -> Array:
    """An array of JAX's floats: floats in their own precision, all other numbers in the default one.

    >>> read_floats("w", [1, 2])
    Array([1., 2.], dtype=float32)
    """
    if isinstance(values, jax.Array) and jnp.issubdtype(values.dtype, jnp.floating):
        return values
    known = values if isinstance(values, int | float) and not isinstance(values, bool) else read_array(name, values)
    if isinstance(known, jax.Array):
        return known.astype(jnp.result_type(float))
    dtype = jnp.result_type(float)
    try:
        exact = np.asarray(float(known) if isinstance(known, int) else known)
    except OverflowError as error:
        raise ArgumentError(name, values, f"must be finite in {dtype}", "Give smaller numbers") from error
    is_float = jnp.issubdtype(exact.dtype, jnp.floating)
    kept = jax.dtypes.canonicalize_dtype(exact.dtype) if is_float and hasattr(known, "dtype") else dtype
    if is_float:
        _check_cast(name, exact, kept)
    return jnp.asarray(known, kept)


def read_jax(name: str, values: Any, *, kinds: str = "biuf") -> Array:
    """An array of numbers as JAX has it, by default in 32 bits: integers that would wrap are refused.

    So are numbers that become infinite, and those that become 0 where no other number of the array dwarfs them.

    >>> read_jax("labels", [2**31])
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: labels[0] = 2147483648: must lie from -2147483648 to 2147483647 in int32. Give ...
    """
    array = read_array(name, values, kinds=kinds)
    if isinstance(array, jax.Array):
        return array
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    _check_cast(name, array, dtype)
    return jnp.asarray(array, dtype)


def as_real(value: Any, bits: int = 32) -> Any:
    """A number as it is, but an integer of more bits, for which JAX may have no room, as the float nearest to it.

    One in a labelled array, with which JAX does not calculate, becomes Python's own.

    >>> as_real(2**31 - 1), as_real(2**31), as_real(0.5)
    (2147483647, 2147483648.0, 0.5)
    """
    if isinstance(value, float | jax.Array):
        return value
    number = _read_number(value)  # infinite for an integer that no float has room for
    if number is None:
        return value
    is_whole = isinstance(number, int) or isinstance(value, int)
    if is_whole and not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        return float(number)
    return value if isinstance(value, int | np.ndarray | np.generic) else number


def read_factor(name: str, values: Any) -> Any:
    """Numbers to calculate with beside JAX's arrays, Python's own and arrays as they are, so that no precision changes.

    >>> read_factor("step", 2**40), read_factor("step", [1, 2])
    (1099511627776.0, array([1., 2.]))
    """
    if isinstance(values, int | float | jax.Array) and not isinstance(values, bool):
        return as_real(values)
    array = read_array(name, values, kinds="iuf")
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def check_fits(name: str, shape: tuple[int, ...], like: str, other: tuple[int, ...]) -> None:
    """Refuse a shape that does not broadcast to that of another argument.

    >>> check_fits("threshold", (3,), "x", (2,))
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: threshold = (3,): must broadcast to the shape (2,) of x. Give one number, or as many.
    """
    fits = len(shape) <= len(other) and all(size in (1, of) for size, of in zip(shape[::-1], other[::-1], strict=False))
    if not fits:
        raise ArgumentError(
            name, shape, f"must broadcast to the shape {other} of {like}", "Give one number, or as many"
        )


def check_same_shape(name: str, shape: tuple[int, ...], like: str, other: tuple[int, ...]) -> None:
    """Refuse a shape that is not that of another argument."""
    if shape != other:
        raise ArgumentError(name, shape, f"must have the shape {other} of {like}", "Match them")


def _convert(name: str, values: Any, remedy: str) -> np.ndarray | Array:
    """An array of what JAX can take, in its own precision."""
    try:
        array = np.asarray(values)
        if array.dtype == object and array.ndim and all(isinstance(v, numbers.Real) for v in array.flat):
            array = array.astype(np.float64)  # fractions, and columns of a frame that differ in kind
    except jax.errors.TracerArrayConversionError:
        array = None
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ArgumentError(name, values, f"must be an array ({error})", remedy) from error
    if array is None:
        try:
            return jnp.asarray(values)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArgumentError(name, values, f"must be an array ({error})", remedy) from error
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        _check_cast(name, array, np.float64)
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _is_kind(dtype: Any, kind: str) -> bool:
    """Whether a dtype is of NumPy's kind; JAX's short floats and integers are floats and integers too."""
    known = {"b": np.bool_, "i": np.signedinteger, "u": np.unsignedinteger, "f": np.floating}
    return bool(jnp.issubdtype(dtype, known[kind])) and getattr(dtype, "kind", kind) != "m"  # durations count as signed


def _is_real(dtype: Any) -> bool:
    return any(_is_kind(dtype, kind) for kind in "iuf")


def _read_number(value: Any) -> int | float | None:
    """One real number as Python's own, or None for everything else."""
    if isinstance(value, int | float):
        if isinstance(value, bool):
            return None
        return value if -_LARGEST <= value <= _LARGEST or value != value else (math.inf if value > 0 else -math.inf)
    if isinstance(value, np.ma.MaskedArray) or not hasattr(value, "dtype"):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.ndim or not _is_real(array.dtype):
        return None
    return float(array) if _is_kind(array.dtype, "f") else int(array)


def _is_kept(values: Any, dtype: Any) -> Any:
    """Whether numbers stay finite, and other than zero, in the precision; infinity may stay itself."""
    limits = jnp.finfo(dtype)
    size = abs(values)
    return ((size <= float(limits.max)) | (size == math.inf)) & ((size == 0) | (size >= float(limits.tiny)))


def find_lost(values: np.ndarray, dtype: Any) -> Any:
    """Which numbers a precision has no room for, or takes for 0 though no other dwarfs them.

    The latter are at least as large as the rounding of the largest number.

    >>> find_lost(np.array([1.0, 1e-39, 1e39]), jnp.float32).tolist()
    [False, False, True]
    >>> find_lost(np.array([1e-39, 1e-48]), jnp.float32).tolist()
    [True, False]
    """
    if jnp.issubdtype(dtype, jnp.integer):
        return (values < jnp.iinfo(dtype).min) | (values > jnp.iinfo(dtype).max)
    with np.errstate(over="ignore", under="ignore"):
        kept = values.astype(dtype)
    lost = np.isfinite(values) & ~np.isfinite(kept)
    tiny = np.abs(kept) < float(jnp.finfo(dtype).tiny)
    if not tiny.any():
        return lost
    size = np.abs(values)
    return lost | (tiny & (size > 0) & (size >= float(jnp.finfo(dtype).eps) * size.max()))


def _check_cast(name: str, values: np.ndarray, dtype: Any) -> None:
    """Refuse numbers that are lost in another precision."""
    if dtype == values.dtype or not (lost := find_lost(values, dtype)).any():
        return
    kind = jnp.dtype(dtype).name
    argument, value = _first(name, values, lost)
    if jnp.issubdtype(dtype, jnp.integer):
        constraint = f"must lie from {jnp.iinfo(dtype).min} to {jnp.iinfo(dtype).max} in {kind}"
        raise ArgumentError(argument, value, constraint, "Give smaller numbers, or floats")
    if abs(value) > 1:
        raise ArgumentError(argument, value, f"must be finite in {kind}", "Give smaller numbers")
    constraint = f"must be 0 or from {float(jnp.finfo(dtype).tiny):.2g} on in {kind}"
    raise ArgumentError(argument, value, constraint, "Use other units, or jax.enable_x64(True)")


def _kept(dtype: Any) -> str:
    limits = jnp.finfo(dtype)
    least, most = float(limits.tiny), float(limits.max)
    return f"must be 0 or from {least:.2g} to {most:.2g} in size in {jnp.dtype(dtype).name}"


def _first(name: str, values: np.ndarray, wrong: np.ndarray | np.bool_) -> tuple[str, Any]:
    """The name and the value of the first entry that is wrong."""
    if not values.ndim:
        return name, values.item()
    place = tuple(map(int, np.argwhere(wrong)[0]))
    return f"{name}[{', '.join(map(str, place))}]", values[place].item()


def describe_cause(error: BaseException) -> str:
    """What somebody else's function raised, in one line, for the constraint of an error that names the function.

    >>> describe_cause(KeyError("w"))
    "KeyError: 'w'"
    """
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first:.300}".removesuffix(": ")

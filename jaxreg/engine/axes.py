"""The axes of a sweep: numbers, seeds, static values and cases, checked and brought to one form."""

import dataclasses
import hashlib
import inspect
import re
import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import SweepError

WORD = 2**32
LISTED_ENTRIES = 100  # a larger array is described by its hash
MOST_CHARACTERS = 128  # of a label


@dataclasses.dataclass(frozen=True)
class Seeds:
    """Seed numbers `start … start + count - 1` below one root; made by `seeds`."""

    count: int
    root: int = 0
    start: int = 0

    def key(self, number: int | jax.Array, axis: str = "seed") -> jax.Array:
        """The key that a run with seed `number` receives along `axis`, to repeat one run by hand."""
        return derive_key(jnp.stack([jnp.uint32(self.root), jnp.asarray(number).astype(jnp.uint32)]), axis)


@dataclasses.dataclass(frozen=True)
class Static:
    """Values that are compiled into the program; made by `static`."""

    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Cases:
    """Named bundles of keywords; made by `cases`."""

    bundles: tuple[tuple[str, dict[str, Any]], ...]


@dataclasses.dataclass(frozen=True)
class Group:
    """The positions of an axis that share one program: their static keywords and their traced values."""

    positions: np.ndarray
    static: tuple[tuple[str, Hashable], ...]
    traced: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of the sweep: labels for its coordinate, what else identifies them, groups of positions."""

    name: str
    kind: str
    labels: np.ndarray
    identity: dict[str, str]
    groups: tuple[Group, ...]

    @property
    def keywords(self) -> set[str]:
        """The parameters of the run function that this axis sets."""
        return {name for group in self.groups for name in (*dict(group.static), *group.traced)}


def seeds(n: int, root: int = 0, start: int = 0) -> Seeds:
    r"""An axis of `n` PRNG keys, $k_i = \mathrm{fold\_in}(\mathrm{fold\_in}(\mathrm{key}(root), axis), i)$.

    Key $i$ depends on `root`, on the axis' name and on $i$ alone: asking for more seeds leaves the earlier
    ones unchanged, and two seed axes of one sweep are independent. The coordinate holds the seed numbers.

    Args:
        n: how many seeds, at least 1.
        root: which family of seeds, from 0 to 2³² - 1.
        start: the first seed's number.

    Raises:
        SweepError: a number is out of range.

    >>> seeds(3, start=5)
    Seeds(count=3, root=0, start=5)
    """
    for argument, value, least in (("n", n, 1), ("root", root, 0), ("start", start, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value < WORD:
            raise SweepError(f"seeds({argument})", value, f"must be an integer from {least} to 2**32 - 1", "Change it")
    if start + n > WORD:
        raise SweepError("seeds(start)", start, f"start + n must not exceed 2**32, and n is {n}", "Ask for fewer seeds")
    return Seeds(int(n), int(root), int(start))


def static(values: Any) -> Static:
    """Values compiled into the program, one program each: shapes, names, functions, flags.

    A list, range or array holds several values (an axis); anything else is one value, as `cases` takes it.

    Raises:
        SweepError: a value cannot be hashed.

    >>> static([5, 10]).values, static("relu").values
    ((5, 10), ('relu',))
    """
    several = isinstance(values, list | range | np.ndarray | jax.Array)
    if isinstance(values, jax.Array):
        values = np.asarray(values)
    held = tuple(value.item() if isinstance(value, np.generic) else value for value in values) if several else (values,)
    for value in held:
        try:
            hash(value)
        except TypeError:
            raise SweepError("static", value, "must be hashable", "Use tuples for lists and frozen values") from None
    return Static(held)


def cases(bundles: Mapping[str, Mapping[str, Any]]) -> Cases:
    """An axis of named bundles of keywords, such as `{"baseline": {}, "l2": {"l2": 1e-4}}`.

    Numbers and arrays are traced; strings, None, tuples, functions and whatever `static` wraps are compiled in, and
    a keyword that is compiled in for one case is so for all. A keyword that a case leaves out keeps the run's default.

    Raises:
        SweepError: no case, or a bundle is not a mapping.

    >>> cases({"baseline": {}, "l2": {"l2": 1e-4}}).bundles
    (('baseline', {}), ('l2', {'l2': 0.0001}))
    """
    if not isinstance(bundles, Mapping) or not bundles:
        raise SweepError("cases", bundles, "must map at least one name to keywords", 'Write {"baseline": {}, ...}')
    for name, bundle in bundles.items():
        if not isinstance(name, str) or not isinstance(bundle, Mapping):
            raise SweepError(f"cases[{name!r}]", bundle, "must map a name to a dict of keywords", "Correct this case")
    return Cases(tuple((name, dict(bundle)) for name, bundle in bundles.items()))


def derive_key(pair: jax.Array | np.ndarray, axis: str) -> jax.Array:
    """The key of one seed from its `(root, number)` pair: threefry, the same on every platform."""
    root = jax.random.key(pair[0], impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(axis.encode())), pair[1])


def read_axes(run: Callable[..., Any], axes: Mapping[str, Any], args: Sequence[Any]) -> tuple[Axis, ...]:
    """Check `axes` against the signature of `run` and bring each to its `Axis`."""
    if not callable(run):
        raise SweepError("run", run, "must be a function", "Pass the function itself")
    try:
        hash(run)
    except TypeError:
        raise SweepError("run", run, "must be hashable", "Freeze its dataclass, or wrap it in a function") from None
    if not isinstance(axes, Mapping) or not axes:
        raise SweepError("axes", axes, "must name at least one axis", 'Write {"seed": jaxreg.seeds(100)}')
    if not isinstance(args, tuple | list):
        raise SweepError("args", args, "must be a tuple of positional arguments", "Write args=(data,)")
    parameters, taken, open_ended = _parameters(run, len(args))
    result = tuple(_read_axis(name, value, parameters) for name, value in axes.items())
    owners: dict[str, str] = {}
    for axis in result:
        for keyword in sorted(axis.keywords):
            if keyword in owners:
                raise SweepError(
                    f"axes[{axis.name!r}]", keyword, f"is already set by the axis {owners[keyword]!r}", "Set it once"
                )
            owners[keyword] = axis.name
            if keyword in taken or (keyword not in parameters and not open_ended):
                raise SweepError(
                    f"axes[{axis.name!r}]",
                    keyword,
                    f"is no free parameter of {_name(run)}, which has {sorted(parameters)} beside its args",
                    "Rename the axis, or pass fewer args",
                )
    missing = [name for name, parameter in parameters.items() if name not in owners and parameter.default is _EMPTY]
    if missing:
        raise SweepError(
            "axes", sorted(owners), f"must also set {missing}, parameters of {_name(run)}", "Add axes, or args"
        )
    return result


_EMPTY = inspect.Parameter.empty


def _parameters(run: Callable[..., Any], taken: int) -> tuple[dict[str, inspect.Parameter], set[str], bool]:
    """Parameters that keywords can set once `taken` positional arguments are bound; names bound; whether any goes."""
    everything = list(inspect.signature(run).parameters.values())
    positional = [p for p in everything if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if taken > len(positional) and not any(p.kind == p.VAR_POSITIONAL for p in everything):
        raise SweepError(
            "args", f"{taken} values", f"must fit {_name(run)}, which takes {len(positional)}", "Pass fewer args"
        )
    unbound = [p for p in positional[taken:] if p.kind == p.POSITIONAL_ONLY and p.default is _EMPTY]
    if unbound:
        raise SweepError(
            "args", f"{taken} values", f"must also give {unbound[0].name!r}, positional", "Pass it in args"
        )
    free = positional[taken:] + [p for p in everything if p.kind == p.KEYWORD_ONLY]
    bound = {p.name for p in positional[:taken]}
    return {p.name: p for p in free}, bound, any(p.kind == p.VAR_KEYWORD for p in everything)


def _read_axis(name: str, value: Any, parameters: Mapping[str, inspect.Parameter]) -> Axis:
    match value:
        case Seeds():
            numbers = np.arange(value.start, value.start + value.count, dtype=np.int64)
            pairs = np.stack([np.full(value.count, value.root, np.uint32), numbers.astype(np.uint32)], axis=1)
            group = Group(np.arange(value.count), (), {name: pairs})
            return Axis(name, "seeds", numbers, {"root": str(value.root)}, (group,))
        case Static():
            _check_count(name, value.values)
            labels = _static_labels(value.values)
            _check_distinct(name, labels.tolist())
            groups = tuple(Group(np.array([i]), ((name, item),), {}) for i, item in enumerate(value.values))
            described = map(describe, value.values)
            return Axis(name, "static", labels, dict(zip(map(str, labels), described, strict=True)), groups)
        case Cases():
            return _read_cases(name, value, parameters)
    numbers = read_numbers(f"axes[{name!r}]", value)
    _check_count(name, numbers)
    traced = to_working_dtype(f"axes[{name!r}]", numbers)
    _check_distinct(name, traced.tolist())
    return Axis(name, "numbers", _widen(numbers), {}, (Group(np.arange(len(numbers)), (), {name: traced}),))


def _read_cases(name: str, value: Cases, parameters: Mapping[str, inspect.Parameter]) -> Axis:
    keywords = sorted({keyword for _, bundle in value.bundles for keyword in bundle})
    rows = [
        {keyword: _case_value(name, case, keyword, bundle, parameters) for keyword in keywords}
        for case, bundle in value.bundles
    ]
    compiled_keywords = {keyword for row in rows for keyword, item in row.items() if not _is_numeric(item)}
    kinds = {k: np.result_type(*(row[k] for row in rows)) for k in keywords if k not in compiled_keywords}
    grouped: dict[tuple[Any, ...], list[tuple[int, dict[str, np.ndarray]]]] = {}
    identity = {}
    for position, ((case, bundle), row) in enumerate(zip(value.bundles, rows, strict=True)):
        compiled = tuple((k, _one_static(case, k, item)) for k, item in row.items() if k in compiled_keywords)
        traced = {
            keyword: read_numbers(f"cases[{case!r}][{keyword!r}]", item, rank=None).astype(kinds[keyword])
            for keyword, item in row.items()
            if keyword not in compiled_keywords
        }
        key = (compiled, tuple((keyword, v.shape, v.dtype.kind) for keyword, v in traced.items()))
        grouped.setdefault(key, []).append((position, traced))
        identity[case] = describe(dict(bundle))
    groups = tuple(
        Group(
            np.array([position for position, _ in members]),
            compiled,
            {
                keyword: to_working_dtype(f"cases: {keyword}", np.stack([traced[keyword] for _, traced in members]))
                for keyword in members[0][1]
            },
        )
        for (compiled, _), members in grouped.items()
    )
    return Axis(name, "cases", np.array([case for case, _ in value.bundles]), identity, groups)


def _case_value(
    name: str, case: str, keyword: str, bundle: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> Any:
    """What a case gives to a keyword: its own value, or the default of the run function."""
    if keyword in bundle:
        return bundle[keyword]
    parameter = parameters.get(keyword)
    if parameter is None or parameter.default is _EMPTY:
        raise SweepError(f"axes[{name!r}]", case, f"must set {keyword!r}, which has no default", "Set it in every case")
    return parameter.default


def _is_numeric(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.ndarray | np.number | np.bool_ | jax.Array)


def _one_static(case: str, keyword: str, value: Any) -> Hashable:
    """The one value to compile in for a keyword that is static in some case."""
    held = value if isinstance(value, Static) else static(tuple(value) if isinstance(value, list) else value)
    if len(held.values) != 1:
        raise SweepError(f"cases[{case!r}][{keyword!r}]", value, "must be one value", "Write static(value)")
    return held.values[0]


def read_numbers(argument: str, value: Any, rank: int | None = 1) -> np.ndarray:
    """`value` as a NumPy array of finite-or-infinite numbers of the given rank (any rank for None)."""
    try:
        numbers = np.asarray(value)
    except (TypeError, ValueError):
        numbers = np.array(None)
    if numbers.dtype.kind not in "biuf":
        raise SweepError(argument, value, "must hold numbers", "Wrap other values in jaxreg.static([...])")
    if rank is not None and numbers.ndim != rank:
        raise SweepError(argument, value, f"must have {rank} dimension, not {numbers.ndim}", "Use cases for vectors")
    if numbers.dtype.kind == "f" and np.isnan(numbers).any():
        raise SweepError(argument, value, "must not hold NaN", "Drop it from the axis")
    return numbers


def to_working_dtype(argument: str, numbers: np.ndarray) -> np.ndarray:
    """`numbers` as a program receives them: in JAX's default integer or float, which must be able to hold them."""
    kinds = {"f": np.float64, "i": np.int64, "u": np.int64}
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(kinds.get(numbers.dtype.kind, numbers.dtype)))
    with np.errstate(over="ignore"):
        held = numbers.astype(dtype)
    fits = held == numbers if numbers.dtype.kind in "biu" else np.isfinite(held) == np.isfinite(numbers)
    if not fits.all():
        raise SweepError(argument, numbers.tolist(), f"must fit {dtype}", "Scale it, or pass x64=True")
    return held


def _widen(numbers: np.ndarray) -> np.ndarray:
    """Numbers as a coordinate holds them: in 64 bits, so that later values fit beside them."""
    return numbers.astype({"f": np.float64, "i": np.int64, "u": np.int64}.get(numbers.dtype.kind, numbers.dtype))


def describe(value: Any) -> str:
    """A stable text for a static value, free of memory addresses, to compare sweeps by."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in sorted(value.items())) + "}"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Static):
        return describe(value.values[0])
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        digest = hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
        return repr(array.tolist()) if array.size <= LISTED_ENTRIES else f"{array.dtype}{list(array.shape)} {digest}"
    return without_addresses(repr(value))


def without_addresses(text: str) -> str:
    """`text` without the memory addresses that Python writes into it, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _static_labels(values: Sequence[Any]) -> np.ndarray:
    """Coordinate labels for static values: the values where they are alike numbers or strings, else their text."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and kinds <= {int, float, str, bool}:
        return np.array(values)
    return np.array([value if isinstance(value, str) else _short_name(value) for value in values])


def _short_name(value: Any) -> str:
    return (getattr(value, "__name__", None) or without_addresses(repr(value)))[:MOST_CHARACTERS]


def _name(run: Callable[..., Any]) -> str:
    return getattr(run, "__name__", None) or repr(run)


def _check_count(name: str, values: Sequence[Any] | np.ndarray) -> None:
    if len(values) == 0:
        raise SweepError(f"axes[{name!r}]", values, "must hold at least one value", "Add one, or drop the axis")


def _check_distinct(name: str, values: Iterable[Any]) -> None:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise SweepError(f"axes[{name!r}]", value, "must not appear twice", "Drop the repeat")
        seen.add(value)

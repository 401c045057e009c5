"""Reading the axes of a sweep: checked against the run function, labelled, and grouped by what is compiled in."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.engine.axes import LABEL_CHARACTERS, Axis, Cases, Group, Seeds, Static, static
from jaxreg.engine.describing import describe, without_addresses
from jaxreg.errors import SweepError


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


def _static_labels(values: Sequence[Any]) -> np.ndarray:
    """Coordinate labels for static values: the values where they are alike numbers or strings, else their text."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and kinds <= {int, float, str, bool}:
        return np.array(values)
    return np.array([value if isinstance(value, str) else _short_name(value) for value in values])


def _short_name(value: Any) -> str:
    return (getattr(value, "__name__", None) or without_addresses(repr(value)))[:LABEL_CHARACTERS]


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

"""Reading the axes of a sweep: checked against the run function, labelled, and grouped by what is compiled in."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxreg.engine.axes import Axis, Cases, Group, Seeds, Static, Zipped
from jaxreg.engine.describing import describe
from jaxreg.engine.exact import exact_key
from jaxreg.engine.numbers import read_numbers, settle_numbers
from jaxreg.engine.rows import label_static, read_rows
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
        raise SweepError("axes", axes, "must be a dict of at least one axis", 'Write {"seed": jaxreg.seeds(100)}')
    if not isinstance(args, tuple | list):
        raise SweepError("args", args, "must be a tuple of positional arguments", "Write args=(data,)")
    parameters, taken, open_ended = _parameters(run, len(args))
    for name in axes:
        if not isinstance(name, str) or not name.isprintable() or not name.strip():
            raise SweepError("axes", name, "must be named by text", "Name each axis after a parameter of the run")
    result = tuple(_read_axis(name, value, parameters, open_ended) for name, value in axes.items())
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
    try:
        everything = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        raise SweepError("run", run, "must be a function whose parameters can be read", "Wrap it in one") from None
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


def _read_axis(name: str, value: Any, parameters: Mapping[str, inspect.Parameter], open_ended: bool) -> Axis:
    match value:
        case Seeds():
            group = Group(np.arange(value.count), (), {name: _seed_pairs(value)})
            return Axis(name, "seeds", _seed_numbers(value), {"root": str(value.root)}, (group,), (name,))
        case Static():
            _check_count(name, value.values)
            labels = label_static(value.values)
            groups = tuple(Group(np.array([i]), ((name, item),), {}) for i, item in enumerate(value.values))
            _check_distinct(name, map(exact_key, value.values), value.values)
            described = map(describe, value.values)
            return Axis(name, "static", labels, dict(zip(map(str, labels), described, strict=True)), groups)
        case Cases():
            own = [dict(bundle) for _, bundle in value.bundles]
            keywords = sorted({keyword for bundle in own for keyword in bundle})
            names = [case for case, _ in value.bundles]
            rows = [
                {k: v for k in keywords if (v := _case_value(name, c, k, b, parameters, open_ended)) is not _EMPTY}
                for c, b in value.bundles
            ]
            return read_rows(name, "cases", np.array(names), rows, own)
        case Zipped():
            columns = {keyword: _column(keyword, column) for keyword, column in value.columns}
            count = len(next(iter(columns.values())))
            rows = [{keyword: column[i] for keyword, column in columns.items()} for i in range(count)]
            seeded = tuple(keyword for keyword, column in value.columns if isinstance(column, Seeds))
            return read_rows(name, "zipped", np.arange(count), rows, rows, seeded)
    numbers = read_numbers(f"axes[{name!r}]", value)
    _check_count(name, numbers)
    traced, labels = settle_numbers(f"axes[{name!r}]", numbers)
    _check_distinct(name, traced.tolist(), labels.tolist())
    return Axis(name, "numbers", labels, {}, (Group(np.arange(len(numbers)), (), {name: traced}),))


def _seed_numbers(value: Seeds) -> np.ndarray:
    return np.arange(value.start, value.start + value.count, dtype=np.int64)


def _seed_pairs(value: Seeds) -> np.ndarray:
    return np.stack([np.full(value.count, value.root, np.uint32), _seed_numbers(value).astype(np.uint32)], axis=1)


def _column(keyword: str, column: Any) -> Sequence[Any]:
    if isinstance(column, Seeds):
        return list(_seed_pairs(column))
    if isinstance(column, Static):
        return [Static((item,)) for item in column.values]
    return list(read_numbers(f"zipped({keyword})", column))


def _case_value(
    name: str,
    case: str,
    keyword: str,
    bundle: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    open_ended: bool,
) -> Any:
    """What a case gives to a keyword: its own value, or the run's default; `_EMPTY` for one that `**` may leave out."""
    if keyword in bundle:
        return bundle[keyword]
    parameter = parameters.get(keyword)
    if parameter is not None and parameter.default is not _EMPTY:
        return parameter.default
    if parameter is None and open_ended:
        return _EMPTY
    raise SweepError(f"axes[{name!r}]", case, f"must set {keyword!r}, which has no default", "Set it in every case")


def _name(run: Callable[..., Any]) -> str:
    return getattr(run, "__name__", None) or (_name(run.func) if isinstance(run, functools.partial) else repr(run))


def _check_count(name: str, values: Sequence[Any] | np.ndarray) -> None:
    if len(values) == 0:
        raise SweepError(f"axes[{name!r}]", values, "must hold at least one value", "Add one, or drop the axis")


def _check_distinct(name: str, keys: Iterable[Any], values: Sequence[Any]) -> None:
    seen: set[Any] = set()
    for key, value in zip(keys, values, strict=True):
        if key in seen:
            raise SweepError(f"axes[{name!r}]", value, "must not appear twice", "Drop the repeat")
        seen.add(key)

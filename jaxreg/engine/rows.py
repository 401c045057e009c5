"""Rows of an axis that sets several keywords at once, cases or zipped: traced or compiled in, grouped, labelled."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxreg.engine.axes import LABEL_CHARACTERS, Axis, Group, Static, static
from jaxreg.engine.describing import describe, without_addresses
from jaxreg.engine.exact import exact_key, sort_of
from jaxreg.engine.numbers import is_numeric, label_keys, read_numbers, shortest, to_working_dtype
from jaxreg.errors import SweepError

Row = Mapping[str, Any]


def read_rows(
    name: str, kind: str, labels: np.ndarray, rows: Sequence[Row], own: Sequence[Row], seeded: tuple[str, ...] = ()
) -> Axis:
    """The axis of `rows`, whose keywords in `own` are not the run's defaults; keywords in `seeded` are seeds."""
    _check_labels(name, labels)
    keywords = list(dict.fromkeys(keyword for row in rows for keyword in row))
    compiled_in = {k for row in rows for k, item in row.items() if not is_numeric(item)}
    numbers = [
        {k: read_numbers(f"{name}[{label!r}][{k!r}]", v, rank=None) for k, v in row.items() if k not in compiled_in}
        for label, row in zip(labels.tolist(), rows, strict=True)
    ]
    kinds = {k: np.result_type(*(row[k] for row in numbers if k in row)) for k in keywords if k not in compiled_in}
    traced = [{k: _to_traced(k, v, kinds[k], seeded) for k, v in row.items()} for row in numbers]
    compiled = [
        tuple((k, _one_static(f"{name}[{label!r}][{k!r}]", row[k])) for k in keywords if k in compiled_in and k in row)
        for label, row in zip(labels.tolist(), rows, strict=True)
    ]
    members: dict[Hashable, list[int]] = {}
    for i, (static_part, traced_part) in enumerate(zip(compiled, traced, strict=True)):
        shapes = tuple((k, v.shape, str(v.dtype)) for k, v in traced_part.items())
        members.setdefault((tuple((k, exact_key(v)) for k, v in static_part), shapes), []).append(i)
    named = _name_statics(compiled, is_numbered=kind == "zipped")  # cases have names of their own
    groups = tuple(
        Group(
            np.array(held),
            compiled[held[0]],
            {k: np.stack([traced[i][k] for i in held]) for k in traced[held[0]]},
            tuple(frozenset(rows[i].keys() - own[i].keys()) for i in held),
            _join(named[held[0]]),
        )
        for held in members.values()
    )
    values = [traced_part | dict(static_part) for static_part, traced_part in zip(compiled, traced, strict=True)]
    texts = [
        _join({k: text for k, text in (_describe_numbers(numbers) | names).items() if k in mine})
        for numbers, names, mine in zip(traced, named, own, strict=True)
    ]
    beside = {k: _along(k, values) for k in keywords if k not in seeded and k != name}
    identity = dict(zip(map(str, labels.tolist()), texts, strict=True))
    return Axis(name, kind, labels, identity, groups, seeded, {k: v for k, v in beside.items() if v is not None})


def label_static(values: Sequence[Any]) -> np.ndarray:
    """Coordinate labels for static values: the values where they are alike numbers or strings, else texts that differ.

    >>> label_static([5, 10]).tolist(), label_static([1, True]).tolist(), label_static([0.0, -0.0]).tolist()
    ([5, 10], ['1', 'True'], ['0.0', '-0.0'])
    """
    kinds = {type(value) for value in values}
    plain = (int, float, str, bool, np.integer, np.floating, np.bool_)
    if len(kinds) == 1 and issubclass(next(iter(kinds)), plain) and not any(sort_of(v)[:1] == "-" for v in values):
        labels = np.array(values)
        if labels.dtype.kind in "biufU" and not (labels.dtype.kind == "f" and np.isnan(labels).any()):
            return shortest(labels) if labels.dtype.kind == "f" else labels
    names = [value if isinstance(value, str) else _short_name(value) for value in values]
    for fuller in (_full_name, lambda value: f"{_short_name(value)} {sort_of(value)}"):
        names = [fuller(v) if names.count(name) > 1 else name for v, name in zip(values, names, strict=True)]
    # equal names still, such as two lambdas: numbered in the order given
    return np.array([n if names.count(n) == 1 else f"{n} {names[: i + 1].count(n)}" for i, n in enumerate(names)])


def _to_traced(keyword: str, numbers: np.ndarray, kind: np.dtype, seeded: tuple[str, ...]) -> np.ndarray:
    return numbers if keyword in seeded else to_working_dtype(keyword, numbers.astype(kind))


def _one_static(argument: str, value: Any) -> Hashable:
    """The one value to compile in for a keyword that is static in some case."""
    held = value if isinstance(value, Static) else static(tuple(value) if isinstance(value, list) else value)
    if len(held.values) != 1:
        raise SweepError(argument, value, "must be one value", "Write static(value)")
    return held.values[0]


def _describe_numbers(row: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Texts of a row's numbers, floats by the digits that they are compared by."""
    return {keyword: describe(_plain(numbers)) for keyword, numbers in row.items()}


def _name_statics(rows: Sequence[Sequence[tuple[str, Any]]], is_numbered: bool) -> list[dict[str, str]]:
    """Texts of what is compiled in for each row; different values of one text may be numbered in the order given."""
    known: dict[tuple[str, str], list[Hashable]] = {}
    named: list[dict[str, str]] = []
    for row in rows:
        named.append({})
        for keyword, value in row:
            text, key = describe(value), exact_key(value)
            alike = known.setdefault((keyword, text), [])
            if key not in alike:
                alike.append(key)
            number = alike.index(key)
            named[-1][keyword] = f"{text} {number + 1}" if number and is_numbered else text
    return named


def _join(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{keyword}: {text}" for keyword, text in sorted(texts.items())) + "}"


def _plain(numbers: np.ndarray) -> Any:
    if numbers.dtype.kind != "f":
        return numbers[()]
    keys = np.array(label_keys(np.ravel(shortest(numbers))), np.float64).reshape(numbers.shape)
    return keys[()]


def _along(keyword: str, values: Sequence[Row]) -> np.ndarray | None:
    """The values of one keyword along the axis, where they are numbers or names; None where they are not."""
    missing = [keyword not in row for row in values]
    items = [row.get(keyword) for row in values]
    held = [item for item in items if item is not None]
    if held and all(isinstance(item, np.ndarray) for item in held):
        if any(item.ndim for item in held):
            return None
        if any(missing):
            return np.array([np.nan if item is None else float(shortest(np.asarray(item))) for item in items])
        numbers = np.array(held)
        return shortest(numbers) if numbers.dtype.kind == "f" else numbers
    if not any(missing) and len({type(item) for item in items}) == 1 and isinstance(items[0], int | float | str):
        return np.array(items)
    return np.array(["" if gone else _short_name(item) for item, gone in zip(items, missing, strict=True)])


def _short_name(value: Any) -> str:
    return str(getattr(value, "__name__", None) or without_addresses(repr(value)))[:LABEL_CHARACTERS]


def _full_name(value: Any) -> str:
    module = getattr(value, "__module__", None)
    return f"{module}.{_short_name(value)}"[:LABEL_CHARACTERS] if module and callable(value) else _short_name(value)


def _check_labels(name: str, labels: np.ndarray) -> None:
    for label in labels.tolist():
        if isinstance(label, str) and "\0" in label:
            raise SweepError(f"axes[{name!r}]", label, "must not hold NUL characters", "Rename this case")
    if len(set(labels.tolist())) < len(labels):
        raise SweepError(f"axes[{name!r}]", labels.tolist(), "must not name a case twice", "Rename one")

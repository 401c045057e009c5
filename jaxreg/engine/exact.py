"""Telling apart static values that Python calls equal: 1, True and 1.0, 0.0 and -0.0, bare or inside others."""

import dataclasses
import enum
import functools
import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from jaxreg.engine.describing import without_addresses


def exact_key(value: Any) -> Hashable:
    """A key that two static values share only where a program could not tell them apart.

    >>> exact_key((1, 0.0)) == exact_key((1, 0.0)), exact_key((1, 0.0)) == exact_key((True, -0.0))
    (True, False)
    """
    return value, sort_of(value)


def sort_of(value: Any) -> str:
    """What equality does not see of a value: empty for most, so that most programs are traced under one name.

    >>> sort_of(3), sort_of("relu"), sort_of(0.5), sort_of(1.0), sort_of(-0.0), sort_of((2, True))
    ('', '', '', 'float', '-float', '(,bool)')
    """
    if value is None or isinstance(value, type) or type(value) in (int, str, bytes):
        return ""
    if isinstance(value, enum.Enum):  # a member is equal to itself alone, unless it is a number or a text too
        return type(value).__qualname__ if isinstance(value, int | float | complex | str | bytes) else ""
    if isinstance(value, np.generic):
        return f"{'-' * _is_minus_zero(value)}{'numpy ' * isinstance(value, np.bool_)}{value.dtype}"
    if isinstance(value, bool):
        return "bool"
    if type(value) is float:
        return "" if not value.is_integer() else "-float" if _is_minus_zero(value) else "float"
    if isinstance(value, complex):
        return f"{sort_of(value.real)}{sort_of(value.imag)}complex"
    if isinstance(value, tuple):
        return _join(type(value) is not tuple and type(value).__qualname__, map(sort_of, value))
    if isinstance(value, frozenset):
        return _join("frozenset", sorted(f"{entry!r}{sort_of(entry)}" for entry in value))
    if dataclasses.is_dataclass(value):
        return _join(
            type(value).__qualname__, (sort_of(getattr(value, field.name)) for field in dataclasses.fields(value))
        )
    if isinstance(value, functools.partial):
        return ""  # partials are equal only to themselves
    if type(value).__eq__ is object.__eq__:  # type: ignore[comparison-overlap]
        return ""
    return f"{type(value).__qualname__} {without_addresses(repr(value))}"


def _is_minus_zero(value: Any) -> bool:
    return bool(value == 0 and not isinstance(value, complex | np.complexfloating) and math.copysign(1.0, value) < 0)


def _join(name: str | bool, parts: Any) -> str:
    held = list(parts)
    return f"{name or ''}({','.join(held)})" if any(held) else ""

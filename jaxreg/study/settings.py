"""Settings with their domains in the type, checked once, before anything is computed.

A field of a study's `Config` says in its type what it may be: `Annotated[float, Domain(0, ends="()")]` a positive
number, `Annotated[tuple[float, ...], Holds((0.1,))]` numbers with 0.1 among them. The command lines check them all
before they run a study; the domain of a tuple is that of each of its members.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

from jaxreg.checks import Domain, check_integer
from jaxreg.errors import ArgumentError

_REMEDY = "--help says what it is"


@dataclass(frozen=True)
class Holds:
    """Values that a list must have among its own, since claims are about them.

    >>> Holds((0.1, 1.0)).check("rates", (0.1, 0.3), "Add it")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: rates = (0.1, 0.3): must hold 1.0, which claims are about. Add it.
    """

    values: tuple[Any, ...]

    def check(self, name: str, value: Any, remedy: str) -> None:
        """Refuse a list that lacks one of the values."""
        if missing := [needed for needed in self.values if needed not in value]:
            constraint = f"must hold {', '.join(map(str, missing))}, which claims are about"
            raise ArgumentError(name, value, constraint, remedy)


@dataclass(frozen=True)
class Ordered:
    """Values of a list that differ from one another, in an order if one is said, and are so many at least.

    >>> Ordered("rising").check("sizes", (2, 1), "Sort them")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: sizes = (2, 1): must be one or more rising values. Sort them.
    """

    order: Literal["different", "rising", "falling"] = "different"
    least: int = 1

    def check(self, name: str, values: tuple[Any, ...], remedy: str) -> None:
        """Refuse a list that is too short, has a value twice, or is in another order."""
        ordered = self.order == "different" or list(values) == sorted(values, reverse=self.order == "falling")
        if len(values) < self.least or len(set(values)) < len(values) or not ordered:
            constraint = f"must be {'one' if self.least == 1 else self.least} or more {self.order} values"
            raise ArgumentError(name, values, constraint, remedy)


Numbers = tuple[float, ...]
Integers = tuple[int, ...]
Count = Annotated[int, Domain(1, ends="[)", whole=True)]
"""One or more."""
Seeds = Annotated[int, Domain(2, ends="[)", whole=True)]
"""Runs of each setting: one run has no interval."""
ChoosingSeeds = Annotated[int, Domain(4, ends="[)", whole=True)]
"""Runs of each setting where every other one chooses, and the rest shows."""


def check_settings(config: Any) -> None:
    """Refuse a `Config` of which a field is outside its domain.

    Args:
        config: a dataclass, whose fields may have a `Domain`, a `Holds` or an `Ordered` in their types.

    Raises:
        ArgumentError: the first field that is outside, or no integer where its domain is of whole numbers.

    >>> @dataclass(frozen=True)
    ... class Config:
    ...     seeds: Seeds = 8
    ...     rates: Annotated[tuple[float, ...], Domain(0, ends="()"), Holds((0.1,))] = (0.1, 1.0)
    >>> check_settings(Config())
    >>> check_settings(Config(seeds=1))
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: seeds = 1: must be whole and 2 or more, and finite. --help says what it is.
    """
    for name, domain in _domains(type(config)):
        value = getattr(config, name)
        if isinstance(domain, Domain):
            for member in value if isinstance(value, tuple) else (value,):
                domain.check(name, member, _REMEDY)
                if domain.whole:
                    check_integer(name, member, -(2**63), 2**63 - 1, _REMEDY)
        else:
            domain.check(name, value, "Add it" if isinstance(domain, Holds) else _REMEDY)


def _domains(kind: type) -> Iterator[tuple[str, Domain | Holds | Ordered]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for domain in getattr(hint, "__metadata__", ()):
            if isinstance(domain, Domain | Holds | Ordered):
                yield name, domain

"""Building the programs of a sweep: one trace per combination of static values, and what identifies its rows."""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.engine.axes import Axis, Group
from jaxreg.engine.cost import Cost, measure_cost
from jaxreg.engine.member import Member, Statics, trace_member
from jaxreg.engine.outputs import COMPILED

_NAMED = 3  # cases or rows of one program that its label names


@dataclasses.dataclass(frozen=True)
class Program:
    """A run function with its static keywords bound: label, groups of axis positions, its member and cost."""

    label: str
    static: Statics
    groups: tuple[Group, ...]
    member: Member
    cost: Cost


def build_programs(run: Callable[..., Any], axes: Sequence[Axis], args: Sequence[Any]) -> list[Program]:
    """Trace `run` once per combination of static values; nothing is compiled."""
    programs, failures = trace_programs(run, axes, args)
    for error in failures.values():
        raise error
    return [program for program in programs if program is not None]


def trace_programs(
    run: Callable[..., Any], axes: Sequence[Axis], args: Sequence[Any]
) -> tuple[list[Program | None], dict[str, Exception]]:
    """The programs, with None where the run raises or cannot be used, and those errors by the programs' labels.

    Where all runs raise, their first error is raised.
    """
    programs: list[Program | None] = []
    failures: dict[str, Exception] = {}
    for groups in itertools.product(*(axis.groups for axis in axes)):
        static = tuple(item for group in groups for item in group.static)
        label = _label(axes, groups)
        try:
            programs.append(trace_program(run, args, label, static, groups, seed_names(axes)))
        except Exception as error:
            failures[label] = error
            programs.append(None)
    if not any(programs):
        raise next(iter(failures.values()))
    return programs, failures


def trace_program(
    run: Callable[..., Any],
    args: Sequence[Any],
    label: str,
    static: Statics,
    groups: tuple[Group, ...],
    keys: Sequence[str],
) -> Program:
    """Trace `run` for one combination of static values; keywords in `keys` are seeds."""
    member = trace_member(run, args, _structs(groups), static, keys)
    shared = len(jax.tree.leaves(tuple(args)))
    names = sorted(name for group in groups for name in group.traced)
    seeded = tuple(shared + i for i, name in enumerate(names) if name in keys)
    return Program(label, static, groups, member, _measure_cost(member, shared, seeded))


def _label(axes: Sequence[Axis], groups: Sequence[Group]) -> str:
    """What a program is called: the static values, cases and rows that it is for, where there are others."""
    parts = []
    for axis, group in zip(axes, groups, strict=True):
        if axis.kind == "static" or len(axis.groups) > 1:
            names = [str(axis.labels[i]) for i in group.positions[:_NAMED]]
            more = len(group.positions) - len(names)
            parts.append(f"{axis.name}={', '.join(names)}" + (f" and {more} more" if more else ""))
    return ", ".join(parts) or "the run"


@functools.lru_cache(64)
def _measure_cost(member: Member, shared: int, seeded: tuple[int, ...]) -> Cost:
    return measure_cost(member.jaxpr, range(shared), seeded)


def place_programs(programs: Sequence[Program | None], axes: Sequence[Axis]) -> list[Program | None]:
    """The same programs with the groups of `axes`, whose positions are those of a store."""
    combinations = itertools.product(*(axis.groups for axis in axes))
    return [p and dataclasses.replace(p, groups=groups) for p, groups in zip(programs, combinations, strict=True)]


def seed_names(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The keywords that are seeds."""
    return tuple(name for axis in axes for name in axis.seeded)


def identify_rows(
    run: Callable[..., Any], axes: Sequence[Axis], programs: Sequence[Program | None], args: Sequence[Any]
) -> dict[str, str]:
    """A fingerprint for every row, a combination of what is compiled in, under the labels of its axes.

    A row is fingerprinted as it is asked for, with the run's defaults left to the run: so a changed default is
    another computation, and a keyword that some other case sets is not. A default that the run takes as an array
    only, as it has it beside a case that sets it, is left to the run as an array.
    """
    result: dict[str, str] = {}
    named = [axis for axis in axes if axis.kind in COMPILED]
    for program in programs:
        if program is None:
            continue
        digests: dict[frozenset[str], str] = {}
        for labels, defaults in _rows(axes, program.groups):
            if defaults not in digests:
                digests[defaults] = _digest_without(run, axes, program, args, defaults)
            row = ", ".join(f"{axis.name}={label}" for axis, label in zip(named, labels, strict=True))
            result[row or "the run"] = digests[defaults]
    return result


def _rows(axes: Sequence[Axis], groups: Sequence[Group]) -> Iterator[tuple[tuple[Any, ...], frozenset[str]]]:
    """The rows of a program: their labels along the axes where something is compiled in, and keywords at defaults."""
    choices = [
        [(axis.labels[i], d) for i, d in zip(g.positions, g.defaults or [frozenset()] * len(g.positions), strict=True)]
        for axis, g in zip(axes, groups, strict=True)
        if axis.kind in ("static", "cases")
    ]
    # Rows of zipped keywords are many and alike: those of one program are named once, by what is compiled in.
    zipped = [group.described for axis, group in zip(axes, groups, strict=True) if axis.kind == "zipped"]
    for row in itertools.product(*choices):
        labels = iter(label for label, _ in row)
        rest = iter(zipped)
        names = tuple(next(rest) if axis.kind == "zipped" else next(labels) for axis in axes if axis.kind in COMPILED)
        yield names, frozenset().union(*(defaults for _, defaults in row))


def _digest_without(
    run: Callable[..., Any], axes: Sequence[Axis], program: Program, args: Sequence[Any], defaults: frozenset[str]
) -> str:
    if not defaults:
        return program.member.fingerprint.digest
    arrays = {
        name: jnp.asarray(group.traced[name][i])
        for group in program.groups
        for i, names in enumerate(group.defaults)
        for name in names & group.traced.keys()
    }
    traced = {name: struct for name, struct in _structs(program.groups).items() if name not in defaults}
    static = tuple((name, value) for name, value in program.static if name not in defaults)
    *tries, last = _subsets(sorted(defaults & arrays.keys()))
    for held in tries:
        with contextlib.suppress(Exception):
            return _digest_with(run, args, {name: arrays[name] for name in held}, traced, static, axes)
    return _digest_with(run, args, {name: arrays[name] for name in last}, traced, static, axes)


def _digest_with(
    run: Callable[..., Any],
    args: Sequence[Any],
    arrays: Mapping[str, jax.Array],
    traced: Mapping[str, Any],
    static: Statics,
    axes: Sequence[Axis],
) -> str:
    given = functools.partial(run, **arrays) if arrays else run
    return trace_member(given, args, traced, static, seed_names(axes)).fingerprint.digest


def _subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All subsets, the smallest first."""
    return [held for size in range(len(names) + 1) for held in itertools.combinations(names, size)]


def _structs(groups: Sequence[Group]) -> Mapping[str, jax.ShapeDtypeStruct]:
    return {
        name: jax.ShapeDtypeStruct(value.shape[1:], value.dtype)
        for group in groups
        for name, value in group.traced.items()
    }

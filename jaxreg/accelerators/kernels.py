"""Kernels counted in the text of a compiled program: those of one call, and those of its hottest loop's turn."""

import functools
import re
from typing import NamedTuple

# What names, groups or waits for values, or only directs the program; all else is work that is launched.
_NOT_KERNELS = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier", "domain"),
    *("while", "conditional", "call", "partition-id", "replica-id", "copy-start", "slice-start"),
}
_NOTHING_CALLS = ("AllocateBuffer", "ConcatBitcast", "AssumeGatherIndicesInBound", "GatherScatterIndicesBitpacked")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPCODE = re.compile(r" = .*? ([a-z][a-z0-9\-]*)\(")
_CALLED = re.compile(r"(body|condition|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'known_trip_count"?:\s*\{"?n"?:\s*"?(\d+)')
_LIMIT = re.compile(r" = s32\[\][^ ]* constant\((\d+)\)")


class KernelCount(NamedTuple):
    """How many kernels a program launches.

    Attributes:
        per_call: in one call, loops multiplied out; a loop of unknown length counts once.
        per_step: in one turn of the loop that launches most of them, without loops inside it; 0 without a loop.
        steps: how often that loop turns in a call.
    """

    per_call: int
    per_step: int
    steps: int


def count_kernels(text: str) -> KernelCount:
    """Count the kernels of an optimized HLO module, as `Compiled.as_text()` returns it.

    A fusion, a product, a sort, a copy, a custom call are a kernel each; tuples, bitcasts, and the starts of
    asynchronous copies are none. On a GPU a library call may launch more than one kernel.

    >>> count_kernels('''ENTRY %main (a: f32[2]) -> f32[2] {
    ...   %a = f32[2]{0} parameter(0)
    ...   ROOT %b = f32[2]{0} fusion(%a), kind=kLoop, calls=%f
    ... }''')
    KernelCount(per_call=1, per_step=0, steps=0)
    """
    per_call, loops, _ = _walk(text)
    steps, per_step, _ = max(loops, key=lambda loop: loop[0] * loop[1], default=(0, 0, ""))
    return KernelCount(per_call, per_step, steps)


def find_step(text: str) -> list[str]:
    """The instructions of one turn of the loop that launches most kernels, what is fused or called among them."""
    _, loops, bodies = _walk(text)
    found: list[str] = []
    waiting = [max(loops, key=lambda loop: loop[0] * loop[1])[2]] if loops else []
    for name in waiting:  # grows on the way
        found += bodies.get(name, [])
        called = [inside for line in bodies.get(name, []) for _, inside in _CALLED.findall(line)]
        waiting += [inside for inside in dict.fromkeys(called) if inside not in waiting]
    return found


def _walk(text: str) -> tuple[int, list[tuple[int, int, str]], dict[str, list[str]]]:
    """Kernels of a call; of each loop its turns, its kernels in one of them, and its body; the computations' lines."""
    bodies, entry = _split(text)
    loops: list[tuple[int, int, str]] = []

    @functools.cache
    def own(name: str) -> int:
        """Kernels of a computation and of what it calls, without loops."""
        total = 0
        for line in bodies.get(name, ()):
            opcode = _find_opcode(line)
            total += opcode not in _NOT_KERNELS and not opcode.endswith("-done") and not _is_nothing(opcode, line)
            total += sum(map(own, _find_called(line, opcode)))
        return total

    def walk(name: str, turns: int) -> int:
        """Kernels of all turns of a computation, loops inside it multiplied out; notes the loops."""
        total = turns * own(name)
        for inside in _reach(name, bodies):
            for line in bodies.get(inside, ()):
                if _find_opcode(line) == "while":
                    called = dict(_CALLED.findall(line))
                    trips = turns * _find_trips(line, bodies.get(called["condition"], ()))
                    loops.append((trips, own(called["body"]), called["body"]))
                    total += walk(called["body"], trips)
        return total

    return walk(entry, 1), loops, bodies


def _split(text: str) -> tuple[dict[str, list[str]], str]:
    """The lines of every computation by its name, and the name of the entry."""
    bodies: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            name = header[2]
            bodies[name] = []
            entry = name if header[1] else entry
        elif name and line.startswith("  "):
            bodies[name].append(line)
    return bodies, entry


def _find_opcode(line: str) -> str:
    found = _OPCODE.search(line)
    return found[1] if found else "constant"


def _find_called(line: str, opcode: str) -> list[str]:
    """The computations that an instruction runs as programs of their own; those of a fusion are one kernel."""
    if opcode not in ("call", "conditional"):
        return []
    branches = _BRANCHES.search(line)
    names = [part.strip().lstrip("%") for part in branches[1].split(",")] if branches else []
    return names + [name for kind, name in _CALLED.findall(line) if kind not in ("body", "condition")]


def _reach(name: str, bodies: dict[str, list[str]]) -> list[str]:
    """A computation and all that it calls, but for the bodies of its loops."""
    found = [name]
    for line in bodies.get(name, ()):
        for called in _find_called(line, _find_opcode(line)):
            found += _reach(called, bodies)
    return found


def _find_trips(line: str, condition: list[str] | tuple[()]) -> int:
    """How often a loop turns: as the compiler notes it, or the one limit that its condition compares with; else 1."""
    known = _TRIPS.search(line)
    if known:
        return int(known[1])
    limits = [int(found[1]) for found in map(_LIMIT.search, condition) if found]
    return limits[0] if len(limits) == 1 else 1


def _is_nothing(opcode: str, line: str) -> bool:
    """Whether a custom call only names or reserves memory."""
    return opcode == "custom-call" and any(f'custom_call_target="{name}"' in line for name in _NOTHING_CALLS)

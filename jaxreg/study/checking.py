"""`python -m jaxreg check FOLDER NAME`: whether the runs of a study are the same alone as among others."""

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jaxreg
from jaxreg.engine.checking import COPIES, check_call, measure_rounding
from jaxreg.engine.rehearsal import Call, rehearsing
from jaxreg.errors import JaxregError
from jaxreg.study.catalogue import list_modules, load, open_folder
from jaxreg.study.compiled import keep_programs, trace_fast
from jaxreg.study.experiment import Experiment, as_experiment

TOLERANCE, TOLERANCE_X64 = 1e-3, 1e-9
"""Of the largest absolute value of an output: rounding, which the steps of a training let grow.

0 for most quick presets; a run that knows of its neighbours is off by a tenth and more. A study whose runs let more of
it grow states its own `TOLERANCE`.
"""
VERDICTS = ("same", "same but for rounding, which these runs let grow: they are chaotic", "NOT THE SAME")
CHAOS = 10.0
"""Times as far as rounding alone carries a run it may be off in another chunk, where that is beyond the tolerance."""


def check_folder(arguments: Sequence[str]) -> int:
    """Rehearse a study, then compute some runs of each of its sweeps alone and among others; return the exit code.

    0: all are the same, up to the tolerance, or to what rounding alone does to a run that is alone, which is said.
    1: some are not. 2: it could not be tried.
    """
    parser = argparse.ArgumentParser(prog="python -m jaxreg check", description=check_folder.__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="of studies")
    parser.add_argument("name", metavar="NAME", help="of a study")
    parser.add_argument("--preset", default="quick", help="its settings; quick by default")
    parser.add_argument(
        "--tolerance",
        type=float,
        help=f"by default that of the study, or {TOLERANCE:g}, in double precision {TOLERANCE_X64:g}",
    )
    given = parser.parse_args(arguments)
    try:
        jaxreg.use_all_cores()
        trace_fast()
        package = open_folder(given.folder)
        study = as_experiment(load(package, given.name, list_modules(package, "run")))
        if given.preset not in study.PRESETS:
            raise jaxreg.errors.ArgumentError("--preset", given.preset, f"must be of {[*study.PRESETS]}", "Change it")
        tolerance = given.tolerance or getattr(study, "TOLERANCE", None)
        with keep_programs():
            calls, trouble = _rehearse(study, study.PRESETS[given.preset])
            worst = []
            for number, call in enumerate(calls, 1):
                print(f"sweep {number} ", end="")
                worst.append(judge(call, tolerance or (TOLERANCE_X64 if call.x64 else TOLERANCE)))
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if trouble:
        print(f"The study went no further without its own results: {trouble}")
    if not worst:
        print("error: the study sweeps nothing before that", file=sys.stderr)
        return 2
    largest = max(one.size for one in worst)
    verdict = max(worst, key=lambda one: VERDICTS.index(one.verdict)).verdict
    print(f"largest difference {largest:.2g}; {verdict}")
    return int(verdict == VERDICTS[-1])


def _rehearse(study: Experiment, config: object) -> tuple[list[Call], str]:
    """The sweeps of a study, none of which is computed, and what stopped it from going on, if anything."""
    with rehearsing(is_alone=True) as rehearsal:
        try:
            study.run(config, store=None, progress=False)
        except Exception as error:  # what comes after its sweeps may need their results
            if not rehearsal.calls:
                raise
            return rehearsal.calls, f"{type(error).__name__}: {error}"
    return rehearsal.calls, ""


class Judged(NamedTuple):
    """The largest difference of a sweep, and what that says."""

    size: float
    verdict: str


def judge(call: Call, allowed: float) -> Judged:
    """Print what came out for one sweep: the same, up to what is `allowed`, or to rounding that the runs let grow.

    Runs that are chaotic make anything of the last bit, alone too: they cannot be the same in two programs. That they
    do not know of their neighbours, the bits of one program tell.
    """
    found = check_call(call)
    worst = max(found, key=lambda one: one.size)
    name = getattr(call.run, "__qualname__", type(call.run).__name__)
    ways = ", ".join(f"{one.way} {one.size:.1g}" for one in found)
    said = f"({name}, over {', '.join(call.axes)}): {ways}; most in {worst.output}, {allowed:g} allowed"
    beside = next((one.size for one in found if one.way == COPIES), 0.0)
    if worst.size <= allowed or beside > allowed:
        print(said, flush=True)
        return Judged(worst.size, VERDICTS[0] if worst.size <= allowed else VERDICTS[-1])
    rounding = measure_rounding(call)
    print(f"{said}; {rounding:.1g} alone, where sums are rounded otherwise", flush=True)
    return Judged(worst.size, VERDICTS[1] if worst.size <= CHAOS * rounding else VERDICTS[-1])

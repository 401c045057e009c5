"""`python -m jaxreg check FOLDER NAME`: whether the runs of a study are the same alone as among others."""

import argparse
import sys
from collections.abc import Sequence

import jaxreg
from jaxreg.engine.checking import Difference, check_call
from jaxreg.engine.rehearsal import Call, rehearsing
from jaxreg.errors import JaxregError
from jaxreg.study.catalogue import list_modules, load, open_folder
from jaxreg.study.compiled import keep_programs
from jaxreg.study.experiment import Experiment, as_experiment

TOLERANCE, TOLERANCE_X64 = 1e-3, 1e-9
"""Of the largest absolute value of an output: rounding, which the steps of a training let grow.

0 for most quick presets; a run that knows of its neighbours is off by a tenth and more. A study whose runs let more of
it grow states its own `TOLERANCE`.
"""


def check_folder(arguments: Sequence[str]) -> int:
    """Rehearse a study, then compute some runs of each of its sweeps alone and among others; return the exit code.

    0: all are the same, up to the tolerance. 1: some are not. 2: it could not be tried.
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
        package = open_folder(given.folder)
        study = as_experiment(load(package, given.name, list_modules(package, "run")))
        if given.preset not in study.PRESETS:
            raise jaxreg.errors.ArgumentError("--preset", given.preset, f"must be of {[*study.PRESETS]}", "Change it")
        tolerance = given.tolerance or getattr(study, "TOLERANCE", None)
        with keep_programs():
            calls, trouble = _rehearse(study, study.PRESETS[given.preset])
            worst = [_check(number, call, tolerance) for number, call in enumerate(calls, 1)]
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if trouble:
        print(f"The study went no further without its own results: {trouble}")
    if not worst:
        print("error: the study sweeps nothing before that", file=sys.stderr)
        return 2
    share = max(size / tolerance for size, tolerance in worst)
    print(f"largest difference {max(size for size, _ in worst):.2g}; {'same' if share <= 1 else 'NOT THE SAME'}")
    return int(share > 1)


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


def _check(number: int, call: Call, tolerance: float | None) -> tuple[float, float]:
    """Print what came out for one sweep; its largest difference, and what is tolerated."""
    allowed = tolerance or (TOLERANCE_X64 if call.x64 else TOLERANCE)
    found = check_call(call)
    worst: Difference = max(found, key=lambda one: one.size)
    name = getattr(call.run, "__qualname__", type(call.run).__name__)
    ways = ", ".join(f"{one.way} {one.size:.1g}" for one in found)
    print(
        f"sweep {number} ({name}, over {', '.join(call.axes)}): {ways}; most in {worst.output}, {allowed:g} allowed",
        flush=True,
    )
    return worst.size, allowed

"""What a study will take: `--plan` on a command line rehearses it, a chunk of each program, and says so."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxreg.accelerators.targets import find_target
from jaxreg.engine.entry import plan
from jaxreg.engine.forecast import Plan, byte_count, duration
from jaxreg.engine.rehearsal import rehearsing
from jaxreg.study.experiment import Experiment


@dataclass(frozen=True)
class StudyPlan:
    """The forecast of a study; its text is one readable line.

    Attributes:
        sweeps: the plan of each of its sweeps.
        beside: seconds that it took for all else, such as its data and its theory; the study will take them, too.
        problem: what it stumbled over after these sweeps, where results that are none led it astray; or "".
        target: the chip that it is planned for, if that is not here.
    """

    sweeps: tuple[Plan, ...]
    beside: float
    problem: str = ""
    target: str | None = None

    @property
    def runs(self) -> int:
        """Runs of all sweeps."""
        return sum(plan.runs for plan in self.sweeps)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the study would fail on the chip that it is planned for."""
        return tuple(problem for plan in self.sweeps for problem in plan.problems)

    @property
    def seconds(self) -> float:
        """Estimated time of the study here, compiling included."""
        return self.beside + sum(plan.seconds + plan.compile_seconds for plan in self.sweeps)

    def __str__(self) -> str:
        """Runs, programs, memory and time."""
        programs = sum(plan.programs for plan in self.sweeps)
        peak = max((plan.peak_bytes for plan in self.sweeps), default=0)
        compiling = sum(plan.compile_seconds for plan in self.sweeps)
        line = (
            f"{self.runs:,} runs in {len(self.sweeps)} sweep{'s' * (len(self.sweeps) != 1)} of {programs}"
            f" program{'s' * (programs != 1)}; {byte_count(peak)} at the peak, and"
            f" {byte_count(sum(plan.result_bytes for plan in self.sweeps))} of results; "
        )
        if self.target:
            calls = sum(plan.calls for plan in self.sweeps)
            line += f"{calls:,} call{'s' * (calls != 1)} on one {self.target}, "
            line += f"PROBLEMS: {'; '.join(self.problems)}" if self.problems else "where these fit"
        else:
            line += f"about {duration(self.seconds)} here, of which {compiling:.1f} s compiling"
            line += f" and {self.beside:.1f} s outside of sweeps"
        return f"{line}; not planned to its end: {self.problem}" if self.problem else line


def plan_study(study: Experiment, config: Any, target: str | None = None) -> StudyPlan:
    """Rehearse a study: compile all its programs and time a chunk of each; nothing is stored.

    Args:
        study: the module.
        config: its settings.
        target: a chip to plan for that need not be here, as for `jaxreg.plan`.

    Raises:
        AcceleratorError: there is no such target, or its compiler is not installed.
        Exception: what the study itself stumbles over before its first sweep.
    """
    if target is not None:
        find_target(target)
    began = time.perf_counter()
    problem = ""
    with rehearsing(is_alone=target is not None) as rehearsal:
        try:
            study.run(config, store=None, progress=False)
        except Exception as error:
            if not rehearsal.plans:
                raise
            problem = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    beside = time.perf_counter() - began - rehearsal.seconds
    plans = rehearsal.plans
    if target is not None:
        plans = [plan(call.run, call.axes, args=call.args, x64=call.x64, target=target) for call in rehearsal.calls]
    return StudyPlan(tuple(plans), beside, problem, target)


def sum_up(plans: Sequence[StudyPlan]) -> str:
    """The last line of a table of plans: all runs, and the time of all studies one after the other."""
    return f"{sum(plan.runs for plan in plans):,} runs, about {duration(sum(plan.seconds for plan in plans))} here"

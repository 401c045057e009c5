"""The command line of a folder of studies: `python -m jaxreg run FOLDER NAME [--preset laptop] [--FIELD VALUE]`."""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import jaxreg
from jaxreg.accelerators.targets import TARGETS
from jaxreg.claims import format_ledger, judge, ledger
from jaxreg.errors import JaxregError
from jaxreg.study.catalogue import Listed, list_modules, load, name_subject, open_folder
from jaxreg.study.compiled import keep_programs, trace_fast
from jaxreg.study.experiment import Experiment, as_experiment
from jaxreg.study.planning import plan_study
from jaxreg.study.report import describe, describe_adjusted, is_watched
from jaxreg.study.settings import check_settings
from jaxreg.study.tyro import import_tyro


def run_folder(arguments: Sequence[str]) -> int:
    """`python -m jaxreg run FOLDER [NAME ...]`: run a study of any folder; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m jaxreg run FOLDER [NAME] [--preset PRESET] [--plan] [--store PATH] [--FIELD VALUE ...]")
        return 0 if arguments else 2
    try:
        package = open_folder(arguments[0])
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return run_study(arguments[1:], package, f"python -m jaxreg run {arguments[0]}")


def run_study(arguments: Sequence[str], package: str, prog: str) -> int:
    """Run the study that `arguments` name, print its result and its claims; return the exit code.

    Args:
        arguments: name of the study and its options; without any, or with --help, the studies are listed.
        package: where they are, importable.
        prog: how the command is called.
    """
    try:
        known = list_modules(package, "run")
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_list(known, package, prog))
            return 0
        module = load(package, arguments[0], known)
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return run_module(arguments[1:], module, f"{prog} {arguments[0]}")


def run_module(arguments: Sequence[str], module: ModuleType, prog: str) -> int:
    """Run the study that `module` is, print its result and its claims; return the exit code.

    Args:
        arguments: its options.
        module: as `jaxreg.study.experiment.Experiment` says.
        prog: how the command is called.
    """
    try:
        jaxreg.use_all_cores()
        trace_fast()
        study = as_experiment(module)
        command = _parse(study, prog, arguments)
        check_settings(command.config)
        with keep_programs() as programs:
            if command.plan or command.target:
                plan = plan_study(study, command.config, command.target)
                print(plan)
                return 2 if plan.problems else 0
            dataset = study.run(command.config, store=_read_store(command.store), progress=is_watched())
            judged = judge(getattr(study, "CLAIMS", ()), dataset)
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(study.report(dataset) if hasattr(study, "report") else f"{describe(dataset)}\n\n{dataset}")
    if judged:
        print(f"\n{format_ledger(ledger(judged))}")
    if len(judged) > 1:
        print(f"\n{describe_adjusted(judged)}")
    if programs.needed:
        print(f"\n{programs}")
    return 0


def _read_store(given: str | None) -> str | Path | None:
    """A folder as a path, which a study may take apart; a URL as it is."""
    return given if given is None or "://" in given else Path(given)


def _list(known: Mapping[str, Listed], package: str, prog: str) -> str:
    """What is shown to whoever names no study: all of them, by subject."""
    width = max(map(len, known), default=0)
    lines = []
    for _, names in groupby(sorted(known, key=lambda name: known[name].subject), lambda name: known[name].subject):
        group = [*names]
        heading = name_subject(known[group[0]], package)
        lines += [f"{heading}:"] * bool(heading) + [f"  {name:<{width}}  {known[name].summary}" for name in group]
    usage = f"usage: {prog} NAME [--preset PRESET] [--plan] [--store PATH] [--FIELD VALUE ...]"
    return "\n".join([usage, "", *lines, "", f"{prog} NAME --help lists the fields of a study."])


def _parse(module: Experiment, prog: str, arguments: Sequence[str]) -> Any:
    """The values of all options and of `config`; the preset, read first, gives the defaults of the fields."""
    tyro = import_tyro()
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="laptop")
    chosen = first.parse_known_args(arguments)[0].preset
    presets = module.PRESETS
    long = "".join(f"; {preset}: {takes}" for preset, takes in getattr(module, "PLANS", {}).items())

    def option(kind: Any, default: Any, explanation: str) -> tuple[Any, Any]:
        return Annotated[kind, tyro.conf.arg(help=explanation)], dataclasses.field(default=default)

    command = dataclasses.make_dataclass(
        "Command",
        [
            ("preset", *option(Literal[tuple(presets)], "laptop", f"where the values of the fields start from{long}")),
            ("plan", *option(bool, False, "say what it will take, and compute no more than a chunk of each program")),
            ("target", *option(str | None, None, f"plan for a chip that need not be here: {', '.join(TARGETS)}")),
            (
                "store",
                *option(str | None, None, "folder or URL that keeps the result; the next call goes on from it"),
            ),
            ("config", module.Config, dataclasses.field(default=presets.get(chosen, presets["laptop"]))),
        ],
        frozen=True,
    )
    return tyro.cli(
        command,
        prog=prog,
        description=module.__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )

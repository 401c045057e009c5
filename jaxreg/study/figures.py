"""The command line of figures: `python -m jaxreg figures FOLDER [NAME ...] [--preset quick]`, and their page."""

import argparse
import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxreg.checks import check_integer
from jaxreg.errors import ArgumentError, JaxregError
from jaxreg.study.catalogue import Listed, list_modules, load, name_subject, open_folder
from jaxreg.study.experiment import PRESETS, Experiment, as_experiment, as_figure
from jaxreg.study.making import Order, make_each, plan_each, start
from jaxreg.study.page import Entry, write
from jaxreg.study.planning import sum_up
from jaxreg.study.report import is_watched
from jaxreg.study.settings import check_settings


@dataclass(frozen=True)
class Studies:
    """A collection of studies with their figures, and where what they make goes."""

    experiments: str
    """The package of the studies, importable."""
    figures: str
    """That of their figures, each of a study's name."""
    prog: str
    """How the command is called."""
    output: Path
    """Folder of figures and page."""
    results: Path
    """Folder of the populations."""
    on_request: frozenset[str] = field(default_factory=frozenset)
    """Figures that are drawn when they are named only."""
    tour: Mapping[str, str] = field(default_factory=dict)
    """Figures that are drawn when none is named, with their presets; without any, all are.

    The first of them is made first, so that the page has a picture within seconds.
    """


def figures_of_folder(arguments: Sequence[str]) -> int:
    """`python -m jaxreg figures FOLDER [NAME ...]`: draw the figures of any folder's studies; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m jaxreg figures FOLDER [NAME ...] [--preset PRESET] [--seeds N] [--out PATH] [--fresh]")
        return 0 if arguments else 2
    folder = Path(arguments[0])
    try:
        package = open_folder(folder)
        if not (folder / "figures").is_dir():
            constraint = "has no folder `figures` with a module for each study"
            raise ArgumentError("FOLDER", str(folder), constraint, "`python -m jaxreg new` writes one")
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    prog = f"python -m jaxreg figures {arguments[0]}"
    return draw_figures(
        arguments[1:], Studies(package, f"{package}.figures", prog, folder / "output", folder / "results")
    )


def draw_figures(arguments: Sequence[str] | None, studies: Studies) -> int:
    """Draw the figures that `arguments` name; return the exit code.

    What one figure stumbles over is said, and the others are made.
    """
    try:
        known = list_modules(studies.figures, "draw")
        command = _parse(arguments, known, studies)
        start()
        check_integer("jobs", command.jobs, 1, math.inf, "Make one figure after the other, or several at a time")
        orders = _order(command, known, studies)
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if command.plan:
        return _plan(orders, command.jobs)
    page = (command.out or studies.output) / "index.html"
    print(f"Figures as they come: {page}", flush=True)
    places = {name: place for place, name in enumerate(sorted(orders, key=lambda name: (orders[name].subject, name)))}
    entries: list[Entry] = []
    failures = 0
    for made in make_each(orders.values(), min(command.jobs, len(orders))):
        if isinstance(made, Entry):
            entries = sorted([*entries, made], key=lambda entry: places[entry.name])
        else:
            failures += 1
            print(f"error: {made}", file=sys.stderr, flush=True)
        if entries:
            write(page, entries, len(orders) - len(entries) - failures)
    if entries:
        print(f"Figures, claims and provenance, to open in a browser: {page.resolve()}")
    _say_next(command, known, studies)
    return 2 if failures else 0


def _plan(orders: Mapping[str, Order], jobs: int) -> int:
    """Say what each study will take, and all of them."""
    plans = []
    for planned in plan_each(orders.values(), min(jobs, len(orders))):
        if isinstance(planned, str):
            print(f"error: {planned}", file=sys.stderr, flush=True)
        else:
            print(f"{planned[0]}, {orders[planned[0]].preset}: {planned[1]}", flush=True)
            plans.append(planned[1])
    print(f"\nAll {len(plans)}: {sum_up(plans)}")
    return 0 if len(plans) == len(orders) else 2


def _say_next(command: argparse.Namespace, known: Mapping[str, Listed], studies: Studies) -> None:
    """What to run next, for whoever has seen a few figures, or figures of few runs."""
    if studies.tour and not command.names and not command.all:
        count = len(known.keys() - studies.on_request)
        print(f"All {count} figures, of few runs each, in some minutes: {studies.prog} --all")
    if command.preset in (None, "quick"):
        print(f"More runs of a figure, in about a minute: {studies.prog} NAME --preset laptop (--help lists all)")


def _parse(arguments: Sequence[str] | None, known: Mapping[str, Listed], studies: Studies) -> argparse.Namespace:
    about = "Compute what is missing, draw the figures, and write them, and animations, beside a page that shows them."
    parser = argparse.ArgumentParser(prog=studies.prog, description=f"{about} Figures: {', '.join(known)}.")
    tour = f"a tour of {', '.join(studies.tour)}" if studies.tour else "all"
    apart = f", but for {', '.join(sorted(studies.on_request))}" if studies.on_request else ""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"figures to draw; by default {tour}")
    parser.add_argument("--all", action="store_true", help=f"draw all figures{apart}")
    size = "size of the studies: seconds, about a minute, or as in a paper; by default quick"
    own = f" ({', '.join(f'{name}: {preset}' for name, preset in studies.tour.items())} in the tour)"
    parser.add_argument("--preset", choices=PRESETS, help=size + own * bool(studies.tour))
    planned = "say what the studies will take, programs, runs, memory and time, from a chunk of each program"
    parser.add_argument("--plan", action="store_true", help=planned)
    data = "data of the studies that can choose theirs; digits are embedded, MNIST is downloaded"
    parser.add_argument("--dataset", choices=("digits", "mnist"), help=data)
    parser.add_argument("--seeds", type=int, help="number of seeds; with more than before, only new runs are computed")
    out = f"folder of figures, page and results; by default {studies.output}, and {studies.results} for the results"
    parser.add_argument("--out", type=Path, help=out)
    parser.add_argument("--fresh", action="store_true", help="delete the results kept for these figures first")
    jobs = "figures made at the same time, each in a process of its own; compiling uses one core"
    parser.add_argument("--jobs", type=int, default=2, help=jobs)
    return parser.parse_args(arguments)


def _order(command: argparse.Namespace, known: Mapping[str, Listed], studies: Studies) -> dict[str, Order]:
    """The figures to make, by name, those of the tour first; settings that cannot be judged are refused."""
    tour = studies.tour if not command.names and not command.all else {}
    names = [*command.names, *tour] or [name for name in known if name not in studies.on_request]
    if command.all:
        names += [name for name in known if name not in studies.on_request]
    places = {name: place for place, name in enumerate(studies.tour)}
    names = sorted(dict.fromkeys(names), key=lambda name: places.get(name, len(places)))
    runs = list_modules(studies.experiments, "run")
    orders = {}
    for name in names:
        as_figure(load(studies.figures, name, known))
        preset = command.preset or tour.get(name, "quick")
        study = as_experiment(load(studies.experiments, name, runs))
        config = _configure(command, name, preset, study)
        takes = getattr(study, "PLANS", {}).get(preset)
        if takes and config == study.PRESETS[preset] and not command.plan:
            print(f"{name}, {preset}: {takes}")
        orders[name] = Order(
            name=name,
            figure=known[name],
            study=runs[name],
            subject=name_subject(runs[name], studies.experiments),
            preset=preset,
            config=config,
            store=_name_store(name, preset, config, command.out or studies.results),
            output=command.out or studies.output,
            fresh=command.fresh,
            progress=min(command.jobs, len(names)) == 1 and is_watched(),
        )
    _check_used(command, {name: order.config for name, order in orders.items()})
    return orders


def _configure(command: argparse.Namespace, name: str, preset: str, experiment: Experiment) -> Any:
    """The preset of an experiment, with what the command line says about fields that it has."""
    if preset not in experiment.PRESETS:
        known = ", ".join(experiment.PRESETS)
        raise ArgumentError("--preset", preset, f"is not one of {known}", "Name another, or add it to PRESETS")
    config = experiment.PRESETS[preset]
    fields = {field.name for field in dataclasses.fields(config)}
    said = {"dataset": command.dataset, "seeds": command.seeds}
    config = dataclasses.replace(config, **{key: v for key, v in said.items() if v is not None and key in fields})
    try:
        check_settings(config)
    except ArgumentError as error:
        raise ArgumentError(f"{name}: {error.argument}", error.value, error.constraint, error.remedy) from None
    return config


def _check_used(command: argparse.Namespace, configs: dict[str, Any]) -> None:
    """Refuse an option that none of the chosen figures can use."""
    for option, value in {"dataset": command.dataset, "seeds": command.seeds}.items():
        if value is not None and not any(hasattr(config, option) for config in configs.values()):
            constraint = f"is not a choice of {', '.join(configs)}"
            raise ArgumentError(f"--{option}", value, constraint, "Leave it out, or name a figure that has it")


def _name_store(name: str, preset: str, config: Any, results: Path) -> Path:
    """Where the result of an experiment is kept."""
    parts = [name, preset] + ([config.dataset] if hasattr(config, "dataset") else [])
    return results / f"{'-'.join(parts)}.zarr"

"""The command line of figures: `python -m jaxreg figures FOLDER [NAME ...] [--preset quick]`, and their page."""

import argparse
import dataclasses
import functools
import json
import logging
import math
import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import matplotlib
import xarray as xr
from matplotlib import pyplot

import jaxreg
from jaxreg.checks import check_integer
from jaxreg.claims import judge, ledger
from jaxreg.engine.lock import hold_lock
from jaxreg.errors import ArgumentError, JaxregError, StoreError
from jaxreg.plotting import save
from jaxreg.plotting.animation import CONTROLS_HEIGHT, save_animation
from jaxreg.study.catalogue import Listed, list_modules, load, open_folder
from jaxreg.study.compiled import keep_programs
from jaxreg.study.experiment import PRESETS, Experiment, Figure, as_experiment, as_figure
from jaxreg.study.page import Entry, Movie, write
from jaxreg.study.report import describe, is_watched
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
    first: str = ""
    """The quickest figure: made first, so that the page has a picture within seconds."""


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
    """Draw the figures that `arguments` name; return the exit code."""
    try:
        known = list_modules(studies.figures, "draw")
        command = _parse(arguments, known, studies)
        _start()
        names = tuple(dict.fromkeys(command.names)) or tuple(name for name in known if name not in studies.on_request)
        check_integer("jobs", command.jobs, 1, math.inf, "Make one figure after the other, or several at a time")
        command.jobs = min(command.jobs, len(names))
        for name in names:
            as_figure(load(studies.figures, name, known))
        runs = list_modules(studies.experiments, "run")
        _check_used(command, {name: _configure(command, _load_study(studies, name, runs)) for name in names})
        make = functools.partial(_make, known=known, runs=runs, studies=studies, command=command)
        page = _output(command, studies) / "index.html"
        print(f"Figures as they come: {page}", flush=True)
        entries: dict[str, Entry] = {}
        for entry in _make_each(make, sorted(names, key=lambda n: n != studies.first), command.jobs):
            entries[entry.name] = entry
            write(page, [entries[name] for name in names if name in entries], len(names) - len(entries))
    except JaxregError as error:
        hint = " With --fresh, what is kept is deleted and computed anew." if isinstance(error, StoreError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    print(f"Figures, claims and provenance: {page}")
    if command.preset == "quick":
        print(f"More runs of a figure, in about a minute: {studies.prog} NAME --preset laptop (--help lists all)")
    return 0


def _parse(arguments: Sequence[str] | None, known: Mapping[str, Listed], studies: Studies) -> argparse.Namespace:
    about = "Compute what is missing, draw the figures, and write them, and animations, beside a page that shows them."
    parser = argparse.ArgumentParser(prog=studies.prog, description=f"{about} Figures: {', '.join(known)}.")
    apart = f", but for {', '.join(sorted(studies.on_request))}" if studies.on_request else ""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"figures to draw; by default all{apart}")
    size = "size of the studies: seconds, about a minute, or as in a paper"
    parser.add_argument("--preset", choices=PRESETS, default="quick", help=size)
    data = "data of the studies that can choose theirs; digits are embedded, MNIST is downloaded"
    parser.add_argument("--dataset", choices=("digits", "mnist"), help=data)
    parser.add_argument("--seeds", type=int, help="number of seeds; with more than before, only new runs are computed")
    out = f"folder of figures, page and results; by default {studies.output}, and {studies.results} for the results"
    parser.add_argument("--out", type=Path, help=out)
    parser.add_argument("--fresh", action="store_true", help="delete the results kept for these figures first")
    jobs = "figures made at the same time, each in a process of its own; compiling uses one core"
    parser.add_argument("--jobs", type=int, default=2, help=jobs)
    return parser.parse_args(arguments)


def _load_study(studies: Studies, name: str, runs: Mapping[str, Listed]) -> Experiment:
    return as_experiment(load(studies.experiments, name, runs))


def _configure(command: argparse.Namespace, experiment: Experiment) -> Any:
    """The preset of an experiment, with what the command line says about fields that it has."""
    if command.preset not in experiment.PRESETS:
        known = ", ".join(experiment.PRESETS)
        raise ArgumentError("--preset", command.preset, f"is not one of {known}", "Name another, or add it to PRESETS")
    config = experiment.PRESETS[command.preset]
    fields = {field.name for field in dataclasses.fields(config)}
    said = {"dataset": command.dataset, "seeds": command.seeds}
    config = dataclasses.replace(config, **{key: v for key, v in said.items() if v is not None and key in fields})
    check_settings(config)
    return config


def _check_used(command: argparse.Namespace, configs: dict[str, Any]) -> None:
    """Refuse an option that none of the chosen figures can use."""
    for option, value in {"dataset": command.dataset, "seeds": command.seeds}.items():
        if value is not None and not any(hasattr(config, option) for config in configs.values()):
            constraint = f"is not a choice of {', '.join(configs)}"
            raise ArgumentError(f"--{option}", value, constraint, "Leave it out, or name a figure that has it")


def _make_each(make: Callable[[str], Entry], names: Sequence[str], jobs: int) -> Iterator[Entry]:
    """The figures as they are made: in this process, or in so many, each with a JAX of its own."""
    if jobs == 1:
        yield from map(make, names)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start) as pool:
        try:
            for made in as_completed([pool.submit(make, name) for name in names]):
                yield made.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, nothing more is begun


def _start() -> None:
    """What a process does before anything of JAX or matplotlib runs in it."""
    logging.getLogger().setLevel(logging.ERROR)  # warnings of other libraries, as of a font's timestamp, help nobody
    matplotlib.use("agg")
    jaxreg.use_all_cores()


def _make(
    name: str,
    known: Mapping[str, Listed],
    runs: Mapping[str, Listed],
    studies: Studies,
    command: argparse.Namespace,
) -> Entry:
    """Compute what is missing of one figure, draw it, write it, and collect what the page says about it."""
    figure, experiment = as_figure(load(studies.figures, name, known)), _load_study(studies, name, runs)
    config = _configure(command, experiment)
    start = time.perf_counter()
    store, is_shown = _open_store(name, config, command, studies), command.jobs == 1 and is_watched()
    with keep_programs() as programs:
        dataset = experiment.run(config, store=store, progress=is_shown)
        rows = ledger(judge(getattr(experiment, "CLAIMS", ()), dataset))
    computed = time.perf_counter()
    drawing = figure.draw(dataset)
    save(drawing, _output(command, studies) / name)
    pyplot.close(drawing)
    movies = _save_animations(name, figure, dataset, _output(command, studies))
    drawn = time.perf_counter()
    print(f"{name}: {computed - start:.1f} s computing, {drawn - computed:.1f} s drawing; {programs}", flush=True)
    jax.clear_caches()  # programs of one figure serve no other: memory is that of the largest, not of all
    made = json.loads(dataset.attrs["provenance"])
    width, height = drawing.get_size_inches()
    return Entry(
        name=name,
        title=known[name].summary.rstrip("."),
        caption=figure.CAPTION,
        inches=(float(width), float(height)),
        runs=describe(dataset),
        ledger=rows,
        provenance={"config": dataclasses.asdict(config), "history": made.pop("history"), **made},
        movies=movies,
    )


def _save_animations(name: str, figure: Figure, dataset: xr.Dataset, output: Path) -> tuple[Movie, ...]:
    """Write what a figure's `animations(dataset)` returns, if it has that function: one player and GIF per name."""
    made = figure.animations(dataset) if hasattr(figure, "animations") else {}
    movies = []
    for part, animation in made.items():
        stem = f"{name}-{part}"
        save_animation(animation, output / stem)
        width, height = animation.pixels
        movies.append(Movie(stem, animation.title, (width, height + CONTROLS_HEIGHT)))
    return tuple(movies)


def _output(command: argparse.Namespace, studies: Studies) -> Path:
    return command.out or studies.output


def _open_store(name: str, config: Any, command: argparse.Namespace, studies: Studies) -> Path:
    """Where the result of an experiment is kept, emptied if asked for."""
    parts = [name, command.preset] + ([config.dataset] if hasattr(config, "dataset") else [])
    store = (command.out or studies.results) / f"{'-'.join(parts)}.zarr"
    if command.fresh:
        for held in (store, *store.parent.glob(f"{store.stem}-*.zarr")):  # and what the experiment keeps beside it
            if held.exists():
                with hold_lock(held):
                    shutil.rmtree(held)
    return store

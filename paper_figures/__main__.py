"""The command line of the figures: `python -m paper_figures [NAME ...] [--preset quick] [--dataset digits]`."""

import dataclasses
import functools
import importlib
import json
import logging
import math
import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import jax
import matplotlib
import tyro
import xarray as xr
from matplotlib import pyplot

import jaxreg
from experiments.catalogue import list_modules, load
from experiments.report import describe, is_watched
from jaxreg.checks import check_integer
from jaxreg.claims import judge, ledger
from jaxreg.engine.lock import hold_lock
from jaxreg.errors import ArgumentError, JaxregError, StoreError
from jaxreg.plotting import save
from jaxreg.plotting.animation import CONTROLS_HEIGHT, save_animation

from .page import Entry, Movie, write

_HOME = Path(__file__).parent
_ON_REQUEST = {"benchmark"}
_FIRST = "network_from_scratch"  # the quickest: the page has a picture within seconds


@dataclass(frozen=True)
class Command:
    """Compute what is missing, draw the figures, and write them, and animations, beside a page that shows them."""

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")] = ()
    """Figures to draw; by default all but the benchmark, which measures for minutes."""
    preset: Literal["quick", "laptop", "paper"] = "quick"
    """Size of the experiments: seconds, about a minute, or as in a paper."""
    dataset: Literal["digits", "mnist"] | None = None
    """Data of the experiments that can choose theirs; digits are embedded, MNIST is downloaded."""
    seeds: int | None = None
    """Number of seeds; with more than before, only the new runs are computed."""
    out: Path | None = None
    """Folder of figures, page and results; by default paper_figures/output, and results/ for the results."""
    fresh: bool = False
    """Delete the results kept for these figures first, and compute them anew."""
    jobs: int = 2
    """Figures made at the same time, each in a process of its own. Compiling, most of a quick run, uses one core."""


def main(
    arguments: Sequence[str] | None = None, figures: str = "paper_figures", experiments: str = "experiments"
) -> int:
    """Draw the figures that `arguments` name; return the exit code."""
    known = list_modules(figures, "draw")
    description = f"{Command.__doc__}\n\nFigures: {', '.join(known)}."
    command = tyro.cli(Command, prog="python -m paper_figures", description=description, args=arguments)
    _start()
    try:
        names = tuple(dict.fromkeys(command.names)) or tuple(name for name in known if name not in _ON_REQUEST)
        check_integer("jobs", command.jobs, 1, math.inf, "Make one figure after the other, or several at a time")
        command = dataclasses.replace(command, jobs=min(command.jobs, len(names)))
        for name in names:
            load(figures, name, known)
        _check_used(command, {name: _configure(command, load(experiments, name, known)) for name in names})
        make = functools.partial(_make, known=known, figures=figures, experiments=experiments, command=command)
        page = _output(command) / "index.html"
        print(f"Figures as they come: {page}", flush=True)
        entries: dict[str, Entry] = {}
        for entry in _make_each(make, sorted(names, key=lambda name: name != _FIRST), command.jobs):
            entries[entry.name] = entry
            write(page, [entries[name] for name in names if name in entries], len(names) - len(entries))
    except JaxregError as error:
        hint = " With --fresh, what is kept is deleted and computed anew." if isinstance(error, StoreError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    print(f"Figures, claims and provenance: {page}")
    if command.preset == "quick":
        print(
            "More runs of a figure, in about a minute: python3 -m paper_figures NAME --preset laptop (--help lists all)"
        )
    return 0


def _configure(command: Command, experiment: ModuleType) -> Any:
    """The preset of an experiment, with what the command line says about fields that it has."""
    config = experiment.PRESETS[command.preset]
    fields = {field.name for field in dataclasses.fields(config)}
    said = {"dataset": command.dataset, "seeds": command.seeds}
    return dataclasses.replace(config, **{key: v for key, v in said.items() if v is not None and key in fields})


def _check_used(command: Command, configs: dict[str, Any]) -> None:
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


def _make(name: str, known: dict[str, str], figures: str, experiments: str, command: Command) -> Entry:
    """Compute what is missing of one figure, draw it, write it, and collect what the page says about it."""
    figure, experiment = load(figures, name, known), load(experiments, name, known)
    config = _configure(command, experiment)
    start = time.perf_counter()
    dataset = experiment.run(
        config, store=_open_store(name, config, command), progress=command.jobs == 1 and is_watched()
    )
    rows = ledger(judge(getattr(experiment, "CLAIMS", ()), dataset))
    computed = time.perf_counter()
    drawing = figure.draw(dataset)
    save(drawing, _output(command) / name)
    pyplot.close(drawing)
    movies = _save_animations(name, figure, dataset, command)
    drawn = time.perf_counter()
    print(f"{name}: {computed - start:.1f} s computing, {drawn - computed:.1f} s drawing", flush=True)
    jax.clear_caches()  # programs of one figure serve no other: memory is that of the largest, not of all
    made = json.loads(dataset.attrs["provenance"])
    width, height = drawing.get_size_inches()
    return Entry(
        name=name,
        title=known[name].rstrip("."),
        caption=figure.CAPTION,
        inches=(float(width), float(height)),
        runs=describe(dataset),
        ledger=rows,
        provenance={"config": dataclasses.asdict(config), "history": made.pop("history"), **made},
        movies=movies,
    )


def _save_animations(name: str, figure: ModuleType, dataset: xr.Dataset, command: Command) -> tuple[Movie, ...]:
    """Write what a figure's `animations(dataset)` returns, if it has that function: one player and GIF per name."""
    made = figure.animations(dataset) if hasattr(figure, "animations") else {}
    movies = []
    for part, animation in made.items():
        stem = f"{name}-{part}"
        save_animation(animation, _output(command) / stem)
        width, height = animation.pixels
        movies.append(Movie(stem, animation.title, (width, height + CONTROLS_HEIGHT)))
    return tuple(movies)


def _output(command: Command) -> Path:
    return command.out or _HOME / "output"


def _open_store(name: str, config: Any, command: Command) -> Path:
    """Where the result of an experiment is kept, emptied if asked for."""
    parts = [name, command.preset] + ([config.dataset] if hasattr(config, "dataset") else [])
    store = (command.out or _HOME.parent / "results") / f"{'-'.join(parts)}.zarr"
    if command.fresh:
        for held in (store, *store.parent.glob(f"{store.stem}-*.zarr")):  # and what the experiment keeps beside it
            if held.exists():
                with hold_lock(held):
                    shutil.rmtree(held)
    return store


if __name__ == "__main__":
    # Under the name by which other processes can import it; the one at hand is `__main__`.
    sys.exit(importlib.import_module("paper_figures.__main__").main())

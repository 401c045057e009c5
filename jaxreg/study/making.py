"""Figures made: their studies run, drawn and written, several at a time, each in a process of its own."""

import dataclasses
import importlib
import json
import logging
import multiprocessing
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import matplotlib
import xarray as xr
from matplotlib import pyplot

import jaxreg
from jaxreg.claims import judge, ledger
from jaxreg.engine.lock import hold_lock
from jaxreg.errors import JaxregError, StoreError
from jaxreg.plotting import arrange, save, style
from jaxreg.plotting.animation import CONTROLS_HEIGHT, save_animation
from jaxreg.study.catalogue import Listed
from jaxreg.study.compiled import keep_programs, trace_fast
from jaxreg.study.experiment import Figure, as_experiment, as_figure
from jaxreg.study.page import Entry, Movie
from jaxreg.study.planning import StudyPlan, plan_study
from jaxreg.study.report import describe

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """One figure to be made, with all that a process needs to make it."""

    name: str
    figure: Listed
    study: Listed
    subject: str
    preset: str
    config: Any
    store: Path
    output: Path
    fresh: bool
    progress: bool


def make_each(orders: Collection[Order], jobs: int) -> Iterator[Entry | str]:
    """The figures as they are made: in this process, or in so many, each with a JAX of its own."""
    yield from _do_each(_make, orders, jobs)


def plan_each(orders: Collection[Order], jobs: int) -> Iterator[tuple[str, StudyPlan] | str]:
    """What each study will take, as it is found out, or what is wrong."""
    yield from _do_each(_plan, orders, jobs)


def _do_each(make: Callable[[Order], T], orders: Collection[Order], jobs: int) -> Iterator[T | str]:
    if jobs == 1:
        yield from (_try(make, order) for order in orders)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_beside) as pool:
        try:
            names = {pool.submit(_try, make, order): order.name for order in orders}
            for made in as_completed(names):
                try:
                    yield made.result()
                except BrokenProcessPool:  # as where memory is short
                    yield f"{names[made]}: a process that makes figures was ended. --jobs 1 needs less memory."
        finally:
            pool.shutdown(cancel_futures=True)  # after an interruption, nothing more is begun


def start() -> None:
    """What a process does before anything of JAX or matplotlib runs in it."""
    logging.getLogger().setLevel(logging.ERROR)  # warnings of other libraries, as of a font's timestamp, help nobody
    matplotlib.use("agg")
    jaxreg.use_all_cores()
    trace_fast()


def _start_beside() -> None:
    """The same in a process of a pool, which ends with the process that it works for, however that ends."""
    start()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)  # waiting for work, it would stay for ever: it holds both ends of the pipe itself

    threading.Thread(target=follow, daemon=True).start()


def _try(make: Callable[[Order], T], order: Order) -> T | str:
    """What is made, or what is wrong."""
    try:
        return make(order)
    except JaxregError as error:
        hint = " With --fresh, what is kept is deleted and computed anew." if isinstance(error, StoreError) else ""
        return f"{order.name}: {error}{hint}"
    except Exception:  # a fault of one study, told in full, is no reason to lose the others
        return f"{order.name}: {traceback.format_exc()}"


def _plan(order: Order) -> tuple[str, StudyPlan]:
    with keep_programs():
        plan = plan_study(as_experiment(importlib.import_module(order.study.path)), order.config)
    jax.clear_caches()
    return order.name, plan


def _make(order: Order) -> Entry:
    """Compute what is missing of one figure, draw it, write it, and collect what the page says about it."""
    figure, experiment = (importlib.import_module(listed.path) for listed in (order.figure, order.study))
    began = time.perf_counter()
    if order.fresh:
        _delete(order.store)
    with keep_programs() as programs:
        dataset = experiment.run(order.config, store=order.store, progress=order.progress)
        rows = ledger(judge(getattr(experiment, "CLAIMS", ()), dataset))
    computed = time.perf_counter()
    drawing = figure.draw(dataset)
    if order.preset == "quick":
        drawing.supxlabel("quick preset: few runs", x=0.995, ha="right", fontsize=6, color="0.4")
    with style():
        arrange(drawing)
    save(drawing, order.output / order.name)
    pyplot.close(drawing)
    movies = _save_animations(order.name, as_figure(figure), dataset, order.output)
    drawn = time.perf_counter()
    times = f"{computed - began:.1f} s computing, {drawn - computed:.1f} s drawing"
    print(f"{order.name}: {times}; {programs}", flush=True)
    jax.clear_caches()  # programs of one figure serve no other: memory is that of the largest, not of all
    made = json.loads(dataset.attrs.get("provenance", "{}"))  # none where a study puts its dataset together itself
    width, height = drawing.get_size_inches()
    return Entry(
        name=order.name,
        title=order.figure.summary.rstrip("."),
        caption=figure.CAPTION,
        inches=(float(width), float(height)),
        runs=describe(dataset),
        ledger=rows,
        provenance={"config": dataclasses.asdict(order.config), "history": made.pop("history", []), **made},
        movies=movies,
        subject=order.subject,
        preset=order.preset,
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


def _delete(store: Path) -> None:
    """Empty the place of a result, and of what the experiment keeps beside it."""
    for held in (store, *store.parent.glob(f"{store.stem}-*.zarr")):
        if held.exists():
            with hold_lock(held):
                shutil.rmtree(held)

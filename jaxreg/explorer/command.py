"""`python -m jaxreg explore STORE -o page.html`: the explorer of a store, or of a study with its claims."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

import jaxreg
from jaxreg.engine.locating import StoreLike, find_place
from jaxreg.engine.places import as_store_error, is_new
from jaxreg.errors import ArgumentError, JaxregError, StoreError
from jaxreg.explorer.page import explore
from jaxreg.study.catalogue import list_modules, load, open_folder
from jaxreg.study.compiled import keep_programs
from jaxreg.study.experiment import PRESETS, as_experiment


def explore_command(arguments: Sequence[str]) -> int:
    """Write a population as one HTML page that needs neither server nor network.

    Exit codes: 0 the page is written; 2 it cannot be.
    """
    parser = argparse.ArgumentParser(prog="python -m jaxreg explore", description=explore_command.__doc__)
    parser.add_argument(
        "store", metavar="STORE", help="the folder or URL of the store, also one that is still being written"
    )
    parser.add_argument("-o", "--out", metavar="PAGE", help="the file to write; by default STORE.html, where you are")
    parser.add_argument("--dim", help="the axis of the runs that are averaged; by default that of the seeds")
    parser.add_argument("--variables", nargs="+", metavar="NAME", help="those to show; by default all numbers")
    parser.add_argument("--title", help="of the page")
    parser.add_argument("--megabytes", type=float, default=5.0, help="how large the page may be; by default 5")
    about = "judge the claims of this study, whose population STORE keeps; runs that it lacks are computed"
    parser.add_argument("--study", nargs=2, metavar=("FOLDER", "NAME"), help=about)
    parser.add_argument("--preset", choices=PRESETS, default="laptop", help="of the study; by default laptop")
    given = parser.parse_args(arguments)
    try:
        path = Path(given.store)
        if given.study:
            dataset, claims = _run_study(given.study[0], given.study[1], given.preset, path)
        else:
            dataset, claims = open_population(given.store), ()
        page = explore(
            dataset,
            claims,
            dim=given.dim,
            variables=given.variables,
            title=given.title or path.stem.replace("_", " "),
            megabytes=given.megabytes,
        )
        written = page.save(given.out or f"{path.stem}.html")
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{written.resolve()}: {written.stat().st_size / 1e6:.2f} MB, to open in a browser")
    return 0


def open_population(store: StoreLike) -> xr.Dataset:
    """What is done so far of a store, of whichever version, read when it is used.

    Raises:
        StoreError: no store, or one that zarr cannot read.
    """
    place = find_place(store)
    with as_store_error(place):
        if is_new(place):
            raise StoreError("store", str(place), "holds nothing", "Give the folder that a sweep wrote")
        try:
            return xr.open_zarr(place.to_zarr(), chunks=None)
        except (ValueError, KeyError) as error:
            constraint = f"is no store that xarray can read ({' '.join(str(error).split())[:200]})"
            raise StoreError("store", str(place), constraint, "Give the folder that a sweep wrote") from error


def _run_study(folder: str, name: str, preset: str, store: Path) -> tuple[xr.Dataset, Any]:
    """A study's population from its store, and its claims; what the store lacks is computed."""
    package = open_folder(folder)
    study = load(package, name, list_modules(package, "run"))
    experiment = as_experiment(study)
    if preset not in experiment.PRESETS:
        raise ArgumentError("--preset", preset, f"is not one of {', '.join(experiment.PRESETS)}", "Name another")
    jaxreg.use_all_cores()
    with keep_programs():
        return experiment.run(experiment.PRESETS[preset], store=store), getattr(study, "CLAIMS", ())

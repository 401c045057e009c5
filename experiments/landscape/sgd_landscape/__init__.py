"""Where does SGD end on a landscape with three minima? Tutorial T2 as a population over rates, batch sizes, starts."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.landscape.sgd_landscape import runs as sgd_runs
from experiments.landscape.sgd_landscape.runs import BIN_EDGES, DEGREE, STEP_KINDS, count_steps, histogram
from jaxreg import landscape
from jaxreg.checks import NOT_NEGATIVE, Domain, check_integer
from jaxreg.study import Above, Below, Claim, Estimate, at, exactly, percentage
from jaxreg.study.settings import Count, Integers, Numbers, Ordered, Seeds, check_settings

TUTORIAL_RATE = 0.3
LOCAL_MINIMUM = float(landscape.T2_LANDSCAPE.minima[2])
_EDGE = 10.0  # of the data
_LIMIT = 1e6  # where a run counts as diverged


@dataclass(frozen=True)
class Config:
    """Settings of the study; the defaults are those of the tutorial, with a population in place of one run."""

    seeds: Seeds = 10_000
    """Number of runs at each learning rate; each seed draws the same mini-batches at every rate."""
    learning_rates: Annotated[Numbers, NOT_NEGATIVE, Ordered()] = tuple(
        round(TUTORIAL_RATE * 10 ** (k / 16), 6) for k in range(-24, 9)
    )
    """Learning rates; by default sixteen a decade, with the tutorial's 0.3 among them."""
    steps: Count = 100
    """Steps of a run."""
    start: Annotated[float, Domain(-_LIMIT, _LIMIT, "[)")] = 3.5
    """Weight before the first step."""
    batch_size: int = 10
    """Points drawn without replacement for the refit of each step."""
    points: int = 100
    """Number of data points, on an even grid from -10 to 10."""
    noise: float = 0.2
    """Standard deviation of the noise on them."""
    data_seed: int = 0
    """Seed of that noise; all runs share the data."""
    batch_sizes: Annotated[Integers, Ordered()] = (7, 8, 10, 14, 20, 40)
    """Batch sizes of the study of fates over learning rate, batch size and first weight."""
    initial_weights: Annotated[Numbers, Domain(-_LIMIT, _LIMIT, "[)"), Ordered()] = tuple(
        -5.5 + 0.75 * k for k in range(15)
    )
    """First weights of that study, which has at least `seeds` runs in each cell, counted in blocks of 500."""
    balls: Count = 10_000
    """Runs at the tutorial's settings whose histogram is kept at every step."""


PRESETS = {
    "quick": Config(seeds=1000, batch_sizes=(8, 10, 20)),
    "laptop": Config(),
    "paper": Config(seeds=100_000, batch_sizes=(7, 8, 9, 10, 12, 14, 20, 28, 40, 60)),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Follow the refit gradient for every seed and learning rate, and the full fit's gradient as the control.

    Returns:
        Dataset over `seed` and `learning_rate` of `fate` (a number, named by `FATES`), `weight` (the last one, infinite
        where the run diverged), `survived` (steps before it did) and `stayed` (steps before it first left the basin
        that it started in); `control`, the weight after each `step` of descent on all data, over `learning_rate`, and
        its fate, `control_end`.

        Of other settings, `fate_count`, the number of runs with each fate (`outcome`), over `batch_size`,
        `learning_rate` and `initial_weight`, and `control_fate`, that of descent on all data.

        Of the tutorial's settings, the histogram `balls` over `moment` (0 … steps), `outcome` (the basin it is in) and
        `bin`, with those `beyond` its ends and those `lost`, that is diverged; and the `member` of the population that
        shows what the tutorial shows: its seed, `member_path`, the weight after each `step`, `member_points`, the data
        that each step draws, and `member_refit`, coefficients of the polynomial through them, over `power` (0 … 6).

        `operations` of one step of each `kind` in `STEP_KINDS`; the data, `x` and `y`, over `point`; and `start`.
    """
    gradient, control, gradients = _prepare(config)
    x, y = make_data(config)
    rates = {"learning_rate": np.array(config.learning_rates)}
    weights = np.array(config.initial_weights)
    start = np.float32(config.start)
    population = jr.sweep(
        partial(sgd_runs.follow, steps=config.steps),
        {"seed": jr.seeds(config.seeds), **rates},
        args=(gradient, start),
        store=store,
        progress=progress,
    )
    controls = jr.sweep(
        partial(sgd_runs.follow_all_data, steps=config.steps),
        rates | {"initial_weight": np.unique(np.append(weights, config.start))},
        args=(control,),
        dims={"control": {"step": np.arange(1, config.steps + 1)}},
        progress=False,
    )
    at_start = controls.sel(initial_weight=config.start, drop=True)
    counts = jr.sweep(
        partial(sgd_runs.count_fates, steps=config.steps),
        {"block": jr.seeds(-(-config.seeds // sgd_runs.BLOCK)), "batch_size": jr.static(list(config.batch_sizes))},
        args=(gradients, np.array(config.learning_rates, np.float32), weights.astype(np.float32)),
        dims={"fate_count": {"rate": None, "initial_weight": weights, "outcome": np.array(landscape.FATES)}},
        store=jr.study.beside(store, "fates"),
        progress=progress,
    )
    count = counts["fate_count"].sum("block", dtype=np.int64).rename(rate="learning_rate")
    names = {
        "flag_values": list(range(len(landscape.FATES))),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in landscape.FATES),
    }
    return population.assign(
        fate=population["fate"].assign_attrs(names),
        control=at_start["control"],
        control_end=at_start["control_fate"],
        fate_count=count.assign_coords(rates),
        control_fate=controls["control_fate"].sel(initial_weight=weights),
        **_record_tutorial(config, gradient),
        operations=("kind", count_steps(gradient, control)),
        x=("point", x),
        y=("point", y),
        start=config.start,
    ).assign_coords(kind=list(STEP_KINDS), bin=(BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2)


def _prepare(
    config: Config,
) -> tuple[landscape.RefitGradient, landscape.FullGradient, dict[int, landscape.RefitGradient]]:
    """The gradients that the runs follow; whatever a setting makes impossible is refused by its name."""
    check_settings(config)
    x, y = make_data(config)
    gradient, control = landscape.refit_gradient(x, y, DEGREE, config.batch_size), landscape.full_gradient(x, y, DEGREE)
    for size in config.batch_sizes:
        remedy = f"A refit of degree {DEGREE} needs {DEGREE + 1} points, of {config.points} that there are"
        check_integer("batch_sizes", size, DEGREE + 1, config.points, remedy)
    return gradient, control, {size: landscape.refit_gradient(x, y, DEGREE, size) for size in config.batch_sizes}


def make_data(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The data of the tutorial: its landscape on an even grid, with Gaussian noise."""
    x = np.linspace(-_EDGE, _EDGE, config.points)
    noise = np.random.default_rng(config.data_seed).normal(scale=config.noise, size=config.points)
    return x, np.polynomial.polynomial.polyval(x, landscape.T2_LANDSCAPE.coefficients) + noise


def _record_tutorial(config: Config, gradient: landscape.RefitGradient) -> dict[str, Any]:
    """Runs at the tutorial's learning rate, step by step: many as histograms, and one with its refits."""
    step = np.arange(1, config.steps + 1)
    paths = jr.sweep(
        partial(sgd_runs.record, steps=config.steps),
        {"seed": jr.seeds(config.balls)},
        args=(gradient, np.float32(config.start), np.float32(TUTORIAL_RATE)),
        dims={"path": {"moment": None}, "met": {"moment": None}},
        progress=False,
    )
    arrived = np.flatnonzero(paths["met"].values[:, -1] == 0)
    member = int(arrived[0]) if len(arrived) else 0
    refits = jr.sweep(
        partial(sgd_runs.record_refits, steps=config.steps),
        {"seed": jr.seeds(1, start=member)},
        args=(gradient,),
        dims={"points": {"step": step, "draw": None}, "correction": {"step": step, "power": None}},
        x64=True,  # the draws are the same, and the curves exact
        progress=False,
    ).isel(seed=0, drop=True)
    x, y = make_data(config)
    full = np.polynomial.Polynomial.fit(x, y, DEGREE, domain=[-_EDGE, _EDGE])  # in x / 10, as the corrections
    return {
        **histogram(paths["path"].values, paths["met"].values),
        "member": member,
        "member_path": ("step", paths["path"].values[member, 1:]),
        "member_points": refits["points"],
        "member_refit": (refits["correction"] + full.coef) / _EDGE ** np.arange(DEGREE + 1),
    }


def shares(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Share of the runs with the fate `name`, with its Wilson interval, at each learning rate; diverged runs count.

    >>> runs = xr.Dataset({"fate": (("seed", "learning_rate"), [[0], [3], [0]])}, {"learning_rate": [0.3]})
    >>> shares(runs, "diverged")["proportion"].values.round(3)
    array([0.333])
    """
    return jr.stats.proportion(dataset, "fate", dim="seed", value=landscape.FATES.index(name), count_diverged=True)


_at_tutorial = partial(at, learning_rate=TUTORIAL_RATE)


def _share_of_runs(dataset: xr.Dataset, name: str) -> Estimate:
    """Share of a fate at the tutorial's learning rate, in per cent."""
    return percentage(_at_tutorial(shares(dataset, name)), "% of runs")


def _distance_of_control(dataset: xr.Dataset) -> Estimate:
    """Descent has no randomness: its distance from the minimum over the last half of the steps is exact."""
    path = _at_tutorial(dataset[["control"]])["control"]
    distance = float(abs(path[path.sizes["step"] // 2 :] - LOCAL_MINIMUM).max())
    return exactly(distance, 1, "from the minimum at 4.25")


def _ratio_of_operations(dataset: xr.Dataset, other: str) -> Estimate:
    """Operations of a step of SGD over those of the other kind, which are exact."""
    count = dataset["operations"]
    ratio = float(count.sel(kind="SGD", drop=True) / count.sel(kind=other, drop=True))
    return exactly(ratio, 1, "times as many operations")


CLAIMS = (
    Claim(
        "Gradient descent on all the data, started at 3.5, falls into the local solution at 4 and stays (α = 0.3)",
        "tutorial T2",
        _distance_of_control,
        Below(0.1),
    ),
    Claim(
        "Started at 3.5 with α = 0.3, SGD reaches the optimum at 0 instead of stopping at 4 (more than half the runs)",
        "tutorial T2",
        partial(_share_of_runs, name="global minimum"),
        Above(50),
    ),
    Claim(
        "A run of SGD with α = 0.3 stays on the landscape (fewer than 1 % of them diverge)",
        "tutorial T2, which shows none that does",
        partial(_share_of_runs, name="diverged"),
        Below(1),
    ),
    Claim(
        "A step of SGD, which refits some of the points, is cheaper than one that refits all of them",
        "tutorial T2",
        partial(_ratio_of_operations, other=STEP_KINDS[1]),
        Below(1),
    ),
    Claim(
        "A step of SGD is cheaper than one of descent on all the data, which need to be fitted only once",
        "tutorial T2, whose data never change",
        partial(_ratio_of_operations, other=STEP_KINDS[2]),
        Below(1),
    ),
)

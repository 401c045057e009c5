"""Where does SGD end on a landscape with three minima? Tutorial T2 as a population over learning rates."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.claims import Claim, Verdict, above, below, estimate
from jaxreg.errors import ArgumentError
from jaxreg.landscape import FATES, T2_LANDSCAPE, Descent, boundary, descend, fate, full_gradient, refit_gradient

DEGREE = 6
TUTORIAL_RATE = 0.3
LOCAL_MINIMUM = float(T2_LANDSCAPE.minima[2])
_PERCENT = "% of runs"


@dataclass(frozen=True)
class Config:
    """Settings of the study; the defaults are those of the tutorial, with a population in place of one run."""

    seeds: int = 10_000
    """Number of runs at each learning rate; each seed draws the same mini-batches at every rate."""
    learning_rates: tuple[float, ...] = tuple(round(TUTORIAL_RATE * 10 ** (k / 16), 6) for k in range(-24, 9))
    """Learning rates; by default sixteen a decade, with the tutorial's 0.3 among them."""
    steps: int = 100
    """Steps of a run."""
    start: float = 3.5
    """Weight before the first step."""
    batch_size: int = 10
    """Points drawn without replacement for the refit of each step."""
    points: int = 100
    """Number of data points, on an even grid from -10 to 10."""
    noise: float = 0.2
    """Standard deviation of the noise on them."""
    data_seed: int = 0
    """Seed of that noise; all runs share the data."""


PRESETS = {"quick": Config(seeds=1000), "laptop": Config(), "paper": Config(seeds=100_000)}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Follow the refit gradient for every seed and learning rate, and the full fit's gradient as the control.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset over `seed` and `learning_rate` of `fate` (a number, named by `FATES`), `weight` (the last one, infinite
        where the run diverged) and `survived` (steps before it did); `control`, the weight after each `step` of descent
        on all data, over `learning_rate`; the data, `x` and `y`, over `point`; and `start`.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    boundary.check_number("learning_rates", config.learning_rates, 0, math.inf, "Give step sizes such as 0.3")
    boundary.check_number("start", config.start, -1e6, 1e6, "Start near the data, as at 3.5")
    x, y = make_data(config)
    gradient = refit_gradient(x, y, DEGREE, config.batch_size)
    control = full_gradient(x, y, DEGREE)
    rates = {"learning_rate": np.array(config.learning_rates)}
    start = np.float32(config.start)
    population = jr.sweep(
        partial(follow, steps=config.steps),
        {"seed": jr.seeds(config.seeds), **rates},
        args=(gradient, start),
        store=store,
        progress=progress,
    )
    record = jr.sweep(
        partial(follow_all_data, steps=config.steps),
        rates,
        args=(control, start),
        dims={"control": {"step": np.arange(1, config.steps + 1)}},
        progress=False,
    )
    return population.assign(control=record["control"], x=("point", x), y=("point", y), start=config.start)


def make_data(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The data of the tutorial: its landscape on an even grid, with Gaussian noise."""
    x = np.linspace(-10.0, 10.0, config.points)
    noise = np.random.default_rng(config.data_seed).normal(scale=config.noise, size=config.points)
    return x, np.polynomial.polynomial.polyval(x, T2_LANDSCAPE.coefficients) + noise


def follow(gradient: Any, start: Any, *, seed: Any, learning_rate: Any, steps: int) -> dict[str, Any]:
    """One run of SGD: its fate, its last weight and the steps that it survived."""
    end: Descent = descend(gradient, start, learning_rate, steps, seed=seed)
    return {"fate": fate(end.weight, T2_LANDSCAPE), "weight": end.weight, "survived": end.survived}


def follow_all_data(gradient: Any, start: Any, *, learning_rate: Any, steps: int) -> dict[str, Any]:
    """Plain gradient descent, which uses no randomness: the weight after each step."""
    end = descend(gradient, start, learning_rate, steps, seed=jax.random.key(0), record_every=1)
    return {"control": end.path}


def shares(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Share of the runs with the fate `name`, with its Wilson interval, at each learning rate; diverged runs count.

    >>> runs = xr.Dataset({"fate": (("seed", "learning_rate"), [[0], [3], [0]])}, {"learning_rate": [0.3]})
    >>> shares(runs, "diverged")["proportion"].values.round(3)
    array([0.333])
    """
    return jr.stats.proportion(dataset, "fate", dim="seed", value=FATES.index(name), count_diverged=True)


def _at_tutorial(summary: xr.Dataset) -> xr.Dataset:
    try:
        return summary.sel(learning_rate=TUTORIAL_RATE, method="nearest", tolerance=1e-4)
    except KeyError:
        rates = summary["learning_rate"].values
        remedy = "Add it to the configuration"
        constraint = f"must hold the tutorial's {TUTORIAL_RATE}"
        raise ArgumentError("learning_rates", rates, constraint, remedy) from None


def _percentage(dataset: xr.Dataset, name: str) -> tuple[float, tuple[float, float], int]:
    """Share of a fate at the tutorial's learning rate, its interval, both in per cent, and n."""
    share, (low, high), n = estimate(_at_tutorial(shares(dataset, name)))
    return 100 * share, (100 * low, 100 * high), n


def _control_stays(dataset: xr.Dataset) -> Verdict:
    """Descent has no randomness: its distance from the minimum over the last half of the steps is exact."""
    path = _at_tutorial(dataset[["control"]])["control"]
    distance = float(abs(path[path.sizes["step"] // 2 :] - LOCAL_MINIMUM).max())
    return below(distance, (distance, distance), n=1, bound=0.1, unit="from the minimum at 4.25")


def _reaches_optimum(dataset: xr.Dataset) -> Verdict:
    return above(*_percentage(dataset, "global minimum"), bound=50, unit=_PERCENT)


def _stays_on_landscape(dataset: xr.Dataset) -> Verdict:
    return below(*_percentage(dataset, "diverged"), bound=1, unit=_PERCENT)


CLAIMS = (
    Claim(
        "Gradient descent on all the data, started at 3.5, falls into the local solution at 4 and stays (α = 0.3)",
        "tutorial T2",
        _control_stays,
    ),
    Claim(
        "Started at 3.5 with α = 0.3, SGD reaches the optimum at 0 instead of stopping at 4 (more than half the runs)",
        "tutorial T2",
        _reaches_optimum,
    ),
    Claim(
        "A run of SGD with α = 0.3 stays on the landscape (fewer than 1 % of them diverge)",
        "tutorial T2, which shows none that does",
        _stays_on_landscape,
    ),
)

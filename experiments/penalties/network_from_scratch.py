"""Does the network of tutorial T4, its gradient written out by hand, always learn its four examples, and smoothly?"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import NOT_NEGATIVE, Domain
from jaxreg.nets import scratch
from jaxreg.study import Above, Below, Best, Claim, Estimate, at, ratio, share
from jaxreg.study.report import describe
from jaxreg.study.settings import ChoosingSeeds, Holds, Numbers, Ordered, check_settings

TOY_INPUTS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], np.float32)
"""Inputs of tutorial T4, one example a row; the last column is 1 and takes the place of a bias."""
TOY_TARGETS = np.array([[0], [1], [1], [0]], np.float32)
"""Its targets: whether exactly one of the first two inputs is 1, which no straight line separates."""
STEPS = 1500
"""Its iterations."""
TUTORIAL_RATE = 1.0
TUTORIAL_LEAST = 0.0
CLOSE = 0.1
"""Distance of a prediction from its target that counts as close."""
_CHUNK = 2048  # runs whose weights and slopes stay in a core's cache
_RUNS = "initialisations"
_Rates = Annotated[Numbers, NOT_NEGATIVE, Holds((TUTORIAL_RATE,)), Ordered()]


@dataclass(frozen=True)
class Config:
    """Settings of the study; the network is the tutorial's, with a population in place of its one initialisation."""

    seeds: ChoosingSeeds = 10_000
    """Number of initialisations; a seed has the same weights at every learning rate."""
    learning_rates: _Rates = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    """Learning rates; the tutorial's 1 must be among them."""
    least_weights: Annotated[Numbers, Domain(high=1, ends="()"), Holds((TUTORIAL_LEAST,)), Ordered()] = (0.0, -1.0)
    """Initial weights are uniform from here to 1; the tutorial's 0 must be among them."""
    units: Annotated[int, Domain(1, 2**16, whole=True)] = 4
    """Units of the hidden layer."""
    steps: int = STEPS
    """Iterations."""
    record_every: int = 25
    """Iterations from one recorded loss to the next, a divisor of `steps`."""


PRESETS = {
    "quick": Config(seeds=1000, learning_rates=(0.1, 1.0, 2.0, 5.0, 20.0)),
    "laptop": Config(),
    "paper": Config(seeds=20_000, learning_rates=tuple(float(f"{10 ** (k / 4):.3g}") for k in range(-6, 9))),
}


def run(config: Config, **options: Any) -> xr.Dataset:
    """Train the network from every initialisation at every learning rate, in one compiled program.

    Returns:
        Dataset over `seed` (seed 0 stands for the tutorial's run), `learning_rate` and `least_weight` of the `loss`
        over `step`, the `prediction` for each `example` at the end and the number of `rises`, steps that raised the
        loss beyond rounding; whether a run `solved` the table (all predictions on their target's side of ½), came
        `close` (all within 0.1 of it) and was `monotone` (no step raised the loss); and the `target` of each example.
    """
    check_settings(config)
    result = jr.sweep(
        partial(follow, units=config.units, steps=config.steps, record_every=config.record_every),
        {
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
            "least_weight": np.array(config.least_weights),
        },
        args=(TOY_INPUTS, TOY_TARGETS),
        dims={
            "loss": {"step": np.arange(0, config.steps + 1, config.record_every)},
            "prediction": {"example": np.arange(len(TOY_TARGETS))},
        },
        chunk_size=_CHUNK,
        **options,
    )
    return assess(result.assign(target=("example", TOY_TARGETS[:, 0])))


def follow(
    x: Any, y: Any, *, seed: Any, learning_rate: Any, least_weight: Any, units: int, **settings: Any
) -> dict[str, Any]:
    """One training from initial weights between `least_weight` and 1."""
    start = scratch.draw_weights(seed, x.shape[1], units, y.shape[1], least=least_weight)
    end = scratch.train(start, x, y, learning_rate, **settings)
    return {"loss": end.loss, "prediction": end.predictions[:, 0], "rises": end.rises}


def assess(dataset: xr.Dataset) -> xr.Dataset:
    """The same with `solved`, `close` and `monotone` of every run."""
    prediction, target = dataset["prediction"], dataset["target"]
    return dataset.assign(
        solved=((prediction > 0.5) == (target > 0.5)).all("example"),
        close=(abs(prediction - target) < CLOSE).all("example"),
        monotone=dataset["rises"] == 0,
    )


def table(dataset: xr.Dataset, seed: int = 0) -> str:
    """The predictions of one run at the tutorial's setting as a Markdown table: inputs, target, prediction."""
    one = tutorial_runs(dataset).sel(seed=seed)
    lines = ["| x | y | prediction |", "| --- | ---: | ---: |"]
    for x, y, prediction in zip(TOY_INPUTS, one["target"].values, one["prediction"].values, strict=True):
        lines.append(f"| {' '.join(f'{value:g}' for value in x)} | {y:g} | {prediction:.4f} |")
    return "\n".join(lines)


def report(dataset: xr.Dataset) -> str:
    """How many runs there are, predictions of the first at the tutorial's setting, and the dataset."""
    return f"{describe(dataset)}\n\nRun of seed 0 at learning rate 1:\n\n{table(dataset)}\n\n{dataset}"


def tutorial_runs(dataset: xr.Dataset) -> xr.Dataset:
    """The runs at the tutorial's learning rate and initial weights."""
    return dataset.sel(learning_rate=TUTORIAL_RATE, least_weight=TUTORIAL_LEAST, method="nearest")


def _least_share_monotone(dataset: xr.Dataset) -> Estimate:
    """At the learning rate where it is so in the fewest runs, on a level that allows for having looked for it."""
    runs = _over_rates(dataset)
    shares = jr.stats.proportion(runs, "monotone", dim="seed")["proportion"]
    fewest = runs.isel(learning_rate=int(np.argmin(shares.fillna(1).values)))
    level = 1 - 0.05 / runs.sizes["learning_rate"]
    return share("monotone", of=_RUNS, level=level)(fewest)


def _last_loss(runs: xr.Dataset) -> xr.DataArray:
    return runs["loss"].isel(step=-1).clip(min=np.finfo(np.float32).tiny)


_over_rates = partial(at, least_weight=TUTORIAL_LEAST)

CLAIMS = (
    Claim(
        "After 1,500 iterations all four predictions are on the right side of ½ (in more than 95 % of initialisations)",
        "tutorial T4, which shows one",
        share("solved", runs=tutorial_runs, of=_RUNS),
        Above(95),
    ),
    Claim(
        "After 1,500 iterations all four predictions are within 0.1 of their targets (in more than 95 % of "
        "initialisations)",
        "tutorial T4, whose table shows it for one",
        share("close", runs=tutorial_runs, of=_RUNS),
        Above(95),
    ),
    Claim(
        "The loss falls monotonically: no step raises it (in more than 95 % of initialisations)",
        "tutorial T4, which shows one",
        share("monotone", runs=tutorial_runs, of=_RUNS),
        Above(95),
    ),
    Claim(
        "The loss falls monotonically from practically every start (more than 99.99 %)",
        "tutorial T4, to the letter",
        share("monotone", runs=tutorial_runs, of=_RUNS),
        Above(99.99),
    ),
    Claim(
        "The loss falls monotonically at every learning rate (in more than 95 % of initialisations)",
        "tutorial T4, carried over to the learning rate of its outlook",
        _least_share_monotone,
        Above(95),
    ),
    Claim(
        "Another learning rate than 1, chosen on other seeds, ends at a lower loss (geometric mean over runs)",
        "tutorial T4, which names a learning rate as an improvement",
        ratio(_last_loss, "learning_rate", Best.LEAST, TUTORIAL_RATE, runs=_over_rates, unit="× the loss at rate 1"),
        Below(1),
    ),
)

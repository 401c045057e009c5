"""Which learning rate trains the network of tutorial T5 best, and does one run tell? Its four regimes, exactly."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.tutorial_network import powers_of_ten
from jaxreg.checks import POSITIVE, Domain
from jaxreg.study import Above, Below, Best, Claim, Estimate, at, exactly, gain, share
from jaxreg.study.settings import ChoosingSeeds, Holds

TUTORIAL_RATES = (0.01, 0.1, 1.0)
REGIMES = ("too small", "right", "wasteful", "diverging")
"""Below half of 1/h, to 1/h, to 2/h and beyond, on a parabola of curvature h: slow, straight, to and fro, away."""
_LIMITS = (0.5, 1.0, 2.0)  # of the regimes, in units of 1/h
_SHOWN = (0.1, 0.8, 1.9, 2.1)  # a rate of each regime, in units of 1/h
_ARRIVED = 0.01  # of the first distance from the minimum


@dataclass(frozen=True, kw_only=True)
class Config(t5.Network):
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    seeds: ChoosingSeeds = 32
    """Number of runs at each learning rate; a seed has the same initial weights, batches and dropout at every rate."""
    learning_rates: Annotated[tuple[float, ...], POSITIVE, Holds(TUTORIAL_RATES)] = powers_of_ten(-7, 3, 3)
    """Learning rates; by default three a decade, with the tutorial's 0.01, 0.1 and 1.0 among them."""
    curvature: Annotated[float, POSITIVE] = 4.0
    """Second derivative h of the parabola on which the regimes are exact."""
    steps: Annotated[int, Domain(2, ends="[)", whole=True)] = 200
    """Steps of descent on it."""


PRESETS = {
    "quick": Config(seeds=8, learning_rates=powers_of_ten(-4, 2)),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=128, learning_rates=powers_of_ten(-24, 8, 8)),
}


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""`test_loss` and `test_accuracy` after each epoch, by `pixels` and `learning_rate`; and descent on a parabola.

    On $f(w) = \tfrac12 h w^2$ a step is $w \leftarrow (1 - \eta h) w$: exact in one step for $\eta = 1/h$, straight to
    the minimum below that, to and fro above it, and away from $2/h$ on. Of it, in units of the first distance from its
    minimum: `weight` over `regime` and `step`, at one rate of each regime, `regime_rate`; over the learning rates
    `parabola_rate`, the number of steps `parabola_steps` until it is below 1 % for good (infinite if it is not in the
    steps made), the number of times `crossings` that it changes sides, and `last_distance`; and the `curvature`.
    """
    data = t5.load_images(config.dataset)
    axes = {"pixels": t5.pixels(data)} | t5.seeds_and_rates(config)
    runs = t5.train(config, axes, record=("test_loss", "test_accuracy"), data=data, **options)
    return runs.assign(_describe_parabola(config)).assign_attrs(tutorial_rates=TUTORIAL_RATES, regime_limits=_LIMITS)


def _describe_parabola(config: Config) -> xr.Dataset:
    """Descent at many rates around 1/h and 2/h, and at one of each regime."""
    # Rates off the limits themselves, where rounding decides.
    scaled = np.unique([*_SHOWN, *np.round(np.geomspace(0.03, 2.95, 120), 4)])
    path = jr.sweep(
        partial(descend, steps=config.steps),
        {"learning_rate": scaled / config.curvature, "curvature": np.array([config.curvature])},
        dims={"weight": {"step": np.arange(config.steps + 1)}},
        x64=True,
        progress=False,
    )["weight"].isel(curvature=0, drop=True)
    weights = path.transpose("learning_rate", "step").values
    # Where it is away from the minimum for the last time: the step after that is the first at it for good.
    last = (np.arange(config.steps + 1) * (abs(weights) > _ARRIVED)).max(1) + 1
    shown = path.sel(learning_rate=np.array(_SHOWN) / config.curvature, method="nearest")
    return xr.Dataset(
        {
            "weight": (("regime", "step"), shown.values),
            "regime_rate": ("regime", shown["learning_rate"].values),
            "parabola_steps": ("parabola_rate", np.where(last > config.steps, np.inf, last)),
            "crossings": ("parabola_rate", (weights[:, 1:] * weights[:, :-1] < 0).sum(1)),
            "last_distance": ("parabola_rate", abs(weights[:, -1])),
            "curvature": config.curvature,
        },
        {"regime": list(REGIMES), "step": path["step"].values, "parabola_rate": path["learning_rate"].values},
    )


def descend(*, learning_rate: Any, curvature: Any, steps: int) -> dict[str, Any]:
    """Weights of gradient descent on the parabola of this curvature, from 1."""

    def step(w: Any, _: None) -> tuple[Any, Any]:
        moved = w - learning_rate * jax.grad(lambda w: curvature * w**2 / 2)(w)
        return moved, moved

    start = jax.numpy.ones_like(learning_rate)
    return {"weight": jax.numpy.append(start, jax.lax.scan(step, start, length=steps)[1])}


def _tutorial_runs(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    rates = xr.DataArray(list(TUTORIAL_RATES), dims="learning_rate")
    return at(t5.last(dataset, pixels=pixels), learning_rate=rates)


def _share_of_right_regimes(dataset: xr.Dataset) -> Estimate:
    """Share of the learning rates whose descent behaves as the regime says that they lie in."""
    scaled = (dataset["parabola_rate"] * dataset["curvature"]).values
    arrives = np.isfinite(dataset["parabola_steps"].values) | (dataset["last_distance"].values < 1)
    crosses = dataset["crossings"].values > 0
    expected_crossing, expected_arrival = scaled > _LIMITS[1], scaled < _LIMITS[2]
    right = 100 * float(np.mean((crosses == expected_crossing) & (arrives == expected_arrival)))
    return exactly(right, len(scaled), "% of learning rates")


def _share_diverging(dataset: xr.Dataset, pixels: str) -> Estimate:
    """Share of seeds whose loss at the largest rate ends above that of guessing, or is no number."""
    last = dataset[["test_loss", "diverged"]].sel(pixels=pixels).isel(epoch=-1, learning_rate=-1)
    guessing = np.log(dataset.attrs["classes"])
    grown = (last["test_loss"] > guessing) | last["diverged"] | ~np.isfinite(last["test_loss"])
    return share("grown")(xr.Dataset({"grown": grown}))


CLAIMS = (
    Claim(
        "Of the learning rates 0.01, 0.1 and 1.0, 0.1 gives the highest test accuracy (raw pixels)",
        "tutorial T5",
        t5.lead("learning_rate", t5.LEARNING_RATE, runs=partial(_tutorial_runs, pixels="raw")),
        Above(0),
    ),
    Claim(
        "Of 0.01, 0.1 and 1.0, 0.1 gives the highest test accuracy on pixels scaled to 0…1, too",
        "tutorial T5, carried over to the usual preparation",
        t5.lead("learning_rate", t5.LEARNING_RATE, runs=partial(_tutorial_runs, pixels="scaled")),
        Above(0),
    ),
    Claim(
        "No learning rate is more than one percentage point better than 0.1 (raw pixels)",
        "tutorial T5, which looks no further",
        gain("test_accuracy", "learning_rate", Best.MOST, t5.LEARNING_RATE, runs=partial(t5.last, pixels="raw")),
        Below(1),
    ),
    Claim(
        "One run at each of the three shows which is best (in more than 95 % of seeds; raw pixels)",
        "tutorial T5, which shows one",
        t5.share_of_telling_seeds("learning_rate", runs=partial(_tutorial_runs, pixels="raw")),
        Above(95),
    ),
    Claim(
        "Descent is slow, straight, to and fro, or diverging, by the learning rate: on a parabola of curvature h, "
        "straight to the minimum below 1/h, to and fro up to 2/h, and away from it beyond",
        "tutorial T5, whose figure has no numbers",
        _share_of_right_regimes,
        Above(99.9),
    ),
    Claim(
        "Far too large a learning rate diverges: on the network, at the largest one, the loss ends above that of "
        "guessing (in most seeds; raw pixels)",
        "tutorial T5",
        partial(_share_diverging, pixels="raw"),
        Above(50),
    ),
)

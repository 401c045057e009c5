"""Which learning rate trains the network of tutorial T5 best, and does one run tell? Its four regimes, exactly."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import POSITIVE, check_integer
from jaxreg.claims import Above, Below, Claim, Estimate, exactly
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_strength
from jaxreg.study import choose, gain, held_out, share
from jaxreg.study.settings import ChoosingSeeds, Holds

TUTORIAL_RATES = (0.01, 0.1, 1.0)
TUTORIAL_CHOICE = t5.LEARNING_RATE
PIXELS = ("raw", "scaled")
REGIMES = ("too small", "right", "wasteful", "diverging")
"""Below half of 1/h, to 1/h, to 2/h and beyond, on a parabola of curvature h: slow, straight, to and fro, away."""
_LIMITS = (0.5, 1.0, 2.0)  # of the regimes, in units of 1/h
_SHOWN = (0.1, 0.8, 1.9, 2.1)  # a rate of each regime, in units of 1/h
_ARRIVED = 0.01  # of the first distance from the minimum


def _grid(steps: range, per_decade: int) -> tuple[float, ...]:
    """Powers of ten, to four digits."""
    return tuple(float(f"{10 ** (k / per_decade):.4g}") for k in steps)


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    seeds: ChoosingSeeds = 32
    """Number of runs at each learning rate; a seed has the same initial weights, batches and dropout at every rate."""
    learning_rates: Annotated[tuple[float, ...], POSITIVE, Holds(TUTORIAL_RATES)] = _grid(range(-7, 4), per_decade=3)
    """Learning rates; by default three a decade, with the tutorial's 0.01, 0.1 and 1.0 among them."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 3, and for the fewer digits 14, as many steps."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    dropout: float = t5.DROPOUT
    """Share of the last hidden layer's outputs that is dropped in training."""
    batch_size: int = t5.BATCH_SIZE
    """Images per step."""
    curvature: float = 4.0
    """Second derivative h of the parabola on which the regimes are exact."""
    steps: int = 200
    """Steps of descent on it."""


PRESETS = {
    "quick": Config(seeds=8, learning_rates=_grid(range(-4, 3), per_decade=2)),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, learning_rates=_grid(range(-24, 9), per_decade=8)),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    r"""Train the network at every learning rate, from every seed, on raw and on scaled pixels; descend a parabola.

    On $f(w) = \tfrac12 h w^2$ a step is $w \leftarrow (1 - \eta h) w$: exact in one step for $\eta = 1/h$, straight to
    the minimum below that, to and fro above it, and away from $2/h$ on.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset of `test_loss` and `test_accuracy` after each epoch, with dropout off, over `pixels` ("raw" and
        "scaled"), `seed`, `learning_rate` and `epoch`; as attributes, the `dataset` and its `brightest` possible pixel.

        Of descent on the parabola, in units of the first distance from its minimum: `weight` over `regime` and `step`,
        at one rate of each regime, `regime_rate`; over the learning rates `parabola_rate`, the number of steps
        `parabola_steps` until it is below 1 % for good (infinite if it is not in the steps made), the number of times
        `crossings` that it changes sides, and `last_distance`; and the `curvature`.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    for rate in config.learning_rates:
        check_strength("learning_rates", rate, "Give step sizes such as 0.1")
    parabola = _describe_parabola(config)
    data = t5.load_images(config.dataset)
    epochs = t5.count_epochs(config.dataset, config.epochs, tutorial=3)
    settings = {name: getattr(config, name) for name in ("hidden", "activation", "dropout", "batch_size")}
    recorded = {"epoch": np.arange(1, epochs + 1)}
    result = jr.sweep(
        partial(follow, brightest=data.about.brightest, epochs=epochs, **settings),
        {
            "pixels": jr.static(list(PIXELS)),
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
        },
        args=data[:4],
        dims={"test_loss": recorded, "test_accuracy": recorded},
        store=store,
        progress=progress,
    )
    return result.assign(parabola).assign_attrs(
        **t5.describe_data(config.dataset), brightest=data.about.brightest, classes=len(data.about.classes)
    )


def _describe_parabola(config: Config) -> xr.Dataset:
    """Descent at many rates around 1/h and 2/h, and at one of each regime."""
    check_strength("curvature", config.curvature, "Give a second derivative such as 4.0")
    if not config.curvature > 0:
        raise ArgumentError("curvature", config.curvature, "must be positive", "Give a second derivative such as 4.0")
    check_integer("steps", config.steps, 2, math.inf, "Make more steps")
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


def follow(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, pixels: str, brightest: int, **settings: Any
) -> Any:
    """One training, on pixels as they are ("raw") or divided by the brightest possible ("scaled")."""
    x_train, x_test = t5.prepare(x_train, x_test, pixels, brightest)
    history = jr.nets.train(x_train, y_train, x_test, y_test, evaluate_train=False, **settings)
    return {name: history[name] for name in ("test_loss", "test_accuracy")}


def final_accuracy(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """Test accuracy after the last epoch, in per cent, over seed and learning rate."""
    return t5.last_accuracy(dataset.sel(pixels=pixels))


def find_best(dataset: xr.Dataset, pixels: str) -> float:
    """The learning rate of the highest mean accuracy on every other seed."""
    return float(choose(final_accuracy(dataset, pixels), "test_accuracy", "learning_rate"))


def _tutorial_runs(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    t5.require("learning_rates", dataset["learning_rate"].values, TUTORIAL_RATES)
    return final_accuracy(dataset, pixels).sel(learning_rate=list(TUTORIAL_RATES))


def _lead(dataset: xr.Dataset, pixels: str) -> Estimate:
    return t5.lead(_tutorial_runs(dataset, pixels), "learning_rate", TUTORIAL_CHOICE)


def _gain_of_best(dataset: xr.Dataset) -> Estimate | None:
    """Gain in accuracy of the best learning rate of all over the tutorial's, seed by seed."""
    runs = held_out(final_accuracy(dataset, "raw"))
    return gain("test_accuracy", "learning_rate", find_best(dataset, "raw"), TUTORIAL_CHOICE)(runs)


def _share_of_telling_runs(dataset: xr.Dataset) -> Estimate:
    """Share of seeds whose own three runs have the order of the means, first against the rest."""
    runs = _tutorial_runs(dataset, "raw")
    best = t5.choose_best(runs, "test_accuracy", "learning_rate")
    accuracy = runs["test_accuracy"]
    wins = (accuracy.sel(learning_rate=best) > accuracy.drop_sel(learning_rate=best)).all("learning_rate")
    tally = xr.Dataset({"wins": wins, "diverged": runs["diverged"].any("learning_rate")})
    return share("wins")(tally)


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
        partial(_lead, pixels="raw"),
        Above(0),
    ),
    Claim(
        "Of 0.01, 0.1 and 1.0, 0.1 gives the highest test accuracy on pixels scaled to 0…1, too",
        "tutorial T5, carried over to the usual preparation",
        partial(_lead, pixels="scaled"),
        Above(0),
    ),
    Claim(
        "No learning rate is more than one percentage point better than 0.1 (raw pixels)",
        "tutorial T5, which looks no further",
        _gain_of_best,
        Below(1),
    ),
    Claim(
        "One run at each of the three shows which is best (in more than 95 % of seeds; raw pixels)",
        "tutorial T5, which shows one",
        _share_of_telling_runs,
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

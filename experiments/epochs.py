"""How many epochs does the network of tutorial T5 need, and are more too many? When does test loss turn?"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.tutorial_network import (
    BATCH_SIZE,
    HIDDEN,
    LEARNING_RATE,
    POINTS,
    Images,
    judge_best,
    load_images,
    prepare,
    split_seeds,
)
from jaxreg.checks import check_integer
from jaxreg.claims import Claim, Verdict, above, below, estimate
from jaxreg.errors import ArgumentError

TUTORIAL_EPOCHS = (5, 10, 60)
PIXELS = ("raw", "scaled")
CURVES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
Estimate = tuple[float, tuple[float, float], int]
_SIZES = {"mnist": (1500, 6000), "digits": (None, None)}
_FEW, _ENOUGH, _MANY = TUTORIAL_EPOCHS


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: Images = "digits"
    """All of the 8 × 8 digits that come with jaxreg, or, as in T5, 1,500 training and 6,000 test images of MNIST."""
    seeds: int = 32
    """Number of trainings; each has its own initial weights and batches."""
    epochs: int = 120
    """Passes through the training data; a record after each gives every shorter training as well."""
    hidden: tuple[int, ...] = HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    learning_rate: float = LEARNING_RATE
    """Learning rate of SGD."""
    batch_size: int = BATCH_SIZE
    """Images per step."""


PRESETS = {
    "quick": Config(seeds=4, epochs=60, hidden=(32, 16)),
    "laptop": Config(),
    "paper": Config("mnist", seeds=256, epochs=240),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train from every seed for all the epochs and record each, on pixels as they are and on pixels from 0 to 1.

    A training of 5 epochs is the beginning of one of 60 from the same seed: the learning rate is constant, and what an
    epoch draws depends on the seed and on its number only. Hence one training answers for every number of epochs.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset of `train_loss`, `train_accuracy`, `test_loss` and `test_accuracy` after each epoch, over `pixels`
        ("raw" and "scaled"), `seed` and `epoch`; as attributes, the `dataset` and its numbers of training and test
        images, `train_images` and `test_images`.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    check_integer("epochs", config.epochs, _MANY, 100_000, "Give the tutorial's 60, or more")
    train, test = _SIZES.get(config.dataset, (None, None))
    data = load_images(config.dataset, train=train, test=test)
    names = ("hidden", "activation", "learning_rate", "batch_size", "epochs")
    recorded = {"epoch": np.arange(1, config.epochs + 1)}
    result = jr.sweep(
        partial(follow, brightest=data.about.brightest, **{name: getattr(config, name) for name in names}),
        {"pixels": jr.static(list(PIXELS)), "seed": jr.seeds(config.seeds)},
        args=data[:4],
        dims=dict.fromkeys(CURVES, recorded),
        store=store,
        progress=progress,
    )
    sizes = {"train_images": len(data.y_train), "test_images": len(data.y_test)}
    return result.assign_attrs(dataset=config.dataset, **sizes)


def follow(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, pixels: str, brightest: int, **settings: Any
) -> dict[str, Any]:
    """The curves of one training, on pixels as they are ("raw") or divided by the brightest possible ("scaled")."""
    x_train, x_test = prepare(x_train, x_test, pixels, brightest)
    history = jr.nets.train(x_train, y_train, x_test, y_test, **settings)
    return {name: history[name] for name in CURVES}


def find_turn(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """The epoch at which each run is at its best: that of its lowest loss, or the first of its highest accuracy.

    A run that diverged has none, nor has one that is at its best after the last epoch: who knows what would follow.
    """
    curve = dataset[name] if name.endswith("loss") else -dataset[name]
    turn = dataset["epoch"].isel(epoch=curve.fillna(np.inf).argmin("epoch")).drop_vars("epoch")
    return turn.where(~dataset["diverged"] & (turn < dataset["epoch"][-1]))


def find_best(runs: xr.Dataset, name: str) -> tuple[int, xr.Dataset]:
    """The epoch before the last at which the mean curve of every other seed is best, and the remaining seeds."""
    chosen, rest = split_seeds(runs)
    mean = jr.stats.mean(chosen.isel(epoch=slice(-1)), name, dim="seed")["mean"]
    worse = mean if name.endswith("loss") else -mean
    return int(mean["epoch"][int(worse.fillna(np.inf).argmin("epoch"))]), rest


def select(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """The runs up to the tutorial's 60 epochs, accuracies in per cent."""
    runs = dataset.sel(pixels=pixels, epoch=slice(None, _MANY))
    if int(runs["epoch"][-1]) != _MANY:
        raise ArgumentError("epochs", int(runs["epoch"][-1]), f"must reach {_MANY}", "Train for so many, or more")
    return runs.assign({name: 100 * runs[name] for name in CURVES if name.endswith("accuracy")})


def _gain(runs: xr.Dataset, epoch: int, over: int, name: str = "test_accuracy") -> Estimate:
    """A curve at one epoch minus the same at another, seed by seed."""
    return estimate(jr.stats.paired_difference(runs, name, "seed", "epoch", over).sel(epoch=epoch))


def _few_underlearn(dataset: xr.Dataset, pixels: str) -> Verdict:
    return above(*_gain(select(dataset, pixels), _ENOUGH, over=_FEW), unit=POINTS)


def _many_overlearn(dataset: xr.Dataset, pixels: str) -> Verdict:
    return below(*_gain(select(dataset, pixels), _MANY, over=_ENOUGH), unit=POINTS)


def _still_learns(dataset: xr.Dataset) -> Verdict:
    return above(*_gain(select(dataset, "raw"), _MANY, over=_ENOUGH, name="train_accuracy"), unit=POINTS)


def _loss_turns(dataset: xr.Dataset, pixels: str) -> Verdict:
    best, rest = find_best(select(dataset, pixels), "test_loss")
    return above(*_gain(rest, _MANY, over=best, name="test_loss"), unit="nats")


def _loss_turns_first(dataset: xr.Dataset) -> Verdict:
    runs = dataset.sel(pixels="raw")
    delay = find_turn(runs, "test_accuracy") - find_turn(runs, "test_loss")
    return above(*estimate(jr.stats.mean(runs.assign(delay=delay), "delay", dim="seed")), unit="epochs")


def _ten_is_best(dataset: xr.Dataset) -> Verdict:
    runs = select(dataset, "raw")[["test_accuracy", "diverged"]].sel(epoch=list(TUTORIAL_EPOCHS))
    return judge_best(runs, "epoch", _ENOUGH)


def _stopping_pays(dataset: xr.Dataset, pixels: str) -> Verdict:
    best, rest = find_best(select(dataset, pixels), "test_accuracy")
    return above(*_gain(rest, best, over=_MANY), unit=POINTS)


CLAIMS = (
    Claim(
        "Too few epochs under-learn: test accuracy is higher after 10 than after 5 (raw pixels)",
        "tutorial T5",
        partial(_few_underlearn, pixels="raw"),
    ),
    Claim(
        "Too few epochs under-learn: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        partial(_few_underlearn, pixels="scaled"),
    ),
    Claim(
        "Too many epochs over-learn: test accuracy is lower after 60 than after 10 (raw pixels)",
        "tutorial T5",
        partial(_many_overlearn, pixels="raw"),
    ),
    Claim(
        "Too many epochs over-learn: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        partial(_many_overlearn, pixels="scaled"),
    ),
    Claim(
        "What changes from 10 to 60 epochs is over-learning: training accuracy rises meanwhile (raw pixels)",
        "tutorial T5, by what over-learning means",
        _still_learns,
    ),
    Claim(
        "Test loss turns: it is higher after 60 epochs than before (raw pixels)",
        "tutorial T5, of the loss",
        partial(_loss_turns, pixels="raw"),
    ),
    Claim(
        "Test loss turns before test accuracy does (raw pixels; runs in which both turn)",
        "often observed; not in tutorial T5",
        _loss_turns_first,
    ),
    Claim(
        "Of 5, 10 and 60 epochs, 10 give the highest test accuracy (raw pixels)",
        "tutorial T5, its moral in its own numbers",
        _ten_is_best,
    ),
    Claim(
        "Stop in time: some number of epochs below 60 is more accurate than 60 (raw pixels)",
        "tutorial T5",
        partial(_stopping_pays, pixels="raw"),
    ),
    Claim(
        "Stop in time: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        partial(_stopping_pays, pixels="scaled"),
    ),
)

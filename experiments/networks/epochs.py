"""How many epochs does the network of tutorial T5 need, and are more too many? When does test loss turn?"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks.tutorial_network import (
    BATCH_SIZE,
    HIDDEN,
    LEARNING_RATE,
    Images,
    describe_data,
    lead,
    load_images,
    prepare,
)
from jaxreg.checks import check_integer
from jaxreg.claims import Above, Below, Claim, Estimate, estimate
from jaxreg.errors import ArgumentError
from jaxreg.study import choose, gain, held_out
from jaxreg.study.settings import ChoosingSeeds

TUTORIAL_EPOCHS = (5, 10, 60)
PIXELS = ("raw", "scaled")
CURVES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_SIZES = {"mnist": (1500, 6000), "digits": (None, None)}
_FEW, _ENOUGH, _MANY = TUTORIAL_EPOCHS


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: Images = "digits"
    """All of the 8 × 8 digits that come with jaxreg, or, as in T5, 1,500 training and 6,000 test images of MNIST."""
    seeds: ChoosingSeeds = 32
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
    return result.assign_attrs(**describe_data(config.dataset), **sizes)


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


def find_best(runs: xr.Dataset, name: str) -> int:
    """The epoch before the last at which the mean curve of every other seed is best."""
    return int(choose(runs.isel(epoch=slice(-1)), name, "epoch", least=name.endswith("loss")))


def select(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """The runs up to the tutorial's 60 epochs, accuracies in per cent."""
    runs = dataset.sel(pixels=pixels, epoch=slice(None, _MANY))
    if int(runs["epoch"][-1]) != _MANY:
        raise ArgumentError("epochs", int(runs["epoch"][-1]), f"must reach {_MANY}", "Train for so many, or more")
    accuracies = [name for name in CURVES if name.endswith("accuracy")]
    percent = {name: (100 * runs[name]).assign_attrs(units="%") for name in accuracies}
    losses = {name: runs[name].assign_attrs(units="nats") for name in CURVES if name not in accuracies}
    return runs.assign(percent | losses)


def _raw(dataset: xr.Dataset) -> xr.Dataset:
    return select(dataset, "raw")


def _scaled(dataset: xr.Dataset) -> xr.Dataset:
    return select(dataset, "scaled")


def _rise_of_loss(dataset: xr.Dataset) -> Estimate | None:
    """From its turn, chosen on every other seed, to the last epoch, on the rest."""
    runs = select(dataset, "raw")
    return gain("test_loss", "epoch", _MANY, find_best(runs, "test_loss"))(held_out(runs))


def _delay_of_accuracy(dataset: xr.Dataset) -> Estimate:
    runs = dataset.sel(pixels="raw")
    delay = find_turn(runs, "test_accuracy") - find_turn(runs, "test_loss")
    return estimate(jr.stats.mean(runs.assign(delay=delay), "delay", dim="seed"), "epochs")


def _lead_of_ten(dataset: xr.Dataset) -> Estimate:
    runs = select(dataset, "raw")[["test_accuracy", "diverged"]].sel(epoch=list(TUTORIAL_EPOCHS))
    return lead(runs, "epoch", _ENOUGH)


def _gain_of_stopping(dataset: xr.Dataset, pixels: str) -> Estimate | None:
    runs = select(dataset, pixels)
    return gain("test_accuracy", "epoch", find_best(runs, "test_accuracy"), _MANY)(held_out(runs))


_from_few, _from_enough = (
    partial(gain, axis="epoch", first=first, second=second) for second, first in pairwise(TUTORIAL_EPOCHS)
)


CLAIMS = (
    Claim(
        "Too few epochs under-learn: test accuracy is higher after 10 than after 5 (raw pixels)",
        "tutorial T5",
        _from_few("test_accuracy", runs=_raw),
        Above(0),
    ),
    Claim(
        "Too few epochs under-learn: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        _from_few("test_accuracy", runs=_scaled),
        Above(0),
    ),
    Claim(
        "Too many epochs over-learn: test accuracy is lower after 60 than after 10 (raw pixels)",
        "tutorial T5",
        _from_enough("test_accuracy", runs=_raw),
        Below(0),
    ),
    Claim(
        "Too many epochs over-learn: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        _from_enough("test_accuracy", runs=_scaled),
        Below(0),
    ),
    Claim(
        "What changes from 10 to 60 epochs is over-learning: training accuracy rises meanwhile (raw pixels)",
        "tutorial T5, by what over-learning means",
        _from_enough("train_accuracy", runs=_raw),
        Above(0),
    ),
    Claim(
        "Test loss turns: it is higher after 60 epochs than before (raw pixels)",
        "tutorial T5, of the loss",
        _rise_of_loss,
        Above(0),
    ),
    Claim(
        "Test loss turns before test accuracy does (raw pixels; runs in which both turn)",
        "often observed; not in tutorial T5",
        _delay_of_accuracy,
        Above(0),
    ),
    Claim(
        "Of 5, 10 and 60 epochs, 10 give the highest test accuracy (raw pixels)",
        "tutorial T5, its moral in its own numbers",
        _lead_of_ten,
        Above(0),
    ),
    Claim(
        "Stop in time: some number of epochs below 60 is more accurate than 60 (raw pixels)",
        "tutorial T5",
        partial(_gain_of_stopping, pixels="raw"),
        Above(0),
    ),
    Claim(
        "Stop in time: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        partial(_gain_of_stopping, pixels="scaled"),
        Above(0),
    ),
)

"""How many epochs does the network of tutorial T5 need, and are more too many? When does test loss turn?"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE, Domain
from jaxreg.study import Above, Below, Best, Claim, gain, mean
from jaxreg.study.settings import ChoosingSeeds

TUTORIAL_EPOCHS = (5, 10, 60)
CURVES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_SIZES = {"mnist": (1500, 6000), "digits": (None, None)}
_FEW, _ENOUGH, _MANY = TUTORIAL_EPOCHS


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run.

    Of MNIST, as there, 1,500 images are trained on, and 6,000 tested on.
    """

    seeds: ChoosingSeeds = 32
    """Number of trainings; each has its own initial weights and batches."""
    epochs: Annotated[int, Domain(_MANY, 100_000, whole=True)] = 120
    """Passes through the training data; a record after each gives every shorter training as well."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = t5.LEARNING_RATE
    """Learning rate of SGD."""
    batch_size: int = t5.BATCH_SIZE
    """Images per step."""


PRESETS = {
    "quick": Config(seeds=4, epochs=60, hidden=(32, 16)),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=256, epochs=240),
}
PLANS = {"paper": "about 2 hours on two cores; one H100 takes it in one call (14 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """The four `CURVES` over `pixels` ("raw" and "scaled"), `seed` and `epoch`, and the turns of the two of the test.

    A training of 5 epochs is the beginning of one of 60 from the same seed: the learning rate is constant, and what an
    epoch draws depends on the seed and on its number only. Hence one training answers for every number of epochs.
    """
    train, test = _SIZES.get(config.dataset, (None, None))
    data = t5.load_images(config.dataset, train=train, test=test)
    axes = {"pixels": t5.pixels(data), "seed": jr.seeds(config.seeds)}
    return add_turns(t5.train(config, axes, record=CURVES, data=data, **options))


def add_turns(runs: xr.Dataset) -> xr.Dataset:
    """The same with `test_loss_turn` and `test_accuracy_turn`: the epoch at which each run is at its best.

    That is of its lowest loss, or the first of its highest accuracy. A run that diverged has none, nor has one that is
    at its best after the last epoch: who knows what would follow. `delay` is the latter turn minus the former.
    """
    turns = {}
    for name, curve in (("test_loss", runs["test_loss"]), ("test_accuracy", -runs["test_accuracy"])):
        turn = runs["epoch"].isel(epoch=curve.fillna(np.inf).argmin("epoch")).drop_vars("epoch")
        turns[f"{name}_turn"] = turn.where(~runs["diverged"] & (turn < runs["epoch"][-1]))
    delay = (turns["test_accuracy_turn"] - turns["test_loss_turn"]).assign_attrs(units="epochs")
    return runs.assign(turns | {"delay": delay}).assign_attrs(tutorial_epochs=TUTORIAL_EPOCHS)


def select(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """The runs up to the tutorial's 60 epochs."""
    return dataset.sel(pixels=pixels, epoch=slice(None, _MANY))


_raw, _scaled = (partial(select, pixels=pixels) for pixels in ("raw", "scaled"))


_from_few, _from_enough = (
    partial(gain, axis="epoch", first=first, second=second) for second, first in pairwise(TUTORIAL_EPOCHS)
)
_stopping = partial(gain, "test_accuracy", "epoch", Best.MOST, _MANY)


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
        gain("test_loss", "epoch", _MANY, Best.LEAST, runs=_raw),
        Above(0),
    ),
    Claim(
        "Test loss turns before test accuracy does (raw pixels; runs in which both turn)",
        "often observed; not in tutorial T5",
        mean("delay", runs=_raw),
        Above(0),
    ),
    Claim(
        "Of 5, 10 and 60 epochs, 10 give the highest test accuracy (raw pixels)",
        "tutorial T5, its moral in its own numbers",
        t5.lead("epoch", _ENOUGH, runs=lambda dataset: _raw(dataset).sel(epoch=list(TUTORIAL_EPOCHS))),
        Above(0),
    ),
    Claim(
        "Stop in time: some number of epochs below 60 is more accurate than 60 (raw pixels)",
        "tutorial T5",
        _stopping(runs=_raw),
        Above(0),
    ),
    Claim(
        "Stop in time: the same on pixels scaled to 0…1",
        "tutorial T5, carried over to the usual preparation",
        _stopping(runs=_scaled),
        Above(0),
    ),
)

"""Which initial weights let the network of tutorial T5 learn fastest: does a scale made for ReLU matter to sigmoid?"""

from dataclasses import dataclass
from typing import Annotated, Any

import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.claims import Above, Claim, Inside
from jaxreg.nets import INITIALIZERS
from jaxreg.study import gain
from jaxreg.study.settings import Holds, Seeds


@dataclass(frozen=True, kw_only=True)
class Config(t5.Network):
    """Settings of the study, beside those of the tutorial's network."""

    seeds: Seeds = 16
    """Trainings from each kind of initial weights; a seed has the same batches and dropout in all of them."""
    initializers: Annotated[tuple[str, ...], Holds(("glorot_uniform", "he_normal"))] = tuple(INITIALIZERS)
    """Kinds of initial weights."""
    learning_rate: float = t5.LEARNING_RATE
    """Learning rate of SGD."""


PRESETS = {
    "quick": Config(seeds=8, initializers=("glorot_uniform", "he_normal"), epochs=5),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=128),
}


def run(config: Config, **options: Any) -> xr.Dataset:
    """`test_accuracy` after each epoch, by `initializer` and `seed`."""
    axes = {"initializer": jr.static(list(config.initializers)), "seed": jr.seeds(config.seeds)}
    return t5.train(config, axes, **options)


CLAIMS = (
    Claim(
        "Weights for ReLU (He) are more accurate than Keras' default (Glorot) after the first epoch",
        "He et al. (2015), who made them for ReLU",
        gain("test_accuracy", "initializer", "he_normal", "glorot_uniform", runs=lambda runs: runs.isel(epoch=0)),
        Above(0),
    ),
    Claim(
        "In the end the initial weights do not matter (less than a percentage point between the two)",
        "common practice of leaving the default",
        gain("test_accuracy", "initializer", "he_normal", "glorot_uniform", runs=t5.last),
        Inside(-1, 1),
    ),
)

"""Which layers and units are best? The networks A, B and C of tutorial T5, at its learning rate and at their own."""

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
    DROPOUT,
    LEARNING_RATE,
    Images,
    choose_best,
    count_epochs,
    describe_data,
    last_accuracy,
    lead,
    load_images,
    require,
)
from jaxreg.claims import Above, Claim, Estimate
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_hidden, check_strength
from jaxreg.study import at, choose, gain, held_out, share
from jaxreg.study.settings import ChoosingSeeds

TUTORIAL = {"A": (256, 128), "B": (256, 128, 128, 128), "C": (256, 1568)}
TUTORIAL_CHOICE = "A"
PIXELS = ("raw", "scaled")
_EPOCHS = 3
_CLASSES = 10


@dataclass(frozen=True)
class Config:
    """Settings of the study; networks and training are those of tutorial T5, with a population in place of one run."""

    dataset: Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    seeds: ChoosingSeeds = 10
    """Number of runs of each network; a seed has the same batches for all networks and learning rates."""
    learning_rates: tuple[float, ...] = (0.1, 0.5, 2.0)
    """Learning rates, with the tutorial's 0.1 among them."""
    a: tuple[int, ...] = TUTORIAL["A"]
    """Units of each hidden layer of network A."""
    b: tuple[int, ...] = TUTORIAL["B"]
    """Units of each hidden layer of network B."""
    c: tuple[int, ...] = TUTORIAL["C"]
    """Units of each hidden layer of network C."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 3, and for the fewer digits 14, as many steps."""


PRESETS = {
    "quick": Config(seeds=4, learning_rates=(0.1, 0.3), c=(256, 256), epochs=3),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, learning_rates=(0.01, 0.0316, 0.1, 0.178, 0.316, 0.562, 1.0, 1.78, 3.16)),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train the three networks at every learning rate, from every seed, on pixels as they are and from 0 to 1.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset of `test_accuracy` after each `epoch`, with dropout off, over `network` ("A", "B" or "C"), `pixels`
        ("raw" or "scaled"), `seed` and `learning_rate`; `parameters` of each network, and its `layers`, as text. As
        attributes, the `dataset` and its `brightest` possible pixel.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    networks = dict(zip(TUTORIAL, (config.a, config.b, config.c), strict=True))
    for hidden in networks.values():
        check_hidden(hidden)
        if not hidden:
            raise ArgumentError("hidden", hidden, "must have a layer", "Give the units of one or more")
    require("learning_rates", config.learning_rates, (LEARNING_RATE,))
    for rate in config.learning_rates:
        check_strength("learning_rates", rate, "Give step sizes such as 0.1")
    data = load_images(config.dataset)
    epochs = count_epochs(config.dataset, config.epochs, _EPOCHS)
    result = jr.sweep(
        partial(learn, activation=config.activation, epochs=epochs),
        {
            "network": jr.cases({name: {"hidden": hidden} for name, hidden in networks.items()}),
            "pixels": jr.cases({"raw": {"scale": 1.0}, "scaled": {"scale": 1 / data.about.brightest}}),
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
        },
        args=data[:4],
        dims={"test_accuracy": {"epoch": np.arange(1, epochs + 1)}},
        store=store,
        progress=progress,
    )
    pixels = data.x_train.shape[1]
    return result.assign(
        parameters=("network", [count_parameters((pixels, *hidden, _CLASSES)) for hidden in networks.values()]),
        layers=("network", ["-".join(map(str, hidden)) for hidden in networks.values()]),
    ).assign_attrs(**describe_data(config.dataset), tutorial_rate=LEARNING_RATE, brightest=data.about.brightest)


def learn(*data: Any, scale: Any, **settings: Any) -> dict[str, Any]:
    """Test accuracy after each epoch of one training, with dropout before the output."""
    x_train, y_train, x_test, y_test = data
    shared: dict[str, Any] = {"dropout": DROPOUT, "batch_size": BATCH_SIZE, "evaluate_train": False}
    history = jr.nets.train(x_train * scale, y_train, x_test * scale, y_test, **shared, **settings)
    return {"test_accuracy": history["test_accuracy"]}


def count_parameters(sizes: tuple[int, ...]) -> int:
    """Weights and biases of a network with so many inputs, hidden units and outputs.

    >>> count_parameters((784, 256, 128, 10))
    235146
    """
    return sum((before + 1) * after for before, after in pairwise(sizes))


def select_tutorial(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """Last accuracies, in per cent, over network and seed, at the tutorial's learning rate."""
    return at(last_accuracy(dataset).sel(pixels=pixels), learning_rate=LEARNING_RATE)


def tune(dataset: xr.Dataset, pixels: str) -> xr.Dataset:
    """Last accuracies of each network at its own learning rate: best on every other seed, shown on the rest."""
    runs = last_accuracy(dataset).sel(pixels=pixels)
    return held_out(at(runs, learning_rate=choose(runs, "test_accuracy", "learning_rate")))


def _lead(dataset: xr.Dataset, pixels: str) -> Estimate:
    return lead(select_tutorial(dataset, pixels), "network", TUTORIAL_CHOICE)


def _tuned_lead(dataset: xr.Dataset, pixels: str) -> Estimate:
    return lead(tune(dataset, pixels), "network", TUTORIAL_CHOICE)


def _share_of_telling_runs(dataset: xr.Dataset) -> Estimate:
    """Share of seeds in which the most accurate of the three is the one that is so in the mean."""
    runs = select_tutorial(dataset, "raw")
    best = choose_best(runs, "test_accuracy", "network")
    accuracy = runs["test_accuracy"]
    wins = (accuracy.sel(network=best) > accuracy.drop_sel(network=best)).all("network")
    return share("wins")(xr.Dataset({"wins": wins, "diverged": runs["diverged"].any("network")}))


def _gain_of_deep(dataset: xr.Dataset) -> Estimate | None:
    """Accuracy of B at its own learning rate minus that at the tutorial's, on the seeds that did not choose it."""
    tuned = tune(dataset, "raw").drop_vars("learning_rate")
    plain = held_out(select_tutorial(dataset, "raw"))
    both = xr.concat([runs.sel(network="B") for runs in (tuned, plain)], "rate").assign_coords(rate=["own", "0.1"])
    return gain("test_accuracy", "rate", "own", "0.1")(both)


CLAIMS = (
    Claim(
        "Of the networks A, B and C, A is the most accurate (raw pixels)",
        "tutorial T5",
        partial(_lead, pixels="raw"),
        Above(0),
    ),
    Claim(
        "One run of each shows which is the most accurate (in more than 95 % of seeds; raw pixels)",
        "tutorial T5, which shows one",
        _share_of_telling_runs,
        Above(95),
    ),
    Claim(
        "Of A, B and C, A is the most accurate on pixels scaled to 0…1, too",
        "tutorial T5, carried over to the usual preparation",
        partial(_lead, pixels="scaled"),
        Above(0),
    ),
    Claim(
        "A stays the most accurate where each network has the best of the learning rates for it (raw pixels)",
        "tutorial T5, which gives all of them 0.1",
        partial(_tuned_lead, pixels="raw"),
        Above(0),
    ),
    Claim(
        "A stays the most accurate where each network has the best of the learning rates for it (pixels from 0 to 1)",
        "tutorial T5, carried over to the usual preparation",
        partial(_tuned_lead, pixels="scaled"),
        Above(0),
    ),
    Claim(
        "The deep network B is more accurate at the best of the learning rates for it than at 0.1 (raw pixels)",
        "what tutorial T5 does not ask",
        _gain_of_deep,
        Above(0),
    ),
)

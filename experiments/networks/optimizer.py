"""Which optimizer trains the network of tutorial T5 best: each at its default learning rate, and at its best one?"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tuned_rates
from experiments.networks import tutorial_network as t5
from experiments.networks.tuned_rates import compare_best_rates, half_decades
from jaxreg.checks import check_choice, check_integer
from jaxreg.claims import Above, Below, Claim, Estimate, Inside
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_strength
from jaxreg.nets.optimizers import OPTIMIZERS
from jaxreg.study import at, gain, held_out
from jaxreg.study.settings import ChoosingSeeds

DEFAULTS = {
    "sgd": 0.01,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adagrad": 0.001,
    "rmsprop": 0.001,
    "adam": 0.001,
    "adamw": 0.001,
    "lion": 0.001,
}
"""Learning rates that Keras 3 has where none is given; for both kinds of momentum, that of its SGD."""


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    scale: bool = False
    """Whether pixels are scaled to 0…1; the tutorial's are not."""
    optimizers: tuple[str, ...] = tuple(DEFAULTS)
    """Optimizers to compare."""
    learning_rates: tuple[float, ...] = half_decades(-8, 0)
    """Learning rates that each of them is tried at, with the defaults among them."""
    seeds: ChoosingSeeds = 16
    """Trainings with each setting: half of them to choose the best rate on, half to measure it on."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 3, and for the fewer digits 14, as many steps."""
    momentum: float = 0.9
    """Momentum, of both kinds."""
    weight_decay: float = 0.004
    """Decoupled decay of AdamW; this is Keras' default."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    dropout: float = t5.DROPOUT
    """Share of the last hidden layer's outputs that is dropped in training."""
    batch_size: int = t5.BATCH_SIZE
    """Images per step."""


PRESETS = {
    "quick": Config(optimizers=("sgd", "adam"), seeds=8, learning_rates=half_decades(-7, -1), epochs=5),
    "laptop": Config(),
    "paper": Config("mnist", learning_rates=half_decades(-12, 2), seeds=64),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train with every optimizer at every learning rate, from every seed.

    Args:
        config: settings.
        store: directory that keeps the trainings, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset of `test_loss` and `test_accuracy` after each epoch, with dropout off, over `optimizer`, `seed`,
        `learning_rate` and `epoch`; and over `optimizer`, of its `default_rate` and its `best_rate`, which has the
        highest mean accuracy on the even seeds (the odd ones are to measure it on).

    Raises:
        ArgumentError: a setting outside its domain.
    """
    for rate in config.learning_rates:
        check_strength("learning_rates", rate, "Give step sizes such as 0.1")
    for name in config.optimizers:
        check_choice("optimizers", name, sorted(OPTIMIZERS))
    check_integer("seeds", config.seeds, 4, float("inf"), "Give two or more to choose on and two or more to measure on")
    defaults = {DEFAULTS[name] for name in config.optimizers}
    if not defaults <= set(config.learning_rates):
        constraint = f"must hold the defaults {', '.join(map(str, sorted(defaults)))}"
        raise ArgumentError("learning_rates", config.learning_rates, constraint, "Add them")
    data = t5.load_images(config.dataset, scale=config.scale)
    epochs = t5.count_epochs(config.dataset, config.epochs, tutorial=3)
    recorded = {"epoch": np.arange(1, epochs + 1)}
    names = ("momentum", "weight_decay", "hidden", "activation", "dropout", "batch_size")
    result = jr.sweep(
        partial(follow, epochs=epochs, **{name: getattr(config, name) for name in names}),
        {
            "optimizer": jr.static(list(config.optimizers)),
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
        },
        args=data[:4],
        dims={"test_loss": recorded, "test_accuracy": recorded},
        store=store,
        progress=progress,
    )
    return result.assign(
        default_rate=("optimizer", [DEFAULTS[name] for name in config.optimizers]),
        best_rate=tuned_rates.find_best_rates(result),
    ).assign_attrs(**t5.describe_data(config.dataset))


def follow(*data: Any, optimizer: str, momentum: float, weight_decay: float, **settings: Any) -> dict[str, Any]:
    """One training."""
    if optimizer in ("momentum", "nesterov"):
        settings["momentum"] = momentum
    if optimizer == "adamw":
        settings["decoupled_weight_decay"] = weight_decay
    history = jr.nets.train(*data, optimizer=optimizer, evaluate_train=False, **settings)
    return {name: history[name] for name in ("test_loss", "test_accuracy")}


def _at_defaults(dataset: xr.Dataset) -> xr.Dataset:
    return at(t5.last_accuracy(dataset), learning_rate=dataset["default_rate"])


_by_default = partial(gain, "test_accuracy", "optimizer", runs=_at_defaults)
_tuned = partial(gain, "test_accuracy", "optimizer", runs=tuned_rates.tuned)


def _gain_by_tuning(dataset: xr.Dataset, name: str) -> Estimate | None:
    """Accuracy at the best rate minus that at the default, on the seeds that the former was not chosen on."""
    if name not in dataset["optimizer"].values:
        return None
    choices = [tuned_rates.tuned(dataset), held_out(_at_defaults(dataset))]
    runs = xr.concat([part.sel(optimizer=name, drop=True) for part in choices], "choice")
    return gain("test_accuracy", "choice", "best", "default")(runs.assign_coords(choice=["best", "default"]))


def _ratio_of_best_rates(dataset: xr.Dataset, first: str, second: str) -> Estimate | None:
    """How many times smaller the best learning rate of the first is."""
    decades = compare_best_rates(dataset, "optimizer", second, first)
    return None if decades is None else decades.exponential("times", base=10)


CLAIMS = (
    Claim(
        "Adam is more accurate than SGD, each at its default learning rate",
        "common practice; tutorial T5 compares optimizers at one rate each",
        _by_default("adam", "sgd"),
        Above(0),
    ),
    Claim(
        "Adam is more accurate than SGD, each at its best learning rate",
        "common practice",
        _tuned("adam", "sgd"),
        Above(0),
    ),
    Claim(
        "Adam needs little tuning: its best learning rate gains less than one percentage point over its default",
        "Kingma and Ba (2015)",
        partial(_gain_by_tuning, name="adam"),
        Below(1),
    ),
    Claim(
        "Tuned, momentum is never worse than SGD, a special case of it (by more than half a percentage point)",
        "Choi et al. (2019)",
        _tuned("momentum", "sgd"),
        Above(-0.5),
    ),
    Claim(
        "Nesterov's momentum is more accurate than the classical one, both tuned",
        "Sutskever et al. (2013)",
        _tuned("nesterov", "momentum"),
        Above(0),
    ),
    Claim(
        "AdamW is more accurate than Adam, both tuned",
        "Loshchilov and Hutter (2019)",
        _tuned("adamw", "adam"),
        Above(0),
    ),
    Claim(
        "Lion's best learning rate is 3 to 10 times smaller than AdamW's",
        "Chen et al. (2023)",
        partial(_ratio_of_best_rates, first="lion", second="adamw"),
        Inside(3.0, 10.0),
    ),
)

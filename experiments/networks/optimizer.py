"""Which optimizer trains the network of tutorial T5 best: each at its default learning rate, and at its best one?"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.tutorial_network import powers_of_ten
from jaxreg.checks import NOT_NEGATIVE, check_choice
from jaxreg.errors import ArgumentError
from jaxreg.nets.optimizers import OPTIMIZERS
from jaxreg.study import Above, Below, Claim, Estimate, Inside, at, gain
from jaxreg.study.settings import ChoosingSeeds

DEFAULTS = dict.fromkeys(("sgd", "momentum", "nesterov"), 0.01)
DEFAULTS |= dict.fromkeys(("adagrad", "rmsprop", "adam", "adamw", "lion"), 0.001)
"""Learning rates that Keras 3 has where none is given; for both kinds of momentum, that of its SGD."""


@dataclass(frozen=True, kw_only=True)
class Config(t5.Network):
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    optimizers: tuple[str, ...] = tuple(DEFAULTS)
    """Optimizers to compare."""
    learning_rates: Annotated[tuple[float, ...], NOT_NEGATIVE] = powers_of_ten(-8, 0)
    """Learning rates that each of them is tried at, with the defaults among them."""
    seeds: ChoosingSeeds = 16
    """Trainings with each setting: half of them to choose the best rate on, half to measure it on."""
    scale: bool = False
    """Whether pixels are scaled to 0…1; the tutorial's are not."""
    momentum: float = 0.9
    """Momentum, of both kinds."""
    weight_decay: float = 0.004
    """Decoupled decay of AdamW; this is Keras' default."""


PRESETS = {
    "quick": Config(optimizers=("sgd", "adam"), seeds=8, learning_rates=powers_of_ten(-7, -1), epochs=5),
    "laptop": Config(),
    "paper": Config(dataset="mnist", learning_rates=powers_of_ten(-12, 2), seeds=64),
}
PLANS = {"paper": "1 h 40 on two cores; one H100 takes it in 8 calls (4 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """`test_loss` and `test_accuracy` after each epoch, by optimizer, with its `default_rate` and its `best_rate`."""
    for name in config.optimizers:
        check_choice("optimizers", name, sorted(OPTIMIZERS))
    defaults = [DEFAULTS[name] for name in config.optimizers]
    if not set(defaults) <= set(config.learning_rates):
        constraint = f"must hold the defaults {', '.join(map(str, sorted(set(defaults))))}"
        raise ArgumentError("learning_rates", config.learning_rates, constraint, "Add them")
    momentum = {"momentum": config.momentum}
    more = {"momentum": momentum, "nesterov": momentum, "adamw": {"decoupled_weight_decay": config.weight_decay}}
    axes = {"optimizer": jr.static(list(config.optimizers))} | t5.seeds_and_rates(config)
    runs = t5.train(config, axes, record=("test_loss", "test_accuracy"), learn=follow, more=more, **options)
    return t5.add_best_rate(runs.assign(default_rate=("optimizer", defaults)))


def follow(*data: Any, optimizer: str, more: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """One training, with what is the optimizer's own."""
    return t5.follow(*data, optimizer=optimizer, **settings, **more.get(optimizer, {}))


def at_defaults(runs: xr.Dataset) -> xr.Dataset:
    """Each optimizer at its default rate, after the last epoch."""
    return at(t5.last(runs), learning_rate="default_rate")


_by_default = partial(gain, "test_accuracy", "optimizer", runs=at_defaults)
_tuned = partial(gain, "test_accuracy", "optimizer", runs=t5.tuned_last)


def _gain_by_tuning(runs: xr.Dataset, name: str) -> Estimate | None:
    """Accuracy at the best rate minus that at the default, on the seeds that the former was not chosen on."""
    if name not in runs["optimizer"].values:
        return None
    return t5.gain_by_tuning(*(part(runs.sel(optimizer=name)) for part in (t5.tuned_last, at_defaults)))


def _ratio_of_best_rates(runs: xr.Dataset, first: str, second: str) -> Estimate | None:
    """How many times smaller the best learning rate of the first is."""
    decades = t5.compare_best_rates(runs, "optimizer", second, first)
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

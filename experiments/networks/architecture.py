"""Which layers and units are best? The networks A, B and C of tutorial T5, at its learning rate and at their own."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_hidden
from jaxreg.study import Above, Claim, Estimate
from jaxreg.study.settings import ChoosingSeeds, Holds

TUTORIAL = {"A": (256, 128), "B": (256, 128, 128, 128), "C": (256, 1568)}
TUTORIAL_CHOICE = "A"


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; networks and training are those of tutorial T5, with a population in place of one run."""

    seeds: ChoosingSeeds = 10
    """Number of runs of each network; a seed has the same batches for all networks and learning rates."""
    learning_rates: Annotated[tuple[float, ...], NOT_NEGATIVE, Holds((t5.LEARNING_RATE,))] = (0.1, 0.5, 2.0)
    """Learning rates, with the tutorial's 0.1 among them."""
    a: tuple[int, ...] = TUTORIAL["A"]
    """Units of each hidden layer of network A."""
    b: tuple[int, ...] = TUTORIAL["B"]
    """Units of each hidden layer of network B."""
    c: tuple[int, ...] = TUTORIAL["C"]
    """Units of each hidden layer of network C."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""


PRESETS = {
    "quick": Config(seeds=4, learning_rates=(0.1, 0.3), c=(256, 256), epochs=3),
    "laptop": Config(),
    "paper": Config(
        dataset="mnist", seeds=128, learning_rates=(0.01, 0.0316, 0.1, 0.178, 0.316, 0.562, 1.0, 1.78, 3.16)
    ),
}
PLANS = {"paper": "45 minutes on two cores; one H100 takes it in 6 calls (40 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """`test_accuracy` after each epoch by `network`, `pixels` and `learning_rate`, with the `best_rate` of each.

    Over `network` there are its number of `parameters`, and its `layers`, as text.
    """
    networks = dict(zip(TUTORIAL, (config.a, config.b, config.c), strict=True))
    for hidden in networks.values():
        check_hidden(hidden)
        if not hidden:
            raise ArgumentError("hidden", hidden, "must have a layer", "Give the units of one or more")
    data = t5.load_images(config.dataset)
    cases = jr.cases({name: {"hidden": hidden} for name, hidden in networks.items()})
    axes = {"network": cases, "pixels": t5.pixels(data)} | t5.seeds_and_rates(config)
    sizes = [(data.x_train.shape[1], *hidden, len(data.about.classes)) for hidden in networks.values()]
    return t5.add_best_rate(t5.train(config, axes, data=data, dropout=t5.DROPOUT, **options)).assign(
        parameters=("network", [sum((before + 1) * after for before, after in pairwise(size)) for size in sizes]),
        layers=("network", ["-".join(map(str, hidden)) for hidden in networks.values()]),
    )


def _gain_of_deep(dataset: xr.Dataset) -> Estimate | None:
    """Accuracy of B at its own learning rate minus that at the tutorial's, on the seeds that did not choose it."""
    return t5.gain_by_tuning(*(runs(dataset, network="B", pixels="raw") for runs in (t5.tuned_last, t5.at_tutorials)))


CLAIMS = (
    Claim(
        "Of the networks A, B and C, A is the most accurate (raw pixels)",
        "tutorial T5",
        t5.lead("network", TUTORIAL_CHOICE, runs=partial(t5.at_tutorials, pixels="raw")),
        Above(0),
    ),
    Claim(
        "One run of each shows which is the most accurate (in more than 95 % of seeds; raw pixels)",
        "tutorial T5, which shows one",
        t5.share_of_telling_seeds("network", runs=partial(t5.at_tutorials, pixels="raw")),
        Above(95),
    ),
    Claim(
        "Of A, B and C, A is the most accurate on pixels scaled to 0…1, too",
        "tutorial T5, carried over to the usual preparation",
        t5.lead("network", TUTORIAL_CHOICE, runs=partial(t5.at_tutorials, pixels="scaled")),
        Above(0),
    ),
    Claim(
        "A stays the most accurate where each network has the best of the learning rates for it (raw pixels)",
        "tutorial T5, which gives all of them 0.1",
        t5.lead("network", TUTORIAL_CHOICE, runs=partial(t5.tuned_last, pixels="raw")),
        Above(0),
    ),
    Claim(
        "A stays the most accurate where each network has the best of the learning rates for it (pixels from 0 to 1)",
        "tutorial T5, carried over to the usual preparation",
        t5.lead("network", TUTORIAL_CHOICE, runs=partial(t5.tuned_last, pixels="scaled")),
        Above(0),
    ),
    Claim(
        "The deep network B is more accurate at the best of the learning rates for it than at 0.1 (raw pixels)",
        "what tutorial T5 does not ask",
        _gain_of_deep,
        Above(0),
    ),
)

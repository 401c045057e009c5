"""Mean squared error or cross-entropy: what do they cost, how do they push, and which trains better (T5)?"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.tutorial_network import powers_of_ten
from jaxreg.checks import NOT_NEGATIVE
from jaxreg.nets.evaluation import LOSSES
from jaxreg.study import Above, Below, Claim, Estimate, exactly, gain
from jaxreg.study.settings import ChoosingSeeds, Holds

KINDS = ("cross_entropy", "mean_squared_error")
# Three images of three classes: right and sure, right and unsure, wrong.
TARGETS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PREDICTIONS = ((0.7, 0.2, 0.1), (0.3, 0.4, 0.3), (0.6, 0.3, 0.1))
_BY_HAND = {
    "cross_entropy": -(math.log(0.7) + math.log(0.4) + math.log(0.1)) / 3,
    "mean_squared_error": (0.09 + 0.04 + 0.01 + 0.09 + 0.36 + 0.09 + 0.36 + 0.09 + 0.81) / 9,
}
_SURE_AND_WRONG = 0.01


@dataclass(frozen=True, kw_only=True)
class Config(t5.Network):
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    seeds: ChoosingSeeds = 32
    """Trainings with each setting: half of them to choose the best rate on, half to measure it on."""
    learning_rates: Annotated[tuple[float, ...], NOT_NEGATIVE, Holds((t5.LEARNING_RATE,))] = powers_of_ten(-4, 3)
    """Learning rates, with the tutorial's 0.1 among them."""


PRESETS = {
    "quick": Config(seeds=8, epochs=5),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=128, learning_rates=powers_of_ten(-6, 4)),
}


def run(config: Config, **options: Any) -> xr.Dataset:
    """`test_accuracy` after each epoch by `loss`, with the `best_rate` of each; and the worked examples.

    Of three images, `prediction` and `target` over `image` and `class`, and their `example_loss` over `loss` and
    `image`. Of two classes, over the `probability` given to the right one, the loss (`value`) and its `gradient` in the
    logit of the right class.
    """
    axes = {"loss": jr.static(list(KINDS))} | t5.seeds_and_rates(config)
    return t5.add_best_rate(t5.train(config, axes, **options)).assign(work_examples())


def work_examples() -> xr.Dataset:
    """The losses of three predictions, image by image, and both losses of two classes with their gradients.

    >>> [round(float(x), 3) for x in work_examples()["example_loss"].sel(loss="cross_entropy")]
    [0.357, 0.916, 2.303]
    """
    probability = np.round(np.arange(1, 200) * 0.005, 3)

    @jax.jit
    def work(predictions: Any, targets: Any, logits: Any) -> list[tuple[Any, Any, Any]]:
        """Of each loss, those of the images, and of two classes, of which the other's logit is 0, with its slope."""

        def lose(kind: str, z: Any) -> Any:
            return LOSSES[kind](jnp.stack([z, 0 * z]), jnp.array([1.0, 0.0]))

        pushes = [jax.vmap(jax.value_and_grad(partial(lose, kind)))(logits) for kind in KINDS]
        # The softmax of logarithms of probabilities is these probabilities.
        return [(LOSSES[kind](jnp.log(predictions), targets), *push) for kind, push in zip(KINDS, pushes, strict=True)]

    numbers = (PREDICTIONS, TARGETS, np.log(probability / (1 - probability)))
    worked = work(*(np.array(part, np.float32) for part in numbers))
    losses, values, slopes = map(np.array, zip(*worked, strict=True))
    return xr.Dataset(
        {
            "target": (("image", "class"), np.array(TARGETS)),
            "prediction": (("image", "class"), np.array(PREDICTIONS)),
            "example_loss": (("loss", "image"), losses),
            "value": (("loss", "probability"), values),
            "gradient": (("loss", "probability"), slopes),
        },
        {"loss": list(KINDS), "probability": probability},
    )


def _error_by_hand(dataset: xr.Dataset, kind: str) -> Estimate:
    error = abs(float(dataset["example_loss"].sel(loss=kind).mean()) - _BY_HAND[kind])
    return exactly(error, 1, "from the number by hand")


def _ratio_of_pushes(dataset: xr.Dataset) -> Estimate:
    """Gradient of the squared error over that of cross-entropy, where the network is sure and wrong."""
    push = dataset["gradient"].sel(probability=_SURE_AND_WRONG, method="nearest")
    ratio = float(push.sel(loss="mean_squared_error") / push.sel(loss="cross_entropy"))
    return exactly(ratio, 1, "times")


def _tuned_first(runs: xr.Dataset) -> xr.Dataset:
    """Each loss at its best rate, after the first epoch."""
    return t5.tuned(runs.isel(epoch=0))


_gain = partial(gain, "test_accuracy", "loss", *KINDS)


CLAIMS = (
    Claim(
        "The cross-entropy of the three predictions with one-hot targets is 1.192 nats",
        "worked example, as in tutorial T5",
        partial(_error_by_hand, kind="cross_entropy"),
        Below(1e-5),
    ),
    Claim(
        "The mean squared error of the same predictions is 0.2156",
        "worked example, as in tutorial T5",
        partial(_error_by_hand, kind="mean_squared_error"),
        Below(1e-5),
    ),
    Claim(
        "Where the softmax is sure and wrong, the squared error hardly pushes it (less than a tenth of cross-entropy)",
        "common advice for classifiers",
        _ratio_of_pushes,
        Below(0.1),
    ),
    Claim(
        "Cross-entropy is more accurate than mean squared error at the tutorial's learning rate of 0.1",
        "tutorial T5, which trains with cross-entropy",
        _gain(runs=t5.at_tutorials),
        Above(0),
    ),
    Claim(
        "Cross-entropy is more accurate than mean squared error, each at its best learning rate",
        "common advice for classifiers",
        _gain(runs=t5.tuned_last),
        Above(0),
    ),
    Claim(
        "Cross-entropy learns faster: more accurate after the first epoch, each at its best learning rate",
        "common advice for classifiers",
        _gain(runs=_tuned_first),
        Above(0),
    ),
    Claim(
        "Mean squared error wants a larger learning rate than cross-entropy",
        "gradients above",
        partial(t5.compare_best_rates, dim="loss", first=KINDS[1], second=KINDS[0]),
        Above(0),
    ),
)

"""Mean squared error or cross-entropy: what do they cost, how do they push, and which trains better (T5)?"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tuned_rates
from experiments.networks import tutorial_network as t5
from experiments.networks.tuned_rates import compare_best_rates, half_decades
from jaxreg.checks import check_integer
from jaxreg.claims import Above, Below, Claim, Estimate, exactly
from jaxreg.nets.boundary import check_strength
from jaxreg.nets.evaluation import LOSSES
from jaxreg.study import at, gain
from jaxreg.study.settings import ChoosingSeeds

KINDS = ("cross_entropy", "mean_squared_error")
# Three images of three classes: right and sure, right and unsure, wrong.
TARGETS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PREDICTIONS = ((0.7, 0.2, 0.1), (0.3, 0.4, 0.3), (0.6, 0.3, 0.1))
_BY_HAND = {
    "cross_entropy": -(math.log(0.7) + math.log(0.4) + math.log(0.1)) / 3,
    "mean_squared_error": (0.09 + 0.04 + 0.01 + 0.09 + 0.36 + 0.09 + 0.36 + 0.09 + 0.81) / 9,
}
_SURE_AND_WRONG = 0.01


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    seeds: ChoosingSeeds = 32
    """Trainings with each setting: half of them to choose the best rate on, half to measure it on."""
    learning_rates: tuple[float, ...] = half_decades(-4, 3)
    """Learning rates, with the tutorial's 0.1 among them."""
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


PRESETS = {
    "quick": Config(seeds=8, epochs=5),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, learning_rates=half_decades(-6, 4)),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Compute the worked examples and the two losses' gradients; train with each at every learning rate.

    Args:
        config: settings.
        store: directory that keeps the trainings, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset of `test_accuracy` after each epoch, with dropout off, over `loss` ("cross_entropy" and
        "mean_squared_error"), `seed`, `learning_rate` and `epoch`, and of the `best_rate` of each loss, which has the
        highest mean accuracy on the even seeds.

        Of the worked example, `prediction` and `target` over `image` and `class`, and its `example_loss` over `loss`
        and `image`. Of two classes, over the `probability` given to the right one, the loss (`value`) and its
        `gradient` in the logit of the right class.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    for rate in config.learning_rates:
        check_strength("learning_rates", rate, "Give step sizes such as 0.1")
    t5.require("learning_rates", config.learning_rates, (t5.LEARNING_RATE,))
    check_integer("seeds", config.seeds, 4, math.inf, "Give two or more to choose on and two or more to measure on")
    data = t5.load_images(config.dataset)
    epochs = t5.count_epochs(config.dataset, config.epochs, tutorial=3)
    names = ("hidden", "activation", "dropout", "batch_size")
    result = jr.sweep(
        partial(follow, epochs=epochs, **{name: getattr(config, name) for name in names}),
        {
            "loss": jr.static(list(KINDS)),
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
        },
        args=data[:4],
        dims={"test_accuracy": {"epoch": np.arange(1, epochs + 1)}},
        store=store,
        progress=progress,
    )
    best = tuned_rates.find_best_rates(result)
    return (
        result.assign(work_examples())
        .assign(best_rate=best)
        .assign_attrs(**t5.describe_data(config.dataset), tutorial_rate=t5.LEARNING_RATE)
    )


def follow(*data: Any, **settings: Any) -> dict[str, Any]:
    """One training."""
    return {"test_accuracy": jr.nets.train(*data, evaluate_train=False, **settings)["test_accuracy"]}


def work_examples() -> xr.Dataset:
    """The losses of three predictions, image by image, and both losses of two classes with their gradients.

    >>> [round(float(x), 3) for x in work_examples()["example_loss"].sel(loss="cross_entropy")]
    [0.357, 0.916, 2.303]
    """
    targets, predictions = jnp.array(TARGETS), jnp.array(PREDICTIONS)
    # The softmax of logarithms of probabilities is these probabilities.
    losses = [np.asarray(LOSSES[kind](jnp.log(predictions), targets)) for kind in KINDS]
    probability = np.round(np.arange(1, 200) * 0.005, 3)
    logits = jnp.asarray(np.log(probability / (1 - probability)), jnp.float32)

    def push(kind: str) -> tuple[Any, Any]:
        """Loss of two classes, of which the other's logit is 0, and its slope."""
        return jax.vmap(jax.value_and_grad(lambda z: LOSSES[kind](jnp.stack([z, 0 * z]), jnp.array([1.0, 0.0]))))(
            logits
        )

    curves = np.array([push(kind) for kind in KINDS])
    return xr.Dataset(
        {
            "target": (("image", "class"), np.array(TARGETS)),
            "prediction": (("image", "class"), np.array(PREDICTIONS)),
            "example_loss": (("loss", "image"), np.array(losses)),
            "value": (("loss", "probability"), curves[:, 0]),
            "gradient": (("loss", "probability"), curves[:, 1]),
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


def _at_tutorials(dataset: xr.Dataset) -> xr.Dataset:
    return at(t5.last_accuracy(dataset), learning_rate=t5.LEARNING_RATE)


def _decades_of_rates(dataset: xr.Dataset) -> Estimate | None:
    return compare_best_rates(dataset, "loss", KINDS[1], KINDS[0])


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
        _gain(runs=_at_tutorials),
        Above(0),
    ),
    Claim(
        "Cross-entropy is more accurate than mean squared error, each at its best learning rate",
        "common advice for classifiers",
        _gain(runs=tuned_rates.tuned),
        Above(0),
    ),
    Claim(
        "Cross-entropy learns faster: more accurate after the first epoch, each at its best learning rate",
        "common advice for classifiers",
        _gain(runs=partial(tuned_rates.tuned, epoch=0)),
        Above(0),
    ),
    Claim(
        "Mean squared error wants a larger learning rate than cross-entropy",
        "gradients above",
        _decades_of_rates,
        Above(0),
    ),
)

"""Does dropout bring training and test accuracy closer, at which rate, and on which layer? Tutorials T5 and T3."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks.tutorial_network import (
    BATCH_SIZE,
    DROPOUT,
    HIDDEN,
    LEARNING_RATE,
    POINTS,
    Images,
    count_epochs,
    describe_data,
    load_images,
    require,
)
from jaxreg.claims import Above, Below, Claim, Estimate, estimate
from jaxreg.errors import ArgumentError
from jaxreg.nets import MLP, keep_mask, multiplier
from jaxreg.nets.boundary import read_dropout
from jaxreg.study import choose, gain, held_out, share
from jaxreg.study.settings import ChoosingSeeds

POSITIONS = ("input", "first hidden", "last hidden", "every hidden")
TUTORIAL_POSITION = "last hidden"
CASE_STUDY_RATE = 0.25  # of T3, on every hidden layer
_EPOCHS = 5


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of tutorial T5, with a population in place of one run."""

    dataset: Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    seeds: ChoosingSeeds = 24
    """Number of runs of each kind; a seed has the same initial weights and batches in all of them."""
    rates: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    """Shares of the units that are dropped; with 0, T3's 0.25 and T5's 0.5 among them."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 5, and for the fewer digits 23, as many steps."""
    hidden: tuple[int, ...] = HIDDEN
    """Units of each hidden layer, of which there are two or more."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    learning_rate: float = LEARNING_RATE
    """Learning rate of stochastic gradient descent."""
    scale: bool = False
    """Whether pixels are divided by the brightest possible; the tutorial leaves them as they are."""


PRESETS = {
    "quick": Config(seeds=4, rates=(0.0, 0.25, 0.5), epochs=6),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, rates=(0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train at every rate, from every seed, with dropout on the inputs, on one hidden layer, and on all of them.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset over `position` (one of `POSITIONS`), `seed` and `rate` of `train_accuracy` and `test_accuracy` after
        each `epoch`, both with dropout off, and of `shown_accuracy`, that on the training images with dropout on, after
        the last epoch: Keras shows its mean over the epoch's steps. As attribute, the `dataset`.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    require("rates", config.rates, (0.0, CASE_STUDY_RATE, DROPOUT))
    read_dropout(config.rates, len(config.rates))
    if len(config.hidden) < 2:
        raise ArgumentError("hidden", config.hidden, "must have two layers or more", "Give the tutorial's (256, 128)")
    data = load_images(config.dataset, scale=config.scale)
    epochs = count_epochs(config.dataset, config.epochs, _EPOCHS)
    recorded = {"epoch": np.arange(1, epochs + 1)}
    settings = {name: getattr(config, name) for name in ("hidden", "activation", "learning_rate")}
    result = jr.sweep(
        partial(follow, epochs=epochs, batch_size=BATCH_SIZE, **settings),
        {
            "position": jr.cases({name: {"layers": places} for name, places in _place(len(config.hidden)).items()}),
            "seed": jr.seeds(config.seeds),
            "rate": np.array(config.rates),
        },
        args=data[:4],
        dims={"train_accuracy": recorded, "test_accuracy": recorded},
        store=store,
        progress=progress,
    )
    return result.assign_attrs(**describe_data(config.dataset))


def _place(hidden: int) -> dict[str, np.ndarray]:
    """Which layers each position means: 1 where there is dropout, of the inputs and of each hidden layer."""
    layer = np.eye(hidden + 1, dtype=np.float32)
    return dict(zip(POSITIONS, (layer[0], layer[1], layer[-1], layer[1:].sum(0)), strict=True))


def follow(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, seed: Any, layers: Any, rate: Any, **settings: Any
) -> dict[str, Any]:
    """The accuracies of one training, with dropout at the same rate on each of the marked layers."""
    rates = rate * layers
    history = jr.nets.train(
        x_train,
        y_train,
        x_test,
        y_test,
        seed=seed,
        input_dropout=rates[0],
        dropout=rates[1:],
        return_params=True,
        **settings,
    )
    model = MLP(settings["hidden"], 10, settings["activation"])
    key = jr.randomness.split(seed, "shown")["shown"]
    shown = score_with_dropout(model, history["params"], x_train, y_train, key, rates, settings["batch_size"])
    return {name: history[name] for name in ("train_accuracy", "test_accuracy")} | {"shown_accuracy": shown}


def score_with_dropout(model: MLP, params: Any, x: Any, y: Any, key: Any, rates: Any, batch_size: int) -> Any:
    """Accuracy on the training images, each seen once with a dropout mask of its own.

    Args:
        model: the network.
        params: its parameters.
        x: images.
        y: their labels.
        key: what is dropped.
        rates: of the inputs and of each hidden layer.
        batch_size: images per mask that is drawn at once.
    """
    batches = jr.sampling.shuffled_epoch(key, len(x), batch_size)
    keys = [jax.random.fold_in(key, layer) for layer in range(len(rates))]

    def count(total: Any, drawn: Any) -> tuple[Any, None]:
        number, batch = drawn
        first, *others = (
            multiplier(keep_mask(place, rate, (batch_size, units), number), rate)
            for place, rate, units in zip(keys, rates, (x.shape[1], *model.hidden), strict=True)
        )
        predicted = jnp.asarray(model.apply(params, x[batch.index] * first, others)).argmax(-1)
        return total + ((predicted == y[batch.index]) & batch.valid).sum(), None

    steps = jnp.arange(len(batches.index))
    return jax.lax.scan(count, jnp.zeros((), int), (steps, batches))[0].astype(x.dtype) / len(x)


def measure_gap(dataset: xr.Dataset) -> xr.Dataset:
    """Training minus test accuracy after the last epoch, in points: the `gap` with dropout off, and that `shown`."""
    last = 100 * dataset[["train_accuracy", "test_accuracy", "shown_accuracy"]].isel(epoch=-1, drop=True)
    last["test_accuracy"].attrs["units"] = "%"
    gaps = {"gap": last["train_accuracy"], "shown": last["shown_accuracy"]}
    gaps = {name: (accuracy - last["test_accuracy"]).assign_attrs(units=POINTS) for name, accuracy in gaps.items()}
    return last.assign(gaps | {"diverged": dataset["diverged"]})


def _tutorial_runs(dataset: xr.Dataset) -> xr.Dataset:
    """Without dropout, and with it as in the tutorial."""
    require("rates", dataset["rate"].values.tolist(), (0.0, DROPOUT))
    return measure_gap(dataset).sel(position=TUTORIAL_POSITION, rate=[0.0, DROPOUT])


def _share_of_telling_runs(dataset: xr.Dataset) -> Estimate:
    runs = _tutorial_runs(dataset)
    closer = runs["gap"].sel(rate=DROPOUT) < runs["gap"].sel(rate=0.0)
    return share("closer")(xr.Dataset({"closer": closer, "diverged": runs["diverged"].any("rate")}))


def _case_study_runs(dataset: xr.Dataset) -> xr.Dataset:
    require("rates", dataset["rate"].values.tolist(), (0.0, CASE_STUDY_RATE))
    return measure_gap(dataset).sel(position="every hidden")


def _gain_on_inputs(dataset: xr.Dataset) -> Estimate | None:
    """Gain at the rate above 0 that is best on every other seed, on the remaining seeds."""
    runs = measure_gap(dataset).sel(position="input")
    best = float(choose(runs.sel(rate=runs["rate"] > 0), "test_accuracy", "rate"))
    return gain("test_accuracy", "rate", best, 0.0)(held_out(runs))


def _hidden_gap(dataset: xr.Dataset) -> Estimate:
    """Training accuracy with dropout off minus that with dropout on."""
    runs = _tutorial_runs(dataset).sel(rate=DROPOUT)
    return estimate(jr.stats.mean(runs.assign(hidden=runs["gap"] - runs["shown"]), "hidden", dim="seed"), POINTS)


_tutorial_gain = partial(gain, axis="rate", first=DROPOUT, second=0.0, runs=_tutorial_runs)


CLAIMS = (
    Claim(
        "Dropout of 0.5 before the output brings training and test accuracy closer",
        "tutorial T5",
        _tutorial_gain("gap"),
        Below(0),
    ),
    Claim(
        "The training accuracy that Keras shows, with dropout on, comes closer to the test accuracy",
        "tutorial T5, which draws what Keras shows",
        _tutorial_gain("shown"),
        Below(0),
    ),
    Claim(
        "One run with and one without dropout show it (in more than 95 % of seeds)",
        "tutorial T5, which shows one of each",
        _share_of_telling_runs,
        Above(95),
    ),
    Claim(
        "Dropout of 0.5 before the output raises the test accuracy",
        "tutorial T5, whose network has it throughout",
        _tutorial_gain("test_accuracy"),
        Above(0),
    ),
    Claim(
        "Dropout of 0.25 on every hidden layer raises the test accuracy (of the network of T5)",
        "tutorial T3, of a larger network",
        gain("test_accuracy", "rate", CASE_STUDY_RATE, 0.0, runs=_case_study_runs),
        Above(0),
    ),
    Claim(
        "Dropout on the inputs raises the test accuracy, at the best of its rates",
        "tutorial T3, which drops nodes of input layers, too",
        _gain_on_inputs,
        Above(0),
    ),
    Claim(
        "The training accuracy that Keras shows is less than one point lower than that with dropout off",
        "tutorial T5, which does not tell them apart",
        _hidden_gap,
        Below(1),
    ),
)

"""Does dropout bring training and test accuracy closer, at which rate, and on which layer? Tutorials T5 and T3."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE, Domain
from jaxreg.errors import ArgumentError
from jaxreg.nets import MLP, keep_mask, multiplier
from jaxreg.study import Above, Below, Best, Claim, Estimate, gain, mean, share
from jaxreg.study.settings import ChoosingSeeds, Holds

POSITIONS = ("input", "first hidden", "last hidden", "every hidden")
TUTORIAL_POSITION = "last hidden"
CASE_STUDY_RATE = 0.25  # of T3, on every hidden layer
_NEEDED = Holds((0.0, CASE_STUDY_RATE, t5.DROPOUT))


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; network and training are those of tutorial T5, with a population in place of one run."""

    seeds: ChoosingSeeds = 24
    """Number of runs of each kind; a seed has the same initial weights and batches in all of them."""
    rates: Annotated[tuple[float, ...], Domain(0, 1, "[)"), _NEEDED] = (0.0, 0.25, 0.5, 0.75)
    """Shares of the units that are dropped; with 0, T3's 0.25 and T5's 0.5 among them."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer, of which there are two or more."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = t5.LEARNING_RATE
    """Learning rate of stochastic gradient descent."""
    scale: bool = False
    """Whether pixels are divided by the brightest possible; the tutorial leaves them as they are."""


PRESETS = {
    "quick": Config(seeds=4, rates=(0.0, 0.25, 0.5), epochs=6),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=128, rates=(0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
}
PLANS = {"paper": "1 h 45 on two cores; one H100 takes it in one call (13 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """`train_accuracy` and `test_accuracy` after each epoch, both with dropout off, by `position` and `rate`.

    After the last epoch, `shown_accuracy`, that on the training images with dropout on, of which Keras shows the mean
    over the epoch's steps, and what `measure_gap` makes of them.
    """
    if len(config.hidden) < 2:
        raise ArgumentError("hidden", config.hidden, "must have two layers or more", "Give the tutorial's (256, 128)")
    axes = {
        "position": jr.cases({name: {"layers": places} for name, places in place(len(config.hidden)).items()}),
        "seed": jr.seeds(config.seeds),
        "rate": list(config.rates),
    }
    record = ("train_accuracy", "test_accuracy")
    runs = measure_gap(t5.train(config, axes, record=record, tutorial=5, learn=follow, **options))
    runs["rate"].attrs["long_name"] = "dropout rate"
    return runs


def place(hidden: int) -> dict[str, np.ndarray]:
    """Which layers each position means: 1 where there is dropout, of the inputs and of each hidden layer."""
    layer = np.eye(hidden + 1, dtype=np.float32)
    return dict(zip(POSITIONS, (layer[0], layer[1], layer[-1], layer[1:].sum(0)), strict=True))


def follow(
    *data: Any, seed: Any, layers: Any, rate: Any, hidden: tuple[int, ...], activation: str, **settings: Any
) -> dict[str, Any]:
    """The accuracies of one training, with dropout at the same rate on each of the marked layers."""
    x_train, y_train, *_ = data
    rates, key = rate * layers, jr.randomness.split(seed, "shown")["shown"]
    settings |= {"input_dropout": rates[0], "dropout": rates[1:], "return_params": True}
    history = jr.nets.train(*data, seed=seed, hidden=hidden, activation=activation, **settings)
    model = MLP(hidden, 10, activation)
    shown = score_with_dropout(model, history["params"], x_train, y_train, key, rates, t5.BATCH_SIZE)
    return {name: history[name] for name in settings["record"]} | {"shown_accuracy": shown}


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


def measure_gap(runs: xr.Dataset) -> xr.Dataset:
    """The same with training minus test accuracy at the end, in points: `gap`, `shown`, and what is `hidden` of it.

    `gap` is with dropout off, `shown` with dropout on, and `hidden` their difference.
    """
    end = t5.last(runs)
    gap, shown = (end[f"{which}_accuracy"] - end["test_accuracy"] for which in ("train", "shown"))
    gaps = {"gap": gap, "shown": shown, "hidden": gap - shown}
    name = "training minus test accuracy"
    return runs.assign({k: v.assign_attrs(units=t5.POINTS, long_name=name) for k, v in gaps.items()})


_tutorial_runs = partial(t5.last, position=TUTORIAL_POSITION)


def _share_of_telling_runs(dataset: xr.Dataset) -> Estimate:
    runs = _tutorial_runs(dataset, rate=[0.0, t5.DROPOUT])
    closer = runs["gap"].sel(rate=t5.DROPOUT) < runs["gap"].sel(rate=0.0)
    return share("closer")(xr.Dataset({"closer": closer, "diverged": runs["diverged"].any("rate")}))


_tutorial_gain = partial(gain, axis="rate", first=t5.DROPOUT, second=0.0, runs=_tutorial_runs)


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
        gain("test_accuracy", "rate", CASE_STUDY_RATE, 0.0, runs=partial(t5.last, position="every hidden")),
        Above(0),
    ),
    Claim(
        "Dropout on the inputs raises the test accuracy, at the best of its rates",
        "tutorial T3, which drops nodes of input layers, too",
        gain("test_accuracy", "rate", Best.MOST, 0.0, runs=partial(t5.last, position="input")),
        Above(0),
    ),
    Claim(
        "The training accuracy that Keras shows is less than one point lower than that with dropout off",
        "tutorial T5, which does not tell them apart",
        mean("hidden", runs=partial(_tutorial_runs, rate=t5.DROPOUT)),
        Below(1),
    ),
)

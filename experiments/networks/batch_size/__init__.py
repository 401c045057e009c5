"""What does the batch size change, and why: noise or number of steps? From online learning to batch learning (T5)."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.batch_size.gradients import measure, time_epochs
from experiments.networks.batch_size.runs import count_updates, follow
from jaxreg.checks import check_integer
from jaxreg.claims import Above, Below, Claim, Estimate
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_strength
from jaxreg.study import gain, ratio
from jaxreg.study.settings import Seeds

SMALL, LARGE = 16, 64
LONG = 0.75  # an update is large above this quantile of the smaller batch's
PROTOCOLS = ("equal epochs", "equal epochs, rate ∝ batch", "equal updates")
_UPDATES = 564  # 3 epochs of 6,000 images in batches of 32


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    images: int | None = 640
    """Number of training images; without one, all of the digits, and the tutorial's 6,000 of MNIST."""
    batch_sizes: tuple[int, ...] = (1, 16, 32, 64, 256)
    """Images per step, increasing, with the tutorial's 16 and 64 among them; the full batch is added to them."""
    wrong: float = 0.3
    """Share of wrong labels in the irregular data; the regular ones have none."""
    seeds: Seeds = 12
    """Number of trainings with each setting; a seed has the same initial weights and wrong labels in all of them."""
    epochs: int | None = None
    """Passes through the training data where epochs are equal; where updates are, as many are made as by a batch of
    32 (or 16, if there is none). By default the tutorial's 3, and through fewer images as many as make its 564 steps.
    """
    learning_rate: float = t5.LEARNING_RATE
    """Learning rate; where it is proportional to the batch size, that of a batch of 32 (or 16)."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    dropout: float = t5.DROPOUT
    """Share of the last hidden layer's outputs that is dropped in training."""
    gradient_seeds: Seeds = 8
    """Number of networks whose batches' gradients are looked at."""
    draws: Seeds = 32
    """Batches of each size that are drawn for that."""
    repeats: int = 21
    """How often an epoch is timed."""


PRESETS = {
    "quick": Config(images=64, batch_sizes=(16,), seeds=8, epochs=20, gradient_seeds=4, draws=16, repeats=9),
    "laptop": Config(),
    "paper": Config(
        "mnist",
        images=None,
        batch_sizes=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        seeds=64,
        gradient_seeds=32,
        draws=100,
    ),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train with every batch size for equal epochs and for equal updates; look at single gradients; time an epoch.

    Args:
        config: settings.
        store: directory that keeps the trainings, to go on from; those of equal updates are kept beside it.
        progress: show progress bars.

    Returns:
        Dataset of `train_loss` (on the labels trained on) and `test_accuracy` at the end, with dropout off, over
        `seed`, `wrong` (share of wrong labels), `protocol` and `batch_size`; of the `updates` made, over the last two;
        of `error`, `cosine`, `length` and `expected` (see `batch_gradients.measure`) over `network`, `wrong`, `draw`
        and `batch_size`, and of `long`, the share of draws whose gradient is longer than three quarters of those of
        the tutorial's smallest batch; and of `seconds` per epoch over `repeat` and `batch_size`.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    data = t5.load_images(config.dataset, train=config.images)
    n = len(data.x_train)
    sizes = _read_sizes(config, n)
    epochs = round(_UPDATES / -(-n // t5.BATCH_SIZE)) if config.epochs is None else config.epochs
    check_integer("epochs", epochs, 1, math.inf, "Give at least one pass through the data")
    reference = t5.BATCH_SIZE if t5.BATCH_SIZE in sizes else SMALL
    updates = epochs * -(-n // reference)
    network: dict[str, Any] = {
        "hidden": config.hidden,
        "activation": config.activation,
        "classes": len(data.about.classes),
    }
    axes = {"seed": jr.seeds(config.seeds), "wrong": np.array([0.0, config.wrong])}
    settings: dict[str, Any] = network | {
        "dropout": config.dropout,
        "rate": config.learning_rate,
        "reference": reference,
    }
    passes = jr.sweep(
        partial(follow, epochs=epochs, updates=None, **settings),
        axes | {"scaling": np.array([0.0, 1.0]), "batch_size": jr.static(list(sizes))},
        args=data[:4],
        store=store,
        progress=progress,
    )
    others = [size for size in sizes if size != reference]  # for the reference, equal updates are equal epochs
    steps = jr.sweep(
        partial(follow, scaling=0.0, epochs=epochs, updates=updates, **settings),
        axes | {"batch_size": jr.static(others)},
        args=data[:4],
        store=None if store is None else Path(store).with_name(f"{Path(store).stem}-updates.zarr"),
        progress=progress,
    )
    recorded = {"batch_size": np.array(sizes)}
    gradients = jr.sweep(
        partial(measure, batch_sizes=sizes, draws=config.draws, learning_rate=config.learning_rate, **network),
        {"seed": jr.seeds(config.gradient_seeds), "wrong": axes["wrong"]},
        args=data[:2],
        dims={name: {"draw": None, **recorded} for name in ("error", "cosine", "length")} | {"expected": recorded},
        progress=progress,
    ).rename(seed="network")
    length = gradients["length"]
    limit = length.sel(batch_size=SMALL, drop=True).quantile(LONG, "draw").drop_vars("quantile")
    counts = [
        [count_updates(n, size, epochs, updates if number == 2 else None) for size in sizes] for number in range(3)
    ]
    more = {
        **{name: gradients[name] for name in ("error", "cosine", "length", "expected")},
        "long": (length > limit).mean("draw"),
        "seconds": (("repeat", "batch_size"), time_epochs(*data[:2], sizes, config.repeats, **network)),
        "updates": (("protocol", "batch_size"), counts),
    }
    about = {**t5.describe_data(config.dataset), "images": n, "epochs": epochs, "reference": reference}
    return _join(passes, steps, reference).assign(more).assign_attrs(about)


def _read_sizes(config: Config, n: int) -> tuple[int, ...]:
    """The batch sizes and, at the end, the full batch."""
    check_strength("learning_rate", config.learning_rate, "Give a step size such as 0.1")
    if not 0 <= config.wrong < 1:
        raise ArgumentError("wrong", config.wrong, "must lie in [0, 1)", "Give the share of wrong labels, such as 0.3")
    for name in ("draws", "repeats", "gradient_seeds", "seeds"):
        check_integer(name, getattr(config, name), 2, math.inf, "Give more, to see how they scatter")
    for size in config.batch_sizes:
        check_integer("batch_sizes", size, 1, n, "Give 1 for online learning; the full batch is added anyhow")
    sizes = (*(size for size in config.batch_sizes if size < n), n)
    if config.batch_sizes != tuple(sorted(set(config.batch_sizes))) or not {SMALL, LARGE} <= set(sizes):
        constraint = f"must increase and hold the tutorial's {SMALL} and {LARGE}"
        raise ArgumentError("batch_sizes", config.batch_sizes, constraint, "Give (1, 16, 32, 64), say")
    return sizes


def _join(passes: xr.Dataset, steps: xr.Dataset, reference: int) -> xr.Dataset:
    """The three protocols along one dimension."""
    kept = ["train_loss", "test_accuracy", "diverged"]
    plain, scaled = (passes[kept].isel(scaling=k, drop=True).load() for k in (0, 1))
    equal = xr.concat([plain.sel(batch_size=[reference]), steps[kept].load()], "batch_size").sortby("batch_size")
    return xr.concat([plain, scaled, equal], xr.Variable("protocol", list(PROTOCOLS)))


def _compare(
    dataset: xr.Dataset,
    name: str,
    unit: str,
    *,
    dim: str = "seed",
    sizes: tuple[int, int] = (SMALL, LARGE),
    factor: float = 1,
) -> Estimate | None:
    """What the second batch size adds to `name` over the first (-1: the full batch), run by run, times `factor`."""
    first, second = (int(dataset["batch_size"][size]) if size < 0 else size for size in sizes)
    kept = [name, *(["diverged"] if dim == "seed" else [])]
    runs = dataset[kept].assign({name: (factor * dataset[name]).assign_attrs(units=unit)})
    return gain(name, "batch_size", second, first, dim=dim)(runs)


def _irregular(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(wrong=1)


def _gain_in_direction(dataset: xr.Dataset) -> Estimate | None:
    return _compare(_irregular(dataset)[["cosine"]].mean("draw"), "cosine", "cosine", dim="network")


def _difference_of_costs(dataset: xr.Dataset) -> Estimate | None:
    """What the wrong labels cost in accuracy, with the larger batch minus with the smaller."""
    runs = dataset.sel(protocol="equal updates")
    accuracy = runs["test_accuracy"].where(~runs["diverged"])
    cost = xr.Dataset({"cost": accuracy.isel(wrong=0) - accuracy.isel(wrong=1)}).assign(
        diverged=runs["diverged"].any("wrong")
    )
    return _compare(cost, "cost", t5.POINTS, factor=100)


def _seconds(dataset: xr.Dataset) -> xr.Dataset:
    """Times of epochs, which were measured in turn; no run of them diverges."""
    return dataset[["seconds"]]


def _difference_of_large_updates(dataset: xr.Dataset) -> Estimate | None:
    return _compare(dataset.isel(wrong=0), "long", t5.POINTS, dim="network", factor=100)


def _excess_of_full_batch(dataset: xr.Dataset, protocol: str) -> Estimate | None:
    runs = dataset.sel(protocol=protocol).isel(wrong=0)
    return _compare(runs, "train_loss", "nats", sizes=(SMALL, -1))


def _gain_on_irregular(dataset: xr.Dataset, protocol: str) -> Estimate | None:
    runs = _irregular(dataset).sel(protocol=protocol)
    return _compare(runs, "test_accuracy", t5.POINTS, factor=100)


CLAIMS = (
    Claim(
        "Averaging reduces the influence of odd samples: with wrong labels among them, the gradient of 64 images is "
        "closer to the direction of that with correct labels than that of 16",
        "tutorial T5",
        _gain_in_direction,
        Above(0),
    ),
    Claim(
        "Averaging reduces the influence of odd samples: wrong labels cost less accuracy with batches of 64 than of 16 "
        "(same rate, equal updates)",
        "tutorial T5",
        _difference_of_costs,
        Below(0),
    ),
    Claim(
        "Larger batches run faster: an epoch takes less time with 64 than with 16",
        "tutorial T5",
        ratio("seconds", "batch_size", LARGE, SMALL, runs=_seconds, dim="repeat"),
        Below(1),
    ),
    Claim(
        "Large updates become rarer with larger batches (64 against 16)",
        "tutorial T5",
        _difference_of_large_updates,
        Below(0),
    ),
    Claim(
        "Batch learning sticks in local solutions: after as many epochs its training loss is higher than with 16",
        "tutorial T5",
        partial(_excess_of_full_batch, protocol="equal epochs"),
        Above(0),
    ),
    Claim(
        "Batch learning sticks in local solutions: after as many updates its training loss is higher than with 16",
        "tutorial T5, at equal updates",
        partial(_excess_of_full_batch, protocol="equal updates"),
        Above(0),
    ),
    Claim(
        "Irregular data want larger batches: with wrong labels, 64 is more accurate than 16 after as many epochs",
        "tutorial T5",
        partial(_gain_on_irregular, protocol="equal epochs"),
        Above(0),
    ),
    Claim(
        "Irregular data want larger batches: with wrong labels, 64 is more accurate than 16 after as many updates",
        "tutorial T5, at equal updates",
        partial(_gain_on_irregular, protocol="equal updates"),
        Above(0),
    ),
)

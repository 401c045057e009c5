"""What does the batch size change, and why: noise or number of steps? From online learning to batch learning (T5)."""

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.batch_size.gradients import measure, time_epochs
from experiments.networks.batch_size.runs import follow, plan
from jaxreg.checks import NOT_NEGATIVE, Domain, check_integer
from jaxreg.errors import ArgumentError
from jaxreg.study import Above, Below, Claim, at, gain, ratio
from jaxreg.study.settings import Seeds, check_settings

SMALL, LARGE = 16, 64
LONG = 0.75  # an update is large above this quantile of the smaller batch's
PROTOCOLS = ("equal epochs", "equal epochs, rate ∝ batch", "equal updates")
_UPDATES = 564  # 3 epochs of 6,000 images in batches of 32


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; network and training are those of the tutorial, with a population in place of one run."""

    images: int | None = 640
    """Number of training images; without one, all of the digits, and the tutorial's 6,000 of MNIST."""
    batch_sizes: tuple[int, ...] = (1, 16, 32, 64, 256)
    """Images per step, increasing, with the tutorial's 16 and 64 among them; the full batch is added to them."""
    wrong: Annotated[float, Domain(0, 1, "[)")] = 0.3
    """Share of wrong labels in the irregular data; the regular ones have none."""
    seeds: Seeds = 12
    """Number of trainings with each setting; a seed has the same initial weights and wrong labels in all of them."""
    epochs: int | None = None
    """Passes through the training data where epochs are equal; where updates are, as many are made as by a batch of
    32 (or 16, if there is none). By default the tutorial's 3, and through fewer images as many as make its 564 steps.
    """
    learning_rate: Annotated[float, NOT_NEGATIVE] = t5.LEARNING_RATE
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
    repeats: Seeds = 21
    """How often an epoch is timed."""


PRESETS = {
    "quick": Config(images=64, batch_sizes=(16,), seeds=8, epochs=20, gradient_seeds=4, draws=16, repeats=9),
    "laptop": Config(),
    "paper": Config(
        dataset="mnist",
        images=None,
        batch_sizes=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        seeds=64,
        gradient_seeds=32,
        draws=100,
    ),
}
PLANS = {"paper": "hours on two cores, where a chunk alone takes minutes; --target h100 plans it for a chip"}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """`train_loss` (on the labels trained on) and `test_accuracy` at the end, by `protocol`, `wrong` and `batch_size`.

    Beside the trainings, what `gradients.measure` finds of single batches, over `network`, `wrong`, `draw` and
    `batch_size`: `error`, `cosine`, `length` and `expected`; `long`, the per cent of draws whose gradient is longer
    than three quarters of those of the tutorial's smallest batch; and `seconds` per epoch over `repeat` and
    `batch_size`.
    """
    check_settings(config)
    data = t5.load_images(config.dataset, train=config.images)
    n = len(data.x_train)
    sizes = _read_sizes(config, n)
    epochs = round(_UPDATES / -(-n // t5.BATCH_SIZE)) if config.epochs is None else config.epochs
    reference = t5.BATCH_SIZE if t5.BATCH_SIZE in sizes else SMALL
    updates = epochs * -(-n // reference)
    network: dict[str, Any] = {
        "hidden": config.hidden,
        "activation": config.activation,
        "classes": len(data.about.classes),
    }
    axes: dict[str, Any] = {"seed": jr.seeds(config.seeds), "wrong": np.array([0.0, config.wrong])}
    settings = network | {"dropout": config.dropout, "rate": config.learning_rate, "reference": reference}
    protocols = dict(zip(PROTOCOLS, ((0.0, None), (1.0, None), (0.0, updates)), strict=True))
    cells: dict[str, dict[str, Any]] = {}
    for (protocol, (scaling, made)), size in itertools.product(protocols.items(), sizes):
        images, passes = plan(n, size, epochs, made)
        fixed = {"batch_size": size, "images": images, "epochs": passes}
        statics = {key: jr.static(value) for key, value in fixed.items()}
        cells[f"{protocol}, {size}"] = {"scaling": scaling, **statics}
    trained = jr.sweep(
        partial(follow, **settings),
        axes | {"cell": jr.cases(cells)},
        args=data[:4],
        store=store,
        progress=progress,
    ).load()
    levels = xr.Dataset(coords={"protocol": list(protocols), "batch_size": list(sizes)})
    levels = levels.stack(cell=("protocol", "batch_size"))
    trained = trained.drop_vars(set(trained.coords) - set(axes)).assign_coords(levels.coords).unstack("cell")
    recorded = {"batch_size": np.array(sizes)}
    gradients = jr.sweep(
        partial(measure, batch_sizes=sizes, draws=config.draws, learning_rate=config.learning_rate, **network),
        {"seed": jr.seeds(config.gradient_seeds), "wrong": axes["wrong"]},
        args=data[:2],
        dims={name: {"draw": None, **recorded} for name in ("error", "cosine", "length")} | {"expected": recorded},
        progress=progress,
    ).rename(seed="network")
    limit = gradients["length"].sel(batch_size=SMALL, drop=True).quantile(LONG, "draw").drop_vars("quantile")
    more = {
        **{name: gradients[name] for name in ("error", "cosine", "length", "expected")},
        "long": (100 * (gradients["length"] > limit).mean("draw")).assign_attrs(units="%"),
        "seconds": (("repeat", "batch_size"), time_epochs(*data[:2], sizes, config.repeats, **network)),
    }
    runs = add_cost(t5.describe(trained, data, config.dataset).assign(more))
    runs["batch_size"].attrs["long_name"] = "images per step"
    runs["train_loss"].attrs["long_name"] = "training loss"
    return runs.assign_attrs(tutorial_sizes=(SMALL, t5.BATCH_SIZE, LARGE))


def _read_sizes(config: Config, n: int) -> tuple[int, ...]:
    """The batch sizes and, at the end, the full batch."""
    for size in config.batch_sizes:
        check_integer("batch_sizes", size, 1, n, "Give 1 for online learning; the full batch is added anyhow")
    sizes = (*(size for size in config.batch_sizes if size < n), n)
    if config.batch_sizes != tuple(sorted(set(config.batch_sizes))) or not {SMALL, LARGE} <= set(sizes):
        constraint = f"must increase and hold the tutorial's {SMALL} and {LARGE}"
        raise ArgumentError("batch_sizes", config.batch_sizes, constraint, "Give (1, 16, 32, 64), say")
    return sizes


def add_cost(runs: xr.Dataset) -> xr.Dataset:
    """The same with `cost`, the accuracy that wrong labels take away, not a number where either run diverged."""
    accuracy = runs["test_accuracy"].where(~runs["diverged"])
    return runs.assign(cost=(accuracy.isel(wrong=0) - accuracy.isel(wrong=1)).assign_attrs(units=t5.POINTS))


def _runs(dataset: xr.Dataset, protocol: str, wrong: int) -> xr.Dataset:
    return dataset.sel(protocol=protocol).isel(wrong=wrong)


def _full_batch(dataset: xr.Dataset, protocol: str) -> xr.Dataset:
    """The runs with the full batch, labelled -1, beside those with the tutorial's smallest."""
    runs = _runs(dataset, protocol, 0)
    pair = xr.concat([runs.sel(batch_size=[SMALL]), runs.isel(batch_size=[-1])], "batch_size")
    return pair.assign_coords(batch_size=[SMALL, -1])


_larger = partial(gain, axis="batch_size", first=LARGE, second=SMALL)
_excess = partial(gain, "train_loss", "batch_size", -1, SMALL)


CLAIMS = (
    Claim(
        "Averaging reduces the influence of odd samples: with wrong labels among them, the gradient of 64 images is "
        "closer to the direction of that with correct labels than that of 16",
        "tutorial T5",
        _larger(lambda runs: runs["cosine"].isel(wrong=1).mean("draw"), dim="network", unit="cosine"),
        Above(0),
    ),
    Claim(
        "Averaging reduces the influence of odd samples: wrong labels cost less accuracy with batches of 64 than of 16 "
        "(same rate, equal updates)",
        "tutorial T5",
        _larger("cost", runs=partial(at, protocol="equal updates")),
        Below(0),
    ),
    Claim(
        "Larger batches run faster: an epoch takes less time with 64 than with 16",
        "tutorial T5",
        ratio("seconds", "batch_size", LARGE, SMALL, dim="repeat"),  # which were measured in turn
        Below(1),
    ),
    Claim(
        "Large updates become rarer with larger batches (64 against 16)",
        "tutorial T5",
        _larger("long", runs=lambda dataset: dataset.isel(wrong=0), dim="network"),
        Below(0),
    ),
    Claim(
        "Batch learning sticks in local solutions: after as many epochs its training loss is higher than with 16",
        "tutorial T5",
        _excess(runs=partial(_full_batch, protocol="equal epochs")),
        Above(0),
    ),
    Claim(
        "Batch learning sticks in local solutions: after as many updates its training loss is higher than with 16",
        "tutorial T5, at equal updates",
        _excess(runs=partial(_full_batch, protocol="equal updates")),
        Above(0),
    ),
    Claim(
        "Irregular data want larger batches: with wrong labels, 64 is more accurate than 16 after as many epochs",
        "tutorial T5",
        _larger("test_accuracy", runs=partial(_runs, protocol="equal epochs", wrong=1)),
        Above(0),
    ),
    Claim(
        "Irregular data want larger batches: with wrong labels, 64 is more accurate than 16 after as many updates",
        "tutorial T5, at equal updates",
        _larger("test_accuracy", runs=partial(_runs, protocol="equal updates", wrong=1)),
        Above(0),
    ),
)

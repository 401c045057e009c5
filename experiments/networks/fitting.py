"""When does a network under-fit, and when over-fit? Over epochs, over its size, and over the strength of L2 (T3)."""

import itertools
import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE, POSITIVE, Domain
from jaxreg.datasets import Dataset
from jaxreg.study import Above, Below, Best, Claim, Estimate, estimate, gain, mean
from jaxreg.study.settings import ChoosingSeeds, Integers, Numbers, Ordered, check_settings

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "weight_norm")
_TRAIN = {"mnist": 6000, "digits": None}
_VANISHED = 0.01
_STRENGTHS = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-8, 3))


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study: few training images and many epochs, so that a network can fit too well.

    Of MNIST, the first 6,000 training images are divided into those to train on and those to validate on.
    """

    seeds: ChoosingSeeds = 24
    """Number of trainings in each case; a seed has the same batches in all, and the same initial weights at every λ."""
    units: Annotated[Integers, Domain(1, ends="[)", whole=True), Ordered("rising")] = (1, 2, 4, 8, 16, 64, 256)
    """Units of the one hidden layer, in increasing order; the largest network is trained with L2, too."""
    l2: Annotated[Numbers, POSITIVE, Ordered("rising")] = _STRENGTHS
    """Strengths of L2, α in ½ α Σw² beside the mean loss, in increasing order; 0 is always there. T3's λ is α m for m
    training images."""
    share: float = 0.8
    """Share of the images that is left for validation."""
    epochs: int = 200
    """Passes through the training images."""
    evaluate_every: int = 4
    """Epochs from one record to the next."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = 0.003
    """Learning rate of Adam."""
    batch_size: int = 32
    """Images per step."""
    activation: str = "relu"
    """Activation of the hidden layer."""


PRESETS = {
    "quick": Config(seeds=4, units=(1, 8, 64), l2=(0.01, 1.0), epochs=100, evaluate_every=5),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=64, units=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), evaluate_every=1),
}
PLANS = {"paper": "hours on two cores, where a chunk alone takes minutes; --target h100 plans it for a chip"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """The `CURVES` over `case`, `seed` and `epoch`: networks of every size, and the largest with L2 of every strength.

    Losses are without the penalty, `weight_norm` is the Euclidean norm of all weights, `train_error` and
    `validation_error` the shares of images that are not recognised, in per cent. `units` and `l2` of each case are
    coordinates, by which `by_units` and `by_l2` select.
    """
    check_settings(config)
    points = [(units, 0.0) for units in config.units] + [(config.units[-1], alpha) for alpha in config.l2]
    bundles = {f"{units} units, l2 {alpha:g}": {"hidden": (units,), "l2": alpha} for units, alpha in points}
    data = jr.datasets.load(config.dataset, train=_TRAIN.get(config.dataset))
    sets = jr.datasets.split(data.x_train, data.y_train, share=config.share, seed=0)
    recorded = {"epoch": np.arange(config.evaluate_every, config.epochs + 1, config.evaluate_every)}
    runs = t5.train(
        config,
        {"case": jr.cases(bundles), "seed": jr.seeds(config.seeds)},
        record=CURVES,
        learn=follow,
        data=Dataset(*sets, data.about),
        dims=dict.fromkeys(CURVES, recorded),
        evaluate_every=config.evaluate_every,
        **options,
    )
    sizes, strengths = ([point[place] for point in points] for place in (0, 1))
    runs = add_errors(runs).assign_coords(units=("case", sizes), l2=("case", strengths))
    return runs.assign_attrs(validation_images=len(sets[3]))


def follow(*data: Any, record: Any, **settings: Any) -> dict[str, Any]:
    """The curves of one training by Adam, on images and labels to train and to validate on."""
    x, y, x_validation, y_validation = data
    sets = {"x_validation": x_validation, "y_validation": y_validation}
    history = jr.nets.train(x, y, **sets, optimizer="adam", **settings)
    norm = jnp.sqrt((history["weight_norm"] ** 2).sum(-1))
    return {name: history[name] for name in record} | {"weight_norm": norm}


def by_units(dataset: xr.Dataset) -> xr.Dataset:
    """The cases without penalty, over `units`."""
    chosen = dataset.isel(case=np.flatnonzero(dataset["l2"] == 0))
    return chosen.swap_dims(case="units").drop_vars(["case", "l2"], errors="ignore")


def by_l2(dataset: xr.Dataset) -> xr.Dataset:
    """The cases of the largest network, over `l2`, from 0 on."""
    chosen = dataset.isel(case=np.flatnonzero(dataset["units"] == dataset["units"].max()))
    return chosen.swap_dims(case="l2").drop_vars(["case", "units"], errors="ignore")


def add_errors(runs: xr.Dataset) -> xr.Dataset:
    """The same with `train_error` and `validation_error`, the shares of images that are not recognised, in per cent."""
    shares = {f"{part}_error": 100 - runs[f"{part}_accuracy"] for part in ("train", "validation")}
    return runs.assign({name: share.assign_attrs(units="%") for name, share in shares.items()})


def _end_by_units(runs: xr.Dataset) -> xr.Dataset:
    return by_units(runs).isel(epoch=-1)


def _end_by_l2(runs: xr.Dataset) -> xr.Dataset:
    return by_l2(runs).isel(epoch=-1)


def _least_fall(dataset: xr.Dataset) -> Estimate:
    """The step in size at which the training loss falls least; all steps at once at the error level."""
    runs = _end_by_units(dataset)
    sizes = runs["units"].values
    level = 1 - 0.05 / max(len(sizes) - 1, 1)
    steps = [
        jr.stats.paired_difference(runs, "train_loss", "seed", "units", small, level).sel(units=large)
        for small, large in itertools.pairwise(sizes)
    ]
    return max((estimate(step, "nats") for step in steps), key=lambda step: step.effect)


def _rise_with_size(dataset: xr.Dataset, name: str) -> Estimate | None:
    return gain(name, "units", int(dataset["units"].max()), Best.LEAST, runs=_end_by_units)(dataset)


def _rise_of_curve(dataset: xr.Dataset, name: str) -> Estimate | None:
    largest = by_units(dataset).isel(units=-1)
    return gain(name, "epoch", int(dataset["epoch"][-1]), Best.LEAST)(largest)


def _norms(dataset: xr.Dataset) -> xr.Dataset:
    """What the largest λ leaves of the norm of all weights."""
    ends = _end_by_l2(dataset).isel(l2=[0, -1])
    left = 100 * ends["weight_norm"].isel(l2=-1, drop=True) / ends["weight_norm"].isel(l2=0, drop=True)
    units = "% of the norm without penalty"
    return xr.Dataset({"left": left.assign_attrs(units=units), "diverged": ends["diverged"].any("l2")})


CLAIMS = (
    Claim(
        "An under-fitted network errs on its own training images: the smallest, on more than 10 % of them",
        "tutorial T3",
        mean("train_error", runs=lambda runs: _end_by_units(runs).isel(units=0), unit="% of training images"),
        Above(10),
    ),
    Claim("Training loss falls with every step in complexity", "tutorial T3", _least_fall, Below(0)),
    Claim(
        "Validation loss has its minimum at a medium complexity: the largest network's is higher",
        "tutorial T3, of the loss",
        partial(_rise_with_size, name="validation_loss"),
        Above(0),
    ),
    Claim(
        "Validation error has its minimum at a medium complexity: the largest network's is higher",
        "tutorial T3",
        partial(_rise_with_size, name="validation_error"),
        Above(0),
    ),
    Claim(
        "In training, the largest network's validation loss turns and rises",
        "tutorial T3, of the loss",
        partial(_rise_of_curve, name="validation_loss"),
        Above(0),
    ),
    Claim(
        "In training, the largest network's validation error turns and rises",
        "tutorial T3",
        partial(_rise_of_curve, name="validation_error"),
        Above(0),
    ),
    Claim(
        "A very large λ drives the weights to 0: to less than 1 % of their norm without penalty",
        "tutorial T3",
        mean("left", runs=_norms),
        Below(100 * _VANISHED),
    ),
    Claim(
        "With a very large λ the network under-fits: its training loss is that of knowing nothing, but for 5 %",
        "tutorial T3",
        mean(
            lambda runs: 100 * runs["train_loss"] / math.log(10),
            runs=lambda runs: _end_by_l2(runs).isel(l2=-1),
            unit="% of ln 10",
        ),
        Above(95),
    ),
    Claim(
        "Some λ in between makes the largest network err less on validation images",
        "tutorial T3",
        gain("validation_error", "l2", Best.LEAST, 0.0, runs=_end_by_l2),
        Below(0),
    ),
    Claim(
        "Some λ in between lowers the largest network's validation loss",
        "tutorial T3, of the loss",
        gain("validation_loss", "l2", Best.LEAST, 0.0, runs=_end_by_l2),
        Below(0),
    ),
)

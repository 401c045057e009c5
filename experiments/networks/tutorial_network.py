"""The network and the data of tutorial T5, which several experiments vary in one thing at a time."""

from collections.abc import Collection
from typing import Any, Literal

import jax.numpy as jnp
import xarray as xr

import jaxreg as jr
from jaxreg.claims import Estimate, estimate
from jaxreg.datasets import Dataset
from jaxreg.errors import ArgumentError

HIDDEN = (256, 128)
DROPOUT = 0.5
BATCH_SIZE = 32
LEARNING_RATE = 0.1
POINTS = "percentage points"

Images = Literal["digits", "mnist"]

_TITLES = {"mnist": "MNIST", "digits": "Digits"}
_SIZES = {"mnist": (6000, 1000), "digits": (None, None)}
_PASSES = {"mnist": 1.0, "digits": 6000 / 1297}


def load_images(dataset: str, *, scale: bool = False, train: int | None = None, test: int | None = None) -> Dataset:
    """The tutorial's first 6,000 training and 1,000 test images of MNIST, or all of the digits; pixels as they are.

    Args:
        dataset: "mnist" or "digits".
        scale: whether to divide pixels by the brightest possible.
        train: another number of training images, as far as there are.
        test: another number of test images, as far as there are.
    """
    sizes = _SIZES.get(dataset, (None, None))
    return jr.datasets.load(dataset, train=train or sizes[0], test=test or sizes[1], scale=scale)


def describe_data(dataset: str) -> dict[str, str]:
    """What a result says of its data, as attributes: their name, and a title for figures."""
    return {"dataset": dataset, "title": _TITLES.get(dataset, dataset)}


def prepare(x_train: Any, x_test: Any, pixels: str, brightest: int) -> tuple[Any, Any]:
    """Pixels as they are ("raw"), or divided by the brightest possible ("scaled")."""
    return (x_train / brightest, x_test / brightest) if pixels == "scaled" else (x_train, x_test)


def count_epochs(dataset: str, epochs: int | None, tutorial: int) -> int:
    """The epochs asked for; else the tutorial's on MNIST, and for the fewer digits as many as make as many steps."""
    return max(1, round(tutorial * _PASSES.get(dataset, 1.0))) if epochs is None else epochs


def last_accuracy(dataset: xr.Dataset, name: str = "test_accuracy", dim: str = "epoch") -> xr.Dataset:
    """The accuracy at the last record, in per cent, and which runs diverged."""
    last = dataset[[name, "diverged"]].isel({dim: -1}, drop=True)
    return last.assign({name: (100 * last[name]).assign_attrs(units="%")})


def count_overflow(accuracy: Any, labels: Any) -> Any:
    """Accuracy of a network that has overflowed as that of saying the first class always; of any other as it is."""
    return jnp.where(jnp.isnan(accuracy), (labels == 0).mean(), accuracy)


def lead(accuracy: xr.Dataset, dim: str, choice: Any, name: str = "test_accuracy") -> Estimate:
    """By how much `choice` along `dim` has the highest mean: its accuracy minus that of each other, seed by seed.

    The effect is the smallest of the k differences, its ends the smallest of theirs, each taken at 1/k of the error
    level: the choice is the best if it beats all, and is not if any beats it.

    Args:
        accuracy: from `last_accuracy`, over `seed` and `dim`.
        dim: the dimension of what is compared.
        choice: the value along it that a claim calls the best.
        name: the variable.
    """
    level = 1 - 0.05 / max(accuracy.sizes[dim] - 1, 1)
    gains = jr.stats.paired_difference(accuracy, name, "seed", dim, choice, level).drop_sel({dim: choice})
    rivals = [estimate(gains.isel({dim: place})) for place in range(gains.sizes[dim])]
    rivals = [one for one in rivals if one.effect == one.effect] or rivals[:1]  # of which all runs diverged, is none
    lows, highs = zip(*(rival.interval for rival in rivals), strict=True)
    best = max(rival.effect for rival in rivals)
    return Estimate(-best, (-max(highs), -max(lows)), min(rival.n for rival in rivals), POINTS)


def require(name: str, values: Collection[Any], needed: Collection[Any]) -> None:
    """Refuse a list of settings that lacks some that a claim or a figure needs."""
    if missing := [value for value in needed if value not in values]:
        constraint = f"must hold the tutorial's {', '.join(map(str, missing))}"
        raise ArgumentError(name, values, constraint, "Add what is missing")


def choose_best(dataset: xr.Dataset, name: str, dim: str) -> Any:
    """The value along `dim` whose mean over the seeds is the highest; one at which all runs diverged is not."""
    mean = jr.stats.mean(dataset, name, dim="seed")["mean"]
    return mean[dim].values[int(mean.fillna(-float("inf")).argmax(dim))]

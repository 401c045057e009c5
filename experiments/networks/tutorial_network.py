"""The network and the data of tutorial T5, of which each study of this folder varies one thing.

A study's `Config` adds its own settings to `Config` or `Network`, and its `run` says the axes of what it varies;
`train` does the rest: data, epochs, sweep, units, titles. Accuracies are in per cent from there on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.datasets import Dataset
from jaxreg.study import Estimate, at, choose, gain, held_out, share
from jaxreg.study.quantities import Measure, Runs
from jaxreg.study.settings import check_settings

HIDDEN = (256, 128)
DROPOUT = 0.5
BATCH_SIZE = 32
LEARNING_RATE = 0.1
POINTS = "percentage points"

Images = Literal["digits", "mnist"]

_TITLES = {"mnist": "MNIST", "digits": "Digits"}
_SIZES = {"mnist": (6000, 1000), "digits": (None, None)}
_PASSES = {"mnist": 1.0, "digits": 6000 / 1297}
_UNITS = {"accuracy": "%", "loss": "nats"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Data and training are those of tutorial T5, with a population in place of one run."""

    dataset: Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's, and for the fewer digits as many steps."""


@dataclass(frozen=True, kw_only=True)
class Network(Config):
    """The same with the tutorial's network."""

    hidden: tuple[int, ...] = HIDDEN
    """Units of each hidden layer."""
    activation: str = "sigmoid"
    """Activation of the hidden layers."""
    dropout: float = DROPOUT
    """Share of the last hidden layer's outputs that is dropped in training."""
    batch_size: int = BATCH_SIZE
    """Images per step."""


def train(
    config: Config,
    axes: Mapping[str, Any],
    store: str | Path | None = None,
    progress: bool = True,
    *,
    record: Sequence[str] = ("test_accuracy",),
    tutorial: int = 3,
    learn: Callable[..., dict[str, Any]] | None = None,
    data: Dataset | None = None,
    dims: dict[str, Any] | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Train at every point of the axes.

    Args:
        config: settings of the study; those that `jaxreg.nets.train` knows are handed to it.
        axes: of the sweep.
        store: directory that keeps the trainings, to go on from.
        progress: show a progress bar.
        record: the curves to record after each epoch, over `epoch`; accuracies in per cent.
        tutorial: the epochs that the tutorial makes of MNIST.
        learn: in place of `follow`.
        data: other than the tutorial's.
        dims: of what else `learn` returns.
        **settings: more of the training, the same for all.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    check_settings(config)
    data = load_images(config.dataset, scale=getattr(config, "scale", False)) if data is None else data
    settings["epochs"] = count_epochs(config.dataset, config.epochs, tutorial)
    for name in ("hidden", "activation", "dropout", "batch_size", "learning_rate"):
        if hasattr(config, name) and name not in axes:
            settings.setdefault(name, getattr(config, name))
    recorded = {"epoch": np.arange(1, settings["epochs"] + 1)}
    result = jr.sweep(
        partial(learn or follow, record=tuple(record), **settings),
        axes,
        args=data[:4],
        dims=dict.fromkeys(record, recorded) | (dims or {}),
        store=store,
        progress=progress,
    )
    return describe(result, data, config.dataset)


def follow(*data: Any, record: Sequence[str], scale: Any = None, **settings: Any) -> dict[str, Any]:
    """The records of one training, on pixels times `scale`."""
    x_train, y_train, x_test, y_test = data
    if scale is not None:
        x_train, x_test = x_train * scale, x_test * scale
    history = jr.nets.train(x_train, y_train, x_test, y_test, record=record, **settings)
    return {name: history[name] for name in record}


def describe(result: xr.Dataset, data: Dataset, dataset: str) -> xr.Dataset:
    """The same with accuracies in per cent, units, and what claims and figures need to know of the data."""
    kinds = {name: str(name).rpartition("_")[2] for name in result.data_vars}
    measured = {
        name: (result[name] * 100 if kind == "accuracy" else result[name]).assign_attrs(units=_UNITS[kind])
        for name, kind in kinds.items()
        if kind in _UNITS
    }
    about = {"brightest": data.about.brightest, "classes": len(data.about.classes), "tutorial_rate": LEARNING_RATE}
    sizes = {"train_images": len(data.y_train), "test_images": len(data.y_test)}
    return result.assign(measured).assign_attrs(**describe_data(dataset), **about, **sizes)


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


def pixels(data: Dataset) -> Any:
    """The axis of pixels as they are ("raw"), and divided by the brightest possible ("scaled")."""
    return jr.cases({"raw": {"scale": 1.0}, "scaled": {"scale": 1 / data.about.brightest}})


def seeds_and_rates(config: Any) -> dict[str, Any]:
    """The last axes of a study that tries learning rates."""
    return {"seed": jr.seeds(config.seeds), "learning_rate": list(config.learning_rates)}


def count_epochs(dataset: str, epochs: int | None, tutorial: int) -> int:
    """The epochs asked for; else the tutorial's on MNIST, and for the fewer digits as many as make as many steps."""
    return max(1, round(tutorial * _PASSES.get(dataset, 1.0))) if epochs is None else epochs


def count_overflow(accuracy: Any, labels: Any) -> Any:
    """Accuracy of a network that has overflowed as that of saying the first class always; of any other as it is."""
    return jnp.where(jnp.isnan(accuracy), (labels == 0).mean(), accuracy)


def powers_of_ten(first: int, last: int, per_decade: int = 2) -> tuple[float, ...]:
    """Learning rates, so many a decade, to four digits: $10^{k/n}$ for k from the first to the last.

    >>> powers_of_ten(-3, 0)
    (0.03162, 0.1, 0.3162, 1.0)
    """
    return tuple(float(f"{10 ** (k / per_decade):.4g}") for k in range(first, last + 1))


def last(runs: xr.Dataset, **place: Any) -> xr.Dataset:
    """What was recorded after the last epoch, at this place along other axes."""
    return runs.isel(epoch=-1, drop=True).sel(place)


def at_tutorials(runs: xr.Dataset, **place: Any) -> xr.Dataset:
    """The same at the tutorial's learning rate."""
    return at(last(runs, **place), learning_rate=LEARNING_RATE)


def add_best_rate(runs: xr.Dataset) -> xr.Dataset:
    """The same with the `best_rate` of each method: of the highest last accuracy on every other seed."""
    return runs.assign(best_rate=choose(last(runs), "test_accuracy", "learning_rate"))


def tuned(runs: xr.Dataset) -> xr.Dataset:
    """Each method at its `best_rate`, on the seeds that it was not chosen on."""
    return held_out(at(runs, learning_rate="best_rate"))


def tuned_last(runs: xr.Dataset, **place: Any) -> xr.Dataset:
    """The same after the last epoch, at this place along other axes."""
    return tuned(last(runs, **place))


def gain_by_tuning(best: xr.Dataset, given: xr.Dataset) -> Estimate | None:
    """Accuracy of one method at its best rate, from `tuned_last`, minus that at another on the same seeds."""
    both = [runs[["test_accuracy", "diverged"]].reset_coords(drop=True) for runs in (best, held_out(given))]
    runs = xr.concat(both, "rate").assign_coords(rate=["best", "given"])
    return gain("test_accuracy", "rate", "best", "given")(runs)


def compare_best_rates(runs: xr.Dataset, dim: str, first: Any, second: Any) -> Estimate | None:
    """Decades between the best learning rates of two methods, each chosen by one seed alone: mean over the seeds."""
    return gain("log_rate", dim, first, second, runs=best_rates_of_seeds)(runs)


def best_rates_of_seeds(runs: xr.Dataset, **place: Any) -> xr.Dataset:
    """`log_rate`, log10 of the learning rate at which each seed ends the most accurate, the lowest of several.

    It is no number where a seed diverged at every rate.
    """
    final = last(runs, **place).reset_coords(drop=True)
    best = final["test_accuracy"].where(~final["diverged"]).fillna(-np.inf).argmax("learning_rate")
    logs = xr.DataArray(np.log10(runs["learning_rate"].values), dims="learning_rate")
    log = logs.isel(learning_rate=best).where(~final["diverged"].all("learning_rate"))
    return log.assign_attrs(units="decades").to_dataset(name="log_rate")


def lead(dim: str, choice: Any, *, runs: Runs) -> Measure:
    """By how much `choice` along `dim` has the highest accuracy: its gain over each other, of which the least counts.

    The choice is the best if it beats all, and is not if any beats it; what diverged in every run is no rival.
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen = runs(dataset)
        others = [other for other in chosen[dim].values.tolist() if other != choice]
        known = jr.stats.mean(chosen, "test_accuracy", dim="seed")["mean"].notnull()
        rivals = [other for other in others if known.sel({dim: other})]
        return least_gain(chosen, dim, [(choice, other) for other in rivals or others])

    return quantity


def least_gain(runs: xr.Dataset, dim: str, pairs: Sequence[tuple[Any, Any]]) -> Estimate:
    """The smallest gain in accuracy of one value along `dim` over another, its ends the smallest of all at once.

    It is no number where all runs of one of the values diverged.
    """
    level = 1 - 0.05 / max(len(pairs), 1)
    gains = [gain("test_accuracy", dim, *pair, unit=POINTS, level=level)(runs) for pair in pairs]
    found = [one for one in gains if one is not None]
    found = [one for one in found if np.isnan(one.effect)][:1] or found
    lows, highs = zip(*(one.interval for one in found), strict=True)
    return Estimate(min(one.effect for one in found), (min(lows), min(highs)), min(one.n for one in found), POINTS)


def share_of_telling_seeds(dim: str, *, runs: Runs) -> Measure:
    """Share of seeds in which the one along `dim` that is the most accurate in the mean beats each of the others."""

    def wins(dataset: xr.Dataset) -> xr.Dataset:
        chosen = runs(dataset)
        accuracy, mean = chosen["test_accuracy"], jr.stats.mean(chosen, "test_accuracy", dim="seed")["mean"]
        best = mean[dim].values[int(mean.fillna(-np.inf).argmax(dim))]  # where all runs diverged, nothing is best
        wins = (accuracy.sel({dim: best}) > accuracy.drop_sel({dim: best})).all(dim)
        return xr.Dataset({"wins": wins, "diverged": chosen["diverged"].any(dim)})

    return share("wins", runs=wins)

"""When does early stopping stop, what does it save, and what does it cost? Every rule on one training (T3)."""

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks.tutorial_network import describe_data
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, estimate, percentage
from jaxreg.errors import ArgumentError
from jaxreg.nets import stopping
from jaxreg.nets.boundary import check_strength
from jaxreg.study import choose, held_out
from jaxreg.study.settings import ChoosingSeeds

TUTORIAL_PATIENCE = 2
TUTORIAL: dict[str, Any] = {"monitor": "accuracy", "patience": TUTORIAL_PATIENCE, "min_delta": 0.0}
TUTORIAL_EPOCHS = 5
MONITORS = ("accuracy", "loss")
CURVES = ("train_loss", "validation_loss", "validation_accuracy", "test_accuracy")
_AXES = ("monitor", "patience", "min_delta")
_SHARE = 0.3
_HIDDEN = {"mnist": (500,) * 5, "digits": (128,) * 5}
_BATCH = {"mnist": 128, "digits": 16}
_EPOCHS = {"mnist": 10, "digits": 30}
_POINTS = "percentage points"


@dataclass(frozen=True)
class Config:
    """Settings of the study; network, split and optimizer are those of tutorial T3, with a population for its run."""

    dataset: Literal["digits", "mnist"] = "digits"
    """The 8 × 8 digits that come with jaxreg, or MNIST, as in T3."""
    seeds: ChoosingSeeds = 64
    """Number of trainings; each has its own initial weights and batches."""
    patience: tuple[int, ...] = (1, 2, 3, 5, 8)
    """Records in succession without improvement that stop a training, as Keras counts them."""
    min_delta: tuple[float, ...] = (0.0, 0.003, 0.01)
    """By how much a record must improve: shares of the validation images, or nats."""
    checked: int = 8
    """Number of trainings repeated with the tutorial's rule compiled in, to compare."""
    learning_rate: float = 0.001
    """Learning rate of Adam; that of T3 is Keras' default."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 10, and for the fewer digits 30."""
    hidden: tuple[int, ...] | None = None
    """Units of each ReLU layer; by default the tutorial's five of 500, and for the digits five of 128."""
    batch_size: int | None = None
    """Images per step; by default the tutorial's 128, and for the digits 16, to have more steps."""


PRESETS = {
    "quick": Config(seeds=8, checked=2, hidden=(32,) * 5, epochs=20),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, checked=32),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train to the end, apply every rule to the curves, and train again with the tutorial's rule compiled in.

    Args:
        config: settings.
        store: directory that keeps the trainings, to go on from; those that stop are kept beside it.
        progress: show a progress bar.

    Returns:
        Dataset of the curves `train_loss`, `validation_loss`, `validation_accuracy` and `test_accuracy` over `seed` and
        `epoch`; of the `last_epoch` trained and the `best_epoch` of every rule, over `monitor` ("accuracy" or "loss",
        of validation), `patience`, `min_delta` and `seed`; of `kept_accuracy`, on the test set, over these and `kept`:
        the weights at the "end" of the whole training, or the rule's "last" or "best"; of `compiled_last_epoch` and
        `compiled_best_epoch` over `checked`, the first seeds, from training with the tutorial's rule.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    check_strength("learning_rate", config.learning_rate, "Give a step size such as 0.001")
    if not 1 <= config.checked <= config.seeds:
        raise ArgumentError("checked", config.checked, f"must lie from 1 to seeds = {config.seeds}", "Lower it")
    rules = _make_rules(config)
    data = jr.datasets.load(config.dataset)
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, share=_SHARE, seed=0)
    args = (x, y, data.x_test, data.y_test, x_validation, y_validation)
    epochs = _choose(config.epochs, _EPOCHS, config)
    settings = {
        "hidden": _choose(config.hidden, _HIDDEN, config),
        "batch_size": _choose(config.batch_size, _BATCH, config),
        "learning_rate": config.learning_rate,
        "epochs": epochs,
    }
    beside = None if store is None else Path(store).with_name(f"{Path(store).stem}-compiled.zarr")
    recorded = {"epoch": np.arange(1, epochs + 1)}
    history = jr.sweep(
        partial(follow, **settings),
        {"seed": jr.seeds(config.seeds)},
        args=args,
        dims=dict.fromkeys(CURVES, recorded),
        store=store,
        progress=progress,
    ).load()
    compiled = jr.sweep(
        partial(stop, **settings),
        {"seed": jr.seeds(config.checked)},
        args=args,
        store=beside,
        progress=progress,
    ).load()
    applied = _apply(history, rules)
    return applied.assign(
        compiled_last_epoch=("checked", np.where(stopped := compiled["stopped_epoch"].values, stopped, epochs)),
        compiled_best_epoch=("checked", compiled["best_epoch"].values),
        checked=compiled["seed"].values,
    ).assign_attrs(**describe_data(config.dataset), images=len(x), batch_size=settings["batch_size"])


def follow(*data: Any, **settings: Any) -> dict[str, Any]:
    """The curves of one training that goes on to the end."""
    history = jr.nets.train(*data, activation="relu", optimizer="adam", **settings)
    return {name: history[name] for name in CURVES}


def stop(*data: Any, **settings: Any) -> dict[str, Any]:
    """Where one training stops that has the tutorial's rule compiled in."""
    rule = stopping.from_keras("val_accuracy", patience=TUTORIAL_PATIENCE)
    settings |= {"evaluate_train": False, "stopping": rule}
    history = jr.nets.train(*data, activation="relu", optimizer="adam", **settings)
    return {name: history[name] for name in ("stopped_epoch", "best_epoch")}


def _choose(value: Any, by_default: dict[str, Any], config: Config) -> Any:
    """The setting, or what belongs to the data set; an unknown one is for `load` to refuse."""
    return by_default.get(config.dataset) if value is None else value


def _make_rules(config: Config) -> dict[tuple[Any, ...], stopping.EarlyStopping]:
    for name in _AXES[1:]:
        values = getattr(config, name)
        if TUTORIAL[name] not in values:
            constraint = f"must hold the tutorial's {TUTORIAL[name]}"
            raise ArgumentError(name, values, constraint, "Add it to the configuration")
    axes = itertools.product(MONITORS, config.patience, config.min_delta)
    return {rule: stopping.from_keras(f"val_{rule[0]}", rule[2], rule[1]) for rule in axes}


def _apply(history: xr.Dataset, rules: dict[tuple[Any, ...], stopping.EarlyStopping]) -> xr.Dataset:
    """The history, and what becomes of it under every rule."""
    applied = stopping.apply(history, {str(name): rule for name, rule in rules.items()})
    levels = {axis: list(dict.fromkeys(name[place] for name in rules)) for place, axis in enumerate(_AXES)}
    stacked = xr.Dataset(coords=levels).stack(rule=_AXES)
    applied = applied.drop_vars("rule").assign_coords(stacked.coords).unstack("rule").transpose(*_AXES, ...)
    kept = applied["test_accuracy"].where(~applied["diverged"]).rename(at="kept")
    end = history["test_accuracy"].isel(epoch=-1, drop=True).where(~history["diverged"])
    end = end.broadcast_like(applied["last_epoch"]).expand_dims("kept")
    every = xr.concat([end, kept.drop_vars("kept")], "kept").transpose("kept", *_AXES, "seed")
    every = every.assign_coords(kept=["end", *kept["kept"].values.tolist()])
    return history.assign(last_epoch=applied["last_epoch"], best_epoch=applied["best_epoch"], kept_accuracy=every)


def measure_gain(dataset: xr.Dataset, level: float = 0.95) -> xr.Dataset:
    """Test accuracy of what each rule keeps minus that at the end of the whole training, seed by seed, in points."""
    percent = dataset.assign(percent=100 * dataset["kept_accuracy"])
    return jr.stats.paired_difference(percent, "percent", "seed", "kept", "end", level)


def find_turn(dataset: xr.Dataset) -> int:
    """The epoch of the lowest mean validation loss of every other seed."""
    return int(choose(dataset, "validation_loss", "epoch", least=True))


def find_best(dataset: xr.Dataset) -> dict[str, Any]:
    """The rule whose last weights are the most accurate, in the mean of every other seed."""
    last = dataset[["kept_accuracy", "diverged"]].sel(kept="last").isel(seed=slice(0, None, 2))
    means = jr.stats.mean(last, "kept_accuracy", dim="seed")["mean"].stack(rule=_AXES)
    return dict(zip(_AXES, means["rule"].values[int(means.fillna(-np.inf).argmax("rule"))], strict=True))


def _tutorial_stops(dataset: xr.Dataset) -> xr.Dataset:
    return dataset[["last_epoch", "diverged"]].sel(TUTORIAL)


def _epochs_until_stop(dataset: xr.Dataset) -> Estimate:
    summary = jr.stats.mean(_tutorial_stops(dataset), "last_epoch", dim="seed")
    return estimate(summary, "epochs")


def _share_near_five(dataset: xr.Dataset) -> Estimate:
    stops = _tutorial_stops(dataset)
    stops = stops.assign(near=abs(stops["last_epoch"] - TUTORIAL_EPOCHS) <= 1)
    return percentage(jr.stats.proportion(stops, "near", dim="seed"), "% of seeds")


def _gain_of_last(dataset: xr.Dataset) -> Estimate:
    return estimate(measure_gain(dataset).sel(TUTORIAL).sel(kept="last"), _POINTS)


def _gain_of_best(dataset: xr.Dataset) -> Estimate:
    runs = dataset.sel(TUTORIAL)
    runs = runs.assign(percent=100 * runs["kept_accuracy"])
    summary = jr.stats.paired_difference(runs, "percent", "seed", "kept", "last").sel(kept="best")
    return estimate(summary, _POINTS)


def _rise_of_validation(dataset: xr.Dataset) -> Estimate:
    """Rise of the validation loss from its turn to the end, on the seeds that did not choose the turn."""
    turn = find_turn(dataset)
    rise = jr.stats.paired_difference(held_out(dataset), "validation_loss", "seed", "epoch", turn).isel(epoch=-1)
    return estimate(rise, "nats")


def _gain_of_best_rule(dataset: xr.Dataset) -> Estimate:
    """Accuracy of the best rule minus that of the tutorial's, on the seeds that did not choose the best."""
    rest = held_out(dataset[["kept_accuracy", "diverged"]].sel(kept="last"))
    rules = [rest.sel(rule) for rule in (TUTORIAL, find_best(dataset))]
    both = xr.concat([rule.drop_vars(_AXES) for rule in rules], "rule").assign_coords(rule=["tutorial", "best"])
    both = both.assign(percent=100 * both["kept_accuracy"])
    summary = jr.stats.paired_difference(both, "percent", "seed", "rule", "tutorial").sel(rule="best")
    return estimate(summary, _POINTS)


CLAIMS = (
    Claim(
        "Early stopping on validation accuracy with patience 2 stops after about 5 epochs (4 to 6, in the mean)",
        "tutorial T3",
        _epochs_until_stop,
        Inside(TUTORIAL_EPOCHS - 1, TUTORIAL_EPOCHS + 1),
    ),
    Claim(
        "It stops every run after 4 to 6 epochs (more than 95 % of seeds)",
        "tutorial T3, which shows one",
        _share_near_five,
        Above(95),
    ),
    Claim(
        "Stopped like that, a network is more accurate on test images than one trained to the end",
        "tutorial T3, where it is a way to regularize",
        _gain_of_last,
        Above(0),
    ),
    Claim(
        "The weights of its best epoch are better than those of its last",
        "Keras' option restore_best_weights",
        _gain_of_best,
        Above(0),
    ),
    Claim(
        "The validation loss turns: by the end of the training it is higher than before",
        "tutorial T3, where a dotted line marks the turn",
        _rise_of_validation,
        Above(0),
    ),
    Claim(
        "No other monitor, patience or min_delta is more than half a percentage point better",
        "tutorial T3, which looks no further",
        _gain_of_best_rule,
        Below(0.5),
    ),
)

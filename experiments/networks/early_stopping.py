"""When does early stopping stop, what does it save, and what does it cost? Every rule on one training (T3)."""

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE
from jaxreg.nets import stopping
from jaxreg.study import Above, Below, Best, Claim, Estimate, Inside, at, gain, mean, share
from jaxreg.study.settings import ChoosingSeeds, Holds, check_settings

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


@dataclass(frozen=True)
class Config:
    """Settings of the study; network, split and optimizer are those of tutorial T3, with a population for its run."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or MNIST, as in T3."""
    seeds: ChoosingSeeds = 64
    """Number of trainings; each has its own initial weights and batches."""
    patience: Annotated[tuple[int, ...], Holds((TUTORIAL_PATIENCE,))] = (1, 2, 3, 5, 8)
    """Records in succession without improvement that stop a training, as Keras counts them."""
    min_delta: Annotated[tuple[float, ...], Holds((TUTORIAL["min_delta"],))] = (0.0, 0.003, 0.01)
    """By how much a record must improve: shares of the validation images, or nats."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = 0.001
    """Learning rate of Adam; that of T3 is Keras' default."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 10, and for the fewer digits 30."""
    hidden: tuple[int, ...] | None = None
    """Units of each ReLU layer; by default the tutorial's five of 500, and for the digits five of 128."""
    batch_size: int | None = None
    """Images per step; by default the tutorial's 128, and for the digits 16, to have more steps."""


PRESETS = {
    "quick": Config(seeds=8, hidden=(32,) * 5, epochs=20),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128),
}
PLANS = {"paper": "2 to 4 hours on two cores; one H100 takes it in one call (3 GiB)"}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """The `CURVES` over `seed` and `epoch`; what becomes of them under every rule.

    Of a rule, over `monitor` ("accuracy" or "loss", of validation), `patience`, `min_delta` and `seed`, the
    `last_epoch` trained and the `best_epoch`; and `kept_accuracy`, on the test set, over these and `kept`: the weights
    at the "end" of the whole training, or the rule's "last" or "best".
    """
    check_settings(config)
    axes = itertools.product(MONITORS, config.patience, config.min_delta)
    rules = {rule: stopping.from_keras(f"val_{rule[0]}", rule[2], rule[1]) for rule in axes}
    data = jr.datasets.load(config.dataset)
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, share=_SHARE, seed=0)
    defaults: dict[str, dict[str, Any]] = {"hidden": _HIDDEN, "batch_size": _BATCH, "epochs": _EPOCHS}
    settings: dict[str, Any] = {"learning_rate": config.learning_rate}
    settings |= {name: of.get(config.dataset) for name, of in defaults.items()}
    settings |= {name: given for name in defaults if (given := getattr(config, name)) is not None}
    recorded = {"epoch": np.arange(1, settings["epochs"] + 1)}
    history = jr.sweep(
        partial(follow, **settings),
        {"seed": jr.seeds(config.seeds)},
        args=(x, y, data.x_test, data.y_test, x_validation, y_validation),
        dims=dict.fromkeys(CURVES, recorded),
        store=store,
        progress=progress,
    ).load()
    runs = t5.describe(_apply(history, rules), data, config.dataset)  # rules are in shares and nats
    return runs.assign_attrs(tutorial_epochs=TUTORIAL_EPOCHS)


def follow(*data: Any, **settings: Any) -> dict[str, Any]:
    """The curves of one training that goes on to the end."""
    history = jr.nets.train(*data, activation="relu", optimizer="adam", **settings)
    return {name: history[name] for name in CURVES}


def _apply(history: xr.Dataset, rules: dict[tuple[Any, ...], jr.nets.EarlyStopping]) -> xr.Dataset:
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
    epochs = {name: applied[name].assign_attrs(units="epochs") for name in ("last_epoch", "best_epoch")}
    return history.assign(epochs | {"kept_accuracy": every})


_tutorial_runs = partial(at, **TUTORIAL)


def _rise_of_validation(runs: xr.Dataset) -> Estimate | None:
    """From its least to its end."""
    return gain("validation_loss", "epoch", int(runs["epoch"][-1]), Best.LEAST)(runs)


def _gain_of_best_rule(runs: xr.Dataset) -> Estimate | None:
    """Accuracy of the best of the other rules, by its last weights, minus that of the tutorial's."""
    rules = runs[["kept_accuracy", "diverged"]].sel(kept="last").stack(rule=_AXES)
    tutorial = rules["rule"].values.tolist().index(tuple(TUTORIAL[axis] for axis in _AXES))
    numbered = rules.drop_vars(["rule", *_AXES]).assign_coords(rule=np.arange(rules.sizes["rule"]))
    return gain("kept_accuracy", "rule", Best.MOST, tutorial)(numbered)


_gain_of = partial(gain, "kept_accuracy", "kept", runs=_tutorial_runs)


CLAIMS = (
    Claim(
        "Early stopping on validation accuracy with patience 2 stops after about 5 epochs (4 to 6, in the mean)",
        "tutorial T3",
        mean("last_epoch", runs=_tutorial_runs),
        Inside(TUTORIAL_EPOCHS - 1, TUTORIAL_EPOCHS + 1),
    ),
    Claim(
        "It stops every run after 4 to 6 epochs (more than 95 % of seeds)",
        "tutorial T3, which shows one",
        share(lambda runs: abs(runs["last_epoch"] - TUTORIAL_EPOCHS) <= 1, runs=_tutorial_runs),
        Above(95),
    ),
    Claim(
        "Stopped like that, a network is more accurate on test images than one trained to the end",
        "tutorial T3, where it is a way to regularize",
        _gain_of("last", "end"),
        Above(0),
    ),
    Claim(
        "The weights of its best epoch are better than those of its last",
        "Keras' option restore_best_weights",
        _gain_of("best", "last"),
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

"""Do gradients tune a network better than random search and halving, at as many steps of training?"""

import dataclasses
import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

import jaxreg as jr
from jaxreg import hypergrad as hg
from jaxreg.checks import Domain
from jaxreg.hypergrad.gradients import REVERSE_COST
from jaxreg.penalties import L2
from jaxreg.study import Above, Below, Claim, gain
from jaxreg.study.settings import Seeds, check_settings

_TRAIN, _VALIDATION, _TEST, _CLASSES, _BATCH = 256, 200, 500, 10, 32
_LAYERS = ("hidden_0", "hidden_1", "output")
_STRENGTHS, _DROPOUTS, _FACTORS = (1e-6, 0.3), (0.01, 0.7), (0.05, 20.0)
_PARTS = 4
NAMES = (
    "L2 of layer 1",
    "L2 of layer 2",
    "L2 of output",
    "dropout",
    *(f"rate, quarter {i + 1}" for i in range(_PARTS)),
)
"""What is tuned: strengths, dropout, and factors of the rate."""
METHODS = ("gradient", "random search", "halving", "untuned")


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 16
    """Problems: draws of digits to train and to tune on, and of the network's training."""
    gradients: Annotated[int, Domain(4, ends="[)", whole=True)] = 20
    """Steps of the descent, each of which counts as four trainings; the searches have as many steps of training."""
    hidden: Annotated[int, Domain(1, ends="[)", whole=True)] = 32
    """Units of each of two hidden layers, tanh."""
    epochs: Annotated[int, Domain(4, ends="[)", whole=True)] = 8
    """Passes through the training data; the rate has a factor for each quarter of them."""
    learning_rate: Annotated[float, Domain(0, 1, "()")] = 0.05
    """Where all begin, of SGD with momentum."""


PRESETS = {
    "quick": Config(seeds=6, gradients=8, epochs=4, hidden=16),
    "laptop": Config(),
    "paper": Config(seeds=64, gradients=50, epochs=16),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Tune the L2 strength of each layer, dropout, and a factor of the rate for each quarter, in three ways.

    Returns:
        Dataset over `seed` and `method` ("gradient", "random search", "halving", "untuned"): `validation_loss`, on
        which it was tuned, of what it finds; `test_loss` of a training with that, on digits that none has seen;
        `training_steps`, what it cost; `hyperparameter` over `name` too. `on_the_way`, over `seed`, `search` and
        `trained`, is the least validation loss after so many trainings.
    """
    check_settings(config)
    data = jr.datasets.load("digits")[:2]
    seeds, trials = jr.seeds(config.seeds), REVERSE_COST * config.gradients
    make = partial(problem_of, hidden=config.hidden, learning_rate=config.learning_rate)
    start = unpack(np.array([*[1e-3] * len(_LAYERS), 0.1, *[1.0] * _PARTS]))
    bounds = {"penalties": _STRENGTHS, "dropout": _DROPOUTS, "schedule": _FACTORS}
    budgets = (config.epochs // 4, config.epochs // 2, config.epochs)
    whole = partial(make, budget=config.epochs)

    def given(name: str) -> dict[str, Any]:
        return {"axes": {"seed": seeds}, "args": data, "store": jr.study.beside(store, name), "progress": progress}

    descent: dict[str, Any] = {"bounds": bounds, "mode": "reverse", "steps": config.gradients}
    tuned = hg.tune(whole, start, optax.adam(0.3), **descent, **given("gradient")).isel(restart=0).load()
    key = jax.random.key(1)
    drawn = hg.random_search(whole, start, bounds, trials=trials, seed=key, **given("random search")).load()
    more: dict[str, Any] = {"trials": 4 * trials // 3, "budgets": budgets, "seed": key}
    halved = hg.successive_halving(make, start, bounds, **more, **given("halving")).load()
    searches = (tuned, drawn, halved)
    found = np.stack([pack(search) for search in searches], 1)
    found = np.concatenate([found, np.broadcast_to(pack_start(start), found[:, :1].shape)], 1)
    keys = jax.jit(jax.vmap(seeds.key))(np.arange(config.seeds))
    test_loss = jax.jit(partial(score, make=whole))(keys, found, data)
    way = [np.minimum.accumulate(part, 1) for part in (tuned["value"].values, drawn["value"].values)]
    way[0] = np.repeat(way[0], REVERSE_COST, 1)
    spent = [search["training_steps"].values for search in searches]
    least = [search["best_value"].values for search in searches]
    cells = ("seed", "method")
    return xr.Dataset(
        {
            "test_loss": (cells, np.asarray(test_loss), {"units": "nats", "long_name": "test loss"}),
            "validation_loss": (cells, np.stack([*least, tuned["value"].values[:, 0]], 1), {"units": "nats"}),
            "training_steps": (cells, np.stack([*spent, 0 * spent[0]], 1), {"units": "steps"}),
            "hyperparameter": ((*cells, "name"), found),
            "on_the_way": (("search", "seed", "trained"), np.stack(way), {"units": "nats"}),
        },
        {
            **{"seed": np.arange(config.seeds), "method": list(METHODS), "search": list(METHODS[:2])},
            "trained": ("trained", np.arange(1, trials + 1), {"long_name": "trainings"}),
            "name": list(NAMES),
        },
        {"provenance": tuned.attrs["provenance"]},
    )


def unpack(values: Any) -> dict[str, Any]:
    """Hyperparameters from the eight numbers of `NAMES`."""
    k = len(_LAYERS)
    penalties = {f"{layer}/weight": L2(values[i]) for i, layer in enumerate(_LAYERS)}
    return {"penalties": penalties, "dropout": values[k], "schedule": values[k + 1 :]}


def pack(search: xr.Dataset) -> np.ndarray:
    """The eight numbers that a search found, for each seed."""
    strengths = [search[f"best/penalties.{layer}.weight.alpha"].values for layer in _LAYERS]
    return np.column_stack([*strengths, search["best/dropout"].values, search["best/schedule"].values])


def pack_start(start: dict[str, Any]) -> np.ndarray:
    """The eight numbers of the start."""
    strengths = [penalty.alpha for penalty in start["penalties"].values()]
    return np.array([*strengths, start["dropout"], *start["schedule"]])


@dataclass(frozen=True, eq=False)
class Problem:
    """A training whose rate has a factor for each quarter, however many epochs there are."""

    training: hg.Training

    @property
    def names(self) -> tuple[str, ...]:
        """What can be differentiated."""
        return self.training.names

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self.training.steps

    def evaluate(self, at: Any) -> Any:
        """The loss and its status."""
        epochs = self.training.epochs
        return self.training.evaluate({**at, "schedule": at["schedule"][_PARTS * np.arange(epochs) // epochs]})


def draw_digits(images: Any, labels: Any, seed: Any) -> list[tuple[Any, Any]]:
    """Digits to train on, to tune on, and to test on, with their labels; no two parts share one."""
    order = jax.random.permutation(jr.randomness.split(seed, "digits")["digits"], len(images))
    ends = (0, _TRAIN, _TRAIN + _VALIDATION, _TRAIN + _VALIDATION + _TEST)
    parts = [order[low:high] for low, high in itertools.pairwise(ends)]
    return [(jnp.asarray(images)[part], jnp.asarray(labels)[part]) for part in parts]


def problem_of(images: Any, labels: Any, *, seed: Any, budget: int, hidden: int, learning_rate: float) -> Problem:
    """The training of one seed, in so many epochs."""
    options = {"hidden": (hidden, hidden), "classes": _CLASSES, "activation": "tanh", "batch_size": _BATCH}
    options |= {"optimizer": "momentum", "learning_rate": learning_rate, "epochs": budget}
    train, held, _ = draw_digits(images, labels, seed)
    own = jr.randomness.split(seed, "training")["training"]
    return Problem(hg.Training(*train, *held, seed=own, options=options))


def score(keys: Any, found: Any, data: Any, make: Any) -> Any:
    """The loss on test digits after a training with each of the hyperparameters found."""

    def one(part: Any) -> Any:
        seed, rows = part
        x, y = draw_digits(data[0], data[1], seed)[2]
        tested = Problem(dataclasses.replace(make(*data, seed=seed).training, x_validation=x, y_validation=y))
        return jax.lax.map(lambda values: tested.evaluate(unpack(values)).value, rows)

    return jax.lax.map(one, (keys, jnp.asarray(found, jnp.float32)))


def _better(first: str, second: str) -> Any:
    """By how much less the test loss of the first is."""
    return gain("test_loss", "method", second, first)


CLAIMS = (
    Claim(
        "Tuning by gradients lowers the test loss",
        "Maclaurin, Duvenaud and Adams, Gradient-based hyperparameter optimization, ICML 2015",
        _better("gradient", "untuned"),
        Above(0),
    ),
    Claim(
        "Gradients in eight hyperparameters lower it more than random search of as many steps of training",
        "Franceschi et al., Forward and reverse gradient-based hyperparameter optimization, ICML 2017",
        _better("gradient", "random search"),
        Above(0),
    ),
    Claim(
        "They lower it more than successive halving of as many steps",
        "follows from the claims above and below",
        _better("gradient", "halving"),
        Above(0),
    ),
    Claim(
        "Successive halving lowers it more than random search",
        "Jamieson and Talwalkar, Non-stochastic best arm identification, AISTATS 2016",
        _better("halving", "random search"),
        Above(0),
    ),
    Claim(
        "What gradients find is no worse on new digits than on those that it was tuned on (by 0.05 nats)",
        "folklore",
        lambda dataset: gain("loss", "digits", "new", "tuned on")(_by_digits(dataset)),
        Below(0.05),
    ),
)


def _by_digits(dataset: xr.Dataset) -> xr.Dataset:
    """The loss of what gradients find on both kinds of digits."""
    own = dataset.isel(method=METHODS.index("gradient"), drop=True)
    parts = [own[name].rename("loss").assign_attrs(units="nats") for name in ("validation_loss", "test_loss")]
    digits = xr.DataArray(["tuned on", "new"], dims="digits", name="digits")
    return xr.concat(parts, digits, combine_attrs="drop_conflicts").to_dataset()

"""What do unscaled pixels do to a network? Saturated units, the best learning rate, sigmoid and ReLU (tutorial T5)."""

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
    Images,
    count_epochs,
    count_overflow,
    describe_data,
    last_accuracy,
    load_images,
    require,
)
from jaxreg.claims import Above, Claim, Estimate, Inside, percentage
from jaxreg.errors import ArgumentError
from jaxreg.nets import ACTIVATIONS, MLP
from jaxreg.nets.boundary import check_hidden, check_strength
from jaxreg.study import at, choose, gain, held_out, share
from jaxreg.study.settings import ChoosingSeeds

_SPOKEN = {"sigmoid": "sigmoid", "relu": "ReLU"}
PIXELS = ("raw", "scaled", "standardised")
MOMENTS = ("start", "end")
FLAT = 0.05
CHANCE = 20.0  # per cent that no network exceeds which always says the same of ten classes
_EPOCHS = 3
_SLOPES_AT = np.linspace(-6, 6, 1201, dtype=np.float32)


@dataclass(frozen=True)
class Config:
    """Settings of the study; network and training are those of tutorial T5, with a population in place of one run."""

    dataset: Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or the first 6,000 training and 1,000 test images of MNIST, as in T5."""
    seeds: ChoosingSeeds = 16
    """Number of runs of each kind; a seed has the same batches and dropout in all of them."""
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    """Learning rates, with the tutorial's 0.1 among them."""
    epochs: int | None = None
    """Passes through the training data; by default the tutorial's 3, and for the fewer digits 14, as many steps."""
    hidden: tuple[int, ...] = HIDDEN
    """Units of each hidden layer."""


PRESETS = {
    "quick": Config(seeds=4, learning_rates=(0.01, 0.1, 1.0), epochs=4),
    "laptop": Config(),
    "paper": Config("mnist", seeds=128, learning_rates=tuple(float(f"{10 ** (k / 4):.3g}") for k in range(-12, 5))),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Train with sigmoid and with ReLU, at every learning rate, from every seed, on pixels prepared in three ways.

    Args:
        config: settings.
        store: directory that keeps the population, to go on from.
        progress: show a progress bar.

    Returns:
        Dataset over `activation` ("sigmoid" or "relu"), `pixels`, `seed` and `learning_rate` of `test_accuracy` after
        each `epoch`, with dropout off, and of `flat` and `stuck` (see `measure_flatness`), over `moment` ("start" or
        "end" of the training) and hidden `layer`. Pixels are "raw", "scaled" to 0…1, or "standardised": less the mean
        of all training pixels, divided by their standard deviation. As attributes, the `dataset` and its `brightest`
        possible pixel. A network that has overflowed says the first class of every image, and counts as doing so.

    Raises:
        ArgumentError: a setting outside its domain.
    """
    require("learning_rates", config.learning_rates, (LEARNING_RATE,))
    for rate in config.learning_rates:
        check_strength("learning_rates", rate, "Give step sizes such as 0.1")
    check_hidden(config.hidden)
    if not config.hidden:
        raise ArgumentError("hidden", config.hidden, "must have a layer", "Give the tutorial's (256, 128)")
    data = load_images(config.dataset)
    epochs = count_epochs(config.dataset, config.epochs, _EPOCHS)
    layers = {"moment": list(MOMENTS), "layer": np.arange(1, len(config.hidden) + 1)}
    result = jr.sweep(
        partial(learn, hidden=config.hidden, epochs=epochs),
        {
            "activation": jr.static(list(_SPOKEN)),
            "pixels": jr.cases(prepare(data.x_train, data.about.brightest)),
            "seed": jr.seeds(config.seeds),
            "learning_rate": np.array(config.learning_rates),
        },
        args=data[:4],
        dims={"test_accuracy": {"epoch": np.arange(1, epochs + 1)}, "flat": layers, "stuck": layers},
        store=store,
        progress=progress,
    )
    return result.assign_attrs(
        **describe_data(config.dataset), tutorial_rate=LEARNING_RATE, brightest=data.about.brightest
    )


def prepare(x_train: Any, brightest: int) -> dict[str, dict[str, float]]:
    """The `shift` that is subtracted from all pixels and the `scale` that they are then multiplied with, by name."""
    return {
        "raw": {"shift": 0.0, "scale": 1.0},
        "scaled": {"shift": 0.0, "scale": 1 / brightest},
        "standardised": {"shift": float(np.mean(x_train)), "scale": 1 / float(np.std(x_train))},
    }


def learn(
    *data: Any, seed: Any, shift: Any, scale: Any, hidden: tuple[int, ...], activation: str, **settings: Any
) -> dict[str, Any]:
    """Test accuracy after each epoch of one training, and how flat its units are before and after."""
    x_train, y_train, x_test, y_test = data
    x_train, x_test = ((jnp.asarray(x) - shift) * scale for x in (x_train, x_test))
    network: dict[str, Any] = {"hidden": hidden, "activation": activation}
    shared: dict[str, Any] = {"dropout": DROPOUT, "batch_size": BATCH_SIZE, "evaluate_train": False}
    history = jr.nets.train(
        x_train, y_train, x_test, y_test, seed=seed, return_params=True, **network, **shared, **settings
    )
    start = MLP(classes=10, **network).init(jr.randomness.split(seed, "init")["init"], x_train[:1])
    measured = [measure_flatness(params, x_test, **network) for params in (start, history["params"])]
    flat, stuck = (jnp.stack(parts) for parts in zip(*measured, strict=True))
    return {"test_accuracy": count_overflow(history["test_accuracy"], y_test), "flat": flat, "stuck": stuck}


def measure_flatness(params: Any, x: Any, hidden: tuple[int, ...], activation: str) -> tuple[Any, Any]:
    """How much of each hidden layer is flat, which lets almost no gradient through.

    Args:
        params: of an `MLP`.
        x: images.
        hidden: units of each hidden layer.
        activation: their activation.

    Returns:
        For each layer, the share of units and images where the slope of the activation is less than `FLAT` of the
        largest that it has, and the share of units where it is so for every image.
    """
    function = ACTIVATIONS[activation]

    def slope(z: Any) -> Any:
        return jax.jvp(function, (z,), (jnp.ones_like(z),))[1]

    limit = FLAT * slope(jnp.asarray(_SLOPES_AT)).max()
    flat, stuck = [], []
    for number in range(len(hidden)):
        layer = params["params"][f"hidden_{number}"]
        z = x @ layer["weight"].T + layer["bias"]
        is_flat = ~(slope(z) >= limit)  # nor does a unit let a gradient through that has overflowed
        flat.append(is_flat.mean())
        stuck.append(is_flat.all(0).mean())
        x = function(z)
    return jnp.stack(flat), jnp.stack(stuck)


def find_best_rates(dataset: xr.Dataset) -> xr.Dataset:
    """Common logarithm of the learning rate at which each seed is the most accurate, the lowest of several."""
    last = last_accuracy(dataset)
    accuracy = last["test_accuracy"].where(~last["diverged"]).fillna(-1.0)
    place = accuracy.argmax("learning_rate")
    logs = xr.DataArray(np.log10(dataset["learning_rate"].values), dims="learning_rate")
    log = logs.isel(learning_rate=place.drop_vars("learning_rate", errors="ignore"))
    return xr.Dataset(
        {"log_rate": log.assign_attrs(units="decades"), "diverged": dataset["diverged"].all("learning_rate")}
    )


def tune(dataset: xr.Dataset) -> xr.Dataset:
    """Last accuracy, in per cent, at the learning rate best on every other seed, on the seeds that did not choose it.

    Every pair of activation and pixels has a learning rate of its own.
    """
    runs = last_accuracy(dataset)
    return held_out(at(runs, learning_rate=choose(runs, "test_accuracy", "learning_rate")))


def _at_tutorial(dataset: xr.Dataset) -> xr.Dataset:
    return at(dataset, learning_rate=LEARNING_RATE)


def _share_of_flat_units(dataset: xr.Dataset) -> Estimate:
    runs = _at_tutorial(dataset)[["flat", "diverged"]].sel(activation="sigmoid", pixels="raw", moment="start", layer=1)
    return percentage(jr.stats.mean(runs, "flat", dim="seed"), "% of units and images")


def _decades_of_rates(dataset: xr.Dataset, activation: str) -> Estimate | None:
    best = find_best_rates(dataset).sel(activation=activation)
    return gain("log_rate", "pixels", "scaled", "raw")(best)


def _share_failing(dataset: xr.Dataset) -> Estimate:
    """A run that diverged has failed, too."""
    runs = _at_tutorial(last_accuracy(dataset)).sel(activation="relu", pixels="raw")
    failed = runs["diverged"] | ~(runs["test_accuracy"] >= CHANCE)
    return share("failed")(xr.Dataset({"failed": failed}))


def _tutorials_sigmoid(dataset: xr.Dataset) -> xr.Dataset:
    return _at_tutorial(last_accuracy(dataset)).sel(activation="sigmoid")


def _tuned(dataset: xr.Dataset, **place: str) -> xr.Dataset:
    return tune(dataset).sel(place)


_scaling = partial(gain, "test_accuracy", "pixels", "scaled", "raw")


CLAIMS = (
    Claim(
        "On raw pixels, most of the first sigmoid layer is saturated before training (slope below 5 % of the largest)",
        "common reason to scale what tutorial T5 leaves unscaled",
        _share_of_flat_units,
        Above(50),
    ),
    *(
        Claim(
            f"Scaling pixels to 0…1 raises the best learning rate of the {name} network",
            "what tutorial T5, which finds 0.1 on raw pixels, does not say",
            partial(_decades_of_rates, activation=activation),
            Above(0),
        )
        for activation, name in _SPOKEN.items()
    ),
    Claim(
        "At the tutorial's learning rate, scaling pixels to 0…1 makes the sigmoid network more accurate",
        "common advice against what tutorial T5 does",
        _scaling(runs=_tutorials_sigmoid),
        Above(0),
    ),
    *(
        Claim(
            f"Each at its own best learning rate, scaling pixels to 0…1 makes the {name} network more accurate",
            "common advice against what tutorial T5 does",
            _scaling(runs=partial(_tuned, activation=activation)),
            Above(0),
        )
        for activation, name in _SPOKEN.items()
    ),
    Claim(
        "With ReLU in place of sigmoid, raw pixels at the tutorial's rate fail (below 20 % in more than 95 % of seeds)",
        "tutorial T5, which draws ReLU and trains with sigmoid",
        _share_failing,
        Above(95),
    ),
    Claim(
        "On pixels from 0 to 1, each at its own best learning rate, ReLU is more accurate than sigmoid",
        "common advice",
        gain("test_accuracy", "activation", "relu", "sigmoid", runs=partial(_tuned, pixels="scaled")),
        Above(0),
    ),
    Claim(
        "Standardised pixels are as good as pixels from 0 to 1 (within half a point; ReLU, each at its own best rate)",
        "common practice, which does either",
        gain("test_accuracy", "pixels", "standardised", "scaled", runs=partial(_tuned, activation="relu")),
        Inside(-0.5, 0.5),
    ),
)

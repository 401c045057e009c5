"""What do unscaled pixels do to a network? Saturated units, the best learning rate, sigmoid and ReLU (tutorial T5)."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE
from jaxreg.errors import ArgumentError
from jaxreg.nets import ACTIVATIONS, MLP
from jaxreg.study import Above, Claim, Estimate, Inside, gain, mean, share
from jaxreg.study.settings import ChoosingSeeds, Holds

_SPOKEN = {"sigmoid": "sigmoid", "relu": "ReLU"}
MOMENTS = ("start", "end")
FLAT = 0.05
CHANCE = 20.0  # per cent that no network exceeds which always says the same of ten classes
_SLOPES_AT = np.linspace(-6, 6, 1201, dtype=np.float32)
_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; network and training are those of tutorial T5, with a population in place of one run."""

    seeds: ChoosingSeeds = 16
    """Number of runs of each kind; a seed has the same batches and dropout in all of them."""
    learning_rates: Annotated[tuple[float, ...], NOT_NEGATIVE, Holds((t5.LEARNING_RATE,))] = _RATES
    """Learning rates, with the tutorial's 0.1 among them."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""


PRESETS = {
    "quick": Config(seeds=4, learning_rates=(0.01, 0.1, 1.0), epochs=4),
    "laptop": Config(),
    "paper": Config(
        dataset="mnist", seeds=128, learning_rates=tuple(float(f"{10 ** (k / 4):.3g}") for k in range(-12, 5))
    ),
}
PLANS = {"paper": "40 to 60 minutes on two cores; one H100 takes it in 6 calls (50 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """By `activation`, `pixels` and `learning_rate`, the `test_accuracy` after each epoch, and how flat units are.

    `flat` (see `measure_flatness`), in per cent, is over `moment` ("start" or "end" of the training) and `layer`, a
    hidden one; `log_rate` and `best_rate` are the best learning rates of each seed and of every other seed. Pixels are
    "raw", "scaled" to 0…1, or "standardised": less the mean of all training pixels, divided by their standard
    deviation. A network that has overflowed says the first class of every image, and counts as doing so.
    """
    if not config.hidden:
        raise ArgumentError("hidden", config.hidden, "must have a layer", "Give the tutorial's (256, 128)")
    data = t5.load_images(config.dataset)
    layers = {"moment": list(MOMENTS), "layer": np.arange(1, len(config.hidden) + 1)}
    pixels = jr.cases(prepare(data.x_train, data.about.brightest))
    axes = {"activation": jr.static(list(_SPOKEN)), "pixels": pixels} | t5.seeds_and_rates(config)
    runs = t5.train(config, axes, data=data, learn=learn, dims={"flat": layers}, **options)
    runs["flat"] = (100 * runs["flat"]).assign_attrs(units="% of units and images")
    return t5.add_best_rate(runs).merge(t5.best_rates_of_seeds(runs))


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
    settings |= network | {"dropout": t5.DROPOUT, "return_params": True}
    history = jr.nets.train(x_train, y_train, x_test, y_test, seed=seed, **settings)
    start = MLP(classes=10, **network).init(jr.randomness.split(seed, "init")["init"], x_train[:1])
    flat = jnp.stack([measure_flatness(params, x_test, **network) for params in (start, history["params"])])
    return {"test_accuracy": t5.count_overflow(history["test_accuracy"], y_test), "flat": flat}


def measure_flatness(params: Any, x: Any, hidden: tuple[int, ...], activation: str) -> Any:
    """How much of each hidden layer is flat, which lets almost no gradient through.

    Args:
        params: of an `MLP`.
        x: images.
        hidden: units of each hidden layer.
        activation: their activation.

    Returns:
        For each layer, the share of units and images where the slope of the activation is less than `FLAT` of the
        largest that it has.
    """
    function = ACTIVATIONS[activation]

    def slope(z: Any) -> Any:
        return jax.jvp(function, (z,), (jnp.ones_like(z),))[1]

    limit = FLAT * slope(jnp.asarray(_SLOPES_AT)).max()
    flat = []
    for number in range(len(hidden)):
        layer = params["params"][f"hidden_{number}"]
        z = x @ layer["weight"].T + layer["bias"][None]
        flat.append((~(slope(z) >= limit)).mean())  # nor does a unit let a gradient through that has overflowed
        x = function(z)
    return jnp.stack(flat)


def _share_failing(dataset: xr.Dataset) -> Estimate:
    """A run that diverged has failed, too."""
    runs = t5.at_tutorials(dataset, activation="relu", pixels="raw")
    failed = runs["diverged"] | ~(runs["test_accuracy"] >= CHANCE)
    return share("failed")(xr.Dataset({"failed": failed}))


_of_sigmoid = partial(t5.at_tutorials, activation="sigmoid")
_scaling = partial(gain, "test_accuracy", "pixels", "scaled", "raw")


CLAIMS = (
    Claim(
        "On raw pixels, most of the first sigmoid layer is saturated before training (slope below 5 % of the largest)",
        "common reason to scale what tutorial T5 leaves unscaled",
        mean("flat", runs=partial(_of_sigmoid, pixels="raw", moment="start", layer=1)),
        Above(50),
    ),
    *(
        Claim(
            f"Scaling pixels to 0…1 raises the best learning rate of the {name} network",
            "what tutorial T5, which finds 0.1 on raw pixels, does not say",
            gain("log_rate", "pixels", "scaled", "raw", runs=partial(t5.best_rates_of_seeds, activation=activation)),
            Above(0),
        )
        for activation, name in _SPOKEN.items()
    ),
    Claim(
        "At the tutorial's learning rate, scaling pixels to 0…1 makes the sigmoid network more accurate",
        "common advice against what tutorial T5 does",
        _scaling(runs=_of_sigmoid),
        Above(0),
    ),
    *(
        Claim(
            f"Each at its own best learning rate, scaling pixels to 0…1 makes the {name} network more accurate",
            "common advice against what tutorial T5 does",
            _scaling(runs=partial(t5.tuned_last, activation=activation)),
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
        gain("test_accuracy", "activation", "relu", "sigmoid", runs=partial(t5.tuned_last, pixels="scaled")),
        Above(0),
    ),
    Claim(
        "Standardised pixels are as good as pixels from 0 to 1 (within half a point; ReLU, each at its own best rate)",
        "common practice, which does either",
        gain("test_accuracy", "pixels", "standardised", "scaled", runs=partial(t5.tuned_last, activation="relu")),
        Inside(-0.5, 0.5),
    ),
)

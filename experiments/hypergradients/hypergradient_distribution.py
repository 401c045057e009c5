"""When is the derivative of a training in its learning rate worth anything? Over seeds and rates, beside its chaos."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg import hypergrad as hg
from jaxreg.checks import Domain
from jaxreg.hypergrad import Trust
from jaxreg.study import Above, Claim, Estimate, Inside, at, held_out, share
from jaxreg.study.settings import ChoosingSeeds, Holds, check_settings

_TRAIN, _VALIDATION, _CLASSES = 256, 200, 10
_SMALL, _LARGE = 0.01, 10.0
_RATES = tuple(float(rate) for rate in np.geomspace(_SMALL, _LARGE, 13).round(4))


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: ChoosingSeeds = 32
    """Networks at each rate; the even ones say which rate is best."""
    rates: Annotated[tuple[float, ...], Domain(0, 100, "(]"), Holds((_SMALL, _LARGE))] = _RATES
    """Learning rates of SGD without momentum."""
    hidden: Annotated[int, Domain(1, ends="[)", whole=True)] = 16
    """Units of each of two hidden layers, tanh."""
    epochs: Annotated[int, Domain(2, ends="[)", whole=True)] = 8
    """Passes through the training data, in batches of 32."""


PRESETS = {
    "quick": Config(seeds=12, rates=_RATES[::2], epochs=6),
    "laptop": Config(),
    "paper": Config(seeds=512, rates=tuple(float(rate) for rate in np.geomspace(0.01, 10, 49).round(5)), epochs=16),
}
TOLERANCE = 1e-5
"""Of runs alone against those among others: a chaotic training multiplies the rounding of its derivatives."""


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""Differentiate the validation loss after a training in log of its learning rate, and gauge each derivative.

    Returns:
        Dataset over `seed` and `learning_rate`: `slope`, $\partial L / \partial \log \eta$, and `log_slope`, the
        decimal logarithm of its size; `growth`, the leading finite-time Lyapunov exponent times the steps, in decades;
        `difference`, the slope by central differences; `trust`, a number of `hypergrad.Trust`, with `reliable` and
        `chaotic`; `loss`; `best_rate`, of the least mean loss of the even seeds.
    """
    check_settings(config)
    data = jr.datasets.load("digits", train=_TRAIN, test=_VALIDATION)
    result = jr.sweep(
        partial(differentiate, hidden=config.hidden, epochs=config.epochs),
        {"seed": jr.seeds(config.seeds), "learning_rate": np.array(config.rates)},
        args=tuple(np.asarray(part, float if part.ndim > 1 else int) for part in data[:4]),
        x64=True,
        **options,
    ).load()
    result = result.assign(
        reliable=result["trust"] == int(Trust.RELIABLE),
        chaotic=result["trust"] == int(Trust.CHAOTIC),
        log_slope=np.log10(abs(result["slope"])),
        best_rate=jr.study.choose(result, "loss", "learning_rate", least=True),
    )
    for name, (units, words) in _WORDS.items():
        result[name].attrs.update(units=units, long_name=words)
    return result


_WORDS = {
    "learning_rate": ("", "learning rate η"),
    "slope": ("nats", "derivative in log of the rate"),
    "log_slope": ("decades", "size of the derivative"),
    "growth": ("decades", "growth of a disturbance"),
    "loss": ("nats", "validation loss"),
}


def differentiate(
    x: Any, y: Any, held: Any, right: Any, *, seed: Any, learning_rate: Any, hidden: int, epochs: int
) -> dict[str, Any]:
    """The derivative of one training, and what it is worth."""
    options: dict[str, Any] = {"hidden": (hidden, hidden), "classes": _CLASSES, "activation": "tanh", "epochs": epochs}
    training = hg.Training(x, y, held, right, seed=seed, options=options)
    found = hg.gauge(training, {"learning_rate": learning_rate})
    slope = found.hypergradient.gradient["learning_rate"]
    return {
        "slope": slope,
        "difference": jnp.sign(slope) * (4 * found.differences[1] - found.differences[0]) / 3,
        "trust": found.trust,
        "growth": found.exponents[0] * training.steps / jnp.log(10.0),
        "loss": found.hypergradient.value,
    }


def _at_best(dataset: xr.Dataset) -> xr.Dataset:
    """At the best rate, the seeds that did not choose it."""
    return held_out(at(dataset, learning_rate="best_rate"))


def _steepness(dataset: xr.Dataset) -> Estimate:
    """By how many decades chaotic derivatives are larger where disturbances grow by one more; a line for each seed."""
    known = dataset["chaotic"] & np.isfinite(dataset["log_slope"])
    x, y = (dataset[name].where(known) for name in ("growth", "log_slope"))
    x, y = x - x.mean("learning_rate"), y - y.mean("learning_rate")
    lines = ((x * y).sum("learning_rate") / (x * x).sum("learning_rate")).where(known.sum("learning_rate") > 2)
    return jr.claims.estimate(jr.stats.mean(lines.rename("line").to_dataset(), "line", "seed"), "decades a decade")


def _signal(dataset: xr.Dataset) -> Estimate:
    """How many standard errors the mean derivative at the best rate is away from 0."""
    slope = _at_best(dataset)["slope"].values
    distance = float(abs(slope.mean()) / (slope.std(ddof=1) / len(slope) ** 0.5))
    return jr.claims.exactly(distance, len(slope), "standard errors")


_METZ = "Metz et al., Gradients are not all you need (2021)"
_TUNERS = "Maclaurin, Duvenaud and Adams, Gradient-based hyperparameter optimization, ICML 2015, tune so"

CLAIMS = (
    Claim(
        "From a small rate, 0.01, the derivative agrees with differences (in 85 % of seeds)",
        "calculus",
        share("reliable", runs=partial(at, learning_rate=_SMALL)),
        Above(85),
    ),
    Claim(
        "At a large one, 10, it is chaotic (in 85 % of seeds)",
        _METZ,
        share("chaotic", runs=partial(at, learning_rate=_LARGE)),
        Above(85),
    ),
    Claim(
        "Where it is chaotic it grows as disturbances do, decade for decade",
        _METZ,
        _steepness,
        Inside(0.8, 1.2),
    ),
    Claim(
        "At the rate of least loss the derivative agrees with differences (in half of the seeds that did not choose)",
        _TUNERS,
        share("reliable", runs=_at_best),
        Above(50),
    ),
    Claim(
        "There, its mean over seeds has a sign: it is more than two standard errors from 0",
        "common practice",
        _signal,
        Above(2),
    ),
)

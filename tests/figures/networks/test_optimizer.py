"""The figure of the optimizers: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg.study import at, held_out
from tests.figures.drawn import find, points
from tests.populations import along, diverge, population

_NAMES = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "lion": "Lion"}


@pytest.fixture(scope="module")
def dataset():
    dims = {"optimizer": _NAMES, "seed": 12, "learning_rate": [0.001, 0.01, 0.1], "epoch": range(1, 6)}
    means = {"test_accuracy": along("optimizer", [20, 40, 60, 80]), "test_loss": along("epoch", [2, 1.5, 1, 0.8, 0.7])}
    rates = {
        "default_rate": ("optimizer", [0.01, 0.01, 0.001, 0.001]),
        "best_rate": ("optimizer", [0.1, 0.01, 0.001, 0.01]),
    }
    noise = {"spread": {"test_accuracy": 5, "test_loss": 0.05}, "units": {"test_accuracy": "%", "test_loss": "nats"}}
    return diverge(population(dims, means, **noise, title="Digits").assign(rates), optimizer=3, seed=1, learning_rate=2)


def test_accuracy_over_the_rate_with_a_ring_at_the_default(panels, dataset):
    mean = dataset["test_accuracy"].where(~dataset["diverged"]).isel(epoch=-1).mean("seed")
    for axes, kinds in ((panels[0], ["sgd", "momentum"]), (panels[1], ["adam", "lion"])):
        rings = [line.get_xydata()[0] for line in axes.lines if line.get_markerfacecolor() == "none"]
        for ring, kind in zip(rings, kinds, strict=True):
            find(axes, mean.sel(optimizer=kind), x=dataset["learning_rate"], label=_NAMES[kind])
            rate = float(dataset["default_rate"].sel(optimizer=kind))
            np.testing.assert_allclose(ring, [rate, mean.sel(optimizer=kind, learning_rate=rate)])
    assert panels[1].get_xlabel().endswith("n = 11–12 seeds (up to 1 diverged, left out)")


def test_default_and_best_are_measured_on_the_odd_seeds(panels, dataset):
    odd = held_out(dataset.isel(epoch=-1))
    means = [at(odd, learning_rate=which)["test_accuracy"].mean("seed") for which in ("default_rate", "best_rate")]
    np.testing.assert_allclose([drawn.x[0] for drawn in points(panels[2])], np.concatenate(means))
    assert panels[2].get_yticklabels()[0].get_text() == "SGD\n0.1"
    losses = at(held_out(dataset), learning_rate="best_rate")["test_loss"].mean("seed")
    for kind, label in _NAMES.items():
        find(panels[3], losses.sel(optimizer=kind), label=label)

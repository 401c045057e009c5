"""Optimizers: runs that are the trainings they say, verdicts on populations that are known; the figure."""

import numpy as np
import pytest

from experiments.networks import tutorial_network as t5
from experiments.networks.optimizer import CLAIMS, DEFAULTS, Config
from jaxreg.nets.optimizers import OPTIMIZERS
from jaxreg.study import at, held_out
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find, points
from tests.populations import along, population, verdicts

SMALL = Config(
    optimizers=("nesterov", "adamw"), learning_rates=(0.001, 0.01), seeds=4, epochs=1, hidden=(6,), momentum=0.7
)
DIVERGED = {"optimizer": 1, "seed": 0, "learning_rate": 0}
_NAMES = {"nesterov": "Nesterov", "adamw": "AdamW"}
_RATES = t5.powers_of_ten(-8, 0)


@pytest.mark.parametrize(
    ("name", "options"), [("nesterov", {"momentum": 0.7}), ("adamw", {"decoupled_weight_decay": 0.004})]
)
def test_a_run_is_the_training_it_says(result, name, options):
    alone = train_alone(2, learning_rate=0.01, dropout=0.5, hidden=(6,), epochs=1, optimizer=name, **options)
    here = result.sel(optimizer=name, seed=2, learning_rate=0.01)
    np.testing.assert_allclose(here["test_loss"], alone["test_loss"], rtol=1e-4)


def test_every_optimizer_has_its_default(result):
    assert set(DEFAULTS) == set(OPTIMIZERS)
    assert result["default_rate"].values.tolist() == [0.01, 0.001]


def _population(names=tuple(DEFAULTS), best=None, **peaks):
    """Accuracies that fall by ten points a decade from the peak of each optimizer, which lies at its best rate."""
    rates = DEFAULTS | (best or {})
    away = along("learning_rate", np.log10(_RATES)) - along("optimizer", [np.log10(rates[name]) for name in names])
    dims = {"optimizer": names, "seed": 20, "learning_rate": _RATES, "epoch": [1]}
    accuracy = along("optimizer", [peaks.get(name, 80) for name in names]) - 10 * abs(away)
    made = population(dims, {"test_accuracy": accuracy}, spread=0.1, shared=5)
    return t5.add_best_rate(made.assign(default_rate=("optimizer", [DEFAULTS[name] for name in names])))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Adam, by default, tuned, and without tuning; momentum is not worse, Nesterov better; AdamW better; Lion's rate
        ({}, "uuhhuuf"),
        ({"adam": 85}, "hhhhuff"),
        ({"sgd": 85}, "ffhfuuf"),
        ({"adam": 85, "best": {"adam": 0.1}}, "fhfhuff"),
        ({"momentum": 78}, "uuhfhuf"),
        ({"nesterov": 81}, "uuhhhuf"),
        ({"momentum": 81}, "uuhhfuf"),
        ({"adamw": 81}, "uuhhuhf"),
        ({"best": {"adamw": 0.0031623, "lion": 0.0005}}, "uuhhuuh"),
        ({"adam": 85, "names": ("sgd", "adam")}, "hhhuuuu"),  # what was not tried decides nothing
    ],
)
def test_claims(given, expected):
    assert verdicts(CLAIMS, _population(**given)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_accuracy_over_the_rate_with_a_ring_at_the_default(panels, dataset):
    mean = dataset["test_accuracy"].where(~dataset["diverged"]).isel(epoch=-1).mean("seed")
    for axes, (kind, name) in zip(panels, _NAMES.items(), strict=False):
        (ring,) = [line.get_xydata()[0] for line in axes.lines if line.get_markerfacecolor() == "none"]
        find(axes, mean.sel(optimizer=kind), x=dataset["learning_rate"], label=name)
        rate = float(dataset["default_rate"].sel(optimizer=kind))
        np.testing.assert_allclose(ring, [rate, mean.sel(optimizer=kind, learning_rate=rate)])
    assert panels[1].get_xlabel().endswith("n = 3–4 seeds (up to 1 diverged, left out)")


def test_default_and_best_are_measured_on_the_odd_seeds(panels, dataset):
    odd = held_out(dataset.isel(epoch=-1))
    means = [at(odd, learning_rate=which)["test_accuracy"].mean("seed") for which in ("default_rate", "best_rate")]
    np.testing.assert_allclose([drawn.x[0] for drawn in points(panels[2])], np.concatenate(means))
    assert panels[2].get_yticklabels()[0].get_text() == f"Nesterov\n{float(dataset['best_rate'][0]):g}"
    losses = at(held_out(dataset), learning_rate="best_rate")["test_loss"].mean("seed")
    for kind, label in _NAMES.items():
        find(panels[3], losses.sel(optimizer=kind), label=label)

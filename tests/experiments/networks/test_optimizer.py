"""The study of optimizers: runs that are the trainings they say, and verdicts on populations that are known."""

import numpy as np
import pytest

from experiments.networks import tutorial_network as t5
from experiments.networks.optimizer import CLAIMS, DEFAULTS, Config
from jaxreg.nets.optimizers import OPTIMIZERS
from tests.experiments.networks.alone import train_alone
from tests.populations import along, population, verdicts

SMALL = Config(
    optimizers=("nesterov", "adamw"), learning_rates=(0.001, 0.01), seeds=4, epochs=1, hidden=(6,), momentum=0.7
)
_RATES = t5.half_decades(-8, 0)


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

"""The loss function: numbers by hand, slopes by closed form, verdicts on populations that are known; the figure."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from experiments.networks import tutorial_network as t5
from experiments.networks.loss_function import CLAIMS, KINDS, PREDICTIONS, Config, work_examples
from jaxreg.study import at, held_out
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find
from tests.populations import along, population, verdicts

SMALL = Config(seeds=4, learning_rates=(0.1, 1.0), epochs=2, hidden=(6,))
_RATES = t5.powers_of_ten(-4, 3)


def test_a_run_is_the_training_it_says(result):
    alone = train_alone(2, learning_rate=1.0, dropout=0.5, hidden=(6,), epochs=2, loss="mean_squared_error")
    here = result["test_accuracy"].sel(loss="mean_squared_error", seed=2, learning_rate=1.0)
    np.testing.assert_allclose(here, alone["test_accuracy"], atol=0.5)


def test_worked_examples_are_those_by_hand():
    expected = {"cross_entropy": [0.356675, 0.916291, 2.302585], "mean_squared_error": [0.14 / 3, 0.18, 0.42]}
    for kind, values in expected.items():
        np.testing.assert_allclose(work_examples()["example_loss"].sel(loss=kind), values, rtol=1e-5)


def test_losses_and_slopes_of_two_classes_are_the_closed_forms():
    curves = work_examples()
    p = curves["probability"].values
    expected = {"cross_entropy": (-np.log(p), p - 1), "mean_squared_error": ((1 - p) ** 2, -2 * p * (1 - p) ** 2)}
    for kind, (value, gradient) in expected.items():
        np.testing.assert_allclose(curves["value"].sel(loss=kind), value, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(curves["gradient"].sel(loss=kind), gradient, rtol=1e-3, atol=1e-6)


def _population(squared=80, best=0.1, early=0):
    """Cross-entropy has its peak of 80 at 0.1, the squared error its own elsewhere; both fall by ten a decade."""
    away = abs(along("learning_rate", np.log10(_RATES)) - along("loss", np.log10([0.1, best])))
    last = along("loss", [80, squared]) - 10 * away
    accuracy = along("epoch", [0.5, 1]) * last + along("epoch", [1, 0]) * along("loss", [0, early])
    dims = {"loss": KINDS, "seed": 20, "learning_rate": _RATES, "epoch": [1, 2]}
    made = population(dims, {"test_accuracy": accuracy}, spread=0.1, shared=5)
    return t5.add_best_rate(made).assign(work_examples())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # by hand twice, sure and wrong; cross-entropy at 0.1, tuned, after an epoch; the squared error's rate is larger
        ({}, "hhhuuuf"),
        ({"squared": 70}, "hhhhhhf"),
        ({"squared": 90}, "hhhffff"),
        ({"best": 10.0}, "hhhhuuh"),
        ({"squared": 90, "best": 10.0}, "hhhhffh"),
        ({"best": 0.01}, "hhhhuuf"),
        ({"early": -10}, "hhhuuhf"),
        ({"early": 10}, "hhhuuff"),
    ],
)
def test_claims(given, expected):
    assert verdicts(CLAIMS, _population(**given)) == expected


def test_exact_claims_fail_where_numbers_are_wrong():
    made = _population()
    wrong = made.assign(example_loss=made["example_loss"] + 1e-3, gradient=made["gradient"] * 0 + 1)
    assert verdicts(CLAIMS[:3], wrong) == "fff"


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_worked_example_shows_predictions_targets_and_losses(panels, dataset):
    bars = panels[0].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], np.ravel(PREDICTIONS))
    assert [to_hex(bar.get_facecolor()) != "#ffffff" for bar in bars] == np.eye(3, dtype=bool).ravel().tolist()
    texts = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert texts == ["0.357\n0.0467", "0.916\n0.1800", "2.303\n0.4200"]
    assert "mean 1.192" in panels[0].get_xlabel()
    assert "mean 0.2156" in panels[0].get_xlabel()
    for number, kind in enumerate(KINDS):
        value, gradient = panels[1].lines[2 * number : 2 * number + 2]
        np.testing.assert_allclose(value.get_ydata(), dataset["value"].sel(loss=kind))
        np.testing.assert_allclose(gradient.get_ydata(), -dataset["gradient"].sel(loss=kind))


def test_accuracy_over_the_rate_and_over_epochs(panels, dataset):
    last = dataset["test_accuracy"].isel(epoch=-1).mean("seed")
    best = at(held_out(dataset), learning_rate="best_rate")["test_accuracy"].mean("seed")
    for kind in KINDS:
        label, rate = kind.replace("cross_", "cross-").replace("_", " "), float(dataset["best_rate"].sel(loss=kind))
        find(panels[2], last.sel(loss=kind), label=label)
        find(panels[3], best.sel(loss=kind), label=f"{label}, rate {rate:g}")
    assert [axes.get_xlabel().splitlines()[1] for axes in panels[2:]] == ["n = 4 seeds", "n = 2 seeds"]
    assert panels[2].get_title(loc="left") == "(c) Digits, after 2 epochs"

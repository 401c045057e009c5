"""Influence on mislabelled digits: rankings against refits, claims that fall either way; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.hypergradients.influence import CLAIMS, RANKINGS, Config, mislabel
from jaxreg import stats
from tests.populations import population, verdicts

SMALL = Config(seeds=2, train=100, validation=40, hidden=4, epochs=2, wrong=0.2)


def test_as_many_labels_as_asked_for_are_others():
    y = jnp.arange(200) % 10
    changed, wrong = mislabel(jax.random.key(0), y, 30)
    assert int(wrong.sum()) == 30
    np.testing.assert_array_equal(changed != y, wrong)
    assert len(set(np.asarray((changed - y) % 10)[np.asarray(wrong)])) > 5
    assert not np.array_equal(wrong, mislabel(jax.random.key(1), y, 30)[1])


def test_every_mislabelled_digit_is_found_in_the_end(result):
    assert dict(result.sizes) == {"seed": 2, "ranking": len(RANKINGS), "looked_at": 100}
    found = result["found"]
    np.testing.assert_allclose(found.isel(looked_at=-1), 100)
    np.testing.assert_allclose(found.sel(looked_at=20), result["precision"], rtol=1e-6)
    steps = found.diff("looked_at")
    assert (np.isclose(steps, 0, atol=1e-4) | np.isclose(steps, 5, atol=1e-4)).all()
    assert result.attrs["wrong"] == 20


def _made_up(precision=(90, 60, 70), test_accuracy=(95, 90, 92), accuracy_of_all=88):
    """A population of which every claim holds, but for what is changed, by ranking."""
    means = {"precision": list(precision), "test_accuracy": list(test_accuracy)}
    means["accuracy_of_all"] = (("seed",), accuracy_of_all)
    return population({"seed": 20, "ranking": RANKINGS}, means, spread=1.0, records=("ranking",))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhh"),
        ({"precision": [40, 10, 20]}, "fhhhh"),
        ({"precision": [90, 95, 70]}, "hfhhh"),
        ({"precision": [90, 60, 95]}, "hhfhh"),
        ({"accuracy_of_all": 97}, "hhhfh"),
        ({"test_accuracy": [95, 90, 97]}, "hhhhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(CLAIMS, _made_up(**changed)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_curves_are_means_of_what_is_found(panels, dataset):
    for place in range(3):
        expected = stats.mean(dataset.isel(ranking=place), "found", "seed")["mean"]
        np.testing.assert_allclose(panels[0].lines[place].get_ydata(), expected)
    assert panels[0].get_xlabel().endswith("n = 2 seeds")


def test_points_are_means_over_seeds_and_gains_are_paired(panels, dataset):
    worth = dataset["test_accuracy"] - dataset["accuracy_of_all"]
    for axes, values in ((panels[1], dataset["precision"]), (panels[2], worth)):
        drawn = [float(bars.lines[0].get_xdata()[0]) for bars in axes.containers]
        np.testing.assert_allclose(drawn, values.mean("seed"))

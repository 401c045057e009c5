"""Best rates are chosen and measured on different seeds; comparisons of methods are paired."""

import numpy as np
import pytest
import xarray as xr

from experiments.networks.tuned_rates import compare_best_rates, find_best_rates, half_decades, tuned
from jaxreg.study import gain

_RATES = np.array(half_decades(-2, 0))


def _population(accuracy):
    """(kind, seed, learning_rate) at the end, chance before that."""
    accuracy = np.asarray(accuracy, float)
    both = np.stack([accuracy * 0 + 0.1, accuracy], -1)
    return xr.Dataset(
        {
            "test_accuracy": (("kind", "seed", "learning_rate", "epoch"), both),
            "diverged": (("kind", "seed", "learning_rate"), np.zeros(accuracy.shape, bool)),
        },
        {"kind": ["a", "b"], "seed": np.arange(accuracy.shape[1]), "learning_rate": _RATES, "epoch": [1, 2]},
    )


def test_best_rates_are_measured_on_other_seeds():
    accuracy = np.full((2, 6, 3), 0.5)
    accuracy[0, ::2, 2] = 0.9  # lucky where it is chosen, poor where it is measured
    accuracy[0, 1::2, 2] = 0.3
    accuracy[1, :, 0] = 0.7
    dataset = _population(accuracy)
    assert find_best_rates(dataset).values.tolist() == [1.0, 0.1]
    runs = tuned(dataset)
    assert runs["seed"].values.tolist() == [1, 3, 5]
    np.testing.assert_allclose(runs["test_accuracy"].sel(kind="a"), 30)
    np.testing.assert_allclose(runs["test_accuracy"].sel(kind="b"), 70)
    np.testing.assert_allclose(tuned(dataset, epoch=0)["test_accuracy"], 10)
    found = gain("test_accuracy", "kind", "a", "b", runs=tuned)(dataset)
    assert (found.effect, found.n, found.unit) == (pytest.approx(-40), 3, "percentage points")
    assert found.interval == (pytest.approx(-40), pytest.approx(-40))


def test_ratio_of_best_rates_is_that_of_single_seeds():
    accuracy = np.full((2, 4, 3), 0.5)
    accuracy[0, :2, 2], accuracy[0, 2:, 1] = 0.9, 0.9  # a: 1, 1, 0.3, 0.3
    accuracy[1, :, 0] = 0.9  # b: 0.1
    dataset = _population(accuracy)
    found = compare_best_rates(dataset, "kind", "a", "b")
    assert (found.effect, found.n, found.unit) == (pytest.approx(0.75, abs=1e-3), 4, "decades")
    assert found.interval[0] < 0.75 < found.interval[1]
    gone = dataset["diverged"].copy()
    gone[0, :, 2] = True
    assert compare_best_rates(dataset.assign(diverged=gone), "kind", "a", "b").effect < 0.5


def test_what_was_not_tried_decides_nothing():
    dataset = _population(np.full((2, 4, 3), 0.5))
    assert gain("test_accuracy", "kind", "a", "c", runs=tuned)(dataset) is None
    assert compare_best_rates(dataset, "kind", "c", "a") is None

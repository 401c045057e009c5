"""The figure of influence: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    rows = ("seed", "ranking")
    return xr.Dataset(
        {
            "found": ((*rows, "looked_at"), np.sort(rng.uniform(0, 100, (6, 3, 5)))),
            "precision": (rows, rng.uniform(40, 90, (6, 3))),
            "test_accuracy": (rows, rng.uniform(80, 90, (6, 3))),
            "accuracy_of_all": ("seed", rng.uniform(80, 90, 6)),
            "diverged": ("seed", np.zeros(6, bool)),
        },
        {"seed": np.arange(6), "ranking": ["influence", "loss", "early loss"], "looked_at": np.arange(1, 6) * 20.0},
        {"wrong": 10.0},
    )


def test_curves_are_means_of_what_is_found(panels, dataset):
    for place in range(3):
        expected = stats.mean(dataset.isel(ranking=place), "found", "seed")["mean"]
        np.testing.assert_allclose(panels[0].lines[place].get_ydata(), expected)
    assert panels[0].get_xlabel().endswith("n = 6 seeds")


def test_points_are_means_over_seeds_and_gains_are_paired(panels, dataset):
    worth = dataset["test_accuracy"] - dataset["accuracy_of_all"]
    for axes, values in ((panels[1], dataset["precision"]), (panels[2], worth)):
        drawn = [float(bars.lines[0].get_xdata()[0]) for bars in axes.containers]
        np.testing.assert_allclose(drawn, values.mean("seed"))

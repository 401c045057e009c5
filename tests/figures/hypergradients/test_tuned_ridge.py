"""The figure of the tuned ridge: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    fits = (("draw", "fit"), rng.uniform(1, 2, (6, 3)))
    return xr.Dataset(
        {
            "excess": (("seed", "step"), rng.uniform(0, 5, (8, 4))),
            "risk": (("seed", "rule"), rng.uniform(1, 2, (8, 4)) * [1, 1, 1, 0.2]),
            "factor": (("draw", "strength_step", "column"), rng.uniform(0.1, 1, (6, 5, 12))),
            "found": (("draw", "fit"), rng.uniform(size=(6, 3)) < 0.5),
            "validation_error": fits,
            "test_error": fits,
        },
        {"rule": ["gradient", "grid", "decades", "best"], "fit": ["strengths", "lasso", "least squares"]},
        {"sparse_noise": 0.7},
    ).assign_coords(seed=np.arange(8), step=np.arange(4))


def test_what_is_left_to_go_is_a_median(panels, dataset):
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), dataset["excess"].median("seed"))


def test_costs_are_geometric_means_over_the_least(panels, dataset):
    risk = dataset["risk"]
    expected = 100 * (np.exp(np.log(risk / risk.sel(rule="best")).mean("seed")) - 1)
    np.testing.assert_allclose(panels[1].containers[0].lines[0].get_xdata(), expected[:3])


def test_strengths_found_and_errors_are_those_of_the_dataset(panels, dataset):
    drawn = [line.get_ydata() for line in panels[2].lines]
    assert any(np.allclose(line, dataset["factor"][0, :, 3]) for line in drawn)
    np.testing.assert_allclose(panels[3].containers[0].lines[0].get_xdata(), 100 * dataset["found"].mean("draw"))
    expected = stats.mean(dataset, "test_error", "draw")["mean"]
    np.testing.assert_allclose(panels[4].containers[1].lines[0].get_xdata(), expected)

"""The figure of the tuned network: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    cells = ("seed", "method")
    return xr.Dataset(
        {
            "test_loss": (cells, rng.uniform(0.2, 0.9, (6, 4))),
            "validation_loss": (cells, rng.uniform(0.2, 0.9, (6, 4))),
            "hyperparameter": ((*cells, "name"), rng.uniform(0.1, 2, (6, 4, 3))),
            "on_the_way": (("search", "seed", "trained"), rng.uniform(0.2, 0.9, (2, 6, 5))),
        },
        {
            **{"seed": np.arange(6), "method": ["gradient", "random search", "halving", "untuned"]},
            **{"search": ["gradient", "random search"], "trained": np.arange(1, 6), "name": ["a", "b", "c"]},
        },
    )


def test_ways_are_means_over_seeds(panels, dataset):
    for place in range(2):
        expected = dataset["on_the_way"][place].mean("seed")
        np.testing.assert_allclose(panels[0].lines[place].get_ydata(), expected)
    np.testing.assert_allclose(panels[0].lines[2].get_ydata(), [dataset["validation_loss"][:, 2].mean()])


def test_worth_is_paired(panels, dataset):
    loss = dataset["test_loss"]
    drawn = [float(bars.lines[0].get_xdata()[0]) for bars in panels[1].containers]
    np.testing.assert_allclose(drawn, [float((loss[:, k] - loss[:, 1]).mean()) for k in (0, 2)])


def test_what_is_found_is_over_the_start(panels, dataset):
    found = dataset["hyperparameter"]
    expected = np.log10(found[:, 0] / found[:, 3]).mean("seed")
    np.testing.assert_allclose(panels[2].containers[0].lines[0].get_xdata(), expected)

"""The figure of hypergradients over rates: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    dims = ("seed", "learning_rate")
    trust = np.tile([0, 0, 2], (6, 1))
    values = {name: (dims, rng.uniform(0.1, 5, (6, 3))) for name in ("log_slope", "growth", "loss")}
    values |= {"trust": (dims, trust), "chaotic": (dims, trust == 2), "diverged": (dims, np.zeros((6, 3), bool))}
    return xr.Dataset(values | {"best_rate": 0.1}, {"seed": np.arange(6), "learning_rate": [0.01, 0.1, 1.0]})


def test_points_are_runs_by_their_trust(panels, dataset):
    for axes in (panels[0], panels[3]):
        reliable, noisy, chaotic = axes.lines[:3]
        np.testing.assert_allclose(np.sort(reliable.get_ydata()), np.sort(dataset["log_slope"][:, :2].values.ravel()))
        np.testing.assert_allclose(np.sort(chaotic.get_ydata()), np.sort(dataset["log_slope"][:, 2]))
        assert not len(noisy.get_xdata())
    np.testing.assert_allclose(panels[3].lines[2].get_xdata(), dataset["growth"][:, 2])


def test_the_chaotic_region_begins_between_two_rates(panels):
    (span,) = panels[1].patches
    np.testing.assert_allclose(span.get_x(), np.sqrt(0.1 * 1.0))


def test_the_ring_is_at_the_best_rate(panels, dataset):
    ring = panels[2].lines[-1]
    np.testing.assert_allclose(ring.get_xdata(), [0.1])
    np.testing.assert_allclose(ring.get_ydata(), [dataset["loss"][:, 1].mean()])

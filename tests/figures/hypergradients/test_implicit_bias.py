"""The figure of the implicit bias: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats

_SCALES = np.array([0.01, 0.1, 0.5])


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    dims, shape = ("seed", "algorithm", "scale"), (6, 3, 3)
    names = ("fitted", "foretold", "distance", "to_fitted", "to_l2", "error")
    values = {name: (dims, rng.uniform(1, 2, shape)) for name in names}
    values |= {name: ((*dims, "coordinate"), rng.normal(size=(*shape, 5))) for name in ("coef", "slope")}
    coords = {"seed": np.arange(6), "algorithm": ["descent", "sgd", "slow sgd"], "scale": _SCALES}
    return xr.Dataset(values | {"diverged": (dims, np.zeros(shape, bool))}, coords)


def test_scales_stand_beside_what_is_foretold(panels, dataset):
    lines = panels[0].lines
    for place, name in enumerate(dataset["algorithm"].values):
        runs = dataset.isel(algorithm=place)
        for line, of in zip(lines[2 * place : 2 * place + 2], ("fitted", "foretold"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), stats.mean(runs, of, "seed")["mean"], err_msg=name)
    assert panels[0].get_xlabel().endswith("n = 6 data sets")


def test_slopes_stand_on_their_closed_form(panels, dataset):
    one = dataset.isel(seed=0, algorithm=0, scale=1)
    curve, points = panels[2].lines[2:4]
    np.testing.assert_allclose(points.get_xdata(), one["coef"])
    np.testing.assert_allclose(points.get_ydata(), one["slope"] / abs(one["slope"]).max())
    largest = np.arcsinh(abs(one["coef"]) / 0.02).max()
    np.testing.assert_allclose(curve.get_ydata(), np.arcsinh(curve.get_xdata() / 0.02) / float(largest))


def test_gains_are_paired(panels, dataset):
    expected = (dataset["error"].isel(algorithm=0) - dataset["error"].isel(algorithm=1)).mean("seed")
    line = next(line for line in panels[3].lines if line.get_label() == "SGD")
    np.testing.assert_allclose(line.get_ydata(), expected)

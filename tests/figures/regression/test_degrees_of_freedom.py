"""The figure of degrees of freedom: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band, find_points, read

_ALPHAS = [0.1, 0.3, 1.0]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    active, cells = random.integers(0, 6, (400, 3)), ("seed", "alpha")
    return xr.Dataset(
        {
            "active": (cells, active),
            "lasso": (cells, active + random.normal(0.2, 1, (400, 3))),
            "refit": (cells, active + random.normal(2, 1, (400, 3))),
            "ridge": (("seed", "ridge_alpha"), random.normal([3, 2], 1, (400, 2))),
            "lar": (("seed", "step"), random.normal([1, 2, 3, 4], 1, (400, 4))),
            "diverged": ("seed", np.arange(400) == 7),
            "divergence": ("alpha", [5.0, 3.0, 1.0]),
            "ridge_df": ("ridge_alpha", [3.0, 2.0]),
        },
        {"alpha": _ALPHAS, "ridge_alpha": [1.0, 10.0], "step": [1, 2, 3, 4]},
    )


def test_counts_are_means_and_differences_are_paired(panels, dataset):
    lasso, difference, ridge, lar = panels
    summary = {name: stats.mean(dataset, name, dim="seed") for name in ("refit", "active", "lasso", "ridge")}
    find_band(lasso, summary["refit"], _ALPHAS, "least squares on the selection")
    find(lasso, summary["active"]["mean"], _ALPHAS, "nonzero coefficients")
    scatter = stats.quantiles(dataset, "active", dim="seed")
    find_band(lasso, scatter.drop_vars("median").assign(mean=summary["active"]["mean"]), _ALPHAS)
    find_points(lasso, summary["lasso"], _ALPHAS, "covariance")
    find(lasso, [5, 3, 1], _ALPHAS, "divergence, one draw")
    assert "n = 399 draws (1 diverged, left out)" in read(lasso)
    find(ridge, dataset["ridge_df"])
    find_points(ridge, summary["ridge"])
    for axes, name, expected in ((difference, "lasso", "active"), (lar, "lar", "step")):
        excess = dataset.assign(excess=dataset[name] - dataset[expected])
        find_band(axes, stats.mean(excess, "excess", dim="seed"))
        assert axes.get_ylim()[0] <= -0.5 < 0.5 <= axes.get_ylim()[1]

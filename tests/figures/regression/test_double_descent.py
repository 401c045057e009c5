"""The figure of double descent: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg import stats
from tests.figures.drawn import find, find_band, find_points, read
from tests.populations import population

_SIZES = np.array([2, 4, 8, 9, 16, 32])
_NAMES = {
    "none": "least squares",
    "small singular values": "without small singular values",
    "test rows": "test rows in leading directions",
    "residual": "without a residual",
}


@pytest.fixture(scope="module")
def dataset():
    dims = {"view": ["model-wise", "sample-wise"], "seed": 50, "size": _SIZES}
    dims |= {"ablation": list(_NAMES), "factor": [0.5, 1.0, 2.0]}
    cells, theory = ("view", "seed", "size"), np.random.default_rng(0).uniform(1, 3, (2, 6))
    theory[:, 2:4] = np.inf
    return population(
        dims,
        {
            "error": ((*cells, "ablation"), 5.0),
            "ridge_error": ((*cells, "factor"), 4.0),
            "theory": (("view", "size"), theory),
        },
        spread=0.5,
        records=("ablation", "factor"),
        critical=8,
    )


@pytest.mark.parametrize(("column", "view"), [(0, "model-wise"), (1, "sample-wise")])
def test_descents_have_bands_theory_and_means_and_ablations_medians(panels, dataset, column, view):
    (top, bottom), runs = (panels[column], panels[2 + column]), dataset.sel(view=view)
    plain = runs.sel(ablation="none")
    find_band(top, stats.quantiles(plain, "error", dim="seed"), _SIZES, "median, 5–95 % of data sets")
    find(top, runs["theory"].where(np.isfinite(runs["theory"])), _SIZES, "exact mean")
    away = plain.sel(size=[2, 4, 16, 32])  # of finite variance
    find_points(top, stats.mean(away, "error", dim="seed", level=0.6827), away["size"], "simulated mean")
    assert "50 data sets" in read(top)
    looks = set()
    for ablation, name in _NAMES.items():
        line = find(bottom, runs["error"].sel(ablation=ablation).median("seed"), _SIZES, name)
        looks.add((line.get_color(), line.get_linestyle()))
    looks.add(find(bottom, runs["ridge_error"].sel(factor=1.0).median("seed"), label="optimal ridge").get_color())
    assert len(looks) == 5
    for axes in (top, bottom):
        assert axes.get_xscale() == axes.get_yscale() == "log"
        find(axes, x=[8, 8])

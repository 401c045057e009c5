"""The figure of the flat and the sharp minimum: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_points, points, read

_RATES = np.array([0.2, 0.05, 0.28])
_COUNTED = np.array([300, 500, 200])
_RUNS = ("learning_rate", "start", "seed")


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    share = random.uniform(0.7, 0.9, (3, 2, 40))
    share[2, 0, :4] = np.nan
    return xr.Dataset(
        {
            "share": (_RUNS, share),
            "diverged": (_RUNS, np.isnan(share)),
            "counts": ((*_RUNS, "bin"), random.integers(0, 50, (3, 2, 40, 5))),
            "counted": ("learning_rate", _COUNTED),
            "exact": ("learning_rate", [4.0, 3.0, 5.0]),
            "exact_density": (("learning_rate", "bin"), random.uniform(0, 1, (3, 5))),
            "boltzmann_density": ("bin", random.uniform(0, 1, 5)),
            "boltzmann": 2.1,
            "harmonic": 5**0.5,
            "ratio_curve": ("curve_rate", [3.0, 4.0, 5.0, 6.0]),
            "temperature": 0.06,
        },
        {
            "learning_rate": _RATES,
            "start": ["sharp", "flat"],
            "bin": [-1.0, -0.5, 0.0, 0.5, 1.0],
            "curve_rate": [0.05, 0.1, 0.2, 0.28],
        },
    )


def _odds(runs, dim):
    return (shares := stats.mean(runs, "share", dim=dim)[["mean", "low", "high"]]) / (1 - shares)


def test_landscape_has_its_minima(panels):
    curve = panels[0].lines[0]
    w = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), (w**2 - 1) ** 2 * ((w - 1) ** 2 + 1) / 8, atol=1e-12)
    for place in (-1, 1):
        assert find(panels[0], [0], [place]).get_marker() == "o"


def test_densities_are_those_of_the_runs_that_live(panels, dataset):
    """At the smallest and at the largest learning rate, which stand second and third."""
    for k, label in ((1, "$ηh$ = 0.25"), (2, "$ηh$ = 1.4")):
        counts = dataset["counts"].values[k].reshape(80, 5)[np.isfinite(dataset["share"].values[k].ravel())]
        simulated = find(panels[3], counts.sum(0) / (len(counts) * _COUNTED[k] * 0.5), dataset["bin"])
        exact = find(panels[3], dataset["exact_density"][k], dataset["bin"])
        assert simulated.get_color() == exact.get_color()
        assert label in (simulated.get_label(), exact.get_label())
    find(panels[3], dataset["boltzmann_density"], label="diffusion")


def test_ratios_are_those_of_all_runs_and_of_each_start_over_the_exact_law(panels, dataset):
    find_points(panels[1], _odds(dataset, ("start", "seed")), 5 * _RATES)
    find(panels[1], dataset["ratio_curve"], [0.25, 0.5, 1.0, 1.4])
    find(panels[1], [2.1, 2.1])
    find(panels[1], [5**0.5, 5**0.5])
    for drawn, start in zip(points(panels[2]), ("sharp", "flat"), strict=True):
        find_points(panels[2], _odds(dataset.sel(start=start), "seed") / dataset["exact"], drawn.x)
        np.testing.assert_allclose(drawn.x, 5 * _RATES, atol=0.02)
        assert panels[2].get_ylim()[0] < drawn.low.min() < drawn.high.max() < panels[2].get_ylim()[1]
    assert ("n = 76–80 runs" in read(panels[1]), "36–40 runs" in read(panels[2])) == (True, True)

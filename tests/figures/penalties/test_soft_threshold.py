"""The figure of soft thresholds: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band, read

_STRENGTHS = np.array([0.0, 0.5, 2.0])
_X = np.linspace(-1.5, 2.5, 41)
_RATIOS = np.array([0.0, 1.0, 2.0])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    objective = (_X - 1) ** 2 + _STRENGTHS[:, None] * abs(_X)
    fine = np.linspace(0, 2.5, 6)
    path = np.maximum(1 - fine / 2, 0)
    zero = random.random((2, 200, 3, 2)) < np.array([0.0, 0.5, 0.9])[:, None]
    names = ["best subset", "ridge", "lasso", "elastic net"]
    z_curve = np.linspace(-4, 4, 81)
    z = random.normal(0, 2, (60, 4))

    def estimate(at):
        soft = np.sign(at) * np.maximum(abs(at) - 1, 0)
        return np.stack([np.where(abs(at) > 1, at, 0), at / 2, soft, soft / 1.5], axis=-2)

    return xr.Dataset(
        {
            "objective": (("function", "strength", "x"), np.stack([objective, objective])),
            "minimum": (("function", "strength"), [[1.0, 0.75, 0.0], [1.0, 0.75, 0.0]]),
            "critical": ("function", [2.0, 1.25]),
            "slope": ("function", [2.0, 0.5]),
            "path": (("function", "fine_strength", "penalty"), np.stack([np.stack([path, path / 2], 1)] * 2)),
            "minimiser": (("family", "seed", "ratio", "penalty"), np.where(zero, 0, 0.7)),
            "diverged": (("family", "seed"), np.tile(np.arange(200) == 3, (2, 1))),
            "z": (("design", "column"), z),
            "fitted": (("design", "estimator", "column"), estimate(z)),
            "expected": (("design", "estimator", "column"), estimate(z)),
            "curve": (("estimator", "z_curve"), estimate(z_curve)),
            "threshold": 1.0,
            "ridge_part": 0.5,
        },
        {
            "function": ["convex", "two wells"],
            "strength": _STRENGTHS,
            "x": _X,
            "fine_strength": fine,
            "penalty": ["l1", "l2"],
            "family": ["convex", "not convex"],
            "ratio": _RATIOS,
            "estimator": names,
            "z_curve": z_curve,
        },
    )


def test_objectives_paths_and_the_derived_strengths_are_drawn(panels, dataset):
    for axes, name in zip(panels[:2], dataset["function"].values, strict=True):
        one = dataset.sel(function=name)
        for strength in _STRENGTHS:
            find(axes, one["objective"].sel(strength=strength), _X)
            mark = find(axes, x=[float(one["minimum"].sel(strength=strength))])
            assert mark.get_marker() == "o"
            assert axes.get_ylim()[0] < float(mark.get_ydata()[0]) < axes.get_ylim()[1]
        assert f"{float(one['critical']):.2f}" in read(axes)
        for penalty in ("l1", "l2"):
            path = one["path"].sel(penalty=penalty)
            find(panels[2], path, dataset["fine_strength"], f"{name}, {penalty.upper()}")
        for value in (one["critical"], one["slope"]):
            find(panels[2], x=[value, value])


def test_shares_are_wilsons_and_fits_lie_on_curves_that_do_not_bridge_the_jump(panels, dataset):
    zeros = dataset[["diverged"]].assign(zero=dataset["minimiser"] == 0).sel(penalty="l1")
    for family in ("convex", "not convex"):
        find_band(panels[3], stats.proportion(zeros.sel(family=family), "zero", dim="seed"), _RATIOS)
    assert "199" in read(panels[3])
    for axes, names in ((panels[4], ("best subset", "ridge")), (panels[5], ("lasso", "elastic net"))):
        points = [line for line in axes.lines if line.get_marker() == "o"]
        curves = [line for line in axes.lines if len(line.get_xdata()) == 81]
        for point, curve, name in zip(points, curves, names, strict=True):
            fitted = dataset["fitted"].sel(estimator=name).values.ravel()
            np.testing.assert_array_equal(point.get_ydata(), fitted[: len(point.get_ydata())])
            drawn = ~np.isnan(curve.get_ydata())
            assert drawn.all() == (name != "best subset")
            np.testing.assert_allclose(curve.get_ydata()[drawn], dataset["curve"].sel(estimator=name)[drawn])
        assert "240 fitted coefficients" in read(axes)

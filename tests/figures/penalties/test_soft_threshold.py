"""The figure of soft thresholds: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.penalties.soft_threshold import CAPTION

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


def test_every_objective_has_its_minimum_marked(panels, dataset):
    for axes, name in zip(panels[:2], dataset["function"].values, strict=True):
        one = dataset.sel(function=name)
        curves, marks = axes.lines[::2], axes.lines[1::2]
        assert len(curves) == len(marks) == 3
        for curve, mark, strength in zip(curves, marks, _STRENGTHS, strict=True):
            np.testing.assert_allclose(curve.get_ydata(), one["objective"].sel(strength=strength))
            assert float(mark.get_xdata()[0]) == float(one["minimum"].sel(strength=strength))
            assert mark.get_marker() == "o"
            low, high = axes.get_ylim()
            assert low < float(mark.get_ydata()[0]) < high
        assert f"{float(one['critical']):.2f}" in axes.get_title(loc="left")
    assert [text.get_text() for text in panels[1].get_legend().get_texts()] == ["0", "0.5", "2"]


def test_paths_and_the_derived_strengths_are_drawn(panels, dataset):
    axes = panels[2]
    drawn = {line.get_label(): line for line in axes.lines}
    for name in ("convex", "two wells"):
        for penalty in ("l1", "l2"):
            line = drawn[f"{name}, {penalty.upper()}"]
            np.testing.assert_allclose(line.get_ydata(), dataset["path"].sel(function=name, penalty=penalty))
    vertical = sorted({float(line.get_xdata()[0]) for line in axes.lines if len(set(line.get_xdata())) == 1})
    assert vertical == [0.5, 1.25, 2.0]


def test_shares_are_wilsons(panels, dataset):
    axes = panels[3]
    zeros = dataset[["diverged"]].assign(zero=dataset["minimiser"] == 0).sel(penalty="l1")
    summary = stats.proportion(zeros, "zero", dim="seed")
    for k, family in enumerate(("convex", "not convex")):
        np.testing.assert_allclose(axes.lines[k].get_ydata(), summary["proportion"].sel(family=family))
        heights = axes.collections[k].get_paths()[0].vertices[:, 1]
        assert heights.max() == pytest.approx(float(summary["high"].sel(family=family).max()))
    assert "199" in axes.get_title(loc="left")
    assert "95 % Wilson intervals" in CAPTION


def test_fits_lie_on_curves_that_do_not_bridge_the_jump(panels, dataset):
    for axes, names in ((panels[4], ("best subset", "ridge")), (panels[5], ("lasso", "elastic net"))):
        points = [line for line in axes.lines if line.get_marker() == "o"]
        curves = [line for line in axes.lines if len(line.get_xdata()) == 81]
        for point, curve, name in zip(points, curves, names, strict=True):
            fitted = dataset["fitted"].sel(estimator=name).values.ravel()
            np.testing.assert_array_equal(point.get_ydata(), fitted[: len(point.get_ydata())])
            values = np.asarray(curve.get_ydata())
            assert np.isnan(values).any() == (name == "best subset")
            np.testing.assert_allclose(
                values[~np.isnan(values)], dataset["curve"].sel(estimator=name).values[~np.isnan(values)]
            )
        assert "240 fitted coefficients" in axes.get_title(loc="left")


def test_every_panel_says_what_its_axes_are(panels):
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdef", titles, strict=True))

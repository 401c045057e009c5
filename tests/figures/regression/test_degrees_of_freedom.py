"""The figure of degrees of freedom: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.regression.degrees_of_freedom import CAPTION

_ALPHAS = np.array([0.1, 0.3, 1.0])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    active = random.integers(0, 6, (400, 3))
    cells = ("seed", "alpha")
    return xr.Dataset(
        {
            "active": (cells, active),
            "lasso": (cells, active + random.normal(0.2, 1, (400, 3))),
            "refit": (cells, active + random.normal(2, 1, (400, 3))),
            "ridge": (("seed", "ridge_alpha"), random.normal([3, 2], 1, (400, 2))),
            "lar": (("seed", "step"), random.normal([1, 2, 3, 4], 1, (400, 4))),
            "diverged": ("seed", np.arange(400) == 7),
            "divergence": ("alpha", [5.0, 3.0, 1.0]),
            "one_active": ("alpha", [5, 3, 1]),
            "ridge_df": ("ridge_alpha", [3.0, 2.0]),
            "alpha_max": 1.0,
        },
        {"seed": np.arange(400), "alpha": _ALPHAS, "ridge_alpha": [1.0, 10.0], "step": [1, 2, 3, 4]},
    )


def _line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def _markers(axes):
    return axes.containers[0].lines[0]


def test_lasso_shows_its_counts(panels, dataset):
    axes = panels[0]
    for label, name in (("least squares on the selection", "refit"), ("nonzero coefficients", "active")):
        line = _line(axes, label)
        np.testing.assert_allclose(line.get_xdata(), _ALPHAS)
        np.testing.assert_allclose(line.get_ydata(), stats.mean(dataset, name, dim="seed")["mean"])
    np.testing.assert_allclose(_markers(axes).get_ydata(), stats.mean(dataset, "lasso", dim="seed")["mean"])
    np.testing.assert_allclose(_line(axes, "divergence, one draw").get_ydata(), [5, 3, 1])
    assert axes.get_xscale() == "log"
    assert axes.get_legend().get_title().get_text() == "n = 399 draws (1 diverged, left out)"


def test_bands_and_bars_are_those_of_the_caption(panels, dataset):
    axes = panels[0]
    scatter = stats.quantiles(dataset, "active", dim="seed")
    spans = [
        (area.get_paths()[0].vertices[:, 1].min(), area.get_paths()[0].vertices[:, 1].max())
        for area in axes.collections
        if len(area.get_paths()[0].vertices) > 4
    ]
    assert any(np.allclose(span, (scatter["low"].min(), scatter["high"].max())) for span in spans)
    summary = stats.mean(dataset, "lasso", dim="seed")
    (bars,) = axes.containers[0].lines[2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.stack([summary["low"], summary["high"]], axis=1))
    for text in ("95 % Student t", "5 % to its 95 % quantile", "n noise draws"):
        assert text in CAPTION


def test_differences_are_paired(panels, dataset):
    for axes, name, expected in ((panels[1], "lasso", "active"), (panels[3], "lar", "step")):
        excess = stats.mean(dataset.assign(excess=dataset[name] - dataset[expected]), "excess", dim="seed")
        line = next(line for line in axes.lines if len(line.get_xdata()) == excess.sizes[excess["mean"].dims[0]])
        np.testing.assert_allclose(line.get_ydata(), excess["mean"])
        vertices = axes.collections[0].get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([vertices.min(), vertices.max()], [excess["low"].min(), excess["high"].max()])
        assert axes.get_ylim()[0] <= -0.5
        assert axes.get_ylim()[1] >= 0.5


def test_ridge_has_its_closed_form(panels, dataset):
    axes = panels[2]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), dataset["ridge_df"])
    np.testing.assert_allclose(_markers(axes).get_ydata(), stats.mean(dataset, "ridge", dim="seed")["mean"])


def test_every_panel_says_what_its_axes_are(panels):
    assert [axes.get_xlabel() for axes in panels] == ["strength $\\alpha$"] * 3 + ["step of LAR"]
    assert all(axes.get_ylabel() for axes in panels)
    assert all(
        axes.get_title(loc="left").startswith(f"({letter})") for letter, axes in zip("abcd", panels, strict=True)
    )

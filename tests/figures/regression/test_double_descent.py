"""The figure of double descent: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from paper_figures.regression.double_descent import draw

_SIZES = np.array([2, 4, 8, 9, 16, 32])
_ABLATIONS = ["none", "small singular values", "test rows", "residual"]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("view", "seed", "size")
    theory = random.uniform(1, 3, (2, 6))
    theory[:, 2:4] = np.inf
    return xr.Dataset(
        {
            "error": ((*cells, "ablation"), random.lognormal(size=(2, 50, 6, 4))),
            "ridge_error": ((*cells, "factor"), random.lognormal(size=(2, 50, 6, 3))),
            "diverged": (cells, np.zeros((2, 50, 6), bool)),
            "theory": (("view", "size"), theory),
        },
        {
            "view": ["model-wise", "sample-wise"],
            "seed": np.arange(50),
            "size": _SIZES,
            "ablation": _ABLATIONS,
            "factor": [0.5, 1.0, 2.0],
        },
        {"critical": 8},
    )


@pytest.fixture(scope="module")
def panels(dataset):
    figure = draw(dataset)
    figure.canvas.draw()
    yield np.array(figure.axes).reshape(2, 2)
    plt.close(figure)


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize(("column", "view"), [(0, "model-wise"), (1, "sample-wise")])
def test_top_shows_median_band_theory_and_means(panels, dataset, column, view):
    axes = panels[0, column]
    error = dataset["error"].sel(view=view, ablation="none")
    lines = _labelled(axes)
    median = lines["median, 5–95 % of data sets"]
    np.testing.assert_allclose(median.get_xdata(), _SIZES)
    np.testing.assert_allclose(median.get_ydata(), error.median("seed"))
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(float(error.quantile(0.95, "seed").max()))
    assert heights.min() == pytest.approx(float(error.quantile(0.05, "seed").min()))
    exact, theory = lines["exact mean"].get_ydata(), dataset["theory"].sel(view=view).values
    np.testing.assert_array_equal(exact[np.isfinite(theory)], theory[np.isfinite(theory)])
    assert np.isnan(exact[np.isinf(theory)]).all()
    means = next(c for c in axes.containers if c.get_label() == "simulated mean")
    away = abs(_SIZES - 8) >= 4
    np.testing.assert_array_equal(means.lines[0].get_xdata(), _SIZES[away])
    np.testing.assert_allclose(np.asarray(means.lines[0].get_ydata(), float), error.mean("seed")[away])
    bars = np.array([segment[:, 1] for segment in means.lines[2][0].get_segments()])
    spread = error.std("seed", ddof=1).values[away] / np.sqrt(50)
    np.testing.assert_allclose((bars[:, 1] - bars[:, 0]) / 2, spread, rtol=0.03)


@pytest.mark.parametrize(("column", "view"), [(0, "model-wise"), (1, "sample-wise")])
def test_bottom_shows_the_medians_of_each_ablation_and_of_optimal_ridge(panels, dataset, column, view):
    lines = _labelled(panels[1, column])
    names = ["least squares", "without small singular values", "test rows in leading directions", "without a residual"]
    for name, ablation in zip(names, _ABLATIONS, strict=True):
        expected = dataset["error"].sel(view=view, ablation=ablation).median("seed")
        np.testing.assert_allclose(lines[name].get_ydata(), expected)
    ridge = dataset["ridge_error"].sel(view=view, factor=1.0).median("seed")
    np.testing.assert_allclose(lines["optimal ridge"].get_ydata(), ridge)
    looks = {(line.get_color(), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == 5


def test_axes_say_what_they_show(panels):
    assert [axes.get_xlabel() for axes in panels[1]] == ["features $p$", "rows $n$"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["test error", "test error"]
    titles = [axes.get_title(loc="left") for axes in panels.ravel()]
    assert [title[:3] for title in titles] == ["(a)", "(b)", "(c)", "(d)"]
    assert "8 rows" in titles[0]
    assert "8 features" in titles[1]
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in panels.ravel())


def test_peak_and_number_of_data_sets_are_marked(panels):
    for axes in panels.ravel():
        assert any(set(np.asarray(line.get_xdata()).ravel()) == {8} for line in axes.lines)
    assert all("50 data sets" in axes.texts[0].get_text() for axes in panels[0])
    assert [axes.texts[-1].get_text() for axes in panels[1]] == ["$p = n$", "$n = p$"]

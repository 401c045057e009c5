"""The figure of one picture: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.penalties.one_picture import CAPTION, choose_df

_METHODS = ["early stopping", "ridge", "dropout", "input noise"]
_DF = np.array([0.6, 1.4, 2.4])
_TIMES = np.array([0.1, 1.0, 10.0])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    fine = np.linspace(0.1, 2.9, 12)
    cells, path = ("method", "df"), ("method", "fine_df")
    tile = np.tile(fine, (4, 1))
    return xr.Dataset(
        {
            "filter": (("draw", *cells, "eigen"), random.random((30, 4, 3, 3))),
            "coef": (("draw", *cells, "column"), random.normal(size=(30, 4, 3, 3))),
            "diverged": ("draw", np.arange(30) == 2),
            "exact_filter": ((*cells, "eigen"), random.random((4, 3, 3))),
            "exact_df": (cells, np.tile(_DF, (4, 1))),
            "exact_time": (cells, random.random((4, 3)) + 1),
            "error": (cells, random.random((4, 3)) + 1),
            "error_se": (cells, np.full((4, 3), 0.1)),
            "n": (cells, np.full((4, 3), 77)),
            "path_df": (path, tile),
            "path_bias2": (path, (3 - tile) ** 2),
            "path_variance": (path, tile / 3),
            "path_time": (path, 10**tile),
            "path_coef": ((*path, "column"), tile[..., None] * [0.1, 2.0, -1.0]),
            "eigenvalue": ("eigen", [1.0, 0.5, 0.1]),
            "least_squares": ("column", [0.3, 6.0, -3.0]),
            "flow": (("problem", "time"), random.uniform(0.9, 1.6, (40, 3))),
            "descent": (("problem", "count"), random.uniform(0.9, 3, (40, 2))),
            "early": (("problem", "fraction"), random.uniform(0.9, 1.2, (40, 2))),
            "dropout": (("problem", "fraction"), random.uniform(0.5, 3, (40, 2))),
            "problem_diverged": ("problem", np.arange(40) == 5),
            "bound": 1.6859,
        },
        {
            "method": _METHODS,
            "df": _DF,
            "fine_df": fine,
            "time": _TIMES,
            "count": [1.0, 4.0],
            "fraction": [0.2, 0.8],
        },
    ).assign(flow=lambda data: data["flow"].where(data["problem_diverged"] < 1, 9.0))


def _markers(axes, place):
    return axes.containers[place].lines[0]


def test_filters_are_means_on_closed_forms(panels, dataset):
    axes = panels[0]
    assert choose_df(dataset) == 1.4
    assert axes.get_title(loc="left") == "(a) Filters, df = 1.4, n = 29"
    summary = stats.mean(dataset, "filter", dim="draw").isel(df=1)
    for k, name in enumerate(_METHODS):
        np.testing.assert_allclose(_markers(axes, k).get_ydata(), summary["mean"][k])
        (bars,) = axes.containers[k].lines[2]
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, np.stack([summary["low"][k], summary["high"][k]], axis=1))
        line = next(line for line in axes.lines if line.get_label() == name)
        np.testing.assert_allclose(line.get_ydata(), dataset["exact_filter"][k, 1])
    assert "95 % Student t intervals" in CAPTION


def test_times_and_coefficients_have_their_points(panels, dataset):
    for k, name in enumerate(_METHODS):
        curve, points = panels[1].lines[2 * k : 2 * k + 2]
        np.testing.assert_allclose(curve.get_xdata(), dataset["path_time"][k])
        np.testing.assert_allclose(points.get_xdata(), dataset["exact_time"][k])
        np.testing.assert_allclose(points.get_ydata(), dataset["filter"].mean("draw").sum("eigen")[k])
        assert points.get_label() == name
        curve, points = panels[2].lines[2 * k : 2 * k + 2]
        np.testing.assert_allclose(np.transpose(curve.get_data()), dataset["path_coef"][k, :, 1:])
        np.testing.assert_allclose(np.transpose(points.get_data()), dataset["coef"].mean("draw")[k, :, 1:])
    assert panels[2].get_xlabel() == "coefficient 2"
    np.testing.assert_allclose(np.ravel(panels[2].lines[-1].get_data()), [6, -3])


def test_risks_have_their_errors(panels, dataset):
    axes = panels[3]
    for k in range(4):
        np.testing.assert_allclose(_markers(axes, k).get_ydata(), dataset["error"][k])
        (bars,) = axes.containers[k].lines[2]
        heights = np.diff([segment[:, 1] for segment in bars.get_segments()], axis=1).ravel()
        np.testing.assert_allclose(heights, 2 * 1.96 * dataset["error_se"][k])
    total = dataset["path_bias2"] + dataset["path_variance"]
    assert any(np.array_equal(line.get_ydata(), total[0]) for line in axes.lines)
    assert axes.get_title(loc="left").endswith("n = 77")


def test_worst_ratio_leaves_out_what_diverged_and_the_bound_is_drawn(panels, dataset):
    axes = panels[4]
    kept = dataset.isel(problem=np.arange(40) != 5)
    worst = next(line for line in axes.lines if line.get_label().startswith("its worst"))
    np.testing.assert_allclose(worst.get_ydata(), kept["flow"].max("problem"))
    assert worst.get_label() == f"its worst, {float(kept['flow'].max()):.2f}"
    assert any(set(line.get_ydata()) == {1.6859} for line in axes.lines)
    median = next(line for line in axes.lines if line.get_label() == "gradient flow")
    np.testing.assert_allclose(median.get_ydata(), kept["flow"].median("problem"))
    assert axes.get_title(loc="left").startswith("(e) n = 39 problems")


def test_equal_df_shows_medians_and_quantiles(panels, dataset):
    axes = panels[5]
    runs = dataset[["early", "dropout"]].assign(diverged=dataset["problem_diverged"])
    for k, (label, name) in enumerate((("dropout", "dropout"), ("early stopping", "early"))):
        summary = stats.quantiles(runs, name, dim="problem")
        line = next(line for line in axes.lines if line.get_label() == label)
        np.testing.assert_allclose(line.get_ydata(), summary["median"])
        heights = axes.collections[k].get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [summary["low"].min(), summary["high"].max()])


def test_every_panel_says_what_its_axes_are(panels):
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdef", titles, strict=True))

"""The figure of one picture: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band, find_points, read

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
        {"method": _METHODS, "df": _DF, "fine_df": fine, "time": _TIMES, "count": [1.0, 4.0], "fraction": [0.2, 0.8]},
    ).assign(flow=lambda data: data["flow"].where(data["problem_diverged"] < 1, 9.0))


def test_filters_times_and_coefficients_have_their_points(panels, dataset):
    assert "(a) Filters, df = 1.4, n = 29" in read(panels[0])
    means = {name: stats.mean(dataset, name, dim="draw") for name in ("filter", "coef")}
    for k, name in enumerate(_METHODS):
        find_points(panels[0], means["filter"].isel(method=k, df=1))
        find(panels[0], dataset["exact_filter"][k, 1], label=name)
        find(panels[1], x=dataset["path_time"][k])
        find(panels[1], means["filter"]["mean"].sum("eigen")[k], dataset["exact_time"][k], name)
        find(panels[2], dataset["path_coef"][k, :, 2], dataset["path_coef"][k, :, 1])
        find(panels[2], means["coef"]["mean"][k, :, 2], means["coef"]["mean"][k, :, 1])
    find(panels[2], [-3], [6])


def test_risks_have_their_errors(panels, dataset):
    half = 1.96 * dataset["error_se"]
    ends = xr.Dataset({"mean": dataset["error"], "low": dataset["error"] - half, "high": dataset["error"] + half})
    for k in range(4):
        find_points(panels[3], ends.isel(method=k))
    find(panels[3], (dataset["path_bias2"] + dataset["path_variance"])[0])
    assert "n = 77" in read(panels[3])


def test_ratios_leave_out_what_diverged(panels, dataset):
    kept = dataset.isel(problem=np.arange(40) != 5)
    find(panels[4], kept["flow"].max("problem"), label=f"its worst, {float(kept['flow'].max()):.2f}")
    find(panels[4], kept["flow"].median("problem"), label="gradient flow")
    find(panels[4], [1.6859, 1.6859])
    assert "n = 39 problems" in read(panels[4])
    for label, name in (("dropout", "dropout"), ("early stopping", "early")):
        find_band(panels[5], stats.quantiles(kept, name, dim="problem"), label=label)

"""The figure of penalty shapes: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.penalties.penalty_geometry import draw
from tests.figures.drawn import find, find_band, read

_PENALTIES = ["L1", "elastic net", "L2"]
_RATIOS = [1.0, 0.5, 0.0]
_AXIS = np.linspace(-2.3, 2.9, 53)
_GRID = np.stack(np.meshgrid(_AXIS, _AXIS), -1)
_SHARES = np.array([0.1, 0.5, 0.9])


def _size(w, ratio):
    return ratio * abs(w).sum(-1) + (1 - ratio) / 2 * (w**2).sum(-1)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    touch = np.array([[[0.3, 1.7], [0.0, 1.2]], [[0.5, 1.5], [0.3, 1.0]], [[0.6, 1.4], [0.5, 1.0]]])
    size = [[_size(w, r) for w in row] for r, row in zip(_RATIOS, touch, strict=True)]
    cell = ("loss_kind", "dimension", "seed", "penalty", "share")
    path = np.linspace(1, 0, 7)[:, None] * np.array([1, -1, 0.5, 2, -2])
    return xr.Dataset(
        {
            "loss": (("second", "first"), (_AXIS[:, None] - 2) ** 2 + (_AXIS - 0.6) ** 2),
            "optimum": ("weight", [0.6, 2.0]),
            "height": (("penalty", "alpha", "second", "first"), np.stack([[_size(_GRID, r)] * 2 for r in _RATIOS])),
            "size": (("penalty", "alpha"), size),
            "touch": (("penalty", "alpha", "weight"), touch),
            "trace": (("penalty", "fine_share", "weight"), np.stack([path[:, :2]] * 3)),
            "path": (("penalty", "fine_share", "path_weight"), np.stack([path, path / 2, path / 3])),
            "path_size": (("penalty", "fine_share"), np.stack([np.linspace(1, 0, 7)] * 3)),
            "kept": (cell, random.integers(0, 4, (2, 3, 150, 3, 3))),
            "diverged": (cell[:3], np.broadcast_to(np.arange(150) == 4, (2, 3, 150))),
            "corner_exact": (("dimension", "share"), random.random((3, 3))),
            "zero_exact": (("dimension", "share"), random.random((3, 3))),
        },
        {
            "first": _AXIS,
            "second": _AXIS,
            "weight": [1, 2],
            "alpha": [0.4, 1.0],
            "penalty": _PENALTIES,
            "path_weight": np.arange(1, 6),
            "loss_kind": ["isotropic", "random"],
            "dimension": [2, 3, 8],
            "share": _SHARES,
        },
    )


def test_points_lie_on_their_shapes_and_contours_pass_through_them(panels, dataset):
    for axes, penalty, ratio in zip(panels[:3], _PENALTIES, _RATIOS, strict=True):
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        edges = axes.collections[1:]
        for mark, edge, touch in zip(marks, edges, dataset["touch"].sel(penalty=penalty).values, strict=True):
            np.testing.assert_allclose(np.ravel(mark.get_data()), touch)
            (w,) = (path.vertices for path in edge.get_paths())
            size = dataset["size"].sel(penalty=penalty).values[edges.index(edge)]
            np.testing.assert_allclose(_size(w, ratio), size, atol=1.5e-3)  # between the points of the grid
            assert np.hypot(*(w - touch).T).min() < 0.1
            corner = abs(w[:, 0]) < 1e-12
            assert corner.sum() >= 2  # a vertex where a shape may have a corner
            np.testing.assert_array_equal(to_hex(edge.get_edgecolor()[0]), to_hex(mark.get_color()))
            assert (to_hex(mark.get_markerfacecolor()) == "#ffffff") != (touch == 0).any()
        levels = axes.collections[0].levels
        expected = sorted((w[1] - 2) ** 2 + (w[0] - 0.6) ** 2 for w in dataset["touch"].sel(penalty=penalty).values)
        np.testing.assert_allclose(levels, expected, atol=0.02)
        assert axes.get_aspect() == 1


def test_paths_are_drawn_over_the_size_of_the_shape(panels, dataset):
    for axes, penalty in zip(panels[3:6], _PENALTIES, strict=True):
        for path in dataset["path"].sel(penalty=penalty).transpose():
            find(axes, path, dataset["path_size"].sel(penalty=penalty))


def test_shares_are_wilsons_with_the_closed_form_beside_them(panels, dataset):
    kept = dataset["kept"]
    runs = dataset[["diverged"]].assign(corner=kept == 1, zero=kept < dataset["dimension"])
    for axes, name, place in (
        (panels[6], "corner", {"dimension": 0}),
        (panels[7], "corner", {"share": 1}),
        (panels[8], "zero", {"share": 1}),
    ):
        summary = stats.proportion(runs, name, dim="seed").isel(place)
        for penalty in _PENALTIES:
            find_band(axes, summary.sel(loss_kind="random", penalty=penalty))
        find(axes, dataset[f"{name}_exact"].isel(place))
        circles = find(axes, summary["proportion"].sel(loss_kind="isotropic", penalty="L1"))
        assert circles.get_marker() == "o"
    assert "n = 149 losses (1 diverged, left out)" in read(panels[8])


def test_a_penalty_of_ones_own_has_a_column_of_its_own(dataset):
    own = dataset.isel(penalty=[0]).assign_coords(penalty=["own"])
    both = xr.concat([dataset, own], "penalty", data_vars="minimal", coords="minimal", compat="override", join="exact")
    figure = draw(both)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title.split()[0] for title in titles] == [f"({letter})" for letter in "abcdefghijk"]
    assert titles[3] == "(d) own"
    assert titles[7].startswith("(h) own, ")
    drawn = figure.axes[3].collections[-1].get_paths()[0].vertices
    np.testing.assert_allclose(drawn, figure.axes[0].collections[-1].get_paths()[0].vertices)
    labels = figure.axes[-1].get_legend_handles_labels()[1]
    assert labels == [*_PENALTIES, "own", "L1, isotropic"]
    plt.close(figure)

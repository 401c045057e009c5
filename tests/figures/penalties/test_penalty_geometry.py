"""The figure of penalty shapes: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.penalties.penalty_geometry import CAPTION, trace_shape

_PENALTIES = ["L1", "elastic net", "L2"]
_RATIOS = [1.0, 0.5, 0.0]
_AXIS = np.linspace(-2.3, 2.9, 53)
_SHARES = np.array([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    touch = np.array([[[0.3, 1.7], [0.0, 1.2]], [[0.5, 1.5], [0.3, 1.0]], [[0.6, 1.4], [0.5, 1.0]]])
    size = [[r * abs(w).sum() + (1 - r) / 2 * w @ w for w in row] for r, row in zip(_RATIOS, touch, strict=True)]
    cell = ("loss_kind", "dimension", "seed", "penalty", "share")
    path = np.linspace(1, 0, 7)[:, None] * np.array([1, -1, 0.5, 2, -2])
    return xr.Dataset(
        {
            "loss": (("second", "first"), (_AXIS[:, None] - 2) ** 2 + (_AXIS - 0.6) ** 2),
            "optimum": ("weight", [0.6, 2.0]),
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


@pytest.mark.parametrize("ratio", _RATIOS)
def test_shapes_have_their_size_everywhere(ratio):
    edge = trace_shape(1.7, ratio)
    np.testing.assert_allclose(ratio * abs(edge).sum(1) + (1 - ratio) / 2 * (edge**2).sum(1), 1.7)
    corners = [abs(edge - corner).sum(1).min() for corner in np.eye(2) * edge[0, 0]]
    np.testing.assert_allclose(corners, 0, atol=1e-12)


def test_points_lie_on_their_shapes_and_contours_pass_through_them(panels, dataset):
    for axes, penalty, ratio in zip(panels[:3], _PENALTIES, _RATIOS, strict=True):
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        edges = [line for line in axes.lines if len(line.get_xdata()) == 721]
        for mark, edge, touch in zip(marks, edges, dataset["touch"].sel(penalty=penalty).values, strict=True):
            np.testing.assert_allclose(np.ravel(mark.get_data()), touch)
            assert (np.hypot(*(edge.get_xydata() - touch).T)).min() < 0.02
            w = edge.get_xydata()
            size = ratio * abs(w).sum(1) + (1 - ratio) / 2 * (w**2).sum(1)
            np.testing.assert_allclose(size, dataset["size"].sel(penalty=penalty).values[edges.index(edge)])
            assert (to_hex(mark.get_markerfacecolor()) == "#ffffff") != (touch == 0).any()
        levels = axes.collections[0].levels
        expected = sorted((w[1] - 2) ** 2 + (w[0] - 0.6) ** 2 for w in dataset["touch"].sel(penalty=penalty).values)
        np.testing.assert_allclose(levels, expected, atol=0.02)
        assert axes.get_aspect() == 1


def test_paths_are_drawn_over_the_size_of_the_shape(panels, dataset):
    for axes, penalty in zip(panels[3:6], _PENALTIES, strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 7]
        assert len(lines) == 5
        for number, line in enumerate(lines, 1):
            np.testing.assert_allclose(line.get_xdata(), dataset["path_size"].sel(penalty=penalty))
            np.testing.assert_allclose(line.get_ydata(), dataset["path"].sel(penalty=penalty, path_weight=number))


def test_shares_are_wilsons_with_the_closed_form_beside_them(panels, dataset):
    kept = dataset["kept"]
    runs = dataset[["diverged"]].assign(corner=kept == 1, zero=kept < dataset["dimension"])
    for axes, name, place in (
        (panels[6], "corner", {"dimension": 0}),
        (panels[7], "corner", {"share": 1}),
        (panels[8], "zero", {"share": 1}),
    ):
        summary = stats.proportion(runs, name, dim="seed").isel(place)
        for k, penalty in enumerate(_PENALTIES):
            cell = summary.sel(loss_kind="random", penalty=penalty)
            np.testing.assert_allclose(axes.lines[k].get_ydata(), cell["proportion"])
            heights = axes.collections[k].get_paths()[0].vertices[:, 1]
            assert heights.max() == pytest.approx(float(cell["high"].max()))
        np.testing.assert_allclose(axes.lines[3].get_ydata(), dataset[f"{name}_exact"].isel(place))
        circles = axes.lines[4]
        np.testing.assert_allclose(circles.get_ydata(), summary["proportion"].sel(loss_kind="isotropic", penalty="L1"))
        assert circles.get_marker() == "o"
    assert panels[8].get_legend().get_title().get_text() == "n = 149 losses (1 diverged, left out)"
    assert "95 % Wilson intervals" in CAPTION


def test_every_panel_says_what_its_axes_are(panels):
    assert all(axes.get_xlabel() for axes in panels)
    assert all(axes.get_ylabel() for axes in panels[:7])
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdefghi", titles, strict=True))

"""The figure of the landscape and its fates: what it shows is what the dataset says."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from jaxreg.landscape import T2_LANDSCAPE
from paper_figures.sgd_landscape import CAPTION, draw

_RATES = np.array([0.1, 0.3, 0.9])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    fates = random.choice(4, (500, 3), p=[0.5, 0.1, 0.2, 0.2])
    centres = np.array([0.045, -4.17, 4.25, np.inf])[fates]
    with np.errstate(invalid="ignore"):
        weight = centres + random.normal(0, 0.1, fates.shape)
    cells = ("seed", "learning_rate")
    x = np.linspace(-10, 10, 40)
    return xr.Dataset(
        {
            "fate": (cells, fates.astype(np.int32)),
            "weight": (cells, weight.astype(np.float32)),
            "diverged": (cells, fates == 3),
            "control": (("learning_rate", "step"), np.array([[4.0, 4.25], [4.0, 4.25], [4.0, 0.1]], np.float32)),
            "x": ("point", x),
            "y": ("point", np.polynomial.polynomial.polyval(x, T2_LANDSCAPE.coefficients)),
            "start": 3.5,
        },
        {"seed": np.arange(500), "learning_rate": _RATES, "step": [1, 2]},
    )


@pytest.fixture(scope="module")
def panels(dataset):
    figure = draw(dataset)
    figure.canvas.draw()
    yield figure.axes
    plt.close(figure)


def _texts(axes):
    legend = axes.get_legend()
    own = [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
    return " ".join(text.get_text() for text in [*own, *(legend.get_texts() if legend else [])])


def test_landscape_data_minima_and_start_are_drawn(panels, dataset):
    landscape = panels[0]
    data, curve, *points = landscape.lines
    np.testing.assert_array_equal(data.get_xdata(), dataset["x"])
    np.testing.assert_array_equal(data.get_ydata(), dataset["y"])
    np.testing.assert_allclose(
        curve.get_ydata(), np.polynomial.polynomial.polyval(curve.get_xdata(), T2_LANDSCAPE.coefficients)
    )
    minima, start = points[:3], points[3]
    np.testing.assert_allclose([float(point.get_xdata()[0]) for point in minima], T2_LANDSCAPE.minima)
    assert float(start.get_xdata()[0]) == 3.5
    assert len({to_hex(point.get_color()) for point in minima}) == 3


def test_ends_are_a_histogram_of_the_runs_that_did_not_diverge(panels, dataset):
    ends = panels[2 if panels[2].get_xlabel().startswith("weight") else 1]
    total = sum(patch.get_height() for patch in ends.patches)
    assert ends.get_xlabel() == "weight $w$"
    alive = (dataset["fate"].sel(learning_rate=0.3) != 3).mean()
    np.testing.assert_allclose(total, 100 * alive, rtol=1e-6)
    gone = float((dataset["fate"].sel(learning_rate=0.3) == 3).mean())
    assert f"α = 0.3: {100 * gone:.0f} % diverged" in _texts(ends)


def _fates(panels):
    return next(axes for axes in panels if "Fate" in _texts(axes))


def test_lines_and_bands_are_wilsons(panels, dataset):
    axes = _fates(panels)
    for number in range(4):
        summary = stats.proportion(dataset, "fate", dim="seed", value=number, count_diverged=True)
        line, area = axes.lines[number], axes.collections[number]
        np.testing.assert_allclose(line.get_xdata(), _RATES)
        np.testing.assert_allclose(line.get_ydata(), summary["proportion"])
        heights = area.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(float(summary["low"].min()))
        assert heights.max() == pytest.approx(float(summary["high"].max()))
    drawn = np.sum([line.get_ydata() for line in axes.lines[:4]], axis=0)
    np.testing.assert_allclose(drawn, 1.0)


def test_fates_are_named_with_their_n_and_the_tutorials_rate(panels):
    axes = _fates(panels)
    assert axes.get_legend().get_title().get_text() == "n = 500 runs each"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["global minimum, 0.04", "left, −4.17", "right, 4.25", "diverged"]
    assert "after 2 steps" in _texts(axes)
    assert "T2: α = 0.3" in _texts(axes)
    assert any(set(np.asarray(line.get_xdata()).ravel()) == {0.3} for line in axes.lines)


def test_control_is_coloured_by_its_fate(panels, dataset):
    axes = next(axes for axes in panels if "all the data" in _texts(axes))
    points = axes.collections[0]
    np.testing.assert_allclose(points.get_offsets(), np.stack([_RATES, [4.25, 4.25, 0.1]], axis=1), rtol=1e-6)
    lines = {label.get_text(): to_hex(line.get_color()) for label, line in _legend(panels).items()}
    colors = [to_hex(color) for color in points.get_facecolors()]
    assert colors == [lines["right, 4.25"], lines["right, 4.25"], lines["global minimum, 0.04"]]


def _legend(panels):
    legend = _fates(panels).get_legend()
    return dict(zip(legend.get_texts(), legend.get_lines(), strict=True))


def test_caption_says_what_the_bands_are():
    assert "95 % Wilson intervals" in CAPTION
    assert "n runs" in CAPTION

"""The figure of the polynomial regression: what it shows is what the dataset says."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.regression.polynomial_regression import CAPTION, draw

_FITS = ["none", "l2", "l1"]
_SEEDS = 40


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    x, x_test, degree = np.linspace(-10, 10, 12), np.linspace(-10, 10, 20), np.arange(1, 7)
    truth = 0.001 * (-(x_test**3) + x_test**2 + x_test)
    spread = np.array([0.3, 0.07, 0.02])[:, None]
    curve = truth + spread * random.normal(size=(2, _SEEDS, 3, 20))
    coef = random.normal(size=(2, _SEEDS, 3, 6)) / 10.0**degree
    coef[:, :, 2] *= random.random((2, _SEEDS, 6)) < 0.4
    coef[0, 0, 2] = [0, 0, 1e-3, 0, 0, 1e-6]
    cells = ("basis", "seed")
    diverged = np.zeros((2, _SEEDS), bool)
    diverged[0, 3] = True
    return xr.Dataset(
        {
            "y": ((*cells, "x"), random.normal(size=(2, _SEEDS, 12))),
            "coef": ((*cells, "fit", "degree"), coef),
            "curve": ((*cells, "fit", "x_test"), curve),
            "test_error": ((*cells, "fit"), np.sqrt(((curve - truth) ** 2).mean(-1))),
            "diverged": (cells, diverged),
            "truth": ("x_test", truth),
            "noise": 0.05,
        },
        {
            "basis": ["monomial", "legendre"],
            "seed": np.arange(_SEEDS),
            "fit": _FITS,
            "degree": degree,
            "x": x,
            "x_test": x_test,
        },
    )


@pytest.fixture(scope="module")
def panels(dataset):
    figure = draw(dataset)
    figure.canvas.draw()
    yield {axes.get_title(loc="left")[1]: axes for axes in figure.axes}
    plt.close(figure)


def _line(axes, number):
    return axes.lines[number].get_xydata()


def test_panels_are_those_of_the_caption(panels):
    assert sorted(panels) == list("abcdefghij")
    assert all(f"({letter})" in CAPTION or letter in "bcgh" for letter in panels)
    for text in ("5 % to the 95 % quantile of the n draws", "95 % Wilson intervals", "standard deviation of the noise"):
        assert text in CAPTION


def test_the_one_draw_is_the_tutorials(panels, dataset):
    one = dataset.sel(basis="monomial", seed=0)
    data, truth = np.stack([one["x"], one["y"]], 1), np.stack([one["x_test"], one["truth"]], 1)
    for letter in "abcd":
        np.testing.assert_array_equal(_line(panels[letter], 0), data)
        np.testing.assert_array_equal(_line(panels[letter], 1), truth)
        assert panels[letter].get_ylim() == (-1, 1)
        assert panels[letter].get_xlabel() == "$x$"
    for letter, fit in zip("bcd", _FITS, strict=True):
        np.testing.assert_array_equal(panels[letter].lines[2].get_ydata(), one["curve"].sel(fit=fit))
    titles = [panels[letter].get_title(loc="left") for letter in "bcd"]
    assert titles == ["(b) No regularization", "(c) L2", "(d) L1"]
    assert [text.get_text() for text in panels["a"].get_legend().get_texts()] == ["data", "truth"]


def test_population_is_median_and_quantiles_around_the_truth(panels, dataset):
    draws = dataset.sel(basis="monomial")
    for letter, fit in zip("fgh", _FITS, strict=True):
        deviation = draws.sel(fit=fit).assign(deviation=lambda d: d["curve"] - d["truth"])
        summary = stats.quantiles(deviation, "deviation", dim="seed")
        band = panels[letter].collections[-1].get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([band.min(), band.max()], [summary["low"].min(), summary["high"].max()])
        np.testing.assert_allclose(panels[letter].lines[-1].get_ydata(), summary["median"])
        dotted = [line.get_ydata()[0] for line in panels[letter].lines if line.get_linestyle() == ":"]
        assert dotted == [-0.05, 0.05]
        assert "n = 39 draws (1 diverged, left out)" in panels[letter].get_title(loc="left")


def test_errors_are_histograms_of_the_draws_that_did_not_diverge(panels, dataset):
    axes = panels["e"]
    assert axes.get_xscale() == "log"
    assert "n = 39 draws" in axes.get_title(loc="left")
    assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(3)
    colors = {line.get_color() for letter in "bcd" for line in panels[letter].lines[2:]}
    by_color = {
        color: [p for p in axes.patches if matplotlib.colors.to_hex(p.get_facecolor()) == color.lower()]
        for color in colors
    }
    for letter, fit in zip("bcd", _FITS, strict=True):
        patches = by_color[panels[letter].lines[2].get_color()]
        sound = dataset["test_error"].sel(basis="monomial", fit=fit)[~dataset["diverged"][0]]
        below = sum(p.get_height() for p in patches if p.get_x() < float(sound.median()))
        assert 0.45 < below < 0.7
        filled = [p for p in patches if p.get_height() > 0]
        assert filled[0].get_x() <= float(sound.min())
        assert filled[-1].get_x() + filled[-1].get_width() >= float(sound.max())
    marks = sorted(line.get_xdata()[0] for line in axes.lines)
    np.testing.assert_allclose(marks, [0.05, float(dataset["truth"].std())])
    assert {text.get_text().strip() for text in axes.texts} == {"none", "L2", "L1", "noise sd", "constant"}


def test_coefficients_are_the_table_with_zeros_on_their_own_line(panels, dataset):
    axes = panels["i"]
    coef = dataset["coef"].sel(basis="monomial", seed=0)
    lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["no regularization", "L2", "L1"]
    for line, fit in zip(lines.values(), _FITS, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), dataset["degree"])
        values = abs(coef.sel(fit=fit).values) * 10.0 ** np.arange(1, 7)
        np.testing.assert_allclose(line.get_ydata()[values > 0], values[values > 0])
    zeros = np.asarray(lines["L1"].get_ydata())[[0, 1, 3, 4]]
    assert len(set(zeros)) == 1
    label = next(text for text in axes.texts if text.get_text() == "exactly 0")
    assert label.get_position()[1] == zeros[0]
    assert zeros[0] < min(line.get_ydata()[2] for line in lines.values()) / 10
    assert axes.get_yscale() == "log"


def test_zeros_are_proportions_with_wilsons_interval(panels, dataset):
    axes = panels["j"]
    zeros = dataset.sel(fit="l1").assign(zero=lambda d: d["coef"] == 0)
    for line, area, basis in zip(axes.lines, axes.collections, ["monomial", "legendre"], strict=True):
        summary = stats.proportion(zeros.sel(basis=basis), "zero", dim="seed")
        np.testing.assert_allclose(line.get_ydata(), summary["proportion"])
        heights = area.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [summary["low"].min(), summary["high"].max()])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["powers $x^k$", "Legendre"]


def test_a_draw_without_zeros_is_drawn(dataset):
    full = dataset.assign(coef=dataset["coef"] + 1e-9)
    figure = draw(full)
    figure.canvas.draw()
    plt.close(figure)

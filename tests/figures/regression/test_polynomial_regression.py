"""The figure of the polynomial regression: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.regression.polynomial_regression import draw
from tests.figures.drawn import find, find_band, read

_FITS = {"none": "no regularization", "l2": "L2", "l1": "L1"}
_SEEDS = 40


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    x, x_test, degree, cells = np.linspace(-10, 10, 12), np.linspace(-10, 10, 20), np.arange(1, 7), ("basis", "seed")
    truth = 0.001 * (-(x_test**3) + x_test**2 + x_test)
    curve = truth + np.array([0.3, 0.07, 0.02])[:, None] * random.normal(size=(2, _SEEDS, 3, 20))
    coef = random.normal(size=(2, _SEEDS, 3, 6)) / 10.0**degree
    coef[:, :, 2] *= random.random((2, _SEEDS, 6)) < 0.4
    coef[0, 0, 2] = [0, 0, 1e-3, 0, 0, 1e-6]
    return xr.Dataset(
        {
            "y": ((*cells, "x"), random.normal(size=(2, _SEEDS, 12))),
            "coef": ((*cells, "fit", "degree"), coef),
            "curve": ((*cells, "fit", "x_test"), curve),
            "test_error": ((*cells, "fit"), np.sqrt(((curve - truth) ** 2).mean(-1))),
            "diverged": (cells, np.array([np.arange(_SEEDS) == 3, np.zeros(_SEEDS, bool)])),
            "truth": ("x_test", truth),
            "noise": 0.05,
        },
        {
            **{"basis": ["monomial", "legendre"], "seed": np.arange(_SEEDS), "fit": list(_FITS)},
            **{"degree": degree, "x": x, "x_test": x_test},
        },
    )


@pytest.fixture(scope="module")
def lettered(dataset):
    """Its axes by letter, without making room for legends, which takes longest in ten panels."""
    figure = draw(dataset)
    figure.canvas.draw()
    yield {axes.get_title(loc="left")[1]: axes for axes in figure.axes}
    plt.close(figure)


def test_one_draw_and_the_population_around_the_truth(lettered, dataset):
    draws = dataset.sel(basis="monomial")
    one = draws.sel(seed=0)
    for letter in "abcd":
        find(lettered[letter], one["y"], one["x"])
        find(lettered[letter], one["truth"], one["x_test"])
        assert lettered[letter].get_ylim()[0] == -1
    for one_letter, letter, fit in zip("bcd", "fgh", _FITS, strict=True):
        find(lettered[one_letter], one["curve"].sel(fit=fit), one["x_test"])
        assert _FITS[fit][1:] in read(lettered[one_letter])
        deviation = draws.sel(fit=fit).assign(deviation=lambda d: d["curve"] - d["truth"])
        find_band(lettered[letter], stats.quantiles(deviation, "deviation", dim="seed"), one["x_test"])
        for side in (-0.05, 0.05):
            find(lettered[letter], [side, side])
        assert "n = 39 draws (1 diverged, left out)" in read(lettered[letter])


def test_errors_are_histograms_of_the_draws_that_did_not_diverge(lettered, dataset):
    axes = lettered["e"]
    assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(3)
    for letter, fit in zip("bcd", _FITS, strict=True):
        color = to_hex(find(lettered[letter], dataset["curve"][0, 0].sel(fit=fit)).get_color())
        filled = [p for p in axes.patches if to_hex(p.get_facecolor()) == color and p.get_height() > 0]
        sound = dataset["test_error"].sel(basis="monomial", fit=fit)[~dataset["diverged"][0]]
        assert 0.45 < sum(p.get_height() for p in filled if p.get_x() < float(sound.median())) < 0.7
        assert filled[0].get_x() <= float(sound.min())
        assert filled[-1].get_x() + filled[-1].get_width() >= float(sound.max())
    for mark in (0.05, float(dataset["truth"].std())):
        find(axes, x=[mark, mark])


def test_coefficients_have_zeros_on_their_own_line_and_their_shares_wilsons_interval(lettered, dataset):
    size = abs(dataset["coef"].sel(basis="monomial", seed=0)) * 10.0 ** dataset["degree"]
    label = next(text for text in lettered["i"].texts if text.get_text() == "exactly 0")
    floor = label.get_position()[1]
    assert floor < float(size.where(size > 0).min()) / 10
    for fit, name in _FITS.items():
        find(lettered["i"], size.sel(fit=fit).where(size.sel(fit=fit) > 0, floor), dataset["degree"], name)
    zeros = dataset[["diverged"]].assign(zero=dataset["coef"].sel(fit="l1") == 0)
    for basis, name in (("monomial", "powers $x^k$"), ("legendre", "Legendre")):
        find_band(lettered["j"], stats.proportion(zeros.sel(basis=basis), "zero", dim="seed"), label=name)


def test_a_draw_without_zeros_is_drawn(dataset):
    plt.close(draw(dataset.assign(coef=dataset["coef"] + 1e-9)))

"""The figure of mini-batch noise: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

_SIZES, _WEIGHTS = np.array([8, 10, 40, 100]), np.array([0.0, 3.5])
_EDGES = 10.0 ** np.arange(-4, 4.0)
_RATES, _TAIL_RATES = np.array([0.2, 0.5]), np.array([0.4, 0.9, 1.1])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("batch_size", "weight")
    error = np.array([[2.0, 3.0], [0.5, 0.9], [0.02, 0.03], [0.0, 0.0]])
    count = random.multinomial(1000, np.full(8, 1 / 8), (4, 2))
    exponent = np.array([[1.0, 1.0], [1.2, 1.3], [8.0, 9.0], [np.inf, np.inf]])
    variance = np.array([[1.3, 2.1], [2.5, 4.2]])
    tail = np.array([[7.0, 2.4, 1.7]])
    return xr.Dataset(
        {
            "error_count": ((*cells, "size"), count),
            "typical_error": (cells, error),
            "typical_low": (cells, 0.9 * error),
            "typical_high": (cells, 1.2 * error),
            "typical_constant": ("weight", [0.1, 0.5]),
            "error_exponent": (cells, exponent),
            "error_low": (cells, 0.8 * exponent),
            "error_high": (cells, 1.5 * exponent),
            "population": 100,
            "degree": 6,
            "draws": 1000,
            "runs": 2500,
            "variance": (("setting", "relative_rate"), variance),
            "variance_low": (("setting", "relative_rate"), 0.9 * variance),
            "variance_high": (("setting", "relative_rate"), 1.3 * variance),
            "diffusion_variance": (("setting", "relative_rate"), np.array([[1.0, 1.0], [2.0, 2.0]])),
            "exact_exponent": (("setting", "relative_rate"), np.array([[np.inf, np.inf], [15.0, 5.4]])),
            "tail": (("regression_size", "tail_rate"), tail),
            "tail_low": (("regression_size", "tail_rate"), 0.9 * tail),
            "tail_high": (("regression_size", "tail_rate"), 1.2 * tail),
            "exact_tail": (("regression_size", "tail_rate"), [[6.5, 2.3, 1.6]]),
        },
        {
            "batch_size": _SIZES,
            "weight": _WEIGHTS,
            "size": _EDGES,
            "setting": ["additive noise", "regression, B = 2"],
            "relative_rate": _RATES,
            "regression_size": [2],
            "tail_rate": _TAIL_RATES,
        },
    )


def _bars(axes, place):
    """Positions, centres and the ends of the bars of a set of points."""
    centre, _, (bar,) = axes.containers[place]
    low, high = np.array([segment[:, 1] for segment in bar.get_segments()]).T
    return centre.get_xdata(), centre.get_ydata(), low, high


def test_typical_errors_are_drawn_over_their_constants(panels, dataset):
    law = panels[0]
    for place, constant in enumerate((0.1, 0.5)):
        size, error, low, high = _bars(law, place)
        np.testing.assert_array_equal(size, [8, 10, 40])  # without an error, nothing on a logarithmic axis
        np.testing.assert_allclose(error, dataset["typical_error"].values[:3, place] / constant)
        np.testing.assert_allclose([low, high], [0.9 * error, 1.2 * error])
    assert law.get_xscale() == law.get_yscale() == "log"
    assert "1,000 refits" in law.get_xlabel()


def test_both_laws_are_drawn(panels):
    exact, usual = [line for line in panels[0].lines if len(line.get_xdata()) == 300]
    size = exact.get_xdata()
    assert 8 < size[0] < 8.5
    np.testing.assert_allclose(exact.get_ydata(), (1 - size / 100) / (size - 8))
    np.testing.assert_allclose(usual.get_ydata(), (1 - size / 100) / size)
    assert exact.get_linestyle() != usual.get_linestyle()


def test_survival_is_that_of_the_counts(panels, dataset):
    axes = panels[1]
    *curves, gaussian = axes.lines
    assert len(curves) == 3  # of 8, 10 and 40 points; all of them have no error
    for curve, size in zip(curves, (8, 10, 40), strict=True):
        cell = dataset.sel(batch_size=size, weight=3.5)
        multiple = _EDGES / np.sqrt(float(cell["typical_error"]))
        share = [cell["error_count"].values[place:].sum() / 1000 for place in range(8)]
        np.testing.assert_allclose(curve.get_xdata(), multiple[multiple >= 0.1])
        np.testing.assert_allclose(curve.get_ydata(), np.array(share)[multiple >= 0.1])
    assert np.interp(1.0, gaussian.get_xdata(), gaussian.get_ydata()) == pytest.approx(0.5, abs=5e-3)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["K = 8, α = 1.0 (0.8–1.5)", "K = 10, α = 1.3 (1.0–2.0)", "K = 40, α = 9.0 (7.2–13.5)", "Gaussian"]


def test_variances_are_drawn_over_those_of_the_diffusion(panels, dataset):
    axes = panels[2]
    for place in range(2):
        rate, ratio, low, high = _bars(axes, place)
        np.testing.assert_array_equal(rate, _RATES)
        np.testing.assert_allclose(ratio, dataset["variance"][place] / dataset["diffusion_variance"][place])
        np.testing.assert_allclose([low, high], [0.9 * ratio, 1.3 * ratio])
    exact = axes.lines[0]
    np.testing.assert_allclose(exact.get_ydata(), 1 / (1 - exact.get_xdata()))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == dataset["setting"].values.tolist()


def test_tails_are_drawn_beside_the_exact_ones(panels):
    axes = panels[3]
    exact = axes.lines[0]
    np.testing.assert_allclose(exact.get_xdata(), [0.2, 0.4, 0.9, 1.1])
    np.testing.assert_allclose(exact.get_ydata(), [15.0, 6.5, 2.3, 1.6])
    rate, index, low, high = _bars(axes, 0)
    np.testing.assert_array_equal(rate, _TAIL_RATES)
    np.testing.assert_allclose([index, low, high], [[7.0, 2.4, 1.7], [6.3, 2.16, 1.53], [8.4, 2.88, 2.04]])
    assert "2,500 runs" in axes.get_xlabel()
    assert exact.get_color() == axes.containers[0][0].get_color() == panels[2].containers[1][0].get_color()

"""The figure of mini-batch noise: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from tests.figures.drawn import find, find_points, read

_EDGES = 10.0 ** np.arange(-4, 4.0)


def _with_ends(name, ends, dims, centre, low, high):
    """A variable with an interval from `low` to `high` times it."""
    centre = np.array(centre)
    return {name: (dims, centre), f"{ends}_low": (dims, low * centre), f"{ends}_high": (dims, high * centre)}


def _summary(dataset, name, ends):
    return dataset.rename({name: "mean", f"{ends}_low": "low", f"{ends}_high": "high"})[["mean", "low", "high"]]


@pytest.fixture(scope="module")
def dataset():
    cells, settings, tails = ("batch_size", "weight"), ("setting", "relative_rate"), ("regression_size", "tail_rate")
    error = [[2.0, 3.0], [0.5, 0.9], [0.02, 0.03], [0.0, 0.0]]
    exponent = [[1.0, 1.0], [1.2, 1.3], [8.0, 9.0], [np.inf, np.inf]]
    return xr.Dataset(
        {
            "error_count": ((*cells, "size"), np.random.default_rng(0).multinomial(1000, np.full(8, 1 / 8), (4, 2))),
            **_with_ends("typical_error", "typical", cells, error, 0.9, 1.2),
            "typical_constant": ("weight", [0.1, 0.5]),
            **_with_ends("error_exponent", "error", cells, exponent, 0.8, 1.5),
            **{"population": 100, "degree": 6, "draws": 1000, "runs": 2500},
            **_with_ends("variance", "variance", settings, [[1.3, 2.1], [2.5, 4.2]], 0.9, 1.3),
            "diffusion_variance": (settings, [[1.0, 1.0], [2.0, 2.0]]),
            "exact_exponent": (settings, [[np.inf, np.inf], [15.0, 5.4]]),
            **_with_ends("tail", "tail", tails, [[7.0, 2.4, 1.7]], 0.9, 1.2),
            "exact_tail": (tails, [[6.5, 2.3, 1.6]]),
        },
        {
            "batch_size": [8, 10, 40, 100],
            "weight": [0.0, 3.5],
            "size": _EDGES,
            "setting": ["additive noise", "regression, B = 2"],
            "relative_rate": [0.2, 0.5],
            "regression_size": [2],
            "tail_rate": [0.4, 0.9, 1.1],
        },
    )


def test_typical_errors_are_drawn_over_their_constants_beside_both_laws(panels, dataset):
    errors = _summary(dataset, "typical_error", "typical") / dataset["typical_constant"]
    for place in range(2):  # without an error, nothing on a logarithmic axis
        find_points(panels[0], errors.isel(weight=place, batch_size=slice(3)), [8, 10, 40])
    exact, usual = [line for line in panels[0].lines if len(line.get_xdata()) == 300]
    size = exact.get_xdata()
    np.testing.assert_allclose(exact.get_ydata(), (1 - size / 100) / (size - 8))
    np.testing.assert_allclose(usual.get_ydata(), (1 - size / 100) / size)
    assert exact.get_linestyle() != usual.get_linestyle()
    assert "1,000 refits" in read(panels[0])


def test_survival_is_that_of_the_counts(panels, dataset):
    for size, label in (
        (8, "K = 8, α = 1.0 (0.8–1.5)"),
        (10, "K = 10, α = 1.3 (1.0–2.0)"),
        (40, "K = 40, α = 9.0 (7.2–13.5)"),
    ):
        cell = dataset.sel(batch_size=size, weight=3.5)
        multiple = _EDGES / np.sqrt(float(cell["typical_error"]))
        share = np.array([cell["error_count"].values[place:].sum() / 1000 for place in range(8)])
        find(panels[1], share[multiple >= 0.1], multiple[multiple >= 0.1], label)
    *_, gaussian = panels[1].lines
    assert np.interp(1.0, gaussian.get_xdata(), gaussian.get_ydata()) == pytest.approx(0.5, abs=5e-3)


def test_variances_and_tails_are_drawn_beside_the_exact_ones(panels, dataset):
    ratios = _summary(dataset, "variance", "variance") / dataset["diffusion_variance"]
    for setting in dataset["setting"].values:
        find_points(panels[2], ratios.sel(setting=setting), [0.2, 0.5])
        assert setting in read(panels[2])
    exact = panels[2].lines[0]
    np.testing.assert_allclose(exact.get_ydata(), 1 / (1 - exact.get_xdata()))
    find_points(panels[3], _summary(dataset, "tail", "tail"), [0.4, 0.9, 1.1])
    find(panels[3], [15.0, 6.5, 2.3, 1.6], [0.2, 0.4, 0.9, 1.1])
    assert "2,500 runs" in read(panels[3])

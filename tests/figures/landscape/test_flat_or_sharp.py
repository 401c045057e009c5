"""The figure of the flat and the sharp minimum: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats

_RATES = np.array([0.2, 0.05, 0.28])
_COUNTED = np.array([300, 500, 200])
_BINS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    share = random.uniform(0.7, 0.9, (3, 2, 40))
    share[2, 0, :4] = np.nan
    return xr.Dataset(
        {
            "share": (("learning_rate", "start", "seed"), share),
            "diverged": (("learning_rate", "start", "seed"), np.isnan(share)),
            "counts": (("learning_rate", "start", "seed", "bin"), random.integers(0, 50, (3, 2, 40, 5))),
            "counted": ("learning_rate", _COUNTED),
            "exact": ("learning_rate", [4.0, 3.0, 5.0]),
            "exact_density": (("learning_rate", "bin"), random.uniform(0, 1, (3, 5))),
            "boltzmann_density": ("bin", random.uniform(0, 1, 5)),
            "boltzmann": 2.1,
            "harmonic": 5**0.5,
            "ratio_curve": ("curve_rate", [3.0, 4.0, 5.0, 6.0]),
            "temperature": 0.06,
        },
        {
            "learning_rate": _RATES,
            "start": ["sharp", "flat"],
            "bin": _BINS,
            "curve_rate": [0.05, 0.1, 0.2, 0.28],
        },
    )


def _dots(container):
    line, _, (bars,) = container.lines
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    return line.get_xdata(), ends[:, 0], line.get_ydata(), ends[:, 1]


def _odds(summary):
    return [summary[name] / (1 - summary[name]) for name in ("low", "mean", "high")]


def test_landscape_has_its_minima(panels):
    curve = panels[0].lines[0]
    w = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), (w**2 - 1) ** 2 * ((w - 1) ** 2 + 1) / 8, atol=1e-12)
    dots = [line for line in panels[0].lines if line.get_marker() == "o"]
    assert [(round(dot.get_xdata()[0], 6), dot.get_ydata()[0]) for dot in dots] == [(-1, 0), (1, 0)]
    assert [text.get_text() for text in panels[0].texts] == ["sharp", "flat"]


def test_densities_are_those_of_the_runs_that_live(panels, dataset):
    """At the smallest and at the largest learning rate, which stand second and third."""
    lines = [line for line in panels[1].lines if len(line.get_xdata()) == 5]
    assert len(lines) == 5
    for k, (simulated, exact) in zip((1, 2), (lines[:2], lines[2:4]), strict=True):
        counts = dataset["counts"].values[k].reshape(80, 5)[np.isfinite(dataset["share"].values[k].ravel())]
        np.testing.assert_allclose(simulated.get_ydata(), counts.sum(0) / (len(counts) * _COUNTED[k] * 0.5))
        np.testing.assert_allclose(exact.get_ydata(), dataset["exact_density"].values[k])
        assert simulated.get_color() == exact.get_color()
    np.testing.assert_allclose(lines[4].get_ydata(), dataset["boltzmann_density"])
    texts = [text.get_text() for text in panels[1].get_legend().get_texts()]
    assert texts == ["$ηh$ = 0.25", "$ηh$ = 1.4", "diffusion"]


def test_ratios_are_those_of_all_runs(panels, dataset):
    axes = panels[2]
    x, *ends = _dots(axes.containers[0])
    np.testing.assert_allclose(x, 5 * _RATES)
    for drawn, expected in zip(ends, _odds(stats.mean(dataset, "share", dim=("start", "seed"))), strict=True):
        np.testing.assert_allclose(drawn, expected)
    curve, boltzmann, harmonic = axes.lines[:3]
    np.testing.assert_allclose(curve.get_xdata(), [0.25, 0.5, 1.0, 1.4])
    np.testing.assert_allclose(curve.get_ydata(), dataset["ratio_curve"])
    assert (boltzmann.get_ydata()[0], harmonic.get_ydata()[0]) == (2.1, 5**0.5)
    assert axes.get_yscale() == "log"
    assert "n = 76–80 runs" in axes.get_title(loc="left")
    assert "D$ = 0.06" in axes.get_legend().get_texts()[1].get_text()


def test_starts_are_compared_with_the_exact_law(panels, dataset):
    axes = panels[3]
    for container, start in zip(axes.containers, ("sharp", "flat"), strict=True):
        x, *ends = _dots(container)
        np.testing.assert_allclose(x, 5 * _RATES, atol=0.02)
        for drawn, expected in zip(ends, _odds(stats.mean(dataset.sel(start=start), "share", dim="seed")), strict=True):
            np.testing.assert_allclose(drawn, expected / [4.0, 3.0, 5.0])
    low, high = axes.get_ylim()
    assert all(low < end < high for container in axes.containers for part in _dots(container)[1:] for end in part)
    assert "36–40 runs" in axes.get_title(loc="left")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "start in the sharp one",
        "start in the flat one",
    ]

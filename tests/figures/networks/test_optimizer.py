"""The figure of the optimizers: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.networks.optimizer import CAPTION

_RATES = np.array([0.001, 0.01, 0.1])
_NAMES = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "lion": "Lion"}


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("optimizer", "seed", "learning_rate")
    shape = (4, 12, 3, 5)
    diverged = np.zeros(shape[:-1], bool)
    diverged[3, 1, 2] = True
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), random.uniform(0.1, 0.9, shape)),
            "test_loss": ((*cells, "epoch"), random.uniform(0.3, 2.3, shape)),
            "diverged": (cells, diverged),
            "default_rate": ("optimizer", [0.01, 0.01, 0.001, 0.001]),
            "best_rate": ("optimizer", [0.1, 0.01, 0.001, 0.01]),
        },
        {"optimizer": list(_NAMES), "seed": np.arange(12), "learning_rate": _RATES, "epoch": np.arange(1, 6)},
        {"dataset": "digits", "title": "Digits"},
    )


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_accuracy_over_the_rate_with_a_ring_at_the_default(panels, dataset):
    for axes, kinds in ((panels[0], ["sgd", "momentum"]), (panels[1], ["adam", "lion"])):
        lines = _labelled(axes)
        assert list(lines) == [_NAMES[kind] for kind in kinds]
        rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
        for ring, kind in zip(rings, kinds, strict=True):
            runs = dataset.sel(optimizer=kind).isel(epoch=-1)
            mean = 100 * stats.mean(runs, "test_accuracy", dim="seed")["mean"]
            np.testing.assert_allclose(lines[_NAMES[kind]].get_ydata(), mean)
            rate = float(dataset["default_rate"].sel(optimizer=kind))
            assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (
                rate,
                pytest.approx(float(mean.sel(learning_rate=rate))),
            )


def test_default_and_best_are_measured_on_the_odd_seeds(panels, dataset):
    axes = panels[2]
    odd = dataset.isel(seed=slice(1, None, 2), epoch=-1)
    for place, kind in enumerate(_NAMES):
        for number, which in enumerate(("default_rate", "best_rate")):
            rate = float(dataset[which].sel(optimizer=kind))
            summary = stats.mean(odd.sel(optimizer=kind, learning_rate=rate), "test_accuracy", dim="seed")
            container = axes.containers[2 * place + number]
            assert float(container[0].get_xdata()[0]) == pytest.approx(100 * float(summary["mean"]))
            (low, high) = container[2][0].get_segments()[0][:, 0]
            assert (low, high) == (pytest.approx(100 * summary["low"]), pytest.approx(100 * summary["high"]))
    assert axes.get_yticklabels()[0].get_text() == "SGD\n0.1"


def test_losses_are_those_at_the_best_rate(panels, dataset):
    lines = _labelled(panels[3])
    odd = dataset.isel(seed=slice(1, None, 2))
    for kind, label in _NAMES.items():
        runs = odd.sel(optimizer=kind, learning_rate=float(dataset["best_rate"].sel(optimizer=kind)))
        np.testing.assert_allclose(lines[label].get_ydata(), stats.mean(runs, "test_loss", dim="seed")["mean"])
    assert len({to_hex(line.get_color()) for line in lines.values()}) == 4


def test_panels_say_what_they_are_and_n(panels):
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcd", titles, strict=True))
    assert "Digits, 5 epochs" in titles[0]
    assert panels[1].get_xlabel().endswith("n = 11–12 seeds (up to 1 diverged, left out)")
    assert panels[2].get_xlabel().endswith("n = 5–6 seeds (up to 1 diverged, left out)")
    assert "95 % Student t intervals" in CAPTION

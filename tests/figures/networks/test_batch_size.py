"""The figure of the batch size: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.networks.batch_size import CAPTION

_SIZES = np.array([1, 16, 64, 1297])
_PROTOCOLS = ["equal epochs", "equal epochs, rate ∝ batch", "equal updates"]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells, of_network = ("protocol", "seed", "wrong", "batch_size"), ("network", "wrong", "batch_size")
    diverged = np.zeros((3, 10, 2, 4), bool)
    diverged[1, :2, 0, 3] = True
    return xr.Dataset(
        {
            "test_accuracy": (cells, random.uniform(0.1, 0.9, (3, 10, 2, 4))),
            "train_loss": (cells, random.uniform(0.1, 2, (3, 10, 2, 4))),
            "diverged": (cells, diverged),
            "error": (("draw", *of_network), random.uniform(0.1, 9, (5, 8, 2, 4))),
            "cosine": (("draw", *of_network), random.uniform(0.1, 0.9, (5, 8, 2, 4))),
            "expected": (of_network, random.uniform(0.1, 9, (8, 2, 4))),
            "long": (of_network, random.uniform(0.1, 0.9, (8, 2, 4))),
            "seconds": (("repeat", "batch_size"), random.uniform(0.1, 0.9, (7, 4))),
        },
        {"protocol": _PROTOCOLS, "wrong": [0.0, 0.3], "batch_size": _SIZES},
    )


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize(
    ("place", "wrong", "name", "factor"),
    [(0, 0.0, "test_accuracy", 100), (1, 0.3, "test_accuracy", 100), (2, 0.0, "train_loss", 1)],
)
def test_outcomes_are_means_over_seeds(panels, dataset, place, wrong, name, factor):
    summary = stats.mean(dataset.sel(wrong=wrong), name, dim="seed")
    lines = _labelled(panels[place])
    assert list(lines) == _PROTOCOLS
    for protocol, area in zip(_PROTOCOLS, panels[place].collections, strict=True):
        part = summary.sel(protocol=protocol)
        np.testing.assert_allclose(lines[protocol].get_ydata(), factor * part["mean"])
        heights = area.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose(heights.max(), factor * part["high"].max())


def test_noise_is_drawn_beside_what_theory_says(panels, dataset):
    lines = panels[3].lines
    for number in (0, 1):
        part = dataset.isel(wrong=number, batch_size=slice(3))
        np.testing.assert_allclose(lines[2 * number].get_ydata(), part["expected"].mean("network"))
        np.testing.assert_allclose(lines[2 * number + 1].get_ydata(), part["error"].mean(["draw", "network"]))


def test_directions_large_updates_and_times(panels, dataset):
    cosine, long = _labelled(panels[4]).values()
    np.testing.assert_allclose(cosine.get_ydata(), dataset["cosine"].isel(wrong=1).mean(["draw", "network"]))
    np.testing.assert_allclose(long.get_ydata(), dataset["long"].isel(wrong=0).mean("network"))
    median = next(line for line in panels[5].lines if line.get_color() == "black")
    np.testing.assert_allclose(median.get_ydata(), 1000 * dataset["seconds"].median("repeat"))


def test_panels_say_what_they_are_and_n(panels):
    assert all(axes.get_xlabel().startswith("images per step\nn = ") and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdef", titles, strict=True))
    assert titles[1] == "(b) 30 % wrong labels"
    assert "n = 8–10 seeds (up to 2 diverged, left out)" in panels[0].get_xlabel()
    assert "95 % Student t intervals" in CAPTION
    for axes in panels:
        assert axes.get_xscale() == "log"
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "16", "64", "1297"]

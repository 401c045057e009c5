"""The figure of the number of epochs: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg import stats
from tests.figures.drawn import find_band
from tests.populations import along, diverge, population

_EPOCHS = np.arange(1, 81)
_TURNS = np.array([8.0] * 15 + [70.0] * 4 + [np.nan])


@pytest.fixture(scope="module")
def dataset():
    dims = {"pixels": ["raw", "scaled"], "seed": 20, "epoch": _EPOCHS}
    names = {f"{part}_{kind}": kind for part in ("train", "test") for kind in ("loss", "accuracy")}
    falling = along("epoch", np.exp(-_EPOCHS / 50))
    means = {name: falling if kind == "loss" else 90 - 40 * falling for name, kind in names.items()}
    noise = {name: 0.05 if kind == "loss" else 5 for name, kind in names.items()}
    turns = {f"test_{kind}_turn": (("pixels", "seed"), np.stack([_TURNS, _TURNS + 2])) for kind in ("loss", "accuracy")}
    units = {name: "nats" if kind == "loss" else "%" for name, kind in names.items()}
    about = {"title": "MNIST", "train_images": 1500, "test_images": 6000, "tutorial_epochs": (5, 10, 60)}
    return diverge(population(dims, means | turns, spread=noise, units=units, **about), pixels=0, seed=3)


def test_curves_are_means_with_the_spread_of_the_seeds(panels, dataset):
    for number, axes in enumerate(panels):
        runs, name = dataset.isel(pixels=number // 2), ("accuracy", "loss")[number % 2]
        for part, label in (("train", "1,500 training images"), ("test", "6,000 test images")):
            mean = stats.mean(runs, f"{part}_{name}", dim="seed")["mean"]
            spread = stats.quantiles(runs, f"{part}_{name}", dim="seed").drop_vars("median")
            find_band(axes, spread.assign(mean=mean), x=_EPOCHS, label=label)
    assert panels[2].get_xlabel() == "epoch\nn = 19–20 seeds (up to 1 diverged, left out)"


def test_epochs_of_the_tutorial_and_the_turns_of_runs_are_marked(panels):
    for number, axes in enumerate(panels):
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [5, 10, 60]
        (ticks,) = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
        np.testing.assert_array_equal(ticks, _TURNS[:-1] + 2 * (number // 2))
        assert axes.get_xscale() == "log"

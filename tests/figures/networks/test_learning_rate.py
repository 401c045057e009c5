"""The figure of the learning rate: what it shows is what the dataset says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxreg import stats
from tests.figures.drawn import find, find_band
from tests.populations import along, diverge, population

_REGIMES = {"too small": 0.1, "right": 0.8, "wasteful": 1.9, "diverging": 2.1}


@pytest.fixture(scope="module")
def dataset():
    rates = [0.01, 0.0316, 0.1, 0.316, 1.0, 10.0]
    dims = {"pixels": ["raw", "scaled"], "seed": 40, "learning_rate": rates, "epoch": [1, 2, 3]}
    means = {"test_accuracy": along("pixels", [70, 50]), "test_loss": 1 + along("learning_rate", range(6)) / 6}
    scaled = np.array(list(_REGIMES.values()))
    parabola = {
        "weight": (("regime", "step"), (1 - scaled)[:, None] ** np.arange(31)),
        "regime_rate": ("regime", scaled / 4),
        "parabola_steps": ("parabola_rate", [44.0, 10.0, 2.0, 6.0, np.inf, np.inf]),
        "curvature": 4.0,
        "regime": list(_REGIMES),
        "parabola_rate": np.array([0.1, 0.4, 0.9, 1.4, 1.9, 2.5]) / 4,
    }
    noise = {"spread": {"test_accuracy": 5, "test_loss": 0.05}, "units": {"test_accuracy": "%", "test_loss": "nats"}}
    about = {"title": "MNIST", "brightest": 255, "tutorial_rates": (0.01, 0.1, 1.0), "regime_limits": (0.5, 1.0, 2.0)}
    made = population(dims, means, **noise, **about).assign(parabola).assign_coords(step=np.arange(31))
    return diverge(made, pixels=0, seed=0, learning_rate=4)


@pytest.mark.parametrize(("number", "label"), [(0, "pixels 0…255, as they are"), (1, "pixels 0…1")])
def test_accuracy_is_the_mean_after_the_last_epoch_with_its_interval(panels, dataset, number, label):
    summary = stats.mean(dataset.isel(pixels=number, epoch=-1), "test_accuracy", dim="seed")
    find_band(panels[2], summary, x=dataset["learning_rate"], label=label)
    thin = [line.get_ydata() for line in panels[2].lines if line.get_linewidth() < 0.5]
    assert len(thin) == 2 * 32
    np.testing.assert_allclose(thin[32 * number + 3], dataset["test_accuracy"].isel(pixels=number, seed=3, epoch=-1))


def test_rates_of_the_tutorial_are_marked(panels):
    marks = [line.get_xdata()[0] for line in panels[2].lines if line.get_linestyle() == ":"]
    assert marks == [0.01, 0.1, 1.0]
    assert [text.get_text() for text in panels[2].texts] == ["T5"] * 3
    assert panels[2].get_xlabel() == "learning rate\nn = 39–40 seeds (up to 1 diverged, left out)"


def test_losses_are_means_over_the_epochs(panels, dataset):
    runs = dataset["test_loss"].sel(pixels="raw").where(~dataset["diverged"].sel(pixels="raw")).mean("seed")
    for rate in (0.01, 0.1, 1.0, 10.0):
        find(panels[3], runs.sel(learning_rate=rate), x=[1, 2, 3], label=f"rate {rate:g}")


def test_paths_and_steps_on_the_parabola(panels, dataset):
    for (name, rate), path in zip(_REGIMES.items(), dataset["weight"].values, strict=True):
        find(panels[0], path[:13], label=f"{name}: {rate}/h")
    exact, points = panels[1].lines[:2]
    assert points.get_ydata().tolist() == [44, 10, 2, 6]
    np.testing.assert_allclose(np.interp(points.get_xdata(), *exact.get_data()), points.get_ydata(), atol=1)
    assert {round(float(line.get_xdata()[0]), 6) for line in panels[1].lines[2:]} == {1.0, 2.0}
    assert len({to_hex(patch.get_facecolor()) for patch in panels[1].patches}) == 4

"""The figure of unscaled pixels: what it shows is what the dataset says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxreg import stats
from tests.figures.drawn import find, points
from tests.populations import along, diverge, population

_PIXELS = ("raw", "scaled", "standardised")


@pytest.fixture(scope="module")
def dataset():
    cells = {"activation": ["sigmoid", "relu"], "pixels": _PIXELS, "seed": 12, "learning_rate": [0.01, 0.1, 1.0]}
    layers, epochs = {"moment": ["start", "end"], "layer": [1, 2]}, {"epoch": [1, 2, 3]}
    accuracy = along("pixels", [50, 60, 70]) + along("activation", [0, 20])
    means = {
        "test_accuracy": ((*cells, *epochs), accuracy),
        "flat": ((*cells, *layers), along("layer", [30, 50]) + along("moment", [0, 20])),
        "log_rate": (("activation", "pixels", "seed"), along("pixels", [-2, -1, 0])),
    }
    noise = {"spread": {"test_accuracy": 5, "flat": 5, "log_rate": 0.1}, "units": {"test_accuracy": "%", "flat": "%"}}
    about = {"records": ("epoch", *layers), "title": "MNIST", "tutorial_rate": 0.1, "brightest": 255}
    return diverge(
        population({**cells, **layers, **epochs}, means, **noise, **about),
        activation=1,
        pixels=0,
        seed=0,
        learning_rate=2,
    )


def test_flat_shares_are_means_before_and_after_at_the_rate_of_the_tutorial(panels, dataset):
    means = dataset["flat"].sel(learning_rate=0.1).mean("seed")
    wanted = means.transpose("pixels", "moment", "activation", "layer").values.ravel()
    np.testing.assert_allclose([drawn.y[0] for drawn in points(panels[0])], wanted)
    faces = [to_hex(bar.lines[0].get_markerfacecolor()) for bar in panels[0].containers]
    assert [face == "#ffffff" for face in faces] == ([True] * 4 + [False] * 4) * 3
    names = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert names == ["sigmoid\nlayer 1", "sigmoid\nlayer 2", "ReLU\nlayer 1", "ReLU\nlayer 2"]


def test_best_rates_are_geometric_means_over_seeds(panels, dataset):
    wanted = 10 ** dataset["log_rate"].mean("seed").transpose("pixels", "activation").values.ravel()
    np.testing.assert_allclose([drawn.y[0] for drawn in points(panels[1])], wanted)
    assert panels[1].get_yscale() == "log"


def test_accuracy_and_gain_leave_diverged_runs_out(panels, dataset):
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1)
    gain = stats.paired_difference(last, "test_accuracy", "seed", "activation", "sigmoid").sel(activation="relu")
    accuracy = last["test_accuracy"].where(~last["diverged"]).sel(activation="relu").mean("seed")
    for pixels in _PIXELS:
        find(panels[2], accuracy.sel(pixels=pixels), x=dataset["learning_rate"])
        find(panels[3], gain["difference"].sel(pixels=pixels))
    assert panels[2].get_xlabel() == "learning rate\nn = 11–12 seeds (up to 1 diverged, left out)"
    texts = [text.get_text() for text in panels[0].figure.legends[0].get_texts()]
    assert texts == ["pixels 0…255, as they are", "pixels 0…1", "pixels standardised"]

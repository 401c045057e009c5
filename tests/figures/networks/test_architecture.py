"""The figure of layers and units: what it shows is what the dataset says."""

import numpy as np
import pytest

from tests.figures.drawn import find, points
from tests.populations import along, diverge, population


@pytest.fixture(scope="module")
def dataset():
    dims = {
        "network": "ABC",
        "pixels": ["raw", "scaled"],
        "seed": 12,
        "learning_rate": [0.03, 0.1, 0.3],
        "epoch": [1, 2],
    }
    means = {"test_accuracy": along("network", [90, 70, 80]) - along("pixels", [0, 20])}
    sizes = {
        "parameters": ("network", [50_000, 80_000, 430_000]),
        "layers": ("network", ["256-128", "256-128-128", "256"]),
    }
    about = {"units": {"test_accuracy": "%"}, "title": "MNIST", "tutorial_rate": 0.1, "brightest": 255}
    made = population(dims, means, spread=3, **about).assign(sizes)
    return diverge(made, network=1, pixels=0, seed=0, learning_rate=1)


def _means(dataset):
    return dataset["test_accuracy"].where(~dataset["diverged"]).isel(epoch=-1).mean("seed")


def test_means_of_each_network_stand_over_its_size(panels, dataset):
    x, y = np.array([(drawn.x[0], drawn.y[0]) for drawn in points(panels[0])]).T
    assert np.round(x).tolist() == [0, 1, 2] * 2
    np.testing.assert_allclose(y, _means(dataset).sel(learning_rate=0.1).transpose("pixels", "network").values.ravel())
    names = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert names == ["A\n50,000", "B\n80,000", "C\n430,000"]
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["pixels 0…255", "pixels 0…1"]


def test_accuracy_over_the_rate_is_the_mean_without_diverged_runs(panels, dataset):
    for axes, pixels in zip(panels[1:], ("raw", "scaled"), strict=True):
        for network in "ABC":
            find(axes, _means(dataset).sel(pixels=pixels, network=network), x=dataset["learning_rate"])
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [0.1]
    assert panels[1].get_xlabel() == "learning rate\nn = 11–12 seeds\n(up to 1 diverged, left out)"
    assert panels[1].get_legend().get_texts()[0].get_text() == "A: 256-128"

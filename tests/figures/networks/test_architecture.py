"""The figure of layers and units: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from paper_figures.networks.architecture import CAPTION, draw

_NETWORKS = ("A", "B", "C")
_SIZES = [50_000, 80_000, 430_000]
_RATES = [0.03, 0.1, 0.3]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells, shape = ("network", "pixels", "seed", "learning_rate"), (3, 2, 12, 3)
    diverged = np.zeros(shape, bool)
    diverged[1, 0, 0, 1] = True
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), random.uniform(0.5, 1.0, (*shape, 3))),
            "diverged": (cells, diverged),
            "parameters": ("network", _SIZES),
            "layers": ("network", ["256-128", "256-128-128-128", "256-1568"]),
        },
        {"network": list(_NETWORKS), "pixels": ["raw", "scaled"], "learning_rate": _RATES, "epoch": [1, 2, 3]},
        {"dataset": "mnist", "title": "MNIST", "tutorial_rate": 0.1, "brightest": 255},
    )


def _last(dataset):
    return 100 * dataset["test_accuracy"].isel(epoch=-1).where(~dataset["diverged"])


def test_means_of_each_network_stand_over_its_size(panels, dataset):
    means = _last(dataset).sel(learning_rate=0.1).mean("seed")
    wanted = [(network, pixels) for network in range(3) for pixels in range(2)]
    for bar, (network, pixels) in zip(panels[0].containers, wanted, strict=True):
        point = bar.lines[0]
        assert round(point.get_xdata()[0]) == network
        np.testing.assert_allclose(point.get_ydata(orig=False), [float(means.isel(network=network, pixels=pixels))])
        assert point.get_fillstyle() == ("none", "full")[pixels]
    names = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert names == ["A\n50,000", "B\n80,000", "C\n430,000"]


def test_accuracy_over_the_rate_is_the_mean_without_diverged_runs(panels, dataset):
    for axes, pixels in zip(panels[1:], ("raw", "scaled"), strict=True):
        for line, network in zip(axes.lines, _NETWORKS, strict=False):
            np.testing.assert_allclose(line.get_xdata(), _RATES)
            np.testing.assert_allclose(
                line.get_ydata(), _last(dataset).sel(network=network, pixels=pixels).mean("seed")
            )
        assert len(axes.collections) == 3
        assert axes.get_xscale() == "log"
        assert axes.lines[3].get_xdata()[0] == 0.1
    assert len({line.get_marker() for line in panels[1].lines[:3]}) == 3


def test_panels_say_what_they_show_and_n(panels):
    titles = ["(a) MNIST, learning rate 0.1", "(b) Pixels 0…255", "(c) Pixels 0…1"]
    assert [axes.get_title(loc="left") for axes in panels] == titles
    assert panels[1].get_xlabel() == "learning rate\nn = 11–12 seeds (up to 1 diverged, left out)"
    assert panels[2].get_xlabel() == "learning rate\nn = 12 seeds"
    texts = [text.get_text() for text in panels[1].get_legend().get_texts()]
    assert texts == ["A: 256-128", "B: 256-128-128-128", "C: 256-1568"]
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["pixels 0…255", "pixels 0…1"]
    for phrase in ("95 % Student t", "number of parameters", "single seeds"):
        assert phrase in CAPTION


def test_one_seed_and_a_population_that_all_diverged_can_be_drawn(dataset):
    for extreme in (dataset.isel(seed=[1]), dataset.assign(diverged=xr.ones_like(dataset["diverged"]))):
        figure = draw(extreme)
        figure.canvas.draw()
        plt.close(figure)

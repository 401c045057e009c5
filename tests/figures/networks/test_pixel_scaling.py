"""The figure of unscaled pixels: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.networks.pixel_scaling import CAPTION, draw

_PIXELS = ("raw", "scaled", "standardised")
_RATES = [0.01, 0.1, 1.0]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells, shape = ("activation", "pixels", "seed", "learning_rate"), (2, 3, 12, 3)
    diverged = np.zeros(shape, bool)
    diverged[1, 0, 0, 2] = True
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), random.uniform(0.5, 1.0, (*shape, 3))),
            "flat": ((*cells, "moment", "layer"), random.uniform(0, 1, (*shape, 2, 2))),
            "diverged": (cells, diverged),
        },
        {
            "activation": ["sigmoid", "relu"],
            "pixels": list(_PIXELS),
            "learning_rate": _RATES,
            "moment": ["start", "end"],
            "layer": [1, 2],
            "epoch": [1, 2, 3],
        },
        {"dataset": "mnist", "title": "MNIST", "tutorial_rate": 0.1, "brightest": 255},
    )


def _points(axes):
    """Height of the mark of each bar, in the order in which they are drawn, and its filling."""
    marks = [bar.lines[0] for bar in axes.containers]
    return [float(mark.get_ydata(orig=False)[0]) for mark in marks], [to_hex(m.get_markerfacecolor()) for m in marks]


def test_flat_shares_are_means_before_and_after_at_the_rate_of_the_tutorial(panels, dataset):
    means = 100 * dataset["flat"].sel(learning_rate=0.1).mean("seed")
    heights, fillings = _points(panels[0])
    wanted = means.transpose("activation", "layer", "pixels", "moment").values.ravel()
    np.testing.assert_allclose(heights, wanted)
    assert [filling == "#ffffff" for filling in fillings] == [True, False] * 12
    names = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert names == ["sigmoid\nlayer 1", "sigmoid\nlayer 2", "ReLU\nlayer 1", "ReLU\nlayer 2"]


def test_best_rates_are_geometric_means_over_seeds(panels, dataset):
    last = dataset["test_accuracy"].isel(epoch=-1).where(~dataset["diverged"], 0)
    logs = np.log10(_RATES)[last.argmax("learning_rate").values]
    heights, _ = _points(panels[1])
    np.testing.assert_allclose(heights, 10 ** logs.mean(-1).ravel())
    assert panels[1].get_yscale() == "log"


def test_accuracy_and_gain_leave_diverged_runs_out(panels, dataset):
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1)
    gain = stats.paired_difference(last, "test_accuracy", "seed", "activation", "sigmoid").sel(activation="relu")
    for axes, values in (
        (panels[2], last["test_accuracy"].where(~last["diverged"]).sel(activation="relu").mean("seed")),
        (panels[3], gain["difference"]),
    ):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
        for line, pixels in zip(lines, _PIXELS, strict=True):
            np.testing.assert_allclose(line.get_xdata(), _RATES)
            np.testing.assert_allclose(line.get_ydata(), 100 * values.sel(pixels=pixels))
        assert len({line.get_marker() for line in lines}) == 3
        assert len(axes.collections) == 3


def test_panels_say_what_they_show_and_n(panels):
    titles = ["(a) MNIST, flat units", "(b) Best learning rate", "(c) Accuracy with ReLU", "(d) ReLU against sigmoid"]
    assert [axes.get_title(loc="left") for axes in panels] == titles
    assert panels[2].get_xlabel() == "learning rate\nn = 11–12 seeds (up to 1 diverged, left out)"
    assert panels[0].get_xlabel() == "n = 12 seeds"
    texts = [text.get_text() for text in panels[0].figure.legends[0].get_texts()]
    assert texts == ["pixels 0…255, as they are", "pixels 0…1", "pixels standardised"]
    for phrase in ("95 % Student t", "5 % of its", "geometric mean"):
        assert phrase in CAPTION


def test_one_seed_and_a_population_that_all_diverged_can_be_drawn(dataset):
    for extreme in (dataset.isel(seed=[1]), dataset.assign(diverged=xr.ones_like(dataset["diverged"]))):
        figure = draw(extreme)
        figure.canvas.draw()
        plt.close(figure)

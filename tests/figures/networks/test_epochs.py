"""The figure of the number of epochs: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.networks.epochs import CAPTION, draw

_SEEDS, _EPOCHS = 20, np.arange(1, 81)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    shape = (2, _SEEDS, len(_EPOCHS))
    curves = {
        name: (("pixels", "seed", "epoch"), random.uniform(0.1, 0.9, shape))
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    }
    diverged = np.zeros(shape[:-1], bool)
    diverged[0, 3] = True
    curves["test_loss"][1][0, 3] = np.nan
    coords = {"pixels": ["raw", "scaled"], "seed": np.arange(_SEEDS), "epoch": _EPOCHS}
    about = {"dataset": "mnist", "title": "MNIST", "train_images": 1500, "test_images": 6000}
    return xr.Dataset(curves | {"diverged": (("pixels", "seed"), diverged)}, coords, about)


@pytest.mark.parametrize(
    ("panel", "pixels", "name", "factor"),
    [(0, "raw", "accuracy", 100), (1, "raw", "loss", 1), (2, "scaled", "accuracy", 100), (3, "scaled", "loss", 1)],
)
def test_curves_are_means_with_the_spread_of_the_seeds(panels, dataset, panel, pixels, name, factor):
    axes = panels[panel]
    lines = {line.get_label(): line for line in axes.lines if "images" in line.get_label()}
    for area, (part, label) in zip(
        axes.collections, (("train", "1,500 training images"), ("test", "6,000 test images")), strict=True
    ):
        runs = dataset.sel(pixels=pixels)
        np.testing.assert_allclose(lines[label].get_xdata(), _EPOCHS)
        expected = factor * stats.mean(runs, f"{part}_{name}", dim="seed")["mean"]
        np.testing.assert_allclose(lines[label].get_ydata(), expected)
        spread = factor * stats.quantiles(runs, f"{part}_{name}", dim="seed")["low"].sel(epoch=7)
        heights = area.get_paths()[0].vertices
        np.testing.assert_allclose(heights[np.isclose(heights[:, 0], 7), 1].min(), spread)


def test_epochs_of_the_tutorial_are_marked(panels):
    for axes in panels:
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [5, 10, 60]
        assert axes.get_xscale() == "log"


def test_ticks_mark_the_best_epoch_of_each_run(panels, dataset):
    marks = [next(line for line in axes.lines if line.get_marker() == "|").get_xdata() for axes in panels]
    kept = dataset.drop_isel(seed=3).sel(pixels="raw")
    for got, place in (
        (marks[0], kept["test_accuracy"].argmax("epoch")),
        (marks[1], kept["test_loss"].argmin("epoch")),
    ):
        best = _EPOCHS[place.values]
        np.testing.assert_array_equal(got, best[best < 80])


def test_panels_say_data_and_n(panels):
    assert [axes.get_title(loc="left") for axes in panels] == [
        "(a) MNIST, pixels as they are",
        "(b) MNIST, pixels as they are",
        "(c) MNIST, pixels 0…1",
        "(d) MNIST, pixels 0…1",
    ]
    assert panels[2].get_xlabel() == "epoch\nn = 19–20 seeds (up to 1 diverged, left out)"
    assert (panels[0].get_ylabel(), panels[1].get_ylabel()) == ("accuracy, %", "loss, nats")
    for phrase in ("5 % to the 95 % quantile", "one population shows all three"):
        assert phrase in CAPTION


def test_one_seed_and_all_diverged_can_be_drawn(dataset):
    for odd in (dataset.isel(seed=[0]), dataset.assign(diverged=~dataset["diverged"] | True)):
        plt.close(draw(odd))


def test_nothing_leaves_the_page(panels):
    figure = panels[0].figure
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1

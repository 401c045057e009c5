"""The figure of the scatter over seeds: what it shows is what the dataset says."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.container import BarContainer, ErrorbarContainer

from jaxreg import stats
from paper_figures.networks.seed_variance import draw

_SETTINGS = ["T5", "learning rate 0.08", "dropout 0.4", "L2 0.001"]
_SOURCES = ("init_seed", "order_seed", "dropout_seed")
_DIFFERENCES = [0.1, 0.5, 1.0]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    grid = 90 + random.normal(size=(4, 4, 4)) + 2 * random.normal(size=(4, 1, 1))
    bernoulli, covariance = np.array([0.3, 0.4, 0.35, 0.3]), np.array([0.2, 0.1, -0.05, 0.15])
    total = bernoulli + covariance
    scale = np.array([1.0, 1.2, 1.1])[:, None, None, None] * np.array([[[700.0], [70.0]], [[350.0], [0.5]]])[None]
    needed = scale * (0.1 / np.array(_DIFFERENCES)) ** 2
    needed = np.concatenate([np.full((1, *needed.shape[1:]), np.nan), needed])
    diverged = np.zeros((4, 20), bool)
    diverged[2, 3] = True
    return xr.Dataset(
        {
            "crossed_accuracy": (_SOURCES, grid),
            "total": ("setting", total),
            "bernoulli": ("setting", bernoulli),
            "covariance": ("setting", covariance),
            "low": ("setting", 0.7 * total),
            "high": ("setting", 1.6 * total),
            "seeds_needed": (("setting", "test_images", "design", "difference"), needed[:, :, ::-1]),
            "diverged": (("setting", "seed"), diverged),
        },
        {
            "setting": _SETTINGS,
            "test_images": [1000, 10_000],
            "design": ["paired", "unpaired"],
            "difference": _DIFFERENCES,
            "seed": np.arange(20),
        },
        {"dataset": "mnist", "title": "MNIST"},
    )


def _bars(axes):
    return [part for part in axes.containers if isinstance(part, BarContainer)]


def test_components_are_bars_with_their_standard_errors(panels, dataset):
    axes = panels[0]
    parts = stats.variance_components(dataset, "crossed_accuracy", _SOURCES)
    (bars,) = _bars(axes)
    np.testing.assert_allclose([bar.get_width() for bar in bars], parts["variance"])
    (segments,) = (part.get_segments() for part in bars.errorbar[2])
    for segment, variance, error in zip(segments, parts["variance"], parts["standard_error"], strict=True):
        np.testing.assert_allclose(segment[:, 0], [variance - error, variance + error])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:4] == ["init", "order", "dropout", "init × order"]
    assert names[-1] == "residual"
    assert axes.yaxis_inverted()


def test_parts_add_up_to_the_variance_and_its_interval(panels, dataset):
    axes = panels[1]
    coins, covariances = _bars(axes)
    np.testing.assert_allclose([bar.get_height() for bar in coins], dataset["bernoulli"])
    np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in covariances], dataset["total"])
    (whiskers,) = (part for part in axes.containers if isinstance(part, ErrorbarContainer))
    ends = np.array([segment[:, 1] for segment in whiskers[2][0].get_segments()])
    np.testing.assert_allclose(ends, np.stack([dataset["low"], dataset["high"]], 1))
    names = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert names == _SETTINGS
    assert axes.get_ylim()[0] < -0.05


def test_seeds_are_those_of_the_dataset_and_at_least_one(panels, dataset):
    lines = {line.get_label(): line for line in panels[2].lines}
    needed = dataset["seeds_needed"]
    for images, label in ((1000, "own seeds, 1,000 images"), (10_000, "own seeds, 10,000 images")):
        own = needed.sel(test_images=images, design="unpaired").clip(min=1).mean("setting")
        np.testing.assert_allclose(lines[label].get_ydata(), own)
    for name in _SETTINGS[1:]:
        common = needed.sel(test_images=1000, design="paired", setting=name)
        np.testing.assert_allclose(lines[f"common seeds, {name}"].get_ydata(), np.maximum(common, 1))
        assert lines[f"common seeds, {name}"].get_xdata().tolist() == _DIFFERENCES
    assert len(lines) == 5
    assert (panels[2].get_xscale(), panels[2].get_yscale()) == ("log", "log")


def test_n_is_that_of_the_runs_and_labels_do_not_overlap(panels):
    assert panels[0].get_xlabel() == "variance, points²\nn = 64 runs"
    assert panels[1].get_xlabel() == "n = 19 seeds (1 diverged, left out)"
    renderer = panels[0].figure.canvas.get_renderer()
    labels = [label.get_window_extent(renderer) for label in panels[1].get_xticklabels()]
    assert all(left.x1 <= right.x0 + 1 for left, right in itertools.pairwise(labels))


def test_components_of_diverged_runs_are_said_to_be_left_out(dataset):
    grid = dataset["crossed_accuracy"].copy()
    grid[0, 0, 0] = np.nan
    figure = draw(dataset.assign(crossed_accuracy=grid))
    figure.canvas.draw()
    assert "1 diverged, left out" in figure.axes[0].get_xlabel()
    plt.close(figure)

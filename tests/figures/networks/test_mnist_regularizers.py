"""The figure of T3's case study: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.networks.mnist_regularizers import CAPTION, draw

_CASES = ["baseline", "L2", "L1", "dropout", "ZCA + dropout", "augmentation", "early stopping"]
_SEEDS, _EPOCHS = 12, np.arange(1, 7)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    dims, shape = ("case", "seed", "epoch"), (len(_CASES), _SEEDS, len(_EPOCHS))
    diverged = np.zeros(shape[:2], bool)
    diverged[2, 3] = True
    versions = ["original", "whitened", "augmented 1"]
    return xr.Dataset(
        {
            "test_accuracy": (dims, random.uniform(0.8, 0.9, shape)),
            "diverged": (dims[:2], diverged),
            "last_epoch": ("seed", random.integers(2, 7, _SEEDS)),
            "sample": (("version", "row", "column"), random.uniform(0, 1, (3, 4, 5))),
        },
        {"case": _CASES, "seed": np.arange(_SEEDS), "epoch": _EPOCHS, "version": versions},
        {"dataset": "mnist", "title": "MNIST", "label": "7"},
    )


def test_a_sample_is_shown_with_its_label(panels, dataset):
    for axes, picture in zip(panels[:3], dataset["sample"].values, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), picture)
    assert [axes.get_title() for axes in panels[:3]] == ['label "7"', "whitened", "augmented 1"]


def test_accuracies_are_those_of_all_seeds_and_their_means(panels, dataset):
    axes = panels[3]
    last = dataset.isel(epoch=-1)
    means = 100 * stats.mean(last, "test_accuracy", dim="seed")["mean"]
    points = [line for line in axes.lines if line.get_marker() == "."]
    bars = [line for line in axes.lines if line.get_marker() == "|"]
    for place, (dots, bar) in enumerate(zip(points, bars, strict=True)):
        values = 100 * last["test_accuracy"].isel(case=place).values
        kept = values[~last["diverged"].isel(case=place).values]
        np.testing.assert_allclose(dots.get_xdata(), kept)
        assert abs(dots.get_ydata() - place).max() < 0.5
        np.testing.assert_allclose(bar.get_xdata(), [means[place]])
        assert bar.get_ydata() == [place]
    assert [label.get_text() for label in axes.get_yticklabels()] == _CASES


def test_gains_are_paired_differences_with_their_intervals(panels, dataset):
    percent = dataset.isel(epoch=-1).assign(percent=100 * dataset["test_accuracy"].isel(epoch=-1))
    gain = stats.paired_difference(percent, "percent", "seed", "case", "baseline")
    centres = [line for line in panels[4].lines if line.get_marker() == "o"]
    bars = [line for line in panels[4].lines if line.get_marker() == "None" and len(set(line.get_ydata())) == 1]
    for place, (centre, bar) in enumerate(zip(centres, bars, strict=True)):
        np.testing.assert_allclose(centre.get_xdata(), [gain["difference"][place]])
        np.testing.assert_allclose(bar.get_xdata(), [gain["low"][place], gain["high"][place]])
        assert set(bar.get_ydata()) == {place}
        assert to_hex(bar.get_color()) == to_hex(centre.get_color())
    assert panels[4].get_ylim() == panels[3].get_ylim()


def test_curves_are_means_over_the_epochs(panels, dataset):
    lines = {line.get_label(): line for line in panels[5].lines if not line.get_label().startswith("_")}
    assert list(lines) == _CASES[:-1]
    for case, line in lines.items():
        summary = stats.mean(dataset.sel(case=case), "test_accuracy", dim="seed")
        np.testing.assert_allclose(line.get_ydata(), 100 * summary["mean"])
        assert line.get_xdata().tolist() == _EPOCHS.tolist()
    looks = {(to_hex(line.get_color()), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == len(lines)


def test_ticks_mark_where_early_stopping_ends(panels, dataset):
    (marks,) = (line for line in panels[5].lines if line.get_marker() == "|")
    assert sorted(marks.get_xdata()) == sorted(dataset["last_epoch"].values)


def test_panels_say_data_and_n(panels):
    assert [axes.get_title(loc="left") for axes in panels[3:]] == [
        "(a) MNIST",
        "(b) Against the baseline",
        "(c) In training",
    ]
    assert panels[3].get_xlabel() == "test accuracy, %\nn = 11–12 seeds\n(up to 1 diverged, left out)"
    assert panels[4].get_xlabel() == "gain, percentage points\nn = 11–12 pairs\n(up to 1 diverged, left out)"
    for phrase in ("95 % Student t interval", "seed by seed", "random training image with its label"):
        assert phrase in CAPTION


def test_one_seed_and_all_diverged_can_be_drawn(dataset):
    for odd in (dataset.isel(seed=[0]), dataset.assign(diverged=~dataset["diverged"] | True)):
        plt.close(draw(odd))


def test_nothing_leaves_the_page(panels):
    figure = panels[0].get_figure(root=True)
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1

"""The figure of T3's case study: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg import stats
from tests.figures.drawn import find_band
from tests.populations import along, diverge, population

_CASES = ["baseline", "L2", "L1", "dropout", "ZCA + dropout", "augmentation", "early stopping"]


@pytest.fixture(scope="module")
def dataset():
    dims = {"case": _CASES, "seed": 12, "epoch": range(1, 7), "version": ["original", "whitened", "augmented 1"]}
    dims |= {"row": 4, "column": 5}
    means = {
        "test_accuracy": (tuple(dims)[:3], 80 + along("case", range(7)) + along("epoch", range(6))),
        "sample": (("version", "row", "column"), along("version", [0.1, 0.2, 0.3]) + along("column", range(5)) / 10),
    }
    made = population(
        dims, means, spread=2, records=tuple(dims)[2:], units={"test_accuracy": "%"}, title="MNIST", label="7"
    )
    return diverge(
        made.drop_vars(("row", "column")).assign(last_epoch=("seed", [2, 3, 4, 5, 6, 6] * 2)), case=2, seed=3
    )


def test_a_sample_is_shown_with_its_label(panels, dataset):
    for axes, picture in zip(panels[:3], dataset["sample"].values, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), picture)
    assert [axes.get_title() for axes in panels[:3]] == ['label "7"', "whitened", "augmented 1"]


def test_accuracies_are_those_of_all_seeds_and_their_means(panels, dataset):
    axes = panels[3]
    last = dataset.isel(epoch=-1)
    means = stats.mean(last, "test_accuracy", dim="seed")["mean"]
    points = [line for line in axes.lines if line.get_marker() == "."]
    bars = [line for line in axes.lines if line.get_marker() == "|"]
    for place, (dots, bar) in enumerate(zip(points, bars, strict=True)):
        values = last["test_accuracy"].isel(case=place).values
        kept = values[~last["diverged"].isel(case=place).values]
        np.testing.assert_allclose(dots.get_xdata(), kept)
        assert abs(dots.get_ydata() - place).max() < 0.5
        np.testing.assert_allclose(bar.get_xdata(), [means[place]])
        assert bar.get_ydata() == [place]
    assert [label.get_text() for label in axes.get_yticklabels()] == _CASES


def test_gains_are_paired_differences_with_their_intervals(panels, dataset):
    gain = stats.paired_difference(dataset.isel(epoch=-1), "test_accuracy", "seed", "case", "baseline")
    centres = [line for line in panels[4].lines if line.get_marker() == "o"]
    bars = [line for line in panels[4].lines if line.get_marker() == "None" and len(set(line.get_ydata())) == 1]
    for place, (centre, bar) in enumerate(zip(centres, bars, strict=True)):
        np.testing.assert_allclose(centre.get_xdata(), [gain["difference"][place]])
        np.testing.assert_allclose(bar.get_xdata(), [gain["low"][place], gain["high"][place]])
        assert set(bar.get_ydata()) == {place}
    assert panels[4].get_ylim() == panels[3].get_ylim()


def test_curves_are_means_over_the_epochs(panels, dataset):
    for case in _CASES[:-1]:
        find_band(panels[5], stats.mean(dataset.sel(case=case), "test_accuracy", dim="seed"), label=case)


def test_ticks_mark_where_early_stopping_ends(panels, dataset):
    (marks,) = (line for line in panels[5].lines if line.get_marker() == "|")
    assert sorted(marks.get_xdata()) == sorted(dataset["last_epoch"].values)
    titles = [axes.get_title(loc="left") for axes in panels[3:]]
    assert titles == ["(a) MNIST", "(b) Against the baseline", "(c) In training"]
    assert panels[3].get_xlabel() == "test accuracy, %\nn = 11–12 seeds\n(up to 1 diverged, left out)"
    assert panels[4].get_xlabel() == "gain, percentage points\nn = 11–12 pairs\n(up to 1 diverged, left out)"

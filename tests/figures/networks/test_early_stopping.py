"""The figure of early stopping: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg import stats
from tests.figures.drawn import find, find_band, find_points, points
from tests.populations import diverge, population

_EPOCHS = np.arange(1, 11)


@pytest.fixture(scope="module")
def dataset():
    rules = {"monitor": ["accuracy", "loss"], "patience": [1, 2, 4], "min_delta": [0.0, 0.01], "seed": 24}
    means = {
        "train_loss": (("seed", "epoch"), np.exp(-_EPOCHS / 4)),
        "validation_loss": (("seed", "epoch"), 0.2 + 0.01 * (_EPOCHS - 4) ** 2),
        "last_epoch": (tuple(rules), 6),
        "kept_accuracy": (("kept", *rules), 90),
    }
    noise = {"train_loss": 1e-3, "validation_loss": 1e-3, "last_epoch": 1, "kept_accuracy": 1}
    dims = {"kept": ["end", "last", "best"], **rules, "epoch": _EPOCHS}
    records = tuple(dim for dim in dims if dim != "seed")
    made = population(dims, means, spread=noise, records=records, title="MNIST", tutorial_epochs=5)
    return diverge(made, "kept_accuracy", seed=0)


def test_losses_are_means_and_the_turn_is_marked(panels, dataset):
    for label, name in (("training", "train_loss"), ("validation", "validation_loss")):
        find_band(panels[0], stats.mean(dataset, name, dim="seed"), x=_EPOCHS, label=label)
    (dotted,) = (line for line in panels[0].lines if line.get_linestyle() == ":")
    assert dotted.get_xdata()[0] == 4
    assert [text.get_text() for text in panels[0].texts] == ["turns at 4"]


def test_epochs_are_means_with_the_quantiles_of_seeds(panels, dataset):
    for monitor, label in (("accuracy", "validation accuracy"), ("loss", "validation loss")):
        stops = dataset[["last_epoch", "diverged"]].sel(min_delta=0.0, monitor=monitor)
        spread = stats.quantiles(stops, "last_epoch", dim="seed").drop_vars("median")
        mean = stops["last_epoch"].isel(seed=slice(1, None)).mean("seed")
        find_band(panels[1], spread.assign(mean=mean), x=[1, 2, 4], label=label)
    (cross,) = (line for line in panels[1].lines if line.get_marker() == "x")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (2, 5)


def test_every_rule_is_a_dot_with_its_paired_interval_and_the_tutorials_is_ringed(panels, dataset):
    gains = stats.paired_difference(dataset, "kept_accuracy", "seed", "kept", "end")
    epochs = stats.mean(dataset, "last_epoch", dim="seed")["mean"]
    assert len(points(panels[2])) == 4
    for monitor in ("accuracy", "loss"):
        for kept in ("last", "best"):
            find_points(panels[2], gains.sel(monitor=monitor, kept=kept), x=epochs.sel(monitor=monitor))
    rule = {"monitor": "accuracy", "patience": 2, "min_delta": 0.0}
    find(panels[2], gains["difference"].sel(rule | {"kept": "last"}), x=epochs.sel(rule), label="rule of T3")
    assert all("n = 23 seeds (1 diverged, left out)" in " ".join(axes.get_xlabel().split()) for axes in panels)

"""Panels show the numbers of the runs that they are given, and say what these are."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxreg import plotting, stats
from jaxreg.errors import ArgumentError
from tests.populations import along, diverge, population

_LOOKS = {"adam": {"label": "Adam", "color": "black"}, "lion": {}, "sgd": {"color": "red"}}


@pytest.fixture
def runs():
    dims = {"optimizer": ["sgd", "adam"], "seed": 8, "learning_rate": [0.01, 0.1, 1.0]}
    means = {"loss": along("optimizer", [2, 1]) * along("learning_rate", [3, 2, 4])}
    return diverge(population(dims, means, spread=0.1, units={"loss": "nats"}), optimizer=1, seed=2, learning_rate=2)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def _segments(bar):
    return bar.lines[2][0].get_segments()[0]


def test_lines_are_those_of_the_methods_that_were_run(axes, runs):
    summary = plotting.lines(axes, runs, "loss", "learning_rate", _LOOKS, linestyle="--")
    assert [line.get_label() for line in axes.lines] == ["Adam", "sgd"]
    for line, method in zip(axes.lines, ("adam", "sgd"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), stats.mean(runs, "loss")["mean"].sel(optimizer=method))
        assert line.get_linestyle() == "--"
    assert [line.get_color() for line in axes.lines] == ["black", "red"]
    assert axes.get_xlabel() == "learning rate\nn = 7–8 seeds (up to 1 diverged, left out)"
    assert axes.get_ylabel() == "loss, nats"
    assert summary.sizes == {"optimizer": 2, "learning_rate": 3}


def test_what_is_measured_may_be_another_thing(axes, runs):
    change = partial(stats.paired_difference, axis="learning_rate", baseline=0.1)
    plotting.lines(axes, runs.sel(optimizer="sgd"), "loss", "learning_rate", measure=change, of="runs")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2, 0, 4], atol=0.3)
    assert axes.get_xlabel().endswith("n = 8 runs")
    plotting.lines(axes, runs.sel(optimizer="sgd"), "loss", "learning_rate", measure=plotting.mean_in_spread)
    low, high = (stats.quantiles(runs, "loss")[end].sel(optimizer="sgd") for end in ("low", "high"))
    heights = axes.collections[1].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [low.min(), high.max()])


def test_whole_numbers_along_an_axis_have_whole_ticks(axes, runs):
    epochs = runs.isel(learning_rate=slice(2)).rename(learning_rate="epoch").assign_coords(epoch=[1, 2])
    plotting.lines(axes, epochs, "loss", "epoch", {"sgd": {}})
    assert all(tick == round(tick) for tick in axes.get_xticks())


@pytest.mark.parametrize("across", [False, True])
def test_points_are_means_with_their_bars_in_the_order_of_the_looks(axes, runs, across):
    at = runs.isel(learning_rate=2, drop=True)
    plotting.points(axes, at, "loss", _LOOKS, shift=0.2, across=across)
    summary = stats.mean(at, "loss")
    for place, (bar, method) in enumerate(zip(axes.containers, ("adam", "sgd"), strict=True)):
        x, y = bar.lines[0].get_xydata()[0][:: -1 if across else 1]
        of_it = summary.sel(optimizer=method)
        assert (x, y) == (place + 0.2, float(of_it["mean"]))
        np.testing.assert_allclose(_segments(bar)[:, 0 if across else 1], [of_it["low"], of_it["high"]])
    ticks = axes.get_yticklabels() if across else axes.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["Adam", "sgd"]
    value, count = axes.get_xlabel().split("\n") if across else (axes.get_ylabel(), axes.get_xlabel())
    assert (value, count) == ("loss, nats", "n = 7–8 seeds (up to 1 diverged, left out)")


def test_one_run_has_a_point_and_no_bar(axes, runs):
    plotting.points(axes, runs.isel(seed=[0], learning_rate=0), "loss", {"sgd": {}})
    assert not _segments(axes.containers[0]).size


def test_what_cannot_be_drawn_is_refused_by_name(axes, runs):
    for arguments, name in (
        ({"name": "los"}, "name = 'los'"),
        ({"x": "epoch"}, "x = 'epoch'"),
        ({"x": "learning_rate", "runs": runs.drop_vars("learning_rate")}, r"without labels.*range\(1, 4\)\)"),
        ({"looks": None}, "runs = .*no dimension of methods"),
        ({"runs": runs.sel(optimizer="sgd")}, "runs = .*one dimension of methods"),
    ):
        with pytest.raises(ArgumentError, match=name):
            plotting.lines(
                axes, **{"runs": runs, "name": "loss", "x": "learning_rate", "looks": {"sgd": {}}} | arguments
            )

"""Legends move off data, by the least that does it; what cannot be seen under one is no reason to move it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxreg.plotting import arrange, style
from jaxreg.plotting.legends import PLACES, is_covering

X = np.linspace(0, 1, 300)
FULL = {
    "words": lambda axes: [
        axes.plot([0, 1], [0, 1], label="x"),
        *(axes.text(x, y, "full") for x in X[::20] for y in X[::20]),
    ],
    "a line": lambda axes: axes.plot(X, np.sin(300 * X), label="x"),
    "points": lambda axes: axes.scatter(np.tile(X, 50), np.repeat(np.linspace(0, 1, 50), 300), label="x"),
    "a band": lambda axes: axes.fill_between(X, 0.01, 1, label="x"),
    "bars": lambda axes: axes.bar(range(9), np.ones(9), width=1, label="x"),
    "errors": lambda axes: axes.errorbar(X, 0.5 + 0 * X, yerr=0.4, label="x"),
    "on another scale": lambda axes: (axes.set_yscale("log"), axes.fill_between(X, 1e-3, 1e3, label="x")),
}


@pytest.fixture
def axes():
    with style():
        figure, axes = plt.subplots()
        yield axes
    plt.close(figure)


@pytest.mark.parametrize("kind", FULL)
def test_where_all_is_full_the_axes_grow(axes, kind):
    FULL[kind](axes)
    axes.margins(0)
    legend = axes.legend(loc="lower left")
    axes.figure.draw_without_rendering()
    before = axes.get_ylim()
    assert is_covering(legend, axes)
    assert arrange(axes.figure) == []
    assert not is_covering(legend, axes)
    assert max(axes.get_yticks()) <= before[1]
    low, high = axes.get_ylim()
    assert low == pytest.approx(before[0])
    assert high > before[1]


@pytest.mark.parametrize("place", PLACES)
def test_a_free_place_is_found_and_nothing_grows(axes, place):
    """Points everywhere but in one place."""
    legend = axes.plot([], [], label="here")[0].axes.legend(loc=place)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.figure.draw_without_rendering()
    hole = legend.get_window_extent().transformed(axes.transData.inverted())
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 80)))
    inside = (hole.x0 - 0.01 < x) & (x < hole.x1 + 0.01) & (hole.y0 - 0.01 < y) & (y < hole.y1 + 0.01)
    axes.scatter(x[~inside], y[~inside], s=1)
    legend.set_loc(next(other for other in PLACES if other != place))
    assert arrange(axes.figure) == []
    assert axes.get_ylim() == (0, 1)
    assert not is_covering(legend, axes)


def test_lines_from_edge_to_edge_are_avoided_where_that_costs_nothing(axes):
    axes.axvline(0.9, label="a bound")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    legend = axes.legend(loc="upper right")
    assert arrange(axes.figure) == []
    assert not is_covering(legend, axes, with_references=True)
    for at in X:
        axes.axvline(at)
    assert arrange(axes.figure) == []
    assert axes.get_ylim() == (0, 1)


def test_twins_and_hidden_artists_and_legends_beside_the_axes(axes):
    axes.plot([0, 1], [0, 0], label="x")
    hidden = axes.fill_between(X, 0, 1)
    hidden.set_visible(False)
    legend = axes.legend(loc="upper right")
    twin = axes.twinx()
    twin.plot([0.5, 1, 1], [0, 1, 0])
    limits = axes.get_ylim()
    outside = twin.legend(["y"], loc="upper left", bbox_to_anchor=(1.2, 1))
    assert arrange(axes.figure) == []
    assert not is_covering(legend, axes)
    axes.figure.draw_without_rendering()
    assert outside.get_window_extent().x0 > axes.get_window_extent().x1
    assert axes.get_ylim() == limits


def test_a_legend_wider_than_its_axes_is_written_smaller():
    figure, (axes, _) = plt.subplots(1, 2, figsize=(6, 2), layout="constrained")
    axes.plot([0, 1], [0, 1], label="longer " * 4)
    legend = axes.legend(loc="upper left")
    figure.draw_without_rendering()
    assert legend.get_window_extent().width > axes.get_window_extent().width
    assert arrange(figure) == []
    assert legend.get_window_extent().width < axes.get_window_extent().width
    plt.close(figure)


def test_contours_and_lines_from_edge_to_edge_lie_below_a_ground(axes):
    axes.contour(X[::10], X[::10], np.add.outer(X[::10], X[::10] ** 2), levels=40)
    axes.plot([], [], label="x")
    legend = axes.legend(loc="upper right")
    assert not legend.get_frame_on()
    arrange(axes.figure)
    assert axes.get_ylim()[1] <= 1
    assert legend.get_frame_on()

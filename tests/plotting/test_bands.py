"""Bands show exactly the numbers of the summary, and say their n."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from jaxreg import plotting, stats
from jaxreg.errors import ArgumentError

_RATES = np.geomspace(0.01, 1.0, 5)


@pytest.fixture
def axes():
    with plotting.style():
        figure, axes = plt.subplots()
        yield axes
    plt.close(figure)


@pytest.fixture
def runs():
    values = np.random.default_rng(0).normal(size=(20, 5)) + np.arange(5.0)
    diverged = np.zeros((20, 5), bool)
    diverged[:3, 4] = True
    dims = ("seed", "learning_rate")
    return xr.Dataset(
        {"accuracy": (dims, values), "right": (dims, values > 2), "diverged": (dims, diverged)},
        {"learning_rate": _RATES},
    )


def _edges(collection):
    """Lowest and highest vertex of a filled band at each of its positions."""
    vertices = collection.get_paths()[0].vertices
    at = [vertices[np.isclose(vertices[:, 0], x), 1] for x in np.unique(vertices[:, 0])]
    return np.array([y.min() for y in at]), np.array([y.max() for y in at])


@pytest.mark.parametrize(
    ("centre", "summarise"),
    [
        ("mean", lambda runs: stats.mean(runs, "accuracy", dim="seed")),
        ("median", lambda runs: stats.quantiles(runs, "accuracy", dim="seed")),
        ("proportion", lambda runs: stats.proportion(runs, "right", dim="seed")),
        (
            "difference",
            lambda runs: stats.paired_difference(runs, "accuracy", dim="seed", axis="learning_rate", baseline=0.01),
        ),
    ],
)
def test_line_and_band_are_the_summary(axes, runs, centre, summarise):
    summary = summarise(runs)
    line = plotting.band(axes, "learning_rate", summary, label="a label", color=plotting.COLORS.green)
    np.testing.assert_array_equal(line.get_xdata(), _RATES)
    np.testing.assert_array_equal(line.get_ydata(), summary[centre])
    (filled,) = axes.collections
    low, high = _edges(filled)
    np.testing.assert_allclose(low, summary["low"])
    np.testing.assert_allclose(high, summary["high"])
    assert to_rgba(line.get_color())[:3] == tuple(filled.get_facecolor()[0, :3])
    assert axes.get_legend_handles_labels()[1] == ["a label"]
    for across in (False, True):
        points, _, (through,) = plotting.bars(axes, "learning_rate", summary, across=across).lines
        drawn = np.array(through.get_segments())[:, :, 0 if across else 1]
        np.testing.assert_allclose(drawn, np.stack([summary["low"], summary["high"]], 1))
        np.testing.assert_array_equal(points.get_xdata() if across else points.get_ydata(), summary[centre])
        np.testing.assert_array_equal(points.get_ydata() if across else points.get_xdata(), _RATES)


def test_bands_take_the_next_colour_of_the_cycle(axes, runs):
    summary = stats.mean(runs, "accuracy", dim="seed")
    drawn = [plotting.band(axes, jnp.asarray(_RATES), summary, linestyle="--") for _ in range(2)]
    assert [line.get_color() for line in drawn] == [plotting.COLORS.blue, plotting.COLORS.vermillion]
    assert drawn[0].get_linestyle() == "--"


def test_no_band_where_too_few_runs_are_left(axes, runs):
    summary = stats.mean(runs.isel(seed=slice(0, 1)), "accuracy", dim="seed")
    assert np.isinf(summary["high"]).all()
    plotting.band(axes, "learning_rate", summary)
    plotting.bars(axes, "learning_rate", summary)
    axes.figure.canvas.draw()
    assert np.isfinite(axes.get_ylim()).all()


def test_the_band_lies_behind_every_line(axes, runs):
    summary = stats.mean(runs, "accuracy", dim="seed")
    lines = [plotting.band(axes, "learning_rate", summary) for _ in range(2)]
    assert max(c.get_zorder() for c in axes.collections) < min(line.get_zorder() for line in lines)


def test_text_names_band_and_counts(runs):
    summary = stats.mean(runs, "accuracy", dim="seed")
    assert plotting.count_runs(summary, "seeds") == "n = 17–20 seeds (up to 3 diverged, left out)"
    assert plotting.count_runs(summary.isel(learning_rate=[4])) == "n = 17 runs (3 diverged, left out)"
    text = plotting.describe_band(summary.isel(learning_rate=0), "seeds")
    assert text == "95 % Student t interval of the mean, n = 20 seeds"


@pytest.mark.parametrize(
    ("x", "change", "named"),
    [
        (_RATES[:4], lambda s: s, "x.shape"),
        (np.array(0.1), lambda s: s, "x.shape"),
        (_RATES, lambda s: s.drop_vars("low"), "summary"),
        (_RATES, lambda s: s.drop_vars("mean"), "summary"),
        (_RATES, lambda s: s.assign(median=s["mean"]), "summary"),
        (_RATES, lambda s: s.expand_dims(case=2), "summary"),
        (_RATES, lambda s: s.isel(learning_rate=0), "summary"),
    ],
)
def test_what_cannot_be_drawn_is_refused(axes, runs, x, change, named):
    for draw in (plotting.band, plotting.bars):
        with pytest.raises(ArgumentError) as caught:
            draw(axes, x, change(stats.mean(runs, "accuracy", dim="seed")))
        assert caught.value.argument == named
    assert not axes.lines

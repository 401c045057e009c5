"""The figure of dropout: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.networks.dropout import CAPTION, draw

_POSITIONS = ("input", "first hidden", "last hidden", "every hidden")
_RATES = [0.0, 0.25, 0.5, 0.75]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells, shape = ("position", "seed", "rate"), (4, 12, 4)
    diverged = np.zeros(shape, bool)
    diverged[2, 0, 3] = True
    accuracy = {
        name: ((*cells, "epoch"), random.uniform(low, low + 0.1, (*shape, 3)))
        for name, low in {"train_accuracy": 0.9, "test_accuracy": 0.8}.items()
    }
    return xr.Dataset(
        accuracy | {"shown_accuracy": (cells, random.uniform(0.7, 0.8, shape)), "diverged": (cells, diverged)},
        {"position": list(_POSITIONS), "seed": np.arange(12), "rate": _RATES, "epoch": [1, 2, 3]},
        {"dataset": "mnist", "title": "MNIST"},
    )


def _curves(axes):
    """Lines over more than two points: all but the axis of no change."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def test_curves_are_training_and_test_with_and_without(panels, dataset):
    lines = _curves(panels[0])
    assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
    runs = 100 * dataset.sel(position="last hidden").drop_vars("diverged")
    wanted = [(rate, name) for rate in (0.0, 0.5) for name in ("train_accuracy", "test_accuracy")]
    for line, (rate, name) in zip(lines, wanted, strict=True):
        np.testing.assert_allclose(line.get_ydata(), runs[name].sel(rate=rate).mean("seed"))
    texts = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert texts == ["no dropout", "dropout 0.5", "training", "test"]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color() == lines[3].get_color()


def test_gap_is_training_minus_test_at_the_end_without_diverged_runs(panels, dataset):
    last = 100 * dataset.isel(epoch=-1).drop_vars("diverged").where(~dataset["diverged"])
    gap = (last["train_accuracy"] - last["test_accuracy"]).mean("seed")
    lines = _curves(panels[1])
    for line, position in zip(lines[:4], _POSITIONS, strict=True):
        assert line.get_xdata().tolist() == _RATES
        np.testing.assert_allclose(line.get_ydata(), gap.sel(position=position))
    shown = (last["shown_accuracy"] - last["test_accuracy"]).sel(position="last hidden").mean("seed")
    assert lines[4].get_linestyle() == ":"
    np.testing.assert_allclose(lines[4].get_ydata(), shown)


def test_change_is_paired_with_its_interval(panels, dataset):
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1)
    expected = stats.paired_difference(last, "test_accuracy", "seed", "rate", 0.0)
    for line, area, position in zip(_curves(panels[2]), panels[2].collections, _POSITIONS, strict=True):
        assert line.get_label() == position
        np.testing.assert_allclose(line.get_ydata(), 100 * expected["difference"].sel(position=position))
        heights = area.get_paths()[0].vertices
        for rate in _RATES:
            at = heights[np.isclose(heights[:, 0], rate), 1]
            band = [100 * float(expected[end].sel(position=position, rate=rate)) for end in ("low", "high")]
            np.testing.assert_allclose([at.min(), at.max()], band, atol=1e-9)
    assert len({line.get_color() for line in _curves(panels[2])}) == 4
    assert len({line.get_marker() for line in _curves(panels[2])}) == 4


def test_panels_say_what_they_show_and_n(panels):
    assert [axes.get_title(loc="left") for axes in panels] == ["(a) MNIST", "(b) Gap", "(c) Test accuracy"]
    assert panels[1].get_xlabel() == "dropout rate\nn = 11–12 seeds (up to 1 diverged, left out)"
    for phrase in ("95 % Student t", "dropout is off where accuracy is measured", "with dropout on"):
        assert phrase in CAPTION


def test_one_seed_and_a_population_that_all_diverged_can_be_drawn(dataset):
    for extreme in (dataset.isel(seed=[1]), dataset.assign(diverged=xr.ones_like(dataset["diverged"]))):
        figure = draw(extreme)
        figure.canvas.draw()
        plt.close(figure)

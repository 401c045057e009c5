"""The figure of the learning rate: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.networks.learning_rate import CAPTION

_RATES = np.array([0.01, 0.0316, 0.1, 0.316, 1.0, 10.0])
_SEEDS = 40
_REGIMES = ("too small", "right", "wasteful", "diverging")


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("pixels", "seed", "learning_rate")
    shape = (2, _SEEDS, len(_RATES), 3)
    diverged = np.zeros(shape[:-1], bool)
    diverged[0, 0, 4] = True
    scaled = np.array([0.1, 0.4, 0.9, 1.4, 1.9, 2.5])
    paths = (1 - np.array([0.1, 0.8, 1.9, 2.1]))[:, None] ** np.arange(31)
    return xr.Dataset(
        {
            "weight": (("regime", "step"), paths),
            "regime_rate": ("regime", np.array([0.1, 0.8, 1.9, 2.1]) / 4),
            "parabola_steps": ("parabola_rate", [44.0, 10.0, 2.0, 6.0, np.inf, np.inf]),
            "curvature": 4.0,
            "test_accuracy": ((*cells, "epoch"), random.uniform(0.1, 0.9, shape)),
            "test_loss": ((*cells, "epoch"), random.uniform(0.3, 2.3, shape)),
            "diverged": (cells, diverged),
        },
        {"pixels": ["raw", "scaled"], "seed": np.arange(_SEEDS), "learning_rate": _RATES, "epoch": [1, 2, 3]}
        | {"regime": list(_REGIMES), "parabola_rate": scaled / 4, "step": np.arange(31)},
        {"dataset": "mnist", "title": "MNIST", "brightest": 255},
    )


def _labelled(axes):
    """The centre lines by their labels."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize(
    ("pixels", "label", "band"), [("raw", "pixels 0…255, as they are", 0), ("scaled", "pixels 0…1", 1)]
)
def test_accuracy_is_the_mean_after_the_last_epoch_with_its_interval(panels, dataset, pixels, label, band):
    axes = panels[2]
    last = dataset.sel(pixels=pixels).isel(epoch=-1)
    summary = stats.mean(last, "test_accuracy", dim="seed")
    line, area = _labelled(axes)[label], axes.collections[band]
    np.testing.assert_allclose(line.get_xdata(), _RATES)
    np.testing.assert_allclose(line.get_ydata(), 100 * summary["mean"])
    heights = area.get_paths()[0].vertices
    for x, low, high in zip(_RATES, summary["low"], summary["high"], strict=True):
        at = heights[np.isclose(heights[:, 0], x), 1]
        np.testing.assert_allclose([at.min(), at.max()], [100 * float(low), 100 * float(high)], rtol=1e-6)
    assert to_hex(area.get_facecolor()[0]) == to_hex(line.get_color())


def test_single_seeds_are_drawn_thin(panels, dataset):
    thin = [line for line in panels[2].lines if line.get_linewidth() < 0.5]
    assert len(thin) == 2 * 32
    expected = 100 * dataset["test_accuracy"].sel(pixels="scaled", seed=3).isel(epoch=-1)
    assert any(np.allclose(line.get_ydata(), expected) for line in thin)


def test_rates_of_the_tutorial_are_marked(panels):
    marks = [line.get_xdata()[0] for line in panels[2].lines if line.get_linestyle() == ":"]
    assert marks == [0.01, 0.1, 1.0]
    assert [text.get_text() for text in panels[2].texts] == ["T5"] * 3
    assert panels[2].get_xscale() == "log"


def test_losses_are_means_over_the_epochs(panels, dataset):
    lines = _labelled(panels[3])
    assert list(lines) == ["rate 0.01", "rate 0.1", "rate 1", "rate 10"]
    for line, rate in zip(lines.values(), (0.01, 0.1, 1.0, 10.0), strict=True):
        runs = dataset.sel(pixels="raw", learning_rate=rate)
        np.testing.assert_allclose(line.get_ydata(), stats.mean(runs, "test_loss", dim="seed")["mean"])
        assert line.get_xdata().tolist() == [1, 2, 3]
    assert len({to_hex(line.get_color()) for line in lines.values()}) == 4
    assert panels[3].get_yscale() == "log"


def test_panels_say_data_epochs_and_n(panels):
    assert [axes.get_title(loc="left") for axes in panels[2:]] == [
        "(c) MNIST, after 3 epochs",
        "(d) Pixels as they are",
    ]
    assert panels[2].get_xlabel() == "learning rate\nn = 39–40 seeds (up to 1 diverged, left out)"
    assert panels[3].get_xlabel() == "epoch\nn = 39–40 seeds (up to 1 diverged, left out)"
    for phrase in ("95 % Student t intervals", "single seeds", "without dropout"):
        assert phrase in CAPTION


def test_paths_and_steps_on_the_parabola(panels, dataset):
    lines = _labelled(panels[0])
    assert list(lines) == [f"{name}: {rate}/h" for name, rate in zip(_REGIMES, (0.1, 0.8, 1.9, 2.1), strict=True)]
    for line, path in zip(lines.values(), dataset["weight"].values, strict=True):
        np.testing.assert_allclose(line.get_ydata(), path[: len(line.get_ydata())])
    exact, points = panels[1].lines[:2]
    assert points.get_ydata().tolist() == [44, 10, 2, 6]
    np.testing.assert_allclose(np.interp(points.get_xdata(), *exact.get_data()), points.get_ydata(), atol=1)
    limits = {round(float(line.get_xdata()[0]), 6) for line in panels[1].lines[2:]}
    assert limits == {1.0, 2.0}
    assert len({to_hex(patch.get_facecolor()) for patch in panels[1].patches}) == 4


def test_nothing_overlaps_or_leaves_the_page(panels):
    figure = panels[0].figure
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in panels[2:]:
        legend = axes.get_legend().get_window_extent(renderer)
        top = max(line.get_window_extent(renderer).y1 for line in axes.lines if line.get_linestyle() != ":")
        assert legend.y0 >= top
    for axes in panels:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1

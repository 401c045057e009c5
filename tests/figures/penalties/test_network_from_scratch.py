"""The figure of the network from scratch: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.penalties.network_from_scratch import CAPTION, draw

_RATES = np.array([0.1, 0.5, 1.0, 2.0, 10.0])
_SEEDS = 60


def _dataset(seeds=_SEEDS):
    random = np.random.default_rng(0)
    cells = ("seed", "learning_rate", "least_weight")
    shape = (seeds, len(_RATES), 2)
    target = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    spread = np.linspace(0.0, 0.2, len(_RATES))[None, :, None, None]
    steps = np.arange(0, 1501, 500)
    return xr.Dataset(
        {
            "loss": ((*cells, "step"), np.exp(-steps / 300) * random.uniform(0.5, 2, (*shape, 1))),
            "prediction": ((*cells, "example"), np.abs(target - spread * random.uniform(0.2, 1, (*shape, 4)))),
            "rises": (cells, random.integers(0, 2, shape)),
            "diverged": (cells, np.zeros(shape, bool)),
            "target": ("example", target),
        },
        {"seed": np.arange(seeds), "learning_rate": _RATES, "least_weight": [0.0, -1.0], "step": steps},
    )


@pytest.fixture(scope="module")
def dataset():
    return _dataset()


def _lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_losses_are_one_run_and_medians(panels, dataset):
    lines = _lines(panels[0])
    assert list(lines) == ["0.1", "1", "10", "1, one run"]
    one = dataset["loss"].sel(seed=0, learning_rate=1.0, least_weight=0.0)
    np.testing.assert_allclose(lines["1, one run"].get_ydata(), one)
    for label in ("0.1", "1", "10"):
        runs = dataset["loss"].sel(learning_rate=float(label), least_weight=0.0)
        np.testing.assert_allclose(lines[label].get_ydata(), runs.median("seed"))
    assert panels[0].get_yscale() == "log"


def test_the_table_holds_the_predictions(panels, dataset):
    texts = [text.get_text() for text in panels[1].texts]
    assert texts[:4] == ["input", "target", "prediction", "median (5–95 %)"]
    assert texts[4::4][:4] == ["0 0 1", "0 1 1", "1 0 1", "1 1 1"]
    assert texts[5::4][:4] == ["0", "1", "1", "0"]
    runs = dataset["prediction"].sel(learning_rate=1.0, least_weight=0.0)
    assert texts[6::4][:4] == [f"{value:.3f}" for value in runs.sel(seed=0).values]
    low, middle, high = np.quantile(runs.values[:, 2], [0.05, 0.5, 0.95])
    assert texts[15] == f"{middle:.3f} ({low:.3f}–{high:.3f})"
    assert texts[-1] == f"n = {_SEEDS} initialisations"


@pytest.mark.parametrize(("panel", "what"), [(2, "close"), (3, "monotone")])
def test_shares_over_the_learning_rate(panels, dataset, panel, what):
    close = (np.abs(dataset["prediction"] - dataset["target"]) < 0.1).all("example")
    share = close if what == "close" else dataset["rises"] == 0
    for label, least in (("0 to 1", 0.0), ("-1 to 1", -1.0)):
        line = _lines(panels[panel])[label]
        summary = stats.proportion(xr.Dataset({"share": share.sel(least_weight=least)}), "share", dim="seed")
        np.testing.assert_allclose(line.get_ydata(), summary["proportion"])
        np.testing.assert_allclose(line.get_xdata(), _RATES)
    assert panels[panel].get_xscale() == "log"
    assert panels[panel].get_xlabel() == f"learning rate\nn = {_SEEDS} initialisations"
    assert any(line.get_linestyle() == ":" and line.get_xdata()[0] == 1 for line in panels[panel].lines)


def test_bands_are_named(panels):
    for phrase in ("95 % Wilson", "5 % to the 95 % quantile", "n initialisations"):
        assert phrase in CAPTION
    assert panels[2].get_legend().get_title().get_text() == "initial weights"


def test_one_seed_and_two_rates_can_be_drawn():
    figure = draw(_dataset(seeds=1).isel(learning_rate=[2, 3], least_weight=[0]))
    figure.canvas.draw()
    assert figure.axes[2].get_xlabel().endswith("n = 1 initialisations")
    plt.close(figure)


def test_nothing_leaves_the_page(panels):
    figure = panels[0].figure
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1

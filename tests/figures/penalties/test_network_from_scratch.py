"""The figure of the network from scratch: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band

_RATES = np.array([0.1, 0.5, 1.0, 2.0, 10.0])
_SEEDS = 60


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("seed", "learning_rate", "least_weight")
    shape = (_SEEDS, len(_RATES), 2)
    target = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    spread = np.linspace(0.0, 0.2, len(_RATES))[None, :, None, None]
    steps = np.arange(0, 1501, 500)
    return xr.Dataset(
        {
            "loss": ((*cells, "step"), np.exp(-steps / 300) * random.uniform(0.5, 2, (*shape, 1))),
            "prediction": ((*cells, "example"), np.abs(target - spread * random.uniform(0.2, 1, (*shape, 4)))),
            "close": (cells, random.random(shape) < 0.7),
            "monotone": (cells, random.random(shape) < 0.4),
            "diverged": (cells, np.zeros(shape, bool)),
            "target": ("example", target),
        },
        {"seed": np.arange(_SEEDS), "learning_rate": _RATES, "least_weight": [0.0, -1.0], "step": steps},
    )


def test_losses_are_one_run_and_medians(panels, dataset):
    losses = dataset["loss"].sel(least_weight=0.0)
    find(panels[0], losses.sel(seed=0, learning_rate=1.0), label="1, one run")
    for label in ("0.1", "1", "10"):
        find(panels[0], losses.sel(learning_rate=float(label)).median("seed"), label=label)


def test_the_table_holds_the_predictions(panels, dataset):
    rows = [[text.get_text() for text in panels[1].texts[k : k + 4]] for k in range(0, 20, 4)]
    runs = dataset["prediction"].sel(learning_rate=1.0, least_weight=0.0).values
    expected = [["input", "target", "prediction", "median (5–95 %)"]]
    for k, (inputs, target) in enumerate((("0 0 1", "0"), ("0 1 1", "1"), ("1 0 1", "1"), ("1 1 1", "0"))):
        low, middle, high = np.quantile(runs[:, k], [0.05, 0.5, 0.95])
        expected.append([inputs, target, f"{runs[0, k]:.3f}", f"{middle:.3f} ({low:.3f}–{high:.3f})"])
    assert rows == expected
    assert panels[1].texts[-1].get_text() == f"n = {_SEEDS} initialisations"


def test_shares_over_the_learning_rate(panels, dataset):
    for axes, name in ((panels[2], "close"), (panels[3], "monotone")):
        for label, least in (("0 to 1", 0.0), ("-1 to 1", -1.0)):
            find_band(axes, stats.proportion(dataset.sel(least_weight=least), name, dim="seed"), _RATES, label)
        assert find(axes, x=[1, 1]).get_linestyle() == ":"
        assert axes.get_xlabel() == f"learning rate\nn = {_SEEDS} initialisations"

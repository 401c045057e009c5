"""The figure of the loss functions: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.networks.loss_function import CAPTION

_RATES = np.array([0.01, 0.1, 1.0])
_KINDS = {"cross_entropy": "cross-entropy", "mean_squared_error": "mean squared error"}
_PREDICTIONS = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.6, 0.3, 0.1]])


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cells = ("loss", "seed", "learning_rate")
    p = np.linspace(0.01, 0.99, 30)
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), random.uniform(0.1, 0.9, (2, 12, 3, 5))),
            "diverged": (cells, np.zeros((2, 12, 3), bool)),
            "best_rate": ("loss", [0.1, 1.0]),
            "prediction": (("image", "class"), _PREDICTIONS),
            "target": (("image", "class"), np.eye(3)),
            "example_loss": (("loss", "image"), [[0.357, 0.916, 2.303], [0.0467, 0.18, 0.42]]),
            "value": (("loss", "probability"), [-np.log(p), (1 - p) ** 2]),
            "gradient": (("loss", "probability"), [p - 1, -2 * p * (1 - p) ** 2]),
        },
        {"loss": list(_KINDS), "learning_rate": _RATES, "epoch": np.arange(1, 6), "probability": p},
        {"dataset": "mnist", "title": "MNIST", "tutorial_rate": 0.1},
    )


def test_worked_example_shows_predictions_targets_and_losses(panels):
    bars = panels[0].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], _PREDICTIONS.ravel())
    filled = [to_hex(bar.get_facecolor()) != "#ffffff" for bar in bars]
    assert filled == np.eye(3, dtype=bool).ravel().tolist()
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == [
        "0.357\n0.0467",
        "0.916\n0.1800",
        "2.303\n0.4200",
    ]
    assert "mean 1.192" in panels[0].get_xlabel()
    assert "mean 0.2156" in panels[0].get_xlabel()


def test_losses_and_sizes_of_their_gradients(panels, dataset):
    lines = panels[1].lines
    for number, kind in enumerate(_KINDS):
        np.testing.assert_allclose(lines[2 * number].get_ydata(), dataset["value"].sel(loss=kind))
        np.testing.assert_allclose(lines[2 * number + 1].get_ydata(), -dataset["gradient"].sel(loss=kind))
        assert lines[2 * number].get_color() == lines[2 * number + 1].get_color()


def test_accuracy_over_the_rate_and_over_epochs(panels, dataset):
    odd = dataset.isel(seed=slice(1, None, 2))
    for number, (kind, label) in enumerate(_KINDS.items()):
        line, curve = panels[2].lines[number], panels[3].lines[number]
        last = stats.mean(dataset.sel(loss=kind).isel(epoch=-1), "test_accuracy", dim="seed")
        np.testing.assert_allclose(line.get_ydata(), 100 * last["mean"])
        assert line.get_label() == label
        rate = float(dataset["best_rate"].sel(loss=kind))
        runs = odd.sel(loss=kind, learning_rate=rate)
        np.testing.assert_allclose(curve.get_ydata(), 100 * stats.mean(runs, "test_accuracy", dim="seed")["mean"])
        assert curve.get_label() == f"{label}, rate {rate:g}"


def test_panels_say_what_they_are_and_n(panels):
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcd", titles, strict=True))
    assert "MNIST, after 5 epochs" in titles[2]
    assert panels[2].get_xlabel().endswith("n = 12 seeds")
    assert panels[3].get_xlabel().endswith("n = 6 seeds")
    assert "95 % Student t intervals" in CAPTION

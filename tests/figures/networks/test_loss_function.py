"""The figure of the loss functions: what it shows is what the dataset says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxreg.study import at, held_out
from tests.figures.drawn import find
from tests.populations import along, population

_KINDS = {"cross_entropy": "cross-entropy", "mean_squared_error": "mean squared error"}
_PREDICTIONS = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.6, 0.3, 0.1]])


@pytest.fixture(scope="module")
def dataset():
    dims = {"loss": _KINDS, "seed": 12, "learning_rate": [0.01, 0.1, 1.0], "epoch": range(1, 6)}
    means = {"test_accuracy": along("loss", [80, 60]) - along("learning_rate", [20, 0, 10])}
    p = np.linspace(0.01, 0.99, 30)
    example = {
        "best_rate": ("loss", [0.1, 1.0]),
        "prediction": (("image", "class"), _PREDICTIONS),
        "target": (("image", "class"), np.eye(3)),
        "example_loss": (("loss", "image"), [[0.357, 0.916, 2.303], [0.0467, 0.18, 0.42]]),
        "value": (("loss", "probability"), [-np.log(p), (1 - p) ** 2]),
        "gradient": (("loss", "probability"), [p - 1, -2 * p * (1 - p) ** 2]),
        "probability": p,
    }
    return population(dims, means, spread=3, units={"test_accuracy": "%"}, title="MNIST", tutorial_rate=0.1).assign(
        example
    )


def test_worked_example_shows_predictions_targets_and_losses(panels, dataset):
    bars = panels[0].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], _PREDICTIONS.ravel())
    assert [to_hex(bar.get_facecolor()) != "#ffffff" for bar in bars] == np.eye(3, dtype=bool).ravel().tolist()
    texts = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert texts == ["0.357\n0.0467", "0.916\n0.1800", "2.303\n0.4200"]
    assert "mean 1.192" in panels[0].get_xlabel()
    assert "mean 0.2156" in panels[0].get_xlabel()
    for number, kind in enumerate(_KINDS):
        value, gradient = panels[1].lines[2 * number : 2 * number + 2]
        np.testing.assert_allclose(value.get_ydata(), dataset["value"].sel(loss=kind))
        np.testing.assert_allclose(gradient.get_ydata(), -dataset["gradient"].sel(loss=kind))


def test_accuracy_over_the_rate_and_over_epochs(panels, dataset):
    last = dataset["test_accuracy"].isel(epoch=-1).mean("seed")
    best = at(held_out(dataset), learning_rate="best_rate")["test_accuracy"].mean("seed")
    for (kind, label), rate in zip(_KINDS.items(), ("0.1", "1"), strict=True):
        find(panels[2], last.sel(loss=kind), label=label)
        find(panels[3], best.sel(loss=kind), label=f"{label}, rate {rate}")
    assert [axes.get_xlabel().splitlines()[1] for axes in panels[2:]] == ["n = 12 seeds", "n = 6 seeds"]
    assert panels[2].get_title(loc="left") == "(c) MNIST, after 5 epochs"

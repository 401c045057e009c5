"""The study of layers and units: its runs, its counts, and verdicts on populations that are known; the figure."""

import numpy as np
import pytest

from experiments.networks import tutorial_network as t5
from experiments.networks.architecture import CLAIMS, Config
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find, points
from tests.populations import population, verdicts

SMALL = Config(seeds=4, learning_rates=(0.1, 0.5), epochs=2, a=(6, 5), b=(6, 5), c=(7,))
DIVERGED = {"network": 1, "pixels": 0, "seed": 0, "learning_rate": 0}


def test_runs_are_those_of_their_layers(result):
    first, same, other = result["test_accuracy"].transpose("network", ...)
    assert (first == same).all()  # the same layers, the same runs
    assert (first != other).any()
    assert result["layers"].values.tolist() == ["6-5", "6-5", "7"]
    assert result["parameters"].values.tolist() == [65 * 6 + 7 * 5 + 6 * 10] * 2 + [65 * 7 + 8 * 10]


@pytest.mark.slow
def test_a_run_is_the_training_it_says(result):
    alone = train_alone(1, scale=True, learning_rate=0.5, dropout=0.5, hidden=(6, 5), epochs=2)
    here = result["test_accuracy"].sel(network="B", pixels="scaled", seed=1, learning_rate=0.5)
    np.testing.assert_allclose(here, alone["test_accuracy"], atol=0.21)


def _population(raw, scaled):
    """Accuracies of A, B and C, each at the rates 0.03, 0.1 and 0.3; what a seed adds is shared by all of its runs."""
    dims = {
        "network": "ABC",
        "pixels": ["raw", "scaled"],
        "seed": 100,
        "learning_rate": [0.03, 0.1, 0.3],
        "epoch": [1, 2],
    }
    accuracy = np.stack([raw, scaled], 1)[:, :, None, :, None] * np.array([0, 1])
    return t5.add_best_rate(population(dims, {"test_accuracy": accuracy}, spread=0.4, shared=5))


_A_BEST = [[60, 90, 80], [50, 70, 60], [50, 80, 70]]
_B_BEST = [[60, 80, 70], [60, 90, 70], [50, 70, 60]]
_B_TUNED = [[60, 80, 70], [60, 70, 90], [50, 70, 60]]
_EQUAL = [[60, 80, 60]] * 3


@pytest.mark.parametrize(
    ("raw", "scaled", "expected"),
    [
        # best raw, one run, best scaled, best tuned raw, best tuned scaled, B gains
        (_A_BEST, _A_BEST, "hhhhhf"),
        (_B_BEST, _A_BEST, "fhhfhf"),
        (_B_TUNED, _B_BEST, "hhfffh"),
        (_EQUAL, _EQUAL, "ufuuuf"),
    ],
    ids=["a", "b", "b_tuned", "no_difference"],
)
def test_claims(raw, scaled, expected):
    assert verdicts(CLAIMS, _population(raw, scaled)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def _means(dataset):
    return dataset["test_accuracy"].where(~dataset["diverged"]).isel(epoch=-1).mean("seed")


def test_means_of_each_network_stand_over_its_size(panels, dataset):
    x, y = np.array([(drawn.x[0], drawn.y[0]) for drawn in points(panels[0])]).T
    assert np.round(x).tolist() == [0, 1, 2] * 2
    np.testing.assert_allclose(y, _means(dataset).sel(learning_rate=0.1).transpose("pixels", "network").values.ravel())
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["A\n485", "B\n485", "C\n535"]
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["pixels 0…16", "pixels 0…1"]


def test_accuracy_over_the_rate_is_the_mean_without_diverged_runs(panels, dataset):
    for axes, pixels in zip(panels[1:], ("raw", "scaled"), strict=True):
        for network in "ABC":
            find(axes, _means(dataset).sel(pixels=pixels, network=network), x=dataset["learning_rate"])
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [0.1]
    assert panels[1].get_xlabel() == "learning rate\nn = 3–4 seeds\n(up to 1 diverged, left out)"
    assert panels[1].get_legend().get_texts()[0].get_text() == "A: 6-5"

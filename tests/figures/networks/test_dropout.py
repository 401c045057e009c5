"""The figure of dropout: what it shows is what the dataset says."""

import pytest

from jaxreg import stats
from tests.figures.drawn import find, find_band
from tests.populations import along, diverge, population

_POSITIONS = ("input", "first hidden", "last hidden", "every hidden")


@pytest.fixture(scope="module")
def dataset():
    dims = {"position": _POSITIONS, "seed": 12, "rate": [0.0, 0.25, 0.5, 0.75], "epoch": [1, 2, 3]}
    cells, place = tuple(dims)[:-1], along("position", [0, 1, 2, 3])
    means = {
        "train_accuracy": 95 - place,
        "test_accuracy": 85 + along("rate", [0, 1, 2, 3]),
        "gap": (cells, 10 - place),
    }
    units = {"train_accuracy": "%", "test_accuracy": "%", "gap": "points", "shown": "points"}
    made = population(dims, means | {"shown": (cells, 5 - place)}, spread=1, units=units, title="MNIST")
    return diverge(made, position=2, seed=0, rate=3)


def test_curves_are_training_and_test_with_and_without(panels, dataset):
    means = dataset.sel(position="last hidden").mean("seed")
    for part, style in (("train", "--"), ("test", "-")):
        for rate in (0.0, 0.5):
            line = find(panels[0], means[f"{part}_accuracy"].sel(rate=rate))
            assert line.get_linestyle() == style
    texts = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert texts == ["no dropout", "dropout 0.5", "training", "test"]


def test_gaps_are_those_of_the_dataset_without_diverged_runs(panels, dataset):
    means = dataset[["gap", "shown"]].where(~dataset["diverged"]).mean("seed")
    find(panels[1], means["shown"].sel(position="last hidden"), label="as Keras shows it\n(last hidden)")
    for position in _POSITIONS:
        find(panels[1], means["gap"].sel(position=position), x=dataset["rate"])
    assert panels[1].get_xlabel().endswith("n = 11–12 seeds\n(up to 1 diverged, left out)")


def test_change_is_paired_with_its_interval(panels, dataset):
    expected = stats.paired_difference(dataset.isel(epoch=-1), "test_accuracy", "seed", "rate", 0.0)
    for position in _POSITIONS:
        find_band(panels[2], expected.sel(position=position), label=position)

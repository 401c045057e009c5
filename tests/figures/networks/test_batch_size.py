"""The figure of the batch size: what it shows is what the dataset says."""

import pytest

from jaxreg import stats
from tests.figures.drawn import find, find_band
from tests.populations import along, diverge, population

_PROTOCOLS = ["equal epochs", "equal epochs, rate ∝ batch", "equal updates"]


@pytest.fixture(scope="module")
def dataset():
    dims = {"protocol": _PROTOCOLS, "seed": 10, "wrong": [0.0, 0.3], "batch_size": [1, 16, 64, 1297]}
    dims |= {"draw": 5, "network": 8, "repeat": 7}
    cells, of_network = tuple(dims)[:4], ("network", "wrong", "batch_size")
    size, protocol = along("batch_size", [4, 3, 2, 1]), along("protocol", [0, 5, 10])
    means = {
        "test_accuracy": (cells, 60 + 5 * size + protocol),
        "train_loss": (cells, size / 3 + protocol / 10),
        "error": (("draw", *of_network), size),
        "expected": (of_network, size),
        "cosine": (("draw", *of_network), 1 / size),
        "long": (of_network, 10 * size),
        "seconds": (("repeat", "batch_size"), size / 10),
    }
    noise = {"test_accuracy": 3, "train_loss": 0.02, "error": 0.1, "cosine": 0.02, "long": 2, "seconds": 0.002}
    some = {
        "runs": ("seed", "network", "repeat"),
        "records": ("draw", "network", "repeat"),
        "tutorial_sizes": (16, 32, 64),
    }
    made = population(dims, means, spread=noise, units={"test_accuracy": "%", "train_loss": "nats"}, **some)
    made["batch_size"].attrs["long_name"] = "images per step"
    made = made.drop_vars(("draw", "repeat"))
    return diverge(made, protocol=1, seed=slice(2), wrong=0, batch_size=3)


@pytest.mark.parametrize(
    ("place", "wrong", "name"), [(0, 0, "test_accuracy"), (1, 1, "test_accuracy"), (2, 0, "train_loss")]
)
def test_outcomes_are_means_over_seeds(panels, dataset, place, wrong, name):
    summary = stats.mean(dataset.isel(wrong=wrong), name, dim="seed")
    for protocol in _PROTOCOLS:
        find_band(panels[place], summary.sel(protocol=protocol), label=protocol)
    assert panels[1].get_title(loc="left") == "(b) 30 % wrong labels"
    assert "n = 8–10 seeds\n(up to 2 diverged, left out)" in panels[0].get_xlabel()


def test_noise_is_drawn_beside_what_theory_says(panels, dataset):
    for number in (0, 1):
        part = dataset.isel(wrong=number, batch_size=slice(3))
        find(panels[3], part["expected"].mean("network"))
        find(panels[3], part["error"].mean(["draw", "network"]), label=("correct labels", "30 % wrong labels")[number])


def test_directions_large_updates_and_times(panels, dataset):
    find(panels[4], dataset["cosine"].isel(wrong=1).mean(["draw", "network"]))
    find(panels[4], dataset["long"].isel(wrong=0).mean("network") / 100)
    find(panels[5], 1000 * dataset["seconds"].median("repeat"))
    for axes in panels:
        assert axes.get_xlabel().startswith("images per step\nn = ")
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "16", "64", "1297"]

"""Batch sizes: sampling theory for gradients, the trainings, claims on results with a known answer; the figure."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from experiments.networks.batch_size import CLAIMS, PROTOCOLS, Config, add_cost
from experiments.networks.batch_size.runs import mislabel, plan
from jaxreg import stats
from jaxreg.nets import train
from tests.figures.drawn import find, find_band
from tests.populations import along, population, verdicts

SMALL = Config(images=64, batch_sizes=(16,), seeds=2, epochs=2, hidden=(6,), gradient_seeds=12, draws=50, repeats=2)


def test_the_full_batch_is_there_and_epochs_are_timed(result):
    assert result["batch_size"].values.tolist() == [16, 64]
    assert (result["seconds"] > 0).all()


def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits", train=64, scale=False)
    seed = jr.seeds(2).key(1)
    labels = mislabel(seed, jnp.asarray(data.y_train), jnp.float32(0.3), 10)
    options = {"hidden": (6,), "dropout": 0.5, "batch_size": 64, "epochs": 8, "evaluate_every": 2}
    alone = jax.jit(lambda rate: train(data.x_train, labels, *data[2:4], seed=seed, learning_rate=rate, **options))
    for protocol, rate, record in zip(PROTOCOLS, (0.1, 0.4, 0.1), (0, 0, -1), strict=True):  # 2, 2 and 8 epochs
        here = result.sel(protocol=protocol, seed=1, wrong=0.3, batch_size=64)
        for name in ("train_loss", "test_accuracy"):
            factor = 100 if name == "test_accuracy" else 1
            np.testing.assert_allclose(here[name], factor * alone(jnp.float32(rate))[name][record], rtol=1e-4)


def test_equal_updates_of_the_reference_are_its_equal_epochs(result):
    one = result["train_loss"].sel(batch_size=16)
    for protocol in PROTOCOLS[1:]:
        np.testing.assert_array_equal(one.sel(protocol=protocol), one.sel(protocol="equal epochs"))


def test_noise_of_gradients_is_that_of_sampling_theory(result):
    """Relative errors of 12 networks × 50 draws; the batches of a draw are correlated, draws are not."""
    ratio = (result["error"] / result["expected"]).sel(batch_size=16)
    scores = (ratio.mean("draw") - 1) / (ratio.std("draw", ddof=1) / np.sqrt(50))
    assert abs(float(scores.mean()) * np.sqrt(scores.size)) < 4
    np.testing.assert_allclose(result["error"].sel(batch_size=64), 0, atol=1e-9)
    np.testing.assert_allclose(result["cosine"].sel(batch_size=64, wrong=0), 1, rtol=1e-5)
    assert (result["cosine"].sel(batch_size=64, wrong=0.3) < 1).all()


def test_labels_are_wrong_as_often_as_said_and_never_right_again():
    labels = jnp.arange(20_000) % 10
    change = jax.jit(lambda share: mislabel(jax.random.key(0), labels, share, 10))
    changed = np.asarray(change(0.3))
    wrong = changed != np.asarray(labels)
    assert abs(wrong.mean() - 0.3) < 4 * np.sqrt(0.21 / 20_000)
    shift = np.bincount((changed - np.asarray(labels))[wrong] % 10, minlength=10)
    assert shift[0] == 0
    assert (abs(shift[1:] - wrong.sum() / 9) < 4 * np.sqrt(wrong.sum() / 9)).all()
    np.testing.assert_array_equal(change(0.0), labels)


@pytest.mark.parametrize("batch_size", [1, 2, 16, 32, 64, 128, 1297])
def test_plans_make_the_updates_asked_for(batch_size):
    images, epochs = plan(1297, batch_size, 14, 574)
    steps = epochs * -(-images // batch_size)
    assert abs(steps - 574) <= -(-images // batch_size) / 2
    assert plan(1297, batch_size, 14, None) == (1297, 14)


def _population(gain=0.0, cosine=0.0, long=0.0, time=1.0, loss=0.0, cost=0.0):
    """What batches of 64 and of all add to those of 16, with a little noise."""
    step = along("batch_size", [0, 1, 2])
    dims = {"protocol": PROTOCOLS, "seed": 20, "wrong": [0.0, 0.3], "batch_size": [16, 64, 1000]}
    dims |= {"draw": 4, "network": 8, "repeat": 7}
    cells, of_network = tuple(dims)[:4], ("network", "wrong", "batch_size")
    means = {
        "test_accuracy": (cells, 80 + gain * step - along("wrong", [0, 1]) * (20 + cost * step)),
        "train_loss": (cells, 1 + loss * step),
        "cosine": (("draw", *of_network), 0.5 + cosine * step),
        "long": (of_network, 25 + long * step),
        "seconds": (("repeat", "batch_size"), time**step),
    }
    noise = {"test_accuracy": 0.01, "long": 0.01, "train_loss": 1e-4, "cosine": 1e-4, "seconds": 1e-4}
    some = {"runs": ("seed", "network", "repeat"), "records": ("draw", "network", "repeat")}
    return add_cost(population(dims, means, spread=noise, units={"test_accuracy": "%", "long": "%"}, **some))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # direction, cost of wrong labels, time, large updates, full batch by epochs and updates, wrong labels likewise
        ({}, "uuuuuuuu"),
        ({"cosine": 0.1, "cost": -5, "time": 0.5, "long": -10}, "hhhhuu.."),
        ({"cosine": -0.1, "cost": 5, "time": 1.5, "long": 10}, "ffffuu.."),
        ({"loss": 0.1, "gain": 1}, "....hhhh"),
        ({"loss": -0.1, "gain": -1}, "....ffff"),
    ],
)
def test_claims(given, expected):
    assert re.fullmatch(expected, verdicts(CLAIMS, _population(**given)))


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "wrong", "name"), [(0, 0, "test_accuracy"), (1, 1, "test_accuracy"), (2, 0, "train_loss")]
)
def test_outcomes_are_means_over_seeds(panels, dataset, place, wrong, name):
    summary = stats.mean(dataset.isel(wrong=wrong), name, dim="seed")
    for protocol in PROTOCOLS:
        find_band(panels[place], summary.sel(protocol=protocol), label=protocol)
    assert panels[1].get_title(loc="left") == "(b) 30 % wrong labels"
    assert "n = 2 seeds" in panels[0].get_xlabel()


def test_noise_is_drawn_beside_what_theory_says(panels, dataset):
    for number in (0, 1):
        part = dataset.isel(wrong=number, batch_size=slice(1))
        find(panels[3], part["expected"].mean("network"))
        find(panels[3], part["error"].mean(["draw", "network"]), label=("correct labels", "30 % wrong labels")[number])


def test_directions_large_updates_and_times(panels, dataset):
    find(panels[4], dataset["cosine"].isel(wrong=1).mean(["draw", "network"]))
    find(panels[4], dataset["long"].isel(wrong=0).mean("network") / 100)
    find(panels[5], 1000 * dataset["seconds"].median("repeat"))
    for axes in panels:
        assert axes.get_xlabel().startswith("images per step\nn = ")
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["16", "64"]

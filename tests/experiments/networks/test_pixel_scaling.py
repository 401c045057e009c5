"""Unscaled pixels: runs, what counts as flat, verdicts on populations that are known; the figure."""

import jax
import numpy as np
import pytest
from matplotlib.colors import to_hex

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.pixel_scaling import CLAIMS, Config, learn, measure_flatness, prepare
from jaxreg import stats
from tests.experiments.networks.alone import key
from tests.figures.drawn import find, points
from tests.populations import population, verdicts

SMALL = Config(seeds=4, learning_rates=(0.1, 0.5), epochs=2, hidden=(6, 5))
DIVERGED = {"activation": 1, "pixels": 0, "seed": 0, "learning_rate": 1}


def test_pixels_are_prepared_as_they_are_called():
    data = jr.datasets.load("digits", scale=False)
    ways = prepare(data.x_train, data.about.brightest)
    raw, scaled, standardised = ((data.x_train - way["shift"]) * way["scale"] for way in ways.values())
    np.testing.assert_array_equal(raw, data.x_train)
    np.testing.assert_allclose(scaled, jr.datasets.load("digits").x_train, rtol=1e-6)
    assert abs(standardised.mean()) < 1e-5
    assert abs(standardised.std() - 1) < 1e-5


def test_flat_before_training_is_that_of_the_network_that_is_trained(result):
    """At learning rate 0, the network after training is the one before; it is that of the population's seed."""
    data = jr.datasets.load("digits", scale=False)
    settings = {"hidden": (6, 5), "activation": "relu", "learning_rate": 0.0, "epochs": 1, "record": ("test_accuracy",)}
    start, end = jax.jit(lambda seed: learn(*data[:4], seed=seed, shift=0.0, scale=1.0, **settings)["flat"])(key(1))
    np.testing.assert_array_equal(start, end)
    of_it = result["flat"].sel(activation="relu", pixels="raw", seed=1, moment="start")
    np.testing.assert_allclose(of_it, 100 * np.broadcast_to(start, of_it.shape), atol=0.1)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_flatness_is_that_of_known_inputs(activation):
    """A sigmoid is flat where its slope is below 0.0125, from |z| = 4.357; ReLU where z is not above 0."""
    z = np.array([[-9.0, 1.0, 4.3], [5.0, -4.4, 4.4], [4.0, 9.0, -9.0]], np.float32)
    layer = {"weight": np.eye(3, dtype=np.float32), "bias": np.zeros(3, np.float32)}
    params = {"params": {"hidden_0": layer, "hidden_1": layer}}
    measure = jax.jit(measure_flatness, static_argnames=("hidden", "activation"))
    flat = measure(params, z, hidden=(3, 3), activation=activation)
    second = 1 / (1 + np.exp(-z)) if activation == "sigmoid" else np.maximum(z, 0)
    for number, inputs in enumerate((z, second)):
        expected = abs(inputs) > 4.357 if activation == "sigmoid" else inputs <= 0
        np.testing.assert_allclose(flat[number], expected.mean(), rtol=1e-6)
    lost = measure(params, np.full((4, 3), np.nan, np.float32), hidden=(3,), activation=activation)
    assert lost.tolist() == [1]


def _population(sigmoid, relu, flat):
    """Accuracies over pixels and rate, for both activations, and the flat share of the first layer on raw pixels."""
    cells = {
        "activation": ["sigmoid", "relu"],
        "pixels": ["raw", "scaled", "standardised"],
        "seed": 100,
        "learning_rate": [0.03, 0.1, 0.3],
    }
    of_layers = {"moment": ["start", "end"], "layer": [1, 2]}
    accuracy = np.array([sigmoid, relu])[:, :, None, :, None] * np.array([0, 1])
    means = {"test_accuracy": ((*cells, "epoch"), accuracy), "flat": ((*cells, *of_layers), flat)}
    noise = {"spread": {"test_accuracy": 0.4, "flat": 2}, "shared": {"test_accuracy": 2}}
    dims = {**cells, **of_layers, "epoch": [1, 2]}
    return t5.add_best_rate(population(dims, means, **noise, records=("epoch", *of_layers)))


_LOW, _MIDDLE, _HIGH = [80, 60, 40], [60, 80, 60], [40, 70, 90]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # flat; the rate shifts, sigmoid and ReLU; better at 0.1; at its own, sigmoid and ReLU; ReLU fails;
        # ReLU better; standardised the same
        (([_LOW, _HIGH, _HIGH], [[80, 5, 5], [50, 70, 95], [50, 70, 95]], 70), "hhhhhhhhh"),
        (([_HIGH, _LOW, _LOW], [_HIGH, _LOW, [70, 60, 40]], 30), "fffffffuf"),
        (([_MIDDLE] * 3, [_LOW, _LOW, _LOW], 50), "uffuuufuh"),
    ],
    ids=["scaling_helps", "scaling_harms", "no_difference"],
)
def test_claims(given, expected):
    assert verdicts(CLAIMS, _population(*given)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_flat_shares_are_means_before_and_after_at_the_rate_of_the_tutorial(panels, dataset):
    means = dataset["flat"].sel(learning_rate=0.1).mean("seed")
    wanted = means.transpose("pixels", "moment", "activation", "layer").values.ravel()
    np.testing.assert_allclose([drawn.y[0] for drawn in points(panels[0])], wanted, rtol=1e-6)
    faces = [to_hex(bar.lines[0].get_markerfacecolor()) for bar in panels[0].containers]
    assert [face == "#ffffff" for face in faces] == ([True] * 4 + [False] * 4) * 3
    names = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert names == ["sigmoid\nlayer 1", "sigmoid\nlayer 2", "ReLU\nlayer 1", "ReLU\nlayer 2"]


def test_best_rates_are_geometric_means_over_seeds(panels, dataset):
    wanted = 10 ** dataset["log_rate"].mean("seed").transpose("pixels", "activation").values.ravel()
    np.testing.assert_allclose([drawn.y[0] for drawn in points(panels[1])], wanted, rtol=1e-6)
    assert panels[1].get_yscale() == "log"


def test_accuracy_and_gain_leave_diverged_runs_out(panels, dataset):
    last = dataset[["test_accuracy", "diverged"]].isel(epoch=-1)
    gain = stats.paired_difference(last, "test_accuracy", "seed", "activation", "sigmoid").sel(activation="relu")
    accuracy = last["test_accuracy"].where(~last["diverged"]).sel(activation="relu").mean("seed")
    for pixels in dataset["pixels"].values:
        find(panels[2], accuracy.sel(pixels=pixels), x=dataset["learning_rate"])
        find(panels[3], gain["difference"].sel(pixels=pixels))
    assert panels[2].get_xlabel() == "learning rate\nn = 3–4 seeds (up to 1 diverged, left out)"
    texts = [text.get_text() for text in panels[0].figure.legends[0].get_texts()]
    assert texts == ["pixels 0…16, as they are", "pixels 0…1", "pixels standardised"]

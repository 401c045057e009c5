"""The experiment on unscaled pixels: its population, what counts as flat, and its claims on results that are known."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.pixel_scaling import (
    CLAIMS,
    PRESETS,
    Config,
    find_best_rates,
    learn,
    measure_flatness,
    prepare,
    run,
    tune,
)
from jaxreg.claims import judge
from jaxreg.errors import ArgumentError

_SMALL = Config(seeds=2, learning_rates=(0.1, 0.5), epochs=2, hidden=(6, 5))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert config.hidden == (256, 128)
        assert 0.1 in config.learning_rates


def test_result_is_labelled(result):
    sizes = {"activation": 2, "pixels": 3, "seed": 2, "learning_rate": 2, "epoch": 2, "moment": 2, "layer": 2}
    assert dict(result.sizes) == sizes
    assert result["pixels"].values.tolist() == ["raw", "scaled", "standardised"]
    assert result["layer"].values.tolist() == [1, 2]
    assert (result.attrs["dataset"], result.attrs["brightest"]) == ("digits", 16)
    assert (result["stuck"] <= result["flat"] + 1e-6).all()
    at_start = result["flat"].sel(moment="start")
    assert (at_start == at_start.isel(learning_rate=0)).all()


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
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    still = learn(
        *data[:4], seed=seed, shift=0.0, scale=1.0, hidden=(6, 5), activation="relu", learning_rate=0.0, epochs=1
    )
    for name in ("flat", "stuck"):
        start, end = still[name]
        np.testing.assert_array_equal(start, end)
        of_it = result[name].sel(activation="relu", pixels="raw", seed=1, learning_rate=0.1, moment="start")
        np.testing.assert_allclose(of_it, start, atol=1e-3)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_flatness_is_that_of_known_inputs(activation):
    """A sigmoid is flat where its slope is below 0.0125, from |z| = 4.357; ReLU where z is not above 0."""
    z = np.array([[-9.0, 1.0, 4.3], [5.0, -4.4, 4.4], [4.0, 9.0, -9.0]], np.float32)
    layer = {"weight": jnp.eye(3), "bias": jnp.zeros(3)}
    params = {"params": {"hidden_0": layer, "hidden_1": layer}}
    flat, stuck = measure_flatness(params, jnp.asarray(z), hidden=(3, 3), activation=activation)
    second = 1 / (1 + np.exp(-z)) if activation == "sigmoid" else np.maximum(z, 0)
    for number, inputs in enumerate((z, second)):
        expected = abs(inputs) > 4.357 if activation == "sigmoid" else inputs <= 0
        np.testing.assert_allclose(flat[number], expected.mean(), rtol=1e-6)
        np.testing.assert_allclose(stuck[number], expected.all(0).mean(), rtol=1e-6)
    _, every = measure_flatness(params, jnp.full((4, 3), -9.0), hidden=(3,), activation=activation)
    assert every.tolist() == [1]
    lost, _ = measure_flatness(params, jnp.full((4, 3), jnp.nan), hidden=(3,), activation=activation)
    assert lost.tolist() == [1]


# --- Claims, on results whose verdict is known ------------------------------------------------------------------------

_RATES = [0.03, 0.1, 0.3]


def population(sigmoid, relu, flat, seeds=100, spread=0.004):
    """Accuracies over pixels and rate, for both activations, and the flat share of the first layer on raw pixels."""
    random = np.random.default_rng(0)
    shape = (2, 3, seeds, 3)
    accuracy = np.array([sigmoid, relu])[:, :, None, :] + random.normal(0, 0.02, (seeds, 1))
    accuracy = accuracy + random.normal(0, spread, shape)
    cells = ("activation", "pixels", "seed", "learning_rate")
    share = flat + random.normal(0, 0.02, (*shape, 2, 2))
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), np.stack([0 * accuracy, accuracy], -1)),
            "flat": ((*cells, "moment", "layer"), share),
            "diverged": (cells, np.zeros(shape, bool)),
        },
        {
            "activation": ["sigmoid", "relu"],
            "pixels": ["raw", "scaled", "standardised"],
            "seed": np.arange(seeds),
            "learning_rate": _RATES,
            "moment": ["start", "end"],
            "layer": [1, 2],
            "epoch": [1, 2],
        },
    )


_LOW, _MIDDLE, _HIGH = [0.8, 0.6, 0.4], [0.6, 0.8, 0.6], [0.4, 0.7, 0.9]
_FAILED = [0.8, 0.05, 0.05]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # flat; the rate shifts, sigmoid and ReLU; better at 0.1; at its own, sigmoid and ReLU; ReLU fails;
        # ReLU better; standardised the same
        (
            ([_LOW, _HIGH, _HIGH], [_FAILED, [0.5, 0.7, 0.95], [0.5, 0.7, 0.95]], 0.7),
            "holds holds holds holds holds holds holds holds holds",
        ),
        (
            ([_HIGH, _LOW, _LOW], [_HIGH, _LOW, [0.7, 0.6, 0.4]], 0.3),
            "fails fails fails fails fails fails fails undecided fails",
        ),
        (
            ([_MIDDLE] * 3, [_LOW, _LOW, _LOW], 0.5),
            "undecided fails fails undecided undecided undecided fails undecided holds",
        ),
    ],
    ids=["scaling_helps", "scaling_harms", "no_difference"],
)
def test_claims(given, expected):
    assert [verdict.status for _, verdict in judge(CLAIMS, population(*given))] == expected.split()


def test_best_rates_are_those_of_single_seeds():
    dataset = population([_LOW, _HIGH, _MIDDLE], [_FAILED, _HIGH, _MIDDLE], 0.5)
    dataset["diverged"][0, 1, 0, 2] = True
    best = find_best_rates(dataset)["log_rate"]
    np.testing.assert_allclose(10 ** best.sel(activation="sigmoid", seed=5), [0.03, 0.3, 0.1])
    np.testing.assert_allclose(10 ** best.sel(activation="sigmoid", seed=0), [0.03, 0.1, 0.1])


def test_rates_are_chosen_on_other_seeds_than_they_are_measured_on():
    dataset = population([_LOW, _HIGH, _MIDDLE], [_FAILED, _HIGH, _MIDDLE], 0.5)
    lucky = dataset["test_accuracy"].copy()
    lucky[0, 0, ::2, 2] += 0.5
    runs = tune(dataset.assign(test_accuracy=lucky))
    assert runs["seed"].values.tolist() == list(range(1, 100, 2))
    assert runs["learning_rate"].values.tolist() == [[0.3, 0.3, 0.1], [0.03, 0.3, 0.1]]
    np.testing.assert_allclose(runs["test_accuracy"].mean("seed"), [[40, 90, 80], [80, 90, 80]], atol=2)


def test_claims_need_the_rate_of_the_tutorial():
    with pytest.raises(ArgumentError, match=r"learning_rate = 0\.1: was not tried"):
        judge(CLAIMS, population([_LOW] * 3, [_LOW] * 3, 0.5).isel(learning_rate=[0, 2]))

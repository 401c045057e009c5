"""The experiment on dropout: its population, accuracy with dropout on, and its claims on results that are known."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.dropout import CLAIMS, POSITIONS, PRESETS, Config, _place, run, score_with_dropout
from jaxreg.claims import judge
from jaxreg.errors import ArgumentError
from jaxreg.nets import MLP, train

_SMALL = Config(seeds=2, rates=(0.0, 0.25, 0.5), epochs=2, hidden=(12, 8))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert (config.hidden, config.activation, config.learning_rate, config.scale) == ((256, 128), "sigmoid", 0.1, 0)
        assert {0.0, 0.25, 0.5} <= set(config.rates)


def test_result_is_labelled(result):
    assert dict(result.sizes) == {"position": 4, "seed": 2, "rate": 3, "epoch": 2}
    assert result["position"].values.tolist() == list(POSITIONS)
    assert result["epoch"].values.tolist() == [1, 2]
    assert result.attrs["dataset"] == "digits"
    assert not result["diverged"].any()


def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits", scale=False)
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    alone = train(*data[:4], seed=seed, learning_rate=0.1, dropout=0.5, hidden=(12, 8), epochs=2)
    of_it = result.sel(position="last hidden", seed=1, rate=0.5)
    for name in ("train_accuracy", "test_accuracy"):
        np.testing.assert_allclose(of_it[name], alone[name], atol=2e-3)


def test_positions_are_layers_and_all_are_the_same_without_dropout(result):
    assert {name: layers.tolist() for name, layers in _place(3).items()} == {
        "input": [1, 0, 0, 0],
        "first hidden": [0, 1, 0, 0],
        "last hidden": [0, 0, 0, 1],
        "every hidden": [0, 1, 1, 1],
    }
    without = result.sel(rate=0.0)
    for name in ("train_accuracy", "test_accuracy", "shown_accuracy"):
        assert (without[name] == without[name].isel(position=0)).all()
        assert (result[name].sel(rate=0.5).std("position") > 0).any()
    np.testing.assert_allclose(without["shown_accuracy"], without["train_accuracy"].isel(epoch=-1), rtol=1e-6)


def test_accuracy_with_dropout_on_is_that_of_a_known_network():
    """A network that is right exactly where neither its input nor the one unit that carries it is dropped."""
    model, n = MLP((2, 2), 2, "relu"), 4003
    layer = {"weight": jnp.eye(2), "bias": jnp.zeros(2)}
    params = {"params": {"hidden_0": layer, "hidden_1": layer, "output": layer}}
    x, y = jnp.tile(jnp.array([0.0, 1.0]), (n, 1)), jnp.ones(n, jnp.int32)
    rates = jnp.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.5], [0.25, 0.5, 0.5]])
    score = jax.jit(jax.vmap(lambda rate: score_with_dropout(model, params, x, y, jax.random.key(3), rate, 32)))
    expected = np.prod(1 - np.array(rates), axis=-1)
    assert (abs(np.array(score(rates)) - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)).all()


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------


def population(train_accuracy, test_accuracy, shown_accuracy=None, seeds=100, spread=0.004):
    """Accuracies at the rates 0, 0.25 and 0.5 at every position; what a seed adds is shared by all of its runs."""
    random = np.random.default_rng(0)
    given = {"train_accuracy": train_accuracy, "test_accuracy": test_accuracy}
    given["shown_accuracy"] = train_accuracy if shown_accuracy is None else shown_accuracy
    cells = ("position", "seed", "rate")
    shape = (4, seeds, 3)
    shared = random.normal(0, 0.05, (1, seeds, 1))
    values = {name: np.array(mean) + shared + random.normal(0, spread, shape) for name, mean in given.items()}
    variables = {
        name: (cells, value) if name == "shown_accuracy" else ((*cells, "epoch"), np.stack([0 * value, value], -1))
        for name, value in values.items()
    }
    return xr.Dataset(
        variables | {"diverged": (cells, np.zeros(shape, bool))},
        {"position": list(POSITIONS), "seed": np.arange(seeds), "rate": [0.0, 0.25, 0.5], "epoch": [1, 2]},
        {"dataset": "digits"},
    )


_EQUAL = [0.9, 0.9, 0.9]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        # closer, shown closer, one run, better, better as in T3, better on inputs, shown as it is
        (([0.99, 0.97, 0.95], [0.90, 0.91, 0.92]), "holds holds holds holds holds holds holds"),
        (([0.97, 0.97, 0.97], [0.92, 0.91, 0.90]), "fails fails fails fails fails fails holds"),
        (([0.97, 0.97, 0.97], [0.92, 0.91, 0.90], [0.97, 0.94, 0.90]), "fails holds fails fails fails fails fails"),
        ((_EQUAL, _EQUAL), "undecided undecided fails undecided undecided undecided holds"),
    ],
    ids=["helps", "harms", "only_as_shown", "no_difference"],
)
def test_claims(accuracies, expected):
    judged = judge(CLAIMS, population(*accuracies))
    assert [verdict.status for _, verdict in judged] == expected.split()


def test_effects_are_paired_differences_in_points():
    effects = [verdict.effect for _, verdict in judge(CLAIMS, population([0.98] * 3, [0.9, 0.91, 0.93], [0.95] * 3))]
    np.testing.assert_allclose(effects, [-3, -3, 100, 3, 1, 3, 3], atol=0.2)


def test_diverged_runs_are_left_out():
    dataset = population([0.99, 0.97, 0.95], [0.90, 0.91, 0.92])
    gone = dataset["diverged"].copy()
    gone[:, :7, 2] = True
    broken = dataset["test_accuracy"].where(~gone)
    (_, closer), *_ = judge(CLAIMS, dataset.assign(diverged=gone, test_accuracy=broken))
    assert (closer.status, closer.n) == ("holds", 93)


def test_claims_need_the_rates_of_the_tutorial():
    with pytest.raises(ArgumentError, match=r"must hold the tutorial's 0\.5"):
        judge(CLAIMS, population(_EQUAL, _EQUAL).isel(rate=slice(2)))

"""The experiment on layers and units: its population, and its claims on results with a known answer."""

import zlib

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.architecture import CLAIMS, PRESETS, TUTORIAL, Config, count_parameters, run, tune
from jaxreg.claims import judge
from jaxreg.errors import ArgumentError
from jaxreg.nets import MLP, train

_SMALL = Config(seeds=2, learning_rates=(0.1, 0.5), epochs=2, a=(6, 5), b=(6, 5), c=(6, 5))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    assert TUTORIAL == {"A": (256, 128), "B": (256, 128, 128, 128), "C": (256, 1568)}
    for name, config in PRESETS.items():
        assert 0.1 in config.learning_rates
        assert config.activation == "sigmoid"
        assert (config.a, config.b) == (TUTORIAL["A"], TUTORIAL["B"])
        assert config.c == TUTORIAL["C"] or name == "quick"


def test_result_is_labelled(result):
    assert dict(result.sizes) == {"network": 3, "pixels": 2, "seed": 2, "learning_rate": 2, "epoch": 2}
    assert result["network"].values.tolist() == ["A", "B", "C"]
    assert result["layers"].values.tolist() == ["6-5"] * 3
    assert (result.attrs["dataset"], result.attrs["brightest"]) == ("digits", 16)
    assert not result["diverged"].any()
    assert (result["test_accuracy"].isel(network=0) == result["test_accuracy"]).all()  # the same layers, the same runs


@pytest.mark.slow
def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits", scale=True)
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    alone = train(*data[:4], seed=seed, learning_rate=0.5, dropout=0.5, hidden=(6, 5), epochs=2)
    of_it = result["test_accuracy"].sel(network="B", pixels="scaled", seed=1, learning_rate=0.5)
    np.testing.assert_allclose(of_it, alone["test_accuracy"], atol=2.1e-3)


def test_parameters_are_those_of_the_network():
    for hidden in TUTORIAL.values():
        shapes = jax.eval_shape(MLP(hidden, 10).init, jax.random.key(0), np.zeros((1, 784), np.float32))
        assert count_parameters((784, *hidden, 10)) == sum(leaf.size for leaf in jax.tree.leaves(shapes))


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------


def population(raw, scaled, seeds=100, spread=0.004):
    """Accuracies of A, B and C, each at the rates 0.03, 0.1 and 0.3; what a seed adds is shared by all of its runs."""
    random = np.random.default_rng(0)
    shape = (3, 2, seeds, 3)
    accuracy = np.stack([raw, scaled], 1)[:, :, None, :] + random.normal(0, 0.05, (seeds, 1))
    accuracy = accuracy + random.normal(0, spread, shape)
    cells = ("network", "pixels", "seed", "learning_rate")
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), np.stack([0 * accuracy, accuracy], -1)),
            "diverged": (cells, np.zeros(shape, bool)),
        },
        {
            "network": ["A", "B", "C"],
            "pixels": ["raw", "scaled"],
            "seed": np.arange(seeds),
            "learning_rate": [0.03, 0.1, 0.3],
            "epoch": [1, 2],
        },
    )


_A_BEST = [[0.6, 0.9, 0.8], [0.5, 0.7, 0.6], [0.5, 0.8, 0.7]]
_B_BEST = [[0.6, 0.8, 0.7], [0.6, 0.9, 0.7], [0.5, 0.7, 0.6]]
_B_TUNED = [[0.6, 0.8, 0.7], [0.6, 0.7, 0.9], [0.5, 0.7, 0.6]]
_EQUAL = [[0.6, 0.8, 0.6]] * 3


@pytest.mark.parametrize(
    ("raw", "scaled", "expected"),
    [
        # best raw, one run, best scaled, best tuned raw, best tuned scaled, B gains
        (_A_BEST, _A_BEST, "holds holds holds holds holds fails"),
        (_B_BEST, _A_BEST, "fails holds holds fails holds fails"),
        (_B_TUNED, _B_BEST, "holds holds fails fails fails holds"),
        (_EQUAL, _EQUAL, "undecided fails undecided undecided undecided fails"),
    ],
    ids=["a", "b", "b_tuned", "no_difference"],
)
def test_claims(raw, scaled, expected):
    judged = judge(CLAIMS, population(raw, scaled))
    assert [verdict.status for _, verdict in judged] == expected.split()


def test_each_network_is_tuned_on_other_seeds_than_it_is_shown_on():
    dataset = population(_B_TUNED, _EQUAL)
    lucky = dataset["test_accuracy"].copy()
    lucky[0, 0, ::2, 0] += 0.5
    runs = tune(dataset.assign(test_accuracy=lucky), "raw")
    assert runs["seed"].values.tolist() == list(range(1, 100, 2))
    assert runs["learning_rate"].values.tolist() == [0.03, 0.3, 0.1]
    np.testing.assert_allclose(runs["test_accuracy"].mean("seed"), [60, 90, 70], atol=3)


def test_margin_is_that_over_the_better_of_the_others():
    (_, verdict), *_ = judge(CLAIMS, population(_A_BEST, _EQUAL))
    assert abs(verdict.effect - 10) < 0.5
    assert verdict.interval[0] < 10 < verdict.interval[1]


def test_diverged_runs_are_left_out():
    dataset = population(_A_BEST, _A_BEST)
    gone = dataset["diverged"].copy()
    gone[0, 0, :7, 1] = True
    (_, verdict), *_ = judge(CLAIMS, dataset.assign(diverged=gone))
    assert (verdict.status, verdict.n) == ("holds", 93)


def test_claims_need_the_rate_of_the_tutorial():
    with pytest.raises(ArgumentError, match=r"learning_rate = 0\.1: was not tried"):
        judge(CLAIMS, population(_EQUAL, _EQUAL).isel(learning_rate=[0, 2]))

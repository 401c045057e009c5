"""The experiment on the loss function: numbers by hand, slopes by closed form, claims on known results."""

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.loss_function import CLAIMS, KINDS, PRESETS, Config, run, work_examples
from experiments.networks.tuned_rates import find_best_rates, half_decades
from jaxreg.claims import find_claim
from jaxreg.nets import train

_SMALL = Config(seeds=4, learning_rates=(0.1, 1.0), epochs=1, hidden=(6,))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False).load()


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert (config.hidden, config.activation, config.dropout, config.batch_size) == ((256, 128), "sigmoid", 0.5, 32)
        assert 0.1 in config.learning_rates


def test_result_is_labelled(result):
    assert result["test_accuracy"].dims == ("loss", "seed", "learning_rate", "epoch")
    assert tuple(result["loss"].values) == KINDS
    xr.testing.assert_equal(result["best_rate"].reset_coords(drop=True), find_best_rates(result))
    assert not result["diverged"].any()


def test_a_run_is_the_training_it_says(result):
    loss = "mean_squared_error"
    data = jr.datasets.load("digits", scale=False)
    settings = {"dropout": 0.5, "hidden": (6,), "epochs": 1, "loss": loss}
    alone = train(*data[:4], seed=jr.seeds(4).key(2), learning_rate=1.0, **settings)
    here = result["test_accuracy"].sel(loss=loss, seed=2, learning_rate=1.0)
    np.testing.assert_allclose(here, alone["test_accuracy"], atol=0.005)


def test_worked_examples_are_those_by_hand(result):
    expected = {"cross_entropy": [0.356675, 0.916291, 2.302585], "mean_squared_error": [0.14 / 3, 0.18, 0.42]}
    for kind, values in expected.items():
        np.testing.assert_allclose(result["example_loss"].sel(loss=kind), values, rtol=1e-5)


def test_losses_and_slopes_of_two_classes_are_the_closed_forms():
    curves = work_examples()
    p = curves["probability"].values
    cross, squared = (curves.sel(loss=kind) for kind in KINDS)
    np.testing.assert_allclose(cross["value"], -np.log(p), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cross["gradient"], p - 1, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(squared["value"], (1 - p) ** 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(squared["gradient"], -2 * p * (1 - p) ** 2, rtol=1e-3, atol=1e-6)


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------

_RATES = half_decades(-4, 3)


def _population(squared=0.8, best=0.1, early=0.0, seeds=20):
    """Cross-entropy has its peak of 0.8 at 0.1, the squared error its own elsewhere; both fall by the decade."""
    random = np.random.default_rng(0)
    away = abs(np.log10(_RATES) - np.log10([0.1, best])[:, None])
    noise = random.normal(0, 0.05, (1, seeds, 1)) + random.normal(0, 0.001, (2, seeds, len(_RATES)))
    last = np.array([0.8, squared])[:, None, None] - 0.1 * away[:, None] + noise
    first = last / 2 + np.array([0.0, early])[:, None, None]
    cells = ("loss", "seed", "learning_rate")
    dataset = xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), np.stack([first, last], -1)),
            "diverged": (cells, np.zeros(last.shape, bool)),
        },
        {"loss": list(KINDS), "seed": np.arange(seeds), "learning_rate": np.array(_RATES), "epoch": [1, 2]},
    )
    return dataset.assign(work_examples())


@pytest.mark.parametrize(
    ("claim", "changed", "status"),
    [
        *((k, {}, "holds") for k in ("The cross-entropy of", "The mean squared", "Where the softmax")),
        ("squared error at", {"squared": 0.7}, "holds"),
        ("squared error at", {"best": 10.0}, "holds"),
        ("squared error at", {"squared": 0.9}, "fails"),
        ("mean squared error,", {"squared": 0.7}, "holds"),
        ("mean squared error,", {"squared": 0.9, "best": 10.0}, "fails"),
        ("mean squared error,", {}, "undecided"),
        ("Cross-entropy learns faster", {"early": -0.1}, "holds"),
        ("Cross-entropy learns faster", {"early": 0.1}, "fails"),
        ("Mean squared error", {"best": 1.0}, "holds"),
        ("Mean squared error", {"best": 0.01}, "fails"),
    ],
)
def test_claims_can_fall_either_way(claim, changed, status):
    assert find_claim(CLAIMS, claim).judge(_population(**changed)).status == status


@pytest.mark.parametrize("claim", ["The cross-entropy of", "The mean squared", "Where the softmax"])
def test_exact_claims_fail_where_numbers_are_wrong(claim):
    dataset = _population()
    wrong = dataset.assign(example_loss=dataset["example_loss"] + 1e-3, gradient=dataset["gradient"] * 0 + 1)
    assert find_claim(CLAIMS, claim).judge(wrong).status == "fails"

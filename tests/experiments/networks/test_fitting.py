"""The experiment on under- and over-fitting: its population, and its claims on curves with a known answer."""

import zlib
from functools import partial

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.fitting import (
    CLAIMS,
    CURVES,
    PRESETS,
    Config,
    add_errors,
    by_l2,
    by_units,
    find_well_fitted,
    run,
)
from jaxreg.claims import find_claim, judge
from jaxreg.nets import train

_SMALL = Config(seeds=2, units=(1, 3), l2=(1e-3, 10.0), epochs=6, evaluate_every=3)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets():
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert min(config.units) == 1
        assert len(config.units) >= 3
        assert max(config.l2) >= 1


def test_result_is_labelled(result):
    assert dict(result.sizes) == {"case": 4, "seed": 2, "epoch": 2}
    assert result["case"].values.tolist() == [
        "1 units, l2 0",
        "3 units, l2 0",
        "3 units, l2 0.001",
        "3 units, l2 10",
    ]
    assert result["epoch"].values.tolist() == [3, 6]
    assert (result.attrs["train_images"], result.attrs["validation_images"]) == (259, 1038)
    assert not result["diverged"].any()


def test_sizes_and_strengths_are_selected(result):
    sizes, strengths = by_units(result), by_l2(result)
    assert sizes["units"].values.tolist() == [1, 3]
    assert strengths["l2"].values.tolist() == [0, 0.001, 10]
    xr.testing.assert_equal(sizes["train_loss"].sel(units=3, drop=True), strengths["train_loss"].sel(l2=0, drop=True))
    errors = add_errors(result)
    np.testing.assert_allclose(errors["validation_error"] / 100 + errors["validation_accuracy"], 1, rtol=1e-6)


def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits")
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, share=0.8, seed=0)
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    settings = {"hidden": (3,), "activation": "relu", "optimizer": "adam", "epochs": 6, "evaluate_every": 3}
    sets = {"x_validation": x_validation, "y_validation": y_validation}
    alone = jax.jit(partial(train, x, y, **sets, learning_rate=0.003, l2=1e-3, **settings))(seed=seed)
    run = result.isel(case=2).sel(seed=1)
    for name in CURVES[:-1]:
        np.testing.assert_allclose(run[name], alone[name], rtol=1e-3, atol=0.002)
    np.testing.assert_allclose(run["weight_norm"], np.linalg.norm(alone["weight_norm"], axis=-1), rtol=1e-4)


# --- Claims, on results whose verdict is known ------------------------------------------------------------------------

_UNITS, _L2, _EPOCHS = (1, 8, 64), (0.01, 10.0), np.arange(1, 11)
_LN10 = np.log(10)


def _population(train_loss, validation_loss, validation_error, train_error, norm, turn=4, spread=0.005, seeds=40):
    """Last values of the cases (three sizes, then two strengths); validation of all turns at the epoch `turn`."""
    random = np.random.default_rng(0)
    curve = 1 + 0.05 * (abs(_EPOCHS - turn) - abs(_EPOCHS[-1] - turn))
    shape = (len(_UNITS) + len(_L2), seeds, len(_EPOCHS))

    def spread_out(last, over_epochs=1.0):
        noise = random.normal(0, 0.05, (1, seeds, 1)) + random.normal(0, spread, shape)
        return ("case", "seed", "epoch"), np.reshape(last, (-1, 1, 1)) * over_epochs * (1 + noise)

    dims, error = spread_out(np.array(validation_error), curve)
    return xr.Dataset(
        {
            "train_loss": spread_out(np.array(train_loss)),
            "validation_loss": spread_out(np.array(validation_loss), curve),
            "validation_accuracy": (dims, 1 - error),
            "train_accuracy": (dims, 1 - spread_out(np.array(train_error))[1]),
            "weight_norm": spread_out(np.array(norm)),
            "diverged": (dims[:2], np.zeros(shape[:2], bool)),
        },
        {
            "seed": np.arange(seeds),
            "epoch": _EPOCHS,
            "units": ("case", [*_UNITS, 64, 64]),
            "l2": ("case", [0.0, 0.0, 0.0, *_L2]),
        },
    )


_TEXTBOOK = {
    "train_loss": [2.0, 0.5, 0.01, 0.3, _LN10],
    "validation_loss": [2.0, 0.6, 1.0, 0.5, _LN10],
    "validation_error": [0.7, 0.1, 0.2, 0.08, 0.9],
    "train_error": [0.7, 0.05, 0.001, 0.02, 0.9],
    "norm": [3.0, 8.0, 20.0, 10.0, 0.01],
}
_H, _F, _U = "holds", "fails", "undecided"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (_H, _H, _H, _H, _H, _H, _H, _H, _H, _H)),
        ({"validation_loss": [2.0, 0.6, 0.4, 0.5, _LN10]}, (_H, _H, _F, _H, _H, _H, _H, _H, _H, _F)),
        ({"validation_error": [0.7, 0.2, 0.1, 0.2, 0.9]}, (_H, _H, _H, _F, _H, _H, _H, _H, _F, _H)),
        ({"turn": 10}, (_H, _H, _H, _H, _F, _F, _H, _H, _H, _H)),
        (
            {"train_loss": [2.0, 0.5, 0.8, 0.3, 1.0], "train_error": [0.05] * 5, "norm": [3.0, 8.0, 20.0, 10.0, 1.0]},
            (_F, _F, _H, _H, _H, _H, _F, _F, _H, _H),
        ),
        ({"spread": 3.0}, (_U,) * 10),
    ],
    ids=["textbook", "loss_falls_with_size", "error_falls_with_size", "no_turn", "nothing_underfits", "noise"],
)
def test_claims(change, expected):
    judged = judge(CLAIMS, _population(**_TEXTBOOK | change))
    statuses = tuple(verdict.status for _, verdict in judged)
    if "spread" in change:
        assert statuses.count(_U) >= 6
    else:
        assert statuses == expected


def test_effects_are_those_of_the_largest_network_and_strength():
    verdicts = [verdict for _, verdict in judge(CLAIMS, _population(**_TEXTBOOK))]
    expected = (70, -0.49, 0.4, 10, 0.3, 6, 0.05, 100, -12, -0.5)
    for verdict, value in zip(verdicts, expected, strict=True):
        np.testing.assert_allclose(verdict.effect, value, rtol=0.1)
    assert [verdict.n for verdict in verdicts] == [40, 40, 20, 20, 20, 20, 40, 40, 20, 20]


def test_the_well_fitted_size_is_chosen_on_every_other_seed():
    dataset = _population(**_TEXTBOOK)
    assert find_well_fitted(dataset) == 8
    lucky = dataset["validation_loss"].copy()
    lucky[0, ::2] = 0.01
    assert find_well_fitted(dataset.assign(validation_loss=lucky)) == 1


def test_diverged_runs_are_left_out():
    dataset = _population(**_TEXTBOOK)
    broken = dataset["weight_norm"].copy()
    broken[-1, :5] = np.nan
    gone = dataset["diverged"].copy()
    gone[-1, :5] = True
    verdict = find_claim(CLAIMS, "A very large").judge(dataset.assign(weight_norm=broken, diverged=gone))
    assert (verdict.status, verdict.n) == ("holds", 35)

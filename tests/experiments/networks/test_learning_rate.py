"""The experiment on the learning rate of T5: its population, and its claims on results with a known answer."""

import dataclasses
import zlib

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.learning_rate import CLAIMS, PRESETS, REGIMES, TUTORIAL_RATES, Config, find_best, run
from jaxreg.claims import find_claim, judge
from jaxreg.errors import ArgumentError, StoreError
from jaxreg.nets import train

_SMALL = Config(steps=60, seeds=2, learning_rates=TUTORIAL_RATES, epochs=2, hidden=(12, 8))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["laptop"].seeds >= 32
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert (config.hidden, config.activation, config.dropout, config.batch_size) == ((256, 128), "sigmoid", 0.5, 32)
        assert set(TUTORIAL_RATES) < set(config.learning_rates)
        steps = np.diff(np.log(config.learning_rates))
        np.testing.assert_allclose(steps, steps.mean(), rtol=0.01)


def test_result_is_labelled(result):
    assert dict(result["test_loss"].sizes) == {"pixels": 2, "seed": 2, "learning_rate": 3, "epoch": 2}
    assert result["pixels"].values.tolist() == ["raw", "scaled"]
    assert result["epoch"].values.tolist() == [1, 2]
    assert (result.attrs["dataset"], result.attrs["brightest"]) == ("digits", 16)
    assert not result["diverged"].any()


def test_a_run_is_the_training_it_says(result):
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    options = {"seed": seed, "learning_rate": 0.1, "dropout": 0.5, "hidden": (12, 8), "epochs": 2}
    learn = jax.jit(lambda data: train(*data, **options))
    for pixels in ("raw", "scaled"):
        alone = learn(tuple(jr.datasets.load("digits", scale=pixels == "scaled")[:4]))
        for name in ("test_loss", "test_accuracy"):
            np.testing.assert_allclose(result[name].sel(pixels=pixels, seed=1, learning_rate=0.1), alone[name], 1e-4)


def test_descent_on_the_parabola_is_geometric(result):
    scaled = (result["regime_rate"] * result["curvature"]).values
    for path, rate in zip(result["weight"].values, scaled, strict=True):
        np.testing.assert_allclose(path, (1 - rate) ** np.arange(61), rtol=1e-9)
    assert tuple(result["regime"].values) == REGIMES


def test_steps_to_the_minimum_are_the_closed_form(result):
    scaled = (result["parabola_rate"] * result["curvature"]).values
    steps, crossings = result["parabola_steps"].values, result["crossings"].values
    for rate, count, crossed in zip(scaled, steps, crossings, strict=True):
        first = np.flatnonzero(abs(1 - rate) ** np.arange(61) <= 0.01)
        assert count == (first[0] if len(first) else np.inf)
        assert crossed == (60 if rate > 1 else 0)
    assert (scaled < 1).any()
    assert (scaled > 2).any()


def test_digits_take_as_many_steps_as_the_tutorial():
    epochs = t5.count_epochs("digits", Config().epochs, tutorial=3)
    per_epoch = {n: -(-n // Config().batch_size) for n in (6000, 1297)}
    assert len(t5.load_images("digits").x_train) == 1297
    assert abs(epochs * per_epoch[1297] - 3 * per_epoch[6000]) <= per_epoch[1297] / 2
    assert t5.count_epochs("mnist", Config().epochs, tutorial=3) == 3


@pytest.mark.slow
def test_a_store_goes_on_with_more_seeds_and_refuses_another_network(tmp_path, result):
    store = tmp_path / "results.zarr"
    run(dataclasses.replace(_SMALL, seeds=1), store=store, progress=False)
    grown = run(_SMALL, store=store, progress=False).load()
    xr.testing.assert_allclose(grown.drop_attrs(), result.drop_attrs(), rtol=1e-5)
    with pytest.raises(StoreError):
        run(dataclasses.replace(_SMALL, dropout=0.25), store=store, progress=False)


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------

_RATES = np.array([0.01, 0.0316, 0.1, 0.316, 1.0])


def _population(raw, scaled, spread=0.005, seeds=40, loss=1.0, crossings=0):
    """Accuracies around the given means; what a seed adds is shared by all rates, as it mostly is in paired runs."""
    random = np.random.default_rng(0)
    shared, own = random.normal(0, 0.05, (2, seeds, 1)), random.normal(0, spread, (2, seeds, len(_RATES)))
    accuracy = np.stack([raw, scaled])[:, None, :] + shared + own
    cells = ("pixels", "seed", "learning_rate")
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), np.stack([0 * accuracy, accuracy], -1)),
            "test_loss": ((*cells, "epoch"), np.broadcast_to(loss, (*accuracy.shape, 2))),
            "diverged": (cells, np.zeros(accuracy.shape, bool)),
            "parabola_steps": ("parabola_rate", [9.0, 3.0, 3.0, np.inf]),
            "crossings": ("parabola_rate", [0, crossings, 60, 60]),
            "last_distance": ("parabola_rate", [0.0, 0.0, 0.0, 1e9]),
            "curvature": 4.0,
        },
        {
            "parabola_rate": np.array([0.5, 0.9, 1.5, 2.1]) / 4,
            "pixels": ["raw", "scaled"],
            "seed": np.arange(seeds),
            "learning_rate": _RATES,
            "epoch": [1, 2],
        },
        {"classes": 10},
    )


_PEAK = [0.6, 0.7, 0.8, 0.7, 0.6]
_RISE = [0.5, 0.6, 0.7, 0.8, 0.9]
_FLAT = [0.8] * 5


@pytest.mark.parametrize(
    ("raw", "scaled", "expected"),
    [
        (_PEAK, _PEAK, ("holds", "holds", "holds", "undecided")),
        (_RISE, _PEAK, ("fails", "holds", "fails", "undecided")),
        (_PEAK, _RISE, ("holds", "fails", "holds", "undecided")),
        (_FLAT, _FLAT, ("undecided", "undecided", "holds", "fails")),
        ([0.6, 0.9, 0.8, 0.7, 0.6], _FLAT, ("holds", "undecided", "fails", "undecided")),
    ],
    ids=["best", "higher_is_better", "only_raw", "no_difference", "a_better_one_between"],
)
def test_claims(raw, scaled, expected):
    judged = judge(CLAIMS[:4], _population(raw, scaled))
    assert tuple(verdict.status for _, verdict in judged) == expected


@pytest.mark.parametrize(
    ("changed", "regimes", "diverges"),
    [({}, "holds", "fails"), ({"loss": 3.0}, "holds", "holds"), ({"crossings": 4}, "fails", "fails")],
)
def test_claims_on_regimes(changed, regimes, diverges):
    dataset = _population(_PEAK, _PEAK, **changed)
    assert [verdict.status for _, verdict in judge(CLAIMS[4:], dataset)] == [regimes, diverges]
    if changed.get("loss"):  # as guessing is ln 10 = 2.303
        near = dataset.assign(test_loss=dataset["test_loss"] * 0 + 2.2)
        assert judge(CLAIMS[5:], near)[0][1].status == "fails"
        gone = dataset.assign(test_loss=dataset["test_loss"] * np.nan)
        assert judge(CLAIMS[5:], gone)[0][1].status == "holds"


def test_many_seeds_decide_whether_one_run_tells():
    *_, (_, verdict) = judge(CLAIMS[:4], _population(_PEAK, _PEAK, seeds=200))
    assert (verdict.status, verdict.effect, verdict.n) == ("holds", 100.0, 200)


def test_effect_is_the_margin_over_the_better_of_the_others():
    (_, verdict), *_ = judge(CLAIMS, _population([0.6, 0, 0.8, 0, 0.75], _FLAT))
    low, high = verdict.interval
    assert low < 5 < high
    assert abs(verdict.effect - 5) < 1


def test_no_difference_is_rarely_called_one():
    """With all rates alike, 0.1 is called best in less than one of a hundred populations (both halves of 1.25 %)."""
    random = np.random.default_rng(1)
    called = 0
    for _ in range(200):
        dataset = _population(_FLAT, _FLAT)
        noise = random.normal(0, 0.05, dataset["test_accuracy"].shape)
        (_, verdict), *_ = judge(CLAIMS[:1], dataset.assign(test_accuracy=dataset["test_accuracy"] + noise))
        called += verdict.status == "holds"
    assert called <= 6


def test_the_best_rate_is_measured_on_other_seeds_than_it_was_chosen_on():
    dataset = _population(_FLAT, _FLAT)
    lucky = dataset["test_accuracy"].copy()
    lucky[0, ::2, 3] += 0.5
    assert find_best(dataset.assign(test_accuracy=lucky), "raw") == 0.316
    verdict = find_claim(CLAIMS, "No learning rate").judge(dataset.assign(test_accuracy=lucky))
    assert verdict.n == 20
    assert abs(verdict.effect) < 5


def test_diverged_runs_are_left_out():
    dataset = _population(_PEAK, _PEAK)
    broken = dataset["test_accuracy"].copy()
    broken[0, :5, 2] = np.nan
    gone = dataset["diverged"].copy()
    gone[0, :5, 2] = True
    (_, verdict), *_ = judge(CLAIMS, dataset.assign(test_accuracy=broken, diverged=gone))
    assert (verdict.status, verdict.n) == ("holds", 35)


def test_a_rate_at_which_every_run_diverged_is_not_the_best():
    dataset = _population(_RISE, _PEAK)
    broken = dataset["test_accuracy"].copy()
    broken[:, :, 4] = np.nan
    gone = dataset["diverged"].copy()
    gone[:, :, 4] = True
    assert find_best(dataset.assign(test_accuracy=broken, diverged=gone), "raw") == 0.316


def test_claims_need_the_rates_of_the_tutorial():
    with pytest.raises(ArgumentError, match=r"must hold the tutorial's 0\.01, 1\.0"):
        judge(CLAIMS, _population(_PEAK, _PEAK).sel(learning_rate=[0.0316, 0.1]))

"""The experiment on early stopping: its trainings and rules, and its claims on results with a known answer."""

import numpy as np
import pytest
import xarray as xr

from experiments.networks.early_stopping import CLAIMS, PRESETS, Config, find_best, find_turn, measure_gain, run
from jaxreg.claims import judge

_SMALL = Config(seeds=4, checked=4, patience=(1, 2), min_delta=(0.0, 0.02), epochs=8, hidden=(16,), batch_size=32)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["laptop"].seeds >= 32
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert config.learning_rate == 0.001
        assert {2} < set(config.patience)
        assert {0.0} < set(config.min_delta)
    assert (PRESETS["paper"].hidden, PRESETS["paper"].epochs, PRESETS["paper"].batch_size) == (None, None, None)


def test_result_is_labelled(result):
    rules = {"monitor": 2, "patience": 2, "min_delta": 2}
    assert dict(result["last_epoch"].sizes) == rules | {"seed": 4}
    assert dict(result["kept_accuracy"].sizes) == {"kept": 3} | rules | {"seed": 4}
    assert result["monitor"].values.tolist() == ["accuracy", "loss"]
    assert result["kept"].values.tolist() == ["end", "last", "best"]
    assert result["epoch"].values.tolist() == list(range(1, 9))
    assert (result.attrs["dataset"], result.attrs["images"]) == ("digits", 907)
    assert not result["diverged"].any()


def test_the_compiled_rule_stops_where_the_one_applied_afterwards_does(result):
    tutorial = result.sel(monitor="accuracy", patience=2, min_delta=0.0)
    assert result["checked"].values.tolist() == [0, 1, 2, 3]
    assert result["compiled_last_epoch"].values.tolist() == tutorial["last_epoch"].values.tolist()
    assert result["compiled_best_epoch"].values.tolist() == tutorial["best_epoch"].values.tolist()


def test_rules_are_those_of_their_labels(result):
    """Worked out in plain Python for each rule and seed: Keras' patience, improvement by more than min_delta."""
    for cell in (
        result[["last_epoch", "best_epoch"]].stack(cell=("monitor", "patience", "min_delta", "seed")).cell.values
    ):
        monitor, patience, min_delta, seed = cell
        curve = result[f"validation_{monitor}"].sel(seed=seed).values * (1 if monitor == "accuracy" else -1)
        best, at, waited, last = -np.inf, 0, 0, 8
        for epoch, value in enumerate(curve, start=1):
            waited += 1
            if value - np.float32(min_delta) > best:
                best, at, waited = value, epoch, 0
            elif waited >= patience:
                last = epoch
                break
        rule = dict(zip(("monitor", "patience", "min_delta", "seed"), cell, strict=True))
        chosen = result.sel(rule)
        assert (int(chosen["last_epoch"]), int(chosen["best_epoch"])) == (last, at)
        test = result["test_accuracy"].sel(seed=seed)
        expected = [test.sel(epoch=epoch) for epoch in (8, last, at)]
        np.testing.assert_array_equal(chosen["kept_accuracy"], expected)


# --- Claims, on results whose verdict is known ------------------------------------------------------------------------


def _population(last, gain=0.0, best=0.0, other=0.0, rise=0.1, spread=0.0, noise=0.003, seeds=40):
    """Runs that T3's rule stops at `last`, with `gain` in accuracy over the end; its best weights add `best`.

    The other rules' last weights add `other` to those of T3's. The validation loss ends `rise` above its lowest.
    """
    random = np.random.default_rng(0)
    sizes = {"kept": 3, "monitor": 2, "patience": 3, "min_delta": 2, "seed": seeds}
    accuracy = np.zeros(tuple(sizes.values()))
    accuracy[1:] += gain
    accuracy[2] += best
    accuracy[1:, 1] += other
    accuracy = 0.9 + accuracy + random.normal(0, 0.02, seeds) + random.normal(0, noise, accuracy.shape)
    stops = np.rint(last + spread * random.normal(size=tuple(sizes.values())[1:])).astype(int)
    loss = np.array([0.9, 0.3, 0.2, 0.2 + rise / 2, 0.2 + rise])[None] + random.normal(0, 0.02, (seeds, 5))
    return xr.Dataset(
        {
            "kept_accuracy": (tuple(sizes), accuracy),
            "last_epoch": (tuple(sizes)[1:], stops),
            "validation_loss": (("seed", "epoch"), loss),
            "diverged": ("seed", np.zeros(seeds, bool)),
        },
        {
            "kept": ["end", "last", "best"],
            "monitor": ["accuracy", "loss"],
            "patience": [1, 2, 5],
            "min_delta": [0.0, 0.01],
            "seed": np.arange(seeds),
            "epoch": np.arange(1, 6),
        },
    )


@pytest.mark.parametrize(
    ("population", "expected"),
    [
        ({"last": 5, "gain": 0.01, "best": 0.01, "seeds": 200}, ("holds", "holds", "holds", "holds", "holds", "holds")),
        (
            {"last": 9, "gain": -0.01, "best": -0.01, "other": 0.02, "rise": -0.05},
            ("fails", "fails", "fails", "fails", "fails", "fails"),
        ),
        (
            {"last": 6, "spread": 1.0, "noise": 0.02, "rise": 0.0, "other": 0.005},
            ("undecided", "fails", "undecided", "undecided", "undecided", "undecided"),
        ),
        ({"last": 5}, ("holds", "undecided", "undecided", "undecided", "holds", "holds")),
    ],
    ids=["all_hold", "all_fail", "cannot_tell", "no_gain"],
)
def test_claims(population, expected):
    judged = judge(CLAIMS, _population(**population))
    assert tuple(verdict.status for _, verdict in judged) == expected


def test_effects_are_in_their_units():
    stops, share, gain, best, rise, other = (v for _, v in judge(CLAIMS, _population(5, 0.01, 0.02, 0.03, noise=1e-4)))
    assert (stops.effect, share.effect) == (5, 100)
    assert abs(gain.effect - 1) < 0.01
    assert abs(best.effect - 2) < 0.01
    assert abs(rise.effect - 0.1) < 0.02
    assert abs(other.effect - 3) < 0.01
    assert (gain.n, rise.n, other.n) == (40, 20, 20)


def test_what_is_chosen_is_measured_on_other_seeds():
    dataset = _population(5)
    lucky = dataset["kept_accuracy"].copy()
    lucky[1, 1, 2, 1, ::2] += 0.5
    dataset = dataset.assign(kept_accuracy=lucky)
    assert find_best(dataset) == {"monitor": "loss", "patience": 5, "min_delta": 0.01}
    *_, (_, verdict) = judge(CLAIMS, dataset)
    assert verdict.status == "holds"
    assert abs(verdict.effect) < 0.5
    early = dataset["validation_loss"].copy()
    early[::2, 1] = 0.0
    assert find_turn(dataset.assign(validation_loss=early)) == 2
    assert find_turn(dataset) == 3


def test_runs_that_diverge_are_left_out():
    dataset = _population(5, 0.01)
    gone = dataset["diverged"].copy()
    gone[:4] = True
    broken = dataset["kept_accuracy"].where(~gone)
    _, _, (_, gain), *_ = judge(CLAIMS, dataset.assign(diverged=gone, kept_accuracy=broken))
    assert (gain.status, gain.n) == ("holds", 36)


def test_a_run_that_diverged_only_after_a_stop_is_left_out_of_pairs():
    """There is nothing to compare it with."""
    dataset = _population(5, 0.01)
    broken = dataset["kept_accuracy"].copy()
    broken[0, ..., 0] = np.nan
    assert int(measure_gain(dataset.assign(kept_accuracy=broken))["n"].max()) == 39

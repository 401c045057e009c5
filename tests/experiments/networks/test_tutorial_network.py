"""What the studies of tutorial T5 share: its settings, its steps, and rates chosen and measured on different seeds."""

import numpy as np
import pytest
import xarray as xr

from experiments.networks import tutorial_network as t5
from jaxreg.study import gain
from jaxreg.study.catalogue import list_modules, load
from tests.populations import diverge, population

_STUDIES = {n: m for n, m in list_modules("experiments", "run").items() if m.path.startswith("experiments.networks.")}
_OF_T3 = {"early_stopping", "fitting", "mnist_regularizers"}
_TUTORIAL = {"activation": "sigmoid", "dropout": 0.5, "batch_size": 32, "learning_rate": 0.1, "hidden": (256, 128)}


@pytest.mark.parametrize("name", _STUDIES)
def test_settings_are_those_of_the_tutorial(name):
    presets = load("experiments", name, _STUDIES).PRESETS
    assert presets["paper"].dataset == "mnist"
    if name not in _OF_T3:
        shared = set(_TUTORIAL) & set(vars(presets["paper"]))
        assert shared
        assert {key: getattr(presets["paper"], key) for key in shared} == {key: _TUTORIAL[key] for key in shared}


def test_digits_take_as_many_steps_as_the_tutorial():
    per_epoch = {n: -(-n // t5.BATCH_SIZE) for n in (6000, 1297)}
    assert len(t5.load_images("digits").x_train) == 1297
    steps = t5.count_epochs("digits", None, tutorial=3) * per_epoch[1297]
    assert abs(steps - 3 * per_epoch[6000]) <= per_epoch[1297] / 2
    assert (t5.count_epochs("mnist", None, tutorial=3), t5.count_epochs("digits", 7, tutorial=3)) == (3, 7)


def _population(first, second):
    """Two kinds, each over seeds and the rates 0.1, 0.3162 and 1 at the end, at chance before."""
    accuracy = np.stack([np.broadcast_to(first, (6, 3)), np.broadcast_to(second, (6, 3))])
    dims = {"kind": ["a", "b"], "seed": 6, "learning_rate": t5.powers_of_ten(-2, 0), "epoch": [1, 2]}
    return population(
        dims, {"test_accuracy": np.stack([accuracy * 0 + 10, accuracy], -1)}, units={"test_accuracy": "%"}
    )


def test_best_rates_are_measured_on_other_seeds():
    lucky = np.tile(
        [[50, 50, 90], [50, 50, 30]], (3, 1)
    )  # at the last rate, where it is chosen and where it is measured
    runs = t5.add_best_rate(_population(lucky, [70, 50, 50]))
    assert runs["best_rate"].values.tolist() == [1.0, 0.1]
    tuned = t5.tuned_last(runs)
    assert tuned["seed"].values.tolist() == [1, 3, 5]
    assert tuned["test_accuracy"].mean("seed").values.tolist() == [30, 70]
    assert (t5.tuned(runs.isel(epoch=0))["test_accuracy"] == 10).all()
    found = gain("test_accuracy", "kind", "a", "b", runs=t5.tuned_last)(runs)
    assert (found.effect, found.interval, found.n, found.unit) == (-40, (-40, -40), 3, "percentage points")
    given = t5.at_tutorials(runs).sel(kind="a")
    assert t5.gain_by_tuning(t5.tuned_last(runs).sel(kind="a"), given).effect == 30 - 50


def test_best_rates_of_single_seeds_and_their_ratio():
    runs = _population([[50, 50, 90]] * 2 + [[50, 90, 50]] * 4, [90, 50, 50])
    np.testing.assert_allclose(10 ** t5.best_rates_of_seeds(runs)["log_rate"].sel(kind="a"), [1] * 2 + [0.3162] * 4)
    found = t5.compare_best_rates(runs, "kind", "a", "b")
    assert (found.effect, found.n, found.unit) == (pytest.approx(4 / 6, abs=1e-3), 6, "decades")
    gone = diverge(runs, "test_accuracy", kind=0, learning_rate=2)
    assert t5.compare_best_rates(gone, "kind", "a", "b").effect < 0.4
    assert t5.best_rates_of_seeds(diverge(runs, kind=0))["log_rate"].sel(kind="a").isnull().all()
    assert t5.compare_best_rates(runs, "kind", "c", "a") is None


@pytest.mark.parametrize(("accuracy", "effect"), [([70, 80, 75], 5), ([70, 80, 85], -5)])
def test_the_lead_is_that_over_the_best_of_the_others(accuracy, effect):
    dims = {"kind": ["a", "b", "c"], "seed": 40}
    runs = population(dims, {"test_accuracy": np.array(accuracy)[:, None]}, spread=0.5, shared=5)
    found = t5.lead("kind", "b", runs=xr.Dataset.copy)(runs)
    assert abs(found.effect - effect) < 0.3
    assert found.interval[0] < effect < found.interval[1]
    assert t5.lead("kind", "b", runs=xr.Dataset.copy)(diverge(runs, "test_accuracy", kind=2)).effect > 9
    assert t5.share_of_telling_seeds("kind", runs=xr.Dataset.copy)(runs).effect == 100


def test_no_difference_is_rarely_called_one():
    """With all alike, one is called best in less than one of a hundred populations (both halves of 1.25 %)."""
    dims, called = {"kind": 3, "seed": 40}, 0
    for root in range(200):
        runs = population(dims, {"test_accuracy": 80}, spread=5, shared=5, root=root)
        called += t5.lead("kind", 1, runs=xr.Dataset.copy)(runs).interval[0] > 0
    assert called <= 6

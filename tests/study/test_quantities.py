"""Quantities against NumPy and SciPy, what was not tried, and seeds that choose apart from those that show."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from jaxreg.errors import ArgumentError
from jaxreg.study import Above, Best, Claim, at, choose, gain, held_out, largest, mean, ratio, share, worst


def _population(seeds=12, gone=()):
    """Accuracy in per cent over kind, seed and learning rate; runs in `gone` diverged."""
    random = np.random.default_rng(3)
    accuracy = random.normal([[[80.0, 85.0, 70.0]], [[82.0, 81.0, 90.0]]], 0.5, size=(2, seeds, 3))
    diverged = np.zeros(accuracy.shape, bool)
    for place in gone:
        diverged[place], accuracy[place] = True, np.nan
    cells = ("kind", "seed", "learning_rate")
    return xr.Dataset(
        {"accuracy": (cells, accuracy, {"units": "%"}), "diverged": (cells, diverged), "best": (cells, accuracy > 85)},
        {"kind": ["sgd", "adam"], "seed": np.arange(seeds), "learning_rate": np.float32([0.01, 0.1, 1.0])},
    )


def _at_tenth(dataset):
    return at(dataset, learning_rate=0.1)


def test_gain_is_the_paired_t_interval_of_scipy():
    dataset = _population()
    found = gain("accuracy", "kind", "adam", "sgd", runs=_at_tenth)(dataset)
    sgd, adam = dataset["accuracy"].values[:, :, 1]
    expected = scipy.stats.ttest_rel(adam, sgd)
    np.testing.assert_allclose(found.effect, (adam - sgd).mean())
    np.testing.assert_allclose(found.interval, expected.confidence_interval())
    assert (found.n, found.unit) == (12, "percentage points")


def test_gain_along_an_axis_of_numbers_finds_its_neighbours_and_itself():
    dataset = _population().sel(kind="adam")  # of float32, in which no value is 0.1
    found = gain("accuracy", "learning_rate", 1.0, 0.1)(dataset)
    np.testing.assert_allclose(found.effect, np.diff(dataset["accuracy"].values[:, 1:]).mean())
    same = gain("accuracy", "learning_rate", 0.1, 0.1)(dataset)
    assert (same.effect, same.interval) == (0.0, (0.0, 0.0))
    assert gain("accuracy", "learning_rate", 0.2, 0.1)(dataset) is None


def test_what_was_not_tried_leaves_a_claim_undecided_and_a_misspelt_name_does_not():
    dataset = _population()
    claim = Claim("Lion is better", "nobody", gain("accuracy", "kind", "lion", "sgd", runs=_at_tenth), Above(0))
    assert (claim.judge(dataset).status, claim.judge(dataset).n) == ("undecided", 0)
    for wrong in (gain("acuracy", "kind", "adam", "sgd"), gain("accuracy", "optimizer", "adam", "sgd"), mean("x")):
        with pytest.raises(ArgumentError, match="Known: "):
            wrong(dataset)


def test_mean_and_share_leave_diverged_runs_out():
    dataset = _population(gone=[(0, 2, 1), (0, 5, 1)]).sel(kind="sgd")
    kept = np.delete(dataset["accuracy"].values[:, 1], [2, 5])
    found = mean("accuracy", runs=_at_tenth)(dataset)
    low, high = scipy.stats.t.interval(0.95, 9, kept.mean(), kept.std(ddof=1) / np.sqrt(10))
    np.testing.assert_allclose((found.effect, *found.interval), (kept.mean(), low, high))
    assert (found.n, found.unit) == (10, "%")
    part = share("best", runs=_at_tenth, of="runs")(dataset)
    k = int((kept > 85).sum())
    wilson = scipy.stats.binomtest(k, 10).proportion_ci(method="wilson")
    np.testing.assert_allclose((part.effect, *part.interval), (10 * k, 100 * wilson.low, 100 * wilson.high))
    assert (part.n, part.unit) == (10, "% of runs")


def test_ratio_is_the_geometric_mean_of_ratios():
    dataset = _population()
    found = ratio("accuracy", "kind", "adam", "sgd", runs=_at_tenth)(dataset)
    sgd, adam = dataset["accuracy"].values[:, :, 1]
    np.testing.assert_allclose(found.effect, scipy.stats.gmean(adam / sgd))
    logs = scipy.stats.ttest_1samp(np.log(adam / sgd), 0).confidence_interval()
    np.testing.assert_allclose(found.interval, np.exp(logs))
    assert found.unit == "times"


def test_what_is_computed_from_the_runs_is_as_a_variable_of_theirs():
    dataset = _population(gone=[(0, 2, 1)])
    half = lambda runs: runs["accuracy"] / 2  # noqa: E731
    stored = dataset.assign(half=half(dataset).assign_attrs(units="points"))
    for quantity, args in ((gain, ("kind", "adam", "sgd")), (ratio, ("kind", "adam", "sgd"))):
        unit = {"unit": "points"} if quantity is gain else {}
        expected = quantity("half", *args, runs=_at_tenth)(stored)
        assert quantity(half, *args, runs=_at_tenth, **unit)(dataset) == expected
    one = {"runs": lambda runs: _at_tenth(runs).sel(kind="sgd")}
    assert mean(half, unit="points", **one)(dataset) == mean("half", **one)(stored)
    assert share(lambda runs: runs["accuracy"] > 85, **one)(dataset) == share("best", **one)(dataset)
    with pytest.raises(ArgumentError, match="DataArray"):
        mean(lambda runs: 3.0)(dataset)


def test_the_worst_place_has_an_interval_for_all_places():
    dataset = _population(gone=[(0, 2, 1)])
    found = worst("accuracy", expected=75.0)(dataset)
    values = dataset["accuracy"].values[1, :, 2]  # 90 with adam at the largest rate; six places
    low, high = scipy.stats.t.interval(1 - 0.05 / 6, 11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    np.testing.assert_allclose((found.effect, *found.interval), (values.mean(), low, high))
    assert (found.n, found.unit) == (12, "%")
    most = float(dataset["accuracy"].max())
    assert largest("accuracy", unit="")(dataset) == type(found)(most, (most, most), 72)


def test_what_every_other_seed_chooses_is_shown_on_the_others():
    dataset = _population()
    lucky = dataset["accuracy"].copy()
    lucky[0, ::2, 2] += 50.0  # SGD at the largest rate, on the seeds that choose only
    dataset = dataset.assign(accuracy=lucky)
    best = choose(dataset, "accuracy", "learning_rate")
    np.testing.assert_array_equal(best["kind"], ["sgd", "adam"])
    np.testing.assert_allclose(best, [1.0, 1.0])
    shown = held_out(at(dataset.assign(best_rate=best), learning_rate="best_rate"))
    assert shown["seed"].values.tolist() == [1, 3, 5, 7, 9, 11]
    assert float(shown["accuracy"].sel(kind="sgd").mean()) < 75
    np.testing.assert_allclose(choose(dataset, "accuracy", "learning_rate", least=True), [0.01, 0.1])


def test_the_best_of_all_others_is_compared_on_the_seeds_that_did_not_choose():
    one = _population().sel(kind="adam")  # 82, 81 and 90
    lucky = one["accuracy"].copy()
    lucky[::2, 1] += 50.0  # at 0.1, on the seeds that choose only
    one = one.assign(accuracy=lucky)
    odd = held_out(one)
    for rule, rate in ((Best.MOST, 0.1), (Best.LEAST, 0.01)):
        expected = gain("accuracy", "learning_rate", rate, 1.0)(odd)
        assert gain("accuracy", "learning_rate", rule, 1.0)(one) == expected
        assert gain("accuracy", "learning_rate", 1.0, rule, runs=lambda runs: runs)(one).effect == -expected.effect
        assert ratio("accuracy", "learning_rate", rule, 1.0)(one) == ratio("accuracy", "learning_rate", rate, 1.0)(odd)
    assert gain("accuracy", "learning_rate", Best.MOST, 0.2)(one) is None
    assert gain("accuracy", "learning_rate", Best.MOST, 1.0)(one.sel(learning_rate=[1.0])) is None
    with pytest.raises(ArgumentError, match=r"^second = "):
        gain("accuracy", "learning_rate", Best.MOST, Best.LEAST)(one)


def test_a_value_at_which_every_run_diverged_is_never_chosen():
    dataset = _population(gone=[(1, seed, 2) for seed in range(12)])
    np.testing.assert_allclose(choose(dataset, "accuracy", "learning_rate"), [0.1, 0.01])
    np.testing.assert_allclose(choose(dataset, "accuracy", "learning_rate", least=True), [1.0, 0.1])


def test_each_kind_is_taken_at_its_own_value():
    dataset = _population()
    taken = at(dataset, learning_rate=xr.DataArray([0.1, 0.01], {"kind": ["sgd", "adam"]}, ("kind",)))
    assert taken["learning_rate"].dims == ("kind",)
    expected = [dataset["accuracy"].values[0, :, 1], dataset["accuracy"].values[1, :, 0]]
    np.testing.assert_array_equal(taken["accuracy"].transpose("kind", "seed"), expected)
    with pytest.raises(ArgumentError, match=r"learning_rate = 0\.3: was not tried"):
        at(dataset, learning_rate=0.3)
    with pytest.raises(ArgumentError, match="kind = 'lion': was not tried"):
        at(dataset, kind="lion")

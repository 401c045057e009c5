"""Bootstrap intervals against SciPy's own, exact enumeration, rliable's definitions and simulations of known truth."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from jaxreg import stats
from jaxreg.errors import ArgumentError


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ends(summary):
    return [summary["low"].values, summary["high"].values]


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize(("name", "function"), [("mean", np.mean), ("median", np.median)])
def test_intervals_are_scipys(method, name, function):
    values = draw(9, 3) ** 3
    found = stats.bootstrap(xr.DataArray(values, dims=("seed", "rate")), statistic=name, method=method, seed=5)
    expected = scipy.stats.bootstrap(
        (values.T,), function, axis=-1, n_resamples=10_000, method={"bca": "BCa"}.get(method, method),
        rng=np.random.default_rng(5),
    )  # fmt: skip
    np.testing.assert_allclose(ends(found), expected.confidence_interval, rtol=1e-10)
    np.testing.assert_allclose(found["standard_error"], expected.standard_error, rtol=1e-10)
    np.testing.assert_allclose(found[name], function(values, axis=0), rtol=1e-13)


def test_percentiles_are_those_of_all_resamples():
    """All 4^4 ways to draw 4 of 4 runs, each as likely: quantiles that lie inside a step are exact."""
    values = np.array([0.0, 1.0, 4.0, 9.0])
    means = np.sort([np.mean(pick) for pick in itertools.product(values, repeat=4)])
    found = stats.bootstrap(values, method="percentile", level=0.9, resamples=200_000, seed=0)
    for end, q in zip(ends(found), (0.05, 0.95), strict=True):
        share_below, share_to = (means < float(end) - 1e-9).mean(), (means <= float(end) + 1e-9).mean()
        assert share_below - 0.002 <= q <= share_to + 0.002


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_cover_about_at_their_level(method):
    trials, runs = 400, 40
    data = xr.DataArray(draw(runs, trials, seed=3), dims=("seed", "trial"))
    found = stats.bootstrap(data, method=method, level=0.9, resamples=1000, seed=0)
    covered = int(((found["low"] <= 0) & (found["high"] >= 0)).sum())
    assert abs(covered - 0.9 * trials) / math.sqrt(trials * 0.09) < 4


def rliable_iqm(scores):
    return scipy.stats.trim_mean(scores, proportiontocut=0.25, axis=None)


def test_iqm_is_rliables():
    scores = np.random.default_rng(1).gamma(2.0, size=(10, 7))
    runs = xr.DataArray(scores, dims=("seed", "task"))
    found = stats.iqm(runs, dim=("seed", "task"), strata="task", method="percentile", resamples=4000, seed=2)
    assert float(found["iqm"]) == pytest.approx(rliable_iqm(scores), rel=1e-13)
    rng = np.random.default_rng(9)
    again = [rliable_iqm(np.take_along_axis(scores, rng.integers(0, 10, scores.shape), axis=0)) for _ in range(4000)]
    np.testing.assert_allclose(ends(found), np.quantile(again, [0.025, 0.975]), atol=0.1 * np.std(again))
    np.testing.assert_allclose(found["standard_error"], np.std(again), rtol=0.06)
    assert int(found["n"]) == 70


def test_strata_keep_what_differs_between_tasks_out_of_the_interval():
    scores = 0.01 * draw(8, 5) + 10 * np.arange(5.0)
    runs = xr.DataArray(scores, dims=("seed", "task"))
    within = stats.bootstrap(runs, dim=("seed", "task"), strata="task", seed=0)
    over_all = stats.bootstrap(runs, dim=("seed", "task"), seed=0)
    assert float(within["standard_error"]) < 0.01 < 1 < float(over_all["standard_error"])
    # the variance of the mean of independent strata, with n in place of n - 1 as resampling has it
    expected = math.sqrt((scores.var(0) / 8).sum() / 25)
    assert float(within["standard_error"]) == pytest.approx(expected, rel=0.05)


def test_strata_of_unequal_size_after_divergence():
    scores = draw(6, 3)
    marks = np.zeros((6, 3), bool)
    marks[:2, 1] = True
    runs = xr.Dataset({"score": (("seed", "task"), scores), "diverged": (("seed", "task"), marks)})
    found = stats.bootstrap(runs, "score", ("task", "seed"), strata="task", seed=0)
    samples = [scores[:, 0], scores[2:, 1], scores[:, 2]]
    expected = scipy.stats.bootstrap(
        samples, lambda *s, axis: np.concatenate(s, axis=axis).mean(axis), n_resamples=10_000, method="BCa",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_allclose(ends(found), expected.confidence_interval, rtol=1e-10)
    assert (int(found["n"]), int(found["diverged"])) == (16, 2)
    marks[1:, 0] = True
    one = stats.bootstrap(runs, "score", ("seed", "task"), strata="task", seed=0)
    assert [float(end) for end in ends(one)] == [-math.inf, math.inf]  # a stratum of one run
    assert math.isfinite(float(one["mean"]))
    marks[:, 0] = True
    none = stats.bootstrap(runs, "score", ("seed", "task"), strata="task", seed=0)
    assert math.isnan(float(none["mean"]))
    assert float(none["standard_error"]) == math.inf


def test_a_cell_alone_is_the_cell_in_the_population():
    values = draw(7, 3)
    values[2, 1] = np.nan
    values[:, 2] = 1.0
    together = stats.iqm(xr.DataArray(values, dims=("seed", "rate")), seed=1)
    for rate in range(3):
        alone = stats.iqm(values[:, rate], seed=1)
        for part in alone:
            np.testing.assert_allclose(alone[part], together[part].isel(rate=rate), rtol=1e-12)
    assert [float(together[part][2]) for part in ("iqm", "low", "high", "standard_error")] == [1.0, 1.0, 1.0, 0.0]


def test_a_function_of_the_users_own():
    values = draw(12)
    found = stats.bootstrap(values, statistic=np.std, seed=0)
    assert float(found["estimate"]) == pytest.approx(values.std())
    largest = stats.bootstrap(values, statistic=np.max, seed=0)  # BCa is undefined for it
    assert float(largest["low"]) <= values.max() == float(largest["high"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"statistic": "mode"}, "statistic = 'mode': must be one of mean, median, iqm"),
        ({"statistic": lambda x, axis: x}, "must reduce"),
        ({"statistic": lambda x: x.mean()}, "must be a function of an array and axis"),
        ({"method": "basic"}, "method"),
        ({"resamples": 1}, "resamples"),
        ({"seed": None}, "seed"),
        ({"strata": "seed"}, "some but not all of `dim`"),
        ({"strata": "task"}, "Known: seed"),
        ({"level": 0.0}, "level"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, message):
    with pytest.raises(ArgumentError, match=message):
        stats.bootstrap.__wrapped__(**({"dataset": [1.0, 2.0, 3.0], "seed": 0} | changes))


# ------------------------------------------------------------------ improvement and profiles


def test_probability_of_improvement_is_mann_and_whitneys_and_rliables():
    x, y = np.round(draw(9, 4), 1) + 0.3, np.round(draw(7, 4, seed=1), 1)
    first, second = (xr.DataArray(part, dims=("seed", "task")) for part in (x, y))
    each = stats.probability_of_improvement(first, second, seed=0)
    expected = scipy.stats.mannwhitneyu(x, y).statistic / 63
    np.testing.assert_allclose(each["probability"], expected, rtol=1e-12)
    found = stats.probability_of_improvement(first, second, dim=("seed", "task"), strata="task", seed=0)
    assert float(found["probability"]) == pytest.approx(expected.mean(), rel=1e-12)
    assert [int(found[part]) for part in ("n", "n_first", "n_second")] == [64, 36, 28]
    rng = np.random.default_rng(8)
    again = [
        np.mean([
            (np.sign(rng.choice(x[:, t], 9)[:, None] - rng.choice(y[:, t], 7)).mean() + 1) / 2 for t in range(4)
        ])
        for _ in range(3000)
    ]  # fmt: skip
    np.testing.assert_allclose(ends(found), np.quantile(again, [0.025, 0.975]), atol=0.2 * np.std(again))
    with pytest.raises(ArgumentError, match="labels of `first`"):
        stats.probability_of_improvement(first, second.isel(task=slice(2)), dim=("seed", "task"), strata="task", seed=0)


def test_an_improvement_that_nothing_supports():
    found = stats.probability_of_improvement([1.0], [0.0, 2.0], seed=0)
    assert [float(found[part]) for part in ("probability", "low", "high")] == [0.5, 0.0, 1.0]
    none = stats.probability_of_improvement([np.nan], [0.0], seed=0)
    assert math.isnan(float(none["probability"]))
    assert int(none["diverged"]) == 1


def test_a_profile_is_the_share_above_each_threshold():
    scores = np.random.default_rng(0).uniform(size=(20, 2, 3))
    scores[0, 0, 0] = np.nan
    runs = xr.DataArray(scores, dims=("seed", "task", "rate"), coords={"rate": [0.1, 0.2, 0.3]})
    found = stats.performance_profile(runs, [0.25, 0.5], dim=("seed", "task"), strata="task", seed=0)
    assert found["share"].dims == ("rate", "threshold")
    kept = np.where(np.isnan(scores[..., None]), np.nan, scores[..., None] > np.array([0.25, 0.5]))
    np.testing.assert_allclose(found["share"], np.nanmean(kept, axis=(0, 1)), rtol=1e-12)
    assert found["n"].values.tolist() == [[39, 39], [40, 40], [40, 40]]
    assert found["diverged"].values.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"])).all()
    with pytest.raises(ArgumentError, match="thresholds"):
        stats.performance_profile(runs, [np.nan], seed=0)
    with pytest.raises(ArgumentError, match="no dimension threshold"):
        stats.performance_profile(runs.rename(rate="threshold"), [0.5], seed=0)

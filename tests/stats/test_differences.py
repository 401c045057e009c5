"""Comparisons of two populations against SciPy's tests, statsmodels, and the tests turned round."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from jaxreg import stats
from jaxreg.errors import ArgumentError

ALTERNATIVES = ("two-sided", "greater", "less")
TESTS = ("t", "pooled_t", "permutation", "wilcoxon")
CLOSE = {"rtol": 1e-10, "atol": 1e-13}


def draw(*shape, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=shape) + shift


def labelled(values, **coords):
    return xr.DataArray(values, dims=("seed", "case")[: values.ndim], coords=coords, name="loss")


def values_of(summary, *names):
    return [summary[name].values for name in names]


# ------------------------------------------------------------------ t


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_paired_t_is_scipys(alternative):
    x, y = draw(7, 5, shift=0.4), draw(7, 5, seed=1)
    found = stats.compare(labelled(x), labelled(y), paired=True, alternative=alternative, level=0.9)
    expected = scipy.stats.ttest_rel(x, y, alternative=alternative)
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_allclose(found["statistic"], expected.statistic, **CLOSE)
    both = scipy.stats.ttest_rel(x, y).confidence_interval(0.9)
    np.testing.assert_allclose(found["low"], both.low, **CLOSE)
    np.testing.assert_allclose(found["high"], both.high, **CLOSE)
    assert (found["n"] == 7).all()


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("test", "equal"), [("t", False), ("pooled_t", True)])
def test_t_of_separate_runs_is_scipys(alternative, test, equal):
    x, y = draw(6, 4, shift=0.4), 3 * draw(9, 4, seed=1)
    found = stats.compare(labelled(x), labelled(y), paired=False, test=test, alternative=alternative)
    expected = scipy.stats.ttest_ind(x, y, equal_var=equal, alternative=alternative)
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_allclose(found["statistic"], expected.statistic, **CLOSE)
    both = scipy.stats.ttest_ind(x, y, equal_var=equal).confidence_interval(0.95)
    np.testing.assert_allclose(found["low"], both.low, **CLOSE)
    np.testing.assert_allclose(found["high"], both.high, **CLOSE)
    assert values_of(found, "n", "n_first", "n_second")[0].tolist() == [15] * 4
    assert (found["n_first"] == 6).all()
    assert (found["n_second"] == 9).all()


@pytest.mark.parametrize("power", [-1000, -600, 600, 1020])
@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("paired", [True, False])
def test_the_unit_does_not_matter(power, test, paired):
    """Squares, and their squares in Welch's degrees of freedom, would under- and overflow."""
    x, y = draw(5), draw(5, seed=1, shift=0.3)
    expected, unit = stats.compare(x, y, paired=paired, test=test), 2.0**power
    found = stats.compare(unit * x, unit * y, paired=paired, test=test)
    assert float(found["p_value"]) == float(expected["p_value"])
    for part in ("difference", "low", "high"):
        np.testing.assert_array_equal(found[part], unit * expected[part])
    margins = (
        stats.equivalence(x, y, 2.0, paired=paired),
        stats.equivalence(unit * x, unit * y, 2 * unit, paired=paired),
    )
    assert float(margins[0]["p_value"]) == float(margins[1]["p_value"])


def test_labels_stay_where_the_sides_differ_in_a_scalar():
    """As after `sel`: the value that was selected is another on each side, and no label of the difference."""
    runs = labelled(draw(8, 3), case=["a", "b", "c"])
    apart = stats.compare(runs.assign_coords(size=1), runs.assign_coords(size=2), dim="seed", paired=True)
    assert apart["case"].values.tolist() == ["a", "b", "c"]
    assert set(apart.coords) == {"case"}
    whole = runs.to_dataset().assign_coords(l2=("case", [0.0, 1.0, 2.0]))
    gains = stats.compare(whole.drop_sel(case="a"), whole.sel(case="a"), paired=True)
    assert gains["case"].values.tolist() == ["b", "c"]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("paired", [True, False])
def test_a_common_offset_does_not_matter(test, paired):
    """Up to where the runs differ in their last 20 bits only; multiples of 2^-12 are shifted exactly."""
    x, y = np.round(draw(6) * 2**12) / 2**12, np.round(draw(6, seed=1, shift=0.5) * 2**12) / 2**12
    expected = stats.compare(x, y, paired=paired, test=test)
    found = stats.compare(x + 2.0**24, y + 2.0**24, paired=paired, test=test)
    for part in expected:
        np.testing.assert_allclose(found[part], expected[part], rtol=1e-9)


@pytest.mark.parametrize("test", ["permutation", "wilcoxon"])
@pytest.mark.parametrize("paired", [True, False])
def test_ties_of_decimals_are_ties(test, paired):
    """Accuracies in per cent have two decimals; their differences, and sums of these, differ by rounding."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(9740, 9760, 9), rng.integers(9735, 9755, 7 if not paired else 9)
        whole = stats.compare(x, y, paired=paired, test=test, permutations=2000, seed=0)
        cents = stats.compare(x / 100, y / 100, paired=paired, test=test, permutations=2000, seed=0)
        np.testing.assert_allclose(cents["p_value"], whole["p_value"], rtol=1e-12)
        np.testing.assert_allclose(100 * cents["low"], whole["low"], atol=1e-9)


def test_compare_and_paired_difference_agree():
    runs = labelled(draw(8, 3), case=["plain", "l2", "l1"]).to_dataset()
    old = stats.paired_difference(runs, "loss", "seed", "case", "plain")
    new = stats.compare(runs, runs.sel(case="plain"), "loss", paired=True)
    for part in ("difference", "low", "high", "n", "diverged"):
        np.testing.assert_array_equal(old[part], new[part])
    assert new["case"].values.tolist() == ["plain", "l2", "l1"]
    assert float(new["p_value"].sel(case="plain")) == 1.0


# ------------------------------------------------------------------ permutations


def difference_of_means(x, y, axis):
    return x.mean(axis) - y.mean(axis)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("ties", [False, True])
def test_all_permutations_are_scipys(alternative, ties):
    x, y = draw(8, 6, shift=0.5), draw(8, 6, seed=1)
    if ties:
        x, y = np.round(x), np.round(y)
    found = stats.compare(labelled(x), labelled(y), paired=True, test="permutation", alternative=alternative)
    expected = scipy.stats.permutation_test(
        (x - y,), lambda d, axis: d.mean(axis), permutation_type="samples", vectorized=True, n_resamples=np.inf,
        alternative=alternative,
    )  # fmt: skip
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    apart = stats.compare(labelled(x[:6]), labelled(y[:5]), paired=False, test="permutation", alternative=alternative)
    expected = scipy.stats.permutation_test(
        (x[:6], y[:5]), difference_of_means, vectorized=True, n_resamples=np.inf, alternative=alternative
    )
    np.testing.assert_allclose(apart["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_allclose(apart["statistic"], expected.statistic, **CLOSE)


@pytest.mark.parametrize("test", ["permutation", "wilcoxon"])
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("level", [0.6, 0.95])
def test_the_interval_holds_what_the_test_does_not_reject(test, paired, level):
    """Shifted by a little less than an end, the test does not reject; by a little more, it does."""
    n, m = (9, 9) if paired else (7, 6)
    for seed in range(6):
        x, y = draw(n, seed=seed), draw(m, seed=seed + 100)
        settings = {"paired": paired, "test": test, "level": level}
        found = stats.compare(x, y, **settings)
        for end, inwards in ((float(found["low"]), 1e-6), (float(found["high"]), -1e-6)):
            for step, rejected in ((inwards, False), (-inwards, True)):
                p = float(stats.compare(x - (end + step), y, **settings)["p_value"])
                assert (p <= 1 - level) == rejected


def test_drawn_permutations_come_near_all_and_are_never_impossible():
    x, y = draw(12, shift=0.8), draw(12, seed=1)
    settings = {"paired": True, "test": "permutation"}
    exact = stats.compare(x, y, **settings)
    drawn = stats.compare(x, y, **settings, permutations=4000, seed=3)
    p, q = float(exact["p_value"]), float(drawn["p_value"])
    assert abs(p - q) < 4 * 2 * math.sqrt(p / 2 * (1 - p / 2) / 4000) + 2 / 4000
    np.testing.assert_allclose(drawn["low"], exact["low"], atol=0.1)
    sure = stats.compare(x + 100, y, paired=False, test="permutation", permutations=999, seed=0)
    assert float(sure["p_value"]) == pytest.approx(2 / 1000)
    assert float(sure["low"]) > 90
    with pytest.raises(ArgumentError, match="seed = None: must be given, since only 999 of 2704156"):
        stats.compare(x, y, paired=False, test="permutation", permutations=999)


def test_permutation_tests_keep_their_level():
    trials = 2000
    x, y = draw(6, trials, seed=4), draw(6, trials, seed=5)
    for paired in (True, False):
        found = stats.compare(labelled(x), labelled(y), paired=paired, test="permutation", level=0.9)
        rejected, misses = int((found["p_value"] <= 0.1).sum()), int(((found["low"] > 0) | (found["high"] < 0)).sum())
        assert rejected == misses
        assert (rejected - 0.1 * trials) / math.sqrt(trials * 0.09) < 4  # no more often than it may


# ------------------------------------------------------------------ ranks


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("n", "method"), [(6, "exact"), (20, "exact"), (60, "asymptotic")])
def test_signed_ranks_are_scipys(alternative, n, method):
    x, y = draw(n, 4, shift=0.3), draw(n, 4, seed=1)
    found = stats.compare(labelled(x), labelled(y), paired=True, test="wilcoxon", alternative=alternative)
    expected = scipy.stats.wilcoxon(x, y, alternative=alternative, method=method)
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_array_equal(found["statistic"], expected.statistic)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("differences", [[1.0] * 5, [1.0, 0.0, -3.0], [1.0, 2.0, 2.0, -2.0, 0.0, 4.0, 7.0]])
def test_signed_ranks_with_ties_are_scipys(alternative, differences):
    """Of few pairs: the normal distribution has smaller p values than any signs of five pairs can have."""
    found = stats.compare(
        np.array(differences), np.zeros(len(differences)), paired=True, test="wilcoxon", alternative=alternative
    )
    expected = scipy.stats.wilcoxon(differences, alternative=alternative)
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_array_equal(found["statistic"], expected.statistic)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("n", "m", "method"), [(5, 7, "exact"), (30, 20, "exact"), (60, 9, "asymptotic")])
def test_rank_sums_are_scipys(alternative, n, m, method):
    x, y = draw(n, 3, shift=0.3), draw(m, 3, seed=1)
    found = stats.compare(labelled(x), labelled(y), paired=False, test="wilcoxon", alternative=alternative)
    expected = scipy.stats.mannwhitneyu(x, y, alternative=alternative, method=method)
    np.testing.assert_allclose(found["p_value"], expected.pvalue, **CLOSE)
    np.testing.assert_array_equal(found["statistic"], expected.statistic)


def test_hodges_and_lehmanns_estimates():
    x, y = draw(6), draw(7, seed=1)
    apart = stats.compare(x, y, paired=False, test="wilcoxon")
    np.testing.assert_allclose(apart["difference"], np.median([a - b for a in x for b in y]))
    pairs = stats.compare(x, y[:6], paired=True, test="wilcoxon")
    d = x - y[:6]
    walsh = [(d[i] + d[j]) / 2 for i in range(6) for j in range(i, 6)]
    np.testing.assert_allclose(pairs["difference"], np.median(walsh))


@pytest.mark.parametrize(("n", "level"), [(12, 0.95), (50, 0.95), (51, 0.95), (200, 0.9)])
def test_rank_intervals_cover(n, level):
    """Also on either side of where the normal distribution takes over."""
    trials = 300
    x, y = draw(n, trials, seed=2), draw(n, trials, seed=3)
    for paired in (True, False):
        found = stats.compare(labelled(x), labelled(y), paired=paired, test="wilcoxon", level=level)
        covered = int(((found["low"] <= 0) & (found["high"] >= 0)).sum())
        assert abs(covered - level * trials) / math.sqrt(trials * level * (1 - level)) < 4


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("paired", [True, False])
def test_a_cell_alone_is_the_cell_in_the_population(test, paired):
    """Neighbours with ties, zeros and diverged runs change nothing."""
    x, y = draw(9, 4), draw(9, 4, seed=1)
    x[:, 1], y[:, 1] = np.round(x[:, 1]), np.round(y[:, 1])
    x[2, 2] = np.nan
    y[:, 3] = x[:, 3]
    together = stats.compare(labelled(x), labelled(y), paired=paired, test=test, permutations=200, seed=1)
    for case in range(4):
        alone = stats.compare(x[:, case], y[:, case], paired=paired, test=test, permutations=200, seed=1)
        for part in alone:  # a product of matrices rounds as its size has it
            np.testing.assert_allclose(alone[part], together[part].isel(case=case), rtol=1e-14, atol=1e-15)


# ------------------------------------------------------------------ what is left out, and what is given


@pytest.mark.parametrize("test", TESTS)
def test_diverged_runs_are_left_out_and_counted(test):
    x, y = draw(8), draw(8, seed=1)
    marks = np.zeros(8, bool)
    marks[5] = True
    first = xr.Dataset({"loss": ("seed", x.copy()), "diverged": ("seed", marks)})
    first["loss"][5] = 1e30  # it left a finite number behind
    holed = y.copy()
    holed[2] = np.nan
    keep = [0, 1, 3, 4, 6, 7]
    pairs = stats.compare(first, holed, "loss", paired=True, test=test)
    expected = stats.compare(x[keep], y[keep], paired=True, test=test)
    assert (int(pairs["n"]), int(pairs["diverged"])) == (6, 2)
    apart = stats.compare(first, holed, "loss", paired=False, test=test)
    separate = stats.compare(np.delete(x, 5), np.delete(y, 2), paired=False, test=test)
    assert [int(apart[key]) for key in ("n", "n_first", "n_second", "diverged")] == [14, 7, 7, 2]
    for part in ("difference", "low", "high", "p_value"):
        np.testing.assert_allclose(pairs[part], expected[part], rtol=1e-13)
        np.testing.assert_allclose(apart[part], separate[part], rtol=1e-13)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("paired", [True, False])
def test_too_few_runs_say_nothing(test, paired):
    for x, y in (([1.0], [0.0]), ([np.nan, np.nan], [1.0, 2.0]), ([np.inf], [1.0])):
        found = stats.compare(x, y, paired=paired, test=test)
        low, high, p = (float(found[part]) for part in ("low", "high", "p_value"))
        assert (low, high, p) == (-math.inf, math.inf, 1.0)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("paired", [True, False])
def test_runs_without_any_difference(test, paired):
    found = stats.compare([1.0] * 6, [1.0] * 6, paired=paired, test=test)
    assert (float(found["p_value"]), float(found["difference"])) == (1.0, 0.0)
    assert float(found["low"]) <= 0.0 <= float(found["high"])


def test_no_cells_and_no_runs():
    cells, runs = labelled(np.zeros((4, 0))), labelled(np.zeros((0, 2)))
    for test in TESTS:
        for paired in (True, False):
            assert stats.adjust(stats.compare(cells, cells, paired=paired, test=test)).sizes == {"case": 0}
            found = stats.compare(runs, runs, paired=paired, test=test)
            assert ((found["p_value"] == 1) & np.isinf(found["low"]) & (found["n"] == 0)).all()
    assert stats.equivalence(cells, cells, 1.0, paired=True).sizes == stats.iqm(cells, seed=0).sizes == {"case": 0}
    for summary in (stats.iqm(runs, seed=0), stats.quantiles(runs), stats.bootstrap(runs, seed=0)):
        assert (np.isinf(summary["low"]) & (summary["n"] == 0)).all()
    assert stats.table(stats.mean(cells)).count("\n") == 1


def test_a_difference_without_scatter_is_sure():
    found = stats.compare([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], paired=False)
    assert [float(found[part]) for part in ("low", "high", "p_value")] == [1.0, 1.0, 0.0]


def test_lists_arrays_frames_and_labelled_arrays_are_alike():
    x, y = draw(6), draw(6, seed=1)
    expected = stats.compare(x, y, paired=True)
    forms = [
        (x.tolist(), y.tolist(), "seed"),
        (xr.DataArray(x, dims="seed"), y, "seed"),
        (pd.Series(x, name="loss"), pd.Series(y, name="loss"), "index"),
        (pd.DataFrame({"loss": x}), pd.DataFrame({"loss": y}), "index"),
        (xr.Dataset({"loss": ("seed", x)}), xr.Dataset({"loss": ("seed", y)}), "seed"),
    ]
    for first, second, dim in forms:
        found = stats.compare(first, second, dim=dim, paired=True)
        for part in expected:
            np.testing.assert_array_equal(found[part], expected[part])
    several = stats.compare(np.stack([x, y], axis=1), y, paired=True)  # the leading axis holds the runs
    assert several["p_value"].dims == ("axis_1",)
    assert float(several["p_value"][0]) == float(expected["p_value"])
    frame = pd.DataFrame({"a": x, "b": y})
    assert stats.mean(frame, "b", "index")["mean"] == pytest.approx(y.mean())
    assert stats.mean(x)["mean"] == pytest.approx(x.mean())


def test_seeds_must_be_shared_to_be_paired():
    first = labelled(draw(4, 2), seed=[0, 1, 2, 3])
    second = labelled(draw(4, 2, seed=1), seed=[0, 1, 2, 4])
    with pytest.raises(ArgumentError, match=r"second.*labels of `first`.*paired=False"):
        stats.compare(first, second, paired=True)
    assert (stats.compare(first, second, paired=False)["n"] == 8).all()
    with pytest.raises(ArgumentError, match="labels of `first`"):
        stats.compare([1.0, 2.0], [1.0, 2.0, 3.0], paired=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": "u"}, "test = 'u': must be one of t, pooled_t, permutation, wilcoxon"),
        ({"alternative": "more"}, "alternative"),
        ({"level": 1.5}, "level"),
        ({"permutations": 0}, "permutations"),
        ({"seed": -1}, "seed"),
        ({"dim": "sed"}, "dim = 'sed'"),
        ({"name": "lose"}, "Known: loss"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, message):
    runs = xr.Dataset({"loss": ("seed", draw(5))})
    with pytest.raises(ArgumentError, match=message):
        # The tests' type checker would refuse the literals before jaxreg does.
        stats.compare.__wrapped__(runs, runs, **({"paired": True} | changes))


# ------------------------------------------------------------------ equivalence


def test_equivalence_is_statsmodels():
    x, y = draw(9, shift=0.1), draw(9, seed=1)
    for low, high in ((-0.5, 0.5), (-0.1, 1.2)):
        found = stats.equivalence(x, y, (low, high), paired=True)
        p, above, below = ttost_paired(x, y, low, high)
        np.testing.assert_allclose(values_of(found, "p_value", "p_above", "p_below"), [p, above[1], below[1]], **CLOSE)
        for pooled, kind in ((True, "pooled"), (False, "unequal")):
            found = stats.equivalence(x[:6], 2 * y, (low, high), paired=False, pooled=pooled)
            p, above, below = ttost_ind(x[:6], 2 * y, low, high, usevar=kind)
            np.testing.assert_allclose(
                values_of(found, "p_value", "p_above", "p_below"), [p, above[1], below[1]], **CLOSE
            )


@pytest.mark.parametrize("paired", [True, False])
def test_equivalent_is_when_the_interval_lies_inside(paired):
    x, y = labelled(draw(12, 40, shift=0.1)), labelled(draw(12, 40, seed=1))
    found = stats.equivalence(x, y, 0.8, paired=paired, level=0.9)
    inside = (found["low"] >= -0.8) & (found["high"] <= 0.8)
    np.testing.assert_array_equal(found["equivalent"], inside)
    assert 0 < int(inside.sum()) < 40
    same = stats.compare(x, y, paired=paired, level=0.8)
    np.testing.assert_allclose(found["low"], same["low"], **CLOSE)


def test_equivalence_is_never_wrong_by_too_few_runs():
    found = stats.equivalence([1.0], [1.0], 0.1, paired=True)
    assert (float(found["p_value"]), bool(found["equivalent"]), int(found["n"])) == (1.0, False, 1)
    with pytest.raises(ArgumentError, match="margin"):
        stats.equivalence([1.0, 2.0], [1.0, 2.0], -0.1, paired=True)
    with pytest.raises(ArgumentError, match="level"):
        stats.equivalence([1.0, 2.0], [1.0, 2.0], 0.1, paired=True, level=0.5)

"""Statistics against SciPy's, hand computation and simulations of known truth."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import xarray as xr

from jaxreg import stats
from jaxreg.errors import ArgumentError
from jaxreg.stats.variance import full_grid


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def parts(summary, *names):
    return [summary[name].values for name in names]


def grid_of(values, **more):
    """A sweep over two seed axes and a learning rate."""
    dims = ("init_seed", "order_seed", "rate")[: values.ndim]
    return xr.Dataset({"loss": (dims, values)} | more)


# ------------------------------------------------------------------ mean


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_mean_agrees_with_scipy(level):
    values = draw(7, 3) + 5
    summary = stats.mean(xr.Dataset({"loss": (("seed", "rate"), values)}), "loss", dim="seed", level=level)
    expected = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(level)
    np.testing.assert_allclose(summary["mean"], values.mean(0), rtol=1e-14)
    np.testing.assert_allclose(summary["low"], expected.low, rtol=1e-12)
    np.testing.assert_allclose(summary["high"], expected.high, rtol=1e-12)
    assert summary["mean"].dims == ("rate",)


def test_mean_over_several_dimensions_is_the_mean_of_all():
    values = draw(4, 5, 3)
    summary = stats.mean(grid_of(values), "loss", dim=("order_seed", "init_seed"))
    flat = stats.mean(xr.Dataset({"loss": (("run", "rate"), values.reshape(20, 3))}), "loss", dim="run")
    for name in ("mean", "low", "high", "n"):
        np.testing.assert_allclose(summary[name], flat[name], rtol=1e-12)
    assert (summary["n"] == 20).all()


def test_interval_of_the_mean_covers_at_its_level():
    trials = 4000
    data = xr.Dataset({"loss": (("seed", "trial"), draw(6, trials, seed=1) * 3 + 2)})
    summary = stats.mean(data, "loss", dim="seed", level=0.9)
    covered = ((summary["low"] <= 2) & (summary["high"] >= 2)).values.sum()
    assert abs(covered - 0.9 * trials) / np.sqrt(trials * 0.9 * 0.1) < 4


def test_float32_is_summed_in_float64():
    values = (1e4 + draw(100_000)).astype(np.float32)
    summary = stats.mean(xr.Dataset({"loss": ("seed", values)}), "loss", dim="seed")
    assert float(summary["mean"]) == pytest.approx(values.astype(np.float64).mean(), rel=1e-13)


def test_coordinates_of_what_remains_are_kept_and_the_summary_says_what_it_is():
    coords = {"rate": [0.1, 0.3], "seed": [5, 6, 7]}
    data = xr.Dataset({"loss": (("rate", "seed"), draw(2, 3))}, coords)
    summary = stats.mean(data, "loss", dim="seed", level=0.9)
    assert list(summary.coords) == ["rate"]
    np.testing.assert_array_equal(summary["rate"], [0.1, 0.3])
    assert list(summary.data_vars) == ["mean", "low", "high", "n", "diverged"]
    expected = {"variable": "loss", "over": "seed", "interval": "90 % Student t interval of the mean"}
    assert summary.attrs == expected


# ------------------------------------------------------------------ diverged, missing and few runs


def test_diverged_runs_are_left_out_and_counted():
    values = draw(6, 2)
    diverged = np.zeros((6, 2), bool)
    diverged[[0, 3], 0] = True
    values[0, 0], values[3, 0] = 1e30, np.nan  # one diverged run left a finite number behind
    data = xr.Dataset({"loss": (("seed", "rate"), values), "diverged": (("seed", "rate"), diverged)})
    summary = stats.mean(data, "loss", dim="seed")
    np.testing.assert_array_equal(summary["n"], [4, 6])
    np.testing.assert_array_equal(summary["diverged"], [2, 0])
    np.testing.assert_allclose(summary["mean"], [values[[1, 2, 4, 5], 0].mean(), values[:, 1].mean()], rtol=1e-13)
    band = stats.quantiles(data, "loss", dim="seed")
    np.testing.assert_allclose(band["median"][0], np.median(values[[1, 2, 4, 5], 0]), rtol=1e-13)
    np.testing.assert_array_equal(band["diverged"], [2, 0])


def test_diverged_marks_hold_along_trailing_dimensions():
    values = draw(4, 3)
    data = xr.Dataset({"loss": (("seed", "step"), values), "diverged": ("seed", [False, True, False, False])})
    summary = stats.mean(data, "loss", dim="seed")
    np.testing.assert_array_equal(summary["n"], [3, 3, 3])
    np.testing.assert_allclose(summary["mean"], values[[0, 2, 3]].mean(0), rtol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_without_marks_a_value_that_is_not_finite_counts_as_diverged(bad):
    data = xr.Dataset({"loss": ("seed", [1.0, bad, 3.0])})
    for summary in (stats.mean(data, "loss"), stats.median(data, "loss"), stats.quantiles(data, "loss")):
        assert int(summary["n"]) == 2
        assert int(summary["diverged"]) == 1
        assert float(summary[next(iter(summary))]) == 2.0


def test_what_does_not_exist_is_neither_used_nor_counted():
    """A store read while the sweep runs, and the padding of a ragged dimension."""
    data = xr.Dataset(
        {
            "loss": (("seed", "batch", "step"), [[[1.0, 2.0], [3.0, np.nan]], [[5.0, 7.0], [9.0, np.nan]]] * 2),
            "fate": ("seed", [1, 1, 0, 0]),
            "step_valid": (("batch", "step"), [[True, True], [True, False]]),
            "done": ("seed", [True, True, True, False]),
            "diverged": ("seed", [False, False, False, False]),
        }
    )
    summary = stats.mean(data, "loss", dim="seed")
    np.testing.assert_array_equal(summary["n"], [[3, 3], [3, 0]])
    np.testing.assert_array_equal(summary["diverged"], 0)
    share = stats.proportion(data, "fate", dim="seed", count_diverged=True)
    assert (int(share["n"]), float(share["proportion"])) == (3, 2 / 3)
    pairs = stats.paired_difference(data, "loss", "seed", axis="step", baseline=0)
    np.testing.assert_array_equal(pairs["n"], [[3, 3], [3, 0]])
    np.testing.assert_array_equal(pairs["diverged"], 0)


def test_too_few_runs_give_an_infinite_interval_never_nan():
    data = xr.Dataset({"loss": (("seed", "rate"), [[1.0, np.nan, 2.0], [3.0, np.nan, np.nan]])})
    for summary in (stats.mean(data, "loss"), stats.quantiles(data, "loss")):
        centre, low, high, n = parts(summary, next(iter(summary)), "low", "high", "n")
        np.testing.assert_array_equal(n, [2, 0, 1])
        np.testing.assert_array_equal(np.isinf(low), [False, True, True])
        assert (low <= high).all()
        np.testing.assert_array_equal(centre, [2.0, np.nan, 2.0])
    share = stats.proportion(data, "loss", "seed", value=1.0)
    np.testing.assert_array_equal(share["proportion"], [0.5, np.nan, 0.0])
    assert (float(share["low"][1]), float(share["high"][1])) == (0.0, 1.0)


# ------------------------------------------------------------------ median


def test_interval_of_the_median_lies_between_the_runs_that_cover_it():
    """The widest of fewer ranks: one run further in, it would miss its level."""
    for n in (6, 20, 101):
        summary = stats.median(np.append(np.arange(n), np.nan))
        middle, low, high, size, left_out = parts(summary, "median", "low", "high", "n", "diverged")
        assert (middle, low + high, size, left_out) == ((n - 1) / 2, n - 1, n, 1)
        assert 2 * scipy.stats.binom.cdf(int(low), n, 0.5) <= 0.05 < 2 * scipy.stats.binom.cdf(int(low) + 1, n, 0.5)
    runs = xr.Dataset({"loss": (("seed", "trial"), np.random.default_rng(1).exponential(size=(40, 500)))})
    summary = stats.median(runs, "loss")
    assert summary["median"].dims == ("trial",)
    assert ((summary["low"] < np.log(2)) & (np.log(2) < summary["high"])).mean() > 0.94


@pytest.mark.parametrize("n", [0, 1, 5])
def test_of_too_few_runs_the_median_has_no_interval(n):
    summary = stats.median(xr.Dataset({"loss": ("seed", np.arange(float(n)))}), "loss")
    assert parts(summary, "low", "high") == [-np.inf, np.inf]
    assert float(summary["median"]) == (n - 1) / 2 if n else np.isnan(summary["median"])


# ------------------------------------------------------------------ quantiles


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    values=hnp.arrays(float, st.integers(2, 12), elements=st.floats(-1e6, 1e6)),
    low=st.floats(0, 0.5, exclude_max=True),
    holes=st.integers(0, 3),
)
def test_quantiles_are_numpys(values, low, holes):
    mixed = np.random.default_rng(holes).permutation(np.concatenate([values, np.full(holes, np.nan)]))
    summary = stats.quantiles(xr.Dataset({"loss": ("seed", mixed)}), "loss", "seed", band=(low, 1 - low))
    expected = np.quantile(values, [0.5, low, 1 - low])
    np.testing.assert_allclose([float(v) for v in parts(summary, "median", "low", "high")], expected, atol=1e-6)
    assert int(summary["diverged"]) == holes


# ------------------------------------------------------------------ proportions


@pytest.mark.parametrize("n", [1, 2, 7, 50])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_interval_is_scipys(n, level):
    values = np.arange(n)[:, None] < np.arange(n + 1)  # 0, 1, …, n of n are true
    summary = stats.proportion(xr.Dataset({"escaped": (("seed", "k"), values)}), "escaped", "seed", level=level)
    for k in range(n + 1):
        expected = scipy.stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert float(summary["low"][k]) == pytest.approx(expected.low, abs=1e-14)
        assert float(summary["high"][k]) == pytest.approx(expected.high, abs=1e-14)
        assert float(summary["proportion"][k]) == k / n


def test_wilson_interval_covers_near_its_level():
    rng = np.random.default_rng(3)
    data = xr.Dataset({"escaped": (("seed", "trial"), rng.random((40, 5000)) < 0.1)})
    summary = stats.proportion(data, "escaped", "seed")
    covered = float(((summary["low"] <= 0.1) & (summary["high"] >= 0.1)).mean())
    k = np.arange(41)
    bounds = [scipy.stats.binomtest(int(i), 40).proportion_ci(method="wilson") for i in k]
    inside = np.array([b.low <= 0.1 <= b.high for b in bounds])
    exact = scipy.stats.binom.pmf(k, 40, 0.1)[inside].sum()
    assert abs(covered - exact) / np.sqrt(exact * (1 - exact) / 5000) < 4


def test_categories_and_divergence_as_an_outcome():
    data = xr.Dataset(
        {
            "fate": ("seed", [0, 1, 1, 3, 3, 2]),
            "reached": ("seed", [1.0, 1.0, 0.0, np.nan, np.nan, 0.0]),
            "diverged": ("seed", [False, False, False, True, True, False]),
        }
    )

    def ask(name, **options):
        summary = stats.proportion(data, name, "seed", **options)
        return float(summary["proportion"]), int(summary["n"]), int(summary["diverged"])

    assert ask("fate", value=1) == (0.5, 4, 2)
    assert ask("fate", value=1, count_diverged=True) == (2 / 6, 6, 2)
    assert ask("fate", value=3, count_diverged=True) == (2 / 6, 6, 2)
    assert ask("fate", value=3) == (0.0, 4, 2)
    assert ask("reached") == (0.5, 4, 2)
    assert ask("reached", count_diverged=True) == (2 / 6, 6, 2)
    assert ask("diverged") == (2 / 6, 6, 0)
    fates = [ask("fate", value=fate, count_diverged=True)[0] for fate in range(4)]
    assert sum(fates) == pytest.approx(1.0)


def test_other_values_than_zero_and_one_need_a_category():
    with pytest.raises(ArgumentError, match="zeros and ones"):
        stats.proportion(xr.Dataset({"fate": ("seed", [0, 1, 2])}), "fate", "seed")


# ------------------------------------------------------------------ paired differences


def test_paired_difference_agrees_with_scipy():
    common, own = draw(9, 1) * 10, draw(9, 3, seed=1)
    values = common + own
    data = xr.Dataset({"loss": (("seed", "rate"), values)}, {"rate": np.float32([0.01, 0.1, 1.0])})
    summary = stats.paired_difference(data, "loss", dim="seed", axis="rate", baseline=0.1)
    for i in (0, 2):
        expected = scipy.stats.ttest_rel(values[:, i], values[:, 1]).confidence_interval(0.95)
        assert float(summary["low"][i]) == pytest.approx(expected.low, rel=1e-12)
        assert float(summary["high"][i]) == pytest.approx(expected.high, rel=1e-12)
    np.testing.assert_array_equal([v[1] for v in parts(summary, "difference", "low", "high")], 0.0)
    unpaired = stats.mean(data, "loss", "seed")
    assert float((summary["high"] - summary["low"])[0]) < 0.2 * float((unpaired["high"] - unpaired["low"])[0])


def test_pairs_with_a_diverged_member_are_dropped_and_counted():
    values = draw(5, 3)
    values[0, 1] = np.nan  # the baseline of seed 0
    values[2, 2] = np.inf
    data = xr.Dataset({"loss": (("seed", "case"), values)}, {"case": ["a", "base", "b"]})
    summary = stats.paired_difference(data, "loss", dim="seed", axis="case", baseline="base")
    np.testing.assert_array_equal(summary["n"], [4, 4, 3])
    np.testing.assert_array_equal(summary["diverged"], [1, 1, 2])
    expected = (values[[1, 3, 4], 2] - values[[1, 3, 4], 1]).mean()
    assert float(summary["difference"].sel(case="b")) == pytest.approx(expected)


def test_pairs_over_two_seed_axes_and_other_dimensions():
    values = draw(3, 4, 2, 5)
    data = xr.Dataset({"loss": (("a", "case", "b", "step"), values)}, {"case": [1, 2, 4, 8]})
    summary = stats.paired_difference(data, "loss", dim=("a", "b"), axis="case", baseline=4)
    assert summary["difference"].dims == ("case", "step")
    expected = (values - values[:, [2]]).mean((0, 2))
    np.testing.assert_allclose(summary["difference"], expected, atol=1e-14)


# ------------------------------------------------------------------ variance components


def test_components_of_a_small_table_by_hand():
    """Rows 1 2 6 / 3 4 8, whose means are 3 and 5, columns 2, 3, 7, all 4; no interaction; plus 1 in one corner."""
    table = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 9.0]])
    summary = stats.variance_components(grid_of(table), "loss", dims=("init_seed", "order_seed"))
    # Means: rows 3, 16/3; columns 2, 3, 7.5; all 25/6. Sums of squares: rows 49/6, columns 103/3, residual 1/3.
    rows, columns, residual = 49 / 6 / 1, 103 / 3 / 2, 1 / 3 / 2
    expected = [(rows - residual) / 3, (columns - residual) / 2, residual]
    np.testing.assert_allclose(summary["variance"], expected, rtol=1e-12)
    np.testing.assert_array_equal(summary["degrees"], [1, 2, 2])
    np.testing.assert_allclose(summary["share"], np.array(expected) / sum(expected), rtol=1e-12)
    error = np.sqrt(2 * rows**2 / 3 + 2 * residual**2 / 4) / 3
    assert float(summary["standard_error"][0]) == pytest.approx(error, rel=1e-12)
    assert list(summary["component"].values) == ["init_seed", "order_seed", "residual"]
    assert int(summary["n"]) == 6


def simulate(sizes, variances, trials, seed):
    """Crossed random effects: one normal effect per subset of axes, trials along the last dimension."""
    rng = np.random.default_rng(seed)
    total = np.zeros((*sizes, trials))
    for subset, variance in variances.items():
        shape = [size if i in subset else 1 for i, size in enumerate(sizes)]
        total = total + np.sqrt(variance) * rng.normal(size=(*shape, trials))
    return total


@pytest.mark.parametrize(
    ("sizes", "variances"),
    [
        ((5, 4), {(0,): 4.0, (1,): 0.5, (0, 1): 1.0}),
        ((5, 4), {(0,): 0.0, (1,): 2.0, (0, 1): 1.0}),
        (
            (4, 3, 5),
            {(0,): 2.0, (1,): 0.5, (2,): 1.0, (0, 1): 0.3, (0, 2): 1.5, (1, 2): 0.7, (0, 1, 2): 0.4},
        ),
    ],
)
def test_components_are_unbiased_and_so_is_their_squared_error(sizes, variances):
    trials, dims = 3000, ("a", "b", "c")[: len(sizes)]
    values = simulate(sizes, variances, trials, seed=5)
    summary = stats.variance_components(xr.Dataset({"loss": ((*dims, "trial"), values)}), "loss", dims=dims)
    variance, error = parts(summary, "variance", "standard_error")
    truth = np.array(list(variances.values()))
    z = (variance.mean(1) - truth) / (variance.std(1) / np.sqrt(trials))
    assert np.abs(z).max() < 4
    deviation = (variance - truth[:, None]) ** 2 - error**2  # mean 0: the standard error tells the truth
    z = deviation.mean(1) / (deviation.std(1) / np.sqrt(trials))
    assert np.abs(z).max() < 4


def test_three_axes_name_every_interaction():
    data = xr.Dataset({"loss": (("a", "b", "c"), draw(2, 3, 2))})
    summary = stats.variance_components(data, "loss", dims=("a", "b", "c"))
    expected = ["a", "b", "c", "a × b", "a × c", "b × c", "residual"]
    assert list(summary["component"].values) == expected


def test_a_negative_estimate_is_reported_and_has_no_share():
    table = np.array([[0.0, 1.0], [1.0, 0.0]])  # nothing but interaction
    summary = stats.variance_components(grid_of(table), "loss", dims=("init_seed", "order_seed"))
    np.testing.assert_allclose(summary["variance"], [-0.5, -0.5, 1.0])
    np.testing.assert_allclose(summary["share"], [0.0, 0.0, 1.0])
    constant = stats.variance_components(grid_of(np.ones((2, 2))), "loss", dims=("init_seed", "order_seed"))
    np.testing.assert_array_equal(constant["share"], 0.0)


def test_diverged_runs_cost_whole_levels_and_the_summary_says_so():
    values = draw(4, 3, 2)
    holed = values.copy()
    holed[1, :2, 0] = np.nan  # at the first rate, init seed 1 diverged twice
    summary = stats.variance_components(grid_of(holed), "loss", dims=("init_seed", "order_seed"))
    np.testing.assert_array_equal(summary["n"], [9, 12])
    np.testing.assert_array_equal(summary["diverged"], [2, 0])
    np.testing.assert_array_equal(summary["dropped"], [1, 0])
    without = stats.variance_components(grid_of(values[[0, 2, 3]]), "loss", dims=("init_seed", "order_seed"))
    whole = stats.variance_components(grid_of(values), "loss", dims=("init_seed", "order_seed"))
    np.testing.assert_allclose(summary["variance"][:, 0], without["variance"][:, 0], rtol=1e-12)
    np.testing.assert_allclose(summary["variance"][:, 1], whole["variance"][:, 1], rtol=1e-12)
    np.testing.assert_array_equal(summary["degrees"][:, 0], [2, 2, 4])


def test_too_few_full_levels_are_no_estimate():
    table = np.array([[1.0, np.nan], [np.nan, 2.0]])
    summary = stats.variance_components(grid_of(table), "loss", dims=("init_seed", "order_seed"))
    assert summary["variance"].isnull().all()
    assert np.isposinf(summary["standard_error"]).all()
    assert [int(summary[name]) for name in ("n", "diverged", "dropped")] == [0, 2, 2]


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))))
def test_levels_kept_span_a_full_grid(valid):
    levels = full_grid(valid)
    assert valid[np.ix_(*levels)].all()
    if valid.all():
        assert [list(level) for level in levels] == [list(range(size)) for size in valid.shape]


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(st.integers(2, 6), st.integers(2, 6), st.data())
def test_holes_cost_as_few_levels_as_can_be(rows, columns, data):
    valid = np.ones((rows, columns), bool)
    valid[data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))] = False
    kept = [level.size for level in full_grid(valid)]
    assert kept[0] * kept[1] == max((rows - 1) * columns, rows * (columns - 1))  # one hole: the cheaper level
    dead = data.draw(st.sets(st.integers(0, rows - 1)))
    valid = ~np.isin(np.arange(rows), list(dead))[:, None] & np.ones((rows, columns), bool)
    kept = [level.size for level in full_grid(valid)]
    assert kept[0] == rows - len(dead)  # whole rows: these and no other, unless nothing lives
    assert len(dead) == rows or kept[1] == columns


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: stats.mean(d, "lose", "seed"), "lose.*Known: loss"),
        (lambda d: stats.mean(d, "loss", "sed"), "sed.*Known: seed, rate"),
        (lambda d: stats.mean(d, "loss", ("seed", "seed")), "different"),
        (lambda d: stats.mean(d, "loss", ()), "one or more"),
        (lambda d: stats.mean(d, "loss", "seed", level=95.0), r"level = 95\.0"),
        (lambda d: stats.mean(d, "loss", "seed", level=float("nan")), "level = nan"),
        (lambda d: stats.mean(d, "label", "seed"), "real numbers"),
        (lambda d: stats.quantiles(d, "loss", "seed", band=(0.9, 0.1)), "band"),
        (lambda d: stats.median(d, "loss", "seed", level=1.0), "level"),
        (lambda d: stats.proportion(d, "loss", "seed", level=0.0), "level"),
        (lambda d: stats.paired_difference(d, "loss", "seed", axis="seed", baseline=0), "axis = 'seed'.*Known: rate"),
        (lambda d: stats.paired_difference(d, "loss", "seed", axis="rate", baseline=0.2), r"0\.2.*Known: 0\.1, 0\.3"),
        (lambda d: stats.paired_difference(d, "loss", "seed", axis="rate", baseline="x"), "baseline = 'x'"),
        (lambda d: stats.variance_components(d, "loss", dims=("seed",)), "two or more axes"),
        (lambda d: stats.variance_components(d, "loss", dims=("seed", "one")), "one.*Known"),
        (lambda d: stats.variance_components(d.isel(rate=[0]), "loss", dims=("seed", "rate")), r"\(3, 1\)"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    data = xr.Dataset({"loss": (("seed", "rate"), draw(3, 2)), "label": ("seed", list("abc"))}, {"rate": [0.1, 0.3]})
    with pytest.raises(ArgumentError, match=message):
        call(data)


def test_labelled_arrays_and_frames_are_taken():
    import pandas as pd

    runs = xr.Dataset({"loss": ("seed", [1.0, 2.0, 4.0])})
    expected = stats.mean(runs, "loss", dim="seed")
    for table in (runs["loss"], xr.DataArray([1.0, 2.0, 4.0], dims="seed")):
        assert stats.mean(table, "loss", dim="seed").identical(expected)
    frame = pd.DataFrame({"loss": [1.0, 2.0, 4.0]})
    assert float(stats.mean(frame, "loss", dim="index")["mean"]) == float(expected["mean"])
    assert float(stats.mean(frame["loss"], "loss", dim="index")["high"]) == float(expected["high"])

"""Adjusted p values against statsmodels and SciPy, their error rates, and the claims of a study."""

import json
import math

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from jaxreg import claims, stats
from jaxreg.claims import Above, Below, Claim, Inside, Verdict
from jaxreg.errors import ArgumentError

METHODS = {"holm": "holm", "benjamini_hochberg": "fdr_bh"}
p_values = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1) | st.sampled_from([0.0, 0.01, 1.0]))


@hypothesis.settings(max_examples=30)
@hypothesis.given(p_values, st.sampled_from(sorted(METHODS)))
def test_adjusted_p_values_are_statsmodels(p, method):
    found = stats.adjust(p, method)
    rejected, expected, *_ = multipletests(p, 0.05, METHODS[method])
    np.testing.assert_allclose(found["adjusted"], expected, rtol=1e-12, atol=0)
    unclear = np.isclose(expected, 0.05, rtol=1e-10)
    np.testing.assert_array_equal(found["significant"][~unclear], rejected[~unclear])
    if method == "benjamini_hochberg":
        np.testing.assert_allclose(found["adjusted"], scipy.stats.false_discovery_control(p), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_comparison_does_not_count(method):
    p = np.array([0.04, np.nan, 0.01, np.nan, 0.03])
    found = stats.adjust(p, method)
    alone = stats.adjust(p[~np.isnan(p)], method)
    np.testing.assert_array_equal(found["adjusted"][~np.isnan(p)], alone["adjusted"])
    assert np.isnan(found["adjusted"][np.isnan(p)]).all()
    assert not found["significant"][np.isnan(p)].any()


def test_families_are_along_the_named_dimensions():
    p = xr.DataArray(np.random.default_rng(0).uniform(size=(4, 3)), dims=("case", "rate"), name="p_value")
    along = stats.adjust(p, "holm", dim="case")
    for rate in range(3):
        np.testing.assert_array_equal(along["adjusted"][:, rate], stats.adjust(p[:, rate].values)["adjusted"])
    together = stats.adjust(p)
    np.testing.assert_array_equal(together["adjusted"].values.ravel(), stats.adjust(p.values.ravel())["adjusted"])
    assert together["adjusted"].dims == ("case", "rate")


def test_a_comparison_keeps_what_it_has():
    runs = xr.Dataset({"x": (("seed", "case"), np.random.default_rng(0).normal(size=(6, 3)))}, {"case": list("abc")})
    compared = stats.compare(runs.sel(case=["b", "c"]), runs.sel(case="a"), "x", paired=True)
    found = stats.adjust(compared)
    assert found.drop_vars(["adjusted", "significant"]).equals(compared)
    np.testing.assert_allclose(found["adjusted"], multipletests(compared["p_value"], method="holm")[1], rtol=1e-12)


def test_arrays_lists_frames_and_dictionaries_are_alike():
    p = [0.01, 0.02, 0.9]
    expected = stats.adjust(p)["adjusted"].values
    series = pd.Series(p, index=["a", "b", "c"])
    for given in (np.array(p), series, pd.DataFrame({"p_value": p}), {"a": 0.01, "b": 0.02, "c": 0.9}):
        np.testing.assert_array_equal(stats.adjust(given)["adjusted"], expected)
    assert float(stats.adjust({"a": 0.01, "b": 0.02})["adjusted"].sel(comparison="a")) == 0.02


def test_holm_keeps_the_error_of_the_family():
    p = np.random.default_rng(0).uniform(size=(4000, 6))
    found = stats.adjust(xr.DataArray(p, dims=("study", "claim")), dim="claim", level=0.9)
    wrong = int(found["significant"].any("claim").sum())
    assert (wrong - 0.1 * 4000) / math.sqrt(4000 * 0.09) < 4
    assert wrong > 300  # near the level, not far below


@pytest.mark.parametrize(
    ("given", "message"),
    [([0.1, 1.5], "p_values"), ([-0.1], "p_values"), ({}, "names"), (xr.Dataset({"x": 1.0}), "must have p_value")],
)
def test_what_is_no_p_value_is_refused(given, message):
    with pytest.raises(ArgumentError, match=message):
        stats.adjust(given)
    with pytest.raises(ArgumentError, match="Known: comparison"):
        stats.adjust([0.1], dim="case")


# ------------------------------------------------------------------ claims


def claim(i):
    return Claim(f"Claim {i}", "T", lambda dataset: None, Above(0))


def verdict(effect, interval, n, bound):
    return Verdict(effect, interval, n, bound=bound)


def judged(*verdicts):
    return [(claim(i), verdict) for i, verdict in enumerate(verdicts)]


def of(values, bound, level=0.95):
    return against(claims.estimate(stats.mean(values, level=level)), bound)


def against(estimate, bound):
    return verdict(estimate.effect, estimate.interval, estimate.n, bound)


def test_p_values_of_claims_are_those_of_the_t_tests():
    x = np.random.default_rng(0).normal(size=(5, 9)) + np.array([[0.0], [0.7], [1.5], [-1.2], [0.3]])
    for values in x:
        two = scipy.stats.ttest_1samp(values, 0.2).pvalue
        sides = [scipy.stats.ttest_1samp(values, b, alternative=a).pvalue for b, a in ((-1, "greater"), (1, "less"))]
        found = stats.adjust_claims(
            judged(of(values, Above(0.2)), of(values, Below(0.2)), of(values, Inside(-1.0, 1.0)))
        )
        outside = min(
            scipy.stats.ttest_1samp(values, b, alternative=a).pvalue for b, a in ((-1, "less"), (1, "greater"))
        )
        np.testing.assert_allclose(found["p_value"], [two, two, 2 * min(max(sides), outside)], rtol=1e-10)


@pytest.mark.parametrize("scale", [claims.estimate, claims.percentage])
@pytest.mark.parametrize(("k", "n"), [(0, 30), (7, 30), (29, 30), (400, 400), (1, 1)])
def test_p_values_of_claims_about_shares_are_those_of_the_score_test(scale, k, n):
    """Near 0 and 1 Wilson's intervals widen as z², not as z."""
    hits = np.arange(n) < k
    unit = 1.0 if scale is claims.estimate else 100.0
    summary = scale(stats.proportion(hits))
    for bound in (0.02, 0.2, 0.5, 0.9, 0.9777):
        found = stats.adjust_claims(
            judged(against(summary, Above(unit * bound)), against(summary, Below(unit * bound)))
        )
        _, p = proportions_ztest(k, n, bound, prop_var=bound)
        np.testing.assert_allclose(found["p_value"], [p, p], rtol=1e-9)
    sure = stats.adjust_claims(judged(against(summary, Above(0.0)), against(summary, Below(2 * unit))))
    assert sure["p_value"].values.tolist() == [0.0 if k else 1.0, 0.0]
    assert sure["adjusted_status"].values.tolist() == ["holds" if k else "undecided", "holds"]


@pytest.mark.parametrize("kind", [Above, Below, Inside])
def test_one_claim_is_judged_as_before(kind):
    """At its own level, the p value says what the interval said, for intervals of any shape."""
    rng, verdicts = np.random.default_rng(1), []
    for _ in range(300):
        low, effect, high = np.sort(rng.normal(size=3)).tolist()
        bound = float(rng.normal())
        ends = (bound, bound + 1.0) if kind is Inside else (bound,)
        verdicts.append(verdict(effect, (low, high), 7, kind(*ends)))
    found = stats.adjust_claims(judged(*verdicts))
    np.testing.assert_array_equal(found["p_value"] <= 0.05, [v.status != "undecided" for v in verdicts])
    for one in verdicts[:20]:
        assert stats.adjust_claims(judged(one))["adjusted_status"].item() == one.status


def test_many_claims_decide_less():
    verdicts = [verdict(1.0, (low, 2.0 - low), 20, Above(0)) for low in (0.02, 0.1, 0.5)]
    verdicts += [verdict(1.0, (0.5, 1.5), 20, Below(0)), verdict(math.nan, (-math.inf, math.inf), 0, Above(0))]
    found = stats.adjust_claims(judged(*verdicts))
    expected = multipletests(found["p_value"].values[:4], method="holm")[1]
    np.testing.assert_allclose(found["adjusted"][:4], expected, rtol=1e-12)
    assert found["status"].values.tolist() == ["holds", "holds", "holds", "fails", "undecided"]
    assert found["adjusted_status"].values.tolist() == ["undecided", "undecided", "holds", "fails", "undecided"]
    assert math.isnan(found["p_value"][4])
    assert found["claim"].values.tolist() == [f"Claim {i}" for i in range(5)]


def test_a_ledger_read_from_json_says_the_same():
    verdicts = [
        verdict(1.0, (0.2, 1.9), 9, Above(0)),
        verdict(0.0, (-0.5, 0.6), 9, Inside(-1.0, 1.0)),
        verdict(0.0, (-math.inf, math.inf), 1, Below(0)),
    ]
    pairs = judged(*verdicts)
    rows = json.loads(json.dumps(claims.ledger(pairs), allow_nan=False))
    assert [row["bounds"] for row in rows] == [[0.0, None], [-1.0, 1.0], [None, 0.0]]
    assert stats.adjust_claims(rows).identical(stats.adjust_claims(pairs))


def test_rows_without_bounds_keep_their_status():
    """They are of a ledger from before bounds were written down."""
    pairs = judged(verdict(1.0, (1.0, 1.0), 3, Above(0)), verdict(1.0, (1.0, 1.0), 3, Below(0)))
    np.testing.assert_array_equal(stats.adjust_claims(pairs)["p_value"], [0.0, 0.0])
    old = [{key: value for key, value in row.items() if key != "bounds"} for row in claims.ledger(pairs)]
    found = stats.adjust_claims(old)
    assert np.isnan(found["p_value"]).all()
    assert found["adjusted_status"].values.tolist() == ["holds", "fails"]


@pytest.mark.parametrize("bad", ["text", [1], [{"claim": "x"}], {"claim": "x"}])
def test_what_is_no_ledger_is_refused(bad):
    with pytest.raises(ArgumentError, match="claims"):
        stats.adjust_claims.__wrapped__(bad)

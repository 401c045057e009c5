"""Verdicts, the error rate behind them, and the ledger."""

import json
import math

import hypothesis
import hypothesis.strategies as st
import jaxtyping
import numpy as np
import pytest
import xarray as xr

from jaxreg import claims, stats
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, Verdict, estimate, exactly, find_claim, reconsider
from jaxreg.errors import ArgumentError

numbers = st.floats(-1e3, 1e3)
intervals = st.tuples(numbers, numbers).map(sorted).map(tuple)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.1, 2.0), ("holds", "fails")),
        ((1.0, 2.0), ("undecided", "fails")),  # an effect of exactly the bound is not above it
        ((0.5, 1.5), ("undecided", "undecided")),
        ((0.5, 1.0), ("fails", "undecided")),
        ((0.5, 0.9), ("fails", "holds")),
        ((1.0, 1.0), ("fails", "fails")),
        ((-math.inf, math.inf), ("undecided", "undecided")),
    ],
)
def test_verdicts_follow_the_interval(interval, expected):
    assert (Above(1.0).judge(interval), Below(1.0).judge(interval)) == expected


@hypothesis.given(intervals, numbers)
def test_below_is_above_with_the_sign_turned(interval, bound):
    low, high = interval
    assert Below(bound).judge(interval) == Above(-bound).judge((-high, -low))


@hypothesis.given(intervals, intervals, st.floats(0, 1))
def test_verdicts_are_true_of_every_value_in_the_interval(interval, bounds, position):
    """Holds: the claim is true wherever in the interval the truth lies. Fails: it is false there."""
    truth = min(max(interval[0] + position * (interval[1] - interval[0]), interval[0]), interval[1])
    for bound, true in (
        (Above(bounds[0]), truth > bounds[0]),
        (Below(bounds[0]), truth < bounds[0]),
        (Inside(*bounds), bounds[0] <= truth <= bounds[1]),
    ):
        assert bound.judge(interval) == "undecided" or (bound.judge(interval) == "holds") == true


def test_a_claim_of_no_difference_needs_a_narrow_interval():
    bound = Inside(-0.02, 0.02)
    assert bound.judge((-0.01, 0.01)) == bound.judge((-0.02, 0.02)) == "holds"
    assert bound.judge((-0.5, 0.5)) == "undecided"
    assert bound.judge((0.1, 0.5)) == "fails"


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_error_rate_at_a_true_null_is_the_stated_one(level):
    """With no difference at all, "holds" and "fails" each come up in half of 1 - level of the studies."""
    trials = 2000
    values = np.random.default_rng(11).normal(size=(8, 2, trials)) + np.array([1.0, 1.0])[:, None]
    data = xr.Dataset({"loss": (("seed", "case", "trial"), values)}, {"case": ["plain", "l2"]})
    summary = stats.paired_difference(data, "loss", dim="seed", axis="case", baseline="plain", level=level)
    summary = summary.sel(case="l2", drop=True)
    statuses = [
        Above(0).judge((float(low), float(high))) for low, high in zip(summary["low"], summary["high"], strict=True)
    ]
    rate = (1 - level) / 2
    for status in ("holds", "fails"):
        z = (statuses.count(status) - rate * trials) / math.sqrt(rate * (1 - rate) * trials)
        assert abs(z) < 4, status


def test_a_true_effect_is_found():
    values = np.random.default_rng(2).normal(size=(200, 2)) + np.array([0.0, 1.0])
    data = xr.Dataset({"loss": (("seed", "case"), values)}, {"case": ["plain", "l2"]})
    gain = stats.paired_difference(data, "loss", dim="seed", axis="case", baseline="plain").sel(case="l2")
    verdict = Claim("It adds to the loss", "nobody", lambda _: estimate(gain, "nats"), Above(0)).judge(data)
    assert verdict.status == "holds"
    assert verdict.n == 200
    assert verdict.unit == "nats"
    assert verdict.interval[0] < verdict.effect < verdict.interval[1]
    assert Below(0).judge(verdict.interval) == "fails"


@pytest.mark.parametrize(
    "summarise",
    [
        lambda d: stats.mean(d, "hit", "seed"),
        lambda d: stats.quantiles(d, "hit", "seed"),
        lambda d: stats.proportion(d, "hit", "seed"),
    ],
)
def test_every_summary_gives_an_estimate(summarise):
    summary = summarise(xr.Dataset({"hit": ("seed", [True, False, True, True])}))
    found = estimate(summary)
    assert found.effect == float(summary[next(iter(summary))])
    assert found.interval == (float(summary["low"]), float(summary["high"]))
    assert found.n == 4


def test_no_living_run_leaves_a_claim_undecided():
    data = xr.Dataset({"loss": ("seed", [np.nan, np.inf])})
    claim = Claim("It helps", "T5", lambda d: estimate(stats.mean(d, "loss", "seed")), Above(0))
    verdict = claim.judge(data)
    assert (verdict.status, verdict.n) == ("undecided", 0)
    rows = claims.ledger([(claim, verdict)])
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text)[0] | {"claim": "", "source": ""} == {
        "claim": "",
        "source": "",
        "status": "undecided",
        "effect": None,
        "low": None,
        "high": None,
        "unit": "",
        "n": 0,
        "bounds": [0.0, None],
    }
    assert "none [-inf, inf]" in claims.format_ledger(rows)


def example():
    data = xr.Dataset({"accuracy": ("seed", [0.9, 0.91, 0.92, 0.93])})

    def accuracy(d):
        return estimate(stats.mean(d, "accuracy", "seed"), "accuracy")

    listed = (
        Claim("Better than chance", "tutorial T5", accuracy, Above(0.1)),
        Claim("Nearly perfect", "folklore", accuracy, Above(0.99)),
        Claim("Above 0.91", "nobody", accuracy, Above(0.91)),
    )
    return listed, data


def test_judging_keeps_order_and_claims():
    listed, data = example()
    judged = claims.judge(listed, data)
    assert tuple(claim for claim, _ in judged) == listed
    assert [verdict.status for _, verdict in judged] == ["holds", "fails", "undecided"]


def test_ledger_is_json_and_a_readable_table():
    rows = claims.ledger(claims.judge(*example()))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    lines = claims.format_ledger(rows).splitlines()
    assert len(lines) == 4
    start = lines[0].index("claim ")
    assert [line[start:].split("  ")[0] for line in lines[1:]] == [row["claim"] for row in rows]
    assert all(line.endswith(row["source"]) for line, row in zip(lines[1:], rows, strict=True))
    assert lines[1].startswith("holds")
    assert "0.915 [0.894, 0.936] accuracy" in lines[1]
    assert claims.format_ledger([]).split() == ["status", "effect", "claimed", "n", "claim", "source"]


@hypothesis.given(
    st.lists(
        st.tuples(
            intervals | st.just((-math.inf, math.inf)) | st.floats(-5, 5).map(lambda x: (x, math.inf)),
            st.floats(-5, 5).map(Above) | st.floats(-5, 5).map(Below) | intervals.map(lambda ends: Inside(*ends)),
        )
    )
)
def test_every_verdict_can_be_recomputed_from_the_ledger(cases):
    """By the rule of one-sided and two-sided bounds, from what JSON keeps of a row: independently, and by jaxreg."""
    listed = [
        Claim(
            f"Claim {k}",
            "nobody",
            lambda _, ends=ends: Estimate(ends[0], ends, 5) if ends[0] > -math.inf else None,
            bound,
        )
        for k, (ends, bound) in enumerate(cases)
    ]
    for row in json.loads(json.dumps(claims.ledger(claims.judge(listed, xr.Dataset())), allow_nan=False)):
        low, high = (end if row[end] is None else row[end] for end in ("low", "high"))
        low, high = (-math.inf if low == "low" else low), (math.inf if high == "high" else high)
        a, b = row["bounds"]
        if b is None:
            holds, fails = low > a, high <= a
        elif a is None:
            holds, fails = high < b, low >= b
        else:
            holds, fails = a <= low and high <= b, high < a or low > b
        assert row["status"] == reconsider(row) == ("holds" if holds else "fails" if fails else "undecided")


def test_what_was_not_tried_is_undecided():
    verdict = Claim("Lion is best", "nobody", lambda _: None, Above(0)).judge(xr.Dataset())
    assert (verdict.status, verdict.interval, verdict.n) == ("undecided", (-math.inf, math.inf), 0)
    assert math.isnan(verdict.effect)


def test_claims_are_found_by_their_words():
    listed, _ = example()
    assert find_claim(listed, "Nearly") is listed[1]
    with pytest.raises(ArgumentError, match=r"are in 0 claims.*Nearly perfect"):
        find_claim(listed, "nearly")
    with pytest.raises(ArgumentError, match=r"are in 2 claims.*Better than chance; Nearly perfect"):
        find_claim(listed, "r")


def test_a_ratio_comes_from_a_difference_of_logarithms():
    ratio = Estimate(math.log(2.0), (-math.inf, 1e4), 5).exponential("times")
    assert (ratio.effect, ratio.interval, ratio.unit) == (pytest.approx(2.0), (0.0, math.inf), "times")
    unknown = Estimate(math.nan, (-math.inf, math.inf), 0).exponential("times")
    assert (unknown.interval, unknown.n) == ((-math.inf, math.inf), 0)


def test_what_is_computed_has_no_width():
    assert Claim("Exact", "nobody", lambda _: exactly(1.0, 3, "nats"), Below(1.0)).judge(xr.Dataset()).status == "fails"


def test_values_are_frozen():
    verdict = Verdict(0.3, (0.1, 0.5), 3, bound=Above(0))
    with pytest.raises(AttributeError):
        verdict.status = "fails"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Estimate(0.0, (1.0, 0.0), 3), "low <= high"),
        (lambda: Estimate(0.0, (math.nan, 1.0), 3), "no NaN"),
        (lambda: Estimate(0.0, (0.0, 1.0), -1), "n = -1"),
        (lambda: Estimate(math.nan, (1.0, 2.0), 3), "no effect"),
        (lambda: Inside(1.0, 0.0), "the lower first"),
        (lambda: Inside(0.0, math.inf), "Give Above or Below"),
        (lambda: Above(math.nan), "limit = nan"),
        (lambda: reconsider({"status": "holds"}), "must have"),
        (lambda: estimate(xr.Dataset({"mean": 1.0, "low": 0.0})), "must hold an effect, low, high and n"),
        (lambda: estimate(xr.Dataset({k: ("seed", [1.0]) for k in ("mean", "low", "high", "n")})), "one cell"),
        (
            lambda: claims.judge([Claim("It helps", "T5", lambda d: True, Above(0))], xr.Dataset()),
            "It helps.*an Estimate",
        ),
    ],
)
def test_what_no_measurement_can_mean_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_a_bound_of_another_kind_is_refused_without_the_type_checker_too(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match="bound = 'more'"):
        Claim("It helps", "T5", lambda _: None, "more")

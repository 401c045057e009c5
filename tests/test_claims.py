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
from jaxreg.claims import Claim, Verdict, above, below, estimate, inside
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
    effect = 1.0
    assert (above(effect, interval, 9, 1.0).status, below(effect, interval, 9, 1.0).status) == expected


@hypothesis.given(intervals, numbers)
def test_below_is_above_with_the_sign_turned(interval, bound):
    low, high = interval
    mirrored = above(-low, (-high, -low), 5, -bound)
    assert below(low, interval, 5, bound).status == mirrored.status


@hypothesis.given(intervals, intervals, st.floats(0, 1))
def test_verdicts_are_true_of_every_value_in_the_interval(interval, bounds, position):
    """Holds: the claim is true wherever in the interval the truth lies. Fails: it is false there."""
    truth = min(max(interval[0] + position * (interval[1] - interval[0]), interval[0]), interval[1])
    for verdict, true in (
        (above(truth, interval, 3, bounds[0]), truth > bounds[0]),
        (below(truth, interval, 3, bounds[0]), truth < bounds[0]),
        (inside(truth, interval, 3, bounds), bounds[0] <= truth <= bounds[1]),
    ):
        assert verdict.status == "undecided" or (verdict.status == "holds") == true


def test_a_claim_of_no_difference_needs_a_narrow_interval():
    assert inside(0.0, (-0.01, 0.01), 5, (-0.02, 0.02)).status == "holds"
    assert inside(0.0, (-0.02, 0.02), 5, (-0.02, 0.02)).status == "holds"
    assert inside(0.0, (-0.5, 0.5), 5, (-0.02, 0.02)).status == "undecided"
    assert inside(0.3, (0.1, 0.5), 5, (-0.02, 0.02)).status == "fails"


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_error_rate_at_a_true_null_is_the_stated_one(level):
    """With no difference at all, "holds" and "fails" each come up in half of 1 - level of the studies."""
    trials = 2000
    values = np.random.default_rng(11).normal(size=(8, 2, trials)) + np.array([1.0, 1.0])[:, None]
    data = xr.Dataset({"loss": (("seed", "case", "trial"), values)}, {"case": ["plain", "l2"]})
    summary = stats.paired_difference(data, "loss", dim="seed", axis="case", baseline="plain", level=level)
    summary = summary.sel(case="l2", drop=True)
    cells = zip(*(summary[name].values for name in ("difference", "low", "high")), strict=True)
    statuses = [above(float(d), (float(low), float(high)), 8).status for d, low, high in cells]
    rate = (1 - level) / 2
    for status in ("holds", "fails"):
        z = (statuses.count(status) - rate * trials) / math.sqrt(rate * (1 - rate) * trials)
        assert abs(z) < 4, status


def test_a_true_effect_is_found():
    values = np.random.default_rng(2).normal(size=(200, 2)) + np.array([0.0, 1.0])
    data = xr.Dataset({"loss": (("seed", "case"), values)}, {"case": ["plain", "l2"]})
    gain = stats.paired_difference(data, "loss", dim="seed", axis="case", baseline="plain").sel(case="l2")
    verdict = above(*estimate(gain), unit="nats")
    assert verdict.status == "holds"
    assert verdict.n == 200
    assert verdict.unit == "nats"
    assert verdict.interval[0] < verdict.effect < verdict.interval[1]
    assert below(*estimate(gain)).status == "fails"


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
    effect, interval, n = estimate(summary)
    assert effect == float(summary[next(iter(summary))])
    assert interval == (float(summary["low"]), float(summary["high"]))
    assert n == 4


def test_no_living_run_leaves_a_claim_undecided():
    data = xr.Dataset({"loss": ("seed", [np.nan, np.inf])})
    verdict = above(*estimate(stats.mean(data, "loss", "seed")))
    assert (verdict.status, verdict.n) == ("undecided", 0)
    rows = claims.ledger([(Claim("It helps", "T5", lambda d: verdict), verdict)])
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

    def better_than(bound):
        return lambda d: above(*estimate(stats.mean(d, "accuracy", "seed")), bound=bound, unit="accuracy")

    listed = (
        Claim("Better than chance", "tutorial T5", better_than(0.1)),
        Claim("Nearly perfect", "folklore", better_than(0.99)),
        Claim("Above 0.91", "nobody", better_than(0.91)),
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
    start = lines[0].index("claim")
    assert [line[start:].split("  ")[0] for line in lines[1:]] == [row["claim"] for row in rows]
    assert all(line.endswith(row["source"]) for line, row in zip(lines[1:], rows, strict=True))
    assert lines[1].startswith("holds")
    assert "0.915 [0.894, 0.936] accuracy" in lines[1]
    assert claims.format_ledger([]).split() == ["status", "effect", "n", "claim", "source"]


def test_values_are_frozen():
    verdict = above(0.3, (0.1, 0.5), 3)
    with pytest.raises(AttributeError):
        verdict.status = "fails"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Verdict("holds", 0.0, (1.0, 0.0), 3), "low <= high"),
        (lambda: above(0.0, (math.nan, 1.0), 3), "no NaN"),
        (lambda: Verdict("holds", 0.0, (0.0, 1.0), -1), "n = -1"),
        (lambda: above(math.nan, (1.0, 2.0), 3), "effect = nan"),
        (lambda: inside(0.0, (0.0, 1.0), 3, bounds=(1.0, 0.0)), "bounds"),
        (lambda: estimate(xr.Dataset({"mean": 1.0, "low": 0.0})), "must hold an effect, low, high and n"),
        (lambda: estimate(xr.Dataset({k: ("seed", [1.0]) for k in ("mean", "low", "high", "n")})), "one cell"),
        (lambda: claims.judge([Claim("It helps", "T5", lambda d: True)], xr.Dataset()), "It helps.*Verdict"),
    ],
)
def test_what_no_measurement_can_mean_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_an_unknown_status_is_refused_without_the_type_checker_too(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match="status = 'perhaps'"):
        Verdict("perhaps", 0.0, (0.0, 1.0), 3)

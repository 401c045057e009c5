"""Tables: digits by the error, both styles, and nothing left out in silence."""

import math
import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from jaxreg.errors import ArgumentError


def summary(value, low, high, **more):
    return xr.Dataset({"mean": value, "low": low, "high": high, "n": 8, "diverged": 0} | more)


def cell(value, low, high, style="markdown", **settings):
    text = stats.table(summary(value, low, high), style, **settings).splitlines()
    return text[2].split(" | ")[0].lstrip("| ") if style == "markdown" else text[4].split(" & ")[0]


@pytest.mark.parametrize(
    ("value", "error", "digits", "expected"),
    [
        (0.031415, 0.0012, 2, "0.0314 ± 0.0012"),
        (0.031415, 0.0012, 1, "0.031 ± 0.001"),
        (12345.0, 678.0, 2, "12340 ± 680"),
        (97.5, 10.0, 2, "98 ± 10"),
        (1.0, 0.0996, 2, "1.00 ± 0.10"),  # rounding lifts the error to the next power of ten
        (-0.001, 0.12, 2, "0.00 ± 0.12"),
        (2.0, 0.5, 1, "2.0 ± 0.5"),
        (0.0, 0.25, 3, "0.000 ± 0.250"),
        (3.2e-9, 4.1e-11, 2, "(3.200 ± 0.041) × 10^-9"),
        (5.4321e8, 1.2e6, 2, "(5.432 ± 0.012) × 10^8"),
        (1e-300, 1e-301, 2, "(1.00 ± 0.10) × 10^-300"),
    ],
)
def test_digits_are_those_of_the_error(value, error, digits, expected):
    assert cell(value, value - error, value + error, digits=digits) == expected


@hypothesis.given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 4))
def test_no_digit_is_lost_and_none_made_up(value, error, digits):
    """What is written lies within half of its last digit of what was given, and has as many digits as asked."""
    text = cell(value, value - error, value + error, digits=digits)
    hypothesis.assume("±" in text and "×" not in text)
    shown, half = text.split(" ± ")
    place = 10.0 ** (math.floor(math.log10(float(half))) - digits + 1)
    half_width = ((value + error) - (value - error)) / 2
    assert abs(float(half) - half_width) <= 0.5001 * place
    assert abs(float(shown) - value) <= 0.5001 * place
    decimals = len(shown.partition(".")[2])
    assert decimals == max(0, -round(math.log10(place)))


def test_intervals_that_are_not_symmetric_are_written_out():
    assert cell(0.7, 0.397, 0.892) == "0.70 [0.40, 0.89]"
    assert cell(0.7, 0.397, 0.892, "latex") == "$0.70 [0.40, 0.89]$"


def test_what_the_runs_cannot_support():
    assert cell(1.23456, -math.inf, math.inf) == "1.23 [-∞, ∞]"
    assert cell(1.23456, 1.0, math.inf, "latex") == r"$1.23 [1.00, \infty]$"
    assert cell(math.nan, -math.inf, math.inf) == "–"
    assert cell(math.nan, -math.inf, math.inf, "latex") == "--"
    assert cell(1.23456, 1.23456, 1.23456) == "1.23 ± 0.00"


def population():
    values = np.random.default_rng(0).normal(size=(6, 2, 3)) + np.array([[0.0], [5.0]])
    return xr.Dataset({"x": (("seed", "case", "rate"), values)}, {"case": ["plain", "l2_&|"], "rate": [0.1, 0.3, 1.0]})


def test_rows_are_cells_and_columns_may_be_spread():
    means = stats.mean(population(), "x")
    lines = stats.table(means).splitlines()
    assert lines[0] == "| case | rate | mean | n |"
    assert len(lines) == 2 + 6
    assert lines[2].startswith("| plain | 0.1 | ")
    assert lines[5].startswith(r"| l2_&\| | 0.1 | ")
    wide = stats.table(means, columns="rate").splitlines()
    assert wide[0] == "| case | 0.1 | 0.3 | 1.0 | n |"
    assert wide[2].split(" | ")[1:4] == [line.split(" | ")[2] for line in lines[2:5]]
    assert wide[2].endswith("| 6 |")


def test_several_summaries_stand_beside_each_other():
    runs = population().isel(rate=0)
    found = stats.table({"mean": stats.mean(runs, "x"), "median": stats.quantiles(runs, "x")}, "latex")
    assert found.splitlines()[2] == r"case & mean & median & n \\"
    assert found.splitlines()[5].startswith(r"l2\_\&| & $")
    assert found.splitlines()[0] == r"\begin{tabular}{lrrr}"


def test_p_values_and_diverged_runs_are_shown():
    runs = population()
    runs["x"][0, 0, 0] = np.inf
    compared = stats.adjust(stats.compare(runs.sel(case="plain"), runs.sel(case="l2_&|"), "x", paired=True))
    lines = stats.table(compared).splitlines()
    assert lines[0] == "| rate | difference | p value | adjusted | n | diverged |"
    assert lines[2].endswith("| 5 | 1 |")
    assert lines[3].endswith("| 6 | 0 |")
    p = float(compared["p_value"][0])
    assert lines[2].split(" | ")[2] == ("< 0.0001" if p < 1e-4 else f"{p:.2g}")
    wide = stats.table(stats.mean(runs, "x"), columns="rate").splitlines()
    assert wide[2].endswith("| 5, 6, 6 | 1, 0, 0 |")
    tiny = summary(1.0, 0.9, 1.1, p_value=1e-9, adjusted=math.nan)
    assert stats.table(tiny).splitlines()[2].split(" | ")[1:3] == ["< 0.0001", "–"]
    assert "$< 0.0001$ & -- & 8" in stats.table(tiny, "latex")


def test_latex_is_balanced():
    text = stats.table(stats.mean(population(), "x").assign_coords(case=["a{b}\\", "50% ~#$^"]), "latex")
    body = text.splitlines()[4:-2]
    assert all(line.count(" & ") == 3 and line.endswith(r" \\") for line in body)
    assert r"a\{b\}\textbackslash{}" in text
    assert r"50\% \textasciitilde{}\#\$\textasciicircum{}" in text
    assert not re.search(r"(?<!\\)[%#]", text)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (xr.Dataset({"mean": 1.0}), {}, "an estimate, low, high and n"),
        ({}, {}, "summaries by the names"),
        ({"a": summary(1.0, 0.0, 2.0), "b": stats.mean([[1.0, 2.0], [2.0, 1.0]])}, {}, "over the same labels"),
        (summary(1.0, 0.0, 2.0), {"columns": "rate"}, "columns"),
        (summary(1.0, 0.0, 2.0), {"digits": 0}, "digits"),
    ],
)
def test_what_is_no_summary_is_refused(given, settings, message):
    with pytest.raises(ArgumentError, match=message):
        stats.table(given, **settings)

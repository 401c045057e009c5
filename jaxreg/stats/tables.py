"""Tables for papers: estimates with as many digits as their errors justify, as LaTeX or Markdown."""

import itertools
import math
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from jaxreg.checks import check_choice, check_integer
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import listed

Style = Literal["markdown", "latex"]

_P_VALUES = ("p_value", "adjusted")
_COUNTS = ("n", "diverged")
_LEAST_P = 1e-4  # what is less says so; more digits would pretend
_MOST_DIGITS = 15
_PLAIN = range(-4, 6)  # the powers of ten of a leading digit that are written out
_WITHOUT_ERROR = 3  # significant digits of an estimate whose error is unknown, or 0
_PRECISION = 700  # decimal digits between the largest and the smallest float
_ESCAPES = {c: rf"\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def table(
    summary: xr.Dataset | Mapping[str, xr.Dataset],
    style: Style = "markdown",
    *,
    columns: str | None = None,
    digits: int = 2,
) -> str:
    r"""A summary as a table, a row for each cell, with as many digits as the error justifies.

    The error is half the interval. It is rounded to `digits` significant digits, and the estimate to the same place:
    0.031415 with (0.0302, 0.0326) is 0.0314 ± 0.0012. An interval that is not symmetric after rounding is written out,
    as 0.70 [0.40, 0.89]. Without an error, the estimate has three digits; without a run, it is a dash.

    Args:
        summary: what a function of `jaxreg.stats` returned; or several such by the name of their column, over the same
            dimensions.
        style: "markdown", or "latex" for a `tabular` with the rules of the package booktabs.
        columns: a dimension of one summary whose cells stand beside each other, in place of below.
        digits: significant digits of the error; 1 to 15.

    Returns:
        The table, as text: the estimates, then p values (also `adjusted`), `n`, and `diverged` where any run was left
        out; of several summaries separated by commas, unless they are all the same.

    Raises:
        ArgumentError: no summary with an estimate, `low`, `high` and `n`; summaries over different dimensions; an
            unknown style or dimension.

    >>> from jaxreg import stats
    >>> accuracy = [[0.9012, 0.9312], [0.8034, 0.8412], [0.7019, 0.7243], [0.7523, 0.7919]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy)}, {"case": ["plain", "l2"]})
    >>> print(table(stats.mean(runs, "accuracy")))
    | case | mean | n |
    | --- | --- | --- |
    | plain | 0.79 ± 0.14 | 4 |
    | l2 | 0.82 ± 0.14 | 4 |
    >>> print(table(stats.compare(runs.sel(case=["l2"]), runs.sel(case="plain"), paired=True), "latex"))
    \begin{tabular}{lrrr}
    \toprule
    case & difference & p value & n \\
    \midrule
    l2 & $0.032 \pm 0.013$ & 0.0038 & 4 \\
    \bottomrule
    \end{tabular}

    Source: the Particle Data Group, Review of Particle Physics (2024), section 5.3, on rounding by the error.
    """
    check_choice("style", style, get_args(Style))
    check_integer("digits", digits, 1, _MOST_DIGITS, "2 is common")
    summaries = _read_summaries(summary, columns)
    first = next(iter(summaries.values()))
    dims = first[next(iter(first))].dims
    rows = [dict(zip(dims, place, strict=True)) for place in itertools.product(*(range(first.sizes[d]) for d in dims))]
    shared = [key for key in (*_P_VALUES, *_COUNTS) if all(key in one for one in summaries.values())]
    if not any(one["diverged"].any() for one in summaries.values() if "diverged" in one):
        shared = [key for key in shared if key != "diverged"]
    escape = _escape_latex if style == "latex" else _escape_markdown
    header = [*map(escape, map(str, (*dims, *summaries))), *(key.replace("_", " ") for key in shared)]
    body = []
    for place in rows:
        cells = [one.isel(place) for one in summaries.values()]
        labels = [escape(str(first[d].values[i])) for d, i in place.items()]
        estimates = [_format_estimate(cell, digits, style) for cell in cells]
        more = [dict.fromkeys(_format_other(key, float(cell[key]), style) for cell in cells) for key in shared]
        numbers = [
            ", ".join(known if len(known) == 1 else [_format_other(key, float(cell[key]), style) for cell in cells])
            for key, known in zip(shared, more, strict=True)
        ]
        body.append([*labels, *estimates, *numbers])
    if style == "markdown":
        return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *body))
    head, *lines = (rf"{' & '.join(line)} \\" for line in (header, *body))
    layout = "l" * len(dims) + "r" * (len(header) - len(dims))
    opening = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*opening, *lines, r"\bottomrule", r"\end{tabular}"])


def _read_summaries(summary: Any, columns: str | None) -> dict[str, xr.Dataset]:
    """Each column's summary by its name, over the same dimensions."""
    remedy = "Give what a function of jaxreg.stats returned"
    given = summary if isinstance(summary, Mapping) and not isinstance(summary, xr.Dataset) else {None: summary}
    if not given or not all(isinstance(key, str) for key in given if key is not None):
        raise ArgumentError("summary", given, "must be summaries by the names of their columns", remedy)
    for one in given.values():
        if not isinstance(one, xr.Dataset) or not {"low", "high", "n"} < set(one.data_vars):
            raise ArgumentError("summary", one, "must hold an estimate, low, high and n", remedy)
        if any(one[key].dtype.kind not in "biuf" for key in (next(iter(one)), "low", "high", "n")):
            raise ArgumentError("summary", one, "must hold numbers", remedy)
    named = {str(next(iter(one))) if key is None else key: one for key, one in given.items()}
    if columns is not None:
        one = next(iter(named.values()))
        if len(named) > 1 or not isinstance(columns, str) or columns not in one.dims:
            raise ArgumentError("columns", columns, "must be a dimension of one summary", f"Known: {listed(one.dims)}")
        named = {str(value): one.isel({columns: i}) for i, value in enumerate(one[columns].values)}
    first = next(iter(named.values()))
    for one in named.values():
        same = one[next(iter(one))].sizes == first[next(iter(first))].sizes
        if not same or any(not np.array_equal(one[d].values, first[d].values) for d in one[next(iter(one))].dims):
            constraint = f"must be over the same labels of {listed(first.dims)}"
            raise ArgumentError("summary", dict(one.sizes), constraint, "Select the same cells of each")
    return named


def _format_estimate(cell: xr.Dataset, digits: int, style: str) -> str:
    """An estimate and its error, or its interval, to the digits that the error has."""
    value, low, high = (float(cell[key]) for key in (next(iter(cell)), "low", "high"))
    if math.isnan(value):
        return _dash(style)
    error = (high - low) / 2
    if math.isfinite(error) and error > 0 and math.isfinite(value):
        place = _leading(error, digits) - digits + 1
    else:
        place = _leading(value, _WITHOUT_ERROR) - _WITHOUT_ERROR + 1
    top = max((_leading(x, 1) for x in (value, error) if math.isfinite(x) and x), default=0)
    power = 0 if top in _PLAIN else top
    number, below, above = (_round(x, place, power) for x in (value, low, high))
    half = _round(error, place, power)
    times, infinity = (rf"\times 10^{{{power}}}", r"\infty") if style == "latex" else (f"× 10^{power}", "∞")
    tight = math.isfinite(error) and {_round(value - low, place, power), _round(high - value, place, power)} == {half}
    sign = r"\pm" if style == "latex" else "±"
    text = f"{number} {sign} {half}" if tight else f"{number} [{below}, {above}]".replace("inf", infinity)
    text = f"({text}) {times}" if power else text
    return f"${text}$" if style == "latex" else text


def _format_other(key: str, number: float, style: str) -> str:
    if key in _COUNTS:
        return f"{number:.0f}"
    if math.isnan(number):
        return _dash(style)
    if number < _LEAST_P:
        return f"$< {_LEAST_P:.4f}$" if style == "latex" else f"< {_LEAST_P:.4f}"
    return f"{number:.2g}"


def _leading(number: float, digits: int) -> int:
    """The power of ten of the leading digit, of a number rounded to so many digits."""
    return int(f"{number:.{digits - 1}e}".partition("e")[2]) if math.isfinite(number) else 0


def _round(number: float, place: int, power: int) -> str:
    """A number, rounded at a power of ten, in units of another."""
    if not math.isfinite(number):
        return f"{number:g}"
    with localcontext(prec=_PRECISION):
        rounded = Decimal(number).quantize(Decimal((0, (1,), place))).scaleb(-power)
        return f"{abs(rounded) if rounded == 0 else rounded:f}"


def _dash(style: str) -> str:
    return "--" if style == "latex" else "–"


def _escape_latex(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in " ".join(text.split()))


def _escape_markdown(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")

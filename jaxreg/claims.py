"""A sentence from the literature, the test of it on a population, and the verdict."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from jaxreg.checks import Domain, check_choice, check_kind, check_pair
from jaxreg.errors import ArgumentError

Status = Literal["holds", "fails", "undecided"]
Number = int | float
_COLUMNS = {"claim", "source", "status", "effect", "low", "high", "unit", "n"}


@dataclass(frozen=True)
class Verdict:
    """What the population says about a claim.

    Args:
        status: "holds", "fails", or "undecided" when the interval cannot tell.
        effect: the measured quantity that the claim is about, in `unit`; NaN where no run measured it.
        interval: its confidence interval (low, high), in `unit`; ends may be infinite.
        n: number of runs (or pairs of runs) behind it.
        unit: unit of the effect, as "percentage points"; empty for a pure number.
        bounds: where the claim says that the effect lies, in `unit`, ends may be infinite; None where it is not known.

    Raises:
        ArgumentError: another status, an interval with NaN or high < low, a negative n, a decision without an effect.
    """

    status: Status
    effect: Number
    interval: tuple[Number, Number]
    n: int
    unit: str = ""
    bounds: tuple[Number, Number] | None = None

    def __post_init__(self) -> None:
        """Refuse what no measurement can mean."""
        check_choice("status", self.status, get_args(Status), "Correct the test")
        _check_pair("interval", self.interval, "Give (-inf, inf) where the runs cannot tell")
        Domain(0, ends="[)", whole=True).check("n", self.n, "Give the number of runs behind the effect")
        check_kind("unit", self.unit, str, "Give its name, or an empty one")
        if self.bounds is not None:
            _check_pair("bounds", self.bounds, "Give the lower bound first")
        is_missing = isinstance(self.effect, float | np.floating) and math.isnan(self.effect)
        if not is_missing:
            Domain().check("effect", self.effect, "Give the estimate, or NaN where there is none")
        if is_missing and self.status != "undecided":
            raise ArgumentError("effect", self.effect, f"must be a number for a claim that {self.status}", "Measure it")


@dataclass(frozen=True)
class Claim:
    """A sentence that somebody published, and how to test it.

    Args:
        text: the sentence, so that it can be true or false.
        source: who says so.
        test: function of an experiment's dataset that returns the Verdict.

    >>> import numpy as np
    >>> from jaxreg import stats
    >>> def test(dataset):
    ...     gain = stats.paired_difference(dataset, "accuracy", dim="seed", axis="case", baseline="plain")
    ...     return above(*estimate(gain.sel(case="l2")), unit="accuracy")
    >>> claim = Claim("An L2 penalty raises the accuracy", "tutorial T3", test)
    >>> accuracy = [[0.90, 0.93], [0.80, 0.84], [0.70, 0.72]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy)}, {"case": ["plain", "l2"]})
    >>> claim.test(runs).status
    'holds'
    """

    text: str
    source: str
    test: Callable[[xr.Dataset], Verdict]

    def __post_init__(self) -> None:
        """Refuse what cannot be told or tested."""
        for name in ("text", "source"):
            check_kind(name, getattr(self, name), str, "Write it as text")
        if not callable(self.test):
            raise ArgumentError("test", self.test, "must be a function of the dataset", "Let it return a Verdict")


def estimate(summary: xr.Dataset) -> tuple[float, tuple[float, float], int]:
    """Effect, interval and n of one cell of a summary by `jaxreg.stats`, as `above`, `below` and `inside` take them.

    Args:
        summary: Dataset whose first variable is the effect, with `low`, `high` and `n`, all without dimensions.

    Raises:
        ArgumentError: a variable is missing, or a dimension is left.

    >>> estimate(xr.Dataset({"mean": 1.5, "low": 1.0, "high": 2.0, "n": 8, "diverged": 0}))
    (1.5, (1.0, 2.0), 8)
    """
    check_kind("summary", summary, xr.Dataset, "Give what a function of jaxreg.stats returns")
    if not {"low", "high", "n"} < set(summary.data_vars):
        constraint = "must hold an effect, low, high and n"
        raise ArgumentError(
            "summary", list(summary.data_vars), constraint, "Give what a function of jaxreg.stats returns"
        )
    if summary.sizes:
        raise ArgumentError("summary", dict(summary.sizes), "must be one cell", "Choose it with .sel or .isel")
    effect = next(iter(summary.data_vars))
    for name in (effect, "low", "high", "n"):
        if summary[name].dtype.kind not in "biuf":
            raise ArgumentError("summary", summary[name].dtype, f"must hold a number as {name}", "Give one of stats")
    return float(summary[effect]), (float(summary["low"]), float(summary["high"])), int(summary["n"])


def percentage(summary: xr.Dataset) -> tuple[float, tuple[float, float], int]:
    """What `estimate` says of a share or of a difference of shares, in per cent.

    >>> percentage(xr.Dataset({"proportion": 0.5, "low": 0.25, "high": 0.75, "n": 8}))
    (50.0, (25.0, 75.0), 8)
    """
    effect, (low, high), n = estimate(summary)
    return 100 * effect, (100 * low, 100 * high), n


def above(effect: Number, interval: tuple[Number, Number], n: int, bound: Number = 0.0, unit: str = "") -> Verdict:
    r"""Verdict on "the effect is larger than `bound`", $\theta > b$.

    It holds when $\text{low} > b$, fails when $\text{high} \le b$, and is undecided otherwise. For a two-sided interval
    of level $1 - \alpha$ and $\theta = b$, the probability of "holds" is $\alpha/2$, that of "fails" the same.

    Args:
        effect: estimate of $\theta$, in `unit`.
        interval: its confidence interval, in `unit`.
        n: number of runs behind it.
        bound: $b$, in `unit`.
        unit: unit of the effect.

    Raises:
        ArgumentError: numbers that no measurement can mean (see `Verdict`).

    >>> above(0.3, (0.1, 0.5), n=20).status, above(0.3, (-0.1, 0.7), n=20).status, above(-1.0, (-2.0, 0.0), n=20).status
    ('holds', 'undecided', 'fails')
    """
    _check_pair("interval", interval, "Give (-inf, inf) where the runs cannot tell")
    Domain().check("bound", bound, "Give a number")
    holds, fails = interval[0] > bound, interval[1] <= bound
    return _decide(effect, interval, n, unit, (bound, math.inf), holds=holds, fails=fails)


def below(effect: Number, interval: tuple[Number, Number], n: int, bound: Number = 0.0, unit: str = "") -> Verdict:
    r"""Verdict on "the effect is smaller than `bound`", $\theta < b$: `above` with the sign turned.

    >>> below(0.3, (0.1, 0.5), n=20).status, below(0.3, (0.1, 0.5), n=20, bound=1.0).status
    ('fails', 'holds')
    """
    _check_pair("interval", interval, "Give (-inf, inf) where the runs cannot tell")
    Domain().check("bound", bound, "Give a number")
    holds, fails = interval[1] < bound, interval[0] >= bound
    return _decide(effect, interval, n, unit, (-math.inf, bound), holds=holds, fails=fails)


def inside(
    effect: Number, interval: tuple[Number, Number], n: int, bounds: tuple[Number, Number], unit: str = ""
) -> Verdict:
    r"""Verdict on "the effect lies from `bounds[0]` to `bounds[1]`", $a \le \theta \le b$: "makes no difference", say.

    It holds when the whole interval lies in $[a, b]$, fails when none of it does, and is undecided otherwise. A wide
    interval around no difference decides nothing.

    Raises:
        ArgumentError: bounds that are not in order, or numbers that no measurement can mean.

    >>> [inside(0.0, (-h, h), n=20, bounds=(-0.01, 0.01)).status for h in (0.005, 0.2)]
    ['holds', 'undecided']
    """
    _check_pair("interval", interval, "Give (-inf, inf) where the runs cannot tell")
    _check_pair("bounds", bounds, "Give the lower bound first")
    within = bounds[0] <= interval[0] and interval[1] <= bounds[1]
    apart = interval[1] < bounds[0] or interval[0] > bounds[1]
    return _decide(effect, interval, n, unit, bounds, holds=within, fails=apart)


def _check_pair(name: str, pair: Any, remedy: str) -> None:
    """Refuse what is not two numbers in order."""
    check_pair(name, pair, Domain(), "must be (low, high) with low <= high and no NaN", remedy)


def _decide(
    effect: Number,
    interval: tuple[Number, Number],
    n: int,
    unit: str,
    bounds: tuple[Number, Number],
    *,
    holds: bool,
    fails: bool,
) -> Verdict:
    return Verdict("holds" if holds else "fails" if fails else "undecided", effect, interval, n, unit, bounds)


def judge(claims: Iterable[Claim], dataset: xr.Dataset) -> tuple[tuple[Claim, Verdict], ...]:
    """Test each claim on the dataset.

    Args:
        claims: an experiment's CLAIMS.
        dataset: that experiment's result.

    Returns:
        Pairs of claim and verdict, in order.

    Raises:
        ArgumentError: no claims, no dataset, or a test that returned something else than a Verdict.
    """
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    judged = []
    for claim in _read_all("claims", claims, "Give an experiment's CLAIMS"):
        check_kind("claims", claim, Claim, "Give an experiment's CLAIMS")
        verdict = claim.test(dataset)
        if not isinstance(verdict, Verdict):
            remedy = "Let the test return above(...), below(...), inside(...) or a Verdict"
            raise ArgumentError(f"test of {claim.text!r}", verdict, "must return a Verdict", remedy)
        judged.append((claim, verdict))
    return tuple(judged)


def ledger(judged: Iterable[tuple[Claim, Verdict]]) -> list[dict[str, Any]]:
    """Rows of the ledger: what was said, by whom, and what the population says, as JSON can hold it.

    Args:
        judged: pairs that `judge` returned, of one experiment or of several.

    Returns:
        One dict per claim: `claim`, `source`, `status`, `effect`, `low`, `high`, `unit`, `n`, and `bounds`, the pair
        between which the claim has the effect, or None. A number that is not finite is None, since JSON has neither NaN
        nor infinity: an effect nobody measured, an open interval, a claim that is bounded on one side.

    >>> rows = ledger([(Claim("It helps", "T3", lambda dataset: None), above(0.3, (0.1, math.inf), n=20))])
    >>> {key: rows[0][key] for key in ("claim", "status", "effect", "low", "high")}
    {'claim': 'It helps', 'status': 'holds', 'effect': 0.3, 'low': 0.1, 'high': None}
    """
    pairs = _read_all("judged", judged, "Give what judge returned")
    for pair in pairs:
        if not (isinstance(pair, tuple) and list(map(type, pair)) == [Claim, Verdict]):
            raise ArgumentError("judged", pair, "must be a Claim and a Verdict", "Give what judge returned")

    def finite(number: Number) -> float | None:
        return float(number) if math.isfinite(number) else None

    return [
        {
            "claim": claim.text,
            "source": claim.source,
            "status": verdict.status,
            "effect": finite(verdict.effect),
            "low": finite(verdict.interval[0]),
            "high": finite(verdict.interval[1]),
            "unit": verdict.unit,
            "n": int(verdict.n),
            "bounds": None if verdict.bounds is None else [finite(bound) for bound in verdict.bounds],
        }
        for claim, verdict in pairs
    ]


def _read_all(name: str, values: Any, remedy: str) -> list[Any]:
    """The members of a list or a tuple."""
    if isinstance(values, str | bytes | dict) or not isinstance(values, Iterable):
        raise ArgumentError(name, values, "must be a list", remedy)
    try:
        return list(values)
    except TypeError as error:  # arrays without dimensions say that they can be iterated over
        raise ArgumentError(name, values, "must be a list", remedy) from error


def format_ledger(rows: list[dict[str, Any]]) -> str:
    """The ledger as an aligned text table, one claim a line.

    >>> claim = Claim("It helps", "T3", lambda dataset: None)
    >>> print(format_ledger(ledger([(claim, above(0.3, (0.1, 0.5), n=20, unit="points"))])))
    status  effect                   n  claim     source
    holds   0.3 [0.1, 0.5] points   20  It helps  T3
    """
    remedy = "Give what ledger returned"
    rows = _read_all("rows", rows, remedy)
    for row in rows:
        if not (isinstance(row, dict) and row.keys() >= _COLUMNS):
            raise ArgumentError("rows", row, f"must have {', '.join(sorted(_COLUMNS))}", remedy)

    def number(value: float | None, missing: str) -> str:
        return missing if value is None else f"{value:.3g}"

    def effect(row: dict[str, Any]) -> str:
        interval = f"[{number(row['low'], '-inf')}, {number(row['high'], 'inf')}]"
        return f"{number(row['effect'], 'none')} {interval} {row['unit']}".rstrip()

    table = [("status", "effect", "n", "claim", "source")]
    table += [(row["status"], effect(row), str(row["n"]), row["claim"], row["source"]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left, right = str.ljust, str.rjust
    justify = (left, left, right, left, left)
    return "\n".join(
        "  ".join(place(cell, width) for place, cell, width in zip(justify, line, widths, strict=True)).rstrip()
        for line in table
    )

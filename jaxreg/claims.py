"""A sentence from the literature, what it says of which number, and the verdict of a population.

A claim is a sentence, a quantity and a bound. The quantity is a function of an experiment's dataset, and gives an
estimate with its interval; the bound says where the sentence puts it. The verdict follows from the two alone, so that
whoever has the ledger can come to it again.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from jaxreg.checks import Domain, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.estimates import Above as Above
from jaxreg.estimates import Below as Below
from jaxreg.estimates import Bound as Bound
from jaxreg.estimates import Estimate as Estimate
from jaxreg.estimates import Inside as Inside
from jaxreg.estimates import Number, Status
from jaxreg.estimates import estimate as estimate
from jaxreg.estimates import exactly as exactly
from jaxreg.estimates import percentage as percentage

_COLUMNS = {"claim", "source", "status", "effect", "low", "high", "unit", "n", "bounds"}
_ROWS = "Give what ledger returned"


@dataclass(frozen=True)
class Verdict(Estimate):
    """What the population says about a claim: an estimate, and the bound that it was held against.

    Args:
        effect: what was measured.
        interval: its lower and upper end.
        n: runs behind it.
        unit: of effect and interval.
        bound: where the claim puts the effect.

    >>> Verdict(0.3, (0.1, 0.5), 20, bound=Above(0)).status
    'holds'
    """

    bound: Bound = field(kw_only=True)

    @property
    def status(self) -> Status:
        """What the claim does: "holds", "fails", or is "undecided" where the interval cannot tell."""
        return self.bound.judge(self.interval)


Quantity = Callable[[xr.Dataset], Estimate | None]
"""What a claim measures: a function of an experiment's dataset; None where the dataset did not try it."""


@dataclass(frozen=True)
class Claim:
    """A sentence that somebody published, and how to test it.

    Args:
        text: the sentence, so that it can be true or false.
        source: who says so.
        quantity: function of an experiment's dataset: what the sentence is about, as an Estimate; None where the
            dataset did not try it. `jaxreg.study` has the usual ones.
        bound: where the sentence puts it, in the quantity's unit.

    >>> from jaxreg.study import gain
    >>> better = gain("accuracy", "case", "l2", "plain")
    >>> claim = Claim("An L2 penalty raises the accuracy", "Krogh and Hertz (1991)", better, Above(0))
    >>> accuracy = [[0.90, 0.93], [0.80, 0.84], [0.70, 0.72]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy)}, {"case": ["plain", "l2"]})
    >>> claim.judge(runs).status
    'holds'
    """

    text: str
    source: str
    quantity: Quantity
    bound: Bound

    def __post_init__(self) -> None:
        """Refuse what cannot be told or tested."""
        for name in ("text", "source"):
            check_kind(name, getattr(self, name), str, "Write it as text")
        if not callable(self.quantity):
            constraint = "must be a function of the dataset"
            raise ArgumentError("quantity", self.quantity, constraint, "Let it return an Estimate")
        check_kind("bound", self.bound, (Above, Below, Inside), "Give Above(0), Below(0) or Inside(-1, 1)")

    def judge(self, dataset: xr.Dataset) -> Verdict:
        """The verdict of a dataset; undecided where it did not try what the sentence is about.

        Raises:
            ArgumentError: the quantity is something else than an Estimate or None.
        """
        measured = self.quantity(dataset)
        if measured is None:
            measured = Estimate(math.nan, (-math.inf, math.inf), 0)
        if not isinstance(measured, Estimate):
            remedy = "Let it return estimate(...), percentage(...), exactly(...), or None where it was not tried"
            raise ArgumentError(f"quantity of {self.text!r}", measured, "must be an Estimate", remedy)
        return Verdict(measured.effect, measured.interval, measured.n, measured.unit, bound=self.bound)


def find_claim(claims: Iterable[Claim], words: str) -> Claim:
    """The one claim whose sentence has these words in it.

    Args:
        claims: an experiment's CLAIMS.
        words: part of the sentence, as it is written.

    Raises:
        ArgumentError: no claim has them, or several have.

    >>> claims = [Claim(f"{name} helps", "folklore", lambda dataset: None, Above(0)) for name in ("L1", "L2")]
    >>> find_claim(claims, "L2").text
    'L2 helps'
    """
    check_kind("words", words, str, "Give part of the sentence")
    every = _read_claims(claims)
    found = [claim for claim in every if words in claim.text]
    if len(found) != 1:
        texts = "; ".join(claim.text for claim in found or every)
        raise ArgumentError("words", words, f"are in {len(found)} claims", f"Give more of one of these: {texts}")
    return found[0]


def judge(claims: Iterable[Claim], dataset: xr.Dataset) -> tuple[tuple[Claim, Verdict], ...]:
    """Test each claim on the dataset.

    Args:
        claims: an experiment's CLAIMS.
        dataset: that experiment's result.

    Returns:
        Pairs of claim and verdict, in order.

    Raises:
        ArgumentError: no claims, no dataset, or a quantity that is no Estimate.

    >>> claim = Claim("It helps", "folklore", lambda dataset: Estimate(0.3, (0.1, 0.5), 20), Above(0))
    >>> [verdict.status for _, verdict in judge([claim], xr.Dataset())]
    ['holds']
    """
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    return tuple((claim, claim.judge(dataset)) for claim in _read_claims(claims))


def _read_claims(claims: Any) -> list[Claim]:
    every = _read_all("claims", claims, "Give an experiment's CLAIMS")
    for claim in every:
        check_kind("claims", claim, Claim, "Give an experiment's CLAIMS")
    return every


def ledger(judged: Iterable[tuple[Claim, Verdict]]) -> list[dict[str, Any]]:
    """Rows of the ledger: what was said, by whom, and what the population says, as JSON can hold it.

    Args:
        judged: pairs that `judge` returned, of one experiment or of several.

    Returns:
        One dict per claim: `claim`, `source`, `status`, `effect`, `low`, `high`, `unit`, `n`, and `bounds`, the pair
        between which the claim has the effect. A number that is not finite is None, since JSON has neither NaN nor
        infinity: an effect nobody measured, an open interval, a claim that is bounded on one side. `reconsider` comes
        to the `status` from `low`, `high` and `bounds` alone.

    Raises:
        ArgumentError: what is no list of pairs from `judge`.

    >>> claim = Claim("It helps", "folklore", lambda dataset: Estimate(0.3, (0.1, math.inf), 20), Above(0))
    >>> rows = ledger(judge([claim], xr.Dataset()))
    >>> {key: rows[0][key] for key in ("claim", "status", "effect", "low", "high", "bounds")}
    {'claim': 'It helps', 'status': 'holds', 'effect': 0.3, 'low': 0.1, 'high': None, 'bounds': [0.0, None]}
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
            "bounds": [finite(end) for end in verdict.bound.ends],
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


def reconsider(row: dict[str, Any]) -> Status:
    """The verdict of one row of a ledger, from its interval and its bounds: what `status` must be.

    Raises:
        ArgumentError: no row of a ledger, or bounds that bound nothing.

    >>> claim = Claim("It helps", "folklore", lambda dataset: Estimate(0.3, (0.1, 0.5), 20), Inside(0.2, 0.4))
    >>> rows = ledger(judge([claim], xr.Dataset()))
    >>> rows[0]["status"], reconsider(rows[0]), reconsider(rows[0] | {"low": 0.25, "high": 0.35})
    ('undecided', 'undecided', 'holds')
    """
    row = _read_row(row)
    low, high = row["low"], row["high"]
    return read_bound(row).judge((-math.inf if low is None else low, math.inf if high is None else high))


def _read_row(row: Any) -> dict[str, Any]:
    if not (isinstance(row, dict) and row.keys() >= _COLUMNS):
        raise ArgumentError("rows", row, f"must have {', '.join(sorted(_COLUMNS))}", _ROWS)
    for name in ("low", "high"):
        if row[name] is not None:
            Domain().check(name, row[name], _ROWS)
    return row


def read_bound(row: dict[str, Any]) -> Bound:
    """The bound of one row of a ledger.

    Raises:
        ArgumentError: no row of a ledger, or bounds that bound nothing.

    >>> claim = Claim("It helps", "folklore", lambda dataset: None, Below(2))
    >>> read_bound(ledger(judge([claim], xr.Dataset()))[0])
    Below(limit=2.0)
    """
    bounds = _read_row(row)["bounds"]
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and any(end is not None for end in bounds)):
        raise ArgumentError("bounds", bounds, "must be two numbers, one of which may be None", _ROWS)
    low, high = bounds
    if high is None:
        return Above(low)
    return Below(high) if low is None else Inside(low, high)


def format_ledger(rows: list[dict[str, Any]]) -> str:
    """The ledger as an aligned text table, one claim a line.

    Args:
        rows: what `ledger` returned.

    >>> claim = Claim("It helps", "folklore", lambda dataset: Estimate(0.3, (0.1, 0.5), 20, "points"), Above(0))
    >>> print(format_ledger(ledger(judge([claim], xr.Dataset()))))
    status  effect                 claimed   n  claim     source
    holds   0.3 [0.1, 0.5] points  > 0      20  It helps  folklore
    """
    rows = [_read_row(row) for row in _read_all("rows", rows, _ROWS)]

    def number(value: float | None, missing: str) -> str:
        return missing if value is None else f"{value:.3g}"

    def effect(row: dict[str, Any]) -> str:
        interval = f"[{number(row['low'], '-inf')}, {number(row['high'], 'inf')}]"
        return f"{number(row['effect'], 'none')} {interval} {row['unit']}".rstrip()

    table = [("status", "effect", "claimed", "n", "claim", "source")]
    table += [
        (row["status"], effect(row), str(read_bound(row)), str(row["n"]), row["claim"], row["source"]) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left, right = str.ljust, str.rjust
    justify = (left, left, left, right, left, left)
    return "\n".join(
        "  ".join(place(cell, width) for place, cell, width in zip(justify, line, widths, strict=True)).rstrip()
        for line in table
    )

"""A number measured on a population, how well it is known, and between which bounds somebody says that it lies."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from jaxreg.checks import FINITE, Domain, check_kind, check_pair
from jaxreg.errors import ArgumentError

Status = Literal["holds", "fails", "undecided"]
Number = int | float


@dataclass(frozen=True)
class Estimate:
    """A number measured on a population, and how well it is known.

    Args:
        effect: the number, in `unit`; NaN where no run measured it.
        interval: its confidence interval (low, high), in `unit`; ends may be infinite.
        n: number of runs (or pairs of runs) behind it.
        unit: unit of the effect, as "percentage points"; empty for a pure number.

    Raises:
        ArgumentError: an interval with NaN or high < low, a negative n, a number without an interval around it.
    """

    effect: Number
    interval: tuple[Number, Number]
    n: int
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what no measurement can mean."""
        constraint = "must be (low, high) with low <= high and no NaN"
        check_pair("interval", self.interval, Domain(), constraint, "Give (-inf, inf) where the runs cannot tell")
        Domain(0, ends="[)", whole=True).check("n", self.n, "Give the number of runs behind the effect")
        check_kind("unit", self.unit, str, "Give its name, or an empty one")
        if not (isinstance(self.effect, float | np.floating) and math.isnan(self.effect)):
            Domain().check("effect", self.effect, "Give the estimate, or NaN where there is none")
        elif tuple(self.interval) != (-math.inf, math.inf):
            raise ArgumentError("interval", self.interval, "must be open where there is no effect", "Give (-inf, inf)")

    def exponential(self, unit: str = "", base: Number = math.e) -> "Estimate":
        r"""The estimate of $b^\theta$ from that of $\theta$: of a ratio, from that of a difference of logarithms.

        >>> Estimate(2.0, (1.0, 3.0), 8).exponential("times", base=10)
        Estimate(effect=100.0, interval=(10.0, 1000.0), n=8, unit='times')
        """

        def raised(exponent: Number) -> float:
            try:
                return math.exp(exponent) if base == math.e else float(base) ** exponent
            except OverflowError:
                return math.inf

        if math.isnan(self.effect):
            return Estimate(self.effect, self.interval, self.n, unit)
        low, high = self.interval
        return Estimate(raised(self.effect), (raised(low), raised(high)), self.n, unit)


def exactly(value: Number, n: int = 1, unit: str = "") -> Estimate:
    """A number that is computed and not estimated: its interval is the number itself.

    Args:
        value: the number.
        n: runs behind it.
        unit: of the number.

    Raises:
        ArgumentError: a value that is no finite number.

    >>> exactly(0.5, unit="nats").interval
    (0.5, 0.5)
    """
    FINITE.check("value", value, "Give a number; where there is none, None says so in place of an Estimate")
    return Estimate(value, (value, value), n, unit)


def estimate(summary: xr.Dataset, unit: str | None = None) -> Estimate:
    """Effect, interval and n of one cell of a summary by `jaxreg.stats`.

    Args:
        summary: Dataset whose first variable is the effect, with `low`, `high` and `n`, all without dimensions.
        unit: of the effect; by default the attribute `units` of its variable, if it has one.

    Raises:
        ArgumentError: a variable is missing, or a dimension is left.

    >>> estimate(xr.Dataset({"mean": 1.5, "low": 1.0, "high": 2.0, "n": 8, "diverged": 0}), "nats")
    Estimate(effect=1.5, interval=(1.0, 2.0), n=8, unit='nats')
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
    number, low, high = (float(summary[name]) for name in (effect, "low", "high"))
    units = summary[effect].attrs.get("units", "") if unit is None else unit
    return Estimate(number, (low, high), int(summary["n"]), units)


def percentage(summary: xr.Dataset, unit: str = "%") -> Estimate:
    """What `estimate` says of a share or of a difference of shares, in per cent.

    Args:
        summary: what a function of `jaxreg.stats` returned, between 0 and 1.
        unit: of the per cent.

    >>> percentage(xr.Dataset({"proportion": 0.5, "low": 0.25, "high": 0.75, "n": 8}), "% of runs")
    Estimate(effect=50.0, interval=(25.0, 75.0), n=8, unit='% of runs')
    """
    share = estimate(summary, unit)
    low, high = share.interval
    return Estimate(100 * share.effect, (100 * low, 100 * high), share.n, share.unit)


@dataclass(frozen=True)
class Above:
    r"""The effect is larger than `limit`, $\theta > b$.

    It holds when $\text{low} > b$, fails when $\text{high} \le b$, and is undecided otherwise. For a two-sided interval
    of level $1 - \alpha$ and $\theta = b$, the probability of "holds" is $\alpha/2$, that of "fails" the same.

    Args:
        limit: $b$, in the unit of the effect.

    Raises:
        ArgumentError: no finite number.

    >>> [Above(0).judge(interval) for interval in ((0.1, 0.5), (-0.1, 0.7), (-2.0, 0.0))]
    ['holds', 'undecided', 'fails']
    """

    limit: Number = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no number."""
        FINITE.check("limit", self.limit, "Give a number")

    def judge(self, interval: tuple[Number, Number]) -> Status:
        """What an interval of the effect says."""
        return _decide(interval[0] > self.limit, interval[1] <= self.limit)

    def __str__(self) -> str:
        """The bound in signs."""
        return f"> {self.limit:g}"

    @property
    def ends(self) -> tuple[Number, Number]:
        """Between which numbers the effect is claimed to lie."""
        return self.limit, math.inf


@dataclass(frozen=True)
class Below:
    r"""The effect is smaller than `limit`, $\theta < b$: `Above` with the sign turned.

    >>> Below(0).judge((0.1, 0.5)), Below(1).judge((0.1, 0.5))
    ('fails', 'holds')
    """

    limit: Number = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no number."""
        FINITE.check("limit", self.limit, "Give a number")

    def judge(self, interval: tuple[Number, Number]) -> Status:
        """What an interval of the effect says."""
        return _decide(interval[1] < self.limit, interval[0] >= self.limit)

    def __str__(self) -> str:
        """The bound in signs."""
        return f"< {self.limit:g}"

    @property
    def ends(self) -> tuple[Number, Number]:
        """Between which numbers the effect is claimed to lie."""
        return -math.inf, self.limit


@dataclass(frozen=True)
class Inside:
    r"""The effect lies from `low` to `high`, $a \le \theta \le b$: "makes no difference", say.

    It holds when the whole interval lies in $[a, b]$, fails when none of it does, and is undecided otherwise. A wide
    interval around no difference decides nothing.

    Raises:
        ArgumentError: ends that are not finite, or not in order.

    >>> [Inside(-0.01, 0.01).judge((-h, h)) for h in (0.005, 0.2)]
    ['holds', 'undecided']
    """

    low: Number
    high: Number

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        constraint = "must be two finite numbers, the lower first"
        check_pair("ends", self.ends, FINITE, constraint, "Give Above or Below where one side is open")

    def judge(self, interval: tuple[Number, Number]) -> Status:
        """What an interval of the effect says."""
        within = self.low <= interval[0] and interval[1] <= self.high
        return _decide(within, interval[1] < self.low or interval[0] > self.high)

    def __str__(self) -> str:
        """The bound in signs."""
        return f"{self.low:g} to {self.high:g}"

    @property
    def ends(self) -> tuple[Number, Number]:
        """Between which numbers the effect is claimed to lie."""
        return self.low, self.high


Bound = Above | Below | Inside


def _decide(holds: bool, fails: bool) -> Status:
    return "holds" if holds else "fails" if fails else "undecided"

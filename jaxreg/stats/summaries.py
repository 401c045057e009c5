"""Means, medians, quantiles and proportions over a named dimension, each with its interval."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.special import bdtr, bdtrik, ndtri

from jaxreg.checks import FINITE, SHARE, check_flag, check_pair
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import Dim, Runs, Table, collect, label, read_level
from jaxreg.stats.student import student_interval


def mean(dataset: Table, name: str | None = None, dim: Dim = "seed", level: float = 0.95) -> xr.Dataset:
    r"""Mean over `dim` with its Student-t confidence interval, $\bar x \pm t_{n-1}\, s/\sqrt n$.

    $s^2$ is the sample variance with $n-1$ in the denominator and $t_{n-1}$ the quantile at $(1 + \text{level})/2$.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        name: variable to average; None where there is one only.
        dim: dimension, or tuple of dimensions, to average over.
        level: coverage of the interval, in (0, 1).

    Returns:
        Dataset of `mean`, `low`, `high`, `n`, `diverged`. With fewer than two runs the interval is (-inf, inf).

    Raises:
        ArgumentError: unknown variable or dimension, or a level outside (0, 1).

    >>> runs = xr.Dataset({"loss": ("seed", [1.0, 2.0, 3.0, np.inf])})
    >>> summary = mean(runs, "loss", dim="seed")
    >>> float(summary["mean"]), int(summary["n"]), int(summary["diverged"])
    (2.0, 3, 1)
    >>> round(float(summary["high"]), 3)
    4.484
    """
    level = read_level(level)
    runs = collect(dataset, name, dim)
    centre, low, high, n = student_interval(runs.values, runs.valid, level)
    interval = f"{100 * level:g} % Student t interval of the mean"
    return label(runs, interval, mean=centre, low=low, high=high, n=n, diverged=runs.left_out)


def median(dataset: Table, name: str | None = None, dim: Dim = "seed", level: float = 0.95) -> xr.Dataset:
    r"""Median over `dim` with the interval between two runs that covers the population's, whatever its distribution.

    Of n runs, $K \sim \mathrm{Bin}(n, \tfrac12)$ lie below the median of the population; between the runs of rank r and
    $n + 1 - r$ it lies with probability $1 - 2 P(K < r)$. The interval has the largest r at which that is `level` or
    more.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        name: variable to summarise; None where there is one only.
        dim: dimension, or tuple of dimensions, of the runs.
        level: coverage of the interval, in (0, 1).

    Returns:
        Dataset of `median`, `low`, `high`, `n`, `diverged`. Of too few runs for the level, for 95 % fewer than six, the
        interval is (-inf, inf).

    Raises:
        ArgumentError: unknown variable or dimension, or a level outside (0, 1).

    >>> summary = median(xr.Dataset({"loss": ("seed", np.arange(1.0, 21.0))}), "loss", dim="seed")
    >>> [float(summary[part]) for part in ("median", "low", "high")]
    [10.5, 6.0, 15.0]

    Source: Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    level = read_level(level)
    runs = collect(dataset, name, dim)
    n, at = runs.valid.sum(-1), _order(runs)
    tail, trials = (1 - level) / 2, np.maximum(n, 1)
    rank = np.ceil(bdtrik(tail, trials, 0.5))  # the least k with P(K <= k) of the tail or more, but for rounding
    rank -= (rank > 0) & (bdtr(np.maximum(rank - 1, 0), trials, 0.5) >= tail)
    low, high = (np.where(rank >= 1, at(place), bound) for place, bound in ((rank - 1, -np.inf), (n - rank, np.inf)))
    interval = f"{100 * level:g} % interval of the median between two runs"
    return label(runs, interval, median=at((n - 1) / 2), low=low, high=high, n=n, diverged=runs.left_out)


def quantiles(
    dataset: Table, name: str | None = None, dim: Dim = "seed", band: tuple[float, float] = (0.05, 0.95)
) -> xr.Dataset:
    r"""Median over `dim` and the band between two quantiles of the runs.

    The band shows how single runs scatter; it is not a confidence interval and does not shrink with $n$. Quantile $q$
    interpolates linearly between the order statistics at $q(n-1)$, as NumPy's default does.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        name: variable to summarise; None where there is one only.
        dim: dimension, or tuple of dimensions, of the runs.
        band: lower and upper quantile, `0 <= low < high <= 1`.

    Returns:
        Dataset of `median`, `low`, `high`, `n`, `diverged`. One run says nothing about scatter: with fewer than two,
        the band is (-inf, inf).

    Raises:
        ArgumentError: unknown variable or dimension, or a band that is not two increasing quantiles.

    >>> runs = xr.Dataset({"loss": ("seed", np.arange(101.0))})
    >>> summary = quantiles(runs, "loss", dim="seed")
    >>> [float(summary[part]) for part in ("median", "low", "high")]
    [50.0, 5.0, 95.0]
    """
    check_pair("band", band, SHARE, "must be two increasing quantiles in [0, 1]", "Give (0.05, 0.95)", apart=True)
    runs = collect(dataset, name, dim)
    n, at = runs.valid.sum(-1), _order(runs)
    low, centre, high = (at(q * (n - 1)) for q in (band[0], 0.5, band[1]))
    low, high = np.where(n > 1, low, -np.inf), np.where(n > 1, high, np.inf)
    interval = f"{100 * band[0]:g} % to {100 * band[1]:g} % quantile of the runs"
    return label(runs, interval, median=centre, low=low, high=high, n=n, diverged=runs.left_out)


def _order(runs: Runs) -> Callable[[np.ndarray], np.ndarray]:
    """The run at a place of each cell's order, from 0, linear between two; what lies outside is at an end."""
    ordered = np.sort(np.where(runs.valid, runs.values, np.nan), axis=-1)  # sort puts NaN, the runs left out, last
    ordered = ordered if ordered.shape[-1] else np.full((len(ordered), 1), np.nan)

    def at(place: np.ndarray) -> np.ndarray:
        place = np.clip(place, 0, ordered.shape[-1] - 1)
        below, above = np.floor(place).astype(int), np.ceil(place).astype(int)
        left, right = (np.take_along_axis(ordered, i[:, None], -1)[:, 0] for i in (below, above))
        return left + (right - left) * (place - below)

    return at


def proportion(
    dataset: Table,
    name: str | None = None,
    dim: Dim = "seed",
    level: float = 0.95,
    value: int | float | None = None,
    count_diverged: bool = False,
) -> xr.Dataset:
    r"""Share of runs in which something is true, with Wilson's interval.

    $$\frac{k + z^2/2}{n + z^2} \pm \frac{z}{n + z^2} \sqrt{\frac{k (n-k)}{n} + \frac{z^2}{4}}$$

    with $k$ of $n$ runs true and $z$ the normal quantile at $(1 + \text{level})/2$.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        name: a variable of truth values or zeros and ones; with `value`, a variable of categories. None where there
            is one only. Asked about the variable `diverged` itself, no run is left out.
        dim: dimension, or tuple of dimensions, of the runs.
        level: coverage of the interval, in (0, 1).
        value: the category whose share is asked for.
        count_diverged: keep diverged runs in `n`, as what they recorded; one that recorded no finite number counts
            as not true. For outcomes of which divergence is one.

    Returns:
        Dataset of `proportion`, `low`, `high`, `n`, `diverged` (left out or, with `count_diverged`, kept). Without any
        run the interval is (0, 1).

    Raises:
        ArgumentError: unknown variable or dimension, a level outside (0, 1), or other values than 0 and 1.

    >>> runs = xr.Dataset({"fate": ("seed", [0, 2, 2, 1, 2, 2, 0, 2, 2, 2])})
    >>> summary = proportion(runs, "fate", dim="seed", value=2)
    >>> [round(float(summary[part]), 3) for part in ("proportion", "low", "high")]
    [0.7, 0.397, 0.892]

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    level = read_level(level)
    if value is not None:
        FINITE.check("value", value, "Give the number of a category")
    check_flag("count_diverged", count_diverged)
    runs = collect(dataset, name, dim)
    kept = runs.exist if count_diverged else runs.valid
    recorded = kept & np.isfinite(runs.values)
    if value is None and not np.isin(runs.values[recorded], (0.0, 1.0)).all():
        constraint = "must hold truth values or zeros and ones"
        raise ArgumentError("name", name, constraint, "Say with `value=` which category is meant")
    k = (recorded & (runs.values == (1.0 if value is None else value))).sum(-1)
    n = kept.sum(-1)
    share = np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0)
    low, high = wilson_interval(k, n, level)
    interval = f"{100 * level:g} % Wilson interval of the proportion"
    return label(runs, interval, proportion=share, low=low, high=high, n=n, diverged=runs.left_out)


def wilson_interval(k: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The shares that a score test of k of n does not reject."""
    z = ndtri(0.5 + level / 2)
    spread = z * np.sqrt(k * (n - k) / np.maximum(n, 1) + z**2 / 4)
    # For none of n the lower limit is 0 and for all of n the upper one is 1; rounding must not spoil that.
    low = np.where(k == 0, 0.0, (k + z**2 / 2 - spread) / (n + z**2))
    high = np.where(k == n, 1.0, (k + z**2 / 2 + spread) / (n + z**2))
    return low, high

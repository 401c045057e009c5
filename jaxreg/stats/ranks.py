r"""Wilcoxon's tests, of pairs (signed ranks) and of two populations (Mann and Whitney's), row by row.

The estimate is Hodges and Lehmann's: the median of the averages of any two differences (each with itself too), or of
the differences between any run of one and any of the other. The $c$-th smallest and largest of them bound the
interval, $c$ being the number of values of the statistic whose two-sided p value is no more than 1 - level.
"""

import functools
from collections.abc import Callable

import numpy as np
import scipy  # which imports `scipy.stats`, half a second, where it is first used
from scipy.special import ndtri

from jaxreg.stats.student import Alternative, Outcome

EXACT_TIED = 13  # and so many differences of which some are equal or 0; as SciPy does
EXACT = 50  # up to so many runs of each, null distributions are enumerated; as R does
_BITS = 44  # after the point, of differences of runs that are near 1: the last 8 are what rounding makes of decimals
_ENTRIES = 2**22  # of the largest array that is built at once


def signed_rank_test(differences: np.ndarray, level: float, alternative: Alternative) -> Outcome:
    """Wilcoxon's signed-rank test of rows of differences; those that are 0 have no sign, and are left out of the ranks.

    SciPy's automatic choice between exact and asymptotic p values is one for all rows, so that a row's would depend on
    its neighbours; here rows of a kind are tested together. 97.53 - 97.51 and 97.55 - 97.53 are equal but for rounding,
    and are ranked as equal.
    """
    n = differences.shape[-1]
    signed = np.ldexp(np.round(np.ldexp(differences, _BITS)), -_BITS)
    sizes = np.sort(np.abs(signed), axis=-1)
    exact = (n <= EXACT) & (sizes > 0).all(-1) & (np.diff(sizes) > 0).all(-1)
    some = (sizes > 0).any(-1)
    statistic, p = np.where(n, np.zeros(len(sizes)), np.nan), np.ones(len(sizes))
    few = ~exact & some & (n <= EXACT_TIED)
    for method, rows in (("exact", exact & some), ("asymptotic", ~exact & some)):
        if rows.any():
            tested = scipy.stats.wilcoxon(signed[rows], alternative=alternative, method=method, axis=-1)
            statistic[rows], p[rows] = tested.statistic, tested.pvalue
    for row in np.flatnonzero(few):
        p[row] = _flip_signs(signed[row], alternative)
    i, j = np.triu_indices(n)
    middle, low, high = _bound(differences, lambda d: d[:, i] / 2 + d[:, j] / 2, len(i), _count_signed(n, level))
    return Outcome(middle, low, high, statistic, p)


def _flip_signs(differences: np.ndarray, alternative: Alternative) -> float:
    """The exact p value of differences with ties or zeros: all signs of their ranks are as likely."""
    some = differences[differences != 0]
    ranks = (2 * scipy.stats.rankdata(np.abs(some))).astype(int)  # ties have halves
    ways = np.ones(1)
    for rank in ranks:
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    positive = ranks[some > 0].sum()
    share = ways / ways.sum()
    tails = {"less": share[: positive + 1].sum(), "greater": share[positive:].sum()}
    return float(tails.get(alternative, min(1.0, 2 * min(tails.values()))))


def rank_sum_test(first: np.ndarray, second: np.ndarray, level: float, alternative: Alternative) -> Outcome:
    """Mann and Whitney's test of rows of runs of two populations."""
    n, m = first.shape[-1], second.shape[-1]
    both = np.concatenate([first, second], axis=-1)
    steps = np.diff(np.sort(both, axis=-1))
    exact = (max(n, m) <= EXACT) & (steps > 0).all(-1)
    some = (steps > 0).any(-1) & (min(n, m) > 0)  # else there is nothing to rank
    statistic, p = np.full(len(both), n * m / 2 if min(n, m) else np.nan), np.ones(len(both))
    for method, rows in (("exact", exact & some), ("asymptotic", ~exact & some)):
        if rows.any():
            tested = scipy.stats.mannwhitneyu(
                first[rows], second[rows], alternative=alternative, method=method, axis=-1
            )
            statistic[rows], p[rows] = tested.statistic, tested.pvalue
    count = _count_sums(n, m, level)
    middle, low, high = _bound(both, lambda z: (z[:, :n, None] - z[:, None, n:]).reshape(len(z), -1), n * m, count)
    return Outcome(middle, low, high, statistic, p)


def _bound(
    runs: np.ndarray, combine: Callable[[np.ndarray], np.ndarray], size: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, and the `count`-th smallest and largest, of what runs of each row are combined to."""
    cells = len(runs)
    middle, low, high = np.full(cells, np.nan), np.full(cells, -np.inf), np.full(cells, np.inf)
    if size:
        for rows in np.array_split(np.arange(cells), max(1, -(-cells * size // _ENTRIES))):
            ordered = np.sort(combine(runs[rows]), axis=-1)
            middle[rows] = np.median(ordered, axis=-1)
            if count:
                low[rows], high[rows] = ordered[:, count - 1], ordered[:, -count]
    return middle, low, high


@functools.cache
def _count_signed(n: int, level: float) -> int:
    """How many values of the sum of positive ranks are too small for the level."""
    if n > EXACT:
        return _count_normal(n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24, level)
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    return _count_small(ways, level)


@functools.cache
def _count_sums(n: int, m: int, level: float) -> int:
    """How many values of Mann and Whitney's statistic are too small for the level."""
    if max(n, m) > EXACT:
        return _count_normal(n * m / 2, n * m * (n + m + 1) / 12, level)
    # The Gaussian binomial coefficient, in Python's integers, since float64 would lose the small ones in differences.
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for k in range(n * m, m + i - 1, -1):
            ways[k] -= ways[k - m - i]
        for k in range(i, n * m + 1):
            ways[k] += ways[k - i]
    return _count_small(np.array(ways, dtype=np.float64), level)


def _count_small(ways: np.ndarray, level: float) -> int:
    """How many values, from the least on, have a two-sided p value of no more than 1 - level."""
    return int((2 * np.cumsum(ways) / ways.sum() <= (1 - level) * (1 + 1e-12)).sum())


def _count_normal(mean: float, variance: float, level: float) -> int:
    """The same for the normal distribution of that mean and variance, with a correction for continuity."""
    return max(0, int(np.floor(mean + 0.5 + ndtri((1 - level) / 2) * np.sqrt(variance))))

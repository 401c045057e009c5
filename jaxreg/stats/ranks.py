r"""Wilcoxon's tests, of pairs (signed ranks) and of two populations (Mann and Whitney's), row by row.

The estimate is Hodges and Lehmann's: the median of the averages of any two differences (each with itself too), or of
the differences between any run of one and any of the other. The $c$-th smallest and largest of them bound the
interval, $c$ being the number of values of the statistic whose two-sided p value is no more than 1 - level.
"""

import functools

import numpy as np
import scipy.stats
from scipy.special import ndtri

from jaxreg.stats.student import Alternative, Tested

EXACT = 50  # up to so many runs of each, null distributions are enumerated; as R does


def signed_rank_test(differences: np.ndarray, level: float, alternative: Alternative) -> Tested:
    """Wilcoxon's signed-rank test of rows of differences; those that are 0 have no sign, and are left out of the ranks.

    SciPy chooses between exact and asymptotic p values for all rows together, so that a row's would depend on its
    neighbours; here each row has its own.
    """
    cells, n = differences.shape
    i, j = np.triu_indices(n)
    statistic, p = np.full(cells, np.nan), np.ones(cells)
    estimates = np.full((3, cells), np.nan)
    for row, d in enumerate(differences):
        count = np.count_nonzero(d)
        if count:
            sizes = np.abs(d[d != 0])
            exact = count == n <= EXACT and len(np.unique(sizes)) == n
            tested = scipy.stats.wilcoxon(d, alternative=alternative, method="exact" if exact else "asymptotic")
            statistic[row], p[row] = tested.statistic, tested.pvalue
        elif n:
            statistic[row] = 0.0
        estimates[:, row] = _bound(d[i] / 2 + d[j] / 2, _count_signed(n, level))
    middle, low, high = estimates
    return Tested(middle, low, high, statistic, p)


def rank_sum_test(first: np.ndarray, second: np.ndarray, level: float, alternative: Alternative) -> Tested:
    """Mann and Whitney's test of rows of runs of two populations."""
    cells, n, m = len(first), first.shape[-1], second.shape[-1]
    statistic, p = np.full(cells, np.nan), np.ones(cells)
    estimates = np.full((3, cells), np.nan)
    for row, (x, y) in enumerate(zip(first, second, strict=True)):
        if n and m:
            distinct = len(np.unique(np.concatenate([x, y])))
            exact = max(n, m) <= EXACT and distinct == n + m
            statistic[row] = n * m / 2
            if distinct > 1:  # else there is nothing to rank
                method = "exact" if exact else "asymptotic"
                tested = scipy.stats.mannwhitneyu(x, y, alternative=alternative, method=method)
                statistic[row], p[row] = tested.statistic, tested.pvalue
        estimates[:, row] = _bound((x[:, None] - y).ravel(), _count_sums(n, m, level))
    middle, low, high = estimates
    return Tested(middle, low, high, statistic, p)


def _bound(values: np.ndarray, count: int) -> tuple[float, float, float]:
    """Median, and the `count`-th smallest and largest."""
    if not values.size:
        return np.nan, -np.inf, np.inf
    ordered = np.sort(values)
    middle = float(np.median(ordered))
    return (middle, ordered[count - 1], ordered[-count]) if count else (middle, -np.inf, np.inf)


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

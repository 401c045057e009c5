"""Student's t: the interval of a mean, and the tests of one and of two means, row by row."""

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

Alternative = Literal["two-sided", "greater", "less"]


class Outcome(NamedTuple):
    """What a test says of each row: an estimate of the difference, its interval, the statistic and its p value."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray


class Moments(NamedTuple):
    """Of the valid entries of each row."""

    n: np.ndarray
    mean: np.ndarray
    """NaN without any."""
    variance: np.ndarray
    """With n - 1 in the denominator; 0 with fewer than two."""


def find_moments(values: np.ndarray, valid: np.ndarray) -> Moments:
    """Number, mean and variance of each row."""
    n = valid.sum(-1)
    total = np.where(valid, values, 0.0).sum(-1)
    mean = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    centre = np.where(n > 0, mean, 0.0)
    squares = (np.where(valid, values - centre[:, None], 0.0) ** 2).sum(-1)
    return Moments(n, mean, squares / np.where(n > 1, n - 1, 1))


def student_interval(values: np.ndarray, valid: np.ndarray, level: float) -> tuple[np.ndarray, ...]:
    """Mean, low, high and n of each row."""
    n, mean, variance = find_moments(values, valid)
    low, high = _interval(mean, np.sqrt(variance / np.maximum(n, 1)), np.maximum(n - 1, 1), n > 1, level)
    return mean, low, high, n


def student_test(values: np.ndarray, valid: np.ndarray, level: float, alternative: Alternative) -> Outcome:
    """Student's test that the mean of each row is 0."""
    n, mean, variance = find_moments(values, valid)
    return _test(mean, np.sqrt(variance / np.maximum(n, 1)), np.maximum(n - 1, 1), n > 1, level, alternative)


def two_sample_test(
    first: Moments, second: Moments, level: float, alternative: Alternative, *, pooled: bool
) -> Outcome:
    """The test that two means are equal: Welch's, or with `pooled`, Student's for equal variances."""
    n, m = np.maximum(first.n, 1), np.maximum(second.n, 1)
    a, b = first.variance / n, second.variance / m
    enough = (first.n > 1) & (second.n > 1)
    if pooled:
        degrees = np.maximum(n + m - 2.0, 1.0)
        error = np.sqrt(((n - 1) * first.variance + (m - 1) * second.variance) / degrees * (1 / n + 1 / m))
        enough = (first.n > 0) & (second.n > 0) & (first.n + second.n > 2)
    else:
        share = np.divide(
            a, a + b, out=np.full(a.shape, 0.5), where=a + b > 0
        )  # keeps squares from under- and overflow
        degrees = 1 / (share**2 / np.maximum(n - 1, 1) + (1 - share) ** 2 / np.maximum(m - 1, 1))
        error = np.sqrt(a + b)
    return _test(first.mean - second.mean, error, degrees, enough, level, alternative)


def tail(statistic: np.ndarray, degrees: np.ndarray, alternative: Alternative) -> np.ndarray:
    """The p value of a t statistic; 1 where it is NaN."""
    if alternative == "two-sided":
        p = 2 * stdtr(degrees, -np.abs(statistic))
    else:
        p = stdtr(degrees, -statistic if alternative == "greater" else statistic)
    return np.where(np.isnan(statistic), 1.0, p)


def _test(
    difference: np.ndarray,
    error: np.ndarray,
    degrees: np.ndarray,
    enough: np.ndarray,
    level: float,
    alternative: Alternative,
) -> Outcome:
    """Without scatter, any difference is infinitely many errors large, and no difference is none."""
    low, high = _interval(difference, error, degrees, enough, level)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        statistic = np.where((error == 0) & (difference == 0), 0.0, difference / error)
    p = tail(np.where(enough, statistic, np.nan), degrees, alternative)
    return Outcome(difference, low, high, np.where(enough, statistic, 0.0 * difference), p)


def _interval(
    mean: np.ndarray, error: np.ndarray, degrees: np.ndarray, enough: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    centre = np.where(np.isnan(mean), 0.0, mean)
    half = np.where(enough, stdtrit(degrees, 0.5 + level / 2) * error, np.inf)
    return centre - half, centre + half

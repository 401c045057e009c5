"""Differences between two populations: how large, how sure, and how surprising if there were none."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from jaxreg.checks import check_choice, check_integer
from jaxreg.errors import ArgumentError
from jaxreg.stats.ranks import rank_sum_test, signed_rank_test
from jaxreg.stats.runs import (
    Dim,
    Table,
    collect,
    collect_two,
    label,
    listed,
    read_dataset,
    read_level,
    scale_two,
    subtract,
)
from jaxreg.stats.student import Alternative, Outcome, find_moments, student_interval, student_test, two_sample_test
from jaxreg.stats.swaps import exchange, flip_signs, swap

Kind = Literal["t", "pooled_t", "permutation", "wilcoxon"]
_MOST_PERMUTATIONS = 1_000_000


def paired_difference(dataset: Table, name: str, dim: Dim, axis: str, baseline: Any, level: float = 0.95) -> xr.Dataset:
    r"""Mean difference from a baseline, run by run, with the Student-t interval of the differences.

    $d_i(a) = x_i(a) - x_i(\text{baseline})$ for run $i$ and every value $a$ of `axis`: runs that share a seed share
    their randomness, which the difference cancels. The mean of $d$ and its interval are those of `mean`. For p values,
    other tests and populations that are not in one dataset, see `compare`.

    Args:
        dataset: result of a sweep.
        name: variable to compare.
        dim: dimension, or tuple of dimensions, whose members are paired.
        axis: dimension along which the settings differ.
        baseline: coordinate of the setting that is subtracted; a float matches within a relative 1e-6.
        level: coverage of the interval, in (0, 1).

    Returns:
        Dataset of `difference`, `low`, `high`, `n` (pairs used), `diverged` (pairs left out, because either member
        diverged), over `axis` and what else remains. At the baseline itself, difference and interval are 0.

    Raises:
        ArgumentError: unknown variable, dimension, axis or baseline, or a level outside (0, 1).

    >>> accuracy = [[0.90, 0.93], [0.80, 0.84], [0.70, 0.72]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy)}, {"case": ["plain", "l2"]})
    >>> summary = paired_difference(runs, "accuracy", dim="seed", axis="case", baseline="plain").sel(case="l2")
    >>> [round(float(summary[part]), 3) for part in ("difference", "low", "high")]
    [0.03, 0.005, 0.055]
    """
    level = read_level(level)
    runs = collect(dataset, name, dim)
    if not isinstance(axis, str) or axis not in runs.rest:
        constraint = f"must be a dimension of {name} other than those of `dim`"
        raise ArgumentError("axis", axis, constraint, f"Known: {listed(runs.rest)}")
    settings = read_dataset(dataset, name, dim)[axis].values  # xarray numbers a dimension that has no coordinate
    if settings.dtype.kind == "f" and isinstance(baseline, int | float | np.number):
        same = np.isclose(settings, baseline, rtol=1e-6, atol=0.0)
    else:
        # What is no single value, as an array, is no setting either.
        single = not isinstance(baseline, xr.Dataset) and np.ndim(baseline) == 0
        same = np.array([single and bool(setting == baseline) for setting in settings], bool)
    if same.sum() != 1:
        raise ArgumentError("baseline", baseline, f"must be one value of {axis}", f"Known: {listed(settings)}")
    place, at = runs.rest.index(axis), np.flatnonzero(same)

    def of_baseline(part: np.ndarray) -> np.ndarray:
        array = part.reshape(*runs.shape, part.shape[-1])
        return np.broadcast_to(array.take(at, place), array.shape).reshape(part.shape)

    valid = runs.valid & of_baseline(runs.valid)
    difference = np.where(valid, runs.values, 0.0) - np.where(valid, of_baseline(runs.values), 0.0)
    centre, low, high, n = student_interval(difference, valid, level)
    left_out = (runs.exist & of_baseline(runs.exist) & ~valid).sum(-1)
    interval = f"{100 * level:g} % Student t interval of the paired difference from {axis} = {baseline}"
    return label(runs, interval, difference=centre, low=low, high=high, n=n, diverged=left_out)


def compare(
    first: Table,
    second: Table,
    name: str | None = None,
    dim: Dim = "seed",
    *,
    paired: bool,
    test: Kind = "t",
    alternative: Alternative = "two-sided",
    level: float = 0.95,
    permutations: int = 10_000,
    seed: int | None = None,
) -> xr.Dataset:
    r"""Difference between two populations, $x - y$, with its interval and the p value of "there is none".

    | `test` | of pairs | of separate runs | difference and interval |
    | --- | --- | --- | --- |
    | `"t"` | Student's, of $d_i = x_i - y_i$ | Welch's | of the means; Student's t |
    | `"pooled_t"` | as `"t"` | Student's, for equal variances | of the means; Student's t |
    | `"permutation"` | turns signs of $d_i$ | exchanges runs | of the means; all that is not rejected |
    | `"wilcoxon"` | signed ranks of $d_i$ | Mann and Whitney's ranks | Hodges and Lehmann's; all that is not rejected |

    Permutation tests take all permutations where there are no more than `permutations` of them ($2^n$ for pairs, else
    $\binom{n+m}{n}$), and are exact then; else they draw so many, and $p = (1 + b)/(1 + B)$ for $b$ of $B$ that differ
    no less, so that it is never 0. Wilcoxon's are exact without ties and up to 50 runs of each, and with them for up to
    13 pairs, else normal with corrections for ties (and, for two populations, for continuity); pairs without a
    difference are left out of the ranks. A two-sided p value is twice the smaller one-sided one, and no more than 1.
    Many comparisons want `adjust`.

    Args:
        first: runs that $x$ are taken of.
        second: runs that $y$ are taken of. A dimension that only one of both has is repeated for the other, so that
            `compare(runs, runs.sel(case="plain"), "accuracy", paired=True)` compares every case with one.
        name: variable of both; None where each has one.
        dim: dimension, or tuple of dimensions, of the runs. Paired runs must have the same labels there.
        paired: whether run i of one shares its randomness with run i of the other, as equal seeds do in a sweep.
        test: as above.
        alternative: "greater" tests for $x > y$ only, "less" for $x < y$. The interval is always two-sided.
        level: coverage of the interval, in (0, 1).
        permutations: how many permutations are tried at most.
        seed: of the drawing of permutations; needed where not all are tried.

    Returns:
        Dataset of `difference`, `low`, `high`, `n` (pairs, or runs of both together), `diverged` (pairs or runs left
        out), `p_value` and `statistic` (t; the difference of means; SciPy's rank sums), and for separate runs `n_first`
        and `n_second`. Fewer runs than the test needs: (-inf, inf) and p value 1.

    Raises:
        ArgumentError: unknown variable, dimension or test, a level outside (0, 1), labels that do not fit together, no
            `seed` where permutations are drawn.

    >>> plain, l2 = [0.90, 0.80, 0.70, 0.75], [0.93, 0.84, 0.72, 0.79]
    >>> found = compare(l2, plain, paired=True)
    >>> [round(float(found[part]), 4) for part in ("difference", "low", "high", "p_value")]
    [0.0325, 0.0173, 0.0477, 0.0065]
    >>> round(float(compare(l2, plain, paired=True, test="permutation")["p_value"]), 4)  # 2 of 16 ways to turn signs
    0.125

    Sources: Welch, Biometrika 34 (1947) 28-35; Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; Mann and Whitney, Ann.
    Math. Stat. 18 (1947) 50-60; Hodges and Lehmann, Ann. Math. Stat. 34 (1963) 598-611; Hartigan, J. Am. Stat. Assoc.
    64 (1969) 1303-1317 (intervals from sign changes); Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    level = read_level(level)
    check_choice("test", test, get_args(Kind))
    check_choice("alternative", alternative, get_args(Alternative))
    check_integer("permutations", permutations, 1, _MOST_PERMUTATIONS, "10,000 is common")
    if seed is not None:
        check_integer("seed", seed, 0, math.inf, "Give the number of a drawing, such as 0")
    runs, others, exponents = scale_two(*collect_two(first, second, name, dim, paired=paired))
    # What both have in common is in no difference of means, but rounds them; ranks need numbers as they are.
    centre = 0.0 if test == "wilcoxon" else np.nan_to_num(find_moments(runs.values, runs.valid).mean)[:, None]
    sides = (runs.values - centre, runs.valid), (others.values - centre, others.valid)
    more: dict[str, np.ndarray] = {}
    if paired:
        values, valid, n, left_out = subtract(runs, others)

        def test_pairs(d: np.ndarray) -> Outcome:
            if test == "wilcoxon":
                return signed_rank_test(d, level, alternative)
            return swap(d, _mean(d), flip_signs(d.shape[-1], permutations, seed), level, alternative)

        if test in ("t", "pooled_t"):
            found = student_test(values, valid, level, alternative)
        else:
            found = _by_size(test_pairs, (values, valid))
    else:
        more = {"n_first": runs.valid.sum(-1), "n_second": others.valid.sum(-1)}
        n, left_out = more["n_first"] + more["n_second"], runs.left_out + others.left_out

        def test_runs(x: np.ndarray, y: np.ndarray) -> Outcome:
            if test == "wilcoxon":
                return rank_sum_test(x, y, level, alternative)
            moves = exchange(x.shape[-1], y.shape[-1], permutations, seed)
            return swap(np.concatenate([x, -y], axis=-1), _mean(x) - _mean(y), moves, level, alternative)

        if test in ("t", "pooled_t"):
            one, other = (find_moments(*side) for side in sides)
            found = two_sample_test(one, other, level, alternative, pooled=test == "pooled_t")
        else:
            found = _by_size(test_runs, *sides)
    kind = {"t": "Student" if paired else "Welch", "pooled_t": "Student"}.get(test, test)
    interval = f"{100 * level:g} % {kind} interval of the {'paired ' if paired else ''}difference"
    with np.errstate(over="ignore"):
        difference, low, high = (np.ldexp(part, exponents) for part in found[:3])
    return label(
        runs,
        interval,
        difference=difference,
        low=low,
        high=high,
        n=n,
        diverged=left_out,
        p_value=found.p_value,
        statistic=difference if test == "permutation" else found.statistic,
        **more,
    ).assign_attrs(test=test, alternative=alternative)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(-1) if values.shape[-1] else np.full(len(values), np.nan)


def _by_size(test: Callable[..., Outcome], *sides: tuple[np.ndarray, np.ndarray]) -> Outcome:
    """The test of rows of the valid values of each side, those with equally many of them together."""
    sizes = np.stack([valid.sum(-1) for _, valid in sides], axis=-1)
    parts = np.empty((len(Outcome._fields), len(sizes)))
    for size in np.unique(sizes, axis=0):
        rows = np.flatnonzero((sizes == size).all(-1))
        runs = (_compress(a[rows], valid[rows], n) for (a, valid), n in zip(sides, map(int, size), strict=True))
        parts[:, rows] = test(*runs)
    return Outcome(*parts)


def _compress(values: np.ndarray, valid: np.ndarray, n: int) -> np.ndarray:
    """The n valid values of each row, in order."""
    return np.take_along_axis(values, np.argsort(~valid, axis=-1, kind="stable")[:, :n], -1)

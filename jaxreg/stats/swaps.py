r"""Permutation tests of a difference of means, with the interval that they imply, row by row.

Turning the sign of some paired differences, or exchanging some runs of two populations, changes the difference of means
by a multiple of $s_b = \sum_A x - \sum_B y$, where $A$ are the entries that go and $B$ those that come ($B$ empty for
pairs): it becomes no smaller exactly if $s_b \le 0$. Were the first population shifted by $-\theta$, exactly if
$s_b / |A| \le \theta$. So these ratios carry the test of every $\theta$, and their order statistics bound the interval.
"""

import itertools
import math

import numpy as np

from jaxreg.errors import ArgumentError
from jaxreg.stats.student import Alternative, Outcome

_ENTRIES = 2**22  # of the largest array that is built at once
_TIE = 1e-12  # of the sum of sizes: what rounding makes of equal sums
_EPS = float(np.finfo(np.float64).eps)


def flip_signs(n: int, permutations: int, seed: int | None) -> tuple[np.ndarray, np.ndarray, bool]:
    """Which of n differences turn their sign, how many do, and whether these are all the ways there are."""
    if 2**n <= permutations:
        flips = np.array(list(itertools.product((0.0, 1.0), repeat=n))).reshape(2**n, n)
        return flips, flips.sum(-1), True
    flips = _generator(seed, permutations, f"2^{n}").integers(0, 2, (permutations, n)).astype(np.float64)
    return flips, flips.sum(-1), False


def exchange(n: int, m: int, permutations: int, seed: int | None) -> tuple[np.ndarray, np.ndarray, bool]:
    """Which of n runs go and which of m come, how many go, and whether these are all the ways there are."""
    ways = math.comb(n + m, n)
    if ways <= permutations:
        chosen = np.array(list(itertools.combinations(range(n + m), n)), int).reshape(ways, n)
    else:
        generator = _generator(seed, permutations, str(ways))
        chosen = np.argsort(generator.random((permutations, n + m)), axis=-1)[:, :n]
    here = np.zeros((len(chosen), n + m), bool)
    np.put_along_axis(here, chosen, True, axis=-1)
    moves = np.concatenate([~here[:, :n], here[:, n:]], axis=-1).astype(np.float64)
    return moves, moves[:, :n].sum(-1), ways <= permutations


def swap(
    values: np.ndarray,
    difference: np.ndarray,
    moves: tuple[np.ndarray, np.ndarray, bool],
    level: float,
    alternative: Alternative,
) -> Outcome:
    """The test of each row of paired differences, or of runs of the first and negated runs of the second.

    Among the ways to move, the one that moves nothing counts once; drawn ways are counted besides it. Equal sums of
    decimals such as 97.53 differ by rounding, of runs that are near 1 and of their sums, and count as equal.
    """
    flips, moved, is_exact = moves
    total = len(flips) + (not is_exact)
    rank = math.floor((1 - level) / 2 * total + 1e-9)
    parts = []
    for rows in np.array_split(np.arange(len(values)), max(1, -(-len(values) * len(flips) // _ENTRIES))):
        sums = values[rows] @ flips.T
        near = _TIE * np.abs(values[rows]).sum(-1, keepdims=True) + _EPS * math.sqrt(values.shape[-1])
        p_greater, p_less = (((s <= near).sum(-1) + (not is_exact)) / total for s in (sums, -sums))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = sums / moved
        low, high = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
        if rank > 0:  # what moves nothing is on the side of every null, and in the array where that is exact
            bottom, top = rank - 1 + is_exact, ratios.shape[-1] - rank - is_exact
            low = np.partition(np.where(moved == 0, -np.inf, ratios), bottom, axis=-1)[:, bottom]
            high = np.partition(np.where(moved == 0, np.inf, ratios), top, axis=-1)[:, top]
        p = {"greater": p_greater, "less": p_less, "two-sided": np.minimum(1.0, 2 * np.minimum(p_greater, p_less))}
        parts.append((low, high, p[alternative]))
    low, high, p_value = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Outcome(difference, low, high, difference, p_value)


def _generator(seed: int | None, permutations: int, ways: str) -> np.random.Generator:
    if seed is None:
        constraint = f"must be given, since only {permutations} of {ways} permutations are drawn"
        raise ArgumentError("seed", None, constraint, "Give the number of a drawing, such as 0")
    return np.random.default_rng(seed)

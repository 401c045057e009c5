"""Equivalence: showing that a difference is too small to matter."""

import numpy as np
import xarray as xr

from jaxreg.checks import FINITE, POSITIVE, Domain, check_flag, check_pair
from jaxreg.stats.runs import Dim, Table, collect_two, label, scale_two, subtract
from jaxreg.stats.student import Alternative, Outcome, find_moments, student_test, two_sample_test

HALF = Domain(0.5, 1, "()")


def equivalence(
    first: Table,
    second: Table,
    margin: float | tuple[float, float],
    name: str | None = None,
    dim: Dim = "seed",
    *,
    paired: bool,
    pooled: bool = False,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Whether two populations differ by no more than a margin: two one-sided t tests (TOST).

    $p = \max(p_a, p_b)$ of the one-sided t tests of $\mu \le a$ and of $\mu \ge b$, for the difference of means $\mu$
    and the margin $(a, b)$. At $p \le \alpha$ = 1 - `level` both are rejected, which is when the interval of level
    $1 - 2\alpha$ lies inside the margin. A large p value of `compare` says nothing of the kind.

    Args:
        first: runs that $x$ are taken of.
        second: runs that $y$ are taken of, as for `compare`.
        margin: differences in $(-\text{margin}, \text{margin})$ do not matter, or those in (low, high); in the unit of
            the variable.
        name: variable of both; None where each has one.
        dim: dimension, or tuple of dimensions, of the runs.
        paired: whether run i of one shares its randomness with run i of the other.
        pooled: for separate runs, take their variances as equal (Student), instead of not (Welch).
        level: 1 - α; above one half.

    Returns:
        Dataset of `difference`, `low`, `high` (at level $1 - 2\alpha$), `n`, `diverged`, `p_value`, the two one-sided
        `p_above` (null: $\mu \le a$) and `p_below` (null: $\mu \ge b$), and `equivalent`.

    Raises:
        ArgumentError: as `compare`; a margin that is neither positive nor a pair in order; a level of one half or less.

    >>> ours, theirs = [0.90, 0.80, 0.70, 0.75], [0.901, 0.798, 0.702, 0.749]
    >>> found = equivalence(ours, theirs, margin=0.01, paired=True)
    >>> bool(found["equivalent"]), round(float(found["p_value"]), 5)
    (True, 0.00081)

    Source: Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657-680.
    """
    HALF.check("level", level, "Give 0.95 for a 90 % interval inside the margin")
    check_flag("pooled", pooled)
    if isinstance(margin, tuple | list):
        check_pair("margin", margin, FINITE, "must be two finite numbers in order", "Give (-0.1, 0.1)", apart=True)
        low, high = map(float, margin)
    else:
        POSITIVE.check("margin", margin, "Give the largest difference that does not matter")
        low, high = -float(margin), float(margin)
    runs, others, exponents = scale_two(*collect_two(first, second, name, dim, paired=paired))

    more = {"n_first": runs.valid.sum(-1), "n_second": others.valid.sum(-1)}
    n, left_out = sum(more.values()), runs.left_out + others.left_out
    values, valid = runs.values, runs.valid
    if paired:
        values, valid, n, left_out = subtract(runs, others)
        more = {}

    def test(bound: float, alternative: Alternative) -> Outcome:
        null = np.ldexp(bound, -exponents)
        if paired:
            return student_test(values - null[:, None], valid, 2 * level - 1, alternative)
        centre = np.nan_to_num(find_moments(values, valid).mean)[:, None]  # what both have in common would only round
        one, other = find_moments(values - centre, valid), find_moments(others.values - centre, others.valid)
        return two_sample_test(
            one._replace(mean=one.mean - null), other, 2 * level - 1, alternative, pooled=bool(pooled)
        )

    found, above, below = test(0.0, "two-sided"), test(low, "greater"), test(high, "less")
    p_value = np.maximum(above.p_value, below.p_value)
    return label(
        runs,
        f"{100 * (2 * level - 1):g} % t interval of the {'paired ' if paired else ''}difference",
        difference=np.ldexp(found.difference, exponents),
        low=np.ldexp(found.low, exponents),
        high=np.ldexp(found.high, exponents),
        n=n,
        diverged=left_out,
        p_value=p_value,
        p_above=above.p_value,
        p_below=below.p_value,
        equivalent=p_value <= 1 - level,
        **more,
    ).assign_attrs(margin=(low, high))

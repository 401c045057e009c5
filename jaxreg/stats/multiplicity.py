"""Many tests at once: p values adjusted over any set of comparisons, and over the claims of a study."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from scipy.special import ndtr, stdtr, stdtrit

from jaxreg.checks import check_choice
from jaxreg.claims import Claim, Verdict, ledger
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import Dim, Table, listed, read_dataset, read_level
from jaxreg.stats.summaries import wilson_interval

Correction = Literal["holm", "benjamini_hochberg"]
_NEEDED = {"claim", "status", "effect", "low", "high", "n"}


def adjust(
    p_values: Table | Mapping[str, float],
    method: Correction = "holm",
    *,
    dim: Dim | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    r"""P values adjusted for their number, so that each can be held against 1 - `level`.

    Of $m$ p values in order, $p_{(1)} \le \dots \le p_{(m)}$,

    $$\text{holm: } \tilde p_{(i)} = \min\bigl(1, \max_{j \le i} (m - j + 1)\, p_{(j)}\bigr), \qquad
      \text{benjamini\_hochberg: } \tilde p_{(i)} = \min\bigl(1, \min_{j \ge i} \tfrac mj\, p_{(j)}\bigr).$$

    Those with $\tilde p \le \alpha$ hold, for Holm, together with probability $1 - \alpha$ or more, whatever depends on
    what; for Benjamini and Hochberg, no more than a share $\alpha$ of them is false on average, for p values that are
    independent or depend positively.

    Args:
        p_values: what `compare` or `equivalence` returned, or p values: a labelled array, a frame, an array, a list, or
            a dictionary from the name of a comparison. NaN stands for no comparison, and does not count. Leave
            out the comparison of a baseline with itself, which does count.
        method: "holm" or "benjamini_hochberg".
        dim: dimensions along which the comparisons belong together; all else is a family each. None: all of them do.
        level: $1 - \alpha$.

    Returns:
        What was given, with `adjusted` and `significant` besides `p_value`. An array's leading axis is `comparison`.

    Raises:
        ArgumentError: p values outside [0, 1], an unknown method or dimension.

    >>> found = adjust({"l1": 0.01, "l2": 0.04, "dropout": 0.03})
    >>> found["adjusted"].values, found["significant"].values
    (array([0.03, 0.06, 0.06]), array([ True, False, False]))

    Sources: Holm, Scand. J. Stat. 6 (1979) 65-70; Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.
    """
    check_choice("method", method, get_args(Correction))
    level = read_level(level)
    dataset = _read_p_values(p_values)
    p = dataset["p_value"]
    dims = p.dims if dim is None else tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if any(not isinstance(d, str) or d not in p.dims for d in dims) or len(set(dims)) < len(dims):
        raise ArgumentError("dim", dim, "must name different dimensions of the p values", f"Known: {listed(p.dims)}")
    order = [*(d for d in p.dims if d not in dims), *dims]
    values = p.transpose(*order).values.astype(np.float64)
    family, others = (math.prod(p.sizes[d] for d in group) for group in (dims, order[: len(order) - len(dims)]))
    adjusted = _adjust(values.reshape(others, family), method).reshape(values.shape)
    labelled = xr.DataArray(adjusted, dims=order).transpose(*p.dims)
    found = dataset.assign(adjusted=(p.dims, labelled.values), significant=(p.dims, labelled.values <= 1 - level))
    return found.assign_attrs(correction=f"{method} over {listed(dims) if dims else 'one'}")


def adjust_claims(claims: Iterable[Any], method: Correction = "holm", *, level: float = 0.95) -> xr.Dataset:
    r"""The verdicts on the claims of a study, once it counts how many there are.

    A claim that an effect lies in $(a, b)$ is decided when its interval is on one side of each bound. Its p value
    is the smallest $\alpha$ at which its interval of level $1 - \alpha$ would still decide it. A ledger has intervals
    of one level only. Those that are Wilson's for the effect, as a share or in per cent, of `n` runs are known by
    that: a bound $a$ is $z = (\hat\theta - a)/\sqrt{a (1 - a)/n}$ errors away, and $p = 2 P(Z > z)$. All others are
    taken to widen as Student's t with $n - 1$ degrees does, each side by itself: with $q$ its quantile at
    $(1 + \text{level})/2$, a bound $a$ below the effect is $t = q\,(\hat\theta - a)/(\hat\theta - \text{low})$ errors
    away, and $p = 2 P(T > t)$. This is exact for `mean`, `paired_difference`, paired t tests and `proportion`; at
    $p$ = 1 - `level` for every interval; and an approximation else. The p values are then adjusted together; what
    they no longer decide becomes undecided.

    Args:
        claims: pairs of claim and verdict (what `jaxreg.claims.judge` returned) or rows of a ledger, of one study or of
            several.
        method: "holm" or "benjamini_hochberg".
        level: of all their intervals, and 1 - α.

    Returns:
        Dataset over `claim` of `effect`, `low`, `high`, `n`, `p_value`, `adjusted`, and the `status` before and
        `adjusted_status` after. A claim that no run measured does not count: its p value is NaN. Nor does one without
        bounds (of a ledger from before they were written down), whose status stays.

    Raises:
        ArgumentError: neither pairs nor rows of a ledger, an unknown method.

    >>> from jaxreg.claims import Above
    >>> claims = [Claim(f"Rate {i} helps", "folklore", lambda dataset: None, Above(0)) for i in range(3)]
    >>> verdicts = [Verdict(1.0, (low, 2.0 - low), 20, bound=Above(0)) for low in (0.02, 0.1, 0.5)]
    >>> found = adjust_claims(zip(claims, verdicts))
    >>> found["adjusted_status"].values.tolist(), found["adjusted"].values.round(4).tolist()
    (['undecided', 'undecided', 'holds'], [0.0625, 0.0625, 0.0015])

    Source: Altman and Bland, BMJ 343 (2011) d2304, who take all intervals as those of a normal distribution.
    """
    level = read_level(level)
    rows = _read_rows(claims)
    effect, low, high, n, a, b = np.array([_numbers(row) for row in rows], np.float64).reshape(-1, 6).T
    status = np.array([row["status"] for row in rows], dtype=str)
    degrees = np.maximum(n - 1, 1)
    q = stdtrit(degrees, 0.5 + level / 2)
    unit = _find_shares(effect, low, high, n, level)

    def doubt(bound: np.ndarray, sign: float) -> np.ndarray:
        """One-sided p value of "the effect is no larger (sign 1) or no smaller (-1) than the bound"."""
        gap = sign * (effect - bound)
        side = np.where(effect > bound, effect - low, high - effect)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(np.isinf(gap), gap, np.where(np.isinf(side), 0.0, q * gap / side))
            variance = np.maximum(bound * (unit - bound), 0.0) / n
            p = np.where(np.isnan(unit) | np.isinf(gap), stdtr(degrees, -t), ndtr(-gap / np.sqrt(variance)))
        # At the bound itself without any width, the verdict has said which side that is, if it is one.
        return np.where(np.isnan(t) | np.isnan(p), status == "undecided", p)

    holds = np.maximum(doubt(a, 1.0), doubt(b, -1.0))
    fails = np.minimum(doubt(a, -1.0), doubt(b, 1.0))
    p = np.minimum(
        1.0, 2 * np.where(status == "holds", holds, np.where(status == "fails", fails, np.minimum(holds, fails)))
    )
    p = np.where(np.isnan(effect) | np.isnan(a), np.nan, p)
    dataset = xr.Dataset(
        {name: ("claim", part) for name, part in zip(("effect", "low", "high"), (effect, low, high), strict=True)}
        | {"n": ("claim", n.astype(int)), "status": ("claim", status), "p_value": ("claim", p)},
        {"claim": [row["claim"] for row in rows]},
    )
    found = adjust(dataset, method, level=level)
    keeps = found["significant"].values | np.isnan(p)
    return found.assign(adjusted_status=("claim", np.where(keeps, status, "undecided"))).drop_vars("significant")


def _find_shares(effect: np.ndarray, low: np.ndarray, high: np.ndarray, n: np.ndarray, level: float) -> np.ndarray:
    """1 where an effect is a share of n with Wilson's interval, 100 where it is one in per cent, NaN elsewhere."""
    found = np.full(effect.shape, np.nan)
    for unit in (1.0, 100.0):
        k = np.clip(np.nan_to_num(np.round(effect / unit * n)), 0, n)
        parts = zip((effect, low, high), (k / np.maximum(n, 1), *wilson_interval(k, n, level)), strict=True)
        same = [np.isclose(given, unit * known, rtol=1e-9, atol=unit * 1e-12) for given, known in parts]
        found[np.logical_and.reduce(same) & (n > 0)] = unit
    return found


def _adjust(p: np.ndarray, method: str) -> np.ndarray:
    """Each row adjusted by itself; sorting puts NaN last, where it counts for nothing."""
    order = np.argsort(p, axis=-1, kind="stable")
    ordered = np.take_along_axis(p, order, -1)
    m = (~np.isnan(p)).sum(-1, keepdims=True)
    place = np.arange(p.shape[-1])
    if method == "holm":
        steps = np.maximum.accumulate((m - place) * ordered, axis=-1)
    else:
        scaled = np.where(np.isnan(ordered), np.inf, m * ordered / (place + 1))
        steps = np.minimum.accumulate(scaled[:, ::-1], axis=-1)[:, ::-1]
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.where(np.isnan(ordered), np.nan, np.minimum(steps, 1.0)), -1)
    return adjusted


def _read_p_values(given: Any) -> xr.Dataset:
    """A dataset with `p_value`, each a number in [0, 1] or NaN."""
    if isinstance(given, Mapping) and not isinstance(given, xr.Dataset):
        if not given or not all(isinstance(key, str) for key in given):
            raise ArgumentError("p_values", given, "must have names and p values", 'Give {"l2": 0.03}')
        given = read_dataset(list(given.values()), "p_value", "comparison", "p_values").assign_coords(
            comparison=list(given)
        )
    dataset = read_dataset(given, "p_value", "comparison", "p_values")
    if "p_value" not in dataset.data_vars and len(dataset.data_vars) == 1 and not isinstance(given, xr.Dataset):
        dataset = dataset.rename({next(iter(dataset.data_vars)): "p_value"})
    if "p_value" not in dataset.data_vars:
        raise ArgumentError("p_values", list(dataset.data_vars), "must have p_value", "Give what compare returned")
    p = dataset["p_value"]
    inside = p.dtype.kind in "biuf" and bool(((p >= 0) & (p <= 1) | np.isnan(p)).all())
    if not inside:
        raise ArgumentError(
            "p_values", p.values, "must be numbers in [0, 1], or NaN for no comparison", "Give p values"
        )
    return dataset


def _read_rows(claims: Any) -> list[dict[str, Any]]:
    """Rows of a ledger, as those of pairs."""
    remedy = "Give what judge or ledger returned"
    if isinstance(claims, str | bytes | Mapping) or not isinstance(claims, Iterable):
        raise ArgumentError("claims", claims, "must be pairs of claim and verdict, or rows of a ledger", remedy)
    try:
        given = list(claims)
    except TypeError as error:  # arrays without dimensions say that they can be iterated over
        raise ArgumentError("claims", claims, "must be a list", remedy) from error
    rows = []
    for one in given:
        if isinstance(one, tuple) and list(map(type, one)) == [Claim, Verdict]:
            rows += ledger([one])
        elif isinstance(one, dict) and one.keys() >= _NEEDED:
            rows.append(one)
        else:
            raise ArgumentError("claims", one, "must be a claim and its verdict, or a row of a ledger", remedy)
    return rows


def _numbers(row: dict[str, Any]) -> tuple[float, ...]:
    """Effect, interval, n and bounds of a row, with what JSON cannot hold."""
    bounds = row.get("bounds")
    low, high = (math.nan, math.nan) if bounds is None else bounds
    ends = ((row["low"], -math.inf), (row["high"], math.inf), (row["n"], 0), (low, -math.inf), (high, math.inf))
    try:
        return (
            math.nan if row["effect"] is None else float(row["effect"]),
            *(missing if end is None else float(end) for end, missing in ends),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError("claims", row, "must hold numbers", "Give what judge or ledger returned") from error

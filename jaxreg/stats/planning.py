"""How many seeds a comparison needs, and how often it would find what is there."""

import math
from typing import Any, get_args

import numpy as np
import xarray as xr
from scipy.special import nctdtr, stdtrit

from jaxreg.checks import FINITE, LEVEL, POSITIVE, Domain, check_choice, check_flag, check_integer, read_array
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import read_level
from jaxreg.stats.student import Alternative

MOST_SEEDS = 10_000_000


def power(
    difference: Any,
    spread: Any,
    n: Any,
    *,
    paired: bool,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
    comparisons: int = 1,
) -> xr.Dataset:
    r"""Probability that a t test finds a difference of means.

    $t$ then has a noncentral distribution with noncentrality $\delta = \Delta \sqrt{n} / \sigma$ on $n - 1$ degrees of
    freedom for $n$ pairs whose differences scatter by $\sigma$, and $\delta = \Delta \sqrt{n/2} / \sigma$ on $2n - 2$
    for $n$ runs each of two populations that both scatter by $\sigma$. The power is its probability beyond the
    quantiles of $t$ at $\alpha = (1 - \text{level})/\text{comparisons}$.

    Args:
        difference: $\Delta$, the true difference, in any unit; number, array or labelled array.
        spread: $\sigma$, in the same unit: of the paired differences, or of the runs.
        n: pairs, or runs of each population; 2 or more.
        paired: whether runs are paired by their seeds.
        alternative: "two-sided", or "greater" or "less" for a one-sided test.
        level: 1 minus the error of the first kind that is accepted, over all comparisons.
        comparisons: among how many the error is shared (Bonferroni's, which Holm's correction does not fall short of).

    Returns:
        Dataset of `power`, over the dimensions of what was given.

    Raises:
        ArgumentError: a difference that is not finite, a spread that is not positive, n below 2, or shapes that do not
            fit together.

    >>> round(float(power(0.5, 1.0, 34, paired=True)["power"]), 3)
    0.808

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    settings = _read_settings(paired, alternative, level, comparisons)
    effect, sizes = _align("n", _read_effect(difference, spread), _read_numbers("n", n))
    Domain(2, MOST_SEEDS).check_all("n", sizes.values, "A t test needs two runs of each")
    return xr.Dataset(
        {"power": effect.copy(data=_power(effect.values, sizes.values, *settings))}, attrs=_attributes(settings)
    )


def seeds_needed(
    difference: Any,
    spread: Any,
    *,
    paired: bool,
    target: float = 0.8,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
    comparisons: int = 1,
) -> xr.Dataset:
    r"""The least number of seeds with which a t test finds a difference of means with probability `target`.

    That is the least $n$ whose `power` is `target` or more, of pairs, or of runs of each of two populations.

    Args:
        difference: $\Delta$, the smallest difference that is to be found, in any unit; not 0. Number, array or labelled
            array.
        spread: $\sigma$, in the same unit: of the paired differences, or of the runs, as a pilot study shows it.
        paired: whether runs are paired by their seeds.
        target: the power that is wanted.
        alternative: "two-sided", or "greater" or "less" for a one-sided test.
        level: 1 minus the error of the first kind that is accepted, over all comparisons.
        comparisons: among how many the error is shared.

    Returns:
        Dataset of `seeds` and of the `power` that they have, over the dimensions of what was given.

    Raises:
        ArgumentError: as `power`; a difference that is 0 or of the other sign than the alternative; more than 10
            million seeds.

    >>> found = seeds_needed(0.1, 0.25, paired=False)  # points of accuracy
    >>> int(found["seeds"]), round(float(found["power"]), 3)
    (100, 0.804)
    >>> int(seeds_needed(0.1, 0.1, paired=True)["seeds"])  # what sharing seeds saves
    10

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    settings = _read_settings(paired, alternative, level, comparisons)
    LEVEL.check("target", target, "0.8 is common")
    labelled = _read_effect(difference, spread)
    effect = labelled.values.ravel()
    useless = effect <= 0 if alternative == "greater" else effect >= 0 if alternative == "less" else effect == 0
    if useless.any():
        raise ArgumentError("difference", difference, f"must not be 0, and {alternative}", "Give what is to be found")

    def enough(n: np.ndarray) -> np.ndarray:
        return _power(effect, n, *settings) >= target

    high = np.full(effect.shape, 2)
    while not (done := enough(high)).all():
        high = np.where(done, high, 2 * high)
        if high.max() > MOST_SEEDS:
            constraint = f"needs more than {MOST_SEEDS:,} seeds beside a spread of {spread}"
            raise ArgumentError("difference", difference, constraint, "Look for a larger one")
    low = np.where(high > 2, high // 2, 1)  # too few, or fewer than a test takes
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, 2)
        done = enough(middle)
        low, high = np.where(done | (high - low <= 1), low, middle), np.where(done & (high - low > 1), middle, high)
    found = {"seeds": high, "power": _power(effect, high, *settings)}
    shaped = {name: labelled.copy(data=part.reshape(labelled.shape)) for name, part in found.items()}
    return xr.Dataset(shaped, attrs=_attributes(settings))


def _read_settings(paired: Any, alternative: Any, level: Any, comparisons: Any) -> tuple[bool, Any, float]:
    """Whether paired, the alternative and the error of the first kind of each comparison."""
    check_flag("paired", paired, "Give True where both share their seeds, else False")
    check_choice("alternative", alternative, get_args(Alternative))
    check_integer("comparisons", comparisons, 1, math.inf, "Give how many share the level")
    return bool(paired), alternative, (1 - read_level(level)) / comparisons


def _read_numbers(name: str, given: Any) -> xr.DataArray:
    """A labelled array of finite numbers; the axes of one without labels are axis_0 and so on."""
    if isinstance(given, int | float):
        FINITE.check(name, given, "Give a number")
        return xr.DataArray(float(given))
    labels = given.to_xarray() if hasattr(given, "to_xarray") and not isinstance(given, type) else given
    array = np.asarray(read_array(name, given, kinds="iuf"))
    FINITE.check_all(name, array, "Give numbers")
    if isinstance(labels, xr.DataArray):
        return labels.copy(data=array.astype(np.float64))
    return xr.DataArray(array.astype(np.float64), dims=[f"axis_{i}" for i in range(array.ndim)])


def _read_effect(difference: Any, spread: Any) -> xr.DataArray:
    """The difference in units of the spread."""
    numbers = _read_numbers("difference", difference), _read_numbers("spread", spread)
    POSITIVE.check_all("spread", numbers[1].values, "Give it in the unit of the difference")
    over, under = _align("spread", *numbers)
    return over / under


def _align(name: str, first: xr.DataArray, second: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    try:
        one, other = xr.broadcast(*xr.align(first, second, join="exact"))
    except ValueError as error:
        constraint = f"must fit `difference` ({' '.join(str(error).split())[:200]})"
        raise ArgumentError(name, dict(second.sizes), constraint, "Match them") from error
    return one, other


def _power(effect: np.ndarray, n: np.ndarray, paired: bool, alternative: str, alpha: float) -> np.ndarray:
    degrees, shift = (n - 1.0, effect * np.sqrt(n)) if paired else (2.0 * n - 2, effect * np.sqrt(n / 2))
    sides = {"two-sided": (1.0, -1.0), "greater": (1.0,), "less": (-1.0,)}[alternative]
    limit = stdtrit(degrees, alpha / len(sides))
    total = np.zeros(np.shape(shift))
    for side in sides:
        below = nctdtr(degrees, -side * shift, limit)  # P(T < limit) for a limit below 0
        # SciPy's is NaN far out, where it is 0 or 1: it is no more than P(Z < -shift), and less than 1e-16 there.
        total += np.where(np.isnan(below), side * shift > 0, below)
    return total


def _attributes(settings: tuple[bool, Any, float]) -> dict[str, Any]:
    paired, alternative, alpha = settings
    return {"test": "t, paired" if paired else "t, two populations", "alternative": alternative, "alpha": alpha}

"""Bootstrap intervals of any statistic, over runs or over runs within strata, as for scores on several tasks."""

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import scipy  # which imports `scipy.stats`, half a second, where it is first used
import xarray as xr

from jaxreg.checks import FINITE, check_choice, check_integer, read_array
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import Dim, Runs, Table, collect, collect_two, label, listed, read_level

Method = Literal["bca", "percentile"]
Statistic = Callable[..., Any]  # of values and axis=-1

_ENTRIES = 2**23  # of the largest array that is built at once
_MOST = 1_000_000
_STATISTICS: dict[str, Statistic] = {
    "mean": np.mean,
    "median": np.median,
    "iqm": lambda values, axis: scipy.stats.trim_mean(values, 0.25, axis=axis),
}


class _Settings(NamedTuple):
    """How to draw, and which interval to report."""

    seed: int
    strata: tuple[str, ...]
    method: Method
    level: float
    resamples: int

    @property
    def words(self) -> str:
        """The interval in words."""
        kind = "BCa" if self.method == "bca" else "percentile"
        within = f" within {listed(self.strata)}" if self.strata else ""
        return f"{100 * self.level:g} % {kind} bootstrap interval, {self.resamples} draws{within}"


def bootstrap(
    dataset: Table,
    name: str | None = None,
    dim: Dim = "seed",
    statistic: Literal["mean", "median", "iqm"] | Statistic = "mean",
    *,
    seed: int,
    strata: Dim = (),
    method: Method = "bca",
    level: float = 0.95,
    resamples: int = 10_000,
) -> xr.Dataset:
    r"""A statistic of the runs with its bootstrap interval: how it scatters when runs are drawn anew from the runs.

    Of the $n$ valid runs, $n$ are drawn with replacement, `resamples` times, and the statistic $T$ is taken of each
    draw. `"percentile"` reports the quantiles at $(1 \mp \text{level})/2$ of these values. `"bca"` shifts them by the
    bias $z_0 = \Phi^{-1}(\text{share of draws below } T)$ and by the acceleration that the jackknife finds, which makes
    the error of coverage one of order $1/n$ in place of $1/\sqrt n$. With `strata`, runs are drawn within each stratum
    (and keep their number), while $T$ is still taken over all: the interval is about other seeds, not other tasks.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        name: variable to summarise; None where there is one only.
        dim: dimension, or tuple of dimensions, over which the statistic is taken.
        statistic: "mean", "median", "iqm" (the mean of the middle half, see `iqm`), or a function of an array and
            `axis` that leaves out that axis.
        seed: of the drawing. Every cell of what remains is drawn alike.
        strata: those of `dim` that are fixed, such as "task".
        method: "bca" or "percentile".
        level: coverage of the interval, in (0, 1).
        resamples: how many draws.

    Returns:
        Dataset of the statistic (under its name, or `estimate`), `low`, `high`, `n`, `diverged`, `standard_error` (of
        the draws). A stratum with fewer than two valid runs cannot be drawn anew: the interval is (-inf, inf); without
        any, the estimate is NaN. Where BCa is undefined (no draw changes the statistic, or all move it to one side),
        its interval is that of the percentiles.

    Raises:
        ArgumentError: unknown variable, dimension, stratum, statistic or method; numbers out of range; a function that
            leaves another shape.

    >>> runs = xr.Dataset({"loss": ("seed", [1.0, 2.0, 3.0, 10.0, np.inf])})
    >>> summary = bootstrap(runs, "loss", statistic="median", method="percentile", seed=0)
    >>> [float(summary[part]) for part in ("median", "low", "high", "n", "diverged")]
    [2.5, 1.0, 10.0, 4.0, 1.0]

    Sources: Efron, J. Am. Stat. Assoc. 82 (1987) 171-185; Agarwal et al., Deep RL at the Edge of the Statistical
    Precipice, NeurIPS 2021 (strata). `scipy.stats.bootstrap` does the work.
    """
    settings = _read_settings(seed, strata, method, level, resamples)
    function = _read_statistic(statistic)
    runs = collect(dataset, name, dim)
    found = _resample(lambda *samples, axis: function(np.concatenate(samples, axis=axis), axis=axis), [runs], settings)
    return label(
        runs,
        settings.words,
        **{statistic if isinstance(statistic, str) else "estimate": found.pop("estimate")},
        **found,
    )


def iqm(
    dataset: Table,
    name: str | None = None,
    dim: Dim = "seed",
    *,
    seed: int,
    strata: Dim = (),
    method: Method = "bca",
    level: float = 0.95,
    resamples: int = 10_000,
) -> xr.Dataset:
    r"""Interquartile mean with its bootstrap interval: the mean of the runs without the lowest and the highest quarter.

    Of $n$ values $\lfloor n/4 \rfloor$ are left out at either end, over all of `dim` together. It is less moved by
    outliers than the mean, and scatters less than the median. Everything else is as in `bootstrap`.

    Args:
        dataset: what holds the runs.
        name: variable to summarise.
        dim: dimension, or dimensions, of the runs.
        seed: of the drawing.
        strata: those of `dim` that are fixed.
        method: "bca" or "percentile".
        level: coverage of the interval.
        resamples: how many draws.

    >>> scores = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 9.0]])  # 4 seeds on 2 tasks
    >>> runs = xr.Dataset({"score": (("seed", "task"), scores)})
    >>> round(float(iqm(runs, "score", dim=("seed", "task"), strata="task", seed=0)["iqm"]), 9)
    0.45

    Source: Agarwal et al., Deep RL at the Edge of the Statistical Precipice, NeurIPS 2021, section 4.3.
    """
    return bootstrap(
        dataset, name, dim, "iqm", seed=seed, strata=strata, method=method, level=level, resamples=resamples
    )


def probability_of_improvement(
    first: Table,
    second: Table,
    name: str | None = None,
    dim: Dim = "seed",
    *,
    seed: int,
    strata: Dim = (),
    method: Method = "percentile",
    level: float = 0.95,
    resamples: int = 2_000,
) -> xr.Dataset:
    r"""How likely a run of the first population is larger than one of the second, $P(X > Y) + \tfrac12 P(X = Y)$.

    With strata, the mean of that probability over them. It is Mann and Whitney's statistic over $n m$; its interval
    draws the runs of either population anew, within each stratum.

    Args:
        first: runs that $X$ is taken of.
        second: runs that $Y$ is taken of, as for `compare`; not paired.
        name: variable of both; None where each has one.
        dim: dimension, or tuple of dimensions, of the runs.
        seed: of the drawing.
        strata: those of `dim` that are fixed, such as "task"; both populations must have the same.
        method: "percentile" or "bca", as for `bootstrap`.
        level: coverage of the interval, in (0, 1).
        resamples: how many draws.

    Returns:
        Dataset of `probability`, `low`, `high`, `n`, `diverged`, `standard_error`, `n_first` and `n_second`. Each
        stratum of either needs two valid runs for an interval other than (0, 1).

    Raises:
        ArgumentError: as `bootstrap` and `compare`.

    >>> summary = probability_of_improvement([3.0, 4.0, 5.0], [1.0, 2.0, 4.0], seed=0)
    >>> round(float(summary["probability"]), 4)  # 7 and a half of 9 pairs
    0.8333

    Source: Agarwal et al., Deep RL at the Edge of the Statistical Precipice, NeurIPS 2021, section 4.3.
    """
    settings = _read_settings(seed, strata, method, level, resamples)
    runs, others = collect_two(first, second, name, dim, paired=False, shared=settings.strata)

    def improve(*samples: np.ndarray, axis: int) -> np.ndarray:
        half = len(samples) // 2
        return np.mean([_exceed(x, y) for x, y in zip(samples[:half], samples[half:], strict=True)], axis=0)

    found = _resample(improve, [runs, others], settings)
    found |= {"low": np.maximum(found["low"], 0.0), "high": np.minimum(found["high"], 1.0)}
    more = {"n_first": runs.valid.sum(-1), "n_second": others.valid.sum(-1)}
    return label(runs, settings.words, probability=found.pop("estimate"), **found, **more)


def performance_profile(
    dataset: Table,
    thresholds: Any,
    name: str | None = None,
    dim: Dim = "seed",
    *,
    seed: int,
    strata: Dim = (),
    method: Method = "percentile",
    level: float = 0.95,
    resamples: int = 2_000,
) -> xr.Dataset:
    r"""Share of runs whose value is larger than a threshold, $\hat P(X > \tau)$, for each threshold.

    The whole distribution as a curve: one population is better than another at every quantile where its profile lies
    above. The bootstrap interval holds at each threshold by itself.

    Args:
        dataset: result of a sweep, or what else holds the runs (`jaxreg.stats`).
        thresholds: $\tau$, a list or an array of one dimension, in the unit of the variable.
        name: variable to summarise; None where there is one only.
        dim: dimension, or tuple of dimensions, of the runs.
        seed: of the drawing.
        strata: those of `dim` that are fixed, such as "task".
        method: "percentile" or "bca", as for `bootstrap`.
        level: coverage of the interval, in (0, 1).
        resamples: how many draws.

    Returns:
        Dataset of `share`, `low`, `high`, `n`, `diverged`, `standard_error`, with `threshold` as the last dimension.

    Raises:
        ArgumentError: as `bootstrap`; thresholds that are no finite numbers, or a dimension `threshold` that is taken.

    >>> profile = performance_profile([0.1, 0.4, 0.6, 0.9], [0.0, 0.5, 1.0], seed=0)
    >>> profile["share"].values
    array([1. , 0.5, 0. ])

    Sources: Dolan and Moré, Math. Program. 91 (2002) 201-213; Agarwal et al. (2021), section 4.2.
    """
    settings = _read_settings(seed, strata, method, level, resamples)
    tau = np.asarray(read_array("thresholds", thresholds, ndim=1), np.float64)
    FINITE.check_all("thresholds", tau, "Give the values at which to look")
    runs = collect(dataset, name, dim)
    if "threshold" in runs.rest or "threshold" in runs.coords:
        raise ArgumentError("dataset", runs.rest, "must have no dimension threshold", "Rename it")
    values = (runs.values[:, None] > tau[:, None]).astype(np.float64).reshape(-1, runs.values.shape[-1])
    exist, valid = (np.repeat(part, len(tau), axis=0) for part in (runs.exist, runs.valid))
    above = Runs(
        *(runs.name, values, exist, valid, runs.dims, runs.sizes, (*runs.rest, "threshold"), (*runs.shape, len(tau))),
        runs.coords | {"threshold": ("threshold", tau)},
    )
    found = _resample(lambda *samples, axis: np.concatenate(samples, axis=axis).mean(axis), [above], settings)
    return label(above, settings.words, share=found.pop("estimate"), **found)


def _read_settings(seed: Any, strata: Any, method: Any, level: Any, resamples: Any) -> _Settings:
    check_integer("seed", seed, 0, math.inf, "Give the number of a drawing, such as 0")
    check_choice("method", method, get_args(Method))
    check_integer("resamples", resamples, 2, _MOST, "10,000 is common")
    names = tuple(strata) if isinstance(strata, tuple | list) else (strata,)
    if not all(isinstance(d, str) for d in names):
        raise ArgumentError("strata", strata, "must name dimensions", 'Give "task"')
    return _Settings(seed, names, method, read_level(level), resamples)


def _read_statistic(statistic: Any) -> Statistic:
    """The function, checked on two rows."""
    if isinstance(statistic, str) or not callable(statistic):
        check_choice("statistic", statistic, _STATISTICS, "Name one of these, or give a function of an array and axis")
        return _STATISTICS[statistic]
    remedy = "Let it take an array and axis, as np.mean does"
    try:
        shape = np.shape(statistic(np.arange(6.0).reshape(2, 3), axis=-1))
    except Exception as error:  # of the function, whatever it is
        raise ArgumentError(
            "statistic", statistic, f"must be a function of an array and axis ({error})", remedy
        ) from error
    if shape != (2,):
        raise ArgumentError(
            "statistic", statistic, f"must reduce (2, 3) to (2,) along its axis, not to {shape}", remedy
        )
    return statistic


def _by_stratum(runs: Runs, strata: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values and valid, as (cells, strata, runs)."""
    if any(d not in runs.dims for d in strata) or len(set(strata)) < len(strata) or len(strata) >= len(runs.dims):
        constraint = "must name some but not all of `dim`"
        raise ArgumentError("strata", strata, constraint, f"Known: {listed(runs.dims)}")
    order = [*strata, *(d for d in runs.dims if d not in strata)]
    axes = (0, *(1 + runs.dims.index(d) for d in order))
    count = math.prod(runs.sizes[runs.dims.index(d)] for d in strata)
    cells = len(runs.values)
    each = math.prod(runs.sizes) // max(count, 1)
    values, valid = (part.reshape(cells, *runs.sizes).transpose(axes) for part in (runs.values, runs.valid))
    return values.reshape(cells, count, each), valid.reshape(cells, count, each)


def _resample(statistic: Statistic, populations: list[Runs], settings: _Settings) -> dict[str, np.ndarray]:
    """The statistic of all strata of all populations, its interval, and how many runs there were, for each cell."""
    parts = [_by_stratum(runs, settings.strata) for runs in populations]
    cells = len(parts[0][0])
    estimate, error = np.full((2, cells), np.nan)
    low, high = np.full(cells, -np.inf), np.full(cells, np.inf)
    patterns = np.concatenate([valid.reshape(cells, math.prod(valid.shape[1:])) for _, valid in parts], axis=-1)
    kinds, which = np.unique(patterns, axis=0, return_inverse=True)
    for kind in range(len(kinds)):  # cells with the same runs left out together; usually there is one kind
        rows = np.flatnonzero(which.ravel() == kind)
        keep = [valid[rows[0]] for _, valid in parts]
        least = min((int(stratum.sum()) for one in keep for stratum in one), default=0)
        runs = sum(int(one.sum()) for one in keep)
        if least < 1:
            continue
        batch = max(1, min(settings.resamples, _ENTRIES // runs))
        for some in np.array_split(rows, -(-len(rows) * batch * runs // _ENTRIES)):
            samples = [v[some][:, s, k[s]] for (v, _), k in zip(parts, keep, strict=True) for s in range(len(k))]
            estimate[some] = statistic(*samples, axis=-1)
            if least > 1:
                low[some], high[some], error[some] = _bound(statistic, samples, batch, settings)
    return {
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": sum(valid.sum((1, 2)) for _, valid in parts),
        "diverged": sum(runs.left_out for runs in populations),
        "standard_error": np.where(np.isnan(error), np.inf, error),
    }


def _bound(
    statistic: Statistic, samples: list[np.ndarray], batch: int, settings: _Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interval and standard error by SciPy; every call draws the same runs."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # of BCa where it is undefined
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        found = scipy.stats.bootstrap(
            samples,
            statistic,
            n_resamples=settings.resamples,
            batch=batch,
            vectorized=True,
            axis=-1,
            confidence_level=settings.level,
            method={"bca": "BCa"}.get(settings.method, settings.method),
            rng=np.random.default_rng(settings.seed),
        )
    tails = np.quantile(found.bootstrap_distribution, [0.5 - settings.level / 2, 0.5 + settings.level / 2], axis=-1)
    low, high = (np.where(np.isnan(end), tail, end) for end, tail in zip(found.confidence_interval, tails, strict=True))
    return low, high, found.standard_error


def _exceed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of pairs in which x is larger, ties as halves, along the last axis."""
    n, m = x.shape[-1], y.shape[-1]
    shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    both = np.concatenate([np.broadcast_to(x, (*shape, n)), np.broadcast_to(y, (*shape, m))], axis=-1)
    return (scipy.stats.rankdata(both, axis=-1)[..., :n].sum(-1) - n * (n + 1) / 2) / (n * m)

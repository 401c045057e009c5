"""Summaries of a sweep over a named dimension, with their uncertainty; diverged runs are left out and counted.

Every function takes the `xarray.Dataset` of a sweep (or one labelled array, or a pandas frame, whose index is then the
dimension `index` unless it has a name) and the name of one of its variables, and returns a Dataset over
the dimensions that remain: the estimate first, then `low`, `high`, `n` (runs used) and `diverged` (runs left out). A
run is left out where the variable `diverged` says so, and where its value is not finite. What does not exist, a cell
not `done` yet or the padding of a ragged dimension, is neither used nor counted. Values along `dim` are taken as
independent draws. An interval that the runs cannot support is infinite, never NaN; an estimate from no run is NaN.
"""

import itertools
import math
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from scipy.special import ndtri, stdtrit

from jaxreg.checks import FINITE, LEVEL, SHARE, check_kind, check_pair
from jaxreg.errors import ArgumentError

Dim = str | tuple[str, ...]


@runtime_checkable
class Frame(Protocol):
    """What pandas' frames and series are."""

    def to_xarray(self) -> Any:
        """The labelled arrays of its columns."""


Table = xr.Dataset | xr.DataArray | Frame


class _Runs(NamedTuple):
    """One variable as numbers: a row for each cell of the dimensions that remain, a column for each run."""

    name: str
    values: np.ndarray  # (cells, runs) float64
    exist: np.ndarray  # (cells, runs) bool: computed, no padding
    valid: np.ndarray  # (cells, runs) bool: exist, are finite and did not diverge
    dims: tuple[str, ...]  # the dimensions of the runs
    sizes: tuple[int, ...]  # and their lengths
    rest: tuple[str, ...]  # the dimensions that remain
    shape: tuple[int, ...]  # and their lengths
    coords: dict[Any, Any]  # and their coordinates


def _collect(dataset: Table, name: str, dim: Dim) -> _Runs:
    """Check the names and lay the variable out as rows of runs."""
    dataset = _read_dataset(dataset, name)
    if not isinstance(name, str) or name not in dataset.data_vars:
        raise ArgumentError("name", name, "must be a variable of the dataset", f"Known: {_listed(dataset.data_vars)}")
    array = dataset[name]
    dims = tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if not dims or any(not isinstance(d, str) or d not in array.dims for d in dims) or len(set(dims)) < len(dims):
        constraint = f"must name one or more different dimensions of {name}"
        raise ArgumentError("dim", dim, constraint, f"Known: {_listed(array.dims)}")
    if array.dtype.kind not in "biuf":
        raise ArgumentError("name", name, f"must hold real numbers, not {array.dtype}", "Name a numeric variable")
    rest = tuple(str(d) for d in array.dims if d not in dims)
    array = array.transpose(*rest, *dims)
    shape, sizes = (tuple(array.sizes[d] for d in group) for group in (rest, dims))

    def flag(variable: str, otherwise: bool) -> np.ndarray:
        """A truth value of the dataset at each entry of the array; `otherwise` where it has none."""
        if variable == name or variable not in dataset or not set(dataset[variable].dims) <= set(array.dims):
            return np.full(array.shape, otherwise)
        return dataset[variable].astype(bool).broadcast_like(array).transpose(*array.dims).values

    values = np.asarray(array.values, dtype=np.float64)
    exist = np.logical_and.reduce([flag(variable, True) for variable in ("done", *(f"{d}_valid" for d in array.dims))])
    # Asked about `diverged` itself, no run is left out: there it is the result.
    valid = exist & np.isfinite(values) & ~flag("diverged", False)
    coords = {key: value for key, value in array.coords.items() if set(value.dims) <= set(rest)}
    table = (math.prod(shape), math.prod(sizes))
    values, exist, valid = (part.reshape(table) for part in (values, exist, valid))
    return _Runs(name, values, exist, valid, dims, sizes, rest, shape, coords)


def _read_dataset(given: Any, name: Any) -> xr.Dataset:
    """The dataset that is given, or that a labelled array or a frame is."""
    if not isinstance(given, xr.Dataset | xr.DataArray) and hasattr(given, "to_xarray") and not isinstance(given, type):
        given = given.to_xarray()
    if isinstance(given, xr.DataArray):
        given = given.to_dataset(name=name if given.name is None and isinstance(name, str) else given.name or "values")
    check_kind("dataset", given, xr.Dataset, "Give the result of a sweep, a labelled array or a frame")
    return given


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names) or "none"


def _label(runs: _Runs, interval: str, **variables: np.ndarray) -> xr.Dataset:
    """The Dataset of `variables` (*leading, cells), a leading dimension being `component`."""
    attributes = {"variable": runs.name, "over": ", ".join(runs.dims), "interval": interval}
    labelled = {
        key: (("component",) * (value.ndim - 1) + runs.rest, value.reshape(value.shape[:-1] + runs.shape))
        for key, value in variables.items()
    }
    return xr.Dataset(labelled, runs.coords, attributes)


def _left_out(runs: _Runs) -> np.ndarray:
    return (runs.exist & ~runs.valid).sum(-1)


def _read_level(level: float) -> float:
    LEVEL.check("level", level, "Give 0.95 for a 95 % interval")
    return float(level)


def _t_interval(values: np.ndarray, valid: np.ndarray, level: float) -> tuple[np.ndarray, ...]:
    """Mean, low, high and n of each row."""
    n = valid.sum(-1)
    enough = n > 1
    total = np.where(valid, values, 0.0).sum(-1)
    mean = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    centre = np.where(n > 0, mean, 0.0)
    squares = (np.where(valid, values - centre[:, None], 0.0) ** 2).sum(-1)
    degrees = np.where(enough, n - 1, 1)
    error = np.sqrt(squares / degrees / np.maximum(n, 1))
    half = np.where(enough, stdtrit(degrees, 0.5 + level / 2) * error, np.inf)
    return mean, centre - half, centre + half, n


def mean(dataset: Table, name: str, dim: Dim, level: float = 0.95) -> xr.Dataset:
    r"""Mean over `dim` with its Student-t confidence interval, $\bar x \pm t_{n-1}\, s/\sqrt n$.

    $s^2$ is the sample variance with $n-1$ in the denominator and $t_{n-1}$ the quantile at $(1 + \text{level})/2$.

    Args:
        dataset: result of a sweep.
        name: variable to average.
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
    level = _read_level(level)
    runs = _collect(dataset, name, dim)
    centre, low, high, n = _t_interval(runs.values, runs.valid, level)
    interval = f"{100 * level:g} % Student t interval of the mean"
    return _label(runs, interval, mean=centre, low=low, high=high, n=n, diverged=_left_out(runs))


def quantiles(dataset: Table, name: str, dim: Dim, band: tuple[float, float] = (0.05, 0.95)) -> xr.Dataset:
    r"""Median over `dim` and the band between two quantiles of the runs.

    The band shows how single runs scatter; it is not a confidence interval and does not shrink with $n$. Quantile $q$
    interpolates linearly between the order statistics at $q(n-1)$, as NumPy's default does.

    Args:
        dataset: result of a sweep.
        name: variable to summarise.
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
    runs = _collect(dataset, name, dim)
    n = runs.valid.sum(-1)
    ordered = np.sort(np.where(runs.valid, runs.values, np.nan), axis=-1)  # sort puts NaN, the runs left out, last

    def quantile(q: float) -> np.ndarray:
        position = q * np.maximum(n - 1, 0)
        below = np.floor(position).astype(int)
        above = np.ceil(position).astype(int)
        left, right = (np.take_along_axis(ordered, i[:, None], -1)[:, 0] for i in (below, above))
        return left + (right - left) * (position - below)

    low, high = np.where(n > 1, quantile(band[0]), -np.inf), np.where(n > 1, quantile(band[1]), np.inf)
    interval = f"{100 * band[0]:g} % to {100 * band[1]:g} % quantile of the runs"
    return _label(runs, interval, median=quantile(0.5), low=low, high=high, n=n, diverged=_left_out(runs))


def proportion(
    dataset: Table,
    name: str,
    dim: Dim,
    level: float = 0.95,
    value: int | float | None = None,
    count_diverged: bool = False,
) -> xr.Dataset:
    r"""Share of runs in which something is true, with Wilson's interval.

    $$\frac{k + z^2/2}{n + z^2} \pm \frac{z}{n + z^2} \sqrt{\frac{k (n-k)}{n} + \frac{z^2}{4}}$$

    with $k$ of $n$ runs true and $z$ the normal quantile at $(1 + \text{level})/2$.

    Args:
        dataset: result of a sweep.
        name: a variable of truth values or zeros and ones; with `value`, a variable of categories. Asked about the
            variable `diverged` itself, no run is left out.
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
    level = _read_level(level)
    if value is not None:
        FINITE.check("value", value, "Give the number of a category")
    check_kind("count_diverged", count_diverged, (bool, np.bool_), "Give True or False")
    runs = _collect(dataset, name, dim)
    kept = runs.exist if count_diverged else runs.valid
    recorded = kept & np.isfinite(runs.values)
    if value is None and not np.isin(runs.values[recorded], (0.0, 1.0)).all():
        constraint = "must hold truth values or zeros and ones"
        raise ArgumentError("name", name, constraint, "Say with `value=` which category is meant")
    k = (recorded & (runs.values == (1.0 if value is None else value))).sum(-1)
    n = kept.sum(-1)
    z = ndtri(0.5 + level / 2)
    share = np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0)
    spread = z * np.sqrt(k * (n - k) / np.maximum(n, 1) + z**2 / 4)
    # For none of n the lower limit is 0 and for all of n the upper one is 1; rounding must not spoil that.
    low = np.where(k == 0, 0.0, (k + z**2 / 2 - spread) / (n + z**2))
    high = np.where(k == n, 1.0, (k + z**2 / 2 + spread) / (n + z**2))
    interval = f"{100 * level:g} % Wilson interval of the proportion"
    return _label(runs, interval, proportion=share, low=low, high=high, n=n, diverged=_left_out(runs))


def paired_difference(dataset: Table, name: str, dim: Dim, axis: str, baseline: Any, level: float = 0.95) -> xr.Dataset:
    r"""Mean difference from a baseline, run by run, with the Student-t interval of the differences.

    $d_i(a) = x_i(a) - x_i(\text{baseline})$ for run $i$ and every value $a$ of `axis`: runs that share a seed share
    their randomness, which the difference cancels. The mean of $d$ and its interval are those of `mean`.

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
    level = _read_level(level)
    runs = _collect(dataset, name, dim)
    if not isinstance(axis, str) or axis not in runs.rest:
        constraint = f"must be a dimension of {name} other than those of `dim`"
        raise ArgumentError("axis", axis, constraint, f"Known: {_listed(runs.rest)}")
    settings = _read_dataset(dataset, name)[axis].values  # xarray numbers a dimension that has no coordinate
    if settings.dtype.kind == "f" and isinstance(baseline, int | float | np.number):
        same = np.isclose(settings, baseline, rtol=1e-6, atol=0.0)
    else:
        # What is no single value, as an array, is no setting either.
        same = np.array([np.ndim(baseline) == 0 and bool(setting == baseline) for setting in settings], bool)
    if same.sum() != 1:
        raise ArgumentError("baseline", baseline, f"must be one value of {axis}", f"Known: {_listed(settings)}")
    place, at = runs.rest.index(axis), np.flatnonzero(same)

    def of_baseline(part: np.ndarray) -> np.ndarray:
        array = part.reshape(*runs.shape, part.shape[-1])
        return np.broadcast_to(array.take(at, place), array.shape).reshape(part.shape)

    valid = runs.valid & of_baseline(runs.valid)
    difference = np.where(valid, runs.values, 0.0) - np.where(valid, of_baseline(runs.values), 0.0)
    centre, low, high, n = _t_interval(difference, valid, level)
    left_out = (runs.exist & of_baseline(runs.exist) & ~valid).sum(-1)
    interval = f"{100 * level:g} % Student t interval of the paired difference from {axis} = {baseline}"
    return _label(runs, interval, difference=centre, low=low, high=high, n=n, diverged=left_out)


def variance_components(dataset: Table, name: str, dims: tuple[str, ...]) -> xr.Dataset:
    r"""How much variance each source of randomness brings: crossed random effects, balanced analysis of variance.

    For two axes, $y_{ij} = \mu + A_i + B_j + E_{ij}$ with independent effects of variance $\sigma_A^2, \sigma_B^2,
    \sigma_E^2$; $E$ is the interaction and all else. In general there is one component for every non-empty set $S$ of
    axes, the full set being the residual. With $n_i$ levels of axis $i$ and $c_S = \prod_{i \notin S} n_i$, the mean
    squares $M_S$, on $f_S = \prod_{i \in S} (n_i - 1)$ degrees of freedom, have expectation
    $\mathbb E M_S = \sum_{T \supseteq S} c_T \sigma_T^2$. Equating each to its expectation gives the unbiased

    $$\hat\sigma_S^2 = \frac1{c_S} \sum_{T \supseteq S} (-1)^{|T| - |S|} M_T, \qquad
      \mathrm{se}^2 = \frac1{c_S^2} \sum_{T \supseteq S} \frac{2 M_T^2}{f_T + 2},$$

    the standard error holding for normal effects. An estimate may be negative, which means: too small to be seen here.
    A diverged run leaves a hole in the grid. The method needs a full grid, hence whole levels are dropped, the one with
    the largest share of holes first, until none is left; `n` runs were used, `diverged` were holes and `dropped` are
    the sound ones lost with them. The components then describe the levels in which every run lived.

    Args:
        dataset: result of a sweep.
        name: variable to analyse.
        dims: two or more crossed axes, as `("init_seed", "order_seed")`.

    Returns:
        Dataset of `variance`, `share` (of the sum of the positive estimates), `standard_error` and `degrees`, over a
        new leading dimension `component` ("init_seed", "order_seed", "residual"; with three axes also "a × b"), and of
        `n`, `diverged`, `dropped`. Where an axis keeps fewer than two levels: `n` 0, variance and share NaN, standard
        error infinite. A share is 0 where no estimate is positive.

    Raises:
        ArgumentError: unknown variable or dimension, fewer than two axes, or an axis of one level.

    >>> grid = np.array([0.0, 10.0, 20.0])[:, None] + np.array([0.0, 1.0])
    >>> runs = xr.Dataset({"loss": (("init_seed", "order_seed"), grid)})
    >>> parts = variance_components(runs, "loss", dims=("init_seed", "order_seed"))
    >>> {str(part): round(float(parts["variance"].sel(component=part)), 6) for part in parts["component"].values}
    {'init_seed': 100.0, 'order_seed': 0.5, 'residual': 0.0}

    Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4.
    """
    runs = _collect(dataset, name, dims)
    if len(runs.dims) < 2 or min(runs.sizes) < 2:
        constraint = f"must be two or more axes of two or more levels, not {runs.sizes}"
        raise ArgumentError("dims", dims, constraint, 'Sweep two seed axes and give ("init_seed", "order_seed")')
    dims = runs.dims
    subsets = [s for size in range(1, len(dims) + 1) for s in itertools.combinations(range(len(dims)), size)]
    cells = len(runs.values)
    grids = runs.values.reshape(cells, *runs.sizes)
    variance, error = np.full((2, len(subsets), cells), np.nan)
    degrees, n = np.zeros((len(subsets), cells), int), np.zeros(cells, int)
    patterns, which = np.unique(runs.valid, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):  # cells with the same holes together; usually there is one pattern
        here = np.flatnonzero(which.ravel() == number)
        levels = _full_grid(pattern.reshape(runs.sizes))
        if min(len(level) for level in levels) > 1:
            n[here] = math.prod(len(level) for level in levels)
            variance[:, here], error[:, here], degrees[:, here] = _decompose(grids[np.ix_(here, *levels)], subsets)
    positive = np.maximum(variance, 0.0)
    total = np.broadcast_to(positive.sum(0), positive.shape)
    sound = runs.valid.sum(-1)
    summary = _label(
        runs,
        "estimate ± one standard error",
        variance=variance,
        share=np.divide(positive, total, out=positive * 0.0, where=total > 0),
        standard_error=np.where(np.isnan(error), np.inf, error),
        degrees=degrees,
        n=n,
        diverged=_left_out(runs),
        dropped=sound - n,
    )
    return summary.assign_coords(component=[" × ".join(dims[i] for i in s) for s in subsets[:-1]] + ["residual"])


def _full_grid(valid: np.ndarray) -> list[np.ndarray]:
    """Levels of each axis that span a grid without holes, dropping the level with the largest share of holes first."""
    levels = [np.arange(size) for size in valid.shape]
    while not (grid := valid[np.ix_(*levels)]).all():
        holes = [(~grid).mean(tuple(j for j in range(grid.ndim) if j != i)) for i in range(grid.ndim)]
        axis = max(range(grid.ndim), key=lambda i: holes[i].max())
        levels[axis] = np.delete(levels[axis], holes[axis].argmax())
    return levels


def _decompose(grids: np.ndarray, subsets: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance and its error (components, cells) and degrees (components, 1) of full grids (cells, *levels)."""
    sizes = grids.shape[1:]
    squares, degrees, copies = {}, {}, {}
    for s in subsets:
        others = tuple(i + 1 for i in range(len(sizes)) if i not in s)
        effect = grids.mean(others, keepdims=True)
        for i in s:  # free the means over the other axes of every smaller effect
            effect = effect - effect.mean(i + 1, keepdims=True)
        degrees[s] = math.prod(sizes[i] - 1 for i in s)
        copies[s] = math.prod(sizes[i - 1] for i in others)
        squares[s] = copies[s] * (effect**2).sum(tuple(range(1, grids.ndim))) / degrees[s]
    variance, error = [], []
    for s in subsets:
        above = [t for t in subsets if set(s) <= set(t)]
        variance.append(sum((-1) ** (len(t) - len(s)) * squares[t] for t in above) / copies[s])
        error.append(np.sqrt(sum(2 * squares[t] ** 2 / (degrees[t] + 2) for t in above)) / copies[s])
    return np.array(variance), np.array(error), np.array([[degrees[s]] for s in subsets])

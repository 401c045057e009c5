"""What a claim measures: each is a function of an experiment's dataset that returns an Estimate, or None.

A quantity names its variable, or has a function of the runs that computes it, and its dimensions; `runs`, a function of
the dataset, says of which runs it is: those at one learning rate, say, or those that did not choose it. The unit is
that of the variable, in its attribute `units`, unless another is given. Where the dataset did not try what is asked
for, the quantity is None, and a claim about it undecided.
"""

import math
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any

import numpy as np
import xarray as xr

from jaxreg import stats
from jaxreg.checks import check_flag, check_kind
from jaxreg.claims import Estimate, Quantity, estimate, exactly, percentage
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import listed

Runs = Callable[[xr.Dataset], xr.Dataset]
Measure = Callable[[xr.Dataset], Estimate]
Variable = str | Callable[[xr.Dataset], xr.DataArray]
_COMPUTED = "computed"


class Best(Enum):
    """In place of one of the two values that `gain` and `ratio` compare: the best of all others along the axis.

    That is the one of the largest (`MOST`) or least mean (`LEAST`) on every other seed, as `choose` finds it; the two
    are compared on the seeds that did not choose, `held_out`.

    >>> accuracy = [[90.0, 93.0, 99.0], [80.0, 84.0, 82.0], [70.0, 72.0, 79.0], [80.0, 84.0, 82.0]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "rate"), accuracy)}, {"rate": [0.1, 0.3, 1.0]})
    >>> gain("accuracy", "rate", Best.MOST, 0.1)(runs)  # 1.0 in the mean of the first and the third seed
    Estimate(effect=2.0, interval=(2.0, 2.0), n=2, unit='')
    """

    MOST = "most"
    LEAST = "least"


def mean(
    name: Variable,
    *,
    runs: Runs | None = None,
    dim: str | tuple[str, ...] = "seed",
    unit: str | None = None,
    level: float = 0.95,
) -> Measure:
    """The mean of a variable over the runs that did not diverge.

    Args:
        name: of the variable, or a function of the runs that computes it.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, or several.
        unit: of the mean; by default that of the variable.
        level: of the interval, Student's t.

    >>> runs = xr.Dataset({"epochs": ("seed", [4.0, 5.0, 6.0], {"units": "epochs"})})
    >>> found = mean("epochs")(runs)
    >>> found.effect, found.n, found.unit
    (5.0, 3, 'epochs')
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen, key = _choose_runs(dataset, runs, name)
        return estimate(stats.mean(chosen, key, dim, level), _unit(chosen, key, unit))

    return quantity


def worst(
    name: Variable,
    *,
    expected: float = 0.0,
    runs: Runs | None = None,
    dim: str | tuple[str, ...] = "seed",
    unit: str | None = None,
    level: float = 0.95,
) -> Measure:
    """The mean at the place where it is farthest from a number; its interval holds for all places at once (Bonferroni).

    Args:
        name: of the variable, or a function of the runs that computes it.
        expected: the number.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, or several; a place is a cell of the others.
        unit: of the mean; by default that of the variable.
        level: of the intervals of all places together.

    >>> runs = xr.Dataset({"excess": (("seed", "alpha"), [[0.1, -0.8], [0.1, -1.0], [-0.2, -0.9]])})
    >>> round(worst("excess")(runs).effect, 3)
    -0.9
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen, key = _choose_runs(dataset, runs, name)
        over = {dim} if isinstance(dim, str) else set(dim)
        axes = [axis for axis in chosen[key].dims if axis not in over]
        places = math.prod(chosen.sizes[axis] for axis in axes)
        summary = stats.mean(chosen, key, dim, 1 - (1 - level) / max(places, 1)).stack(place=axes)
        farthest = int(abs(summary["mean"].values - expected).argmax())
        return estimate(summary.isel(place=farthest, drop=True), _unit(chosen, key, unit))

    return quantity


def largest(name: Variable, *, runs: Runs | None = None, unit: str | None = None) -> Measure:
    """The largest number of all runs and cells: computed, not estimated.

    Args:
        name: of the variable, or a function of the runs that computes it.
        runs: of which runs; by default of all.
        unit: of the number; by default that of the variable.

    >>> runs = xr.Dataset({"gap": (("seed", "alpha"), [[1e-9, 1e-7], [1e-8, 1e-8]])})
    >>> largest("gap")(runs)
    Estimate(effect=1e-07, interval=(1e-07, 1e-07), n=4, unit='')
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen, key = _choose_runs(dataset, runs, name)
        return exactly(float(chosen[key].max()), chosen[key].size, _unit(chosen, key, unit))

    return quantity


def share(
    name: Variable,
    *,
    runs: Runs | None = None,
    dim: str | tuple[str, ...] = "seed",
    of: str = "seeds",
    level: float = 0.95,
) -> Measure:
    """In how many per cent of the runs something is true, with Wilson's interval.

    Args:
        name: of a variable of truth values, or a function of the runs that computes it.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, or several.
        of: what the runs are, for the unit: "% of seeds".
        level: of the interval.

    >>> found = share("solved")(xr.Dataset({"solved": ("seed", [True, True, True, False])}))
    >>> found.effect, found.unit
    (75.0, '% of seeds')
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen, key = _choose_runs(dataset, runs, name)
        return percentage(stats.proportion(chosen, key, dim, level=level), f"% of {of}")

    return quantity


def gain(
    name: Variable,
    axis: str,
    first: Hashable,
    second: Hashable,
    *,
    runs: Runs | None = None,
    dim: str = "seed",
    unit: str | None = None,
    level: float = 0.95,
) -> Quantity:
    r"""What the first value along an axis has more of than the second, run by run: $\overline{x_1 - x_2}$.

    Args:
        name: of the variable $x$, or a function of the runs that computes it.
        axis: the dimension of what is compared.
        first: value along it, or the `Best` of all others.
        second: another, which is taken away, or the `Best` of all others.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, which are paired along it.
        unit: of the difference; by default that of the variable, and percentage points where that is "%".
        level: of the interval, Student's t of the differences.

    Returns:
        The quantity, which is None where one of the two values was not tried.

    >>> accuracy = [[90.0, 93.0], [80.0, 84.0], [70.0, 72.0]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy, {"units": "%"})}, {"case": ["plain", "l2"]})
    >>> found = gain("accuracy", "case", "l2", "plain")(runs)
    >>> found.effect, found.unit
    (3.0, 'percentage points')
    >>> gain("accuracy", "case", "l1", "plain")(runs) is None
    True
    """

    def quantity(dataset: xr.Dataset) -> Estimate | None:
        chosen, key = _choose_runs(dataset, runs, name)
        pair: list[Hashable] | None = [first, second]
        if isinstance(first, Best) or isinstance(second, Best):
            pair = _settle(chosen, key, axis, dim, first, second)
            chosen = held_out(chosen, dim)
        if pair is None:
            return None
        places = _find_places(_read_axis(chosen, axis), np.array(pair))
        if (places < 0).any():
            return None
        over, baseline = chosen[axis].values[places]
        chosen = chosen.isel({axis: np.unique(places)})  # one place, and no difference, if the two are the same
        difference = stats.paired_difference(chosen, key, dim, axis, baseline, level).sel({axis: over})
        units = _unit(chosen, key, unit)
        return estimate(difference, "percentage points" if units == "%" else units)

    return quantity


def ratio(
    name: Variable,
    axis: str,
    first: Hashable,
    second: Hashable,
    *,
    runs: Runs | None = None,
    dim: str = "seed",
    unit: str = "times",
    level: float = 0.95,
) -> Quantity:
    r"""How many times as large the first is as the second, run by run: the geometric mean of $x_1 / x_2$.

    It is $\exp \overline{\log x_1 - \log x_2}$, and its interval that of the differences of logarithms.

    Args:
        name: of the variable $x$, which is positive, or a function of the runs that computes it.
        axis: the dimension of what is compared.
        first: value along it, or the `Best` of all others.
        second: another, by which is divided, or the `Best` of all others.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, which are paired along it.
        unit: of the ratio.
        level: of the interval.

    >>> seconds = [[1.0, 2.0], [2.0, 8.0], [1.0, 4.0]]
    >>> runs = xr.Dataset({"seconds": (("seed", "batch"), seconds)}, {"batch": [16, 64]})
    >>> round(ratio("seconds", "batch", 64, 16)(runs).effect, 3)
    3.175
    """

    def logarithm(dataset: xr.Dataset) -> xr.DataArray:
        chosen, key = _choose_runs(dataset, None, name)
        with np.errstate(divide="ignore", invalid="ignore"):
            return chosen[key].copy(data=np.log(chosen[key].values))

    def quantity(dataset: xr.Dataset) -> Estimate | None:
        found = gain(logarithm, axis, first, second, runs=runs, dim=dim, level=level)(dataset)
        return None if found is None else found.exponential(unit)

    return quantity


def at(dataset: xr.Dataset, **values: Any) -> xr.Dataset:
    """The runs at one value of each named axis: a number, to its nearest neighbour within a millionth of it.

    An axis of which every method has its own value stays as a coordinate of the methods, a single value does not.

    Args:
        dataset: of an experiment.
        **values: of each axis, one value, or the name of a variable that has one for each method, say.

    Raises:
        ArgumentError: no such axis, or nothing was tried at that value.

    >>> rates = {"learning_rate": np.float32([0.01, 0.1]), "method": ["sgd", "adam"]}
    >>> runs = xr.Dataset({"loss": (("method", "learning_rate"), [[3.0, 2.0], [1.0, 4.0]])}, rates)
    >>> at(runs, learning_rate=0.1)["loss"].values
    array([2., 4.])
    >>> at(runs.assign(best=("method", [0.1, 0.01])), learning_rate="best")["loss"].values
    array([2., 1.])
    """
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    for axis, value in values.items():
        known = _read_axis(dataset, axis)
        if not isinstance(value, str | int | float | np.generic | xr.DataArray):
            constraint = "must be one value of the axis, or one for each method"
            raise ArgumentError(axis, value, constraint, "Give a number, a text, or the name of a variable")
        wanted = dataset[value] if isinstance(value, str) and value in dataset else xr.DataArray(value)
        places = _find_places(known, wanted.values)
        if (places < 0).any():
            raise ArgumentError(axis, value, f"was not tried; {listed(known.tolist())} were", "Add it to the settings")
        dataset = dataset.isel({axis: xr.DataArray(places, dims=wanted.dims)})
        dataset = dataset if wanted.dims else dataset.drop_vars(axis)
    return dataset


def choose(dataset: xr.Dataset, name: str, along: str, *, least: bool = False, dim: str = "seed") -> xr.DataArray:
    """For each method, the value along an axis that is best in the mean of every other seed.

    Measured on the seeds that chose it, the best of many looks better than it is: `held_out` has the others.

    Args:
        dataset: over `along`, `dim`, and the axes of whatever chooses for itself.
        name: of the variable that should be large.
        along: the axis whose value is chosen.
        least: whether the variable should be small instead.
        dim: the dimension of the seeds.

    Returns:
        The chosen values, over all other dimensions of the variable; where all runs diverged, nothing is best.

    Raises:
        ArgumentError: a variable or an axis that is not there.

    >>> loss = [[[3.0, 2.0]], [[9.0, 0.0]], [[3.0, 2.0]]]
    >>> runs = xr.Dataset({"loss": (("seed", "method", "rate"), loss)}, {"method": ["sgd"], "rate": [0.1, 1.0]})
    >>> choose(runs, "loss", "rate", least=True).values
    array([1.])
    """
    check_flag("least", least, "Say whether the variable should be small")
    known = _read_axis(dataset, along)
    _read_axis(dataset, dim)
    runs, _ = _choose_runs(dataset, None, name)
    found = stats.mean(runs.isel({dim: slice(0, None, 2)}), name, dim)["mean"]
    if along not in found.dims:
        raise ArgumentError("along", along, f"is no dimension of {name}", f"Known: {listed(list(found.dims))}")
    worst = math.inf if least else -math.inf
    filled = found.fillna(worst)
    place = filled.argmin(along) if least else filled.argmax(along)
    return xr.DataArray(known[place.values], {d: dataset[d] for d in place.dims if d in dataset.coords}, place.dims)


def held_out(dataset: xr.Dataset, dim: str = "seed") -> xr.Dataset:
    """The seeds that `choose` did not look at.

    Args:
        dataset: of all seeds.
        dim: their dimension.

    >>> held_out(xr.Dataset(coords={"seed": [0, 1, 2, 3]}))["seed"].values
    array([1, 3])
    """
    _read_axis(dataset, dim)
    return dataset.isel({dim: slice(1, None, 2)})


def _settle(
    runs: xr.Dataset, name: str, axis: str, dim: str, first: Hashable, second: Hashable
) -> list[Hashable] | None:
    """The two values, the `Best` found; None where there is nothing but the other."""
    rule, given = (first, second) if isinstance(first, Best) else (second, first)
    if isinstance(given, Best):
        raise ArgumentError("second", given, "must be a value of the axis, as first is the best one", "Give one")
    others = runs.isel({axis: _find_places(np.array([given]), _read_axis(runs, axis)) < 0})
    if not others.sizes[axis]:
        return None
    best = choose(others, name, axis, least=rule is Best.LEAST, dim=dim).item()
    return [best, given] if rule is first else [given, best]


def _choose_runs(dataset: xr.Dataset, runs: Runs | None, name: Variable) -> tuple[xr.Dataset, str]:
    """The variable of the chosen runs, with their mark of divergence, alone; and its name in there."""
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    chosen = dataset if runs is None else runs(dataset)
    mark = ["diverged"] if "diverged" in chosen and name != "diverged" else []
    if not isinstance(name, str) and callable(name):
        computed = name(chosen)
        check_kind("name", computed, xr.DataArray, "Let it return a labelled array")
        return chosen[mark].assign({_COMPUTED: computed}), _COMPUTED
    check_kind("name", name, str, "Name a variable of the dataset")
    if name not in chosen.data_vars:
        raise ArgumentError("name", name, "is no variable", f"Known: {listed(list(chosen.data_vars))}")
    return chosen[[name, *mark]], name


def _read_axis(dataset: xr.Dataset, axis: str) -> np.ndarray:
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    check_kind("axis", axis, str, "Name a dimension of the dataset")
    if axis not in dataset.dims:
        raise ArgumentError("axis", axis, "is no dimension of the dataset", f"Known: {listed(list(dataset.dims))}")
    return dataset[axis].values


def _find_places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted value is along an axis, numbers within a millionth of them; -1 where it is not."""
    is_number = known.dtype.kind in "iuf" and wanted.dtype.kind in "iuf"
    same = np.isclose(known, wanted[..., None], rtol=1e-6, atol=0) if is_number else known == wanted[..., None]
    return np.where(same.any(-1), same.argmax(-1), -1)


def _unit(dataset: xr.Dataset, name: str, given: str | None = None) -> str:
    return str(dataset[name].attrs.get("units", "")) if given is None else given

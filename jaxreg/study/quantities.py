"""What a claim measures: each is a function of an experiment's dataset that returns an Estimate, or None.

A quantity names its variable and its dimensions; `runs`, a function of the dataset, says of which runs it is: those at
one learning rate, say, or those that did not choose it. The unit is that of the variable, in its attribute `units`.
Where the dataset did not try what is asked for, the quantity is None, and a claim about it undecided.
"""

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import xarray as xr

from jaxreg import stats
from jaxreg.checks import check_kind
from jaxreg.claims import Estimate, Quantity, estimate, percentage
from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import listed

Runs = Callable[[xr.Dataset], xr.Dataset]
Measure = Callable[[xr.Dataset], Estimate]


def mean(name: str, *, runs: Runs | None = None, dim: str | tuple[str, ...] = "seed", level: float = 0.95) -> Measure:
    """The mean of a variable over the runs that did not diverge.

    Args:
        name: of the variable.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, or several.
        level: of the interval, Student's t.

    >>> runs = xr.Dataset({"epochs": ("seed", [4.0, 5.0, 6.0], {"units": "epochs"})})
    >>> found = mean("epochs")(runs)
    >>> found.effect, found.n, found.unit
    (5.0, 3, 'epochs')
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen = _choose_runs(dataset, runs, name)
        return estimate(stats.mean(chosen, name, dim, level), _unit(chosen, name))

    return quantity


def share(
    name: str,
    *,
    runs: Runs | None = None,
    dim: str | tuple[str, ...] = "seed",
    of: str = "seeds",
    level: float = 0.95,
) -> Measure:
    """In how many per cent of the runs something is true, with Wilson's interval.

    Args:
        name: of a variable of truth values.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, or several.
        of: what the runs are, for the unit: "% of seeds".
        level: of the interval.

    >>> found = share("solved")(xr.Dataset({"solved": ("seed", [True, True, True, False])}))
    >>> found.effect, found.unit
    (75.0, '% of seeds')
    """

    def quantity(dataset: xr.Dataset) -> Estimate:
        chosen = _choose_runs(dataset, runs, name)
        return percentage(stats.proportion(chosen, name, dim, level=level), f"% of {of}")

    return quantity


def gain(
    name: str,
    axis: str,
    first: Hashable,
    second: Hashable,
    *,
    runs: Runs | None = None,
    dim: str = "seed",
    level: float = 0.95,
) -> Quantity:
    r"""What the first value along an axis has more of than the second, run by run: $\overline{x_1 - x_2}$.

    Args:
        name: of the variable $x$.
        axis: the dimension of what is compared.
        first: value along it.
        second: another, which is taken away.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, which are paired along it.
        level: of the interval, Student's t of the differences.

    Returns:
        Quantity in the variable's unit, in percentage points where that is "%"; None where one of the two values was
        not tried.

    >>> accuracy = [[90.0, 93.0], [80.0, 84.0], [70.0, 72.0]]
    >>> runs = xr.Dataset({"accuracy": (("seed", "case"), accuracy, {"units": "%"})}, {"case": ["plain", "l2"]})
    >>> found = gain("accuracy", "case", "l2", "plain")(runs)
    >>> found.effect, found.unit
    (3.0, 'percentage points')
    >>> gain("accuracy", "case", "l1", "plain")(runs) is None
    True
    """

    def quantity(dataset: xr.Dataset) -> Estimate | None:
        chosen = _choose_runs(dataset, runs, name)
        places = _find_places(_read_axis(chosen, axis), np.array([first, second]))
        if (places < 0).any():
            return None
        over, baseline = chosen[axis].values[places]
        pair = chosen.isel({axis: np.unique(places)})  # one place, and no difference, if the two are the same
        difference = stats.paired_difference(pair, name, dim, axis, baseline, level).sel({axis: over})
        unit = _unit(chosen, name)
        return estimate(difference, "percentage points" if unit == "%" else unit)

    return quantity


def ratio(
    name: str,
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
        name: of the variable $x$, which is positive.
        axis: the dimension of what is compared.
        first: value along it.
        second: another, by which is divided.
        runs: of which runs; by default of all.
        dim: the dimension of the runs, which are paired along it.
        unit: of the ratio.
        level: of the interval.

    >>> seconds = [[1.0, 2.0], [2.0, 8.0], [1.0, 4.0]]
    >>> runs = xr.Dataset({"seconds": (("seed", "batch"), seconds)}, {"batch": [16, 64]})
    >>> round(ratio("seconds", "batch", 64, 16)(runs).effect, 3)
    3.175
    """

    def logarithms(dataset: xr.Dataset) -> xr.Dataset:
        chosen = dataset if runs is None else runs(dataset)
        with np.errstate(divide="ignore", invalid="ignore"):
            return chosen.assign({name: (chosen[name].dims, np.log(chosen[name].values))})

    def quantity(dataset: xr.Dataset) -> Estimate | None:
        found = gain(name, axis, first, second, runs=logarithms, dim=dim, level=level)(dataset)
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
    check_kind("least", least, bool, "Say whether the variable should be small")
    known = _read_axis(dataset, along)
    _read_axis(dataset, dim)
    found = stats.mean(_choose_runs(dataset, None, name).isel({dim: slice(0, None, 2)}), name, dim)["mean"]
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


def _choose_runs(dataset: xr.Dataset, runs: Runs | None, name: str) -> xr.Dataset:
    """The variable of the chosen runs, with their mark of divergence, alone."""
    check_kind("dataset", dataset, xr.Dataset, "Give what the experiment returned")
    check_kind("name", name, str, "Name a variable of the dataset")
    chosen = dataset if runs is None else runs(dataset)
    if name not in chosen.data_vars:
        raise ArgumentError("name", name, "is no variable", f"Known: {listed(list(chosen.data_vars))}")
    return chosen[[name, *(["diverged"] if "diverged" in chosen and name != "diverged" else [])]]


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


def _unit(dataset: xr.Dataset, name: str) -> str:
    return str(dataset[name].attrs.get("units", ""))

"""What every statistic reads: one variable as rows of runs, whoever holds it, those marked that are left out."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
import xarray as xr

from jaxreg.checks import LEVEL, check_flag, check_kind, read_array
from jaxreg.errors import ArgumentError

Dim = str | tuple[str, ...]


@runtime_checkable
class Frame(Protocol):
    """What pandas' frames and series are."""

    def to_xarray(self) -> Any:
        """The labelled arrays of its columns."""


Table = xr.Dataset | xr.DataArray | Frame | np.ndarray | jax.Array | Sequence[Any]

_ENOUGH = "Give the result of a sweep, a labelled array, a frame, an array or a list"


class Runs(NamedTuple):
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

    @property
    def left_out(self) -> np.ndarray:
        """How many runs of each cell exist and are not valid."""
        return (self.exist & ~self.valid).sum(-1)


class _Labelled(NamedTuple):
    """The same with labels."""

    name: str
    values: xr.DataArray
    exist: xr.DataArray
    valid: xr.DataArray

    @property
    def arrays(self) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
        return self.values, self.exist, self.valid


def collect(dataset: Table, name: str | None, dim: Dim) -> Runs:
    """Check the names and lay the variable out as rows of runs."""
    return _lay_out(*_read("dataset", dataset, name, dim))


def collect_two(
    first: Table, second: Table, name: str | None, dim: Dim, *, paired: bool, shared: tuple[str, ...] = ()
) -> tuple[Runs, Runs]:
    """Both variables over the same cells; where they are `paired`, also over the same runs.

    Args:
        first: one population.
        second: the other; a dimension that only one of them has is repeated for the other.
        name: variable of both; None where each has one.
        dim: dimensions of the runs.
        paired: whether run i of one belongs to run i of the other.
        shared: dimensions among `dim` that both have, with the same labels, also where runs are not paired.
    """
    check_flag("paired", paired, "Give True where both share their seeds, else False")
    (one, dims), (other, _) = _read("first", first, name, dim), _read("second", second, name, dim)
    apart = () if paired else tuple(d for d in dims if d not in shared)
    try:
        parts = xr.align(*one.arrays, *other.arrays, join="exact", exclude=apart)
    except ValueError as error:
        remedy = "Select what both have" + (", or compare them with paired=False" if paired else "")
        constraint = f"must have the labels of `first` ({' '.join(str(error).split())[:200]})"
        raise ArgumentError("second", dict(other.values.sizes), constraint, remedy) from None
    parts = xr.broadcast(*parts, exclude=apart)
    rest = [d for d in parts[0].dims if d not in dims]
    runs, others = (
        _lay_out(_Labelled(side.name, *(part.transpose(*rest, *dims) for part in three)), dims)
        for side, three in ((one, parts[:3]), (other, parts[3:]))
    )
    coords = {
        key: runs.coords.get(key, others.coords.get(key))
        for key in [*runs.coords, *(k for k in others.coords if k not in runs.coords)]
        if key not in others.coords or key not in runs.coords or runs.coords[key].equals(others.coords[key])
    }
    return runs._replace(coords=coords), others._replace(coords=coords)


def scale_two(first: Runs, second: Runs) -> tuple[Runs, Runs, np.ndarray]:
    """Both divided by a power of two that brings each cell near 1, and its exponents: exact, and squares are floats."""
    runs = (first, second)
    values = [np.where(side.valid, side.values, 0.0) for side in runs]
    exponents = np.frexp(np.max([np.abs(part).max(-1, initial=0.0) for part in values], axis=0))[1]
    one, other = (
        side._replace(values=np.ldexp(part, -exponents[:, None])) for side, part in zip(runs, values, strict=True)
    )
    return one, other, exponents


def subtract(first: Runs, second: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Differences of pairs (0 where one is not valid), which are valid, and of each cell how many are and are not."""
    valid, exist = first.valid & second.valid, first.exist & second.exist
    difference = np.where(valid, first.values, 0.0) - np.where(valid, second.values, 0.0)
    return difference, valid, valid.sum(-1), (exist & ~valid).sum(-1)


def label(runs: Runs, interval: str, **variables: np.ndarray) -> xr.Dataset:
    """The Dataset of `variables` (*leading, cells), a leading dimension being `component`."""
    attributes = {"variable": runs.name, "over": ", ".join(runs.dims), "interval": interval}
    labelled = {
        key: (("component",) * (value.ndim - 1) + runs.rest, value.reshape(value.shape[:-1] + runs.shape))
        for key, value in variables.items()
    }
    return xr.Dataset(labelled, runs.coords, attributes)


def listed(names: Any) -> str:
    """Names in a sentence."""
    return ", ".join(str(name) for name in names) or "none"


def read_level(level: float) -> float:
    """The level of an interval as a float, checked."""
    LEVEL.check("level", level, "Give 0.95 for a 95 % interval")
    return float(level)


def read_dataset(given: Any, name: Any, dim: Any = "seed", argument: str = "dataset") -> xr.Dataset:
    """The dataset that is given, or that a labelled array, a frame, an array or a list is.

    The leading axes of an array without labels are those of `dim`; the others are called axis_1, axis_2, …
    """
    if not isinstance(given, xr.Dataset | xr.DataArray) and hasattr(given, "to_xarray") and not isinstance(given, type):
        given = given.to_xarray()
    elif isinstance(given, np.ndarray | jax.Array | list | tuple):
        array = np.asarray(read_array(argument, given))
        dims = [d for d in (dim if isinstance(dim, tuple | list) else [dim]) if isinstance(d, str)]
        names = [*dims, *(f"axis_{i}" for i in range(1, 1 + max(0, array.ndim - len(dims))))]
        if not array.ndim or array.ndim < len(dims) or len(set(names)) < len(names):
            constraint = f"must have an axis for each of {listed(dims)}"
            raise ArgumentError(argument, array.shape, constraint, "Give an entry for each run")
        given = xr.DataArray(array, dims=names)
    if isinstance(given, xr.DataArray):
        given = given.to_dataset(name=name if given.name is None and isinstance(name, str) else given.name or "values")
    check_kind(argument, given, xr.Dataset, _ENOUGH)
    return given


def _read(argument: str, given: Table, name: str | None, dim: Dim) -> tuple[_Labelled, tuple[str, ...]]:
    """Check the names and mark which runs exist and which are valid."""
    dataset = read_dataset(given, name, dim, argument)
    known = [
        str(key) for key in dataset.data_vars if key not in ("done", "diverged") and not str(key).endswith("_valid")
    ]
    if name is None and len(known) == 1:
        name = known[0]
    if not isinstance(name, str) or name not in dataset.data_vars:
        raise ArgumentError("name", name, "must be a variable of the dataset", f"Known: {listed(dataset.data_vars)}")
    array = dataset[name]
    dims = tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if not dims or any(not isinstance(d, str) or d not in array.dims for d in dims) or len(set(dims)) < len(dims):
        constraint = f"must name one or more different dimensions of {name}"
        raise ArgumentError("dim", dim, constraint, f"Known: {listed(array.dims)}")
    if array.dtype.kind not in "biuf":
        raise ArgumentError("name", name, f"must hold real numbers, not {array.dtype}", "Name a numeric variable")

    array = array.transpose(*(d for d in array.dims if d not in dims), *dims)

    def flag(variable: str, otherwise: bool) -> np.ndarray:
        """A truth value of the dataset at each entry of the array; `otherwise` where it has none."""
        if variable == name or variable not in dataset or not set(dataset[variable].dims) <= set(array.dims):
            return np.full(array.shape, otherwise)
        return dataset[variable].astype(bool).broadcast_like(array).transpose(*array.dims).values

    values = np.asarray(array.values, dtype=np.float64)
    exist = np.logical_and.reduce([flag(variable, True) for variable in ("done", *(f"{d}_valid" for d in array.dims))])
    # Asked about `diverged` itself, no run is left out: there it is the result.
    valid = exist & np.isfinite(values) & ~flag("diverged", False)
    return _Labelled(name, array.copy(data=values), array.copy(data=exist), array.copy(data=valid)), dims


def _lay_out(labelled: _Labelled, dims: tuple[str, ...]) -> Runs:
    """Rows of runs along `dims`."""
    name, values, exist, valid = labelled
    rest = tuple(str(d) for d in values.dims if d not in dims)
    shape, sizes = (tuple(values.sizes[d] for d in group) for group in (rest, dims))
    # Each by itself: xarray hangs scalar coordinates on all others, and would find labels unequal for their sake.
    coords = {k: v.reset_coords(drop=True) for k, v in values.coords.items() if set(v.dims) <= set(rest)}
    numbers, exists, sound = (
        part.values.reshape(math.prod(shape), math.prod(sizes)) for part in (values, exist, valid)
    )
    return Runs(name, numbers, exists, sound, dims, sizes, rest, shape, coords)

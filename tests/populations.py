"""Made-up populations: labelled results with given means, so that what a claim or a figure says of them is known."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from jaxreg.claims import judge

Mean = float | np.ndarray | list | xr.DataArray
Dims = tuple[str, ...]


def population(
    dims: Mapping[str, Any],
    mean: Mapping[str, Mean | tuple[Dims, Mean]],
    *,
    spread: float | Mapping[str, float] = 0.0,
    shared: float | Mapping[str, float] = 0.0,
    runs: Dims = ("seed",),
    records: Dims = ("epoch",),
    units: Mapping[str, str] | None = None,
    root: int = 0,
    **attrs: Any,
) -> xr.Dataset:
    """Normal runs around the given means, none of which diverged.

    Args:
        dims: the labels of each dimension, or how many, 0, 1, 2, …
        mean: of each variable: a number, an array over the last dimensions, or one with names, which broadcasts; as a
            pair `(dims, mean)`, of a variable that is not over all of `dims`. What is over none of `runs` is exact.
        spread: standard deviation of every number, alone; or that of each variable, 0 where none is given.
        shared: standard deviation of what a run adds to all its numbers, which a paired difference takes away; or that
            of each variable.
        runs: the dimensions of the runs.
        records: the dimensions along which a run has several numbers: it diverged in all of them or in none.
        units: of the variables, "" by default.
        root: of the random numbers.
        **attrs: attributes of the dataset.
    """
    labels = {dim: np.arange(given) if isinstance(given, int) else list(given) for dim, given in dims.items()}
    random, variables = np.random.default_rng(root), {}
    common = {run: xr.DataArray(random.normal(0, 1, len(labels[run])), dims=run) for run in runs}
    for name, given in mean.items():
        over, centre = given if isinstance(given, tuple) else (tuple(dims), given)
        shape = tuple(len(labels[dim]) for dim in over)
        if isinstance(centre, xr.DataArray):
            centre = centre.broadcast_like(xr.DataArray(np.empty(shape), dims=over)).transpose(*over).values
        values = xr.DataArray(np.broadcast_to(centre, shape), dims=over)
        if mine := [run for run in runs if run in over]:
            values = values + _of(spread, name) * random.normal(0, 1, shape)
            values = sum((_of(shared, name) * common[run] for run in mine), values).transpose(*over)
        variables[name] = values.assign_attrs(units=(units or {}).get(name, ""))
    cells = tuple(dim for dim in dims if dim not in records)
    variables["diverged"] = xr.DataArray(np.zeros([len(labels[dim]) for dim in cells], bool), dims=cells)
    return xr.Dataset(variables, labels, attrs)


def _of(given: float | Mapping[str, float], name: str) -> float:
    return given.get(name, 0.0) if isinstance(given, Mapping) else given


def along(dim: str, values: Iterable[float]) -> xr.DataArray:
    """Means along one dimension, to add and to multiply with those along another."""
    return xr.DataArray(list(values), dims=dim)


def diverge(dataset: xr.Dataset, *names: str, **cells: Any) -> xr.Dataset:
    """The same with the runs in these cells diverged, and these variables no numbers there.

    Args:
        dataset: what is left as it is.
        *names: of the variables.
        **cells: as for `isel`.
    """
    gone = dataset["diverged"].copy(deep=True)
    gone[cells] = True
    return dataset.assign({name: dataset[name].where(~gone) for name in names} | {"diverged": gone})


def lucky(dataset: xr.Dataset, name: str, more: float, **cells: Any) -> xr.Dataset:
    """The same with something added to a variable in these cells, as for `isel`."""
    raised = dataset[name].copy(deep=True)
    raised[cells] += more
    return dataset.assign({name: raised})


def verdicts(claims: Iterable[Any], dataset: xr.Dataset) -> str:
    """The first letters of all verdicts: "hfu" for holds, fails, undecided."""
    return "".join(verdict.status[0] for _, verdict in judge(tuple(claims), dataset))

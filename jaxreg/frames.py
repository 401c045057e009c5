"""A result as a long table, one row a run, for pandas, R and spreadsheets."""

import numpy as np
import pandas as pd
import xarray as xr

from jaxreg.checks import check_kind
from jaxreg.errors import ArgumentError


def to_frame(dataset: xr.Dataset) -> pd.DataFrame:
    """The runs of a sweep as a table: one row a run, in the order of the axes, the last one fastest.

    The axes are the dimensions of the variable `diverged`, which every sweep has. Columns, in this order:

    1. each axis, under its name: its labels, or positions 0, 1, … where it has none;
    2. the other coordinates that have no dimensions but axes, as the keywords of `zipped`;
    3. each variable. One with further dimensions takes a column for each of its entries, named after their labels (or
       positions), as `loss[step=0]`; the last dimension is fastest.

    Runs that are not `done` (a store that is still being written) have no row, and `done` no column. What fills up a
    ragged dimension stays, as NaN, 0 or False; the variable `<dimension>_valid` says which entries are real.

    Args:
        dataset: result of `sweep`, or what `xarray.open_zarr` reads from a store, or a part of either.

    Returns:
        The table, with the index 0, 1, …; each column has the dtype of its coordinate or variable.

    Raises:
        ArgumentError: no Dataset, or one without `diverged`.

    >>> import jax.numpy as jnp, jaxreg as jr
    >>> run = lambda *, rate, batch: {"loss": rate * jnp.arange(2.0), "last": rate * batch}
    >>> axes = {"batch": jr.static([1, 8]), "rate": [0.5, 1.0]}
    >>> print(to_frame(jr.sweep(run, axes, dims={"loss": ("step",)}, progress=False)).to_string())
       batch  rate  last  loss[step=0]  loss[step=1]  diverged
    0      1   0.5   0.5           0.0           0.5     False
    1      1   1.0   1.0           0.0           1.0     False
    2      8   0.5   4.0           0.0           0.5     False
    3      8   1.0   8.0           0.0           1.0     False
    """
    check_kind("dataset", dataset, xr.Dataset, "Give what sweep returned")
    if "diverged" not in dataset:
        constraint = "must have the variable diverged, whose dimensions are the axes of the sweep"
        raise ArgumentError("dataset", tuple(dataset.data_vars), constraint, "Give what sweep returned")
    runs = dataset["diverged"]
    axes = runs.dims
    columns = {str(axis): _column(dataset[axis], runs) for axis in axes}
    columns |= {
        str(name): _column(array, runs)
        for name, array in dataset.coords.items()
        if name not in axes and set(array.dims) <= set(axes)
    }
    for name, array in dataset.data_vars.items():
        if name != "done":
            columns |= _entries(str(name), array, runs)
    frame = pd.DataFrame(columns)
    return frame[_column(dataset["done"], runs).astype(bool)].reset_index(drop=True) if "done" in dataset else frame


def _column(array: xr.DataArray, runs: xr.DataArray) -> np.ndarray:
    """The value of each run, of an array that has no dimensions but axes."""
    return array.broadcast_like(runs).transpose(*runs.dims).values.reshape(-1)


def _entries(name: str, array: xr.DataArray, runs: xr.DataArray) -> dict[str, np.ndarray]:
    """A column for each entry along the dimensions that are no axes."""
    inner = [dim for dim in array.dims if dim not in runs.dims]
    if not inner:
        return {name: _column(array, runs)}
    sizes = {dim: array.sizes[dim] for dim in inner}
    columns = {}
    for place in np.ndindex(*sizes.values()):
        at = dict(zip(inner, place, strict=True))
        labels = ", ".join(f"{dim}={array[dim].values[i]}" for dim, i in at.items())
        columns[f"{name}[{labels}]"] = _column(array.isel(at, drop=True), runs)
    return columns

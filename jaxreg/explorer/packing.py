"""What the explorer's page holds of a population: numbers as they are, as many as fit; nothing is rounded.

The state of each run, the labels and the validity of ragged dimensions are always there. Of a variable there are, as
far as they fit: the value of every run; of a history whose values do not fit, those of some entries along its longest
dimension, and of all entries (or as many as fit) the moments of the runs: number, mean, deviation. From either the page
computes what `jaxreg.stats` does.
"""

import base64
import json
import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtri, stdtrit

from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import collect, listed
from jaxreg.stats.student import find_moments

LEVELS = (0.9, 0.95, 0.99)
MOST_CATEGORIES = 12
"""Different integers up to which a variable of them is shown by the share of each, too."""
TABULATED = 200
"""Degrees of freedom up to which Student's quantiles are tabulated; the page's expansion is exact to 1e-9 beyond."""

_ABSENT, _FINE, _DIVERGED = 0, 1, 2
_MOMENT_BYTES = 8 + 8 + 4 + 4  # mean, deviation, number, left out
_PLACE_BYTES = 8  # of the number of an entry that is kept
_AT_ONCE = 2_000_000  # values of a history whose moments are taken at a time
_FLAGS = ("done", "diverged")


class Shares(NamedTuple):
    """How many entries along the longest inner dimension of a variable are kept of it."""

    values: int
    moments: int


def choose_dim(dataset: xr.Dataset, dim: str | None) -> str:
    """The axis of the runs: the one named, else the longest that has `seed` in its name, else the longest."""
    axes = dataset["diverged"].sizes
    if dim is None:
        named = [axis for axis in axes if "seed" in str(axis)] or [*axes]
        return str(max(named, key=lambda axis: axes[axis]))
    if not isinstance(dim, str) or dim not in axes:
        raise ArgumentError("dim", dim, "must be an axis of the sweep", f"Known: {listed(axes)}")
    return dim


def choose_variables(dataset: xr.Dataset, names: Sequence[str] | None) -> list[str]:
    """The variables to show: those named, else all that are numbers and differ between runs.

    Raises:
        ArgumentError: none, or a name that is none of them.
    """
    axes = set(dataset["diverged"].dims)
    known = [
        name
        for name, array in dataset.data_vars.items()
        if isinstance(name, str)
        and array.dtype.kind in "biuf"
        and axes & set(array.dims)
        and not _is_flag(dataset, name)
    ]
    if not known:
        held = [name for name in dataset.data_vars if not _is_flag(dataset, name)]
        constraint = "must have a variable of real numbers over the axes of the sweep"
        raise ArgumentError("dataset", held, constraint, "Let the run return one, as {'loss': loss}")
    if names is None:
        return known
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ArgumentError("variables", names, "must be a list of names", f"Known: {listed(known)}")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ArgumentError(
                "variables", name, "must name numeric variables over the axes", f"Known: {listed(known)}"
            )
    return list(dict.fromkeys(names))


def _is_flag(dataset: xr.Dataset, name: Hashable) -> bool:
    return name in _FLAGS or (str(name).endswith("_valid") and str(name).removesuffix("_valid") in dataset.dims)


def pack(dataset: xr.Dataset, dim: str, names: Sequence[str], limit: float) -> dict[str, Any]:
    """The data of the page, ready for JSON.

    Args:
        dataset: of a sweep, with `diverged`.
        dim: the axis of the runs.
        names: the variables.
        limit: bytes that arrays may take before they are written as text.

    Raises:
        ArgumentError: not even the moments of one variable fit.
    """
    runs = dataset["diverged"]
    masks = {str(d): dataset[f"{d}_valid"] for d in dataset.dims if f"{d}_valid" in dataset.data_vars}
    flags = runs.size + sum(mask.size for mask in masks.values())
    if flags > limit:
        raise _too_large(dataset)
    shown = {d for name in names for d in dataset[name].dims} | set(runs.dims)
    dims = {str(d): _describe_dim(dataset, str(d)) for d in dataset.dims if d in shown}
    fixed = flags + 8 * TABULATED * len(LEVELS) + len(json.dumps(dims))
    shares = share_out({name: dataset[name] for name in names}, runs.dims, dim, limit - fixed)
    if not any(share.values or share.moments for share in shares.values()):
        raise _too_large(dataset)
    state = np.where(runs.values.astype(bool), _DIVERGED, _FINE)
    if "done" in dataset:
        done = dataset["done"].astype(bool).broadcast_like(runs).transpose(*runs.dims)
        state = np.where(done.values, state, _ABSENT)
    variables = {name: _pack_variable(dataset, name, dim, share) for name, share in shares.items() if any(share)}
    return {
        "axes": [str(axis) for axis in runs.dims],
        "runs": dim,
        "dims": dims,
        "state": _array(runs.dims, state.astype(np.uint8)),
        "masks": {d: _array(mask.dims, mask.values.astype(np.uint8)) for d, mask in masks.items() if d in shown},
        "variables": variables,
        "missing": [name for name in names if name not in variables],
        "levels": [
            {"level": level, "z": float(ndtri(0.5 + level / 2)), "t": _bytes(_quantiles(level))} for level in LEVELS
        ],
    }


def _too_large(dataset: xr.Dataset) -> ArgumentError:
    constraint = f"has {dataset['diverged'].size:,} runs, which do not fit into a page of this size"
    remedy = "Select a part with isel, name fewer variables, or allow more megabytes"
    return ArgumentError("dataset", dict(dataset.sizes), constraint, remedy)


def share_out(arrays: dict[str, xr.DataArray], axes: Sequence[Hashable], dim: str, limit: float) -> dict[str, Shares]:
    """How much of each variable is kept: what is small first, each at most its part of what is left.

    A variable without further dimensions is kept as a whole or as moments; a history may be thinned.
    """
    shares = {}
    order = sorted(arrays, key=lambda name: arrays[name].size)
    for place, name in enumerate(order):
        array, part = arrays[name], limit / (len(order) - place)
        long = max((size for d, size in array.sizes.items() if d not in axes), default=1)
        value_bytes = array.size // long * _narrow(array).itemsize
        moment_bytes = array.size // long // array.sizes.get(dim, 1) * _MOMENT_BYTES
        if not any(d not in axes for d in array.dims):
            part = limit  # scalars come first
        if value_bytes * long <= part:
            share = Shares(long, 0)
        else:
            part = max(part - 2 * _PLACE_BYTES * long, 0.0)
            moments = min(long, int(part / (2 if long > 1 else 1) / moment_bytes))
            share = Shares(min(long - 1, int((part - moments * moment_bytes) / value_bytes)), moments)
        shares[name] = share
        limit -= share.values * value_bytes + share.moments * moment_bytes
    return {name: shares[name] for name in arrays}


def _pack_variable(dataset: xr.Dataset, name: str, dim: str, share: Shares) -> dict[str, Any]:
    array = dataset[name]
    inner = {d: size for d, size in array.sizes.items() if d not in dataset["diverged"].dims}
    long = max(inner, key=lambda d: inner[d]) if inner else None
    packed: dict[str, Any] = {**_describe(array, name), "kind": array.dtype.kind, "thin": long and str(long)}
    if share.values:
        places = _spread(share.values, inner[long]) if long else np.zeros(1, int)
        kept = array.isel({long: places}) if long else array
        packed["values"] = _array(array.dims, kept.values.astype(_narrow(array))) | {"places": places.tolist()}
        packed["categories"] = _find_categories(dataset, kept)
    if share.moments:
        places = _spread(share.moments, inner[long]) if long else np.zeros(1, int)
        packed["moments"] = _take_moments(dataset, name, dim, long, places) | {"places": places.tolist()}
    return packed


def _find_categories(dataset: xr.Dataset, array: xr.DataArray) -> dict[str, Any] | None:
    """The values of a variable of few integers, by name where its attributes have names as the CF conventions do."""
    if array.dtype.kind not in "iu":
        return None
    names = str(array.attrs.get("flag_meanings", "")).split()
    given = np.ravel(np.array(array.attrs.get("flag_values", range(len(names))), object))
    numbers = [int(value) for value in given if isinstance(value, int | np.integer)]
    if names and len(numbers) == len(names):
        return {"values": numbers, "names": [name.replace("_", " ") for name in names], "named": True}
    there = array.values
    if "done" in dataset:
        there = there[dataset["done"].astype(bool).broadcast_like(array).transpose(*array.dims).values]
    values = np.unique(there)
    if not 1 < len(values) <= MOST_CATEGORIES:
        return None
    return {"values": values.tolist(), "names": list(map(str, values.tolist())), "named": False}


def _take_moments(
    dataset: xr.Dataset, name: str, dim: str, long: Hashable | None, places: np.ndarray
) -> dict[str, Any]:
    """Mean, deviation, number and left out of the runs along `dim`, of each cell and entry.

    A part of the cells at a time: a store is read once, whatever its size.
    """
    flags = [f for f in dataset.data_vars if _is_flag(dataset, f)]
    some = dataset[[name, *flags]] if long is None else dataset[[name, *flags]].isel({long: places})
    if dim not in some[name].dims:  # one value in each cell
        some = some[[name]].drop_vars(dim, errors="ignore").expand_dims(dim)
    dims = [d for d in some[name].dims if d != dim]
    cut = max(dims, key=lambda d: (d in dataset["diverged"].dims, some.sizes[d]), default=dim)
    step = max(1, _AT_ONCE * some.sizes[cut] // some[name].size) if dims else some.sizes[dim]
    parts = []
    for start in range(0, some.sizes[cut], step):
        runs = collect(some.isel({cut: slice(start, start + step)}), name, dim)
        n, mean, variance = find_moments(runs.values, runs.valid)
        parts.append([part.reshape(runs.shape) for part in (mean, np.sqrt(variance), n, runs.left_out)])
    whole = (np.concatenate(part, dims.index(cut)) if dims else part[0] for part in zip(*parts, strict=True))
    mean, deviation, n, left_out = whole
    return {
        "mean": _array(dims, mean),
        "deviation": _array(dims, deviation),
        "n": _array(dims, n.astype(np.uint32)),
        "left_out": _array(dims, left_out.astype(np.uint32)),
    }


def _spread(count: int, size: int) -> np.ndarray:
    """Places evenly spread, the last one first among them."""
    return np.unique(np.linspace(size - 1, 0, count).round().astype(int))


def _narrow(array: xr.DataArray) -> np.dtype[Any]:
    """The smallest type of JavaScript's arrays that holds every number of this type."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return np.dtype(np.uint8)
    if kind == "f":
        return np.dtype(np.float32 if size <= 4 else np.float64)
    return array.dtype if size <= 4 else np.dtype(np.float64)


def _describe_dim(dataset: xr.Dataset, dim: str) -> dict[str, Any]:
    """Title, labels and, where they are numbers, values along a dimension; with what else is told along it."""
    labels = dataset[dim].values if dim in dataset.coords else np.arange(dataset.sizes[dim])
    also = {str(n): c.values for n, c in dataset.coords.items() if n != dim and c.dims == (dim,)}
    described = _describe(dataset[dim], dim)
    if labels.dtype.kind in "iu" and not also and (np.diff(labels) == 1).all():  # as many seeds, in few letters
        return described | {"from": int(labels[0]) if labels.size else 0, "count": labels.size}
    numeric = labels.dtype.kind in "iuf" and bool(np.isfinite(labels).all()) and not also
    texts = [f"{label:.6g}" if labels.dtype.kind == "f" else str(label) for label in labels]
    if len(set(texts)) < len(texts):
        texts = [str(label) for label in labels]
    for name, values in also.items():
        told = (f"{value:.6g}" if values.dtype.kind == "f" else str(value) for value in values)
        texts = [f"{text}, {name} {value}" for text, value in zip(texts, told, strict=True)]
    return described | {
        "labels": texts,
        "numbers": [float(label) for label in labels] if numeric else None,
    }


def _describe(array: xr.DataArray, name: str) -> dict[str, str]:
    told = array.attrs
    return {"title": str(told.get("long_name", name.replace("_", " "))), "units": str(told.get("units", ""))}


def _quantiles(level: float) -> np.ndarray:
    return stdtrit(np.arange(1, TABULATED + 1), 0.5 + level / 2)


def _array(dims: Sequence[Hashable], values: np.ndarray) -> dict[str, Any]:
    return {"dims": [str(d) for d in dims], "shape": values.shape, "type": values.dtype.name, "bytes": _bytes(values)}


def _bytes(values: np.ndarray) -> str:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode()


def count_done(dataset: xr.Dataset) -> tuple[int, int]:
    """How many runs there are, and how many were asked for."""
    total = math.prod(dataset["diverged"].shape)
    return (int(dataset["done"].sum()) if "done" in dataset else total), total

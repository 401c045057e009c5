"""What a run returns: names, shapes and dimensions of its outputs, checked alike over all programs of a sweep."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.engine.axes import Axis
from jaxreg.errors import SweepError


@dataclasses.dataclass(frozen=True)
class Ragged:
    """A trailing dimension whose length may differ between static values; made by `ragged`."""

    name: str


@dataclasses.dataclass(frozen=True)
class Output:
    """One output of a run: its trailing dimensions, its largest trailing shape and its dtype."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype


@dataclasses.dataclass(frozen=True)
class Outputs:
    """All outputs of a sweep, coordinates of trailing dimensions, and each ragged dimension's length per program."""

    variables: dict[str, Output]
    coordinates: dict[str, np.ndarray]
    ragged_lengths: dict[str, tuple[int, ...]]


def ragged(name: str) -> Ragged:
    """Mark a dimension in `dims` whose length may differ between static values.

    Shorter outputs are padded (NaN, 0 or False) and a variable `<name>_valid` says which entries are real.

    >>> ragged("step")
    Ragged(name='step')
    """
    return Ragged(name)


RESERVED = ("diverged", "done")
COMPILED = ("static", "cases", "zipped")  # the kinds of axes along which programs may differ


def read_outputs(
    programs: Sequence[tuple[str, Mapping[str, jax.ShapeDtypeStruct] | None]],
    dims: Mapping[str, Any] | None,
    axis_names: Sequence[str],
    own: Mapping[str, Sequence[str]] | None = None,
) -> Outputs:
    """Check the outputs of every program, given with its label, against each other and against `dims`.

    A program that could not be traced has None, and counts as one whose ragged dimensions have length 0. What `dims`
    leaves out has the names that the run gave itself, `own`.
    """
    labels = [label for label, shapes in programs if shapes is not None]
    shapes = [shapes for _, shapes in programs if shapes is not None]
    first = shapes[0]
    if not isinstance(dims, Mapping | None):
        raise SweepError("dims", dims, "must map outputs to dimension names", 'Write {"weight": ("step",)}')
    for label, names in zip(labels, map(set, shapes), strict=True):
        if names != set(first):
            raise SweepError(
                "run", sorted(names), f"must return {sorted(first)} for {label} too", "Return the same names"
            )
    for name in first:
        if name in RESERVED or name in axis_names:
            raise SweepError("run", name, "is taken by the engine or by an axis", "Rename this output")
    named, coordinates, is_ragged = _read_dims(
        first, {**_fitting(first, own or {}, axis_names), **(dims or {})}, axis_names
    )
    all_dims = {dim for dims_of_one in named.values() for dim in dims_of_one}
    for name in (*axis_names, *first, *all_dims):
        is_path = ("/" in name and name not in first and not name.startswith(tuple(first))) or "\\" in name
        if is_path or not name.isprintable() or not name or name.startswith(".") or name in RESERVED:
            raise SweepError(
                "name", name, "must not be empty, 'diverged' or 'done', hold '/' or begin with '.'", "Rename it"
            )
    for name in all_dims & set(first):
        raise SweepError(f"dims: {name!r}", name, "is the name of an output too", "Rename the dimension")
    variables = {name: _merge(name, [s[name] for s in shapes], labels, named[name], is_ragged) for name in first}
    lengths = {}
    for dim in sorted(is_ragged):
        traced = iter(_ragged_lengths(dim, shapes, named, labels))
        lengths[dim] = tuple(0 if held is None else next(traced) for _, held in programs)
    sizes: dict[str, tuple[str, int]] = {}
    for name, output in variables.items():
        for dim, size in zip(output.dims, output.shape, strict=True):
            holder, known = sizes.setdefault(dim, (name, size))
            if size != known:
                raise SweepError(
                    f"dims[{name!r}]",
                    output.dims,
                    f"has {dim!r} of length {size}, {holder!r} has {known}",
                    "Rename one",
                )
    for dim, values in coordinates.items():
        if dim not in sizes or len(values) != sizes[dim][1]:
            size = sizes[dim][1] if dim in sizes else 0
            raise SweepError(
                f"dims: coordinate {dim!r}", values, f"must have length {size}", "Give one value per entry"
            )
    clash = {f"{dim}_valid" for dim in lengths} & {*variables, *sizes, *axis_names}
    if clash:
        raise SweepError("run", sorted(clash), "is needed for the validity of a ragged dimension", "Rename this output")
    return Outputs(variables, coordinates, lengths)


def _read_dims(
    first: Mapping[str, jax.ShapeDtypeStruct], dims: Mapping[str, Any], axis_names: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, np.ndarray], set[str]]:
    unknown = set(dims) - set(first)
    if unknown:
        raise SweepError("dims", sorted(unknown), f"must name outputs of the run: {sorted(first)}", "Correct the name")
    named: dict[str, tuple[str, ...]] = {}
    coordinates: dict[str, np.ndarray] = {}
    is_ragged: set[str] = set()
    for name, shape in first.items():
        given = dims.get(name, tuple(f"{name}_dim_{i}" for i in range(len(shape.shape))))
        given = (given,) if isinstance(given, str | Ragged) else given
        if not isinstance(given, Mapping | Sequence):
            raise SweepError(f"dims[{name!r}]", given, "must be dimension names", 'Write ("step",)')
        entries = [entry.name if isinstance(entry, Ragged) else entry for entry in given]
        if len(entries) != len(shape.shape):
            raise SweepError(
                f"dims[{name!r}]",
                tuple(entries),
                f"must name {len(shape.shape)} trailing dimensions, as a run returns the shape {shape.shape}",
                "Name each once",
            )
        for entry in entries:
            if not isinstance(entry, str) or entry in axis_names or entries.count(entry) > 1:
                raise SweepError(f"dims[{name!r}]", entry, "must be a new name that no axis has", "Rename it")
        is_ragged |= {entry.name for entry in given if isinstance(entry, Ragged)}
        if isinstance(given, Mapping):
            for dim, values in zip(entries, given.values(), strict=True):
                if values is not None:
                    if dim in coordinates and not np.array_equal(coordinates[dim], _read_coordinate(dim, values)):
                        raise SweepError(f"dims[{name!r}]", dim, "has other coordinates elsewhere", "Give them once")
                    coordinates[dim] = _read_coordinate(dim, values)
        named[name] = tuple(entries)
    return named, coordinates, is_ragged


def _fitting(
    first: Mapping[str, jax.ShapeDtypeStruct], own: Mapping[str, Sequence[str]], axis_names: Sequence[str]
) -> dict[str, Sequence[str]]:
    """The dimensions that a run names itself, if its outputs still have them: it may have changed them since."""
    own = {name: dims for name, dims in own.items() if name in first and len(dims) == len(first[name].shape)}
    sizes = {(dim, size) for name, dims in own.items() for dim, size in zip(dims, first[name].shape, strict=True)}
    names = {dim for dim, _ in sizes}
    fits = len(names) == len(sizes) and not names & {*axis_names, *first}
    return own if fits else {}


def _read_coordinate(dim: str, values: Any) -> np.ndarray:
    try:
        coordinate = np.asarray(values)
    except ValueError:
        coordinate = np.array(None)
    is_plain = coordinate.ndim == 1 and coordinate.dtype.kind in "biufU"
    if not is_plain or (coordinate.dtype.kind == "f" and np.isnan(coordinate).any()):
        raise SweepError(
            f"dims: coordinate {dim!r}", values, "must be a list of numbers or names, not NaN", "Change it"
        )
    return coordinate


def _merge(
    name: str,
    shapes: Sequence[jax.ShapeDtypeStruct],
    programs: Sequence[str],
    dims: tuple[str, ...],
    is_ragged: set[str],
) -> Output:
    """One output over all programs; lengths may differ along ragged dimensions only."""
    for label, shape in zip(programs, shapes, strict=True):
        same_rank = len(shape.shape) == len(dims)
        differing = [d for d, n, m in zip(dims, shape.shape, shapes[0].shape, strict=False) if n != m]
        if shape.dtype != shapes[0].dtype:
            raise SweepError(
                f"output {name!r}",
                f"{shape.dtype} for {label}",
                f"must be {shapes[0].dtype} as for {programs[0]}",
                "Cast it",
            )
        if not same_rank or set(differing) - is_ragged:
            raise SweepError(
                f"output {name!r}",
                f"{shape.dtype}{list(shape.shape)} for {label}",
                f"must be {shapes[0].dtype}{list(shapes[0].shape)} as for {programs[0]}",
                f"Mark the dimension in dims: {{{name!r}: (jaxreg.ragged({(differing or dims or ('step',))[0]!r}),)}}",
            )
    largest = tuple(max(sizes) for sizes in zip(*(s.shape for s in shapes), strict=True))
    return Output(dims, largest, np.dtype(shapes[0].dtype))


def _ragged_lengths(
    dim: str,
    shapes: Sequence[Mapping[str, jax.ShapeDtypeStruct]],
    named: Mapping[str, tuple[str, ...]],
    programs: Sequence[str],
) -> tuple[int, ...]:
    result = []
    for label, shape in zip(programs, shapes, strict=True):
        lengths = {shape[name].shape[dims.index(dim)] for name, dims in named.items() if dim in dims}
        if len(lengths) > 1:
            raise SweepError(
                f"dims: ragged {dim!r}", sorted(lengths), f"must agree within {label}", "Rename one of them"
            )
        result.append(lengths.pop())
    return tuple(result)


def compiled_axes(axes: Sequence[Axis]) -> list[Axis]:
    """The axes along which programs, and so ragged lengths, may differ."""
    return [axis for axis in axes if axis.kind in COMPILED]


def read_validity(outputs: Outputs, axes: Sequence[Axis]) -> dict[str, np.ndarray]:
    """For each ragged dimension, which entries are real: a mask over the compiled axes and the dimension."""
    masks = {}
    for dim, lengths in outputs.ragged_lengths.items():
        mask = np.zeros((*(len(axis.labels) for axis in compiled_axes(axes)), max(lengths)), bool)
        for groups, length in zip(itertools.product(*(axis.groups for axis in axes)), lengths, strict=True):
            held = [g.positions for axis, g in zip(axes, groups, strict=True) if axis.kind in COMPILED]
            mask[np.ix_(*held, np.arange(length))] = True
        masks[f"{dim}_valid"] = mask
    return masks


def padding_value(dtype: np.dtype) -> Any:
    """What stands where nothing was computed: NaN for floats, 0 or False otherwise."""
    return dtype.type(np.nan) if dtype.kind in "fc" else dtype.type(0)

"""Arrays, frames and the objects of other libraries as a data set: known by what they have, not by their type."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxreg.checks import check_kind, read_array
from jaxreg.datasets.dataset import About
from jaxreg.datasets.splitting import split
from jaxreg.errors import ArgumentError

Parts = tuple[Any, ...]  # four arrays and an About

_LARGEST = float(np.finfo(np.float32).max)


def from_arrays(x: Any, y: Any, x_test: Any, y_test: Any, share: Any, seed: Any, about: About) -> Parts:
    """The arguments of `Dataset`; see `Dataset.from_arrays`."""
    check_kind("name", about.name, str, "Name the data set")
    if (x_test is None) != (y_test is None):
        missing = "y_test" if y_test is None else "x_test"
        raise ArgumentError(missing, None, "must be given too", "Give both, or neither")
    drawn = x_test is None
    for argument, value in (("share", share), ("seed", seed)):
        if (value is not None) != drawn:
            constraint = "must be given where there is no test part" if drawn else "has no meaning beside a test part"
            raise ArgumentError(argument, value, constraint, "Give share=0.2 and seed=0, or the test part")
    x = _read_inputs("x", x)
    if drawn:
        y, about = _read_targets(about, ("y", y, len(x)))
        x_train, y_train, x_test, y_test = split(x, y, share, seed=seed)
    else:
        x_train, x_test = x, _read_inputs("x_test", x_test)
        if x_test.shape[1:] != x.shape[1:]:
            raise ArgumentError("x_test", x_test.shape, f"must have examples of the shape {x.shape[1:]} of x", "Match")
        y, about = _read_targets(about, ("y", y, len(x)), ("y_test", y_test, len(x_test)))
        y_train, y_test = y[: len(x)], y[len(x) :]
    return x_train, y_train, x_test, y_test, about


def read_frames(frame: Any, test: Any, target: Any, columns: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Names of the inputs, and inputs and targets of a frame and of another."""
    names: tuple[str, ...] = ()
    parts: list[Any] = []
    for argument, given in (("frame", frame), ("test", test)):
        if given is None and argument == "test":
            parts += [None, None]
            continue
        if not hasattr(given, "columns") or not hasattr(given, "__getitem__"):
            raise ArgumentError(argument, type(given).__name__, "must be a frame", "Use from_arrays for arrays")
        known = [str(name) for name in given.columns]
        targets = _read_names("target", target, known)
        others = [name for name in known if name not in targets]
        names = tuple(_read_names("columns", others if columns is None else columns, known))
        if both := [name for name in names if name in targets]:
            raise ArgumentError("columns", both[0], "must not be the target", "Leave it out of the inputs")
        parts.append(np.stack([_read_column(given, name) for name in names], axis=-1))
        labels = [given[name] for name in targets]
        parts.append(labels[0] if isinstance(target, str) else np.stack([_read_column(given, n) for n in targets], -1))
    return names, tuple(parts)


def from_bunch(bunch: Any, share: Any, seed: Any, name: Any) -> Parts:
    """See `Dataset.from_bunch`."""
    data, target = (getattr(bunch, part, None) for part in ("data", "target"))
    if data is None or target is None or isinstance(bunch, type):
        constraint = "must have data and target"
        raise ArgumentError("bunch", type(bunch).__name__, constraint, "Give what fetch_openml returned")
    details = getattr(bunch, "details", None)
    found = details.get("name") if isinstance(details, Mapping) else None
    columns = getattr(bunch, "feature_names", None)
    names = tuple(str(c) for c in columns) if isinstance(columns, Sequence | np.ndarray) else ()
    about = About(str(found or "bunch") if name is None else name, "", "", (), (), 1, names)
    *arrays, about = from_arrays(data, _only_column(target), None, None, share, seed, about)
    classes: Any = getattr(bunch, "target_names", None)
    if about.classes == tuple(map(str, range(len(about.classes)))) and np.size(classes) == len(about.classes) > 0:
        about = replace(about, classes=tuple(str(c) for c in np.ravel(classes)))
    return (*arrays, about)


def from_huggingface(data: Any, target: Any, inputs: Any, share: Any, seed: Any, name: Any) -> Parts:
    """See `Dataset.from_huggingface`."""
    splits = dict(data) if isinstance(data, Mapping) else {"train": data}
    if "train" not in splits:
        raise ArgumentError("data", list(splits), "must have a split train", "Choose one, as data['validation']")
    train, test = splits["train"], splits.get("test")
    for one in (train, *([] if test is None else [test])):
        if isinstance(one, type) or not hasattr(one, "column_names") or not hasattr(one, "__getitem__"):
            raise ArgumentError("data", type(one).__name__, "must have column_names", "Give a Dataset or a DatasetDict")
    known = [str(column) for column in train.column_names]
    (target,) = _read_names("target", target if isinstance(target, str) else [target], known)
    names = _read_names("inputs", [c for c in known if c != target] if inputs is None else inputs, known)
    if target in names:
        raise ArgumentError("inputs", target, "must not be the target", "Leave it out of the inputs")
    if test is not None and (missing := [c for c in (target, *names) if c not in test.column_names]):
        raise ArgumentError("data", missing[0], "must be a column of the split test too", "Give data['train'] alone")
    parts: list[Any] = []
    for one in (train, test):
        parts += [None, None] if one is None else [_read_inputs_of(one, names), list(one[target])]
    image = parts[0].ndim > 2 and parts[0].dtype == np.uint8
    about = About(name, "", "", (), tuple(parts[0].shape[1:]) if image else (), 255 if image else 1, tuple(names))
    x, y, x_test, y_test = parts
    *arrays, about = from_arrays(x, y, x_test, y_test, share, seed, about)
    classes = getattr((getattr(train, "features", None) or {}).get(target), "names", None)
    if classes is not None:  # the labels number all of them, also those that do not occur
        count = [int(c) for c in about.classes]
        if any(not 0 <= c < len(classes) for c in count):
            raise ArgumentError(
                "target", target, f"must number {len(classes)} classes from 0", "Choose labelled splits"
            )
        arrays[1], arrays[3] = (np.asarray(count, np.int32)[labels] for labels in (arrays[1], arrays[3]))
        about = replace(about, classes=tuple(map(str, classes)))
    return (*arrays, about)


def _read_inputs(name: str, values: Any) -> np.ndarray:
    """Finite numbers in float32, one entry for each example."""
    array = np.asarray(read_array(name, values))
    if array.ndim < 1 or not array.size:
        raise ArgumentError(name, array.shape, "must hold numbers for each example", "Give an array (n, ...)")
    if not (np.abs(array.astype(np.float64)) <= _LARGEST).all():
        raise ArgumentError(name, values, "must be finite in float32", "Leave out or fill in what is missing")
    return array.astype(np.float32)


def _read_targets(about: About, *given: tuple[str, Any, int]) -> tuple[np.ndarray, About]:
    """Targets of all parts after each other, or the numbers of their classes."""
    arrays = []
    for name, values, n in given:
        if values is None or isinstance(values, str | bytes | Mapping):
            raise ArgumentError(name, values, "must hold a label or a target for each example", "Give an array (n,)")
        try:
            array = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(name, values, f"must be an array ({error})", "Give an array (n,)") from error
        if array.dtype.kind == "O" and array.size and all(isinstance(v, str) for v in array.flat):
            array = array.astype(str)
        if array.dtype.kind not in "US":
            array = np.asarray(read_array(name, values))
        if not array.ndim or len(array) != n:
            constraint = f"must have an entry for each of the {n} examples"
            raise ArgumentError(name, array.shape, constraint, "Give both whole")
        arrays.append(array)
    kinds = {"f" if array.dtype.kind == "f" else "U" if array.dtype.kind in "US" else "i" for array in arrays}
    if len(kinds) > 1 or len({array.shape[1:] for array in arrays}) > 1:
        shapes = [(str(array.dtype), array.shape) for array in arrays]
        raise ArgumentError("y_test", shapes, "must be of the kind and shape of y", "Give both as they were recorded")
    both = np.concatenate(arrays)
    if kinds == {"f"}:
        return _read_inputs("y", both), about
    if both.ndim > 1:
        raise ArgumentError("y", both.shape, "must hold one class for each example", "Give targets as floats")
    classes, numbers = np.unique(both, return_inverse=True)
    return numbers.astype(np.int32), replace(about, classes=tuple(str(c) for c in classes.tolist()))


def _read_names(argument: str, given: Any, known: list[str]) -> list[str]:
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else []
    if not names or any(not isinstance(name, str) or name not in known for name in names):
        raise ArgumentError(argument, given, "must name columns", f"Known: {', '.join(known) or 'none'}")
    return names


def _read_column(frame: Any, name: str) -> np.ndarray:
    remedy = "Encode it as numbers (pandas.get_dummies), or leave it out of `columns`"
    try:
        return np.asarray(read_array(name, frame[name], ndim=1))
    except ArgumentError as error:
        raise ArgumentError(f"column {name}", error.value, error.constraint, remedy) from error


def _only_column(target: Any) -> Any:
    """A frame of one column as that column."""
    names = getattr(target, "columns", None)
    return target[names[0]] if names is not None and len(names) == 1 else target


def _read_inputs_of(data: Any, names: list[str]) -> np.ndarray:
    """One column of lists or images, or several of numbers side by side."""
    columns = []
    for name in names:
        try:
            columns.append(np.asarray(read_array(name, [np.asarray(value) for value in data[name]])))
        except ArgumentError as error:
            remedy = "Name the columns of numbers or of images of one size in `inputs`"
            raise ArgumentError(f"column {name}", error.value, error.constraint, remedy) from error
    if len(columns) == 1:
        return columns[0] if columns[0].ndim > 1 else columns[0][:, None]
    if any(column.ndim > 1 for column in columns):
        raise ArgumentError("inputs", names, "must name one column, or columns of single numbers", "Choose one")
    return np.stack(columns, axis=-1)

"""From data as they are stored to the `Dataset` that options describe."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Integer, Num

from jaxreg.checks import check_integer, read_array
from jaxreg.datasets.dataset import About, Dataset
from jaxreg.errors import ArgumentError


class Raw(NamedTuple):
    """Images (n, height, width), or with colours (n, height, width, 3), or rows; labels or targets (n,); as stored."""

    train_images: Num[np.ndarray, "n_train ..."]
    train_labels: Num[np.ndarray, "n_train"]
    test_images: Num[np.ndarray, "n_test ..."]
    test_labels: Num[np.ndarray, "n_test"]


def one_hot(labels: Integer[np.ndarray, " n"], classes: int) -> Float32[np.ndarray, "n classes"]:
    r"""Rows $e_{y_i}$: 1 at the label $y_i$ = `labels[i]`, 0 elsewhere.

    Args:
        labels: class numbers from 0 to `classes` - 1.
        classes: number of classes, the length of each row.

    Returns:
        An array of shape (n, classes), float32.

    Raises:
        ArgumentError: a label is negative or not below `classes`, or they are no integers.

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    check_integer("classes", classes, 1, math.inf, "Give the number of classes")
    labels = np.asarray(read_array("labels", labels, kinds="iu", ndim=1))
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise ArgumentError(
            "labels", int(outside[0]), f"must be from 0 to {classes - 1}", "Raise `classes`, or renumber"
        )
    try:
        rows = np.zeros((len(labels), classes), np.float32)
    except (MemoryError, ValueError) as error:
        raise ArgumentError("classes", classes, f"must make rows that memory holds ({error})", "Give fewer") from error
    rows[np.arange(len(labels)), labels] = 1.0
    return rows


def prepare(
    about: About, raw: Raw, *, train: int | None, test: int | None, scale: bool, one_hot: bool, flatten: bool
) -> Dataset:
    """The `Dataset` that the options of `load` describe, made from `raw`; the options are explained there.

    Raises:
        ArgumentError: `train` or `test` is below 1 or larger than the data; one-hot rows of what has no classes.
    """
    if one_hot and not about.classes:
        raise ArgumentError(
            "one_hot", one_hot, f"has no meaning for {about.name}, whose targets are numbers", "Leave it"
        )
    x_train, y_train = _part("train", train, about, raw.train_images, raw.train_labels, scale, one_hot, flatten)
    x_test, y_test = _part("test", test, about, raw.test_images, raw.test_labels, scale, one_hot, flatten)
    if scale and not about.image_shape:
        mean, spread = x_train.mean(0, dtype=np.float64), x_train.std(0, dtype=np.float64)
        x_train, x_test = (((x - mean) / np.where(spread > 0, spread, 1)).astype(np.float32) for x in (x_train, x_test))
    return Dataset(x_train, y_train, x_test, y_test, about)


def _part(
    argument: str,
    count: int | None,
    about: About,
    images: np.ndarray,
    labels: np.ndarray,
    scale: bool,
    as_rows: bool,
    flatten: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` images and labels, converted."""
    if count is not None:
        check_integer(argument, count, 1, len(images), "Leave it out to take all the images there are")
    x = images[:count].astype(np.float32)
    if scale and about.image_shape:
        x /= np.float32(about.brightest)
    if flatten:
        x = x.reshape(len(x), -1)
    y = labels[:count]
    if not about.classes:
        return x, y.astype(np.float32)
    return x, one_hot(y, len(about.classes)) if as_rows else y.astype(np.int32)

"""The value that every loader returns: four arrays and what they are."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int32, Integer, UInt8

from jaxreg.checks import check_integer, read_array
from jaxreg.errors import ArgumentError


@jax.tree_util.register_static
@dataclass(frozen=True)
class About:
    """What a data set is; static under JAX, so that a whole `Dataset` may be passed to a compiled function."""

    name: str
    """Name of the data set."""
    source: str
    """Who made it and where it is published."""
    licence: str
    """Terms under which the data may be used."""
    classes: tuple[str, ...]
    """Names of the classes; label k is `classes[k]`."""
    image_shape: tuple[int, int]
    """Height and width of one image, in pixels."""
    brightest: int
    """Largest raw pixel value; the smallest is 0."""


class Dataset(NamedTuple):
    """Images and labels of a training and a test part, as NumPy arrays.

    `x` has shape (n, pixels), or (n, height, width) if not flattened, in float32. `y` holds class numbers of shape (n,)
    in int32, or one-hot rows of shape (n, classes) in float32.
    """

    x_train: Float32[np.ndarray, "n_train ..."]
    y_train: Int32[np.ndarray, "n_train"] | Float32[np.ndarray, "n_train classes"]
    x_test: Float32[np.ndarray, "n_test ..."]
    y_test: Int32[np.ndarray, "n_test"] | Float32[np.ndarray, "n_test classes"]
    about: About


class Raw(NamedTuple):
    """Images (n, height, width) and labels (n,) as they are stored, before any option is applied."""

    train_images: UInt8[np.ndarray, "n_train height width"]
    train_labels: Integer[np.ndarray, "n_train"]
    test_images: UInt8[np.ndarray, "n_test height width"]
    test_labels: Integer[np.ndarray, "n_test"]


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
    rows = np.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1.0
    return rows


def prepare(
    about: About, raw: Raw, *, train: int | None, test: int | None, scale: bool, one_hot: bool, flatten: bool
) -> Dataset:
    """The `Dataset` that the options of `load` describe, made from `raw`; the options are explained there.

    Raises:
        ArgumentError: `train` or `test` is below 1 or larger than the data.
    """
    x_train, y_train = _part("train", train, about, raw.train_images, raw.train_labels, scale, one_hot, flatten)
    x_test, y_test = _part("test", test, about, raw.test_images, raw.test_labels, scale, one_hot, flatten)
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
    if scale:
        x /= np.float32(about.brightest)
    if flatten:
        x = x.reshape(len(x), -1)
    y = labels[:count]
    return x, one_hot(y, len(about.classes)) if as_rows else y.astype(np.int32)

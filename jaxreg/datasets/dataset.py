"""The value that every loader returns: four arrays and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int32


@jax.tree_util.register_static
@dataclass(frozen=True)
class About:
    """What a data set is; static under JAX, so that a whole `Dataset` may be passed to a compiled function.

    >>> from jaxreg.datasets import load
    >>> about = load("digits", train=10, test=5).about
    >>> about.name, about.image_shape, about.brightest
    ('digits', (8, 8), 16)
    """

    name: str
    """Name of the data set."""
    source: str
    """Who made it and where it is published."""
    licence: str
    """Terms under which the data may be used."""
    classes: tuple[str, ...]
    """Names of the classes; label k is `classes[k]`. Empty for a regression, whose targets are numbers."""
    image_shape: tuple[int, ...]
    """Height and width of one image, in pixels, and 3 where it has colours; empty for a table."""
    brightest: int
    """Largest raw pixel value; the smallest is 0. 1 for a table."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a table, where they have any."""


class Dataset(NamedTuple):
    """Images (or rows of a table) and labels (or targets) of a training and a test part, as NumPy arrays.

    `x` has shape (n, pixels), or (n, height, width) if not flattened, in float32; coloured images have 3 channels last.
    `y` holds class numbers of shape (n,) in int32, or one-hot rows of shape (n, classes) in float32, or targets of
    shape (n,) or (n, outputs) in float32.
    """

    x_train: Float32[np.ndarray, "n_train ..."]
    y_train: Int32[np.ndarray, "n_train"] | Float32[np.ndarray, "n_train ..."]
    x_test: Float32[np.ndarray, "n_test ..."]
    y_test: Int32[np.ndarray, "n_test"] | Float32[np.ndarray, "n_test ..."]
    about: About

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        x_test: Any = None,
        y_test: Any = None,
        *,
        share: float | None = None,
        seed: int | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """A data set of one's own arrays, with a test part that is given, or drawn from them.

        Args:
            x: inputs of shape (n, ...), as numbers, frames or lists of them. They become float32 and stay as they are.
            y: one label for each, or one or more targets. Floats are the targets of a regression; integers, truth
                values and texts are classes, which are numbered in their order.
            x_test: inputs of the test part, of the shape of `x` but for n.
            y_test: its labels or targets.
            share: where no test part is given, the share of the examples that is drawn for it, in (0, 1).
            seed: of that drawing (see `split`).
            name: of the data set.

        Returns:
            `Dataset`; its `about.classes` are the labels' names, empty for a regression.

        Raises:
            ArgumentError: entries that are missing, infinite or no numbers; lengths or shapes that do not fit together;
                neither a test part nor `share` and `seed`, or both.

        >>> data = Dataset.from_arrays(np.eye(10), ["cat", "dog"] * 5, share=0.3, seed=0)
        >>> data.x_train.shape, data.x_test.shape, data.about.classes
        ((7, 10), (3, 10), ('cat', 'dog'))
        """
        from jaxreg.datasets import conversion

        return cls(*conversion.from_arrays(x, y, x_test, y_test, share, seed, About(name, "", "", (), (), 1)))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        target: str | Sequence[str],
        test: Any = None,
        *,
        columns: Sequence[str] | None = None,
        share: float | None = None,
        seed: int | None = None,
        name: str = "frame",
    ) -> "Dataset":
        """A data set of the columns of a frame (pandas, or what else has `columns` and columns by their names).

        Args:
            frame: one row for each example.
            target: name of the column of labels or targets, or several of targets.
            test: a frame of the same columns for the test part.
            columns: names of the inputs; None takes all others. All must be numbers.
            share: where no test part is given, the share of the rows that is drawn for it, in (0, 1).
            seed: of that drawing.
            name: of the data set.

        Returns:
            `Dataset`, as `from_arrays` makes it; `about.columns` are the names of the inputs.

        Raises:
            ArgumentError: as `from_arrays`; a column that is not there, or an input that holds no numbers.

        >>> import pandas as pd
        >>> houses = pd.DataFrame({"rooms": [2, 3, 5, 4], "age": [1.0, 20.0, 30.0, 5.0], "price": [1.0, 1.2, 2.0, 1.9]})
        >>> data = Dataset.from_frame(houses, "price", share=0.25, seed=0)
        >>> data.x_train.shape, data.about.columns, data.about.classes
        ((3, 2), ('rooms', 'age'), ())
        """
        from jaxreg.datasets import conversion

        names, parts = conversion.read_frames(frame, test, target, columns)
        x, y, x_test, y_test = parts
        return cls(*conversion.from_arrays(x, y, x_test, y_test, share, seed, About(name, "", "", (), (), 1, names)))

    @classmethod
    def from_bunch(
        cls, bunch: Any, *, share: float | None = None, seed: int | None = None, name: str | None = None
    ) -> "Dataset":
        """What scikit-learn's `fetch_openml` and its other loaders return: an object with `data` and `target`.

        Args:
            bunch: its `data` is an array or a frame of numbers, its `target` an array, a series or a frame;
                `feature_names` and `target_names` are used where it has them.
            share: the share of the examples that is drawn for the test part, in (0, 1).
            seed: of that drawing.
            name: of the data set; None takes that of OpenML, `details["name"]`, or "bunch".

        Returns:
            `Dataset`, as `from_arrays` makes it.

        Raises:
            ArgumentError: as `from_arrays`; an object without `data` and `target`.

        >>> from sklearn.datasets import load_iris
        >>> data = Dataset.from_bunch(load_iris(), share=0.2, seed=0)
        >>> data.x_train.shape, data.about.classes
        ((120, 4), ('setosa', 'versicolor', 'virginica'))
        """
        from jaxreg.datasets import conversion

        return cls(*conversion.from_bunch(bunch, share, seed, name))

    @classmethod
    def from_huggingface(
        cls,
        data: Any,
        target: str = "label",
        *,
        inputs: str | Sequence[str] | None = None,
        share: float | None = None,
        seed: int | None = None,
        name: str = "huggingface",
    ) -> "Dataset":
        """A `datasets.Dataset`, or a `datasets.DatasetDict` with the splits `train` and `test`.

        Args:
            data: columns by their names, of numbers, lists of numbers or images.
            target: name of the column of labels or targets. A `ClassLabel` gives the classes their names.
            inputs: name of the column, or names of the columns, of inputs; None takes all others.
            share: where there is no split `test`, the share of the examples that is drawn for it, in (0, 1).
            seed: of that drawing.
            name: of the data set.

        Returns:
            `Dataset`, as `from_arrays` makes it. Images stay as they are stored, 0 … 255, (n, height, width) or
            (n, height, width, 3), with `about.image_shape`.

        Raises:
            ArgumentError: as `from_frame`; images of different sizes; a dictionary without `train`.
        """
        from jaxreg.datasets import conversion

        return cls(*conversion.from_huggingface(data, target, inputs, share, seed, name))

"""Data of one's own: arrays, frames, what scikit-learn fetched, and what HuggingFace loaded."""

import inspect
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils import Bunch

from jaxreg.datasets import Dataset
from jaxreg.errors import ArgumentError

X = np.arange(24.0).reshape(8, 3)


def unchecked(function: Any) -> Any:
    """Without the tests' type checker, which would refuse most before jaxreg does."""
    return partial(inspect.unwrap(function.__func__), Dataset)


def test_a_given_test_part_stays_as_it_is() -> None:
    data = Dataset.from_arrays(X[:5], [3, 1, 2, 3, 1], X[5:], [2, 2, 7], name="mine")
    np.testing.assert_array_equal(data.x_train, X[:5])
    np.testing.assert_array_equal(data.x_test, X[5:])
    assert data.y_train.tolist() == [2, 0, 1, 2, 0]
    assert data.y_test.tolist() == [1, 1, 3]
    assert data.about.classes == ("1", "2", "3", "7")
    assert [part.dtype for part in data[:4]] == [np.float32, np.int32, np.float32, np.int32]
    assert data.about.name == "mine"


def test_a_drawn_test_part_is_that_of_split() -> None:
    from jaxreg.datasets import split

    y = np.arange(8) % 2
    data = Dataset.from_arrays(X, y, share=0.25, seed=3)
    x_train, y_train, x_test, y_test = split(X, y, 0.25, seed=3)
    for found, expected in zip(data[:4], (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("y", "classes", "numbers"),
    [
        (["b", "a", "c", "a"], ("a", "b", "c"), [1, 0, 2, 0]),
        ([-1, 1, 1, -1], ("-1", "1"), [0, 1, 1, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (pd.Series(["x", "y", "x", "x"], dtype="category"), ("x", "y"), [0, 1, 0, 0]),
    ],
)
def test_classes_of_any_kind_are_numbered_in_their_order(y: Any, classes: tuple[str, ...], numbers: list[int]) -> None:
    data = Dataset.from_arrays(X[:4], y, X[:4], y)
    assert data.about.classes == classes
    assert data.y_train.tolist() == data.y_test.tolist() == numbers


def test_floats_are_targets() -> None:
    y = np.linspace(0, 1, 8)
    data = Dataset.from_arrays(X, y, X, y)
    assert data.about.classes == ()
    np.testing.assert_array_equal(data.y_train, y.astype(np.float32))
    both = Dataset.from_arrays(X.reshape(8, 3, 1), np.stack([y, -y], -1), share=0.5, seed=0)
    assert both.y_train.shape == (4, 2)
    assert both.x_test.shape == (4, 3, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": [[1.0], [np.nan]]}, "x = .*finite in float32"),
        ({"x": [[1e39], [1.0]]}, "x = .*finite in float32"),
        ({"x": [["a"], ["b"]]}, "x = .*real numbers|x = .*must hold"),
        ({"x": 1.0}, "x = "),
        ({"y": [0, 1, 2]}, "y = .*for each of the 2 examples"),
        ({"y": [[0, 1], [1, 0]]}, "one class for each example"),
        ({"y": None}, "y = None"),
        ({"share": None}, "share = None: must be given where there is no test part"),
        ({"seed": None}, "seed = None: must be given where there is no test part"),
        ({"share": 2.0}, "share"),
        ({"x_test": [[1.0]], "share": None, "seed": None}, "y_test = None: must be given too"),
        ({"x_test": [[1.0]], "y_test": [0]}, "share = 0.5: has no meaning beside a test part"),
        ({"x_test": [[1.0, 2.0]], "y_test": [0], "share": None, "seed": None}, "shape"),
        ({"x_test": [[1.0]], "y_test": [0.5], "share": None, "seed": None}, "y_test.*kind"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    arguments = {"x": [[1.0], [2.0]], "y": [0, 1], "share": 0.5, "seed": 0} | changes
    with pytest.raises(ArgumentError, match=rf"(?s){message}"):
        unchecked(Dataset.from_arrays)(**arguments)


# ------------------------------------------------------------------ frames


FRAME = pd.DataFrame(
    {"a": [1, 2, 3, 4], "b": [0.5, 0.25, 0.0, 1.0], "kind": list("xyxy"), "price": [1.0, 2.0, 3.0, 4.0]}
)


def test_frames() -> None:
    data = Dataset.from_frame(FRAME, "kind", FRAME.iloc[:1], columns=["b", "a"])
    np.testing.assert_array_equal(data.x_train, FRAME[["b", "a"]])
    assert data.about.columns == ("b", "a")
    assert data.about.classes == ("x", "y")
    assert data.y_test.tolist() == [0]
    prices = Dataset.from_frame(FRAME.drop(columns="kind"), ["price", "b"], share=0.25, seed=0)
    assert prices.y_train.shape == (3, 2)
    assert prices.about.columns == ("a",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "cost"}, "target = 'cost': must name columns. Known: a, b, kind, price"),
        ({"columns": ["c"]}, "columns = "),
        ({"columns": ["a", "price"]}, "columns = 'price': must not be the target"),
        ({}, "column kind = .*get_dummies"),
        ({"frame": X}, "must be a frame. Use from_arrays"),
        ({"frame": FRAME.assign(b=[1.0, None, 2.0, 3.0]), "columns": ["a", "b"]}, "finite in float32"),
        ({"test": FRAME.drop(columns="price"), "columns": ["a"], "share": None, "seed": None}, "target"),
    ],
)
def test_frames_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    arguments = {"frame": FRAME, "target": "price", "share": 0.5, "seed": 0} | changes
    with pytest.raises(ArgumentError, match=rf"(?s){message}"):
        unchecked(Dataset.from_frame)(**arguments)


# ------------------------------------------------------------------ scikit-learn


def test_bunches_of_arrays_and_frames() -> None:
    iris = load_iris()
    for given in (iris, load_iris(as_frame=True)):
        data = Dataset.from_bunch(given, share=0.2, seed=1)
        assert data.about.classes == tuple(iris.target_names)
        assert data.about.columns == tuple(iris.feature_names)
        assert data.x_train.shape == (120, 4)
    diabetes = Dataset.from_bunch(load_diabetes(), share=0.2, seed=1)
    assert diabetes.about.classes == ()
    assert diabetes.y_train.dtype == np.float32


def openml(**changes: Any) -> Bunch:
    """What fetch_openml("mnist_784") has: a frame of pixels, digits as categories of texts, details."""
    pixels = pd.DataFrame(np.arange(40).reshape(10, 4), columns=[f"pixel{i}" for i in range(4)])
    digits = pd.Series([str(i % 3) for i in range(10)], dtype="category", name="class")
    parts = {"data": pixels, "target": digits, "feature_names": list(pixels), "target_names": ["class"]}
    return Bunch(**parts | {"frame": None, "categories": None, "details": {"name": "mnist_784", "id": "554"}} | changes)


def test_what_openml_returns() -> None:
    data = Dataset.from_bunch(openml(), share=0.3, seed=0)
    assert data.about.name == "mnist_784"
    assert data.about.classes == ("0", "1", "2")
    assert data.about.columns == ("pixel0", "pixel1", "pixel2", "pixel3")
    both = Dataset.from_bunch(openml(target=pd.DataFrame({"u": np.zeros(10), "v": np.ones(10)})), share=0.3, seed=0)
    assert both.y_train.shape == (7, 2)
    one = Dataset.from_bunch(openml(target=pd.DataFrame({"u": list("ab" * 5)})), share=0.3, seed=0, name="mine")
    assert (one.about.name, one.about.classes) == ("mine", ("a", "b"))
    with pytest.raises(ArgumentError, match="must have data and target"):
        Dataset.from_bunch(openml(target=None), share=0.3, seed=0)
    with pytest.raises(ArgumentError, match="share"):
        Dataset.from_bunch(openml())


# ------------------------------------------------------------------ HuggingFace


class Column(list):
    """As `datasets` has them: a sequence that is no list for NumPy's sake."""


class ClassLabel:
    def __init__(self, names: list[str]) -> None:
        self.names = names


class Hugging:
    """What jaxreg asks of a `datasets.Dataset`: names of columns, columns, features."""

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any] | None = None) -> None:
        self.columns, self.features = columns, features or {}
        self.column_names = list(columns)

    def __getitem__(self, key: str) -> Column:
        return Column(self.columns[key])


def pictures(n: int, mode: str = "L", size: tuple[int, int] = (5, 4)) -> list[Image.Image]:
    return [Image.new(mode, size, 10 * i if mode == "L" else (10 * i, 1, 2)) for i in range(n)]


@pytest.mark.parametrize(("mode", "shape"), [("L", (4, 5)), ("RGB", (4, 5, 3))])
def test_images_of_a_dictionary_of_splits(mode: str, shape: tuple[int, ...]) -> None:
    features = {"label": ClassLabel(["cat", "dog", "emu"])}
    train = Hugging({"image": pictures(4, mode), "label": [0, 2, 2, 0]}, features)
    test = Hugging({"image": pictures(2, mode), "label": [2, 1]}, features)
    data = Dataset.from_huggingface({"train": train, "test": test})
    assert data.x_train.shape == (4, *shape)
    assert data.about.image_shape == shape
    assert data.about.brightest == 255
    assert data.about.classes == ("cat", "dog", "emu")
    assert data.y_train.tolist() == [0, 2, 2, 0]
    assert data.y_test.tolist() == [2, 1]
    np.testing.assert_array_equal(data.x_train[3], np.asarray(pictures(4, mode)[3]))


def test_columns_of_numbers_and_of_lists() -> None:
    table = Hugging({"a": [1, 2, 3, 4], "b": [0.5, 1.5, 2.5, 3.5], "y": [0.1, 0.2, 0.3, 0.4]})
    data = Dataset.from_huggingface(table, "y", share=0.5, seed=0)
    assert data.x_train.shape == (2, 2)
    assert data.about.columns == ("a", "b")
    assert data.about.classes == ()
    lists = Hugging({"embedding": [[1.0, 2.0], [3.0, 4.0]], "label": ["x", "y"]})
    rows = Dataset.from_huggingface(lists, share=0.5, seed=0)
    assert rows.x_train.shape == (1, 2)
    assert rows.about.image_shape == ()
    arrays = Hugging({"image": [np.full((2, 3), i, np.uint8) for i in range(4)], "label": [0, 1, 0, 1]})  # with_format
    assert Dataset.from_huggingface(arrays, share=0.5, seed=0).about.image_shape == (2, 3)
    one = Dataset.from_huggingface(table, "y", inputs="a", share=0.5, seed=0)
    assert one.x_train.shape == (2, 1)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"validation": Hugging({"label": [1]})}, {}, "must have a split train"),
        (3, {}, "must have column_names"),
        (Hugging({"text": ["a", "b"], "label": [0, 1]}), {"share": 0.5, "seed": 0}, "column text"),
        (
            Hugging({"image": pictures(1) + pictures(1, size=(2, 2)), "label": [0, 1]}),
            {"share": 0.5, "seed": 0},
            "one size",
        ),
        (Hugging({"x": [1, 2], "label": [0, 1]}), {"target": "y"}, "target = 'y'.*Known: x, label"),
        (Hugging({"x": [1, 2], "label": [0, 1]}), {}, "share = None"),
        (
            {"train": Hugging({"x": [1, 2], "label": [0, 1]}), "test": Hugging({"x": [1, 2]})},
            {},
            "data = 'label': must be a column of the split test too",
        ),
        (Hugging({"x": [1, 2], "label": [0, 1]}), {"inputs": ["x", "label"]}, "inputs = 'label': must not be"),
        (Hugging({"x": [1, 2], "label": [0, -1]}, {"label": ClassLabel(["a"])}), {"share": 0.5, "seed": 0}, "from 0"),
    ],
)
def test_what_does_not_fit_is_refused(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"(?s){message}"):
        unchecked(Dataset.from_huggingface)(data, **options)

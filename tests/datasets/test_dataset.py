"""The value `Dataset`, its options, and its use in compiled functions."""

import inspect
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxreg.datasets import Dataset, load, one_hot, split
from jaxreg.errors import ArgumentError


def test_a_share_is_the_number_as_written() -> None:
    for n in range(2, 61):
        for k in range(1, n):
            assert len(split(np.zeros((n, 1)), np.zeros(n, int), k / n, seed=0)[2]) == k, (k, n)
    for share, n, count in ((0.3, 10, 3), (0.55, 100, 55), (0.07, 100, 7), (0.14, 50, 7), (0.501, 100, 51)):
        for kind in (float, np.float32, np.float64):
            assert len(split(np.zeros((n, 1)), np.zeros(n, int), kind(share), seed=0)[2]) == count, (kind, share)


def test_one_hot_is_rows_of_the_identity() -> None:
    labels = np.array([3, 0, 2, 3], np.uint8)
    rows = one_hot(labels, 5)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(5)[labels])
    assert one_hot(np.array([], np.int32), 4).shape == (0, 4)


@pytest.mark.parametrize("bad", [-1, 3, 300])
def test_one_hot_refuses_labels_without_a_column(bad: int) -> None:
    with pytest.raises(ArgumentError, match=f"labels = {bad}: must be from 0 to 2"):
        one_hot(np.array([0, bad]), 3)


def test_a_dataset_is_a_pytree_of_four_arrays() -> None:
    data = load("digits", train=20, test=10)
    leaves, structure = jax.tree.flatten(data)
    assert [leaf.shape for leaf in leaves] == [(20, 64), (20,), (10, 64), (10,)]
    assert jax.tree.unflatten(structure, leaves).about == data.about

    @jax.jit
    def brightness(data: Dataset) -> jax.Array:
        return jnp.sum(data.x_train) / data.x_train.size * data.about.brightest

    expected = data.x_train.astype(np.float64).mean() * 16
    np.testing.assert_allclose(brightness(data), expected, rtol=1e-5)
    x_train, _, _, y_test, about = data
    assert x_train is data.x_train
    assert y_test is data.y_test
    assert about.name == "digits"


def test_scale_flatten_and_one_hot_change_the_form_only() -> None:
    plain = load("digits")
    raw = load("digits", scale=False, flatten=False, one_hot=True)
    assert plain.x_train.dtype == raw.x_train.dtype == raw.y_train.dtype == np.float32
    assert plain.y_train.dtype == plain.y_test.dtype == np.int32
    assert raw.x_train.shape == (1297, 8, 8)
    assert raw.y_test.shape == (500, 10)
    assert raw.x_train.min() == 0
    assert raw.x_train.max() == 16
    np.testing.assert_array_equal(plain.x_test, raw.x_test.reshape(500, 64) / 16)
    np.testing.assert_array_equal(plain.y_train, raw.y_train.argmax(1))


def test_subsets_are_the_first_ones() -> None:
    everything, some = load("digits"), load("digits", train=600, test=1)
    np.testing.assert_array_equal(some.x_train, everything.x_train[:600])
    np.testing.assert_array_equal(some.y_train, everything.y_train[:600])
    np.testing.assert_array_equal(some.x_test, everything.x_test[:1])
    assert load("digits", train=1297, test=500).x_train.shape == (1297, 64)


@pytest.mark.parametrize("count", [0, -5, 1298])
def test_a_subset_must_exist(count: int) -> None:
    with pytest.raises(ArgumentError, match=f"train = {count}: must be an integer from 1 to 1297"):
        load("digits", train=count)
    with pytest.raises(ArgumentError, match=f"test = {count}: must be an integer from 1 to 500"):
        load("digits", test=count)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ArgumentError, match="name = 'mnits': must be one of digits, mnist, fashion_mnist"):
        load("mnits")


def test_import_is_light() -> None:
    heavy = ("pooch", "requests", "PIL", "matplotlib", "xarray", "flax", "optax")
    code = f"import jaxreg.datasets, sys; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_frames_are_split_as_arrays_are() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 3
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1]}, index=list("jihgfedcba"))  # rows count, whatever they are called
    parts = inspect.unwrap(split)(frame, pd.Series(y, index=range(5, 15)), 0.3, seed=4)
    for part, expected in zip(parts, split(x, y, 0.3, seed=4), strict=True):
        assert type(part) is np.ndarray
        np.testing.assert_array_equal(part, expected)
    with pytest.raises(ArgumentError, match=r"x = (.|\n)*must hold real numbers"):
        inspect.unwrap(split)(frame.assign(c="text"), y, 0.3, seed=4)

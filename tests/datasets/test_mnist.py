"""The MNIST family from local folders: every accepted form, every refused one, and the real thing."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest

from jaxreg.datasets import Dataset, load
from jaxreg.datasets.catalogue import COLLECTIONS, FILES
from jaxreg.errors import ArgumentError, DataError

from .conftest import Small, idx

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES


def check(data: Dataset, small: Small) -> None:
    np.testing.assert_array_equal(data.x_train, small.arrays[TRAIN_IMAGES].reshape(40, 784) / np.float32(255))
    np.testing.assert_array_equal(data.y_train, small.arrays[TRAIN_LABELS])
    np.testing.assert_array_equal(data.x_test, small.arrays[TEST_IMAGES].reshape(20, 784) / np.float32(255))
    np.testing.assert_array_equal(data.y_test, small.arrays[TEST_LABELS])


def save_npz(path: Path, small: Small, **changes: np.ndarray) -> Path:
    arrays = dict(zip(("x_train", "y_train", "x_test", "y_test"), small.arrays.values(), strict=True))
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.mark.parametrize("subfolder", ["", "mnist"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_local_idx_files(tmp_path: Path, small: Small, subfolder: str, compressed: bool, dotted: bool) -> None:
    small.write(tmp_path / subfolder, compressed=compressed, dotted=dotted)
    check(load("mnist", directory=tmp_path), small)


@pytest.mark.parametrize("subfolder", ["", "mnist"])
@pytest.mark.parametrize("label_type", [np.uint8, np.int64])
def test_local_npz(tmp_path: Path, small: Small, subfolder: str, label_type: type) -> None:
    (tmp_path / subfolder).mkdir(exist_ok=True)
    labels = small.arrays[TRAIN_LABELS].astype(label_type)
    save_npz(tmp_path / subfolder / "mnist.npz", small, y_train=labels)
    check(load("mnist", directory=str(tmp_path)), small)


def test_the_environment_names_a_folder(tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(tmp_path / "data" / "mnist")
    monkeypatch.setenv("JAXREG_DATA", str(tmp_path / "data"))
    check(load("mnist"), small)
    monkeypatch.setenv("JAXREG_DATA", str(tmp_path / "typing error"))
    with pytest.raises(DataError, match=r"JAXREG_DATA = .*typing error': is no folder"):
        load("mnist")
    check(load("mnist", directory=tmp_path / "data"), small)  # the argument goes first


def test_a_folder_of_the_collection_goes_before_files_beside_it(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path / "mnist")
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"Fashion-MNIST has files of the same names")
    check(load("mnist", directory=tmp_path), small)


def test_a_directory_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"directory = .*: holds mnist neither directly nor in mnist/"):
        load("mnist", directory=tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        load("mnist", directory=tmp_path / "absent")


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(tmp_path: Path, small: Small, file: str) -> None:
    (small.write(tmp_path) / f"{file}.gz").unlink()
    with pytest.raises(DataError, match=f"lacks {file}"):
        load("mnist", directory=tmp_path)


def test_other_content_is_refused_with_both_checksums(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path, compressed=False)
    changed = bytearray(small.content[TEST_IMAGES])
    changed[-1] ^= 1
    (tmp_path / TEST_IMAGES).write_bytes(changed)
    with pytest.raises(DataError, match=f"MD5 of its content is .*, not {COLLECTIONS['mnist'].checksums[2]}") as caught:
        load("mnist", directory=tmp_path)
    assert caught.value.value == str(tmp_path / TEST_IMAGES)


def test_the_same_files_are_not_another_collection(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path)
    with pytest.raises(DataError, match="is not the original"):
        load("fashion_mnist", directory=tmp_path)


def test_as_many_labels_as_images(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path, compressed=False)
    (tmp_path / TRAIN_LABELS).write_bytes(small.content[TEST_LABELS])
    with pytest.raises(DataError, match="has 20 labels for the 40 images in") as caught:
        load("mnist", directory=tmp_path)
    assert caught.value.value == str(tmp_path / TRAIN_LABELS)


def test_labels_are_classes(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path, compressed=False)
    labels = small.arrays[TEST_LABELS].copy()
    labels[7] = 10
    (tmp_path / TEST_LABELS).write_bytes(idx(labels))
    with pytest.raises(DataError, match="has label 10 at position 7, not one from 0 to 9"):
        load("mnist", directory=tmp_path)


def test_images_and_labels_in_each_others_place(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path, compressed=False)
    (tmp_path / TRAIN_IMAGES).write_bytes(small.content[TRAIN_LABELS])
    with pytest.raises(DataError, match=re.escape("magic number 2049 (1 dimensions), not 2051 (3)")):
        load("mnist", directory=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(gzip.compress(bytes(5000), mtime=0)[:20], "is cut short"), (b"<html>403</html>", "is a web page")],
)
def test_damaged_files_are_refused(tmp_path: Path, small: Small, content: bytes, message: str) -> None:
    path = small.write(tmp_path) / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load("mnist", directory=tmp_path)
    assert caught.value.value == str(path)


def test_damaged_npz_is_refused(tmp_path: Path, small: Small) -> None:
    path = save_npz(tmp_path / "mnist.npz", small)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 255
    other = tmp_path / "other.npz"
    np.savez(other, x_train=np.zeros(3))
    np.save(tmp_path / "single.npy", np.zeros(3))
    single = (tmp_path / "single.npy").read_bytes()
    for content in (whole[:-200], bytes(damaged), b"", b"<html>", other.read_bytes(), single):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is no npz with the arrays x_train, y_train, x_test, y_test"):
            load("mnist", directory=tmp_path)
    path.write_bytes(whole)
    check(load("mnist", directory=tmp_path), small)


@pytest.mark.parametrize(
    ("array", "changed"),
    [
        ("x_train", np.zeros((40, 28, 28), np.float32)),
        ("x_test", np.zeros((20, 784), np.uint8)),
        ("y_train", np.full(40, -1)),
        ("y_test", np.full(20, 256)),
    ],
)
def test_npz_arrays_of_another_kind_are_refused(tmp_path: Path, small: Small, array: str, changed: np.ndarray) -> None:
    save_npz(tmp_path / "mnist.npz", small, **{array: changed})
    with pytest.raises(DataError, match=rf"{array} in .*mnist.npz = .*: must be whole numbers from 0 to 255"):
        load("mnist", directory=tmp_path)


def test_npz_of_other_pixels_is_refused(tmp_path: Path, small: Small) -> None:
    save_npz(tmp_path / "mnist.npz", small, x_test=small.arrays[TEST_IMAGES][::-1])
    with pytest.raises(DataError, match=r"mnist.npz, x_test': is not the original"):
        load("mnist", directory=tmp_path)


def test_options(tmp_path: Path, small: Small) -> None:
    small.write(tmp_path)
    data = load("mnist", train=30, test=20, scale=False, flatten=False, one_hot=True, directory=tmp_path)
    np.testing.assert_array_equal(data.x_train, small.arrays[TRAIN_IMAGES][:30])
    np.testing.assert_array_equal(data.y_test, np.eye(10)[small.arrays[TEST_LABELS]])
    assert data.x_train.dtype == np.float32
    with pytest.raises(ArgumentError, match="train = 41: must be an integer from 1 to 40"):
        load("mnist", train=41, directory=tmp_path)


def test_class_names_fit_the_labels() -> None:
    assert {name: len(collection.about.classes) for name, collection in COLLECTIONS.items()} == {
        "mnist": 10,
        "fashion_mnist": 10,
    }
    assert COLLECTIONS["fashion_mnist"].about.classes[9] == "Ankle boot"
    for collection in COLLECTIONS.values():
        assert len(set(collection.mirrors)) >= 2
        assert all(mirror.endswith("/") for mirror in collection.mirrors)
        assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in collection.checksums)
    assert len({md5 for collection in COLLECTIONS.values() for md5 in collection.checksums}) == 8


def test_the_real_mnist(real_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXREG_DATA", os.fspath(real_mnist))
    data = load("mnist")
    assert data.x_train.shape == (60_000, 784)
    assert data.x_test.shape == (10_000, 784)
    # Published counts per class, mean and standard deviation of the scaled training pixels.
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.x_train.mean(dtype=np.float64)), 4) == 0.1307
    assert round(float(data.x_train.std(dtype=np.float64)), 4) == 0.3081
    constant = (data.x_train == data.x_train[0]).all(0)
    assert constant.sum() == 67
    assert (data.x_test[:, constant] > 0).any(0).sum() == 2
    some = load("mnist", train=6000, test=1000, scale=False, flatten=False)
    assert some.x_train.shape == (6000, 28, 28)
    np.testing.assert_array_equal(some.x_train.reshape(6000, 784), np.rint(data.x_train[:6000] * 255))

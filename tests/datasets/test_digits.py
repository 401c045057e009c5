"""The embedded digits: the same as scikit-learn's, and a split that is fair to every class."""

import importlib.resources

import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxreg.datasets import load
from jaxreg.errors import ArgumentError


def test_they_equal_those_of_scikit_learn() -> None:
    data = load("digits", scale=False)
    reference = load_digits()
    np.testing.assert_array_equal(np.concatenate([data.x_train, data.x_test]), reference.data)
    np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test]), reference.target)


def test_no_image_is_in_both_parts() -> None:
    data = load("digits", scale=False)
    train = {image.tobytes() for image in data.x_train}
    assert not any(image.tobytes() in train for image in data.x_test)


@pytest.mark.parametrize("train", [100, 300, 600, 1000, None])
def test_classes_are_evenly_spread(train: int | None) -> None:
    data = load("digits", train=train)
    for labels in (data.y_train, data.y_test):
        shares = np.bincount(labels, minlength=10) / len(labels)
        # Twice the standard deviation that a random split would have.
        assert np.abs(shares - 0.1).max() < 2 * np.sqrt(0.1 * 0.9 / len(labels))


def test_test_images_come_from_other_forms() -> None:
    labels = "".join(map(str, np.concatenate([load("digits").y_train, load("digits").y_test])))
    form = labels[:30]
    starts = [i for i in range(len(labels)) if labels.startswith(form, i)]
    assert 1287 in starts  # so no more than 10 test images can share a form with a training image
    assert np.isin(np.diff(starts), [126, 129, 130, 128, 253, 252]).all()


def test_the_file_is_small_and_its_origin_is_told() -> None:
    folder = importlib.resources.files("jaxreg.datasets")
    assert len((folder / "digits.npz").read_bytes()) < 100_000
    note = (folder / "digits_source.txt").read_text(encoding="utf-8")
    for part in ("Alpaydin", "Kaynak", "Attribution 4.0", "10.24432/C50P49"):
        assert part in note
    about = load("digits").about
    assert about.licence == "CC BY 4.0"
    assert about.classes == tuple("0123456789")


def test_settings_for_downloads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXREG_DATA", "/nonexistent")
    assert load("digits", test=3).y_test.tolist() == [0, 1, 2]
    with pytest.raises(ArgumentError, match="directory = '/data'"):
        load("digits", directory="/data")

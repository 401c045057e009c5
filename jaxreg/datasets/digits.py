"""The 1,797 handwritten digits that are part of the package: 8 × 8 pixels from 0 to 16."""

import importlib.resources
import io

import numpy as np

from jaxreg.datasets.dataset import About
from jaxreg.datasets.prepare import Raw

DIGITS = About(
    name="digits",
    source="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49",
    licence="CC BY 4.0",
    classes=tuple("0123456789"),
    image_shape=(8, 8),
    brightest=16,
)
TRAIN = 1297  # the first ones, in the order of the source; the other 500 are the test part


def read_digits() -> Raw:
    """The first 1,297 images for training, the last 500 for testing.

    The source goes through filled-in forms one after the other: its labels repeat about every 130 images. So the test
    images come from other forms than the training images, as in MNIST, which is harder than a random split. Both parts,
    and the first N of each, hold all classes in about equal numbers.
    """
    content = (importlib.resources.files("jaxreg.datasets") / "digits.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    return Raw(images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:])

"""The MNIST family: who made each collection, where it is to be had, and the checksums of its content."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxreg.datasets.dataset import About

# The files of a collection, in the order of `Raw`, with the number of dimensions of the array in each.
FILES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


class Collection(NamedTuple):
    """What identifies a member of the MNIST family, and where it is to be had."""

    about: About
    mirrors: tuple[str, ...]
    """Folders that hold the four files with `.gz` at the end, tried in this order."""
    checksums: tuple[str, ...]
    """MD5 of the uncompressed content of each of `FILES`."""


COLLECTIONS: Mapping[str, Collection] = {
    "mnist": Collection(
        About(
            name="mnist",
            source="Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits",
            licence="CC BY-SA 3.0",
            classes=tuple("0123456789"),
            image_shape=(28, 28),
            brightest=255,
        ),
        # Not the historical host, yann.lecun.com: it answers with an error or a web page.
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://raw.githubusercontent.com/fgnt/mnist/master/",
        ),
        checksums=(
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion_mnist": Collection(
        About(
            name="fashion_mnist",
            source="H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747, Zalando SE",
            licence="MIT",
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            image_shape=(28, 28),
            brightest=255,
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        # Of the labels: computed from the files in the authors' repository. Of the images: as others report them for
        # the files that have, compressed, the MD5 that the authors publish.
        checksums=(
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
}

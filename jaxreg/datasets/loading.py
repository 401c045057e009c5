"""`load`: a data set by its name."""

import os

from jaxreg.checks import check_choice, check_flag
from jaxreg.datasets.archives import ARCHIVES, read_archive
from jaxreg.datasets.catalogue import COLLECTIONS
from jaxreg.datasets.dataset import Dataset
from jaxreg.datasets.digits import DIGITS, read_digits
from jaxreg.datasets.mnist import read_collection
from jaxreg.datasets.prepare import prepare
from jaxreg.errors import ArgumentError


def load(
    name: str,
    *,
    train: int | None = None,
    test: int | None = None,
    scale: bool = True,
    one_hot: bool = False,
    flatten: bool = True,
    directory: str | os.PathLike[str] | None = None,
) -> Dataset:
    r"""Images and labels of a data set, $x_{ij}$ = pixel / brightest pixel value, $y_i \in \{0, 1, \dots\}$.

    | name | images | pixels | training, test |
    | --- | --- | --- | --- |
    | `"digits"` | handwritten digits, part of the package | 8 × 8, 0 to 16 | 1,297, 500 |
    | `"mnist"` | handwritten digits | 28 × 28, 0 to 255 | 60,000, 10,000 |
    | `"fashion_mnist"` | pieces of clothing | 28 × 28, 0 to 255 | 60,000, 10,000 |

    | `"kmnist"` | cursive Japanese characters | 28 × 28, 0 to 255 | 60,000, 10,000 |
    | `"emnist_digits"` | handwritten digits | 28 × 28, 0 to 255 | 240,000, 40,000 |
    | `"cifar10"`, `"cifar100"` | photographs of 10 or 100 kinds of things | 32 × 32 × 3, 0 to 255 | 50,000, 10,000 |
    | `"california_housing"` | no images, but 8 columns; house values in 100,000 $ | | 16,512, 4,128 |

    All but the digits are looked for in `directory`; else in the folder that the environment variable `JAXREG_DATA`
    names; else in the cache (`JAXREG_CACHE`, or the operating system's folder for caches), into which they are
    downloaded if need be. A local folder holds the four IDX files, compressed or not, `train-images-idx3-ubyte` or
    `train-images.idx3-ubyte` and so on, or `mnist.npz` as Keras has it, directly or in a folder `mnist/` or
    `fashion_mnist/`; of the others, the files as they are published: KMNIST's four `.gz`, EMNIST's `gzip.zip`,
    `cifar-10-python.tar.gz`, `cifar-100-python.tar.gz`, `cal_housing.tgz`, directly or in a folder of the data set's
    name. Wherever they come from, they must be the originals: every load checks a published checksum, for the first two
    that of the uncompressed content. The test part of the houses is drawn once and for all, by a digest of their place.

    Args:
        name: of the data set.
        train: take the first so many training images; None takes all.
        test: take the first so many test images; None takes all.
        scale: divide pixels by the largest possible value, so that they lie in 0 … 1, and standardise the columns of a
            table to mean 0 and variance 1 in the training part; False leaves them as stored.
        one_hot: labels as rows of zeros with a one, instead of as class numbers.
        flatten: images as rows of pixels, instead of as height × width.
        directory: a local folder; the data must be there. Has no meaning for `"digits"`.

    Returns:
        `Dataset(x_train, y_train, x_test, y_test, about)`: float32 pixels of shape (n, pixels), (n, height, width)
        or (n, height, width, 3); labels int32 of shape (n,), or float32 of shape (n, classes); targets float32.

    Raises:
        ArgumentError: unknown name; `train` or `test` below 1 or above what there is; a directory for the digits.
        DataError: a file is missing, truncated, a web page in place of data, of another format, or not the original;
            images and labels do not fit together; there is no network and no local copy.

    >>> data = load("digits", train=1000)
    >>> data.x_train.shape, data.y_train.shape, data.x_test.shape
    ((1000, 64), (1000,), (500, 64))
    >>> print(data.y_test[:10], data.x_train.min(), data.x_train.max())
    [0 1 2 3 4 5 6 7 8 9] 0.0 1.0
    >>> print(data.about.licence)
    CC BY 4.0

    Source: `about.source` of each.
    """
    known = ("digits", *COLLECTIONS, *ARCHIVES)
    check_choice("name", name, known, "Use load_folder or Dataset.from_arrays for data of your own")
    for flag, value in (("scale", scale), ("one_hot", one_hot), ("flatten", flatten)):
        check_flag(flag, value)
    if name == "digits":
        if directory is not None:
            raise ArgumentError("directory", str(directory), "has no meaning for the embedded digits", "Leave it out")
        about, raw = DIGITS, read_digits()
    elif name in COLLECTIONS:
        about, raw = COLLECTIONS[name].about, read_collection(name, directory)
    else:
        about, raw = read_archive(name, directory)
    return prepare(about, raw, train=train, test=test, scale=scale, one_hot=one_hot, flatten=flatten)

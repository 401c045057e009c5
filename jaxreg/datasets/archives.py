"""Data sets that come as archives: found or downloaded whole, and read only if they have the published checksum."""

import gzip
import hashlib
import io
import os
import pickle
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxreg.datasets.catalogue import FILES
from jaxreg.datasets.dataset import About
from jaxreg.datasets.download import cache_folder, fetch
from jaxreg.datasets.idx import ANEW, parse_idx, read_path, unpack
from jaxreg.datasets.prepare import Raw
from jaxreg.errors import DataError

_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, pickle.UnpicklingError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
)
TEST_SHARE = 0.2  # of the districts of California


class File(NamedTuple):
    """A file as it is published."""

    name: str
    address: str
    """From where it is downloaded."""
    checksum: str
    """Of its bytes, as "md5:…" or "sha256:…"."""


class Archive(NamedTuple):
    """What identifies a data set, and how its files are read."""

    about: About
    files: tuple[File, ...]
    read: Callable[[list[Path], About], tuple[About, Raw]]


def read_archive(name: str, directory: str | os.PathLike[str] | None) -> tuple[About, Raw]:
    """The data set `name`, from `directory`, else from the folder in `JAXREG_DATA`, else from the cache or its source.

    Raises:
        DataError: as `load` lists.
    """
    archive = ARCHIVES[name]
    paths = [_find(name, file, directory) for file in archive.files]
    try:
        return archive.read(paths, archive.about)
    except _UNREADABLE as error:
        if isinstance(error, DataError):
            raise
        raise DataError("file", str(paths[0]), f"does not hold {name} ({error})", ANEW) from None


def _find(name: str, file: File, directory: str | os.PathLike[str] | None) -> Path:
    """The file, with the content that was published."""
    given = directory or os.environ.get("JAXREG_DATA")
    if given:
        setting = "directory" if directory else "JAXREG_DATA"
        folder = read_path(setting, given)
        if not folder.is_dir():
            raise DataError(setting, str(given), "is no folder", f"Give the folder that holds {name}, or leave it out")
        for path in (folder / name / file.name, folder / file.name):
            if path.is_file():
                _require_published(path, file)
                return path
        if directory:
            constraint = f"holds {file.name} neither directly nor in {name}/"
            raise DataError(setting, str(given), constraint, f"Put it there, as {file.address} has it, or leave it out")
    path = cache_folder() / name / file.name
    if not path.is_file():
        _download(name, file, path)
    _require_published(path, file)
    return path


def _require_published(path: Path, file: File) -> None:
    kind, _, known = file.checksum.partition(":")
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError("file", str(path), f"cannot be read ({error.strerror})", "Check path and permissions") from None
    if found != known:
        raise DataError("file", str(path), f"is not the original: its {kind.upper()} is {found}, not {known}", ANEW)


def _download(name: str, file: File, path: Path) -> None:
    """Into the cache, where it arrives only with the right checksum."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            part = Path(folder) / file.name
            print(f"Downloading {file.address} to {path.parent}", file=sys.stderr)
            fetch(file.address, part)
            _require_published(part, file)
            part.replace(path)
    except (OSError, DataError) as error:  # every failure of the network, a full disk, another content
        reason = getattr(error, "constraint", "") or " ".join(str(error).split())[:200]
        constraint = f"is to be had nowhere: {file.name} is not in the cache {path.parent}, {file.address}: {reason}"
        raise DataError("dataset", name, constraint, f"Set JAXREG_DATA to a folder that holds {file.name}") from None


# ------------------------------------------------------------------ the formats


def _read_idx_files(paths: list[Path], about: About) -> tuple[About, Raw]:
    """Four IDX files, images and labels of the training and the test part."""
    return about, Raw(*(parse_idx(unpack(path), path, rank) for path, rank in zip(paths, (3, 1, 3, 1), strict=True)))


def _read_emnist(paths: list[Path], about: About) -> tuple[About, Raw]:
    """IDX files in a zip; images lie on their side, rows and columns exchanged."""
    arrays = []
    with zipfile.ZipFile(paths[0]) as file:
        for part in ("train", "test"):
            for kind, rank in (("images-idx3", 3), ("labels-idx1", 1)):
                member = f"gzip/emnist-digits-{part}-{kind}-ubyte.gz"
                arrays.append(parse_idx(gzip.decompress(file.read(member)), paths[0] / member, rank))
    x, y, x_test, y_test = arrays
    return about, Raw(x.transpose(0, 2, 1), y, x_test.transpose(0, 2, 1), y_test)


class _ArraysOnly(pickle.Unpickler):
    """Reads what Python 2 pickled of NumPy's arrays and nothing that could do more."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): np.ndarray.__reduce__(np.zeros(0))[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return known[module, name]


def _read_cifar(
    paths: list[Path], about: About, *, folder: str, batches: tuple[tuple[str, ...], ...], meta: str, kind: str
) -> tuple[About, Raw]:
    """Pickled batches in a tar: rows of 1,024 red, then green, then blue pixels; and the names of the classes."""
    with tarfile.open(paths[0], "r:gz") as file:

        def member(name: str) -> dict[bytes, Any]:
            content = file.extractfile(f"{folder}/{name}")
            return _ArraysOnly(io.BytesIO(content.read() if content else b""), encoding="bytes").load()

        arrays: list[np.ndarray] = []
        for part in batches:
            content = [member(name) for name in part]
            pixels = np.concatenate([np.asarray(batch[b"data"], np.uint8) for batch in content])
            arrays.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            arrays.append(np.concatenate([np.asarray(batch[f"{kind}labels".encode()], np.int64) for batch in content]))
        names = member(meta)[f"{kind}label_names".encode()]
    return replace(about, classes=tuple(name.decode() for name in names)), Raw(*arrays)


def _read_housing(paths: list[Path], about: About) -> tuple[About, Raw]:
    """Districts of the census as lines of text, neighbours after each other; so the test part is drawn, by a digest."""
    with tarfile.open(paths[0], "r:gz") as file:
        content = file.extractfile("CaliforniaHousing/cal_housing.data")
        table = np.loadtxt(io.BytesIO(content.read() if content else b""), delimiter=",", ndmin=2)
    longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
    x = np.stack(
        [income, age, rooms / households, bedrooms / households, people, people / households, latitude, longitude]
    )
    order = sorted(range(len(table)), key=lambda row: hashlib.sha256(str(row).encode()).digest())
    test = np.array(order[: round(TEST_SHARE * len(table))], int)
    train = np.setdiff1d(np.arange(len(table)), test)
    x, y = x.T, value / 100_000
    return about, Raw(x[train], y[train], x[test], y[test])


_DIGITS = tuple("0123456789")
_CIFAR = "A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images"
_KMNIST = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"

# The checksums are those that torchvision (MD5) and scikit-learn (SHA-256) publish for the same files.
ARCHIVES: Mapping[str, Archive] = {
    "kmnist": Archive(
        About(
            name="kmnist",
            source="T. Clanuwat et al. (2018), Deep Learning for Classical Japanese Literature, arXiv:1812.01718",
            licence="CC BY-SA 4.0",
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            image_shape=(28, 28),
            brightest=255,
        ),
        tuple(
            File(f"{name}.gz", f"{_KMNIST}{name}.gz", f"md5:{md5}")
            for name, md5 in zip(
                FILES,
                (
                    "bdb82020997e1d708af4cf47b453dcf7",
                    "e144d726b3acfaa3e44228e80efcd344",
                    "5c965bf0a639b31b8f53240b1b52f4d7",
                    "7320c461ea6c1c855c0b718fb2a4b134",
                ),
                strict=True,
            )
        ),
        _read_idx_files,
    ),
    "emnist_digits": Archive(
        About(
            name="emnist_digits",
            source="G. Cohen et al. (2017), EMNIST: an extension of MNIST to handwritten letters, arXiv:1702.05373",
            licence="none stated",
            classes=_DIGITS,
            image_shape=(28, 28),
            brightest=255,
        ),
        (
            File(
                "gzip.zip",
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "md5:58c8d27c78d21e728a6bc7b3cc06412e",
            ),
        ),
        _read_emnist,
    ),
    "cifar10": Archive(
        About(name="cifar10", source=_CIFAR, licence="none stated", classes=(), image_shape=(32, 32, 3), brightest=255),
        (
            File(
                "cifar-10-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "md5:c58f30108f718f92721af3b95e74349a",
            ),
        ),
        partial(
            _read_cifar,
            folder="cifar-10-batches-py",
            batches=(tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)),
            meta="batches.meta",
            kind="",
        ),
    ),
    "cifar100": Archive(
        About(
            name="cifar100", source=_CIFAR, licence="none stated", classes=(), image_shape=(32, 32, 3), brightest=255
        ),
        (
            File(
                "cifar-100-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                "md5:eb9058c3a382ffc7106e4002c42a8d85",
            ),
        ),
        partial(_read_cifar, folder="cifar-100-python", batches=(("train",), ("test",)), meta="meta", kind="fine_"),
    ),
    "california_housing": Archive(
        About(
            name="california_housing",
            source="R. K. Pace and R. Barry (1997), Sparse Spatial Autoregressions, Stat. Probab. Lett. 33, 291-297",
            licence="none stated",
            classes=(),
            image_shape=(),
            brightest=1,
            columns=("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"),
        ),
        (
            File(
                "cal_housing.tgz",
                "https://ndownloader.figshare.com/files/5976036",
                "sha256:aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681",
            ),
        ),
        _read_housing,
    ),
}

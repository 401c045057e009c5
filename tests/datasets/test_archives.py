"""Data sets that come as archives: small files in the true formats, in every place where they are looked for."""

import gzip
import hashlib
import io
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jaxreg.datasets import load
from jaxreg.datasets.archives import ARCHIVES
from jaxreg.errors import ArgumentError, DataError

from .conftest import idx

RNG = np.random.default_rng(0)


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Pickled:
    """Writes pickles as Python 2 did, opcode by opcode (protocol 2), which Python 3 does not: texts are bytes."""

    def __init__(self) -> None:
        self.parts = [b"\x80\x02"]

    def text(self, value: bytes) -> "Pickled":
        self.parts.append(
            b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
        )
        return self

    def array(self, value: np.ndarray) -> "Pickled":
        self.parts.append(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85")
        self.text(b"b").parts.append(b"\x87R(K\x01(")
        self.parts += [b"M" + struct.pack("<H", size) for size in value.shape]
        self.parts.append(b"tcnumpy\ndtype\n")
        self.text(b"u1").parts.append(b"K\x00K\x01\x87R(K\x03")
        self.text(b"|").parts.append(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
        self.text(value.tobytes()).parts.append(b"tb")
        return self

    def numbers(self, values: list[int]) -> "Pickled":
        self.parts.append(b"](" + b"".join(b"K" + bytes([v]) for v in values) + b"e")
        return self

    def names(self, values: list[bytes]) -> "Pickled":
        self.parts.append(b"](")
        for value in values:
            self.text(value)
        self.parts.append(b"e")
        return self

    def mapping(self, **items: Callable[["Pickled"], object]) -> bytes:
        self.parts.append(b"}(")
        for key, write in items.items():
            write(self.text(key.encode()))
        return b"".join([*self.parts, b"u."])


def cifar(
    kind: str, names: list[bytes], folder: str, batches: dict[str, tuple[np.ndarray, list[int]]], meta: str
) -> bytes:
    members = {
        f"{folder}/{name}": Pickled().mapping(
            **{
                "batch_label": lambda p, name=name: p.text(name.encode()),
                f"{kind}labels": lambda p, labels=labels: p.numbers(labels),
                "data": lambda p, pixels=pixels: p.array(pixels),
            }
        )
        for name, (pixels, labels) in batches.items()
    }
    return tar(members | {f"{folder}/{meta}": Pickled().mapping(**{f"{kind}label_names": lambda p: p.names(names)})})


def images(n: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (n, *shape)).astype(np.uint8)


CIFAR10 = {
    **{f"data_batch_{i}": (images(2, 3072), [i, 9 - i]) for i in range(1, 6)},
    "test_batch": (images(3, 3072), [0, 1, 2]),
}
CIFAR100 = {"train": (images(4, 3072), [0, 99, 50, 7]), "test": (images(2, 3072), [1, 2])}
THINGS = [b"airplane", b"automobile", *(f"thing {i}".encode() for i in range(8))]
KMNIST = images(6, 28, 28), np.arange(6, dtype=np.uint8), images(3, 28, 28), np.arange(3, dtype=np.uint8)
HOUSES = np.abs(RNG.normal(100.0, 30.0, (40, 9)))


def emnist() -> bytes:
    buffer = io.BytesIO()
    x, y, x_test, y_test = KMNIST
    with zipfile.ZipFile(buffer, "w") as file:
        for part, images, labels in (("train", x, y), ("test", x_test, y_test)):
            file.writestr(
                f"gzip/emnist-digits-{part}-images-idx3-ubyte.gz", gzip.compress(idx(images.transpose(0, 2, 1).copy()))
            )
            file.writestr(f"gzip/emnist-digits-{part}-labels-idx1-ubyte.gz", gzip.compress(idx(labels)))
    return buffer.getvalue()


def contents(name: str) -> list[bytes]:
    """What each file of a small stand-in holds."""
    if name == "kmnist":
        return [gzip.compress(idx(array)) for array in KMNIST]
    if name == "emnist_digits":
        return [emnist()]
    if name == "cifar10":
        return [cifar("", THINGS, "cifar-10-batches-py", CIFAR10, "batches.meta")]
    if name == "cifar100":
        return [cifar("fine_", [f"kind {i}".encode() for i in range(100)], "cifar-100-python", CIFAR100, "meta")]
    rows = "\n".join(",".join(f"{value:.6f}" for value in row) for row in HOUSES)
    return [tar({"CaliforniaHousing/cal_housing.data": rows.encode()})]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes the stand-in for a data set into a folder, and lets it pass for the original."""

    def write(name: str, folder: Path, files: list[bytes] | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        archive = ARCHIVES[name]
        files = files or contents(name)
        changed = [
            file._replace(checksum=f"sha256:{hashlib.sha256(content).hexdigest()}", address="http://127.0.0.1:9/none")
            for file, content in zip(archive.files, files, strict=True)
        ]
        monkeypatch.setitem(ARCHIVES, name, archive._replace(files=tuple(changed)))
        for file, content in zip(changed, files, strict=True):
            (folder / file.name).write_bytes(content)
        return folder

    return write


def test_kmnist_and_emnist(tmp_path: Path, put: Callable[..., Path]) -> None:
    for name in ("kmnist", "emnist_digits"):
        data = load(name, directory=put(name, tmp_path / name), scale=False, flatten=False)
        for found, expected in zip(data[:4], KMNIST, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert data.about.name == name
        assert len(data.about.classes) == 10
        assert load(name, directory=tmp_path).x_train.shape == (6, 784)  # in a folder of its name


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar(tmp_path: Path, put: Callable[..., Path], name: str) -> None:
    batches = list((CIFAR10 if name == "cifar10" else CIFAR100).values())
    data = load(name, directory=put(name, tmp_path), flatten=False)
    pixels = np.concatenate([pixels for pixels, _ in batches[:-1]])
    assert data.x_train.shape == (len(pixels), 32, 32, 3)
    for channel in range(3):  # the row of an image holds all red pixels, then all green ones, then all blue ones
        plane = pixels[:, 1024 * channel : 1024 * (channel + 1)].reshape(-1, 32, 32)
        np.testing.assert_array_equal(data.x_train[..., channel], plane / np.float32(255))
    np.testing.assert_array_equal(data.y_train, np.concatenate([labels for _, labels in batches[:-1]]))
    np.testing.assert_array_equal(data.y_test, batches[-1][1])
    assert data.about.image_shape == (32, 32, 3)
    assert data.about.classes[:2] == (("airplane", "automobile") if name == "cifar10" else ("kind 0", "kind 1"))
    flat = load(name, directory=tmp_path, one_hot=True, train=3)
    np.testing.assert_array_equal(flat.x_train.reshape(3, 32, 32, 3), data.x_train[:3])
    assert flat.y_test.shape == (len(batches[-1][1]), len(data.about.classes))


def test_california_housing_is_scikit_learns(tmp_path: Path, put: Callable[..., Path]) -> None:
    """By its own reader, of the same file; rows stand in another order, since a fifth are the test part."""
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    joblib = pytest.importorskip("joblib")
    data = load("california_housing", directory=put("california_housing", tmp_path), scale=False)
    assert data.x_train.shape == (32, 8)
    assert data.y_test.shape == (8,)
    # scikit-learn keeps the file's columns in this order in its cache, and works from there
    joblib.dump(np.round(HOUSES, 6)[:, [8, 7, 2, 3, 4, 5, 6, 1, 0]], tmp_path / "cal_housing_py3.pkz")
    theirs = sklearn_datasets.fetch_california_housing(data_home=tmp_path, download_if_missing=False)
    ours = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    order, their_order = np.argsort(ours[1]), np.argsort(theirs.target)
    np.testing.assert_allclose(ours[0][order], theirs.data[their_order], rtol=1e-6)
    np.testing.assert_allclose(ours[1][order], theirs.target[their_order], rtol=1e-6)
    assert data.about.columns == tuple(theirs.feature_names)
    scaled = load("california_housing", directory=tmp_path)
    np.testing.assert_allclose(scaled.x_train.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(scaled.x_train.std(0), 1.0, rtol=1e-5)
    mean, spread = data.x_train.mean(0, dtype=np.float64), data.x_train.std(0, dtype=np.float64)
    np.testing.assert_allclose(scaled.x_test, (data.x_test - mean) / spread, rtol=1e-3, atol=1e-5)
    with pytest.raises(ArgumentError, match="one_hot = True: has no meaning"):
        load("california_housing", directory=tmp_path, one_hot=True)


@pytest.mark.parametrize("name", ARCHIVES)
def test_other_content_is_refused_with_both_checksums(tmp_path: Path, put: Callable[..., Path], name: str) -> None:
    folder = put(name, tmp_path)
    file = ARCHIVES[name].files[0]
    (folder / file.name).write_bytes(contents(name)[0] + b"\0")
    with pytest.raises(DataError, match=rf"is not the original: its SHA256 is \w+, not {file.checksum[7:]}") as caught:
        load(name, directory=folder)
    assert caught.value.value == str(folder / file.name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_published_checksums_are_asked_for(tmp_path: Path, name: str) -> None:
    """No stand-in is taken without the tests' permission."""
    for file, content in zip(ARCHIVES[name].files, contents(name), strict=True):
        (tmp_path / file.name).write_bytes(content)
        kind, _, digest = file.checksum.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[kind]
        assert file.address.startswith(("http://", "https://"))
    with pytest.raises(DataError, match=f"not {ARCHIVES[name].files[0].checksum.partition(':')[2]}"):
        load(name, directory=tmp_path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_where_it_is_looked_for(
    tmp_path: Path, put: Callable[..., Path], isolated: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(name, tmp_path / "elsewhere")
    with pytest.raises(
        DataError, match=re.escape(f"holds {ARCHIVES[name].files[0].name} neither directly nor in {name}/")
    ):
        load(name, directory=tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        load(name, directory=tmp_path / "absent")
    with pytest.raises(DataError, match=r"is to be had nowhere.*127\.0\.0\.1:9"):  # nobody answers there
        load(name)
    monkeypatch.setenv("JAXREG_DATA", str(tmp_path / "elsewhere"))
    first = load(name)
    monkeypatch.delenv("JAXREG_DATA")
    put(name, isolated / name)
    np.testing.assert_array_equal(load(name).x_train, first.x_train)


@pytest.mark.parametrize("name", ARCHIVES)
def test_files_of_another_kind_are_refused(tmp_path: Path, put: Callable[..., Path], name: str) -> None:
    """Whole and with the right checksum, but not what the reader expects: a mistake in a catalogue, say."""
    for wrong in (b"", b"<html>", tar({"other": b"1"}), gzip.compress(b"\0\0\x08\x03")):
        folder = put(name, tmp_path, [wrong] * len(ARCHIVES[name].files))
        with pytest.raises(DataError):
            load(name, directory=folder)


def test_a_pickle_runs_nothing(tmp_path: Path, put: Callable[..., Path]) -> None:
    evil = b"\x80\x02cos\nsystem\n" + b"U\x09touch evil" + b"\x85R."
    folder = put("cifar100", tmp_path, [tar({"cifar-100-python/train": evil})])
    with pytest.raises(DataError, match=r"it wants (os|posix)\.system"):
        load("cifar100", directory=folder)


def test_a_download_is_kept_and_checked(
    tmp_path: Path, put: Callable[..., Path], isolated: Path, monkeypatch: pytest.MonkeyPatch, server
) -> None:  # fmt: skip
    from .conftest import Answer

    folder = put("cifar10", tmp_path)
    (file,) = ARCHIVES["cifar10"].files
    served = file._replace(address=f"{server.address}/{file.name}")
    monkeypatch.setitem(ARCHIVES, "cifar10", ARCHIVES["cifar10"]._replace(files=(served,)))
    content = (folder / file.name).read_bytes()
    server.answers[f"/{file.name}"] = Answer(content[:-1])
    with pytest.raises(DataError, match="is to be had nowhere"):
        load("cifar10")
    assert not (isolated / "cifar10" / file.name).exists()
    server.answers[f"/{file.name}"] = Answer(content)
    assert load("cifar10").x_train.shape == (10, 3072)
    server.answers.clear()
    assert load("cifar10").x_train.shape == (10, 3072)  # from the cache

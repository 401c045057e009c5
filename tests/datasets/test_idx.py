"""IDX files: read by their first bytes, and every kind of damage told apart."""

import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxreg.datasets import read_idx
from jaxreg.datasets.idx import checksum
from jaxreg.errors import DataError

HEADER = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3])
IMAGES = HEADER + bytes(range(12))


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_round_trip_whatever_the_name(tmp_path: Path, array: np.ndarray, compressed: bool) -> None:
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
    path = tmp_path / ("raw-inside.gz" if not compressed else "compressed-inside")
    path.write_bytes(gzip.compress(content) if compressed else content)
    result = read_idx(str(path))
    assert result.dtype == np.uint8
    assert result.shape == array.shape
    np.testing.assert_array_equal(result, array)
    assert checksum(result) == hashlib.md5(content).hexdigest()


def test_checksum_of_a_strided_array_is_that_of_its_values() -> None:
    array = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    assert checksum(array[::2]) == checksum(array[::2].copy()) != checksum(array[1::2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>403</html>", "is a web page, not data"),
        (b"\xef\xbb\xbf\r\n <html>", "is a web page, not data"),
        (gzip.compress(b"<html>no</html>", mtime=0), "is a web page, not data"),
        (b"PK\x03\x04rest", "it starts with 50 4b 03 04"),
        (b"\0\0\x08", "it starts with 00 00 08"),
        (b"\0\0\x08\0", "it starts with 00 00 08 00"),
        (b"\0\x01" + IMAGES[2:], "it starts with 00 01 08 03"),
        (b"\0\0\x0d" + IMAGES[3:], "holds IDX type 0x0d, not unsigned bytes"),
        (b"\0\0\x08\x01\0\0\0\x03abc", "magic number 2049 (1 dimensions), not 2051 (3)"),
        (IMAGES[:9], "ends inside its header"),
        (IMAGES[:-1], "holds 11 bytes of data, but its header promises (2, 2, 3)"),
        (IMAGES + b"x", "holds 13 bytes of data, but its header promises (2, 2, 3)"),
        (gzip.compress(IMAGES, mtime=0)[:-9], "is cut short"),
        (gzip.compress(IMAGES, mtime=0)[:-8] + b"\0\0\0\0" + gzip.compress(IMAGES, mtime=0)[-4:], "CRC check failed"),
        (gzip.compress(IMAGES, mtime=0)[:10] + b"\x07" * 30, "does not unpack (Error -3"),
        (gzip.compress(IMAGES, mtime=0) + b"tail", "does not unpack"),
    ],
)
def test_damage_is_named_with_file_and_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_idx(path, 3)
    assert caught.value.value == str(path)
    assert caught.value.remedy.startswith(("Delete the file", "Check that image and label files"))


@pytest.mark.parametrize("content", [IMAGES, gzip.compress(IMAGES, mtime=0)], ids=["raw", "compressed"])
def test_every_truncation_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            read_idx(path)
    path.write_bytes(content)
    assert read_idx(path).shape == (2, 2, 3)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)

"""IDX, the file format of the MNIST family: a header with the shape, then unsigned bytes; gzip-compressed or not."""

import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxreg.checks import check_integer, check_kind
from jaxreg.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08  # the only one of the format's element types that the MNIST family uses
ANEW = "Delete the file and get it anew"


def read_idx(path: str | os.PathLike[str], dimensions: int | None = None) -> UInt8[np.ndarray, "..."]:
    """The array in an IDX file, whose first bytes (not its name) tell whether it is compressed.

    Args:
        path: the file.
        dimensions: how many dimensions are expected (images 3, labels 1); None accepts any.

    Returns:
        A read-only array of unsigned bytes in the shape that the header gives.

    Raises:
        DataError: the file is missing, truncated, a web page, of another format, or its length contradicts its header.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     size = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, section "File formats".
    """
    path = read_path("path", path)
    return parse_idx(unpack(path), path, dimensions)


def parse_idx(content: bytes, path: Path, dimensions: int | None = None) -> UInt8[np.ndarray, "..."]:
    """The array in the uncompressed content of the IDX file `path`; see `read_idx`."""
    if not content:
        raise DataError("file", str(path), "is empty", ANEW)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError("file", str(path), "is a web page, not data: some server answered with a message", ANEW)
    rank = content[3] if len(content) > 3 else 0
    if content[:2] != b"\0\0" or rank == 0:
        found = content[:4].hex(" ")
        raise DataError(
            "file", str(path), f"is no IDX file: it starts with {found}, not with 00 00 08 and a rank", ANEW
        )
    if content[2] != UNSIGNED_BYTE:
        raise DataError("file", str(path), f"holds IDX type {content[2]:#04x}, not unsigned bytes, 0x08", ANEW)
    if dimensions is not None:
        check_integer("dimensions", dimensions, 0, 255, "Give 3 for images, 1 for labels")
    if dimensions is not None and rank != dimensions:
        raise DataError(
            "file",
            str(path),
            f"has the magic number {_magic(rank)} ({rank} dimensions), not {_magic(dimensions)} ({dimensions})",
            "Check that image and label files have not changed places",
        )
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError("file", str(path), "ends inside its header", ANEW)
    shape = struct.unpack(f">{rank}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            "file", str(path), f"holds {len(content) - start} bytes of data, but its header promises {shape}", ANEW
        )
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # sizes whose product is 0, and yet too large
        raise DataError("file", str(path), f"promises the shape {shape} ({error})", ANEW) from None


def read_path(argument: str, value: object) -> Path:
    """The path that an argument names, `~` expanded.

    Raises:
        ArgumentError: it is no text and no path.
        DataError: it names what no file can be named.
    """
    check_kind(argument, value, (str, os.PathLike), "Give a path as text")
    try:
        path = Path(os.fsdecode(value)).expanduser()  # type: ignore[arg-type]  # checked above
        path.exists()
    except (
        RuntimeError,
        OSError,
        ValueError,
        TypeError,
    ) as error:  # no such user, too long, characters of no file name
        raise DataError(argument, str(value), f"is no usable path ({error})", "Check its spelling") from None
    if "\0" in str(path):
        raise DataError(argument, str(value), "is no usable path (it holds a null)", "Check its spelling")
    return path


def checksum(array: UInt8[np.ndarray, "..."]) -> str:
    """MD5 of the array as an uncompressed IDX file: the same whether it came compressed, raw or from an npz.

    >>> checksum(np.array([7, 2, 1], np.uint8)) == hashlib.md5(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])).hexdigest()
    True
    """
    digest = hashlib.md5(struct.pack(f">{1 + array.ndim}I", _magic(array.ndim), *array.shape), usedforsecurity=False)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def require_original(array: UInt8[np.ndarray, "..."], md5: str, origin: str) -> None:
    """Nothing if the array has this `checksum`, else a `DataError` on the file `origin`."""
    found = checksum(array)
    if found != md5:
        raise DataError(
            "file",
            origin,
            f"is not the original: the MD5 of its content is {found}, not {md5}",
            "Get it anew, or name the folder of the right data set",
        )


def _magic(rank: int) -> int:
    return UNSIGNED_BYTE << 8 | rank


def unpack(path: Path) -> bytes:
    """Bytes of the file, uncompressed."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except EOFError:
        raise DataError("file", str(path), "is cut short: its compressed data ends too early", ANEW) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError("file", str(path), f"is damaged: its compressed data does not unpack ({error})", ANEW) from None
    except OSError as error:
        raise DataError("file", str(path), f"cannot be read ({error.strerror})", "Check path and permissions") from None

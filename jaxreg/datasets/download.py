"""The download cache: a file enters it only after its content was checked."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxreg.datasets.idx import read_idx, require_original
from jaxreg.errors import DataError

TIMEOUT = (10, 60)  # seconds to connect, and between two packets


def cache_folder() -> Path:
    """Where downloads are kept: `JAXREG_CACHE`, else the folder that the operating system means for caches."""
    import pooch

    return Path(os.environ.get("JAXREG_CACHE") or pooch.os_cache("jaxreg")).expanduser()


def read_cached(
    file: str, dimensions: int, md5: str, mirrors: Sequence[str], folder: Path
) -> tuple[UInt8[np.ndarray, "..."] | None, list[str]]:
    """The array in `file`, from the cache `folder` if it is there and sound, else from the first mirror that has it.

    A download goes to a temporary folder and is moved into the cache, in one step, once its content was checked. So
    neither a broken answer nor an interrupted or a second process can leave a bad file there.

    Args:
        file: name of the file, without `.gz`.
        dimensions: of the array in it.
        md5: of its uncompressed content (mirrors may have compressed it each in their own way).
        mirrors: addresses of folders, each with a `/` at the end, tried in turn.
        folder: the cache.

    Returns:
        The array, or None if nobody had it; and one line on each place that failed.

    Raises:
        DataError: the cache folder cannot be written.
    """
    import pooch

    target = folder / f"{file}.gz"
    failures = []
    if target.exists():
        try:
            return _read_checked(target, dimensions, md5), []
        except DataError as error:
            failures.append(f"{target} {error.constraint}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(dir=folder, prefix=".download-")
    except OSError as error:
        raise DataError(
            "cache folder",
            str(folder),
            f"cannot be written ({error.strerror})",
            "Set JAXREG_CACHE to a folder of yours",
        ) from None
    with workplace as temporary:
        for mirror in mirrors:
            part = Path(temporary) / target.name
            pooch.get_logger().info("Downloading %s%s to %s", mirror, target.name, folder)
            try:
                pooch.HTTPDownloader(timeout=TIMEOUT)(mirror + target.name, str(part), None)
                array = _read_checked(part, dimensions, md5)
                part.replace(target)
            except DataError as error:
                failures.append(f"{mirror} sent a file that {error.constraint}")
            except OSError as error:  # every failure of the network is one, and a full disk
                failures.append(f"{mirror}: {_describe(error)}")
            else:
                return array, failures
    return None, failures


def _describe(error: OSError) -> str:
    """The failure in few words; the network's own messages are long and hide what matters."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return " ".join(str(part) for part in (type(error).__name__, status, error.strerror) if part)


def _read_checked(path: Path, dimensions: int, md5: str) -> np.ndarray:
    array = read_idx(path, dimensions)
    require_original(array, md5, str(path))
    return array

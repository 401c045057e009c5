"""The download cache: a file enters it only after its content was checked."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxreg.datasets.idx import read_idx, require_original
from jaxreg.errors import DataError

TIMEOUT = 30  # seconds to connect, and between two packets


def cache_folder() -> Path:
    """Where downloads are kept: `JAXREG_CACHE`, else the folder that the operating system means for caches."""
    if given := os.environ.get("JAXREG_CACHE"):
        return Path(given).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "jaxreg" / "jaxreg" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "jaxreg"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "jaxreg"


def fetch(address: str, path: Path) -> None:
    """Download a file; whether it is what was meant, its checksum says.

    Raises:
        OSError: the network, the server or the disk fails.
    """
    from http.client import HTTPException  # these three modules take a tenth of a second
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    try:
        request = Request(address, headers={"User-Agent": "jaxreg"})
        with urlopen(request, timeout=TIMEOUT) as answer, path.open("wb", buffering=0) as file:
            while part := answer.read1():
                file.write(part)
    except HTTPException as error:
        raise OSError(f"{type(error).__name__} {error}") from error
    except URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from None


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
            print(f"Downloading {mirror}{target.name} to {folder}", file=sys.stderr)
            try:
                fetch(mirror + target.name, part)
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
    return " ".join(str(part) for part in (type(error).__name__, getattr(error, "code", None), error.strerror) if part)


def _read_checked(path: Path, dimensions: int, md5: str) -> np.ndarray:
    array = read_idx(path, dimensions)
    require_original(array, md5, str(path))
    return array

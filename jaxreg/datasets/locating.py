"""Where a data set lies, without a look at its content or at the network."""

import os
from pathlib import Path

from jaxreg.datasets.archives import ARCHIVES
from jaxreg.datasets.catalogue import COLLECTIONS, FILES
from jaxreg.datasets.download import cache_folder
from jaxreg.datasets.mnist import spelling

NAMES = (*COLLECTIONS, *ARCHIVES)
"""What `load` knows beside the embedded digits."""


def locate(name: str) -> Path | None:
    """The folder that holds the files of a data set, in the order in which `load` looks; None if none does.

    Args:
        name: one of `NAMES`.
    """
    given = os.environ.get("JAXREG_DATA")
    local = [Path(given).expanduser() / name, Path(given).expanduser()] if given else []
    return next((folder for folder in (*local, cache_folder() / name) if _holds(folder, name)), None)


def _holds(folder: Path, name: str) -> bool:
    if name in COLLECTIONS:
        return all(spelling(folder, file) for file in FILES) or (folder / f"{name}.npz").is_file()
    return all((folder / file.name).is_file() for file in ARCHIVES[name].files)

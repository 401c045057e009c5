"""MNIST and Fashion-MNIST: from a local folder, the cache or a mirror, and never anything but the original."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxreg.datasets.catalogue import COLLECTIONS, FILES
from jaxreg.datasets.download import cache_folder, read_cached
from jaxreg.datasets.idx import ANEW, read_idx, read_path, require_original
from jaxreg.datasets.prepare import Raw
from jaxreg.errors import DataError

# What NumPy and zipfile raise for damaged files; the last three for foreign zips, absurd shapes and passwords.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, MemoryError, RuntimeError),
)
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")  # as Keras names them, in the order of `Raw`


def read_collection(name: str, directory: str | os.PathLike[str] | None) -> Raw:
    """The collection `name`, from `directory`, else from the folder in `JAXREG_DATA`, else from the cache or a mirror.

    Raises:
        DataError: as `load` lists.
    """
    given = directory or os.environ.get("JAXREG_DATA")
    searched = []
    if given:
        setting = "directory" if directory else "JAXREG_DATA"
        folder = read_path(setting, given)
        if not folder.is_dir():
            raise DataError(setting, str(given), "is no folder", f"Give the folder that holds {name}, or leave it out")
        for candidate in (folder / name, folder):
            arrays = _read_folder(candidate, name)
            if arrays is not None:
                return arrays
        if directory:
            raise DataError(
                setting,
                str(given),
                f"holds {name} neither directly nor in {name}/: no {next(iter(FILES))} (.gz or not), no {name}.npz",
                "Leave it out to use the cache or to download",
            )
        searched.append(f"it is not in {folder} (JAXREG_DATA)")
    return _read_cache(name, searched)


def _read_cache(name: str, failures: list[str]) -> Raw:
    """The four files from the cache, or downloaded into it."""
    collection, folder = COLLECTIONS[name], cache_folder() / name
    arrays = []
    for (file, dimensions), md5 in zip(FILES.items(), collection.checksums, strict=True):
        array, reasons = read_cached(file, dimensions, md5, collection.mirrors, folder)
        if array is None:
            reasons = [*failures, f"{file}.gz is not in the cache {folder}", *reasons]
            raise DataError(
                "dataset",
                name,
                f"is to be had nowhere: {'; '.join(reasons)}",
                'Set JAXREG_DATA to a folder that holds it, or use load("digits"), which needs no network',
            )
        arrays.append(array)
    return Raw(*arrays)


def _read_folder(folder: Path, name: str) -> Raw | None:
    """The collection from a local folder: its IDX files, else its npz; None if there is neither."""
    paths = {file: spelling(folder, file) for file in FILES}
    missing = [file for file, path in paths.items() if path is None]
    npz = folder / f"{name}.npz"
    if not missing:
        origins = [str(path) for path in paths.values()]
        arrays = [read_idx(path, FILES[file]) for file, path in paths.items() if path is not None]
    elif npz.exists():
        origins = [f"{npz}, {array}" for array in NPZ_ARRAYS]
        arrays = _read_npz(npz)
    elif len(missing) < len(FILES):
        raise DataError("folder", str(folder), f"lacks {', '.join(missing)}", f"Put all four files of {name} into it")
    else:
        return None
    _check(name, origins, arrays)
    return Raw(*arrays)


def spelling(folder: Path, file: str) -> Path | None:
    """The file in the folder under one of its historical names."""
    names = (file, file.replace("-idx", ".idx"))
    return next((path for n in names for path in (folder / n, folder / f"{n}.gz") if path.is_file()), None)


def _read_npz(path: Path) -> list[np.ndarray]:
    """The four arrays of an npz in Keras' layout."""
    try:
        # np.load leaves a damaged file open when it is given a path
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = [file[array] for array in NPZ_ARRAYS]
    except _UNREADABLE as error:
        raise DataError(
            "file", str(path), f"is no npz with the arrays {', '.join(NPZ_ARRAYS)} ({error})", ANEW
        ) from None
    for name, array, dimensions in zip(NPZ_ARRAYS, arrays, FILES.values(), strict=True):
        in_range = array.dtype.kind in "ui" and array.ndim == dimensions and not ((array < 0) | (array > 255)).any()
        if not in_range:
            raise DataError(
                f"{name} in {path}",
                f"{array.dtype}{array.shape}",
                f"must be whole numbers from 0 to 255 in {dimensions} dimensions",
                ANEW,
            )
    return [array.astype(np.uint8) for array in arrays]


def _check(name: str, origins: list[str], arrays: list[np.ndarray]) -> None:
    """Images and labels fit together, and all are the originals that the name promises."""
    classes = len(COLLECTIONS[name].about.classes)
    for i in (0, 2):
        if len(arrays[i]) != len(arrays[i + 1]):
            raise DataError(
                "file",
                origins[i + 1],
                f"has {len(arrays[i + 1])} labels for the {len(arrays[i])} images in {origins[i]}",
                "Check that training and test files have not changed places",
            )
        if (arrays[i + 1] >= classes).any():
            bad = int(np.argmax(arrays[i + 1] >= classes))
            raise DataError(
                "file",
                origins[i + 1],
                f"has label {arrays[i + 1][bad]} at position {bad}, not one from 0 to {classes - 1}",
                ANEW,
            )
    for origin, array, md5 in zip(origins, arrays, COLLECTIONS[name].checksums, strict=True):
        require_original(array, md5, origin)

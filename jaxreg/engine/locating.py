"""From what a user gives as a store, a path, a URL or a zarr store, to its place."""

import errno
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jaxreg.engine.bucket import Bucket, open_url
from jaxreg.engine.folder import AS_IT_IS, Folder
from jaxreg.engine.manifest import read_manifests
from jaxreg.engine.places import Place, as_store_error, is_new
from jaxreg.errors import StoreError

StoreLike = str | Path | Any
"""The path of a folder, a URL, or a store of zarr: an `ObjectStore`, or a `LocalStore`."""


def find_place(store: object) -> Place:
    """The place that `store` names, where no store need be yet: of a path, `~` expanded and links followed.

    Raises:
        StoreError: no store can be there.
    """
    zarr = sys.modules.get("zarr.storage")  # whoever has a store of zarr has imported it
    if zarr is not None and isinstance(store, zarr.LocalStore):
        return Folder(_find_folder(store.root).path, store.read_only)
    if zarr is not None and isinstance(store, zarr.ObjectStore):
        name = type(store.store).__name__ if " object at 0x" in str(store.store) else str(store.store)
        return Bucket(store.store, name, store.read_only)
    if isinstance(store, str) and "://" in store and not store.startswith("file://"):
        return open_url(store)
    return _find_folder(store)


def check_rights(place: Place) -> None:
    """Refuse to write what was given as read-only."""
    if place.is_read_only:
        raise StoreError("store", str(place), "must not be read-only", "Leave read_only out")


def check_place(place: Place) -> Place:
    """The same place, if there is a store or one can be made.

    Raises:
        StoreError: something else is there; or the folder above, or what is there of it, may not be written or is none.
    """
    with as_store_error(place):
        if not is_new(place):
            read_manifests(place)
        else:
            check_rights(place)
        if isinstance(place, Folder) and not place.exists():
            path = place.path
            above = next(folder for folder in path.parents if folder.exists())
            if not above.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "is no folder", str(above))
            if not os.access(above, os.W_OK | os.X_OK, **AS_IT_IS):
                raise StoreError(
                    "store",
                    str(path),
                    f"cannot be made: the folder {above} may not be written",
                    "Change that folder's permissions, or use another path",
                )
    return place


def _find_folder(store: object) -> Folder:
    if not isinstance(store, str | Path) or not str(store).strip() or "\0" in str(store):
        remedy = 'Write store="results/study.zarr", a URL, or zarr.storage.ObjectStore(…)'
        raise StoreError("store", store, "must be the path of a folder, a URL, or an ObjectStore of zarr", remedy)
    text = str(store)
    if isinstance(store, str) and text.startswith("file:/"):
        host, slash, rest = text.removeprefix("file:").removeprefix("//").partition("/")
        if host not in ("", "localhost") or not slash:
            raise StoreError("store", store, "must be on this machine", "Write file:///path, or the path alone")
        text = unquote(slash + rest)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):
        raise StoreError(
            "store",
            re.split("[?#]", text, maxsplit=1)[0].rpartition("@")[2],
            "must be text with two slashes where it is a URL; paths keep one of two",
            "Write a str such as s3://bucket/name.zarr",
        )
    with as_store_error(store):
        given = Path(text).expanduser()
        path = given.resolve()
        if given.is_symlink() and not path.exists():
            raise StoreError(
                "store",
                str(given),
                f"is a link to {path}, which does not exist",
                "Make that folder, or remove the link",
            )
        if path.exists() and not path.is_dir():
            raise StoreError("store", str(path), "is no folder", "Give a folder's path, such as results/study.zarr")
    return Folder(path)

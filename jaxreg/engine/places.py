"""Where a store is: what the engine asks of a folder and of an object store alike, and how a store begins there."""

import contextlib
import errno
import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxreg.engine.sealing import LARGEST, PARTIAL, DamageError, Data
from jaxreg.errors import StoreError

BEGUN = ".creating"  # in a place that was there before its store, until that is whole
NOTE = "done/.owner"  # zarr looks for nothing but chunks in the folder of an array
PAYLOAD = "done/.payload-"  # data for the workers of a sweep, while it writes
Sign = object
"""What changes when a file is written by another process; None where it is not there."""


class Hold(NamedTuple):
    """That nobody else writes a store: who left it without closing it, whether it is still so, and who says so.

    What the holder writes goes through `place`, the store's `Place` as long as it is held.
    """

    stale: str | None
    check: Callable[[], None]
    announce: Callable[[], None]
    place: Any


def silent(text: str) -> None:
    """Tell nobody."""


@runtime_checkable
class Place(Protocol):
    """A folder or an object store: `folder.Folder`, `bucket.Bucket`. Files are named by their path within the store.

    All methods raise OSError; FileNotFoundError where something is gone, FileExistsError where another process wrote.
    Places are values, which workers get by pickle.
    """

    @property
    def is_read_only(self) -> bool:
        """Whether it was given so."""

    def exists(self) -> bool:
        """Whether anything is there."""

    def names(self, folder: str = "") -> set[str]:
        """The names directly in the place or in a folder of it; none where it is not there."""

    def read(self, name: str, most: int | None = LARGEST) -> bytes:
        """The bytes of a file; DamageError where something else than a file of at most so many bytes is there."""

    def write(self, files: Mapping[str, Data]) -> None:
        """Write each file whole: the first of them first, the last of them last; they are durable when this returns."""

    def write_if(self, files: Mapping[str, Data], seen: MutableMapping[str, Sign]) -> None:
        """The same, each file only if it is as it was `seen`, or these bytes; what it is then is put there.

        Writers of the same file need not know of each other.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def sign(self, name: str) -> Sign:
        """What changes when another process writes this file; None where it is not there."""

    def watch(self, names: Sequence[str]) -> Sign:
        """What changes when another process writes one of these files: of those that one look tells of."""

    def is_writable(self) -> bool:
        """Whether a store that is there may be written, as far as one can know without trying."""

    def begin(self, make: Callable[["Place"], None]) -> None:
        """Make a store with `make`, whole at once, where there is none and the place can do that; see `fill`."""

    def hold(self, tell: Callable[[str], None] = silent) -> AbstractContextManager[Hold]:
        """Be the only one who writes; StoreError where another process is. `tell` says so if that takes a while."""

    def tidy(self) -> None:
        """Remove what killed writers left."""

    def gaps(self, folders: Sequence[str]) -> dict[str, str]:
        """Which of these folders are not there, and what is wrong with each."""

    def add_folders(self, folders: Sequence[str]) -> None:
        """Make these folders, where files need any."""

    def make_way(self, folders: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
        """Make these folders, and free the places of these files, whatever was there.

        What may be somebody's is moved aside: returned is from where, and to where.
        """

    def to_zarr(self) -> Any:
        """What zarr and xarray open."""


@contextlib.contextmanager
def as_store_error(place: object) -> Iterator[None]:
    """Errors of the system at a store's place, as StoreError."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:  # RuntimeError: no home for ~, or links in a circle
        raise StoreError("store", str(place), f"cannot be used ({explain(error)})", remedy_for(error)) from error


def explain(error: BaseException) -> str:
    """What an error of the system says; those of memory say nothing."""
    return str(error) or ("memory ran out" if isinstance(error, MemoryError) else type(error).__name__)


def remedy_for(error: BaseException) -> str:
    """What to do about an error of the system at a path."""
    if isinstance(error, PermissionError):
        return "Change the permissions of what it names, or use another path; nothing is lost"
    if isinstance(error, MemoryError):
        return "Free memory and run it again; what is stored stays"
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "Make room, or use another path; what is stored stays"
    return "Mend what it names, or use another path"


def is_new(place: Place) -> bool:
    """Whether a place holds nothing, or a store that was being made there and holds no cells."""
    names = {name.removesuffix(PARTIAL) for name in place.names()}
    if names <= {".zgroup"}:
        return True
    return BEGUN in names and not any(name[0].isdigit() for name in place.names("done"))


def read_token(place: Place) -> str:
    """What tells who writes a store from all others, as its note says; empty where there is none."""
    try:
        return str(json.loads(place.read(NOTE))["token"])
    except (FileNotFoundError, DamageError, ValueError, LookupError, TypeError):
        return ""


def fill(place: Place, make: Callable[[Place], None]) -> None:
    """Make a store without cells in a place that is there, such as a mount or a bucket, and that we hold."""
    place.write({BEGUN: b""})
    make(place)
    place.remove(BEGUN)

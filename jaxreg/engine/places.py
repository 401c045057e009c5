"""Where a store is: its path, how it begins there, and what killed processes left."""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxreg.engine.axes import Axis
from jaxreg.engine.grid import Box
from jaxreg.engine.identity import Identity
from jaxreg.engine.layout import create_store
from jaxreg.engine.lock import hold_folder
from jaxreg.engine.manifest import GROUP, read_manifests
from jaxreg.engine.outputs import Outputs
from jaxreg.engine.sealing import PARTIAL, make_room, sync_folder, write_files
from jaxreg.errors import StoreError

BEGUN = ".creating"  # in a folder that was there before its store, until that is whole
AS_IT_IS = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
_ATTEMPTS = 20


def resolve_path(store: object) -> Path:
    """The folder that `store` names, which need not be there yet: `~` expanded, links followed.

    Raises:
        StoreError: no store can be there, or something else is.
    """
    if not isinstance(store, str | Path) or not str(store).strip() or "\0" in str(store):
        raise StoreError("store", store, "must be the path of a folder", 'Write store="results/study.zarr"')
    if "://" in str(store) or ":/" in str(store):
        raise StoreError("store", store, "must be a local folder", "Copy the finished store to where it should be")
    with as_store_error(Path(store)):
        given = Path(store).expanduser()
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
        if path.is_dir() and not is_new(path):
            read_manifests(path)
    return path


def check_place(path: Path) -> Path:
    """The same path, if there is a store or one can be made.

    Raises:
        StoreError: the folder above, or what is there of it, may not be written or is none.
    """
    with as_store_error(path):
        if not path.exists():
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
    return path


@contextlib.contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    """Errors of the system at a store's path, as StoreError."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:  # RuntimeError: no home for ~, or links in a circle
        raise StoreError("store", str(path), f"cannot be used ({explain(error)})", remedy_for(error)) from error


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


def is_new(path: Path) -> bool:
    """Whether the folder `path` holds nothing, or a store that was being made there and holds no cells."""
    names = {entry.name.removesuffix(PARTIAL) for entry in path.iterdir()}
    has_cells = (path / "done").is_dir() and any(entry.name[0].isdigit() for entry in (path / "done").iterdir())
    return names <= {".zgroup"} or (BEGUN in names and not has_cells)


def create(path: Path, identity: Identity, axes: Sequence[Axis], outputs: Outputs, box: Box) -> None:
    """Make a store without cells, whole at once: in a folder beside it, under that folder's lock, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        building = path.with_name(f"{path.name}.creating-{secrets.randbelow(10**5)}")
        # Another process may take it for a left-over before it is locked: then it is begun anew.
        with contextlib.suppress(FileExistsError, FileNotFoundError, BlockingIOError):
            building.mkdir()
            write_files({building / ".zgroup": GROUP})  # what begins so is a store in the making
            with hold_folder(building):
                try:
                    create_store(building, identity, axes, outputs, box)
                    building.rename(path)
                except BaseException as error:
                    shutil.rmtree(building, ignore_errors=True)
                    if isinstance(error, OSError) and path.is_dir():
                        return  # another process was faster: its store is opened next
                    raise
                sync_folder(path.parent)
            return
    raise FileNotFoundError(errno.ENOENT, "no folder can be made beside it", str(path))


def fill(path: Path, identity: Identity, axes: Sequence[Axis], outputs: Outputs, box: Box) -> None:
    """Make a store without cells in a folder that is there, such as a mount, and whose lock is held."""
    write_files({path / BEGUN: b""})
    create_store(path, identity, axes, outputs, box)
    (path / BEGUN).unlink()
    sync_folder(path)


def remove_unfinished(path: Path) -> None:
    """Remove the stores that processes began here and did not live to finish: those whose lock is free."""
    pattern = re.compile(re.escape(path.name) + r"\.creating-\d{1,10}")
    try:
        found = [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]
    except OSError:  # a folder that may be entered and not read
        return
    for left in found:
        with contextlib.suppress(OSError):  # another's, alive, or gone by now
            if left.is_dir() and not left.is_symlink() and ((left / ".zgroup").exists() or not any(left.iterdir())):
                with hold_folder(left):
                    shutil.rmtree(left)


def payload_place(path: Path, name: str) -> Path:
    """Where data for the workers of a sweep lie while it writes the store at `path`."""
    return path.with_name(f"{path.name}.payload-{name}")


def remove_partial(path: Path) -> None:
    """Remove the files that a killed writer of this store had not finished, and what it had laid out for workers."""
    with contextlib.suppress(OSError):  # a folder that may be entered and not read
        for left in path.parent.iterdir():
            if re.fullmatch(re.escape(path.name) + r"\.payload-[0-9a-f]{32}(\.partial)?", left.name):
                left.unlink()
    own = r"(\d+(\.\d+)*|\.z(array|attrs|group|metadata)|\.owner|\.creating|manifest\.json|\.copy-.+)"
    names = re.compile(own + r"(\.[0-9a-f]{8})?" + re.escape(PARTIAL))  # with the mark of a worker
    for folder in (path, *(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())):
        for left in [entry for entry in folder.iterdir() if names.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):  # whoever writes this name next says why it cannot
                left.unlink() if left.is_symlink() or not left.is_dir() else make_room(left)

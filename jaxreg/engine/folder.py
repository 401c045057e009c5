"""A store in a local folder: files replaced whole and synced, a lock of the operating system."""

import contextlib
import dataclasses
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from jaxreg.engine.lock import hold_folder, hold_lock, leave_note
from jaxreg.engine.manifest import GROUP
from jaxreg.engine.places import Hold, Place, Sign, silent
from jaxreg.engine.sealing import (
    LARGEST,
    PARTIAL,
    DamageError,
    Data,
    joined,
    make_room,
    read_plain,
    sync_folder,
    write_files,
)

AS_IT_IS = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
_ATTEMPTS = 20


@dataclasses.dataclass(frozen=True)
class Folder:
    """The folder `path`, as `places.Place` says."""

    path: Path
    is_read_only: bool = False

    def __str__(self) -> str:
        """What messages name."""
        return str(self.path)

    def exists(self) -> bool:
        """Whether anything is there."""
        return self.path.exists()

    def names(self, folder: str = "") -> set[str]:
        """The names directly in the folder, or in one of it."""
        try:
            return {entry.name for entry in (self.path / folder).iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def read(self, name: str, most: int | None = LARGEST) -> bytes:
        """The bytes of a plain file."""
        return read_plain(self.path / name, most)

    def write(self, files: Mapping[str, Data]) -> None:
        """Replace each file whole, in this order; folders are not made: one that is gone is an error."""
        write_files(self.path, files)

    def write_if(self, files: Mapping[str, Data], seen: MutableMapping[str, Sign]) -> None:
        """The same for files that are as they were seen, or hold these bytes."""
        for name in files:
            if self.sign(name) != seen[name] and not self._holds(name, files[name]):
                raise FileExistsError(f"{name} was written by another process")
        try:
            write_files(self.path, files, mark=f".{secrets.token_hex(4)}")
        finally:  # an interrupt here must not make our own files look like those of another process
            seen.update({name: self.sign(name) for name in files})

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        file = self.path / name
        file.unlink(missing_ok=True)
        sync_folder(file.parent)

    def sign(self, name: str) -> Sign:
        """Inode, size and time of a file."""
        try:
            status = (self.path / name).lstat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def watch(self, names: Sequence[str]) -> Sign:
        """Inode, size and time of all these files."""
        return {name: self.sign(name) for name in names}

    def is_writable(self) -> bool:
        """Whether its permissions say so."""
        return not self.is_read_only and os.access(self.path, os.W_OK, **AS_IT_IS)

    def begin(self, make: Callable[[Place], None]) -> None:
        """Make a store where there is no folder: in one beside it, under that folder's lock, then renamed."""
        self._remove_unfinished()
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            building = self.path.with_name(f"{self.path.name}.creating-{secrets.randbelow(10**5)}")
            # Another process may take it for a left-over before it is locked: then it is begun anew.
            with contextlib.suppress(FileExistsError, FileNotFoundError, BlockingIOError):
                building.mkdir()
                write_files(building, {".zgroup": GROUP})  # what begins so is a store in the making
                with hold_folder(building):
                    try:
                        make(Folder(building))
                        building.rename(self.path)
                    except BaseException as error:
                        shutil.rmtree(building, ignore_errors=True)
                        if isinstance(error, OSError) and self.path.is_dir():
                            return  # another process was faster: its store is opened next
                        raise
                    sync_folder(self.path.parent)
                return
        raise FileNotFoundError(errno.ENOENT, "no folder can be made beside it", str(self.path))

    @contextlib.contextmanager
    def hold(self, tell: Callable[[str], None] = silent) -> Iterator[Hold]:
        """Hold the folder's lock, which dies with this process: nothing to wait for."""
        with hold_lock(self.path) as stale:
            place = self.path.stat()

            def check() -> None:
                if not os.path.samestat(self.path.stat(), place):
                    raise FileNotFoundError(errno.ENOENT, "another folder is in its place", str(self.path))

            yield Hold(stale, check, lambda: leave_note(self.path), self)

    def tidy(self) -> None:
        """Remove the files that a killed writer of this store had not finished, and what it laid out for workers."""
        payload = r"\.payload-[0-9a-f]{32}"
        own = r"\d+(\.\d+)*|\.z(array|attrs|group|metadata)|\.owner|\.creating|manifest\.json|\.copy-.+"
        mark = r"(\.[0-9a-f]{8})?"  # of writers that do not know of each other
        left_over = re.compile(f"({own}|{payload}){mark}{re.escape(PARTIAL)}|{payload}")
        entries = [entry for entry in self.path.iterdir() if entry.is_dir() and not entry.is_symlink()]
        for folder in (self.path, *entries):
            for left in [entry for entry in folder.iterdir() if left_over.fullmatch(entry.name)]:
                with contextlib.suppress(OSError):  # whoever writes this name next says why it cannot
                    left.unlink() if left.is_symlink() or not left.is_dir() else make_room(left)

    def gaps(self, folders: Sequence[str]) -> dict[str, str]:
        """Which of these folders are not there, and what is wrong with each."""
        places = [(name, self.path / name) for name in folders]
        lacking = [(name, place) for name, place in places if place.is_symlink() or not place.is_dir()]
        return {name: "is no folder" if os.path.lexists(place) else "is missing" for name, place in lacking}

    def add_folders(self, folders: Sequence[str]) -> None:
        """Make these folders."""
        for name in folders:
            (self.path / name).mkdir(exist_ok=True)

    def make_way(self, folders: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
        """Make these folders, and free the places of these files, whatever was there."""
        within = [name for name in files if (self.path / name).is_dir() and not (self.path / name).is_symlink()]
        aside = [(name, make_room(self.path / name)) for name in (*folders, *within)]
        self.add_folders(folders)
        return [(name, str(place.relative_to(self.path))) for name, place in aside if place]

    def to_zarr(self) -> Path:
        """What zarr and xarray open."""
        return self.path

    def _holds(self, name: str, data: Data) -> bool:
        try:
            return self.read(name) == joined(data)
        except (FileNotFoundError, DamageError):
            return False

    def _remove_unfinished(self) -> None:
        """Remove the stores that processes began here and did not live to finish: those whose lock is free."""
        pattern = re.compile(re.escape(self.path.name) + r"\.creating-\d{1,10}")
        try:
            found = [entry for entry in self.path.parent.iterdir() if pattern.fullmatch(entry.name)]
        except OSError:  # a folder that may be entered and not read
            return
        for left in found:
            with contextlib.suppress(OSError):  # another's, alive, or gone by now
                if left.is_symlink() or not left.is_dir():
                    continue
                names = {entry.name for entry in left.iterdir()}
                if ".zgroup" in names or names <= {f".zgroup{PARTIAL}"}:  # as such a store begins
                    with hold_folder(left):
                        shutil.rmtree(left)

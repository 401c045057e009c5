"""A store in an object store, such as S3, through obstore: an object put whole, and only if it is as it was seen."""

import contextlib
import dataclasses
import datetime
import errno
import functools
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from jaxreg.engine.lease import hold_lease
from jaxreg.engine.places import NOTE, PAYLOAD, Hold, Place, Sign, silent
from jaxreg.engine.sealing import LARGEST, DamageError, Data, in_threads, joined
from jaxreg.errors import StoreError

try:
    import obstore
    import obstore.exceptions
    import obstore.store
except ImportError:  # of the extra `cloud`
    obstore = None  # type: ignore[assignment]

_SCHEMES = ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "https")  # https: of S3, Azure and the like

_RETRIED = datetime.timedelta(seconds=20)  # a lease must not end while its renewal is tried again


@dataclasses.dataclass(frozen=True)
class Bucket:
    """What lies below a prefix of an object store, as `places.Place` says; `label` names it in messages."""

    store: Any
    label: str
    is_read_only: bool = False

    def __str__(self) -> str:
        """What messages name."""
        return self.label

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to workers with its settings; what lies in the memory of this process cannot be sent."""
        try:
            pickle.dumps(self.store)
        except TypeError:
            raise StoreError(
                "store", self.label, "is in the memory of one process", "Use threads, or a URL that all workers reach"
            ) from None
        return Bucket, (self.store, self.label, self.is_read_only)

    def exists(self) -> bool:
        """Whether anything is there."""
        return bool(self.names())

    def names(self, folder: str = "") -> set[str]:
        """The names directly in the prefix or in a folder of it; the lease and its folder do not count."""
        with _as_system_errors():
            found = obstore.list_with_delimiter(self.store, prefix=folder or None)
        paths = {*found["common_prefixes"], *(one["path"] for one in found["objects"])} - {NOTE}
        names = {str(path).rpartition("/")[2] for path in paths} - {""}  # of a folder made in a console
        return set() if names == {"done"} and not folder and not self.names("done") else names

    def read(self, name: str, most: int | None = LARGEST) -> bytes:
        """The bytes of an object."""
        return self.read_seen(name, most)[0]

    def read_seen(self, name: str, most: int | None = None) -> tuple[bytes, Sign]:
        """The bytes of an object, and its sign."""
        with _as_system_errors():
            found = obstore.get(self.store, name)
            if most is not None and found.meta["size"] > most:
                raise DamageError("is larger than what was written there")
            return bytes(found.bytes()), _sign(found.meta)

    def write(self, files: Mapping[str, Data]) -> None:
        """Put each object whole: the first and the last by themselves, the others a few at once."""
        for batch in _batches(files):
            in_threads(lambda name: self._put(name, joined(files[name])), batch)

    def write_if(self, files: Mapping[str, Data], seen: MutableMapping[str, Sign]) -> None:
        """The same for objects that are as they were seen, or hold these bytes."""

        def put(name: str) -> None:
            seen[name] = self.put_seen(name, joined(files[name]), seen[name])

        for batch in _batches(files):
            in_threads(put, batch)

    def put_seen(self, name: str, data: bytes, seen: Sign) -> Sign:
        """Put an object if it is what it was when it was seen, or still is not there; return its sign.

        Raises:
            FileExistsError: it is something else by now.
        """
        mode: Any = "create" if seen is None else seen
        try:
            return self._put(name, data, mode)
        except FileExistsError:  # our own, where the answer got lost on its way and the client tried again?
            with contextlib.suppress(FileNotFoundError):
                held, sign = self.read_seen(name)
                if held == data:
                    return sign
            raise FileExistsError(f"{name} was written by another process") from None

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with contextlib.suppress(FileNotFoundError), _as_system_errors():
            obstore.delete(self.store, name)

    def sign(self, name: str) -> Sign:
        """The e-tag and the version of an object."""
        try:
            with _as_system_errors():
                return _sign(obstore.head(self.store, name))
        except FileNotFoundError:
            return None

    def watch(self, names: Sequence[str]) -> Sign:
        """The e-tags of those that are in no folder: one listing tells them."""
        with _as_system_errors():
            found = obstore.list_with_delimiter(self.store)["objects"]
        return {one["path"]: one["e_tag"] for one in found if one["path"] in names}

    def is_writable(self) -> bool:
        """Whether a put is allowed; the note that is put only where none is says nothing."""
        try:
            self._put(NOTE, b"", "create")
        except PermissionError:
            return False
        except FileExistsError:  # most often
            pass
        return True

    def begin(self, make: Callable[[Place], None]) -> None:
        """Nothing: several objects cannot be put at once, so that `places.fill` makes it, under the lease."""

    @contextlib.contextmanager
    def hold(self, tell: Callable[[str], None] = silent) -> Iterator[Hold]:
        """Hold the lease; who may write nothing can look without it, and no further."""
        with contextlib.ExitStack() as stack:
            try:
                lease = stack.enter_context(hold_lease(self, tell))
            except PermissionError as error:
                lease = Hold(None, functools.partial(_raise, error), lambda: None, self)
            held = _Held(self.store, self.label, self.is_read_only, lease.check, was_empty=not self.exists())
            yield lease._replace(place=held)

    def tidy(self) -> None:
        """Remove what a killed writer laid out for workers."""
        for name in self.names("done"):
            if f"done/{name}".startswith(PAYLOAD):
                self.remove(f"done/{name}")

    def gaps(self, folders: Sequence[str]) -> dict[str, str]:
        """None: an object needs no folder."""
        return {}

    def add_folders(self, folders: Sequence[str]) -> None:
        """Nothing."""

    def make_way(self, folders: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
        """Nothing: no object is in the way of another."""
        return []

    def _put(self, name: str, data: bytes, mode: Any = "overwrite") -> Sign:
        if self.is_read_only:
            raise PermissionError(errno.EACCES, "it was given as read-only", self.label)
        with _as_system_errors():
            return _sign(obstore.put(self.store, name, data, mode=mode))

    def to_zarr(self) -> Any:
        """What zarr and xarray open."""
        from zarr.storage import ObjectStore

        return ObjectStore(self.store, read_only=True)


@dataclasses.dataclass(frozen=True)
class _Held(Bucket):
    """A bucket whose lease we hold; sent to workers it is the bucket alone.

    A writer that slept through the loss of its lease cannot undo the work of the next: every object is put on the
    condition that it is what it was when it was seen, and the lease was ours after that.
    """

    check: Callable[[], None] = dataclasses.field(default=lambda: None, compare=False)
    was_empty: bool = dataclasses.field(default=False, compare=False)  # what we did not put is not there
    seen: dict[str, Sign] = dataclasses.field(default_factory=dict, compare=False)

    def write(self, files: Mapping[str, Data]) -> None:
        """Put each object whole, on that condition; not data for workers: it is put in parts, which know none."""
        if any(name.startswith(PAYLOAD) for name in files):
            self.check()
            super().write(files)
            return
        new = [name for name in files if name not in self.seen]
        if new:
            signs = [None] * len(new) if self.was_empty else in_threads(self.sign, new)
            self.check()
            self.seen.update(zip(new, signs, strict=True))
        self.write_if(files, self.seen)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there, right after the lease was ours: no object store removes on a condition."""
        self.check()
        super().remove(name)
        self.seen.pop(name, None)


def open_url(url: str) -> Bucket:
    """The place of a URL; who may write there is read from the environment, as obstore documents.

    Raises:
        StoreError: obstore is not installed, knows no such URL, or lacks something to open it.
    """
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, bare = host.rpartition("@")
    is_container = scheme.lower().startswith("abfs") and ":" not in user
    parts = unquote(rest[len(host) :]).split("/")
    if (user and not is_container) or set("?#") & set(url) or {".", ".."} & set(parts) or not url.isprintable():
        raise StoreError(
            "store",
            f"{scheme}://{bare}/…",  # nothing that may be secret
            "must name a bucket and a path alone: no user or password, no '?', '#' or '..', no line break",
            "Put keys into the environment, or give zarr.storage.ObjectStore(…)",
        )
    if obstore is None:
        raise StoreError("store", url, "is a URL, for which obstore must be installed", "pip install 'jaxreg[cloud]'")
    if scheme.lower() not in _SCHEMES:
        remedy = "Write s3://bucket/name.zarr, gs://… or az://…, or give zarr.storage.ObjectStore(…)"
        raise StoreError("store", url, f"must be of a kind that can be written, and shared: {scheme}:// is not", remedy)
    try:
        return Bucket(obstore.store.from_url(url, retry_config={"retry_timeout": _RETRIED}), url)
    except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
        remedy = "Mend the URL, or what the environment says of the account"
        raise StoreError("store", url, f"cannot be opened ({_first_line(error)})", remedy) from error


def _batches(files: Mapping[str, Data]) -> list[list[str]]:
    """The names to put one batch after the other: the first, those between, the last."""
    names = list(files)
    return [names[:1], names[1:-1], names[1:][-1:]]


def _sign(told: Mapping[str, Any]) -> Sign:
    """What a put is conditional on: S3 and Azure compare e-tags, Google's storage versions."""
    return {key: told[key] for key in ("e_tag", "version") if told.get(key)}


@contextlib.contextmanager
def _as_system_errors() -> Iterator[None]:
    """Errors of obstore as those that the system has for files."""
    kinds = obstore.exceptions
    try:
        yield
    except (kinds.AlreadyExistsError, kinds.PreconditionError) as error:
        raise FileExistsError(_first_line(error)) from error
    except kinds.NotFoundError as error:
        raise FileNotFoundError(_first_line(error)) from error
    except (kinds.PermissionDeniedError, kinds.UnauthenticatedError) as error:
        raise PermissionError(_first_line(error)) from error
    except (kinds.NotSupportedError, NotImplementedError) as error:
        raise OSError(errno.ENOTSUP, _first_line(error)) from error
    except kinds.BaseError as error:
        raise OSError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    """What an error says, without the debugging output that obstore adds, markup, and queries, which may be keys."""
    text = str(error).partition("\n\nDebug source")[0]
    if "NoSuchBucket" in text:
        return "there is no such bucket"
    return re.sub(r"\?[^\s)\"']+", "?…", " ".join(re.sub(r"<[^>]*>", " ", text).split()))


def _raise(error: Exception) -> None:
    raise error

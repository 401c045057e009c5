"""Where a study keeps its second sweep and those after it: beside the first, in a folder or a bucket."""

from pathlib import Path, PurePosixPath

from jaxreg.errors import ArgumentError


def beside(store: str | Path | None, what: str) -> str | None:
    """The store of another sweep of a study, next to that of the first: a path, or a URL where that is one.

    Args:
        store: what the study was given.
        what: the sweep's name, which is added to the store's.

    Raises:
        ArgumentError: `store` is neither, or `what` is no name.

    >>> beside("results/study.zarr", "fates"), beside("s3://bucket/study.zarr", "fates"), beside(None, "fates")
    ('results/study-fates.zarr', 's3://bucket/study-fates.zarr', None)
    """
    if not isinstance(what, str) or not what or "/" in what:
        raise ArgumentError("what", what, "must be a name without '/'", 'Write "fates"')
    if store is None:
        return None
    if not isinstance(store, str | Path):
        raise ArgumentError("store", store, "must be a path or a URL", "Write store='results/study.zarr'")
    above, slash, name = str(store).rstrip("/").rpartition("/")
    return f"{above}{slash}{PurePosixPath(name).stem}-{what}.zarr"

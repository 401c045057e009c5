"""The manifest of a store: what it holds, in three copies that check themselves; zarr's metadata made from it."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxreg.engine.arrays import StoredArray
from jaxreg.engine.grid import Assignment, Box
from jaxreg.engine.places import Place
from jaxreg.engine.sealing import DamageError
from jaxreg.errors import StoreError

FORMAT = 2
GROUP = b'{\n "zarr_format": 2\n}'  # the whole of `.zgroup`
COPY = "done/manifest.json"  # outlives tools that leave out names with a dot; zarr looks for chunks only in there
Manifest = dict[str, Any]


def read_manifests(place: Place) -> list[Manifest]:
    """The manifests that a store's three copies hold, those whose checks are right, the newest first.

    `.zattrs` is written before `.zmetadata`, so that a killed extension leaves two states, each whole.

    Raises:
        StoreError: none is right: it is no store, another format's, or damaged in all copies.
    """
    texts = [_read_text(place, ".zattrs"), _read_text(place, ".zmetadata", ("metadata", ".zattrs"))]
    texts += [_read_text(place, COPY)]
    held = [manifest for text in texts if (manifest := _checked(text)) is not None]
    if held:
        return sorted(held, key=lambda manifest: -manifest["revision"])
    formats = [found["format"] for text in texts if isinstance(found := _parse(text), dict) and "format" in found]
    if formats and formats[0] != FORMAT:
        raise StoreError(
            "store",
            str(place),
            f"was written by another version of jaxreg (format {formats[0]!r}, this one writes {FORMAT})",
            "Keep it and read it with xarray.open_zarr; compute more with the version that wrote it, or elsewhere",
        )
    if place.names() & {"done", "diverged"}:
        raise StoreError(
            "store",
            str(place),
            f"has lost its manifest: none of .zattrs, .zmetadata and {COPY} is what was written",
            "Bring one of these three files back from a copy; until then zarr reads its arrays one by one",
        )
    raise StoreError(
        "store",
        str(place),
        "holds what jaxreg did not write, or remains of a store that was removed while a sweep wrote it",
        "Give a store that a sweep wrote, or a new path",
    )


def list_arrays(manifest: Manifest) -> dict[str, StoredArray]:
    """The arrays that a store must have, by name."""
    return {name: StoredArray.from_json(name, held) for name, held in manifest["arrays"].items()}


def list_sizes(manifest: Manifest) -> dict[str, int]:
    """The length of every dimension of a store, axes included."""
    return manifest["sizes"] | {axis["name"]: axis["length"] for axis in manifest["axes"]}


def metadata_files(manifest: Manifest) -> dict[str, bytes]:
    """What zarr's metadata files must hold, by their path within the store, in the order in which they are written.

    Readers take everything from `.zmetadata`, the last one: they see a new state once all of it is there.
    """
    sizes = list_sizes(manifest)
    documents: dict[str, Any] = {".zattrs": {"provenance": provenance_text(manifest)}, ".zgroup": json.loads(GROUP)}
    for name, array in list_arrays(manifest).items():
        documents |= {f"{name}/{file}": document for file, document in array.metadata(sizes).items()}
    consolidated = {"metadata": dict(documents), "zarr_consolidated_format": 1}
    documents = {COPY: documents[".zattrs"]} | documents | {".zmetadata": consolidated}
    return {name: json.dumps(document, indent=1).encode() for name, document in documents.items()}


def provenance_text(manifest: Manifest) -> str:
    """The manifest with its check, as readers find it."""
    return json.dumps(manifest | {"check": _check(manifest)})


def publish(place: Place, manifest: Manifest, written: Mapping[str, bytes]) -> dict[str, bytes]:
    """Make the manifest and the arrays' sizes visible to readers, in one replacement of one file.

    `written` is what the files hold, as far as they were written; returned is what they hold now.
    """
    manifest["revision"] += 1
    files = metadata_files(manifest)
    place.write({name: data for name, data in files.items() if written.get(name) != data})
    return files


def read_assignments(manifest: Manifest) -> list[Assignment]:
    """The regions assigned so far, in the order in which they were first asked for."""
    return [
        Assignment(
            tuple(tuple(itertools.chain.from_iterable(itertools.starmap(range, p))) for p in entry["positions"]),
            Box(tuple(entry["chunk"]), entry["split"]),
        )
        for entry in manifest["regions"]
    ]


def write_assignments(manifest: Manifest, assignments: Sequence[Assignment]) -> None:
    """Put the assigned regions into the manifest, positions as ranges."""
    manifest["regions"] = [
        {"positions": list(map(_to_ranges, one.region)), "chunk": list(one.box.lengths), "split": one.box.split}
        for one in assignments
    ]


def _to_ranges(positions: Sequence[int]) -> list[list[int]]:
    """Ascending positions as half-open ranges, short enough for JSON."""
    if positions and positions[-1] - positions[0] + 1 == len(positions):  # most often, and long
        return [[positions[0], positions[-1] + 1]]
    ranges: list[list[int]] = []
    for position in positions:
        if ranges and ranges[-1][1] == position:
            ranges[-1][1] += 1
        else:
            ranges.append([position, position + 1])
    return ranges


def _check(manifest: Manifest) -> str:
    text = json.dumps({key: value for key, value in manifest.items() if key != "check"})
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _checked(text: object) -> Manifest | None:
    """The manifest in `text`, if its check is right; what passes was written here, so that its keys are all there."""
    manifest = _parse(text)
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or manifest.pop("check", "") != _check(manifest)
    ):
        return None
    return manifest


def _parse(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_text(place: Place, name: str, keys: Sequence[str] = ()) -> object:
    """The provenance within a metadata file, whatever it is; None where there is none."""
    try:
        held = json.loads(place.read(name))
        for key in (*keys, "provenance"):
            held = held[key]
    except (FileNotFoundError, DamageError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return held

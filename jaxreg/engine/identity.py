"""The identity of a sweep: what must agree for a store to be continued, and the refusal where it does not."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.engine.axes import LABEL_CHARACTERS, Axis
from jaxreg.engine.manifest import Manifest
from jaxreg.engine.places import Place
from jaxreg.errors import StoreError


@dataclasses.dataclass(frozen=True)
class Identity:
    """What must agree for a store to be continued: named settings, and a fingerprint per program."""

    settings: dict[str, Any]
    programs: dict[str, str]


def check_same(place: Place, manifest: Manifest, identity: Identity, axes: Sequence[Axis]) -> None:
    """Refuse to continue a store of another sweep, by name of what differs."""
    for name in manifest["settings"] | identity.settings:
        held, asked = manifest["settings"].get(name), identity.settings.get(name)
        if held != asked:
            _refuse(place, name, *("not set" if value is None else value for value in (held, asked)))
    for program in manifest["programs"].keys() & identity.programs.keys():
        if manifest["programs"][program] != identity.programs[program]:
            then = manifest["history"][-1]["versions"]["jax"]
            _refuse(
                place,
                f"the computation of {program}",
                f"program {manifest['programs'][program][:8]} (JAX {then})",
                f"program {identity.programs[program][:8]} (its code, or what it calls or closes over, changed)",
            )
    described = [(axis.name, axis.kind) for axis in axes]
    held = [(entry["name"], entry["kind"]) for entry in manifest["axes"]]
    if described != held:
        _refuse(place, "the axes", held, described)


def check_labels(place: Place, axis: Axis, entry: dict[str, Any], held: np.ndarray) -> None:
    """Refuse labels that a store's axis, which holds `held`, cannot take in."""
    for label, text in axis.identity.items():
        if entry["identity"].get(label, text) != text:
            _refuse(place, f"{axis.name}[{label!r}]", entry["identity"][label], text)
    if len(held) and axis.labels.dtype.kind != held.dtype.kind:
        _refuse(place, f"the kind of values of {axis.name}", held.tolist(), axis.labels.tolist())
    longest = max((len(label) for label in axis.labels.tolist()), default=0) if axis.labels.dtype.kind == "U" else 0
    if longest > LABEL_CHARACTERS:
        raise StoreError(axis.name, longest, f"names must not exceed {LABEL_CHARACTERS} characters", "Use short names")
    if axis.kind in ("static", "cases") and len(held):
        ours, theirs = set(axis.labels.tolist()), set(held.tolist())
        if not (ours <= theirs or ours >= theirs):
            _refuse(place, f"the {axis.kind} values of {axis.name}", held.tolist(), axis.labels.tolist())


def _refuse(place: Place, what: str, held: object, asked: object) -> None:
    raise StoreError(
        "store",
        str(place),
        f"holds another sweep: {what} is {held!r} there, {asked!r} here",
        "Use another path; this one keeps what it holds",
    )

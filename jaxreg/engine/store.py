"""The store of a sweep: a zarr group that any reader can open at any moment, and that the same sweep can continue."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from jaxreg.engine.axes import Axis
from jaxreg.engine.execute import Block
from jaxreg.engine.grid import Assignment, Box, Region
from jaxreg.engine.layout import (
    FORMAT,
    Identity,
    create_group,
    extend_group,
    find_positions,
    publish,
    read_assignments,
    write_assignments,
)
from jaxreg.engine.lock import hold_lock
from jaxreg.engine.memory import region_index
from jaxreg.engine.outputs import Outputs
from jaxreg.errors import StoreError


class Store:
    """An open store: the sweep's axes in the store's positions, which cells are done, and where blocks are written."""

    def __init__(self, path: Path, group: zarr.Group, manifest: dict[str, Any], axes: tuple[Axis, ...]) -> None:
        self.path, self.axes = path, axes
        self._group, self._manifest, self._arrays = group, manifest, dict(group.arrays())
        self._done = np.asarray(self._arrays["done"][...])

    @property
    def assignments(self) -> list[Assignment]:
        """The cells assigned so far and their chunk shapes, in the order in which they were first asked for."""
        return read_assignments(self._manifest)

    def is_done(self, positions: Region) -> bool:
        """Whether every cell at `positions` has been computed."""
        return bool(self._done[region_index(positions, ())].all())

    def write(self, positions: Region, block: Block) -> None:
        """Write the outputs of the cells at `positions`, then mark the cells as done: a cell is never half there."""
        cells = region_index(positions, ())
        try:
            for name, values in block.items():
                _assign(self._arrays[name], positions, values)
            _assign(self._arrays["done"], positions, np.ones(tuple(map(len, positions)), bool))
        except OSError as error:
            raise StoreError(
                "store", str(self.path), f"cannot be written ({error})", "Make room and run it again: done cells stay"
            ) from error
        self._done[cells] = True

    def write_validity(self, masks: dict[str, np.ndarray]) -> None:
        """Write which entries of ragged dimensions are real, where this sweep knows."""
        for name, mask in masks.items():
            array = self._arrays[name]
            held = np.asarray(array[...])
            held[..., : mask.shape[-1]] |= mask
            array[...] = held

    def change_box(self, number: int, box: Box) -> None:
        """Record that a region's chunk had to be made smaller."""
        assignments = self.assignments
        assignments[number] = dataclasses.replace(assignments[number], box=box)
        write_assignments(self._manifest, assignments)
        publish(self._group, self._manifest)

    def read(self, axes: Sequence[Axis]) -> xr.Dataset:
        """The cells that `axes` ask for, in their order; values are read when they are used."""
        dataset = xr.open_zarr(self.path, chunks=None, consolidated=True).drop_vars("done")
        for placed, asked in zip(self.axes, axes, strict=True):
            positions = find_positions(asked, placed.labels)
            if positions != list(range(len(placed.labels))):
                dataset = dataset.isel({asked.name: positions})
        return dataset


@contextlib.contextmanager
def open_store(
    path: Path,
    identity: Identity,
    environment: dict[str, Any],
    axes: Sequence[Axis],
    outputs: Outputs,
    box: Box,
) -> Iterator[tuple[Store, str | None]]:
    """Create the store, or add to it what `axes` newly ask for; hold its lock; yield it and a stale lock's owner.

    Raises:
        StoreError: the path is not a store, holds another sweep, is in use or cannot be written.
    """
    check_path(path)
    with hold_lock(path) as stale:
        try:
            for left in [*path.parent.glob(f"{path.name}.creating-*"), *path.rglob("*.partial")]:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            if not path.exists() or not any(path.iterdir()):
                building = path.with_name(f"{path.name}.creating-{os.getpid()}")
                create_group(building, identity, axes, outputs, box)
                building.rename(path)
            group = zarr.open_group(path, mode="r+", use_consolidated=False)
            manifest = json.loads(str(group.attrs["provenance"]))
            placed = extend_group(path, group, manifest, identity, environment, axes, outputs, box)
        except OSError as error:
            raise StoreError(
                "store", str(path), f"cannot be written ({error})", "Use another path, or make room"
            ) from error
        yield Store(path, group, manifest, placed), stale


def check_path(path: Path) -> None:
    """Refuse a path where no store can be, or where something else is."""
    if "://" in str(path) or ":/" in str(path):
        raise StoreError(
            "store", str(path), "must be a local directory", "Copy the finished store to where it should be"
        )
    if path.is_file():
        raise StoreError("store", str(path), "is a file", "Give a directory's path, such as results/study.zarr")
    if path.is_dir() and any(path.iterdir()):
        try:
            attributes = json.loads((path / ".zattrs").read_text())
            is_ours = json.loads(attributes["provenance"])["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise StoreError(
                "store", str(path), "holds what jaxreg did not write", "Use a new path or an empty directory"
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("store", str(path), f"cannot be created ({error})", "Use another path") from error
    if not os.access(path if path.is_dir() else path.parent, os.W_OK):
        raise StoreError("store", str(path), "is not writable", "Change its permissions or use another path")


def _assign(array: zarr.Array, positions: Region, values: np.ndarray) -> None:
    index = region_index(positions, values.shape[len(positions) :])
    if all(isinstance(part, slice) for part in index):
        array[index] = values
    else:
        array.oindex[tuple(part if isinstance(part, slice) else np.ravel(part) for part in index)] = values

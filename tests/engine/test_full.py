"""Sweeps into file systems that are really full, of bytes or of inodes: nothing is lost."""

import errno
import os
import subprocess
import sys

import jax
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.engine import store as stores
from jaxreg.errors import StoreError

AXES = {"seed": jr.seeds(40), "rate": [0.1, 0.3]}
LARGER = {"seed": jr.seeds(60), "rate": [0.1, 0.2, 0.3]}


def draw(*, seed, rate):
    return {"x": rate * jax.random.normal(seed, (300,)), "count": jax.random.randint(seed, (), 0, 9)}


def grow(path, axes=LARGER):
    return jr.sweep(draw, axes, store=path, chunk_size=8, progress=False).load()


def contents(path):
    with xr.open_zarr(path, chunks=None) as plain:
        return {name: v.values.tobytes() for name, v in plain.variables.items()}


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a small file system, or gives the one that is there another size."""
    if sys.platform != "linux":
        pytest.skip("no tmpfs here")
    place = tmp_path / "small"
    place.mkdir()

    def mount(**limits):
        options = ",".join(f"{name}={value}" for name, value in limits.items())
        again = ["-o", f"remount,{options}"] if os.path.ismount(place) else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *again, str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"may not mount: {done.stderr.strip()}")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the store holds in the end, on a disk with room."""
    path = tmp_path_factory.mktemp("whole") / "s.zarr"
    grow(path, AXES)
    grow(path)
    return contents(path)


def check_full(mounted, expected, tight, roomy):
    """Sweep where there is too little room: each try ends in a StoreError, readable, less to do; then with room."""
    done = 0
    for limits in (*tight, roomy):
        place = mounted(**limits)
        try:
            grow(place / "s.zarr", AXES)
            grow(place / "s.zarr")
            refused = None
        except StoreError as error:
            refused = error
        if (place / "s.zarr").exists():
            with xr.open_zarr(place / "s.zarr", chunks=None) as plain:
                plain.load()
                assert plain.done.sum() >= done
                done = int(plain.done.sum())
        if limits is roomy:
            assert refused is None
        else:
            assert refused.__cause__.errno == errno.ENOSPC
            assert "room" in str(refused)
    assert contents(place / "s.zarr") == expected
    assert not [path for path in place.rglob("*") if path.suffix == ".partial" or ".creating-" in path.name]


@pytest.fixture(autouse=True)
def _write_at_once(monkeypatch):
    """So that there are many moments at which room can be short."""
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 40, 72, 96, 120, 160, 200, 240, 300])
def test_a_disk_without_room(mounted, expected, kilobytes):
    sizes = [{"size": f"{kilobytes}k"}, {"size": f"{kilobytes + 8}k"}]
    check_full(mounted, expected, sizes, {"size": "20m"})


@pytest.mark.slow
@pytest.mark.parametrize("inodes", [2, 3, 8, 16, 24, 30])
def test_a_disk_without_inodes(mounted, expected, inodes):
    sizes = [{"size": "20m", "nr_inodes": inodes}, {"size": "20m", "nr_inodes": inodes + 2}]
    check_full(mounted, expected, sizes, {"size": "20m", "nr_inodes": 10_000})

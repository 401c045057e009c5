"""The lock of a store: one holder by any name of its folder, named by whoever comes second."""

import json
import os
import subprocess
import sys
import threading

import pytest

from jaxreg.engine.lock import hold_folder, hold_lock
from jaxreg.engine.places import NOTE
from jaxreg.errors import StoreError

ADA = json.dumps({"process": 7, "user": "ada", "host": "engine", "since": "noon"})


@pytest.fixture
def store(tmp_path):
    (tmp_path / "s.zarr" / "done").mkdir(parents=True)
    return tmp_path / "s.zarr"


def test_the_second_is_told_who_holds_it_even_before_the_note_is_there(store):
    with hold_folder(store):
        writer = threading.Timer(0.3, (store / NOTE).write_text, [ADA])
        writer.start()
        with pytest.raises(StoreError, match="written by process 7 of ada on engine since noon"), hold_lock(store):
            pass
        writer.join()


@pytest.mark.parametrize("note", [None, "[1]", "3", '"{process}"', "{}", '{"process": 1}', "\0", "{" * 10_000])
def test_a_lock_with_no_note_or_an_odd_one_is_still_a_lock(store, note, monkeypatch):
    monkeypatch.setattr("jaxreg.engine.lock._TRIES", 1)
    if note is not None:
        (store / NOTE).write_text(note)
    with hold_folder(store), pytest.raises(StoreError, match="another process"), hold_lock(store):
        pass
    with hold_lock(store) as stale:
        assert stale is None


def test_the_note_is_gone_with_its_holder(store):
    with hold_lock(store) as stale:
        assert stale is None
        assert json.loads((store / NOTE).read_text())["process"] == os.getpid()
    assert not (store / NOTE).exists()
    (store / NOTE).write_text(ADA)
    with hold_lock(store) as stale:
        assert stale == "process 7 of ada on engine since noon"


def test_no_name_of_a_store_leads_around_its_lock(store, tmp_path, monkeypatch):
    (tmp_path / "link.zarr").symlink_to(store)
    (tmp_path / "folder").symlink_to(tmp_path)
    monkeypatch.chdir(store)
    names = [tmp_path / "link.zarr", tmp_path / "folder" / "s.zarr", store / ".." / "s.zarr", store.relative_to(store)]
    with hold_lock(store):
        for name in names:
            with pytest.raises(StoreError, match=f"by process {os.getpid()}"), hold_lock(name):
                pass


def test_no_file_that_one_can_delete_is_the_lock(store):
    with hold_lock(store):
        for file in [*store.parent.rglob("*")]:
            if file.is_file():
                file.unlink()
        with pytest.raises(StoreError, match="another process"), hold_lock(store):
            pass


def test_a_link_in_the_place_of_the_note_is_not_followed(store, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    for name in (NOTE, f"{NOTE}.partial"):
        (store / name).symlink_to(thesis)
        with hold_lock(store):
            pass
    assert thesis.read_text() == "years of work"


@pytest.mark.skipif(sys.platform != "linux", reason="no bind mounts here")
def test_another_mount_of_a_store_leads_to_its_lock(store, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    made = subprocess.run(["mount", "--bind", str(store), str(other)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"may not mount: {made.stderr.strip()}")
    try:
        with hold_lock(store), pytest.raises(StoreError, match=f"by process {os.getpid()}"), hold_lock(other):
            pass
    finally:
        subprocess.run(["umount", "-l", str(other)], check=True)

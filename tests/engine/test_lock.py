"""The lock of a store: one holder, named by whoever comes second."""

import threading

import filelock
import pytest

from jaxreg.engine.lock import hold_lock
from jaxreg.errors import StoreError


def test_the_second_is_told_who_holds_it_even_before_the_note_is_there(tmp_path):
    store, lock = tmp_path / "s.zarr", filelock.FileLock(tmp_path / "s.zarr.lock")
    note = '{"process": 7, "user": "ada", "host": "engine", "since": "noon"}'
    with lock:
        writer = threading.Timer(0.3, (tmp_path / "s.zarr.owner").write_text, [note])
        writer.start()
        with pytest.raises(StoreError, match="written by process 7 of ada on engine since noon"), hold_lock(store):
            pass
        writer.join()


def test_a_lock_without_a_note_is_still_a_lock(tmp_path):
    with (
        filelock.FileLock(tmp_path / "s.zarr.lock"),
        pytest.raises(StoreError, match="another process"),
        hold_lock(tmp_path / "s.zarr"),
    ):
        pass


def test_the_note_is_gone_with_its_holder(tmp_path):
    with hold_lock(tmp_path / "s.zarr") as stale:
        assert stale is None
        assert (tmp_path / "s.zarr.owner").exists()
    assert not (tmp_path / "s.zarr.owner").exists()
    (tmp_path / "s.zarr.owner").write_text('{"process": 7, "user": "ada", "host": "engine", "since": "noon"}')
    with hold_lock(tmp_path / "s.zarr") as stale:
        assert stale == "process 7 of ada on engine since noon"

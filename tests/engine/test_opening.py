"""Stores while they are opened, finished or verified: interrupted, without rights, without room, without memory."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import xarray as xr

import jaxreg as jr
from jaxreg import __main__ as command
from jaxreg.engine import lock, sealing
from jaxreg.engine import store as stores
from jaxreg.engine.folder import Folder
from jaxreg.engine.lock import hold_folder
from jaxreg.engine.manifest import COPY
from jaxreg.engine.places import NOTE
from jaxreg.errors import StoreError

AXES = {"seed": jr.seeds(2), "a": [1.0, 2.0]}
LARGER = AXES | {"a": [1.0, 2.0, 3.0]}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def double(*, seed, a):
    return {"x": 2 * a}


def grow(store, axes=LARGER):
    return jr.sweep(double, axes, store=store, progress=False).load()


@pytest.fixture(scope="module")
def expected():
    return grow(None)


@pytest.fixture
def store(tmp_path):
    grow(tmp_path / "s.zarr", AXES)
    return tmp_path / "s.zarr"


def files(store):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in store.rglob("*") if path.is_file()}


def interrupt(monkeypatch, number, module, name):
    """Send a signal after the function `name` of a module has done its work; Python may still ignore it there."""
    function = getattr(module, name)

    def interrupted(*args, **options):
        result = function(*args, **options)
        signal.raise_signal(number)
        return result

    monkeypatch.setattr(module, name, interrupted)


OPENING = [
    (stores, "examine"),
    (stores, "open_catalog"),
    (stores, "extend_store"),
    (Folder, "begin"),
    (lock, "write_files"),
]


@pytest.mark.parametrize("number", CODES)
def test_signals_while_a_store_is_opened_are_answered(store, tmp_path, monkeypatch, number, capsys, expected):
    for module, name in OPENING:
        path = tmp_path / "new.zarr" if name == "begin" else store
        with monkeypatch.context() as patched:
            interrupt(patched, number, module, name)
            with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:
                grow(path)
        assert number == signal.SIGINT or ended.value.code == CODES[number]
        assert f"{path}: interrupted" in capsys.readouterr().err
        assert not (path / NOTE).exists()
        with hold_folder(path):
            pass
    assert grow(store).equals(expected)


@pytest.mark.parametrize("number", CODES)
def test_signals_while_a_store_is_verified_are_answered(store, monkeypatch, number, capsys):
    (store / ".zgroup").unlink()
    for module, name in [(command, "examine"), (command, "open_catalog"), (command, "repair"), (lock, "write_files")]:
        with monkeypatch.context() as patched, contextlib.suppress(SystemExit):
            interrupt(patched, number, module, name)
            code = command.main(["verify", str(store), "--repair"])
            assert code == CODES[number] == 130
        assert f"{store}: interrupted" in capsys.readouterr().err
        assert not (store / NOTE).exists()
        with hold_folder(store):
            pass
    assert command.main(["verify", str(store)]) == 0


def test_a_finished_store_is_read_and_left_as_it_is(store, monkeypatch):
    """Also on a disk that takes nothing more, and by half of what it holds."""
    whole, before = grow(store, AXES), files(store)

    def full(self, mode="r", *args, **options):
        if "x" in mode:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return usual(self, mode, *args, **options)

    usual = Path.open
    monkeypatch.setattr(Path, "open", full)
    assert grow(store, AXES).equals(whole)
    assert grow(store, AXES | {"a": [2.0]}).equals(whole.isel(a=[1]))
    assert command.main(["verify", str(store)]) == 0
    with pytest.raises(StoreError, match=r"cannot be used .*No space left.*Make room"):
        grow(store)
    assert files(store) == before


@pytest.mark.parametrize(
    "kind", [MemoryError(), RuntimeError("no memory for the compressor"), OSError(errno.EIO, "torn")]
)
def test_what_fails_at_the_last_write_is_said_in_words(store, monkeypatch, kind, expected):
    failing = [kind] * 9
    write = stores.Batch.write

    def short(self, guard):
        if failing:
            raise failing.pop()
        write(self, guard)

    monkeypatch.setattr(stores.Batch, "write", short)
    monkeypatch.setattr(stores, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 1e9)  # the last write is the only one, on a busy machine too
    with pytest.raises(StoreError, match=r"cannot be written \(.*cells that are marked done stay") as failure:
        grow(store)
    assert failure.value.__cause__ is kind
    failing[:] = [kind] if isinstance(kind, MemoryError) else []
    assert grow(store).equals(expected)  # a shortage that passes is waited for


def test_a_system_without_threads_to_give_is_no_loss(store, monkeypatch, expected):
    class Refused:
        def __init__(self, *args):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sealing, "ThreadPoolExecutor", Refused)
    assert grow(store).equals(expected)


@pytest.mark.parametrize("name", ["x/0.0", "a/0", ".zattrs", "done/0.0", COPY])
def test_a_file_that_may_not_be_read_is_said_in_words_and_kept(store, monkeypatch, name):
    lazy = jr.sweep(double, AXES, store=store, progress=False)
    before = files(store)

    def refused(self):
        if self == store / name:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return usual(self)

    usual = Path.read_bytes
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refused)
        with pytest.raises(StoreError, match=rf"Permission denied: .*{name}.*Change the permissions"):
            grow(store)
        assert command.main(["verify", str(store), "--repair"]) == 2
        if name == "x/0.0":
            with pytest.raises(StoreError, match=rf"Permission denied: .*{name}.*Change the permissions"):
                lazy.load()
    assert files(store) == before


def test_a_store_is_made_in_an_empty_folder_that_is_there_or_begun_anew(tmp_path, monkeypatch, expected):
    (tmp_path / "s.zarr").mkdir()
    place = (tmp_path / "s.zarr").stat().st_ino
    with monkeypatch.context() as patched:
        patched.setattr("jaxreg.engine.layout.publish", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            grow(tmp_path / "s.zarr")
    assert command.main(["verify", str(tmp_path / "s.zarr")]) == 2
    assert grow(tmp_path / "s.zarr").equals(expected)
    assert (tmp_path / "s.zarr").stat().st_ino == place
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]
    assert not (tmp_path / "s.zarr" / ".creating").exists()
    with xr.open_zarr(tmp_path / "s.zarr", chunks=None) as plain:
        assert plain.done.all()


RIGHTS = textwrap.dedent(
    """
    import os, sys
    import jaxreg as jr
    from jaxreg.__main__ import main
    folder = sys.argv[1]
    def double(*, seed, a):
        return {"x": 2 * a}
    def grow(name, values):
        try:
            axes = {"seed": jr.seeds(2), "a": values}
            return jr.sweep(double, axes, store=name and f"{folder}/{name}", progress=False)
        except jr.errors.StoreError as error:
            return error
    print(grow(None, [1.0]).x.size)  # imports everything while files may be read
    os.setegid(65534); os.seteuid(65534)
    print(grow("s.zarr", [1.0, 2.0]).load().x.size, grow("s.zarr", [1.0, 2.0, 3.0]).load().x.size)
    result = grow("empty", [1.0])
    print(result.x.size)
    os.chmod(f"{folder}/empty/x/0.0", 0)
    print(grow("empty", [1.0]))
    try:
        result.load()
    except jr.errors.StoreError as error:
        print(error)
    print(main(["verify", f"{folder}/empty"]))
    print(grow("new.zarr", [1.0]))
    """
)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="another user's files need root to be made")
def test_a_folder_that_may_not_be_written_holds_stores_that_may(tmp_path):
    shared = tmp_path / "shared"
    grow(shared / "s.zarr", AXES)
    (shared / "empty").mkdir()
    for path in (shared / "empty", shared / "s.zarr", *(shared / "s.zarr").rglob("*")):
        os.chown(path, 65534, 65534)
    shared.chmod(0o711)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", RIGHTS, str(shared)], capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert said[:3] == ["2", "4 6", "2"], done.stdout + done.stderr[-3000:]
    for line in said[3:5]:
        assert "Permission denied: " in line
        assert "x/0.0" in line
        assert "Change the permissions" in line
    assert said[5] == "2"
    assert f"cannot be made: the folder {shared} may not be written" in said[6]

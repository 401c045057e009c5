"""Downloads: mirrors in turn, content checked, and never a broken file in the cache."""

import gzip
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jaxreg.datasets import download, load
from jaxreg.datasets.catalogue import COLLECTIONS, FILES
from jaxreg.errors import DataError

from .conftest import Answer, Server, Small, idx

FIRST = next(iter(FILES))
HTML = b"<!DOCTYPE html><html><body>Service moved</body></html>"


def good(small: Small, level: int = 9) -> dict[str, bytes]:
    return {file: gzip.compress(content, level) for file, content in small.content.items()}


def cached(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def test_a_download_is_kept_and_used_offline(
    small: Small, mirrors: Callable, server: Server, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors(server.offer("good", good(small)))
    first = load("mnist")
    np.testing.assert_array_equal(first.y_train, small.arrays["train-labels-idx1-ubyte"])
    assert len(server.requests) == 4
    assert cached(isolated) == sorted(f"{file}.gz" for file in FILES)
    assert not list((isolated / "mnist").glob(".download-*"))
    second = load("mnist")
    assert len(server.requests) == 4
    np.testing.assert_array_equal(second.x_train, first.x_train)
    # A JAXREG_DATA folder without this collection does not stand in the way of the cache.
    (isolated.parent / "elsewhere").mkdir()
    monkeypatch.setenv("JAXREG_DATA", str(isolated.parent / "elsewhere"))
    np.testing.assert_array_equal(load("mnist").x_train, first.x_train)


def test_every_bad_mirror_is_passed_over(small: Small, mirrors: Callable, server: Server, isolated: Path) -> None:
    files = good(small)
    other = {file: gzip.compress(idx(array[::-1].copy())) for file, array in small.arrays.items()}
    bad = [
        server.offer("page", dict.fromkeys(FILES, HTML)),
        server.offer("truncated", {file: content[: len(content) // 2] for file, content in files.items()}),
        server.offer("other", other),
        server.offer("garbage", dict.fromkeys(FILES, b"\x00\xff" * 500)),
        f"{server.address}/absent/",
    ]
    for file, content in files.items():  # refused, and a connection that breaks in the middle
        server.answers[f"/refused/{file}.gz"] = Answer(HTML, 403)
        server.answers[f"/broken/{file}.gz"] = Answer(content[:100], promised=len(content))
    bad += [f"{server.address}/refused/", f"{server.address}/broken/"]
    mirrors(*bad)
    with pytest.raises(DataError) as caught:
        load("mnist")
    message = str(caught.value)
    for place, reason in [
        ("page", "is a web page"),
        ("truncated", "is cut short"),
        ("other", "is not the original: the MD5 of its content is"),
        ("garbage", "is no IDX file"),
        ("absent", "HTTPError 404"),
        ("refused", "HTTPError 403"),
        ("broken", ""),
    ]:
        assert any(place in part and reason in part for part in message.split("; ")), place
    assert cached(isolated) == []
    mirrors(*bad, server.offer("good", good(small, level=1)))  # compressed in another way: the content counts
    np.testing.assert_array_equal(
        load("mnist", scale=False).x_test.ravel(), small.arrays["t10k-images-idx3-ubyte"].ravel()
    )
    assert len(cached(isolated)) == 4


def test_good_files_stay_when_a_later_one_fails(
    small: Small, mirrors: Callable, server: Server, isolated: Path
) -> None:
    files = good(small)
    labels = "t10k-labels-idx1-ubyte"
    mirrors(server.offer("half", {**files, labels: HTML}))
    with pytest.raises(DataError, match=f"{labels}.gz is not in the cache"):
        load("mnist")
    assert cached(isolated) == sorted(f"{file}.gz" for file in FILES if file != labels)
    server.requests.clear()
    server.offer("half", files)
    load("mnist")
    assert server.requests == [f"/half/{labels}.gz"]


def test_a_damaged_cache_is_mended(small: Small, mirrors: Callable, server: Server, isolated: Path) -> None:
    mirrors(server.offer("good", good(small)))
    load("mnist")
    damaged = isolated / "mnist" / f"{FIRST}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    mirrors()
    with pytest.raises(DataError, match=f"{FIRST}.gz is cut short"):
        load("mnist")
    mirrors(f"{server.address}/good/")
    load("mnist")
    mirrors()
    load("mnist")


def test_without_network(small: Small, mirrors: Callable, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(address: str, path: Path) -> None:
        raise ConnectionError(-2, "Name or service not known")

    monkeypatch.setattr(download, "fetch", no_network)
    mirrors("https://first.invalid/", "https://second.invalid/")
    monkeypatch.setenv("JAXREG_DATA", str(isolated.parent))
    with pytest.raises(DataError) as caught:
        load("mnist")
    message = str(caught.value)
    for part in (
        "dataset = 'mnist'",
        f"it is not in {isolated.parent} (JAXREG_DATA)",
        f"{FIRST}.gz is not in the cache {isolated / 'mnist'}",
        "https://first.invalid/: ConnectionError Name or service not known",
        "https://second.invalid/: ConnectionError",
        "Set JAXREG_DATA",
        'load("digits")',
    ):
        assert part in message
    assert cached(isolated) == []


def test_nobody_listens(small: Small, mirrors: Callable, isolated: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mirrors(f"http://127.0.0.1:{port}/")
    with pytest.raises(DataError, match=f"http://127.0.0.1:{port}/: ConnectionRefusedError Connection refused"):
        load("mnist")
    assert cached(isolated) == []


def test_the_cache_folder_cannot_be_made(small: Small, mirrors: Callable, isolated: Path) -> None:
    isolated.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cache folder = .*Set JAXREG_CACHE"):
        load("mnist")


def test_an_interrupt_leaves_nothing(
    small: Small, mirrors: Callable, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(address: str, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch", interrupted)
    mirrors("https://first.invalid/")
    with pytest.raises(KeyboardInterrupt):
        load("mnist")
    assert list((isolated / "mnist").iterdir()) == []


def test_a_killed_process_leaves_no_broken_file(
    small: Small, mirrors: Callable, server: Server, isolated: Path
) -> None:
    files = good(small)
    mirrors(server.offer("good", files))
    hold = threading.Event()
    server.answers[f"/slow/{FIRST}.gz"] = Answer(files[FIRST][:-50], promised=len(files[FIRST]), hold=hold)
    code = (
        "from jaxreg.datasets.catalogue import COLLECTIONS; from jaxreg.datasets import load\n"
        f"COLLECTIONS['mnist'] = COLLECTIONS['mnist']._replace(mirrors=('{server.address}/slow/',))\n"
        "load('mnist')"
    )
    child = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ), stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if any(path.stat().st_size for path in isolated.rglob(f"{FIRST}.gz")):
                break
            assert child.poll() is None
            threading.Event().wait(0.05)
        else:
            pytest.fail("the download never began")
    finally:
        child.kill()
        child.wait()
        hold.set()
    assert not (isolated / "mnist" / f"{FIRST}.gz").exists()
    np.testing.assert_array_equal(load("mnist").y_test, small.arrays["t10k-labels-idx1-ubyte"])


def test_the_cache_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXREG_CACHE", "~/somewhere")
    assert download.cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("JAXREG_CACHE")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert download.cache_folder() == Path.home() / "Library" / "Caches" / "jaxreg"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert download.cache_folder() == Path("/somewhere/jaxreg")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert download.cache_folder() == Path.home() / ".cache" / "jaxreg"


def test_stand_ins_do_not_outlive_their_test() -> None:
    assert COLLECTIONS["mnist"].checksums[0] == "6bbc9ace898e44ae57da46a324031adb"
    assert COLLECTIONS["mnist"].mirrors

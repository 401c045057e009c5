"""Small stand-ins for the MNIST files, a real web server on this machine, and the real MNIST where it is at hand."""

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from jaxreg.datasets.catalogue import COLLECTIONS, FILES

GIVEN = os.environ.get("JAXREG_DATA")
BESIDE = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting and no cache of the machine reaches a test; returns the cache folder."""
    monkeypatch.delenv("JAXREG_DATA", raising=False)
    monkeypatch.setenv("JAXREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def real_mnist() -> Path:
    """The folder of the real MNIST."""
    for folder in [Path(GIVEN)] if GIVEN else [BESIDE]:
        if any((folder / sub / "train-images-idx3-ubyte.gz").exists() for sub in ("", "mnist")):
            return folder
    pytest.skip("MNIST is not at hand: set JAXREG_DATA to its folder")


def idx(array: np.ndarray) -> bytes:
    """IDX content, written independently of jaxreg."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


class Small(NamedTuple):
    """A collection of 40 + 20 images that passes for "mnist", and the content of its files."""

    arrays: dict[str, np.ndarray]
    content: dict[str, bytes]

    def write(self, folder: Path, *, compressed: bool = True, dotted: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in self.content.items():
            name = file.replace("-idx", ".idx") if dotted else file
            path = folder / (f"{name}.gz" if compressed else name)
            path.write_bytes(gzip.compress(content) if compressed else content)
        return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    rng = np.random.default_rng(5)
    shapes = [(40, 28, 28), (40,), (20, 28, 28), (20,)]
    highest = [256, 10, 256, 10]
    arrays = {
        file: rng.integers(0, high, shape).astype(np.uint8)
        for file, shape, high in zip(FILES, shapes, highest, strict=True)
    }
    content = {file: idx(array) for file, array in arrays.items()}
    checksums = tuple(hashlib.md5(data).hexdigest() for data in content.values())
    stand_in = COLLECTIONS["mnist"]._replace(checksums=checksums, mirrors=())
    monkeypatch.setitem(COLLECTIONS, "mnist", stand_in)
    return Small(arrays, content)


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch, small: Small) -> Callable[..., None]:
    """Sets the addresses from which "mnist" is downloaded."""

    def set_mirrors(*addresses: str) -> None:
        monkeypatch.setitem(COLLECTIONS, "mnist", COLLECTIONS["mnist"]._replace(mirrors=addresses))

    return set_mirrors


class Answer(NamedTuple):
    """What the server sends: `promised` bytes in the header, `body` in fact; then it waits for `hold`, if given."""

    body: bytes
    status: int = 200
    promised: int | None = None
    hold: threading.Event | None = None


class Server(NamedTuple):
    address: str
    answers: dict[str, Answer]
    requests: list[str]

    def offer(self, mirror: str, files: dict[str, bytes]) -> str:
        """Serve the files under a folder; returns its address."""
        self.answers.update({f"/{mirror}/{file}.gz": Answer(body) for file, body in files.items()})
        return f"{self.address}/{mirror}/"


@pytest.fixture
def server() -> Iterator[Server]:
    answers: dict[str, Answer] = {}
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            answer = answers.get(self.path, Answer(b"<html><body>Not Found</body></html>", 404))
            self.send_response(answer.status)
            self.send_header("Content-Length", str(answer.promised or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            if answer.hold is not None:
                self.wfile.flush()
                answer.hold.wait(30)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield Server(f"http://127.0.0.1:{http.server_port}", answers, requests)
        http.shutdown()
        thread.join()

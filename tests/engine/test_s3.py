"""Stores on a local S3 server, with real workers and drivers that are killed (extra `test-s3`)."""

import collections
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.__main__ import verify
from jaxreg.engine import lease
from jaxreg.engine.locating import find_place
from tests.engine.spreading import (
    AXES,
    SPREADING,
    files_of,
    kill_a_worker,
    make_environment,
    make_executor,
    sweep,
    walk_twice,
)

obstore = pytest.importorskip("obstore")
pytest.importorskip("moto")
pytest.importorskip("flask")
pytestmark = pytest.mark.slow
MOST_REQUESTS = 300  # 450 were asked; 205 to 270 are needed
TILES = AXES | {"seed": jr.seeds(48)}  # 24 tiles


class Server:
    """Amazon's S3 as moto has it, in a thread; counts requests by method."""

    def __init__(self):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.counts, app = collections.Counter(), DomainDispatcherApplication(create_backend_app)

        def counted(environ, start_response):
            self.counts[environ["REQUEST_METHOD"]] += 1
            return app(environ, start_response)

        self.server = make_server("127.0.0.1", 0, counted, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.server.shutdown()


@pytest.fixture
def bucket(server, monkeypatch):
    """The URL of a new bucket, which processes that are started now know how to reach."""
    account = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    for name, value in (account | {"AWS_ENDPOINT_URL": server.url, "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    name = f"b{secrets.token_hex(8)}"
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/{name}", method="PUT")).close()
    server.counts.clear()
    return f"s3://{name}/study.zarr"


@pytest.fixture(autouse=True)
def brief(same_id, monkeypatch):
    """Bytes can be compared; leases that nobody renews end soon."""
    monkeypatch.setattr(lease, "LIFE", 3.0)
    monkeypatch.setattr(lease, "BEAT", 0.5)


def objects_of(url):
    place = find_place(url)
    found = obstore.list(place.store).collect()
    return {
        one["path"]: place.read(one["path"])
        for one in found
        if not one["path"].startswith((".zattrs", ".zmetadata", "done/man", "done/.owner"))
    }


@pytest.mark.parametrize("kind", [None, "dask"])
def test_requests_are_few_and_bytes_those_of_a_folder(kind, bucket, server, tmp_path, one_by_one, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 8.0)
    sweep(tmp_path / "s.zarr", walk_twice, axes=TILES)
    server.counts.clear()
    with make_executor(kind) if kind else contextlib.nullcontext() as pool:
        sweep(bucket, walk_twice, axes=TILES, executor=pool)
    assert server.counts.total() <= MOST_REQUESTS
    ours = objects_of(bucket)
    assert sum(name.rpartition("/")[2][0].isdigit() for name in ours) >= 42
    assert ours == files_of(tmp_path / "s.zarr")
    assert verify(bucket)[0] == 0


def test_a_killed_worker_costs_its_task(bucket, tmp_path, one_by_one, monkeypatch):
    came = kill_a_worker(monkeypatch, 3)
    sweep(tmp_path / "s.zarr")
    with make_executor("dask") as pool:
        sweep(bucket, executor=pool)
    assert len(came) == 12
    assert objects_of(bucket) == files_of(tmp_path / "s.zarr")


def test_a_killed_driver_goes_on_with_more_workers(bucket, tmp_path):
    command = [sys.executable, str(SPREADING), bucket]
    killed = subprocess.run([*command, "5", "2"], capture_output=True, text=True, env=make_environment())
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    whole = sweep(tmp_path / "s.zarr").load()
    with xr.open_zarr(find_place(bucket).to_zarr(), chunks=None) as plain:
        done = plain.done.values
        assert 0 < done.sum() < done.size
        np.testing.assert_array_equal(plain.weight.values[done], whole.weight.values[done])
    again = subprocess.run([*command, "0", "3"], capture_output=True, text=True, env=make_environment())
    assert again.returncode == 0, again.stderr[-2000:]
    assert objects_of(bucket) == files_of(tmp_path / "s.zarr")
    assert verify(bucket)[0] == 0


KILLED = ("one", "threads", "spawn", "dask", "dask, a worker too")


@pytest.mark.campaign
@pytest.mark.parametrize("where", ["a folder", "a bucket"])
def test_kills_at_random(where, bucket, tmp_path):
    """Drivers with workers of every kind, and some of the workers, are killed at random; others, or none, go on."""
    dask = pytest.importorskip("dask.distributed")
    moments = np.random.default_rng(int(os.environ.get("JAXREG_KILLS_SEED", "16")))
    whole = sweep(tmp_path / "s.zarr").load()
    expected = files_of(tmp_path / "s.zarr")
    programs = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    for trial in range(int(os.environ.get("JAXREG_KILLS", "10"))):
        kind = KILLED[trial % len(KILLED)]
        store = str(tmp_path / f"{trial}.zarr") if where == "a folder" else f"{bucket}/{trial}.zarr"
        with contextlib.ExitStack() as stack:
            workers, others = kind, [None, stack.enter_context(make_executor("threads", 3))]
            if "dask" in kind:
                options = {"threads_per_worker": 1, "dashboard_address": None, "preload": ["tests.engine.spreading"]}
                cluster = stack.enter_context(dask.LocalCluster(2, **options))  # the preload sets up JAX
                client = stack.enter_context(dask.Client(cluster))
                workers, others = cluster.scheduler_address, [*others, client.get_executor()]
            if kind == "dask, a worker too":
                worker = moments.choice(list(client.run(os.getpid).values()))
                killing = threading.Timer(moments.uniform(4, 12), os.kill, (worker, signal.SIGKILL))
                stack.callback(killing.cancel)
                killing.start()
            command = [sys.executable, str(SPREADING), store, str(moments.integers(1, 12)), workers]
            environment = make_environment() | programs
            with subprocess.Popen(command, env=environment, start_new_session=True) as driver:
                assert driver.wait() == -signal.SIGKILL, kind
            with xr.open_zarr(find_place(store).to_zarr(), chunks=None) as plain:
                done = plain.done.values
                np.testing.assert_array_equal(plain.weight.values[done], whole.weight.values[done])
            sweep(store, executor=others[trial // len(KILLED) % len(others)])
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # processes of a pool outlive a driver that was killed
        assert (files_of(store) if where == "a folder" else objects_of(store)) == expected, kind
        print(f"{where}, {kind}: {done.sum()} of {done.size} runs were there, then all, bytes equal", flush=True)

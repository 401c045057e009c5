"""Stores in an object store: the bytes of a folder, few requests, a lease, and nothing lost at any request."""

import collections
import functools
import json
import pickle
import sys
import threading
import time
import types
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg import __main__ as command
from jaxreg.engine import layout, lease, worker
from jaxreg.engine import store as stores
from jaxreg.engine.bucket import Bucket
from jaxreg.engine.locating import find_place
from jaxreg.engine.manifest import COPY
from jaxreg.engine.places import NOTE, PAYLOAD
from jaxreg.errors import StoreError, StoreWarning
from tests.engine.spreading import files_of

obstore = pytest.importorskip("obstore")
from obstore.store import MemoryStore  # noqa: E402
from zarr.storage import LocalStore, ObjectStore  # noqa: E402

REQUESTS = ("put", "get", "head", "list_with_delimiter", "delete")
FEW = {"seed": jr.seeds(4), "rate": [0.1, 0.3]}
TINY = {"chunk_size": 2, "progress": False}


@pytest.fixture
def bucket():
    return ObjectStore(MemoryStore())


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Leases that nobody renews end soon."""
    monkeypatch.setattr(lease, "LIFE", 0.2)
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "_LOOK", 0.01)


class Wire:
    """Counts requests; from the one numbered `last` on, none gets through: the process was killed, for the store."""

    def __init__(self, monkeypatch):
        self.counts, self.last = collections.Counter(), np.inf
        for name in REQUESTS:
            monkeypatch.setattr(obstore, name, self._counted(name, getattr(obstore, name)))

    def _counted(self, name, request):
        def counted(store, *args, **options):
            if threading.current_thread().name != "lease":  # renewals come by the clock
                self.counts[name] += 1
            if self.counts.total() > self.last:
                raise obstore.exceptions.GenericError("connection lost")
            return request(store, *args, **options)

        return counted

    def cut(self, last=np.inf):
        """Count from 0."""
        self.counts.clear()
        self.last = last


@pytest.fixture
def wire(monkeypatch):
    return Wire(monkeypatch)


def objects_of(bucket):
    found = obstore.list(bucket.store).collect()
    data = {one["path"]: bytes(obstore.get(bucket.store, one["path"]).bytes()) for one in found}
    return {
        name: data for name, data in data.items() if not name.startswith((".zattrs", ".zmetadata", "done/man", NOTE))
    }


def double(*, seed, rate):
    """Two runs have more than the 128 KiB that files are joined below: workers write `x`, the driver `y`."""
    return {"x": rate + jnp.arange(20_000.0) * jax.random.normal(seed), "y": rate}


def small(store, axes=FEW, **options):
    return jr.sweep(double, axes, dims={"x": ("part",)}, store=store, **TINY | options)


def test_an_object_store_holds_the_bytes_of_a_folder(bucket, tmp_path, same_id, wire):
    more = {"seed": jr.seeds(7), "rate": [0.1, 0.3, 0.7]}
    with ThreadPoolExecutor(2) as pool:
        for axes, executor in ((FEW, pool), (more, None), (more, pool)):
            whole = small(tmp_path / "s.zarr", axes).load()
            result = small(bucket, axes, executor=executor).load()
            xr.testing.assert_identical(result.drop_attrs(), whole.drop_attrs())
            ours, theirs = objects_of(bucket), files_of(tmp_path / "s.zarr")
            assert {name for name in ours | theirs if ours.get(name) != theirs.get(name)} == set()
    with xr.open_zarr(bucket, chunks=None) as plain:
        assert plain.done.all()
    assert command.verify(bucket)[0] == 0
    assert jr.replay(bucket, double, more, seed=3, rate=0.3).attrs["difference"] == 0
    wire.cut()
    small(bucket, more)
    assert wire.counts["put"] <= 6  # the lease: allowed, taken, tested thrice, left


def test_nothing_is_lost_at_any_request(bucket, wire):
    """Cut off at a request, as by a kill: what is marked done is there, and the same sweep again goes on."""
    whole = small(None)
    few = FEW | {"seed": jr.seeds(2)}
    small(probe := ObjectStore(MemoryStore()), few)
    wire.cut()
    small(probe)
    for last in (
        np.random.default_rng(16).choice(wire.counts.total() - 2, 6, replace=False).tolist()
    ):  # the last leaves the lease
        bucket = ObjectStore(MemoryStore())
        small(bucket, few)
        wire.cut(last)
        with pytest.raises(StoreError, match="connection lost"):
            small(bucket)
        wire.cut()
        assert command.verify(bucket)[0] in (0, 3)
        with xr.open_zarr(bucket, chunks=None) as plain:
            done = plain.done.values
            np.testing.assert_array_equal(plain.x.values[done], whole.x.values[: len(done)][done])
            assert done[:2].all()
        xr.testing.assert_identical(small(bucket).load().drop_attrs(), whole.drop_attrs())


def test_what_was_begun_is_begun_anew_and_what_is_foreign_is_kept(bucket, wire):
    for last in (4, 12):  # within the making of a store
        wire.cut(last)
        with pytest.raises(StoreError, match="connection lost"):
            small(bucket)
    wire.cut()
    assert command.main(["verify", "s3://"]) == 2
    with pytest.raises(StoreError, match="holds nothing"):
        command.verify(bucket)
    assert small(bucket).load().drop_attrs().identical(small(None).drop_attrs())
    other = ObjectStore(MemoryStore())
    obstore.put(other.store, "thesis.txt", b"mine")
    with pytest.raises(StoreError, match="holds what jaxreg did not write"):
        small(other)
    assert [one["path"] for one in obstore.list(other.store).collect()] == ["thesis.txt"]


DAMAGE = {
    "x/0.0.0": (b"x", "x/0.0.0 is not what was written there"),
    "y/0.0": (None, "y/0.0 is missing"),
    ".zgroup": (None, ".zgroup is missing"),
    ".zmetadata": (b"{}", ".zmetadata is not what was written there"),
    "seed/0": (None, "seed/0 is missing"),
    "done/0.0": (b"", "done/0.0 is not what was written there"),
    COPY: (None, f"{COPY} is missing"),
}


@pytest.mark.filterwarnings("ignore::jaxreg.errors.StoreWarning")
def test_damage_is_found_and_repaired_as_in_a_folder(bucket, same_id):
    small(bucket)
    before = objects_of(bucket)
    for name, (data, expected) in DAMAGE.items():
        obstore.delete(bucket.store, name) if data is None else obstore.put(bucket.store, name, data)
        code, lines = command.verify(bucket)
        assert (code, expected in lines) == (1, True), lines
        assert command.verify(bucket, mend=True)[0] in (0, 3)
        small(bucket)
        assert command.verify(bucket)[0] == 0
    assert objects_of(bucket) == before
    obstore.put(bucket.store, "x/0.0.0", b"x")
    with pytest.warns(StoreWarning, match=r"x/0\.0\.0 is not what was written there"):
        small(bucket)


def at_write(monkeypatch, number, happens):
    """Something happens before a block is written, when none is being written."""
    write, blocks = stores.Store.write, []

    def changing(self, positions, block):
        blocks.append(positions)
        if len(blocks) == number:
            self.flush()
            happens()
        write(self, positions, block)

    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(stores.Store, "write", changing)


def take_over(bucket):
    obstore.put(
        bucket.store, NOTE, json.dumps({"process": 7, "user": "ada", "host": "engine", "since": "noon"}).encode()
    )


CHANGES = {
    "the lease taken over": take_over,
    "all deleted": lambda bucket: obstore.delete(
        bucket.store, [o["path"] for o in obstore.list(bucket.store).collect()]
    ),
    "metadata changed": lambda bucket: obstore.put(bucket.store, ".zmetadata", b"{}"),
    "a file written by another": lambda bucket: obstore.put(bucket.store, "y/0.0", b"x"),
}


@pytest.mark.filterwarnings("ignore::jaxreg.errors.StoreWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_what_another_does_is_noticed_at_the_next_write(bucket, monkeypatch, change):
    with monkeypatch.context() as patch:
        at_write(patch, 3, lambda: CHANGES[change](bucket))
        with pytest.raises(StoreError, match="was deleted, moved or changed by another process while the sweep ran"):
            small(bucket, chunk_size=1)
    assert small(bucket).load().drop_attrs().identical(small(None).drop_attrs())


SLEPT = {"it examined": (stores, "examine"), "it made the store": (layout, "publish")}


@pytest.mark.parametrize("stage", SLEPT)
def test_who_sleeps_through_the_loss_of_its_lease_changes_nothing(bucket, monkeypatch, stage):
    """All of a process stops, another takes the lease and ends the work; then the first goes on."""
    module, name = SLEPT[stage]
    work, more = getattr(module, name), FEW | {"seed": jr.seeds(6)}
    monkeypatch.setattr(lease, "BEAT", 60.0)

    def slowly(*args):
        monkeypatch.setattr(module, name, work)
        found = work(*args) if name == "examine" else None
        small(bucket, more)
        after.update(objects_of(bucket))
        return found or work(*args)

    after = {}
    monkeypatch.setattr(module, name, slowly)
    with pytest.raises(StoreError, match="the lease was taken over"):
        small(bucket)
    assert objects_of(bucket) == after
    assert command.verify(bucket)[0] == 0


class CutOff(Executor):
    """Loses its worker, which goes on: what it would write comes when `late` is called."""

    late = None

    def submit(self, task, *given):
        future = Future()
        if task is worker.compute:
            self.late = functools.partial(task, *given)
            future.set_exception(RuntimeError("lost"))
        else:
            future.set_result(task(*given))
        return future


@pytest.mark.parametrize("kind", ["folder", "bucket"])
@pytest.mark.parametrize("moment", ["before it begins", "as it writes"])
def test_a_worker_that_was_given_up_writes_nothing_over_what_came_later(bucket, tmp_path, monkeypatch, kind, moment):
    store = bucket if kind == "bucket" else tmp_path / "s.zarr"
    place = find_place(store)
    write, cut = type(place).write_if, CutOff()
    with pytest.raises(RuntimeError, match="lost"):
        small(store, FEW | {"seed": jr.seeds(1)}, executor=cut, chunk_size=8)

    def slowly(self, files, seen):
        monkeypatch.setattr(type(place), "write_if", write)
        small(store)
        write(self, files, seen)

    if moment == "as it writes":
        monkeypatch.setattr(worker, "read_token", lambda place: cut.late.args[0].store[2])
        monkeypatch.setattr(type(place), "write_if", slowly)
    else:
        small(store)
    with pytest.raises(StoreError, match="was changed by another process while process"):
        cut.late()
    assert command.verify(store)[0] == 0
    with xr.open_zarr(place.to_zarr(), chunks=None) as plain:
        assert plain.done.all()
        assert plain.y.all()
        assert plain.x[..., 1].all()


def test_one_writes_at_a_time(bucket, monkeypatch):
    """While it lives, however long it computes; what it leaves behind is taken over."""
    monkeypatch.setattr(lease, "LIFE", 1.0)
    refused = []

    def attempt():
        time.sleep(1.5)  # computing; the lease is renewed beside it
        with pytest.raises(StoreError) as error:
            small(bucket)
        refused.append(str(error.value))

    at_write(monkeypatch, 2, attempt)
    small(bucket)
    assert "is being written by process" in refused[0]


def test_a_dead_owner_is_taken_over_and_named(bucket, capsys):
    small(bucket)
    take_over(bucket)
    small(bucket, FEW | {"seed": jr.seeds(6)}, progress=True)
    said = capsys.readouterr().err
    assert "whether process 7 of ada on engine since noon, which wrote it last, still lives" in said
    assert "taking over from process 7 of ada on engine since noon" in said


def test_of_many_one_gets_the_lease(bucket):
    holders, refused = [], []

    def attempt():
        try:
            with lease.hold_lease(place):
                holders.append(1)
                assert len(holders) == 1
                time.sleep(0.5)
        except StoreError:
            refused.append(1)

    place = find_place(bucket)
    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(holders), len(refused)) == (1, 15)


IGNORED = {
    "If-None-Match": lambda mode: "overwrite" if mode == "create" else mode,
    "If-Match": lambda mode: "overwrite" if isinstance(mode, dict) else mode,
}


@pytest.mark.parametrize("condition", IGNORED)
def test_a_store_that_heeds_no_condition_is_refused(bucket, monkeypatch, condition):
    put = obstore.put

    def heeding(store, name, data, mode="overwrite"):
        return put(store, name, data, mode=IGNORED[condition](mode))

    monkeypatch.setattr(obstore, "put", heeding)
    with pytest.raises(StoreError, match=f"must heed the condition of a put .{condition}"):
        small(bucket)
    assert not obstore.list(bucket.store).collect()


def test_a_store_without_conditional_updates_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(StoreError, match="cannot put an object under a condition"):
        small(ObjectStore(obstore.store.LocalStore(tmp_path)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Versions:
    """Puts as Google's storage takes them: under the version of an object, not its e-tag."""

    def __init__(self, monkeypatch):
        self.versions = {}
        for name in ("put", "get", "head"):
            monkeypatch.setattr(obstore, name, getattr(self, name + "_as")(getattr(obstore, name)))

    def put_as(self, put):
        def putting(store, name, data, mode="overwrite"):
            if isinstance(mode, dict):
                if not mode.get("version"):
                    raise obstore.exceptions.GenericError("Version required for conditional update")
                if mode["version"] != self.versions[name]:
                    raise obstore.exceptions.PreconditionError("another version")
                mode = "overwrite"
            told = put(store, name, data, mode=mode)
            self.versions[name] = str(int(self.versions.get(name, 1)) + 1)
            return told | {"version": self.versions[name]}

        return putting

    def get_as(self, get):
        def getting(store, name):
            told = get(store, name)
            return types.SimpleNamespace(meta=told.meta | {"version": self.versions[name]}, bytes=told.bytes)

        return getting

    def head_as(self, head):
        return lambda store, name: head(store, name) | {"version": self.versions[name]}


def test_a_store_that_compares_versions_is_written(bucket, monkeypatch):
    Versions(monkeypatch)
    small(bucket, FEW | {"seed": jr.seeds(2)})
    assert small(bucket, chunk_size=1).load().drop_attrs().identical(small(None).drop_attrs())


LOST = {"a signal": KeyboardInterrupt, "the network": obstore.exceptions.GenericError}


@pytest.mark.parametrize("fault", LOST)
def test_a_lease_of_which_no_answer_came_is_still_ours(bucket, monkeypatch, fault):
    put, lost = obstore.put, [True]

    def losing(store, name, data, mode="overwrite"):
        told = put(store, name, data, mode=mode)
        if lost and data != b"":
            raise LOST[fault]("no answer")
        return told

    def note():
        return bytes(obstore.get(bucket.store, NOTE).bytes())

    monkeypatch.setattr(lease, "BEAT", 60.0)
    monkeypatch.setattr(obstore, "put", losing)
    with pytest.raises((KeyboardInterrupt, OSError)), lease.hold_lease(find_place(bucket)):
        pass
    assert note() == b""  # taken, never told so, and left
    lost.clear()
    with lease.hold_lease(find_place(bucket)) as hold:
        lost.append(True)
        with pytest.raises((KeyboardInterrupt, OSError)):
            hold.check()
        lost.clear()
        hold.check()
    assert note() == b""


def test_a_lease_is_not_renewed_after_its_end(bucket):
    with lease.hold_lease(find_place(bucket)) as hold:
        hold.check()
    hold.check()
    assert bytes(obstore.get(bucket.store, NOTE).bytes()) == b""


def test_an_answer_that_got_lost_is_no_conflict(bucket, monkeypatch):
    """The client tries again what had succeeded, and is refused: the object holds what it put."""
    put = obstore.put

    def twice(store, name, data, mode="overwrite"):
        put(store, name, data, mode=mode)
        return put(store, name, data, mode=mode)

    monkeypatch.setattr(obstore, "put", twice)
    assert small(bucket).load().drop_attrs().identical(small(None).drop_attrs())


def test_large_args_lie_in_the_store_meanwhile(bucket):
    data = (np.random.default_rng(16).normal(size=2**19).astype(np.float32),)
    scale = functools.partial(jr.sweep, lambda data, *, a: {"x": data[0] * a}, args=data, store=bucket, progress=False)
    with ThreadPoolExecutor(2) as pool:
        scale({"a": [1.0]})
        obstore.put(bucket.store, f"{PAYLOAD}{'0' * 32}", b"")  # by a killed process
        result = scale({"a": [1.0, 2.0]}, executor=pool)
    np.testing.assert_allclose(result.x, data[0][0] * np.array([1, 2], np.float32))
    assert not [name for name in objects_of(bucket) if "payload" in name]


def test_a_worker_that_may_not_write_is_named(bucket, monkeypatch):
    put = Bucket.write_if

    def refuse(self, files, seen):
        if threading.current_thread() is not threading.main_thread():
            raise PermissionError("403 AccessDenied")
        put(self, files, seen)

    monkeypatch.setattr(Bucket, "write_if", refuse)
    with ThreadPoolExecutor(1) as pool, pytest.raises(StoreError, match=r"cannot be written by process \d+ on .*403"):
        small(bucket, executor=pool)


def test_a_worker_that_lacks_obstore_is_named(monkeypatch):
    place = find_place("s3://bucket/s.zarr")
    sent = pickle.dumps(worker.Parcel(place))
    assert str(pickle.loads(sent).open()) == str(place)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("obstore", "_obstore")]:
        monkeypatch.setitem(sys.modules, name, None)
    parcel = pickle.loads(sent)  # as the executor does, outside of a task
    with pytest.raises(StoreError, match=r"process \d+ .*cannot open it \(ModuleNotFoundError: .*obstore"):
        parcel.open()


REFUSED = {
    "ftp://host/x.zarr": "must be of a kind that can be written, and shared: ftp://",
    "memory://x.zarr": "must be of a kind that can be written, and shared: memory://",
    "s3:/bucket/x.zarr": "must be text with two slashes",
    "file://elsewhere/x.zarr": "must be on this machine",
    "ftp://u:SECRET@host/x": r"'ftp://host/…'.*must name a bucket and a path alone",
    "s3://key:SECRET@b/x": r"'s3://b/…'.*must name a bucket and a path alone",
    "az://c/x?sig=SECRET": r"'az://c/…'.*must name a bucket and a path alone",
    "s3://b/run#1": "must name a bucket and a path alone",
    "s3://b/x/../y": "must name a bucket and a path alone",
    "s3://b/x/%2e%2E/y": "must name a bucket and a path alone",
    "s3://b/x\n": "must name a bucket and a path alone",
    "az://container/x.zarr": "cannot be opened .*Account must be specified",
}


@pytest.mark.parametrize("url", REFUSED)
def test_urls_that_name_no_store_are_refused(url):
    with pytest.raises(StoreError, match=REFUSED[url]) as error:
        small(url)
    assert "SECRET" not in str(error.value)


def test_who_may_only_read_reads_what_is_finished(bucket, tmp_path, monkeypatch):
    whole = small(bucket).load()
    small(tmp_path / "s.zarr")
    given = ObjectStore(bucket.store, read_only=True), LocalStore(tmp_path / "s.zarr", read_only=True)

    def refuse(*args, **options):
        raise obstore.exceptions.PermissionDeniedError("403 at https://host/x?sig=SECRET")

    monkeypatch.setattr(obstore, "put", refuse)
    for store in (bucket, *given):
        assert small(store).load().drop_attrs().identical(whole.drop_attrs())
        assert command.verify(store)[0] == 0
        with pytest.raises(StoreError, match="is not writable, and lacks runs"):
            small(store, FEW | {"seed": jr.seeds(6)})
    assert jr.replay(given[0], double, FEW, seed=3, rate=0.3).attrs["difference"] == 0
    for store in given:
        with pytest.raises(StoreError, match="must not be read-only"):
            command.verify(store, mend=True)
    with pytest.raises(StoreError, match=r"cannot be used \(403 at https://host/x\?…\)"):
        small(ObjectStore(MemoryStore()))
    with pytest.raises(StoreError, match="must not be read-only"):
        small(LocalStore(tmp_path / "new.zarr", read_only=True))


def test_a_folder_made_in_a_console_holds_nothing(bucket, monkeypatch):
    listed = obstore.list_with_delimiter

    def listing(store, prefix=None):
        found = listed(store, prefix=prefix)
        return {"common_prefixes": found["common_prefixes"], "objects": [{"path": ""}, *found["objects"]]}

    monkeypatch.setattr(obstore, "list_with_delimiter", listing)
    assert not find_place(bucket).exists()


def test_zarr_stores_are_taken_or_refused(tmp_path, bucket, monkeypatch):
    small(LocalStore(tmp_path / "s.zarr"))
    small(f"file://{tmp_path}/s.zarr")
    assert find_place(f"file://localhost{tmp_path}/my%20run") == find_place(f"file:{tmp_path}/my run")
    assert str(find_place(f"file:{tmp_path}/my run")) == f"{tmp_path}/my run"
    assert command.verify(str(tmp_path / "s.zarr"))[0] == 0
    with pytest.raises(StoreError, match="must not be read-only"):
        small(ObjectStore(bucket.store, read_only=True))
    with pytest.raises(StoreError, match="is in the memory of one process"):
        pickle.dumps(find_place(bucket))
    with monkeypatch.context() as patch:
        patch.setattr("jaxreg.engine.bucket.obstore", None)
        with pytest.raises(StoreError, match=r"pip install 'jaxreg\[cloud\]'"):
            small("s3://bucket/s.zarr")

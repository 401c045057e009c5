"""The store: continued, extended, read while written, refused when it holds something else; killed for real."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.engine import buffer
from jaxreg.engine import store as stores
from jaxreg.engine.folder import Folder
from jaxreg.engine.locating import find_place
from jaxreg.engine.lock import hold_folder
from jaxreg.engine.places import NOTE
from jaxreg.engine.signals import answer_signals
from jaxreg.errors import StoreError
from tests.engine import killed_sweep
from tests.engine.runs import count_computed, counted_compilations, descend
from tests.marks import slow

POINTS = np.linspace(-1, 1, 50, dtype=np.float32)
AXES = {"seed": jr.seeds(10), "learning_rate": [0.1, 0.5]}
KILLED = Path(__file__).with_name("killed_sweep.py")


def sweep(store, axes=AXES, run=descend, args=(POINTS,), **options):
    options = {"dims": {"weight": ("step",)}, "chunk_size": "auto", "progress": False} | options
    return jr.sweep(run, axes, args=args, store=store, **options)


def contents(path):
    """The store's arrays as bytes, whatever files hold them."""
    with xr.open_zarr(path, chunks=None) as dataset:
        return {name: (v.dims, v.dtype, v.values.tobytes()) for name, v in dataset.variables.items()}


def test_a_store_holds_what_a_sweep_in_memory_returns(tmp_path):
    stored, memory = sweep(tmp_path / "s.zarr"), sweep(None)
    xr.testing.assert_equal(stored, memory)
    assert set(stored.data_vars) == {"weight", "final", "diverged"}
    with xr.open_zarr(tmp_path / "s.zarr") as plain:
        assert plain.done.all()
        np.testing.assert_array_equal(plain.learning_rate, memory.learning_rate)
        provenance = json.loads(plain.attrs["provenance"])
    assert provenance["history"][0]["function"].endswith("descend")
    assert provenance["history"][0]["versions"]["jax"] == jax.__version__


def test_the_same_sweep_again_computes_nothing(tmp_path, capsys):
    first = sweep(tmp_path / "s.zarr")
    before = contents(tmp_path / "s.zarr")
    with counted_compilations() as compilations:
        again = sweep(tmp_path / "s.zarr", progress=True)
    assert compilations == [0]
    assert count_computed(capsys) == 0
    xr.testing.assert_equal(first, again)
    assert contents(tmp_path / "s.zarr") == before


def test_more_seeds_and_more_values_compute_only_the_new_cells(tmp_path, capsys):
    def local(points, **point):
        return descend(points, **point)

    path = tmp_path / "s.zarr"
    first = sweep(path, run=local, chunk_size=8)
    grown = {"seed": jr.seeds(17), "learning_rate": [0.5, 0.9, 0.1]}
    with counted_compilations() as compilations:
        result = sweep(path, grown, run=local, progress=True, chunk_size=8)
    assert compilations == [0]
    assert count_computed(capsys) == 17 * 3 - 10 * 2
    assert result.learning_rate.values.tolist() == [0.5, 0.9, 0.1]  # as asked for, not as stored
    np.testing.assert_array_equal(result.weight.sel(seed=range(10), learning_rate=[0.1, 0.5]), first.weight)
    expected = sweep(None, grown)
    np.testing.assert_allclose(result.weight, expected.weight, rtol=1e-6, atol=1e-7)

    fewer = sweep(path, {"seed": jr.seeds(2, start=5), "learning_rate": [0.9]}, run=local, progress=True)
    assert count_computed(capsys) == 0
    np.testing.assert_array_equal(fewer.weight, result.weight.sel(seed=[5, 6], learning_rate=[0.9]))

    elsewhere = sweep(path, {"seed": jr.seeds(3, start=50), "learning_rate": [0.1]}, run=local, progress=True)
    assert count_computed(capsys) == 3
    assert np.isfinite(elsewhere.weight).all()
    with xr.open_zarr(path, chunks=None) as plain:  # cells that nobody asked for are absent, and say so
        done = plain.done.sel(seed=50, learning_rate=0.9)
        assert not done
        assert np.isnan(plain.final.sel(seed=50, learning_rate=0.9))


def test_static_values_and_cases_can_be_added(tmp_path, capsys):
    def run(*, seed, batch_size, l2=0.0, mode="plain"):
        return {"x": jax.random.normal(seed, (12 // batch_size,)) + l2 + float(mode == "plain")}

    def axes(sizes, bundles):
        return {"batch_size": jr.static(sizes), "case": jr.cases(bundles), "seed": jr.seeds(3)}

    few = {"base": {}, "other": {"mode": "other"}}
    many = {"base": {}, "new": {"l2": 0.5}, "other": {"mode": "other"}}
    options = {"run": run, "args": (), "dims": {"x": (jr.ragged("step"),)}, "progress": True}
    sweep(tmp_path / "s.zarr", axes([3], few), **options)
    assert count_computed(capsys) == 6
    result = sweep(tmp_path / "s.zarr", axes([2, 3, 6], many), **options)
    assert count_computed(capsys) == 27 - 6
    expected = sweep(None, axes([2, 3, 6], many), **options)
    xr.testing.assert_allclose(result.load(), expected)
    assert result.step_valid.sum("step").values[:, 0].tolist() == [6, 4, 2]


OTHER = {
    "function": ({"run": lambda points, **k: descend(2 * points, **k)}, "the computation of the run"),
    "data": ({"args": (POINTS + 1,)}, "data"),
    "precision": ({"x64": True, "args": (POINTS.astype(np.float64),)}, "x64"),
    "root of the seeds": ({"axes": AXES | {"seed": jr.seeds(10, root=1)}}, r"seed\['root'\] is '0' there, '1' here"),
    "axes": ({"axes": AXES | {"batch_size": jr.static([3])}}, "the axes"),
    "dimension names": ({"dims": {"weight": ("epoch",)}}, "outputs"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_sweep_is_refused_by_what_differs(tmp_path, name):
    sweep(tmp_path / "s.zarr")
    before = contents(tmp_path / "s.zarr")
    change, message = OTHER[name]
    with pytest.raises(jr.errors.JaxregError, match=message):
        sweep(tmp_path / "s.zarr", **change)
    assert contents(tmp_path / "s.zarr") == before
    sweep(tmp_path / "s.zarr")  # and the lock is free again


def test_other_static_values_cases_and_changed_code_are_refused(tmp_path):
    def make(constant):
        def run(*, seed, width, l2=0.0):
            return {"x": constant * jax.random.normal(seed, (width,)).sum() + l2}

        return run

    def axes(width=4, l2=0.5):
        return {"seed": jr.seeds(2), "width": jr.static([width]), "case": jr.cases({"l2": {"l2": l2}})}

    options = {"args": (), "dims": None}
    sweep(tmp_path / "s.zarr", axes(), make(1.0), **options)
    with pytest.raises(StoreError, match=r"the static values of width is \[4\] there, \[5\] here"):
        sweep(tmp_path / "s.zarr", axes(width=5), make(1.0), **options)
    with pytest.raises(StoreError, match=r"case\['l2'\] is '\{l2: 0.5\}' there, '\{l2: 0.7\}' here"):
        sweep(tmp_path / "s.zarr", axes(l2=0.7), make(1.0), **options)
    with pytest.raises(StoreError, match="the computation of width=4"):  # same name, other code
        sweep(tmp_path / "s.zarr", axes(), make(2.0), **options)
    with pytest.raises(StoreError, match="the computation of width=4"):  # a constant array that it closes over
        sweep(tmp_path / "s.zarr", axes(), make(jnp.full((), 1.0)), **options)


def start(store, seeds=40, cache=None, flush="0"):
    environment = os.environ | ({"JAX_COMPILATION_CACHE_DIR": str(cache)} if cache else {})
    command = [sys.executable, str(KILLED), str(store), str(seeds), flush]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process):
    """Wait for a process that must end well."""
    assert process.communicate()[1] == ""
    assert process.returncode == 0


def wait_for_cells(store, least, process):
    """Read the store as any reader would until `least` cells are done."""
    while process.poll() is None:
        try:
            with xr.open_zarr(store, chunks=None) as dataset:
                if int(dataset.done.sum()) >= least:
                    return
        except FileNotFoundError:
            pass
        time.sleep(0.05)


def test_a_second_writer_is_refused_and_a_dead_one_is_not(tmp_path, capsys):
    store = tmp_path / "s.zarr"
    process = start(store, 4000)
    try:
        wait_for_cells(store, 1, process)
        with pytest.raises(StoreError, match=f"is being written by process {process.pid} of .* on .* since 20"):
            sweep(store)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finished = subprocess.run(
        [sys.executable, "-c", RESUME.format(folder=str(KILLED.parent), store=str(store))],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert f"taking over from process {process.pid}" in finished.stderr
    with pytest.raises(StoreError, match="holds another sweep"):  # the lock is free, the content is still checked
        sweep(store)


RESUME = """
import sys; sys.path.insert(0, {folder!r})
import killed_sweep as k, jaxreg as jr
axes = {{"seed": jr.seeds(4), "rate": [0.1, 0.3, 0.7], "width": jr.static([2, 4])}}
jr.sweep(k.walk, axes, dims={{"weight": ("unit",)}}, store={store!r}, chunk_size=6)
"""


def test_a_reader_sees_whole_cells_at_any_moment(tmp_path):
    store = tmp_path / "s.zarr"
    process = start(store, 30)
    seen = set()
    while process.poll() is None:
        try:
            with xr.open_zarr(store, chunks=None) as dataset:
                done = dataset.done.values  # read first: whatever it marks must already be there
                norm, weight = dataset.norm.values, dataset.weight.values
        except FileNotFoundError:
            time.sleep(0.05)
            continue
        seen.add(int(done.sum()))
        assert np.isfinite(norm[done]).all()
        assert np.isfinite(weight[done]).all()
    finish(process)
    assert len(seen) > 3
    assert max(seen) <= 30 * 3 * 2


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_the_bytes_are_those_of_an_uninterrupted_sweep(tmp_path):
    """Twenty real kills: at start-up, while creating, while writing, near the end."""
    whole = tmp_path / "whole.zarr"
    began = time.perf_counter()
    finish(start(whole, cache=tmp_path / "cache"))
    lasted = time.perf_counter() - began
    expected = contents(whole)
    moments = random.Random(0)
    stages = set()
    for attempt in range(20):
        store = tmp_path / f"killed-{attempt}.zarr"
        process = start(store, cache=tmp_path / "cache")
        if attempt % 4:
            wait_for_cells(store, moments.randrange(1, 230), process)
            time.sleep(moments.random() * 0.05)
        else:
            time.sleep(moments.random() * lasted)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done = int(xr.open_zarr(store, chunks=None).done.sum()) if store.exists() else -1
        stages.add(done)
        killed_sweep.main(str(store), 40)
        assert contents(store) == expected, f"attempt {attempt}, killed with {done} cells done"
        assert not list(tmp_path.glob(f"{store.name}.creating-*"))
    assert len(stages) > 5  # the kills did hit different moments


@pytest.mark.slow
def test_a_full_disk_is_reported_and_resumed(tmp_path):
    """A real size limit on files of this process stands in for the disk: writes fail with an OSError."""
    store = tmp_path / "s.zarr"
    code = FULL_DISK.format(folder=str(KILLED.parent), store=str(store))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "StoreError" in done.stderr
    assert "Make room" in done.stderr
    killed_sweep.main(str(store), 400)
    finish(start(tmp_path / "whole.zarr", 400))
    assert contents(store) == contents(tmp_path / "whole.zarr")


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, {folder!r})
import jaxreg.engine.store as store, killed_sweep as k
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
whole = store.Store.write
def write(self, positions, block):
    if self._done.sum() > 100:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    whole(self, positions, block)
store.Store.write = write
k.main({store!r}, 400)
"""


def test_threads_of_one_process_cannot_write_one_store_together(tmp_path):
    store = tmp_path / "s.zarr"
    sweep(store)
    outcomes = []

    def attempt():
        try:
            sweep(store, AXES | {"seed": jr.seeds(3000)})
            outcomes.append("done")
        except StoreError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in outcomes
    refused = [outcome for outcome in outcomes if outcome != "done"]
    assert all(f"process {os.getpid()}" in outcome for outcome in refused)
    assert np.isfinite(sweep(store, AXES | {"seed": jr.seeds(3000)}).final).all()


def test_interrupting_keeps_what_is_done_and_frees_the_lock(tmp_path):
    store = tmp_path / "s.zarr"
    process = start(store, 4000)
    wait_for_cells(store, 30, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert "KeyboardInterrupt" in said
    assert process.returncode == -signal.SIGINT
    assert re.search(r"interrupted with [\d,]+ runs to go; the same sweep again goes on from here", said)
    with xr.open_zarr(store, chunks=None) as dataset:
        assert 30 <= int(dataset.done.sum()) < 4000 * 6
    assert not (store / NOTE).exists()


def test_sigterm_writes_what_came_in_says_how_to_resume_and_leaves_no_note(tmp_path):
    store = tmp_path / "s.zarr"
    process = start(store, 4000, flush="2")
    wait_for_cells(store, 1, process)
    with xr.open_zarr(store, chunks=None) as dataset:
        before = int(dataset.done.sum())
    time.sleep(0.5)  # more came in, and is not yet written by itself
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "the same sweep again goes on from here" in said
    with xr.open_zarr(store, chunks=None) as dataset:
        assert before < int(dataset.done.sum()) < 4000 * 6
    assert not (store / NOTE).exists()


@pytest.mark.parametrize(
    ("number", "swallowing", "times"),
    [
        (signal.SIGINT, True, 6),
        (signal.SIGTERM, False, 6),
        *(slow(number, swallowing, 25) for number in (signal.SIGINT, signal.SIGTERM) for swallowing in (True, False)),
    ],
)
def test_no_signal_is_swallowed(tmp_path, monkeypatch, swallowing, number, times):
    """An interrupt within a destructor is ignored by Python: the store raises it again, at many moments."""
    store, moments = tmp_path / "s.zarr", random.Random(0)
    sweep(store, chunk_size=2)
    write = stores.Store.write

    def interrupted(self, positions, block):
        write(self, positions, block)
        with contextlib.suppress(BaseException) if swallowing else contextlib.nullcontext():
            if moments.random() < 0.5:
                signal.raise_signal(number)

    monkeypatch.setattr(stores.Store, "write", interrupted)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for attempt in range(times):
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as ended:
            sweep(store, AXES | {"seed": jr.seeds(20 + 20 * attempt)}, chunk_size=2)
        assert number == signal.SIGINT or ended.value.code == 128 + signal.SIGTERM
        assert before == {one: signal.getsignal(one) for one in before}
        assert not (store / NOTE).exists()
    monkeypatch.undo()
    assert np.isfinite(sweep(store, AXES | {"seed": jr.seeds(60)}, chunk_size=2).final).all()


@pytest.mark.parametrize("after", range(1, 9))
def test_an_interrupt_within_a_write_keeps_what_came_in(tmp_path, monkeypatch, after):
    """Between the renames of one write, and before those of `done`: what is written next is still ours."""
    store = tmp_path / "s.zarr"
    sweep(store, chunk_size=2)
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)
    replace, seen = Path.replace, []

    def interrupted(self, target):
        result = replace(self, target)
        seen.append(target)
        if len(seen) == 10 + after:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(store, AXES | {"seed": jr.seeds(40)}, chunk_size=2)
    monkeypatch.undo()
    assert np.isfinite(sweep(store, AXES | {"seed": jr.seeds(40)}, chunk_size=2).final).all()


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_interrupt_as_a_thread_begins_to_write_keeps_what_came_in(tmp_path, monkeypatch, has_begun):
    """Each batch is written once, by its thread or, where that had not begun, at the end."""
    store, begun, written = tmp_path / "s.zarr", [], []
    in_background, write = stores.in_background, buffer.Batch.write

    def interrupted(*given):
        begun.append(given)
        if len(begun) < 3 or has_begun:
            in_background(*given)
        if len(begun) == 3:
            raise KeyboardInterrupt

    def noted(self, guard):
        written.append(self)
        write(self, guard)

    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(stores, "in_background", interrupted)
    monkeypatch.setattr(buffer.Batch, "write", noted)
    with pytest.raises(KeyboardInterrupt):
        sweep(store, chunk_size=2)
    assert len(written) == len(set(map(id, written))) == 3
    with xr.open_zarr(store, chunks=None) as dataset:
        assert int(dataset.done.sum()) == 3 * 2


def test_a_second_interrupt_leaves_no_writer_behind(tmp_path, monkeypatch):
    """The lock is not given back while a thread still writes, and that thread marks nothing any more."""
    store, found, write_if = tmp_path / "s.zarr", [], Folder.write_if
    sweep(store, chunk_size=2)
    before = contents(store)["done"]

    def slow(self, files, seen):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        try:
            with hold_folder(store):
                found.append("free")
        except BlockingIOError:
            found.append("locked")
        write_if(self, files, seen)

    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(Folder, "write_if", slow)
    larger = AXES | {"seed": jr.seeds(40)}
    with pytest.raises(KeyboardInterrupt):
        sweep(store, larger, chunk_size=2)
    assert found == ["locked"]
    assert not (store / NOTE).exists()
    monkeypatch.undo()
    assert int(xr.open_zarr(store, chunks=None).done.sum()) == np.frombuffer(before[2], bool).sum()
    assert np.isfinite(sweep(store, larger, chunk_size=2).final).all()


def test_a_handler_of_the_program_stays():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with answer_signals(lambda: "") as heed:
            signal.raise_signal(signal.SIGTERM)
            heed()
        assert seen == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_writes_are_gathered_and_done_comes_last(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 1e9)
    order = []
    replace = Path.replace

    def noted(self, target):
        order.append(Path(target).name if target.parent == tmp_path else f"{target.parent.name}/{target.name}")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    sweep(tmp_path / "s.zarr", chunk_size=1)  # 20 chunks
    chunks = [name for name in order if re.fullmatch(r"(weight|final|diverged|done)/[\d.]+", name)]
    assert chunks == ["diverged/0.0", "final/0.0", "weight/0.0.0", "done/0.0"]


def test_a_full_buffer_is_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 1e9)
    monkeypatch.setattr(stores, "FLUSH_BYTES", 1)
    monkeypatch.setattr("jaxreg.engine.buffer.KEPT_BYTES", 0)  # and files are read again
    write, writes = stores.Batch.write, []
    monkeypatch.setattr(stores.Batch, "write", lambda self, guard: writes.append(write(self, guard)))
    sweep(tmp_path / "s.zarr", chunk_size=4)
    assert len(writes) >= 5
    xr.testing.assert_equal(sweep(tmp_path / "s.zarr", chunk_size=4).load(), sweep(None, chunk_size=4))


CHANGES = {
    "deleted": shutil.rmtree,
    "moved": lambda store: store.rename(store.with_name("away")),
    "an array deleted": lambda store: shutil.rmtree(store / "final"),
    "another in its place": lambda store: (store.rename(store.with_name("away")), store.mkdir()),
    "a file written by another": lambda store: (store / "final" / "0.0").write_bytes(b"x"),
}


@pytest.mark.filterwarnings("ignore::jaxreg.errors.StoreWarning")  # what was changed is repaired
@pytest.mark.parametrize("change", CHANGES)
def test_a_store_that_changes_while_the_sweep_runs_stops_it(tmp_path, monkeypatch, change):
    monkeypatch.setattr(stores, "FLUSH_SECONDS", 0.0)
    store = tmp_path / "s.zarr"
    write, blocks = stores.Store.write, []

    def changing(self, positions, block):
        blocks.append(positions)
        if len(blocks) == 3:
            self.flush()  # so that nothing is being written
            CHANGES[change](store)
        write(self, positions, block)

    monkeypatch.setattr(stores.Store, "write", changing)
    with pytest.raises(StoreError, match="was deleted, moved or changed by another process while the sweep ran"):
        sweep(store, chunk_size=2)
    assert len(blocks) in (3, 4)  # what is written while the next chunk is computed is heard of then
    monkeypatch.undo()
    xr.testing.assert_equal(sweep(store, chunk_size=2).load(), sweep(None, chunk_size=2))


def test_odd_paths_are_taken_or_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    sweep("~/home.zarr")
    assert (tmp_path / "home.zarr" / "final").is_dir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.zarr").symlink_to(tmp_path / "empty")
    sweep(tmp_path / "link.zarr")
    assert (tmp_path / "empty" / "final").is_dir()
    (tmp_path / "dangling.zarr").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    refused = {
        "": "must be the path of a folder",
        "a\0b": "must be the path of a folder",
        "ftp://host/s.zarr": "must be of a kind that can be written|obstore must be installed",
        Path("s3://bucket/s.zarr"): "must be text with two slashes where it is a URL",
        "~nobody-such/x.zarr": "cannot be used",
        "x" * 300: "cannot be used",
        "/proc/x.zarr": "cannot be used",
        "/sys/x.zarr": "cannot be used",
        str(tmp_path / "file" / "x.zarr"): "cannot be used",
        str(tmp_path / "circle"): "cannot be used|is a link",
        str(tmp_path / "dangling.zarr"): "is a link to .*nowhere, which does not exist",
        str(tmp_path / "fifo"): "is no folder",
        str(tmp_path / "file"): "is no folder",
        str(tmp_path / "mine"): "holds what jaxreg did not write",
    }
    for path, message in refused.items():
        with pytest.raises(StoreError, match=message) as error:
            sweep(path)
        assert "elete" not in str(error.value)
    with pytest.raises(StoreError, match="must be the path of a folder"):
        find_place(5)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StoreError, match="cannot be used"):
        sweep("x.zarr")


@pytest.mark.parametrize("name", ["a[1].zarr", "*.zarr", "?", "100%", "new\nline.zarr", "n" * 235])
def test_only_own_left_overs_are_removed(tmp_path, name):
    kept = ["a1.zarr.creating-5", "b.zarr.creating-7", f"{name}.creating-no", f"{name}.creating-5x", f"{name}.x"]
    for other in kept:
        (tmp_path / other).mkdir()
        (tmp_path / other / ".zgroup").touch()
    (tmp_path / f"{name}.creating-1").touch()  # a file
    (tmp_path / f"{name}.creating-2").mkdir()
    (tmp_path / f"{name}.creating-2" / "thesis.txt").touch()  # no store in the making
    own, alive, begun = (tmp_path / f"{name}.creating-{number}" for number in (3, 4, 5))
    for folder, file in ((own, ".zgroup"), (alive, ".zgroup"), (begun, ".zgroup.partial")):
        folder.mkdir()
        (folder / file).touch()
    store = tmp_path / name
    with hold_folder(alive):
        sweep(store)
        (store / "final" / "notes.partial").touch()
        (store / "final" / "0.0.partial").touch()
        (store / ".zattrs.partial").symlink_to(tmp_path / f"{name}.creating-1")
        sweep(store)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*kept, name, f"{name}.creating-1", f"{name}.creating-2", f"{name}.creating-4"}
    assert [path.name for path in store.rglob("*.partial")] == ["notes.partial"]


def test_many_at_once_create_one_store(tmp_path):
    """Eight threads find nothing there: one makes the store, the others are told who writes it or find it done."""
    outcomes = []

    def attempt():
        try:
            outcomes.append(sweep(tmp_path / "s.zarr").final.values.tobytes())
        except StoreError as error:
            outcomes.append(str(error) if f"process {os.getpid()}" not in str(error) else "refused")

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sweep(None).final.values.tobytes()
    assert len(outcomes) == 8
    assert expected in outcomes
    assert set(outcomes) <= {expected, "refused"}
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]

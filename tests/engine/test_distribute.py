"""Sweeps on the workers of executors: the store of one process, byte for byte, whatever happens to the workers."""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.__main__ import verify
from jaxreg.engine import distribute, execute, worker
from jaxreg.engine import store as stores
from jaxreg.engine.arrays import StoredArray
from jaxreg.engine.axes import Group
from jaxreg.engine.devices import Machine
from jaxreg.engine.folder import Folder
from jaxreg.engine.grid import Box, Tile, cut_tile
from jaxreg.engine.tracing import trace_program
from jaxreg.errors import SweepError
from tests.engine.runs import counted_compilations, draw
from tests.engine.spreading import (
    AXES,
    SPREADING,
    files_of,
    kill_a_worker,
    make_environment,
    make_executor,
    sweep,
    watch_tasks,
)

pytest.importorskip("cloudpickle")
RNG = np.random.default_rng(16)


KINDS = ["threads", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("spawn", "loky", "dask"))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_executor_writes_the_store_of_one_process(kind, tmp_path, same_id, one_by_one, capsys):
    more = AXES | {"seed": jr.seeds(29), "rate": [0.1, 0.3, 0.7]}  # no whole number of chunks and files
    sweep(tmp_path / "one.zarr")
    whole = sweep(tmp_path / "one.zarr", axes=more).load()
    with make_executor(kind) as pool:
        sweep(tmp_path / "many.zarr", executor=pool)
        result = sweep(tmp_path / "many.zarr", axes=more, executor=pool, progress=True).load()
        assert "87 runs" not in capsys.readouterr().err
        memory = sweep(None, axes=more, executor=pool)
    xr.testing.assert_identical(result.drop_attrs(), whole.drop_attrs())
    xr.testing.assert_identical(memory.drop_attrs(), whole.drop_attrs())
    ours, theirs = files_of(tmp_path / "many.zarr"), files_of(tmp_path / "one.zarr")
    assert {name for name in ours | theirs if ours.get(name) != theirs.get(name)} == set()
    assert verify(str(tmp_path / "many.zarr"))[0] == 0
    assert not list(tmp_path.rglob("*payload*"))
    history = json.loads(result.provenance)["history"]
    assert sum(kind["count"] for kind in history[-1]["workers"]) >= 1
    assert history[-1]["workers"][0]["versions"]["jax"] == jax.__version__


def test_workers_write_what_no_two_tiles_share_and_the_driver_the_rest(tmp_path, monkeypatch, one_by_one):
    outcomes = []
    watch_tasks(outcomes.append, monkeypatch.setattr)
    with ThreadPoolExecutor(2) as pool:
        sweep(tmp_path / "s.zarr", executor=pool)
    assert len(outcomes) == 12
    assert {frozenset(block) for one in outcomes for _, block in one.blocks} == {frozenset({"norm", "diverged"})}


def lent(arrays, tiles):
    return {array.name for array in stores.find_unshared(arrays, tiles)[0]}


def test_no_file_has_two_writers():
    """Against all pairs of tiles: what is lent is shared by none, and what none shares along the axes is lent."""
    for _ in range(200):
        lengths = RNG.integers(1, 9, 2)
        box = Box(tuple(RNG.integers(1, 5, 2).tolist()), None)
        region = tuple(tuple(sorted(RNG.choice(12, n, replace=False).tolist())) for n in lengths)
        tiles = list(cut_tile(Tile(0, region), box))
        arrays = [
            StoredArray("x", ("a", "b", "c"), np.dtype("f4"), (*RNG.integers(1, 7, 2).tolist(), 3), 2),
            StoredArray("box", ("a", "b"), np.dtype("f4"), (*box.lengths,), 2),
        ]
        for array in arrays:
            trailing = [range(7)] * (len(array.dims) - 2)
            files = [{part.file for part in array.split([*tile.positions, *trailing])} for tile in tiles]
            is_shared = any(a & b for i, a in enumerate(files) for b in files[:i])
            assert (array.name in lent(arrays, tiles)) == (not is_shared)


def test_done_is_never_ahead(tmp_path, monkeypatch, one_by_one):
    """A worker that cannot write fails its task; what is marked is there, and the same sweep goes on."""
    write, left = Folder.write_if, [4]

    def full(self, files, seen):
        is_worker = threading.current_thread().name.startswith("ThreadPool")
        left[0] -= is_worker
        if is_worker and left[0] < 0:
            raise OSError(28, "No space left on device")
        write(self, files, seen)

    monkeypatch.setattr(Folder, "write_if", full)
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(OSError, match="No space"):
            sweep(tmp_path / "s.zarr", executor=pool)
        code, lines = verify(str(tmp_path / "s.zarr"))
        assert code == 3, lines
        with xr.open_zarr(tmp_path / "s.zarr", chunks=None) as plain:
            assert 0 < plain.done.sum() <= 4 * 8
            assert np.isfinite(plain.weight.values[plain.done.values]).all()
        left[0] = 10**6
        result = sweep(tmp_path / "s.zarr", executor=pool).load()
    xr.testing.assert_identical(result.drop_attrs(), sweep(None).drop_attrs())


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, *, a):
        return {"x": self.factor * a}


def closures():
    arrays = jnp.arange(3.0), np.arange(4.0, dtype=np.float32), jax.random.key(3)
    jitted = jax.jit(lambda a: a * arrays[0])

    @jax.custom_jvp
    def cube(a):
        return a**3

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, tangents[0]))
    return {
        "array": lambda *, a: {"x": a * arrays[0] + arrays[1].sum()},
        "key": lambda *, a: {"x": a * jax.random.normal(arrays[2])},
        "jitted": lambda *, a: {"x": jitted(a)},
        "derivative": lambda *, a: {"x": jax.grad(cube)(a)},
        "object": Scale(np.float32(3)),
        "module": draw,
    }


@pytest.mark.parametrize("name", closures())
def test_functions_travel(name):
    """What arrives is the same program, by its fingerprint."""
    run, keys = closures()[name], ("seed",) if name == "module" else ()
    traced = {"seed": np.zeros((1, 2), np.uint32)} if keys else {"a": np.ones(1, np.float32)}
    payload = distribute._pickle(worker.Study(run, (), (), keys), run)
    there = worker._load(payload, distribute.digest(payload)).run
    groups = (Group(np.arange(1), (), traced),)
    ours, theirs = (trace_program(one, (), "x", (), groups, keys).member.fingerprint.digest for one in (run, there))
    assert ours == theirs


@pytest.mark.parametrize("held", [threading.Lock(), jax.local_devices()[0]], ids=["lock", "device"])
def test_what_cannot_be_sent_is_named(held):
    with ThreadPoolExecutor(1) as pool, pytest.raises(SweepError, match="cannot be sent to workers"):
        jr.sweep(lambda *, a: {"x": a if held else -a}, {"a": [1.0]}, executor=pool, progress=False)


def small(executor, **options):
    return jr.sweep(lambda *, a: {"x": a / 3}, {"a": [1.0, 2.0]}, executor=executor, **{"progress": False} | options)


def test_other_code_and_other_versions_on_a_worker_are_refused(monkeypatch):
    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(worker, "_load", lambda *given: worker.Study(lambda *, a: {"x": a}, (), (("x", ()),), ()))
            with pytest.raises(SweepError, match="another computation in process"):
                small(pool)
        versions = iter([worker.read_versions(), worker.read_versions() | {"jaxlib": "0.0.1"}])
        with monkeypatch.context() as patch:
            patch.setattr(worker, "read_versions", lambda: next(versions))
            with pytest.raises(SweepError, match=r"jaxlib is '0.0.1' there"):
                small(pool)
        with monkeypatch.context() as patch:
            patch.setattr(worker, "describe_precision", lambda: {"xla_flags": {"xla_cpu_enable_fast_math": "true"}})
            with pytest.raises(SweepError, match="xla_flags"):
                small(pool)


def test_devices_beside_an_executor_are_refused():
    with ThreadPoolExecutor(1) as pool, pytest.raises(SweepError, match="must be left out with an executor"):
        small(pool, devices=jax.local_devices())


def test_devices_of_other_processes_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(SweepError, match="must be of this process"):
        small(None, devices=jax.devices())


def test_settings_travel():
    """Those of this thread, to threads that have their own."""
    with ThreadPoolExecutor(1) as pool:
        assert small(pool, x64=True).x.values[0] == 1 / 3
        with jax.default_matmul_precision("highest"), jax.threefry_partitionable(False):
            ours, theirs = (jr.sweep(draw, {"seed": jr.seeds(2)}, executor=e, progress=False) for e in (None, pool))
    np.testing.assert_array_equal(ours.value, theirs.value)
    assert json.loads(theirs.provenance)["history"][0]["matmul_precision"] == "highest"


def test_the_chunk_fits_the_worker_and_a_plan_is_made_there(monkeypatch):
    few = Machine("cpu", "cpu", 2, 2**40, 2**11)
    monkeypatch.setattr(worker, "describe_worker", lambda order, run: (few, {"device": "few"}))
    axes = {"seed": jr.seeds(4096)}
    with ThreadPoolExecutor(1) as pool:
        plan = jr.plan(draw, axes, executor=pool)
        result = jr.sweep(draw, axes, executor=pool, progress=False)
    assert plan.chunk["seed"] < jr.plan(draw, axes).chunk["seed"]
    told = json.loads(result.provenance)
    assert told["chunk"] == [plan.chunk["seed"]]
    assert told["history"][0]["device"] == "few"


class Counting(Executor):
    """A pool of threads that counts what is sent, as it would be pickled, and can meddle with files meanwhile."""

    def __init__(self, pool, meddle=lambda: None):
        self.pool, self.bytes, self.meddle = pool, [], meddle

    def submit(self, fn, *args):
        self.bytes.append(len(pickle.dumps(args)))
        self.meddle()
        return self.pool.submit(fn, *args)


def large(data, *, a):
    return {"x": data[0] * a}


def test_large_args_are_sent_once(tmp_path, monkeypatch):
    data = (RNG.normal(size=2**19).astype(np.float32),)
    axes = {"a": np.arange(1.0, 21.0)}
    with ThreadPoolExecutor(2) as pool:
        stored, memory = Counting(pool), Counting(pool)
        result = jr.sweep(
            large, axes, args=data, store=tmp_path / "s.zarr", executor=stored, chunk_size=2, progress=False
        )
        monkeypatch.setattr(distribute, "LEAST_SENT", 1)
        jr.sweep(large, axes, args=data, executor=memory, chunk_size=2, progress=False)
        assert max(stored.bytes) < 10_000  # through the file
        left = tmp_path / "s.zarr" / "done" / f".payload-{'0' * 32}"  # by a killed process
        left.write_bytes(b"")
        jr.sweep(large, axes, args=data, store=tmp_path / "s.zarr", progress=False)
        assert sum(size > 2**20 for size in memory.bytes) == 1  # with one task, for all workers of this process
        np.testing.assert_allclose(result.x, data[0][0] * axes["a"], rtol=1e-6)
        assert not list(tmp_path.rglob("*payload*"))

        def tamper():
            for file in tmp_path.rglob(".payload-*"):
                file.write_bytes(pickle.dumps(os.getcwd) + file.read_bytes())

        with pytest.raises(SweepError, match="is not what the process that sweeps wrote"):
            jr.sweep(
                large,
                axes,
                args=data,
                store=tmp_path / "t.zarr",
                executor=Counting(pool, tamper),
                progress=False,
            )


def test_small_tiles_share_a_task_and_many_labels_are_not_sent():
    with ThreadPoolExecutor(1) as pool:
        counting = Counting(pool)
        result = jr.sweep(draw, {"seed": jr.seeds(20_000)}, executor=counting, chunk_size=50, progress=False)
    assert len(counting.bytes) < 150  # of 400 tiles
    assert sorted(counting.bytes)[len(counting.bytes) // 2] < 40_000
    np.testing.assert_array_equal(result.key, jr.sweep(draw, {"seed": jr.seeds(20_000)}, progress=False).key)


def test_memory_that_is_short_on_one_worker_is_heeded_by_all(tmp_path, monkeypatch, one_by_one):
    whole = execute.Execution._compile

    def short(self, number, program, box):
        if box.members > 4:
            raise execute._ShortageError(is_permanent=True)
        return whole(self, number, program, box)

    for name, pool in (("one", None), ("many", ThreadPoolExecutor(2))):
        with monkeypatch.context() as patch, pool or contextlib.nullcontext():
            patch.setattr(execute.Execution, "_compile", short)
            result = sweep(tmp_path / f"{name}.zarr", executor=pool).load()
        regions = json.loads(result.provenance)["regions"]
        assert {int(np.prod(region["chunk"])) for region in regions} == {4}
        xr.testing.assert_identical(result.drop_attrs(), sweep(None).drop_attrs())


def test_a_program_that_fails_leaves_the_others(tmp_path):
    def run(*, a, kind):
        return {"x": jax.pure_callback(_refuse, a, a, vmap_method="sequential") if kind == "bad" else 2 * a}

    with ThreadPoolExecutor(2) as pool, pytest.raises(SweepError, match=r"kind=bad .*not today") as caught:
        jr.sweep(run, {"a": [1.0, 2.0], "kind": jr.static(["good", "bad"])}, executor=pool, progress=False)
    assert caught.value.partial.done.values.tolist() == [[True, False]] * 2


def _refuse(a):
    raise ValueError("not today")


def test_nothing_to_do_sends_no_tile(tmp_path):
    sweep(tmp_path / "s.zarr")
    before = files_of(tmp_path / "s.zarr")
    with ThreadPoolExecutor(1) as pool, counted_compilations() as compilations:
        counting = Counting(pool)
        sweep(tmp_path / "s.zarr", executor=counting)
    assert (compilations, len(counting.bytes)) == ([0], 1)
    assert files_of(tmp_path / "s.zarr") == before


def test_job_array_parts_concat_to_the_whole(tmp_path):
    """The recipe that needs no executor: each job has seeds and a store of its own."""
    for i in range(2):
        sweep(tmp_path / f"{i}.zarr", axes=AXES | {"seed": jr.seeds(12, start=12 * i)})
    parts = [xr.open_zarr(tmp_path / f"{i}.zarr", chunks=None) for i in range(2)]
    joined = xr.concat(parts, "seed", data_vars="minimal", combine_attrs="drop_conflicts").drop_vars("done")
    xr.testing.assert_identical(joined.load().drop_attrs(), sweep(None).drop_attrs())


class Stuck(Executor):
    """Answers a few tasks, then none."""

    def __init__(self, pool, answers):
        self.pool, self.left, self.futures = pool, answers, []

    def submit(self, fn, *args):
        self.left -= 1
        self.futures.append(self.pool.submit(fn, *args) if self.left >= 0 else Future())
        return self.futures[-1]


def test_an_interrupt_cancels_what_was_sent_and_keeps_what_came_back(tmp_path, one_by_one, monkeypatch, capsys):
    came = []

    def interrupt(outcome):
        came.append(outcome)
        if len(came) == 3:  # the first answer is what the worker is
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    watch_tasks(interrupt, monkeypatch.setattr)
    with ThreadPoolExecutor(1) as pool:
        stuck = Stuck(pool, 4)
        with pytest.raises(KeyboardInterrupt):
            sweep(tmp_path / "s.zarr", executor=stuck)
        assert "interrupted with 72 runs to go; the same sweep again goes on from here" in capsys.readouterr().err
        assert all(future.cancelled() for future in stuck.futures[4:])
        sweep(tmp_path / "s.zarr", executor=pool)
    assert verify(str(tmp_path / "s.zarr"))[0] == 0


@pytest.mark.slow
def test_the_driver_touches_no_device():
    """Its own platform cannot even start."""
    code = """
import multiprocessing, jax
from concurrent.futures import ProcessPoolExecutor
from tests.engine.runs import descend
import numpy as np, jaxreg as jr
if __name__ == "__main__":
    jax.config.update("jax_platforms", "tpu")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        points = np.linspace(-1, 1, 50, dtype=np.float32)
        axes = {"seed": jr.seeds(10), "learning_rate": [0.1, 0.5]}
        print(jr.sweep(descend, axes, args=(points,), executor=pool, progress=False).final.shape)
"""
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"driver-{uuid.uuid4().hex}.py"
    own = make_environment() | {"JAX_PLATFORMS": "cpu"}  # of the workers, which have only this
    try:
        file.write_text(code)
        done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, env=own)
    finally:
        file.unlink()
    assert done.stdout.strip() == "(10, 2)", done.stderr[-2000:]


@pytest.mark.slow
def test_a_killed_worker_costs_its_task(tmp_path, same_id, one_by_one, monkeypatch):
    came = kill_a_worker(monkeypatch, 3)
    sweep(tmp_path / "one.zarr")
    with make_executor("dask") as pool:
        sweep(tmp_path / "dask.zarr", executor=pool)
    assert len(came) == 12
    assert files_of(tmp_path / "dask.zarr") == files_of(tmp_path / "one.zarr")
    came.clear()
    with make_executor("spawn") as pool, pytest.raises(BrokenProcessPool):
        sweep(tmp_path / "spawn.zarr", executor=pool)
    assert verify(str(tmp_path / "spawn.zarr"))[0] == 3
    with make_executor("threads") as pool:
        sweep(tmp_path / "spawn.zarr", executor=pool)
    assert files_of(tmp_path / "spawn.zarr") == files_of(tmp_path / "one.zarr")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mpi4py") is None, reason="needs the extra test-mpi")
def test_mpi_writes_the_store_of_one_process(tmp_path, same_id):
    run = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    command = [str(run), "-n", "3", sys.executable, "-m", "mpi4py.futures", str(SPREADING), str(tmp_path / "mpi.zarr")]
    done = subprocess.run([*command, "0", "mpi"], capture_output=True, text=True, env=make_environment(), timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    sweep(tmp_path / "one.zarr")
    assert files_of(tmp_path / "mpi.zarr") == files_of(tmp_path / "one.zarr")


@pytest.mark.slow
def test_a_killed_driver_goes_on_with_more_workers(tmp_path):
    pytest.importorskip("dask.distributed")
    store = tmp_path / "s.zarr"
    command = [sys.executable, str(SPREADING), str(store)]
    killed = subprocess.run([*command, "5", "2"], capture_output=True, text=True, env=make_environment())
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    code, lines = verify(str(store))
    assert code == 3, lines
    with xr.open_zarr(store, chunks=None) as plain:
        assert 0 < plain.done.sum() < plain.done.size
    again = subprocess.run([*command, "0", "3"], capture_output=True, text=True, env=make_environment())
    assert again.returncode == 0, again.stderr[-2000:]
    assert verify(str(store))[0] == 0
    xr.testing.assert_identical(sweep(store).load().drop_attrs(), sweep(None).drop_attrs())

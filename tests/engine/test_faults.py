"""What goes wrong around a sweep: it loses nothing, says what it is, and never hangs."""

import _thread
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.engine import execute, nesting
from jaxreg.errors import StoreError, SweepError
from tests.marks import slow


def sweep(run, axes, **options):
    return jr.sweep(run, axes, **{"progress": False} | options)


def complain(x):
    raise RuntimeError("the host is unwell")


def failing(how):
    def run(*, n, a):
        if n == 3 and how == "tracing":
            raise KeyError("mine")
        x = a * n
        if n == 3 and how == "running":
            x = jax.pure_callback(complain, jax.ShapeDtypeStruct((), jnp.float32), x, vmap_method="sequential")
        return {"x": x}

    return run


AXES = {"n": jr.static([1, 2, 3, 4]), "a": [1.0, 10.0]}


@pytest.mark.parametrize("how", ["tracing", "running", "compiling"])
def test_one_bad_case_leaves_the_others_in_the_error(how, monkeypatch):
    if how == "compiling":
        whole = execute.compile_chunk

        def compile_chunk(program, *rest):
            if program.label == "n=3":
                raise ValueError("cannot be compiled")
            return whole(program, *rest)

        monkeypatch.setattr(execute, "compile_chunk", compile_chunk)
    with pytest.raises(SweepError, match=r"run = 'n=3': failed for n=3 .*partial") as failure:
        sweep(failing(how), AXES)
    partial = failure.value.partial
    assert partial.done.all("a").values.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(partial["x"].sel(n=[1, 2, 4]), [[1, 10], [2, 20], [4, 40]])
    assert np.isnan(partial["x"].sel(n=3)).all()
    assert failure.value.__cause__ is not None


def test_one_bad_case_leaves_the_others_in_the_store(tmp_path):
    with pytest.raises(SweepError, match=r"run = 'n=3': failed for n=3 \(KeyError: 'mine'\)"):
        sweep(failing("tracing"), AXES, store=tmp_path / "s.zarr")
    with xr.open_zarr(tmp_path / "s.zarr") as plain:
        assert plain.done.sum() == 6
    mended = sweep(failing("not at all"), AXES, store=tmp_path / "s.zarr")
    np.testing.assert_array_equal(mended["x"], np.outer([1, 2, 3, 4], [1, 10]))


def test_every_bad_case_is_told_by_its_name_and_cause():
    """Errors of jaxreg's own kind, and such as read like JAX's, are a case's as any other."""

    def divide(x):
        return 1 / 0

    def alike(x):
        return 1 / 0

    alike.__name__ = "divide"

    def look_up(x):
        return {}["k"]

    def ask(x):
        return jr.seeds(-1)

    def misread(x):
        raise TypeError("no concrete class")

    def decide(x):
        return x if x > 1 else -x

    bad = {"one": divide, "two": alike, "three": look_up, "four": ask, "five": misread, "six": decide}
    cases = jr.cases({"good": {"f": jnp.sin}} | {name: {"f": f} for name, f in bad.items()})
    with pytest.raises(SweepError, match=r"case=five .* and 1 more") as failure:
        sweep(lambda *, f, a: {"x": f(a)}, {"case": cases, "a": [1.0, 2.0]})
    causes = str(failure.value)
    for name, cause in zip(
        bad,
        ("ZeroDivisionError", "ZeroDivisionError", "KeyError: 'k'", r"SweepError: seeds(n)", "TypeError: no"),
        strict=False,
    ):
        assert f"case={name} ({cause}" in causes
    assert failure.value.partial.done.all("a").values.tolist() == [True] + [False] * 6


def test_all_bad_is_the_users_own_error():
    with pytest.raises(KeyError, match="mine"):
        sweep(failing("tracing"), AXES | {"n": jr.static([3])})


@pytest.mark.parametrize("kind", [jax.errors.JaxRuntimeError, MemoryError])
def test_a_passing_shortage_halves_the_chunk_which_grows_back(kind, monkeypatch):
    """Two of fifteen calls find no memory; each error would have halved the chunk for good."""
    calls, sizes = [0], []
    whole = execute.chunk_values

    def chunk_values(program, tile, box, mesh):
        calls[0] += 1
        if calls[0] % 15 in (0, 1) and calls[0] > 1:
            raise kind("RESOURCE_EXHAUSTED: not now")
        sizes.append(box.members)
        return whole(program, tile, box, mesh)

    monkeypatch.setattr(execute, "chunk_values", chunk_values)
    monkeypatch.setattr(execute, "PAUSES", (0.0,) * 4)
    result = sweep(lambda *, a: {"x": 2 * a}, {"a": np.arange(400.0)}, chunk_size=8)
    np.testing.assert_array_equal(result["x"], 2 * np.arange(400.0))
    assert min(sizes) < 8
    assert sizes.count(8) > len(sizes) / 2


def test_a_lasting_shortage_is_refused_and_keeps_what_was_done(monkeypatch):
    whole = execute.chunk_values

    def chunk_values(program, tile, box, mesh):
        if program.label == "n=3":
            raise MemoryError
        return whole(program, tile, box, mesh)

    monkeypatch.setattr(execute, "chunk_values", chunk_values)
    monkeypatch.setattr(execute, "PAUSES", (0.0,))
    with pytest.raises(SweepError, match=r"n=3.*needs more memory for one run") as failure:
        sweep(failing("not at all"), AXES)
    assert failure.value.partial.done.sum() == 6


def test_a_result_that_no_memory_holds_is_refused():
    with pytest.raises(SweepError, match="must fit the memory"):
        sweep(lambda *, n, a: {"x": jnp.zeros(n) + a}, {"n": jr.static([2**45]), "a": [1.0]})


def test_settings_of_jax_around_a_sweep():
    def run(*, a):
        return {"x": jax.lax.scan(lambda c, _: (2 * c, None), a, None, length=3)[0]}

    mesh = jax.make_mesh((1,), ("mine",), axis_types=(jax.sharding.AxisType.Explicit,))
    settings = (jax.disable_jit, lambda: jax.transfer_guard("disallow"), lambda: jax.debug_nans(True))
    for setting in (*settings, lambda: jax.set_mesh(mesh)):
        with setting():
            assert sweep(run, {"a": [1.0, 2.0]})["x"].values.tolist() == [8.0, 16.0]


def test_sweeps_where_jax_is_tracing_are_refused():
    def simple(*, a):
        return {"x": a}

    def nested(*, a):
        return {"x": a + sweep(simple, {"a": [1.0]})["x"].values.sum()}

    for call in (
        lambda: sweep(nested, {"a": [1.0]}),
        lambda: jax.jit(lambda y: sweep(simple, {"a": [1.0]})["x"].values.sum() + y)(1.0),
        lambda: jax.vmap(lambda y: sweep(lambda *, a: {"x": a + y}, {"a": [1.0]})["x"].values.sum())(jnp.ones(2)),
        lambda: jax.grad(lambda y: sweep(lambda *, a: {"x": a + y}, {"a": [1.0]})["x"].values.sum())(1.0),
        lambda: jax.jit(lambda y: sweep(lambda y, *, a: {"x": a + y}, {"a": [1.0]}, args=(y,))["x"].values.sum())(1.0),
    ):
        with pytest.raises(SweepError, match=r"outside|closed over"):
            call()


def through_the_host(function):
    def run(*, a):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return {"x": jax.pure_callback(lambda a: np.float32(function(a)), shape, a, vmap_method="sequential")}

    return run


def inner(a):
    return sweep(lambda *, b: {"y": b * jnp.ones(50).sum()}, {"b": [1.0, 2.0]})["y"].values.sum() * a


def inner_in_a_thread(a):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(inner, a).result()


@pytest.mark.parametrize("reach", [inner, inner_in_a_thread])
def test_sweeps_that_a_run_reaches_through_the_host_are_refused(reach, monkeypatch):
    """They waited for ever for the devices that waited for them; those of other threads go on."""
    monkeypatch.setattr(nesting, "PATIENCE", 0.5 if reach is inner_in_a_thread else 60.0)
    with pytest.raises(SweepError, match=r"through the host.*Move it out"):
        sweep(through_the_host(reach), {"a": [1.0, 2.0]})
    assert jax.jit(lambda a: through_the_host(reach)(a=a)["x"])(2.0) == 300.0  # no sweep waits
    began = threading.Event()

    def work(a):
        began.set()
        time.sleep(0.2)
        return a

    monkeypatch.setattr(nesting, "PATIENCE", 60.0)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(sweep, through_the_host(work), {"a": [1.0, 2.0]})
        assert began.wait(60)
        assert inner(1.0) == 150.0
        assert other.result()["x"].values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": [jax.devices()[0]] * 2}, "name a device twice"),
        ({"devices": 0}, "at least one device"),
        ({"dims": 3}, "must map outputs"),
        ({"dims": {"x": {"t": [[1], [1, 2]]}}}, "list of numbers"),
        ({"chunk_size": np.array([1, 2])}, "positive integer"),
        ({"x64": "false"}, "True or False"),
        ({"args": (np.ma.masked_array([1.0], [True]),)}, "masked"),
        ({"args": (np.array([1e300]),)}, "must fit float32"),
    ],
)
def test_bad_options_are_refused(options, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the type checker of the tests would speak first
    with pytest.raises(SweepError, match=message):
        sweep(lambda *data, a: {"x": jnp.zeros(2) + a}, {"a": [1.0]}, **options)


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken(), io.StringIO()])
def test_nobody_needs_to_listen_to_the_progress(stream, monkeypatch):
    if isinstance(stream, io.StringIO) and not isinstance(stream, Broken):
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    result = jr.sweep(lambda *, a: {"x": a}, {"a": [1.0, 2.0, 3.0]}, chunk_size=2)
    assert result["x"].values.tolist() == [1.0, 2.0, 3.0]


FORK = textwrap.dedent(
    """
    import multiprocessing, sys, warnings
    import jax, jax.numpy as jnp, numpy as np
    jax.config.update("jax_num_cpu_devices", 2)
    import jaxreg as jr
    warnings.simplefilter("ignore")
    def run(*, a):
        return {"x": jnp.linalg.svd(jnp.ones((30, 30)) * a)[1]}
    def work(queue):
        if sys.argv[1] == "after, with threads of its own":
            np.ones((900, 900)) @ np.ones((900, 900))  # NumPy starts threads anew after a fork
        try:
            queue.put(float(jr.sweep(run, {"a": [1.0, 2.0]}, progress=False).x.sum()))
        except jr.errors.SweepError as error:
            queue.put(str(error))
    if sys.argv[1] != "before":
        (jnp.ones((500, 500)) @ jnp.ones((500, 500))).block_until_ready()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    """
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("when", ["after", slow("after, with threads of its own"), "before"])
def test_a_fork_of_a_process_in_which_jax_ran_is_refused(when):
    told = subprocess.run([sys.executable, "-c", FORK, when], capture_output=True, text=True, timeout=120)
    if when == "before":
        assert float(told.stdout) == pytest.approx(30 * 3, rel=1e-4)
    else:
        assert "spawn" in told.stdout, told.stderr


def test_threads_that_python_does_not_know_make_no_fork():
    """Such as those of a library that logs through Python: it lists them for ever, though they are gone."""
    for _ in range(80):
        _thread.start_new_thread(threading.current_thread, ())
    assert sweep(lambda *, a: {"x": a}, {"a": [1.0]})["x"].item() == 1.0


LATE = """
import os, jax
jax.devices()
child = os.fork()
import jaxreg as jr
try:
    print(jr.sweep(lambda *, a: {"x": a}, {"a": [1.0]}, progress=False).x.item(), flush=True)
except jr.errors.SweepError as error:
    print("refused" if "spawn" in str(error) else error, flush=True)
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="such a fork is told on Linux only")
def test_a_fork_of_before_the_import_is_refused_and_its_parent_is_not():
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", LATE], capture_output=True, text=True, timeout=120)
    assert sorted(told.stdout.split()) == ["1.0", "refused"], told.stderr


INTERRUPTS = textwrap.dedent(
    """
    import os, random, signal, sys, threading, time
    import jax, jax.numpy as jnp, numpy as np
    jax.config.update("jax_num_cpu_devices", 2)
    import jaxreg as jr
    def run(*, seed, a):
        return {"x": jax.random.normal(seed, (20,)) * a}
    def call(n, store=None):
        return jr.sweep(run, {"seed": jr.seeds(n), "a": [1.0, 2.0]}, chunk_size=16, progress=False, store=store)
    call(16)
    moments, swallowed = random.Random(0), []
    for attempt in range(100):
        sent = threading.Event()
        def send():
            time.sleep(moments.random() * 0.3)
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=send)
        try:
            thread.start()
            while not sent.is_set():
                call(2000)
            time.sleep(0.2)
            swallowed.append(attempt)
        except KeyboardInterrupt:
            pass
        thread.join()
    print("swallowed", swallowed)
    """
)


@pytest.mark.slow
def test_a_hundred_interrupts_are_all_heard():
    done = subprocess.run([sys.executable, "-c", INTERRUPTS], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "swallowed []", done.stdout + done.stderr[-2000:]


def test_a_terminated_sweep_in_memory_ends_by_convention():
    code = INTERRUPTS.split("call(16)")[0] + "print('ready', flush=True)\nwhile True: call(2000)\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_host_callbacks_are_refused_by_stores_and_run_in_memory(tmp_path):
    factor = [2.0]

    def run(*, a):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return {"x": jax.pure_callback(lambda a: np.float32(factor[0] * a), shape, a, vmap_method="sequential")}

    with pytest.raises(SweepError, match="calls on the host"):
        sweep(run, {"a": [1.0]}, store=tmp_path / "s.zarr")
    assert sweep(run, {"a": [1.0, 2.0]})["x"].values.tolist() == [2.0, 4.0]
    factor[0] = 3.0
    assert sweep(run, {"a": [1.0, 2.0]})["x"].values.tolist() == [3.0, 6.0]


def test_the_manifest_of_a_sweep_in_numpys_true(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the type checker of the tests takes bool alone
    result = sweep(lambda *, a: {"x": a}, {"a": [1.0]}, x64=np.bool_(True))
    assert json.loads(result.provenance)["settings"]["x64"] is True


def test_store_errors_are_not_taken_for_a_failing_case(tmp_path, monkeypatch):
    from jaxreg.engine.store import Store

    def write(self, positions, block):
        raise StoreError("store", str(self.place), "is gone", "Look for it")

    monkeypatch.setattr(Store, "write", write)
    with pytest.raises(StoreError, match="is gone"):
        sweep(lambda *, a: {"x": a}, {"a": [1.0]}, store=tmp_path / "s.zarr")

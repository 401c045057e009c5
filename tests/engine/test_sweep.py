"""The sweep: right numbers at the right labels, one compilation per program, neighbours untouched."""

import importlib
import json
import runpy
import subprocess
import sys
import textwrap
import warnings
from importlib.util import find_spec
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine import devices, reporting
from jaxreg.engine.axes import Seeds
from tests.engine.runs import counted_compilations, descend, draw, read_summary

POINTS = np.linspace(-1, 1, 50, dtype=np.float32)
RATES = [0.1, 0.5, 0.9]


def sweep(run, axes, **options):
    return jr.sweep(run, axes, progress=False, **options)


def test_every_cell_is_the_run_at_its_labels():
    axes = {"learning_rate": RATES, "seed": jr.seeds(5), "batch_size": jr.static([2, 3])}
    result = sweep(descend, axes, args=(POINTS,), dims={"weight": ("step",)}, chunk_size=4)
    assert dict(result.weight.sizes) == {"learning_rate": 3, "seed": 5, "batch_size": 2, "step": 8}
    assert result.weight.dims == ("learning_rate", "seed", "batch_size", "step")
    alone = jax.jit(descend, static_argnames="batch_size")
    for rate in RATES:
        for number in range(5):
            for size in (2, 3):
                key = Seeds(5).key(number)
                expected = alone(POINTS, seed=key, learning_rate=jnp.float32(rate), batch_size=size)
                cell = result.sel(learning_rate=rate, seed=number, batch_size=size)
                np.testing.assert_allclose(cell.weight, expected["weight"], rtol=1e-6, atol=1e-7)
                np.testing.assert_allclose(cell.final, expected["final"], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 7, 100, "auto"])
def test_every_chunk_size_gives_the_same_numbers(chunk_size):
    axes = {"seed": jr.seeds(7), "learning_rate": RATES}
    result = sweep(descend, axes, args=(POINTS,), chunk_size=chunk_size)
    expected = sweep(descend, axes, args=(POINTS,), chunk_size=21, devices=jax.local_devices()[:1])
    np.testing.assert_allclose(result.weight, expected.weight, rtol=1e-6, atol=1e-7)
    assert not result.diverged.any()


def test_flat_and_nested_batches_agree():
    matrix = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)

    def product(matrix, *, seed, scale):
        return {"out": scale * (matrix @ jax.random.normal(seed, (6, 6)) @ matrix)}

    def elementwise(matrix, *, seed, scale):
        noise = jax.random.normal(seed, (6, 6))
        inner = (matrix[:, :, None] * noise[None, :, :]).sum(1)
        return {"out": scale * (inner[:, :, None] * matrix[None, :, :]).sum(1)}

    axes = {"seed": jr.seeds(5), "scale": [1.0, 2.0, 3.0]}
    flat, nested = sweep(product, axes, args=(matrix,)), sweep(elementwise, axes, args=(matrix,))
    np.testing.assert_allclose(flat.out, nested.out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batching", ["nested", "flat", "alone"])
def test_every_batching_gives_the_same_numbers(batching, monkeypatch):
    from jaxreg.engine import program

    axes = {"seed": jr.seeds(5), "learning_rate": RATES}
    expected = sweep(descend, axes, args=(POINTS,))
    monkeypatch.setattr(program, "choose_batching", lambda cost, cache: batching)
    result = sweep(descend, axes, args=(POINTS,), chunk_size=6)
    np.testing.assert_allclose(result.weight, expected.weight, rtol=1e-6, atol=1e-7)


def test_large_networks_run_alone_and_small_ones_in_a_flat_batch():
    from jaxreg.engine import entry, program

    def multiply(*, seed, size):
        matrix = jax.random.normal(seed, (size, size))
        return {"x": jax.lax.fori_loop(0, 100, lambda i, m: matrix @ m / size, matrix).sum()}

    def batching(size):
        study = entry._prepare(multiply, {"seed": jr.seeds(64), "size": jr.static([size])}, (), None, "auto", None)
        return program.choose_batching(study.programs[0].cost, study.bench.machine.cache), study.box.members

    assert batching(2000) == ("alone", 2)
    assert batching(16) == ("flat", 64)


def test_seeds_are_prefix_stable_and_independent_between_axes():
    few, many = sweep(draw, {"seed": jr.seeds(3)}), sweep(draw, {"seed": jr.seeds(10)})
    np.testing.assert_array_equal(few.key, many.key[:3])
    later = sweep(draw, {"seed": jr.seeds(4, start=6)})
    np.testing.assert_array_equal(later.key, many.key[6:])
    np.testing.assert_array_equal(later.seed, [6, 7, 8, 9])
    assert len(np.unique(sweep(draw, {"seed": jr.seeds(10, root=1)}).key, axis=0)) == 10
    assert not np.array_equal(sweep(draw, {"seed": jr.seeds(10, root=1)}).key, many.key)

    def two(*, init_seed, order_seed):
        return {"init": jax.random.key_data(init_seed), "order": jax.random.key_data(order_seed)}

    both = sweep(two, {"init_seed": jr.seeds(4), "order_seed": jr.seeds(4)})
    keys = np.concatenate([both.init[:, 0].values, both.order[0].values])
    assert len(np.unique(keys, axis=0)) == 8  # the same root, yet no key appears on both axes
    assert (both.init == both.init[:, :1]).all()
    assert (both.order == both.order[:1]).all()


def test_the_same_seed_is_paired_across_other_axes():
    result = sweep(draw, {"seed": jr.seeds(20), "scale": [1.0, 2.0]})
    np.testing.assert_array_equal(result.value.sel(scale=2.0), 2 * result.value.sel(scale=1.0))


def test_golden_keys():
    """Threefry keys are the same for ever and everywhere: a change would silently change every study."""
    result = sweep(draw, {"seed": jr.seeds(2)})
    assert result.key.values.tolist() == GOLDEN


GOLDEN = [[579287823, 3126000052], [3326413657, 4000267009]]


def test_cases_mix_static_and_traced_keywords():
    def run(*, seed, l2=0.0, activation="relu", width=4):
        noise = jax.random.normal(seed, (width,))
        value = jax.nn.relu(noise) if activation == "relu" else jnp.tanh(noise)
        return {"sum": value.sum() + l2, "width": jnp.int32(width)}

    bundles = {
        "baseline": {},
        "l2": {"l2": 0.5},
        "tanh": {"activation": "tanh"},
        "wide tanh": {"activation": "tanh", "l2": 0.25, "width": jr.static(8)},
    }
    axes = {"case": jr.cases(bundles), "seed": jr.seeds(4)}
    with counted_compilations() as compilations:
        result = sweep(run, axes)
    assert result.case.values.tolist() == list(bundles)
    for name, bundle in bundles.items():
        keywords = {k: v.values[0] if k == "width" and hasattr(v, "values") else v for k, v in bundle.items()}
        expected = [run(seed=Seeds(4).key(i), **keywords) for i in range(4)]
        np.testing.assert_allclose(result["sum"].sel(case=name), [e["sum"] for e in expected], rtol=1e-6)
        np.testing.assert_array_equal(result.width.sel(case=name), [e["width"] for e in expected])
    assert compilations == [3]


def test_cases_with_equal_keywords_share_a_program_even_without_traced_values():
    def run(*, mode="a"):
        return {"is_a": jnp.float32(mode == "a")}

    result = sweep(run, {"case": jr.cases({"one": {}, "two": {}, "three": {"mode": "b"}})})
    assert result.is_a.values.tolist() == [1.0, 1.0, 0.0]


def test_static_only_and_one_cell_sweeps():
    result = sweep(lambda *, n: {"total": jnp.arange(n).sum()}, {"n": jr.static([3, 5])})
    assert result.total.values.tolist() == [3, 10]
    assert sweep(draw, {"seed": jr.seeds(1)}).value.shape == (1,)


class Pair(NamedTuple):
    first: jax.Array
    second: int


def test_named_tuples_and_numbers_are_outputs():
    result = sweep(lambda *, a: Pair(a + 1, 2), {"a": [1.0, 2.0]})
    assert result["first"].values.tolist() == [2.0, 3.0]
    assert result["second"].values.tolist() == [2, 2]


def test_compiles_once_per_program_whatever_the_chunks_seeds_and_values():
    axes = {"seed": jr.seeds(40), "learning_rate": RATES, "batch_size": jr.static([2, 3])}

    def local(points, **point):
        return descend(points, **point)

    with counted_compilations() as compilations:
        sweep(local, axes, args=(POINTS,), chunk_size=12)
    assert compilations == [2]
    with counted_compilations() as compilations:
        sweep(local, axes | {"learning_rate": [0.2, 0.3, 0.4]}, args=(POINTS + 1,), chunk_size=12)
        sweep(local, axes | {"seed": jr.seeds(400, root=3, start=7)}, args=(POINTS,), chunk_size=12)
    assert compilations == [0]


def test_a_second_sweep_with_an_automatic_chunk_compiles_nothing():
    def local(points, **point):
        return descend(points, **point)

    with counted_compilations() as first:
        sweep(local, {"seed": jr.seeds(64), "learning_rate": RATES}, args=(POINTS,))
    with counted_compilations() as second:
        sweep(local, {"seed": jr.seeds(64, start=64), "learning_rate": [0.2, 0.7, 0.8]}, args=(POINTS * 2,))
    assert (first, second) == ([1], [0])


def test_args_are_arguments_and_not_constants():
    data = np.arange(100_000, dtype=np.float32)
    axes = jr.engine.reading.read_axes(lambda data, *, a: {"x": data.sum() * a}, {"a": [1.0]}, (data,))
    from jaxreg.engine import chunks, devices, execute, program, tracing

    mesh = execute.make_mesh(jax.local_devices()[:1])
    shared = program.replicate((data,), mesh)
    (built,) = tracing.build_programs(lambda data, *, a: {"x": data.sum() * a}, axes, shared)
    box = chunks.initial_box(axes, [built], "auto", devices.describe_machine(jax.local_devices()[:1]))
    assert len(program.compile_chunk(built, shared, box, mesh).as_text()) < 100_000


def test_a_diverged_member_is_marked_and_leaves_its_neighbours_bytes_alone():
    good = sweep(descend, {"seed": jr.seeds(6), "learning_rate": [0.1, 0.2, 0.3]}, args=(POINTS,))
    bad = sweep(descend, {"seed": jr.seeds(6), "learning_rate": [0.1, np.float32(np.inf), 0.3]}, args=(POINTS,))
    assert bad.diverged.values.tolist() == [[False, True, False]] * 6
    for rate in (0.1, 0.3):
        ours, theirs = bad.sel(learning_rate=rate), good.sel(learning_rate=rate)
        assert ours.weight.values.tobytes() == theirs.weight.values.tobytes()


def test_position_in_the_chunk_does_not_change_a_members_bytes():
    rates = np.linspace(0.1, 0.9, 8, dtype=np.float32)
    forward = sweep(descend, {"seed": jr.seeds(16), "learning_rate": rates}, args=(POINTS,))
    backward = sweep(descend, {"seed": jr.seeds(16), "learning_rate": rates[::-1]}, args=(POINTS,))
    assert forward.weight.values.tobytes() == backward.weight.values[:, ::-1].tobytes()


def test_x64_holds_for_this_sweep_only():
    def run(data, *, seed, a):
        return {"x": a * data.sum() + jax.random.normal(seed, dtype=a.dtype)}

    wide = sweep(run, {"seed": jr.seeds(2), "a": [1.0, 2.0]}, args=(np.ones(3) / 3,), x64=True)
    assert wide["x"].dtype == np.float64
    narrow = sweep(run, {"seed": jr.seeds(2), "a": [1.0, 2.0]}, args=(np.ones(3) / 3,))
    assert narrow["x"].dtype == np.float32
    assert jnp.ones(1).dtype == jnp.float32
    assert json.loads(wide.attrs["provenance"])["settings"]["x64"] is True


def test_ragged_outputs_are_padded_with_a_validity_variable():
    def epoch(*, seed, batch_size):
        return {"loss": jax.random.normal(seed, (12 // batch_size,)), "last": jnp.float32(batch_size)}

    axes = {"seed": jr.seeds(3), "batch_size": jr.static([2, 3, 6])}
    with pytest.raises(jr.errors.SweepError, match=r"'loss'.*batch_size=3.*ragged"):
        sweep(epoch, axes, dims={"loss": ("step",)})
    result = sweep(epoch, axes, dims={"loss": (jr.ragged("step"),)})
    assert result.loss.shape == (3, 3, 6)
    assert result.step_valid.dims == ("batch_size", "step")
    assert result.step_valid.values.tolist() == [[True] * 6, [True] * 4 + [False] * 2, [True] * 2 + [False] * 4]
    assert np.isnan(result.loss.sel(batch_size=6).values[:, 2:]).all()
    assert np.isfinite(result.loss.where(result.step_valid, 0.0)).all()
    assert not result.diverged.any()  # padding is not divergence


def test_trailing_dimensions_carry_coordinates():
    result = sweep(
        descend,
        {"seed": jr.seeds(2), "learning_rate": RATES},
        args=(POINTS,),
        dims={"weight": {"step": range(10, 90, 10)}},
    )
    assert result.weight.sel(step=80).values.tobytes() == result.final.values.tobytes()


def test_integer_and_boolean_axes():
    result = sweep(lambda *, n, flag: {"x": jnp.where(flag, n, -n)}, {"n": [1, 2], "flag": [True, False]})
    assert result["x"].values.tolist() == [[1, -1], [2, -2]]
    assert result["x"].dtype == np.int32


def test_provenance_is_one_json_string():
    result = sweep(draw, {"seed": jr.seeds(2)})
    provenance = json.loads(result.attrs["provenance"])
    entry = provenance["history"][0]
    assert entry["function"].endswith("draw")
    assert entry["versions"]["jax"] == jax.__version__
    assert {"time", "device", "matmul_precision", "prng", "commit", "data"} <= set(entry)
    assert set(result.attrs) == {"provenance"}


def test_summary_line_counts_runs_divergence_and_idle_cores(capsys, monkeypatch):
    monkeypatch.setattr(devices, "count_cores", lambda: 3)
    jr.sweep(lambda *, a: {"x": 1 / a}, {"a": [0.0, 1.0, 2.0]})
    line = read_summary(capsys)
    assert "3 runs, 1 diverged" in line
    assert "s compiling 1 program" in line
    assert "runs/s; on 2 of 3 cores: jr.use_all_cores()" in line
    monkeypatch.setattr(devices, "count_cores", lambda: 2)
    assert devices.describe_idle(jax.local_devices()) == ""


def test_a_store_that_has_all_says_so_and_no_more(tmp_path, capsys):
    for _ in range(2):
        jr.sweep(
            lambda *, a: {"x": 1 / a}, {"a": [0.0, 1.0]}, store=tmp_path / "s.zarr", devices=jax.local_devices()[:1]
        )
    line = read_summary(capsys)
    assert line.startswith("2 runs found in the store, none left to compute")
    assert "diverged" not in line


def test_a_notebook_without_widgets_is_warned_of_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace())  # as tqdm tells a kernel
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    for name in [name for name in sys.modules if name.startswith("tqdm.")]:
        monkeypatch.delitem(sys.modules, name)
    if find_spec("ipywidgets") is None:
        with pytest.warns(match="IProgress not found"):
            importlib.import_module("tqdm.auto")
    with warnings.catch_warnings(record=True, action="always") as told:
        runpy.run_path(reporting.__file__)
    assert told == []


OUT_OF_MEMORY = textwrap.dedent(
    """
    import resource, jax, jax.numpy as jnp, jaxreg as jr
    jax.config.update("jax_num_cpu_devices", 2)
    jax.devices()
    import jaxreg.engine.execute as execute
    execute.memory_budget = lambda device: 2**50          # pretend the memory analysis saw no problem
    def run(*, a):
        large = jax.lax.fori_loop(0, 2, lambda i, x: jnp.roll(x, 1) + 0 * a, jnp.arange(2_000_000.0) * a)
        return {"x": large[2::100_000]}
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    result = jr.sweep(run, {"a": jnp.arange(1.0, 257.0)}, chunk_size=256)
    import json
    print(json.loads(result.attrs["provenance"])["chunk"], float(abs(result.x[:, -1] / result.a - 1_900_000).max()))
    """
)


@pytest.mark.slow
def test_when_memory_runs_out_the_chunk_is_halved_and_the_work_goes_on():
    """A real limit on this process' memory; XLA says RESOURCE_EXHAUSTED at run time."""
    done = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    box, spread = done.stdout.strip().rsplit(" ", 1)
    assert 1 <= json.loads(box)[0] < 256
    assert float(spread) < 1
    assert "256 runs, 0 diverged" in done.stderr


def test_import_is_light_and_use_all_cores_makes_every_core_a_device():
    code = """
import time, jax
began = time.perf_counter()
import jaxreg as jr
print(time.perf_counter() - began, jr.use_all_cores(), len(jax.devices()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, asked, given = map(float, done.stdout.split())
    assert seconds < 0.5
    assert asked == given >= 1


def test_use_all_cores_is_refused_after_jax_has_started(monkeypatch):
    monkeypatch.setattr("jaxreg.engine.devices.count_cores", lambda: len(jax.devices()) + 1)
    with pytest.raises(jr.errors.SweepError, match="must be called before JAX starts"):
        jr.use_all_cores()


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("batching", ["nested", "flat", "alone"])
def test_the_chunk_program_lowers_for_every_platform(platform, batching):
    from jaxreg.engine import chunks, devices, execute, program, tracing
    from jaxreg.engine.reading import read_axes

    mesh = execute.make_mesh(jax.local_devices())
    axes = read_axes(descend, {"seed": jr.seeds(4), "learning_rate": [0.1, 0.2]}, (POINTS,))
    (built,) = tracing.build_programs(descend, axes, (POINTS,))
    box = chunks.initial_box(axes, [built], 8, devices.describe_machine(jax.local_devices()))
    values = program.chunk_values(built, program.Tile(0, ((0,), (0,))), box, mesh)

    def call(args, values):
        return program.run_chunk(args, values, member=built.member, batching=batching, split=box.split, mesh=mesh)

    exported = jax.export.export(jax.jit(call), platforms=[platform])((POINTS,), values)
    assert exported.platforms == (platform,)


def test_a_global_x64_setting_is_kept():
    with jax.enable_x64(True):
        result = sweep(lambda data, *, a: {"x": a + data.sum()}, {"a": [1.0]}, args=(np.full(1, 1e-12),))
    assert result["x"].values[0] - 1.0 == pytest.approx(1e-12, rel=1e-3)


def test_nan_debugging_does_not_stop_a_population():
    with jax.debug_nans(True):
        result = sweep(lambda *, a: {"x": jnp.log(a)}, {"a": [-1.0, 1.0]})
    assert result.diverged.values.tolist() == [True, False]


def test_half_precision_data_and_partial_functions():
    import functools

    data = jnp.ones(1000, jnp.bfloat16)
    result = sweep(lambda d, *, a: {"x": a * d.astype(jnp.float32).sum()}, {"a": [1.0, 2.0]}, args=(data,))
    assert result["x"].values.tolist() == [1000.0, 2000.0]
    bound = functools.partial(lambda d, *, a: {"x": a * d.sum()}, np.ones(100_000, np.float32))
    assert len(sweep(bound, {"a": [1.0]}).attrs["provenance"]) < 5000


def test_integers_and_floats_of_different_cases_share_a_program():
    with counted_compilations() as compilations:
        result = sweep(lambda *, l2=0: {"x": l2 * 2.0}, {"case": jr.cases({"a": {}, "b": {"l2": 0.5}, "c": {"l2": 1}})})
    assert result["x"].values.tolist() == [0.0, 1.0, 2.0]
    assert compilations == [1]


def test_shared_data_may_lie_on_devices_of_the_users_own_choice():
    mesh = jax.make_mesh((2,), ("rows",))
    X = jax.device_put(jnp.arange(24.0).reshape(6, 4), jax.NamedSharding(mesh, jax.P("rows")))

    def run(X, *, seed):
        return {"mean": jr.linear.standardize(X + jax.random.uniform(seed)).center}

    placed = jr.sweep(run, {"seed": jr.seeds(3)}, args=(X,), progress=False)
    plain = jr.sweep(run, {"seed": jr.seeds(3)}, args=(np.asarray(X),), progress=False)
    np.testing.assert_array_equal(placed["mean"], plain["mean"])

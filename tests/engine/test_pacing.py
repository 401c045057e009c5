"""Chunks of long calls start small, grow to some seconds, are recorded before they run, and stay on resume."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.engine import chunks, execute
from jaxreg.engine.chunks import first_box, is_brief, next_box
from jaxreg.engine.cost import UNKNOWN_LENGTH, Cost
from jaxreg.engine.entry import _prepare
from jaxreg.engine.grid import Box
from tests.engine.test_grid import make_axis

AXES = {"seed": jr.seeds(300), "rate": [0.1, 0.2]}


def walk(*, seed, rate):
    def step(w, key):
        return w - rate * (w + jax.random.normal(key)), None

    return {"w": jax.lax.scan(step, jnp.float32(0), jax.random.split(seed, 50))[0]}


@pytest.fixture
def slow_calls(monkeypatch):
    """Every call counts as long: as if a run took a second and the calls' own start another."""
    monkeypatch.setattr(chunks, "BRIEF", 0.0)
    monkeypatch.setattr(chunks, "FIRST", 0.0)
    whole = execute.Execution._finish_first

    def finish_first(self, started):
        tile = started[0].tile
        whole(self, started)
        self.seconds = 0.5 + 0.02 * tile.cells

    monkeypatch.setattr(execute.Execution, "_finish_first", finish_first)


def regions(path):
    with xr.open_zarr(path) as plain:
        return json.loads(plain.provenance)["regions"]


def test_chunks_grow_and_every_cell_is_computed_once(tmp_path, slow_calls):
    result = jr.sweep(walk, AXES, store=tmp_path / "s.zarr", progress=False)
    sizes = [int(np.prod(region["chunk"])) for region in regions(tmp_path / "s.zarr")]
    assert sizes[0] == 8  # four runs for each of two devices
    assert max(sizes) > 10 * sizes[0]
    assert 0.5 + 0.02 * max(sizes) < 15
    expected = jr.sweep(walk, AXES, chunk_size=64, progress=False)
    np.testing.assert_allclose(result.w, expected.w, rtol=1e-5, atol=1e-6)


def test_a_killed_sweep_keeps_the_chunks_that_were_recorded(tmp_path, slow_calls, monkeypatch):
    whole = jr.sweep(walk, AXES, store=tmp_path / "whole.zarr", progress=False).load()
    from jaxreg.engine.store import Store

    write, left = Store.write, [2]

    def killed(self, positions, block):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(self, positions, block)

    monkeypatch.setattr(Store, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        jr.sweep(walk, AXES, store=tmp_path / "s.zarr", progress=False)
    before = regions(tmp_path / "s.zarr")
    with xr.open_zarr(tmp_path / "s.zarr") as plain:
        done, kept = plain.done.values, plain.w.values
    assert 0 < done.sum() < done.size
    monkeypatch.setattr(Store, "write", write)
    resumed = jr.sweep(walk, AXES, store=tmp_path / "s.zarr", progress=False).load()
    assert regions(tmp_path / "s.zarr")[: len(before)] == before
    assert resumed.w.values[done].tobytes() == kept[done].tobytes() == whole.w.values[done].tobytes()
    np.testing.assert_allclose(resumed.w, whole.w, rtol=1e-6)


def test_a_long_sweep_is_measured_and_a_short_one_is_not():
    def long(*, seed, steps=10**6):
        key = jax.random.key_data(seed)[0].astype(jnp.float32)
        return {"w": jax.lax.fori_loop(0, steps, lambda i, w: 0.9 * w + 0.1, key)}

    study = _prepare(long, {"seed": jr.seeds(8000)}, (), None, "auto", None)
    (program,) = study.programs
    assert not is_brief(program, study.box, study.bench.machine.devices)
    assert first_box(program, study.axes, study.box, study.bench.machine.devices).members <= 8000 / 10
    study = _prepare(walk, AXES, (), None, "auto", None)
    assert is_brief(study.programs[0], study.box, study.bench.machine.devices)


def turning(*, seed, n):
    draw = jax.random.uniform(seed)
    return {"x": jax.lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, 0.9 * s[1] + draw), (0, draw))[1]}


def test_runs_of_unknown_length_are_measured_from_one_on(tmp_path, monkeypatch):
    """Those of the first seeds are short by what they report, those of later ones five times as long as they should."""
    study = _prepare(turning, {"seed": jr.seeds(8000), "n": [10, 20]}, (), None, "auto", None)
    (program,) = study.programs
    assert not is_brief(program, study.box, study.bench.machine.devices)
    assert first_box(program, study.axes, study.box, study.bench.machine.devices).members == study.bench.machine.devices
    whole, lasted = execute.Execution._finish_first, []

    def finish_first(self, started):
        tile = started[0].tile
        whole(self, started)
        self.seconds = 0.1 * tile.cells * (5 if min(tile.positions[0]) >= 200 else 1)
        lasted.append(self.seconds)

    monkeypatch.setattr(execute.Execution, "_finish_first", finish_first)
    axes = {"seed": jr.seeds(400), "n": [10, 20]}
    result = jr.sweep(turning, axes, store=tmp_path / "s.zarr", progress=False)
    assert lasted[0] <= 0.2
    assert sum(seconds > 15 for seconds in lasted) <= 1  # the one that showed it
    assert max(int(np.prod(region["chunk"])) for region in regions(tmp_path / "s.zarr")[:-1]) <= 100
    np.testing.assert_allclose(result.x, jr.sweep(turning, axes, chunk_size=800, progress=False).x, rtol=1e-6)
    lasted.clear()
    jr.sweep(turning, axes, chunk_size=800, progress=False)
    assert lasted == pytest.approx([80.0])  # as it was asked for


def test_growth_aims_at_seconds(monkeypatch):
    axes, devices = [make_axis("seed", 10**6, "seeds")], len(jax.local_devices())
    full = Box((10**6,), 0)
    for start, each in ((0.0, 1e-2), (3.0, 1e-4), (0.1, 1e-3), (2.9, 1e-9)):
        measured = [(8, start + 8 * each)]
        while (box := next_box(measured, axes, full, devices)) is not None:
            measured.append((box.members, start + box.members * each))
            assert len(measured) < 10
        assert measured[-1][1] <= 10
        assert measured[-1][1] >= 3 or measured[-1][0] == 10**6


def test_loops_of_unknown_length_are_guessed():
    from jaxreg.engine.cost import measure_cost

    def unknown(a):
        return jax.lax.while_loop(lambda a: a < 1, lambda a: 2 * a, a)

    def known(a):
        return jax.lax.scan(lambda c, _: (unknown(c), None), a, None, length=5)[0]

    cost = measure_cost(jax.make_jaxpr(known)(1.0), ())
    assert isinstance(cost, Cost)
    assert cost.iterations == pytest.approx(2 * 5 * UNKNOWN_LENGTH, rel=0.01)  # its test and its body

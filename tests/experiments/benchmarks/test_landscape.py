"""The contests of SGD on landscapes: same draws, same fates, refusal where they differ, real memory, true limits."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.benchmarks import landscape as bench
from experiments.benchmarks import timing
from experiments.benchmarks.settings import PRESETS
from experiments.landscape.operations import count_operations
from jaxreg.landscape import T2_LANDSCAPE, fate

needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn")
_RUNS = 64


@pytest.fixture(scope="module")
def draws():
    return np.asarray(bench.draw_points(bench.make_keys(_RUNS), bench.STEPS))


@pytest.fixture(scope="module")
def expected(draws):
    """Fates by NumPy's polyfit, in float64, on the points drawn."""
    x, y = bench.make_points()
    weights = []
    for points in draws:
        w = bench.START
        for chosen in points:
            fit = np.polynomial.Polynomial.fit(x[chosen], y[chosen], bench.DEGREE)
            w -= bench.RATE * fit.deriv()(w)
            if not abs(w) < bench.LIMIT:
                w = np.inf
                break
        weights.append(w)
    return np.asarray(fate(np.array(weights), T2_LANDSCAPE))


@pytest.fixture(scope="module")
def contest():
    contest = bench.contest_least_squares(_RUNS, _RUNS)
    return contest, contest.ours(), contest.theirs()


def test_draws_are_sets_of_points_that_differ_from_step_to_step(draws):
    assert draws.shape == (_RUNS, 100, 10)
    assert (np.diff(np.sort(draws), axis=-1) > 0).all()
    assert len({row.tobytes() for row in draws.reshape(-1, 10)}) > 0.999 * _RUNS * 100


def test_least_squares_and_ours_meet_the_fates_of_polyfit(contest, expected):
    _, ours, theirs = contest
    assert (ours["fate"].values == expected).mean() >= 0.98
    assert (np.asarray(fate(theirs, T2_LANDSCAPE)) == expected).mean() >= 0.98
    assert {0, 3} <= set(expected.tolist())


def test_fates_that_differ_are_refused(contest):
    contest, ours, theirs = contest
    assert contest.agree(ours, theirs).startswith(f"same fate from the same draws in {_RUNS} of {_RUNS} runs")
    with pytest.raises(AssertionError, match="same fate"):
        contest.agree(ours, jnp.where(jnp.arange(_RUNS) < 1, jnp.inf, 0.0))
    assert "399 of 400" in bench.check_fates(np.arange(400), np.r_[np.arange(399), 0])
    with pytest.raises(AssertionError, match="397 of 400"):
        bench.check_fates(np.arange(400), np.r_[np.arange(397), 0, 0, 0])


@needs_sklearn
def test_the_tutorials_loop_follows_polyfit(draws, expected):
    x, y = bench.make_points()
    found = [bench.follow_tutorial(x, y, draws[k].__getitem__) for k in range(3)]
    np.testing.assert_array_equal(fate(np.array(found), T2_LANDSCAPE), expected[:3])
    contest = bench.contest_tutorial(_RUNS, 1)
    fates = np.r_[expected[:1], np.zeros(_RUNS - 1, int)]
    assert "1 of 1" in contest.agree(xr.Dataset({"fate": ("seed", fates)}), contest.theirs())
    with pytest.raises(AssertionError, match="0 of 1"):
        contest.agree(xr.Dataset({"fate": ("seed", 1 + fates)}), None)


def test_words_alone_are_all_those_of_a_run():
    key = bench.make_keys(1)[0]
    word = jax.jit(lambda key: bench.draw_words(seed=key)["word"])(key)
    words = np.asarray(jax.random.bits(key, (bench.STEPS, bench.BATCH)))
    assert word == np.bitwise_xor.reduce(words.ravel())


def test_multiply_adds_are_counted_and_not_left_out():
    count = count_operations(lambda number: bench.turn(number=number), jnp.float32(0))
    assert count == pytest.approx(2 * 16 * 32_768 * 2000, rel=1e-3)
    program = jax.jit(lambda number: bench.turn(number=number)["sum"])
    total = float(program(jnp.float32(0)))
    assert total == pytest.approx(32_768, rel=0.01)  # the fixed point of 0.999 v + 0.001


@pytest.mark.slow
def test_shares_are_of_what_they_say():
    rows = {entry["name"].strip(): entry for entry in (*bench.measure_shares(256, 1), *bench.measure_noise(256, 1))}
    assert all(entry["value"] > 0 for entry in rows.values())
    assert rows["of the rate of multiply-adds in registers"]["value"] < 1
    noise = rows["of the rate at which its normal numbers alone are drawn"]
    assert noise["target"] == 0.7
    assert noise["value"] == pytest.approx(noise["rival_seconds"] / noise["seconds"], rel=0.01)
    population = rows["refit descent, one learning rate: population"]
    assert "320 random bits" in population["note"]
    assert population["value"] == pytest.approx(256 * 100 / population["seconds"])


@pytest.mark.slow
def test_a_descent_that_is_not_numpys_is_refused(monkeypatch):
    monkeypatch.setattr(bench, "wander_in_numpy", lambda normals: np.full(len(normals), 5.0))
    with pytest.raises(AssertionError, match="from NumPy's"):
        list(bench.measure_noise(64, 1))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.slow
def test_peak_memory_sees_what_was_given_back():
    code = (
        "from experiments.benchmarks.landscape import peak_bytes\n"
        "import numpy as np\n"
        "before = peak_bytes()\n"
        "held = np.ones(50_000_000, np.uint8)\n"
        "del held\n"
        "print(peak_bytes() - before)"
    )
    root = Path(__file__).parents[3]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert 45e6 < float(told.stdout) < 60e6


@needs_proc
@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own(monkeypatch):
    (entry,) = bench.measure_memory(1000)
    assert entry["unit"] == "MB"
    assert entry["target"] == 300
    assert 5 < entry["value"] < 300
    assert "compiling included" in entry["note"]
    json.dumps(entry)


def test_without_scikit_learn_it_says_so(monkeypatch, capsys):
    for name in ("measure_shares", "measure_noise", "measure_memory"):
        monkeypatch.setattr(bench, name, lambda *_: [])
    monkeypatch.setattr(bench, "measure", lambda contest, _: {"name": contest.name})
    monkeypatch.setattr(timing.importlib.util, "find_spec", lambda name: None)
    rows = bench.measure_landscape_kernels(dataclasses.replace(PRESETS["quick"], descents=64, batched=8), 1.0)
    assert [entry["name"].strip() for entry in rows] == ["against vmapped jnp.linalg.lstsq"]
    assert "sklearn is not installed" in capsys.readouterr().err

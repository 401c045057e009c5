"""Whether runs are the same alone as among others: those that are pass, those that are not are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine.checking import COPIES, check_call, measure_rounding
from jaxreg.engine.rehearsal import Call
from jaxreg.errors import StoreError, SweepError
from jaxreg.study import checking


def run(data, *, seed, rate, power):
    return {"x": rate * jax.random.normal(seed, (3,)) ** power + data.mean()}


AXES = {"seed": jr.seeds(20), "rate": [0.1, 0.2, 0.3], "power": jr.static([1, 2])}
DATA = (np.arange(4, dtype=np.float32),)


def test_runs_that_do_not_know_of_each_other_pass():
    found = check_call(Call(run, AXES, DATA, False))
    ways = ["one chunk on one device", "chunks of 3", "backwards", "a worker", "extended", COPIES]
    assert [one.way for one in found] == ways
    assert max(one.size for one in found) < 1e-6
    assert [one.runs for one in found] == [4, 4, 4, 4, 4, 2]  # two of each program; and one
    assert check_call(Call(run, AXES, DATA, False), is_brief=True) == [found[0], found[-1]]


def within(rule):
    """The identity alone; in a batch what `rule` makes of all members."""

    @jax.custom_batching.custom_vmap
    def own(x):
        return x

    @own.def_vmap
    def together(size, is_batched, x):
        return rule(x, size), True

    return own


def chaos(start, step):
    """The logistic map, which doubles any difference at each of 60 steps."""
    mixed = jnp.stack([start, 1 - start]) @ jnp.ones(2) * start  # a sum: 1, but for rounding
    return {"x": jax.lax.fori_loop(0, 60, lambda i, x: step(4 * x * (1 - x)), mixed)}


def test_a_run_that_knows_of_its_neighbours_is_found():
    centred = within(lambda x, size: x - x.mean())
    found = check_call(Call(lambda *, a: {"x": centred(a)}, {"a": [1.0, 2.0, 4.0]}, (), False))
    assert {one.way: one.size > 0.1 for one in found}["one chunk on one device"]  # with both runs; of two, each has one
    assert measure_rounding(Call(lambda *, a: {"x": a}, {"a": [1.0, 2.0]}, (), False)) == 0


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (lambda x, size: x, 0),
        (lambda x, size: x * (1 - 2.4e-7 * (size > 1)), 1),  # a compiler that rounds otherwise in a batch
        (lambda x, size: x * (1 - 2.4e-7 * x.mean()), 2),  # tiny, and of its neighbours
    ],
)
def test_chaos_is_told_from_what_neighbours_do(rule, verdict, capsys):
    step = within(rule)
    call = Call(lambda *, a: chaos(a, step), {"a": [0.3, 0.4]}, (), False)
    judged = checking.judge(call, 1e-3)
    assert judged.verdict == checking.VERDICTS[verdict], capsys.readouterr().out
    assert (judged.size > 0.1) == (verdict > 0)


def test_a_difference_that_rounding_does_not_make_is_no_chaos(monkeypatch):
    far = jr.engine.checking.Difference("chunks of 3", "x", 0.5, 2)
    monkeypatch.setattr(checking, "check_call", lambda call: [far])
    call = Call(run, AXES, DATA, False)
    assert checking.judge(call, 1e-3) == (0.5, "NOT THE SAME")


def test_rounding_of_what_cancels_is_no_difference():
    distance = jr.engine.checking._distance
    assert distance(np.float64(1e-17), np.float64(3e-17)) == 0
    np.testing.assert_allclose(distance(np.float32([4e-5, 1e-4]), np.float32([4e-5, 2e-4])), 1, rtol=1e-6)
    assert distance(np.array([3, 4]), np.array([3, 5])) == 0.25
    assert distance(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == np.inf


def test_replay_says_how_far_a_run_is_from_the_store(tmp_path):
    path = tmp_path / "s.zarr"
    stored = jr.sweep(run, AXES, args=DATA, store=path, progress=False)
    turned = AXES | {"rate": [0.3, 0.1, 0.7]}  # another order, and one that is not there
    again = jr.replay(path, run, turned, DATA, seed=7, rate=0.3, power=2)
    assert again.attrs["difference"] < 1e-6
    np.testing.assert_allclose(again.x, stored.x.sel(seed=7, power=2).isel(rate=2), rtol=1e-6)

    def other(data, *, seed, rate, power):
        return {"x": 2 * run(data, seed=seed, rate=rate, power=power)["x"]}

    assert 0.4 < jr.replay(path, other, AXES, DATA, seed=7, rate=0.3, power=2).attrs["difference"] < 0.6
    with pytest.raises(StoreError, match="does not hold the run"):
        jr.replay(path, run, turned, DATA, seed=7, rate=0.7, power=2)
    with pytest.raises(SweepError, match="must name"):
        jr.replay(path, run, AXES, DATA, seed=7, rate=0.3)
    with pytest.raises(SweepError, match="must be among"):
        jr.replay(path, run, AXES, DATA, seed=7, rate=0.4, power=2)


STUDY = """
\"\"\"How far do walks go?\"\"\"
from dataclasses import dataclass
import jax, jaxreg as jr

@dataclass(frozen=True)
class Config:
    \"\"\"Settings.\"\"\"
    runs: int = 10
    \"\"\"Walks.\"\"\"

PRESETS = {"quick": Config(), "laptop": Config()}

def run(config, store=None, progress=True):
    return jr.sweep(lambda *, seed: {"end": jax.random.normal(seed)}, {"seed": jr.seeds(config.runs)}, store=store)
"""


def test_the_command_checks_a_study_of_a_folder(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "studies_to_check"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Studies."""')
    (folder / "walks.py").write_text(STUDY.strip())
    assert checking.check_folder([str(folder), "walks"]) == 0
    said = capsys.readouterr().out
    assert "sweep 1 (run.<locals>.<lambda>, over seed): one chunk on one device 0, chunks of 3" in said
    assert said.strip().endswith("same")
    far = jr.engine.checking.Difference("one chunk", "end", 0.5, 2)
    monkeypatch.setattr(checking, "check_call", lambda call: [far])
    monkeypatch.setattr(checking, "measure_rounding", lambda call: 0.0)
    assert checking.check_folder([str(folder), "walks"]) == 1
    assert "largest difference 0.5; NOT THE SAME" in capsys.readouterr().out
    (folder / "lax.py").write_text(f"{STUDY.strip()}\n\nTOLERANCE = 0.6\n")  # a study states what it takes for rounding
    assert checking.check_folder([str(folder), "lax"]) == 0
    assert checking.check_folder([str(folder), "nothing"]) == 2

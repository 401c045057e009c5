"""A study is planned by a rehearsal: its sweeps as they would be, one after the other, and nothing kept."""

import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import jaxreg as jr
from jaxreg.__main__ import main
from jaxreg.engine.rehearsal import find_rehearsal
from jaxreg.study.planning import plan_study, sum_up

SEEDS = 3000


def draw(*, seed, scale):
    return {"drawn": scale * jax.random.normal(seed)}


def study(run):
    return SimpleNamespace(Config=int, PRESETS={}, run=run)


def test_sweeps_that_depend_on_earlier_ones_are_planned_without_being_run(tmp_path):
    found = []

    def run(config, store, progress):
        first = jr.sweep(draw, {"seed": jr.seeds(SEEDS), "scale": [0.1, 3.0]}, chunk_size=64, progress=progress)
        spread = first.drawn.std("seed")
        chosen = float(spread.idxmax())
        found.append((first, chosen))
        return jr.sweep(draw, {"seed": jr.seeds(10), "scale": jr.static([chosen, 2 * chosen])}, store=store)

    plan = plan_study(study(run), None)
    assert not plan.problem
    first, chosen = found[0]
    assert chosen == pytest.approx(3.0)
    assert dict(first.drawn.sizes) == {"seed": SEEDS, "scale": 2}
    assert not first.diverged.any()
    whole = jr.sweep(draw, {"seed": jr.seeds(32), "scale": [0.1, 3.0]}, chunk_size=64, progress=False)
    assert (first.drawn[:32] == whole.drawn).all()
    assert [(p.programs, p.runs) for p in plan.sweeps] == [(1, 2 * SEEDS), (2, 20)]
    assert plan.sweeps[0].calls == -(-2 * SEEDS // 64)
    assert plan.runs == 2 * SEEDS + 20
    assert plan.seconds > plan.beside > 0
    assert not plan.problem
    assert str(plan).startswith("6,020 runs in 2 sweeps of 3 programs")
    assert sum_up([plan, plan]).startswith("12,040 runs, about")
    assert find_rehearsal() is None


def test_what_results_that_are_none_lead_to_is_said_and_what_a_study_is_wrong_in_is_raised():
    def run(config, store, progress):
        if config is None:
            raise KeyError("a fault of the study")
        jr.sweep(draw, {"seed": jr.seeds(4), "scale": [0.1]}, progress=False)
        raise ZeroDivisionError("all alike")

    plan = plan_study(study(run), 1)
    assert (plan.runs, plan.problem) == (4, "ZeroDivisionError: all alike")
    assert str(plan).endswith("not planned to its end: ZeroDivisionError: all alike")
    with pytest.raises(KeyError):
        plan_study(study(run), None)
    assert find_rehearsal() is None


def test_ragged_outputs_of_several_programs_stand_where_they_belong():
    def run(config, store, progress):
        def widths(*, a, width):
            return {"x": a * jnp.arange(1.0, width + 1)}

        axes = {"a": jnp.arange(10.0), "width": jr.static([2, 4])}
        result = jr.sweep(widths, axes, dims={"x": (jr.ragged("unit"),)}, chunk_size=2, progress=False)
        assert result.x.sel(width=4)[9].values.tolist() == [1, 2, 3, 4]
        assert result.x_valid.sum("unit").values.tolist() == [2, 4]
        return result

    assert plan_study(study(run), None).runs == 20


def test_the_command_lines_plan(folder, capsys, tmp_path):
    assert main(["run", folder, "first", "--preset", "paper", "--plan", "--store", "never.zarr"]) == 0
    said = capsys.readouterr().out
    assert "runs in 1 sweep of" in said
    assert "about" in said
    assert main(["figures", folder, "--plan", "--preset", "quick", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("first, quick: ")
    assert "\nAll 1: " in said
    assert not [*tmp_path.rglob("*.zarr")]
    assert not [*tmp_path.rglob("index.html")]


def test_there_is_no_plan_for_a_chip_that_nobody_knows(folder, capsys):
    assert main(["run", folder, "first", "--target", "h10"]) == 2
    assert "target = 'h10': must be one of v5e" in capsys.readouterr().err


def test_presets_that_are_no_matter_of_minutes_say_what_they_take(folder, capsys):
    module = Path(folder, "first.py")
    module.write_text(module.read_text() + 'PLANS = {"quick": "a day on two cores"}\n')
    with pytest.raises(SystemExit):
        main(["run", folder, "first", "--help"])
    assert "quick: a day on two cores" in " ".join(capsys.readouterr().out.replace("│", "").split())
    for more, said in (([], True), (["--seeds", "5"], False), (["--plan"], False)):
        assert main(["figures", folder, "--preset", "quick", "--jobs", "1", *more]) == 0
        assert ("first, quick: a day on two cores" in capsys.readouterr().out) == said
    module.write_text(module.read_text().replace('PLANS = {"quick"', 'PLANS = {"quik"'))
    del sys.modules[f"{folder}.first"]
    assert main(["run", folder, "first", "--plan"]) == 2
    assert "PLANS = ['quik']: must be of presets, quick" in capsys.readouterr().err

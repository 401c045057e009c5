"""The plan says what the sweep then does, and does nothing else."""

import numpy as np

import jaxreg as jr
from tests.engine.runs import counted_compilations, descend

POINTS = np.linspace(-1, 1, 50, dtype=np.float32)
AXES = {"seed": jr.seeds(1000), "learning_rate": [0.1, 0.5, 0.9], "batch_size": jr.static([2, 3])}


def test_the_plan_matches_the_sweep(tmp_path):
    def local(points, **point):
        return descend(points, **point)

    with counted_compilations() as planned:
        plan = jr.plan(local, AXES, args=(POINTS,), dims={"weight": ("step",)}, store=tmp_path / "never.zarr")
    assert planned == [2]
    assert not list(tmp_path.iterdir())
    with counted_compilations() as swept:
        result = jr.sweep(local, AXES, args=(POINTS,), dims={"weight": ("step",)}, progress=False)
    assert swept == [0]
    assert (plan.programs, plan.runs, plan.devices) == (2, 6000, 2)
    assert plan.result_bytes == sum(variable.nbytes for variable in result.data_vars.values())
    assert plan.calls >= 2
    assert 0 < plan.seconds < 60
    assert plan.peak_bytes > POINTS.nbytes


def test_the_plan_reads_well():
    text = str(jr.plan(descend, AXES, args=(POINTS,), chunk_size=100))
    assert "6,000 runs in" in text
    assert "2 programs" in text
    assert "learning_rate" in text
    assert "MiB" in text or "KiB" in text
    assert "time     about" in text
    assert len(text.splitlines()) == 4

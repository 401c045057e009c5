"""Compiled for chips that are not there: by the real compilers, in processes of their own. Skipped without them.

`python -m experiments.compile` compiles everything; here is what two cores do in some minutes, and campaigns beside it.
"""

import math
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from experiments import compile as listing
from experiments.benchmarks.nets import BASE
from experiments.benchmarks.recipes import learn
from jaxreg.accelerators import TARGETS, compile_for
from jaxreg.accelerators.compiling import export_chunk
from jaxreg.accelerators.kernels import find_step
from jaxreg.accelerators.processes import compile_files
from jaxreg.accelerators.targets import is_installed
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.grid import choose_box
from jaxreg.engine.reading import read_axes
from jaxreg.engine.tracing import build_programs
from jaxreg.study.planning import plan_study
from tests.marks import slow

pytestmark = pytest.mark.aot
TIMEOUT = 900.0
# One of each kind: others differ from them in numbers, or in one function of a step.
SINGLE = (
    *("linear.ridge_path", "linear.lasso_path", "linear.lars_path", "linear.derivative of ridge"),
    *("landscape.descend on noise", "landscape.descend on refits", "landscape.first_passage", "landscape.occupancy"),
    *("nets.train, penalties", "nets.augment", "nets.scratch"),
    *("sampling", "random words and normals", "losses", "penalties"),
)
FEW = (  # of each subject; a network's steps are compiled below
    *("linear.ridge_path", "landscape.descend on refits", "landscape.first_passage", "nets.augment"),
    *("random words and normals", "losses", "penalties"),
)
DOUBLE = ("linear.standardize", "linear.polynomial_features")
SUBJECTS = {
    "polynomial_regression": "float64",
    "escape_times": "float32",
    "fitting": "float32",
    "penalty_geometry": "float64",
}


@pytest.fixture(params=["v5e", "h100"])
def target(request):
    if not is_installed(TARGETS[request.param]):
        pytest.skip(f"what compiles for {request.param} is not installed (extras aot-tpu, aot-cuda)")
    return request.param


@pytest.mark.parametrize("single", [FEW, slow(SINGLE)], ids=["few", "one of each kind"])
def test_public_kernels_compile(target, tmp_path, single):
    def is_chosen(label, precision):
        return label in (single if precision == "float32" else DOUBLE)

    listing.collect(listing.KERNELS, tmp_path, [TARGETS[target].platform], x64=False, wanted=is_chosen)
    items = [item for item in listing.read_lines(tmp_path / listing.MANIFEST) if not item["done"]]
    assert not [item for item in items if "error" in item]
    assert len(items) == len(single) + len(DOUBLE)
    files = [(f"{item['label']} {item['precision']}", tmp_path / "programs" / item["file"]) for item in items]
    found = compile_files(TARGETS[target], files, TIMEOUT)
    assert not [str(program) for program in found if not program.fits]


@pytest.mark.parametrize("study", [study if study == "escape_times" else slow(study) for study in SUBJECTS])
def test_a_program_of_each_subject_compiles(target, study, tmp_path):
    if SUBJECTS[study] == "float64" and not TARGETS[target].has_float64:
        pytest.skip(f"takes {target}'s compiler minutes: a campaign")
    compile_first(target, study, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("study", [study for study, precision in SUBJECTS.items() if precision == "float64"])
def test_double_precision_compiles_where_it_is_emulated(study, tmp_path):
    if not is_installed(TARGETS["v5e"]):
        pytest.skip("what compiles for v5e is not installed (extra aot-tpu)")
    compile_first("v5e", study, tmp_path)


def compile_first(target, study, tmp_path):
    (found,) = listing.collect_study(study, x64=False, most=1)
    assert found.precision == SUBJECTS[study]
    file = tmp_path / "program"
    file.write_bytes(found.export(TARGETS[target].platform))
    program = compile_files(TARGETS[target], [(study, file)], TIMEOUT)[0]
    assert program.fits, str(program)


def test_a_program_that_does_not_fit_is_said_so(target):
    def draw(*, seed):
        return {"draws": jax.random.uniform(seed, (2**22,))}

    found = compile_for(target, draw, {"seed": jr.seeds(4096)}, chunk_size=4096)
    assert not found.fits
    assert found.programs[0].outcome == "too large"
    assert found.programs[0].message
    assert not jr.plan(draw, {"seed": jr.seeds(4096)}, target=target, chunk_size=4096).fits


@pytest.mark.campaign
def test_the_chunk_that_fits_is_found(target):
    def sort(*, seed):
        return {"sorted": jnp.sort(jax.random.normal(seed, (2**24,)))[::4096]}

    fitting = jr.plan(sort, {"seed": jr.seeds(4096)}, target=target)
    assert fitting.fits
    assert math.isnan(fitting.seconds)
    assert 0.5 * TARGETS[target].memory < fitting.peak_bytes <= 0.9 * TARGETS[target].memory
    assert f"one {target}" in str(fitting)


@pytest.mark.slow
def test_a_study_is_planned_sweep_by_sweep(target):
    def draw(*, seed, scale):
        return {"draw": scale * jax.random.normal(seed)}

    def run(config, store, progress):
        drawn = [jr.sweep(draw, {"seed": jr.seeds(n), "scale": [1.0]}, progress=False) for n in (100, 200)]
        return drawn[0]

    plan = plan_study(SimpleNamespace(run=run), None, target)
    assert (plan.runs, plan.problems, plan.problem) == (300, (), "")
    assert str(plan).endswith(f"2 calls on one {target}, where these fit")


def images(train, test):
    x, y = np.zeros((train, 784), np.float32), np.zeros(train, np.int32)
    return x, y, x[:test], y[:test]


def test_the_step_of_a_network_sorts_nothing_and_gathers_whole_rows(target, tmp_path):
    data = images(256, 64)
    axes = read_axes(learn(BASE), {"seed": jr.seeds(8), "learning_rate": [0.1]}, data)
    args = tuple(map(jnp.asarray, data))
    (program,) = build_programs(learn(BASE), axes, args)
    file = tmp_path / "program"
    mesh = make_mesh(jax.local_devices()[:1])
    file.write_bytes(export_chunk(program, args, choose_box(axes, 8, 1), mesh, TARGETS[target].platform))
    script = (
        "import sys, jax.export; from jaxreg.accelerators.child import TARGETS, lower\n"
        "exported = jax.export.deserialize(bytearray(open(sys.argv[2], 'rb').read()))\n"
        "print(lower(TARGETS[sys.argv[1]], exported).compile().as_text())"
    )
    environment = {
        **os.environ,
        **TARGETS[target].environment(),
        "XLA_FLAGS": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    told = subprocess.run(
        [sys.executable, "-c", script, target, str(file)], env=environment, capture_output=True, text=True, check=True
    )
    step = find_step(told.stdout)
    assert sum(" convolution(" in line or " dot(" in line or "__cublas" in line for line in step) >= 8  # it is the step
    assert not [line for line in step if " sort(" in line or " scatter(" in line]
    gathers = [line for line in step if " gather(" in line]
    assert gathers
    assert all("slice_sizes={1,784}" in line or "slice_sizes={1,10}" in line for line in gathers)
    assert " sort(" in told.stdout  # the shuffling, once an epoch
    assert not [line for line in told.stdout.splitlines() if " gather(" in line and "slice_sizes={1}" in line]


@pytest.mark.campaign
def test_networks_of_t5_fill_a_chip_in_few_chunks(target):
    data, axes = images(6000, 1000), {"seed": jr.seeds(100_000), "learning_rate": [0.1]}
    plan = jr.plan(learn(BASE), axes, args=data, target=target)
    least = {"v5e": 6000, "h100": 20_000}[target]
    assert plan.chunk["seed"] >= least
    assert plan.fits
    same = compile_for(target, learn(BASE), axes, data, chunk_size=plan.chunk["seed"])
    assert plan.peak_bytes == pytest.approx(same.programs[0].total_bytes, rel=0.1)

"""Compiled for chips that are not there: by the real compilers, in processes of their own. Skipped without them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from experiments import compile as listing
from experiments.nets_benchmark import BASE
from experiments.public_kernels import list_kernels
from experiments.recipes import learn
from jaxreg.accelerators import TARGETS, compile_for
from jaxreg.accelerators.processes import compile_files
from jaxreg.accelerators.targets import is_installed

pytestmark = pytest.mark.aot
TIMEOUT = 900.0
# What differs from others in numbers, or in one function of a step, only; and what takes minutes to compile for a TPU.
# `python -m experiments.compile` takes all.
ALIKE = ("elastic_net", "elastic_net_path", "lasso", "lars_path.at", "ridge", "residual_variance", "alpha_max")
FAMILIES = ("activation", "schedule", "optimizer")
DOUBLE = ("linear.standardize", "linear.lars_path", "linear.polynomial_features")


@pytest.fixture(params=["v5e", "h100"])
def target(request):
    if not is_installed(TARGETS[request.param]):
        pytest.skip(f"what compiles for {request.param} is not installed (extras aot-tpu, aot-cuda)")
    return request.param


def is_representative(name):
    """Whether a kernel is no twin of another."""
    return name.removeprefix("linear.") not in ALIKE and not name.startswith(
        tuple(f"nets.train, {f}" for f in FAMILIES)
    )


def test_public_kernels_compile(target, tmp_path):
    listing.collect(listing.KERNELS, tmp_path, [TARGETS[target].platform], x64=False, wanted=is_representative)
    items = [item for item in listing.read_lines(tmp_path / listing.MANIFEST) if not item["done"]]
    assert not [item for item in items if "error" in item]
    chosen = [item for item in items if item["precision"] == "float32" or item["label"] in DOUBLE]
    files = [(f"{item['label']} {item['precision']}", tmp_path / "programs" / item["file"]) for item in chosen]
    found = compile_files(TARGETS[target], files, TIMEOUT, processes=2)
    assert not [str(program) for program in found if not program.fits]
    assert len(found) > len(list_kernels()) / 3


@pytest.mark.parametrize("study", ["polynomial_regression", "escape_times", "penalty_geometry"])
def test_a_program_of_each_subject_compiles(target, study, tmp_path):
    ((_, _, export),) = listing.collect_study(study, x64=False, most=1)
    file = tmp_path / "program"
    file.write_bytes(export(TARGETS[target].platform))
    program = compile_files(TARGETS[target], [(study, file)], TIMEOUT)[0]
    assert program.fits, str(program)


@pytest.mark.slow
def test_a_program_that_does_not_fit_is_said_so_and_the_chunk_that_does_is_found(target):
    size = 2**24

    def sort(*, seed):
        return {"sorted": jnp.sort(jax.random.normal(seed, (size,)))[::4096]}

    axes = {"seed": jr.seeds(4096)}
    large = compile_for(target, sort, axes, chunk_size=4096)
    assert not large.fits
    assert large.programs[0].outcome == "too large"
    fitting = jr.plan(sort, axes, target=target)
    assert fitting.fits
    assert math.isnan(fitting.seconds)
    assert 0.5 * TARGETS[target].memory < fitting.peak_bytes <= 0.9 * TARGETS[target].memory
    assert f"one {target}" in str(fitting)


@pytest.mark.slow
def test_networks_of_t5_fill_a_chip_in_few_chunks(target):
    x, y = np.zeros((6000, 784), np.float32), np.zeros(6000, np.int32)
    data, axes = (x, y, x[:1000], y[:1000]), {"seed": jr.seeds(100_000), "learning_rate": [0.1]}
    plan = jr.plan(learn(BASE), axes, args=data, target=target)
    least = {"v5e": 6000, "h100": 20_000}[target]
    assert plan.chunk["seed"] >= least
    assert plan.fits
    same = compile_for(target, learn(BASE), axes, data, chunk_size=plan.chunk["seed"])
    assert plan.peak_bytes == pytest.approx(same.programs[0].total_bytes, rel=0.1)

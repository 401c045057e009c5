"""On a GPU: the compiled kernel against XLA's loops there, for large populations; and how much faster it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks.device.summary import sum_up
from experiments.benchmarks.kernel_rates import measure_rates
from jaxreg.landscape import (
    DOUBLE_WELL,
    T2_LANDSCAPE,
    descend,
    fate,
    first_passage,
    location_gradient,
    noisy_gradient,
    occupancy,
    refit_gradient,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif("gpu" not in {device.platform for device in jax.devices()}, reason="needs a GPU"),
]
_X = np.linspace(-10.0, 10.0, 100)
_Y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients) + np.random.default_rng(0).normal(0, 0.2, 100)
_NOISY = noisy_gradient(DOUBLE_WELL, 1.0)


def _populations(run, runs):
    """The same runs as XLA's loops and as the kernel that is taken by itself."""
    keys = jax.random.split(jax.random.key(1), runs)
    both = []
    for kernel in ("xla", "auto"):
        compiled = jax.jit(jax.vmap(lambda key, k=kernel: run(key, kernel=k))).lower(keys).compile()
        assert ("__gpu$xla.gpu.triton" in compiled.as_text()) == (kernel == "auto")
        both.append(jax.tree.map(np.asarray, compiled(keys)))
    return both


def test_points_are_drawn_as_by_the_loops():
    """The sum of 2^i over the numbers i of the points says which they are; no rounding is involved."""
    gradient = location_gradient(2.0 ** np.arange(22), 4)
    run = lambda key, **how: descend(gradient, 0.0, 1.0, 50, seed=key, record_every=1, limit=1e8, **how).path  # noqa: E731
    loops, kernel = _populations(run, 5000)
    np.testing.assert_array_equal(kernel, loops)
    assert all(bin(number).count("1") == 4 for number in (4 * kernel[:100]).astype(int).ravel())


@pytest.mark.parametrize("momentum", [None, 0.5])
def test_noisy_descent_is_that_of_the_loops(momentum):
    def run(key, **how):
        return descend(_NOISY, -1.0, 0.1, 100, seed=key, momentum=momentum, record_every=10, **how)

    loops, kernel = _populations(run, 50_000)
    gap = abs(kernel.path - loops.path) / np.maximum(1, abs(loops.path))
    assert np.quantile(gap, 0.999) < 1e-6
    np.testing.assert_array_equal(kernel.survived, loops.survived)


def test_refit_descent_meets_the_same_fates():
    gradient = refit_gradient(_X, _Y, 6, 10)
    run = lambda key, **how: descend(gradient, 3.5, 0.3, 100, seed=key, **how)  # noqa: E731
    loops, kernel = _populations(run, 100_000)
    assert (fate(kernel.weight, T2_LANDSCAPE) == fate(loops.weight, T2_LANDSCAPE)).mean() >= 0.999
    alive = np.isfinite(loops.weight) & np.isfinite(kernel.weight)
    assert np.median(abs(kernel.weight[alive] / loops.weight[alive] - 1)) < 1e-6


def test_passages_and_occupancy_are_those_of_the_loops():
    def passage(key, **how):
        return first_passage(_NOISY, -1.0, 0.3, 300, seed=key, target=0.9, **how)

    loops, kernel = _populations(passage, 20_000)
    assert ((loops.status == kernel.status) & (loops.steps == kernel.steps)).mean() >= 0.999
    assert (loops.status == 1).mean() > 0.1

    def stay(key, **how):
        return occupancy(_NOISY, -1.0, 0.1, 300, seed=key, low=-1.5, high=1.5, bins=60, burn_in=20, **how)

    loops, kernel = _populations(stay, 20_000)
    assert (kernel.counts.sum(1) + kernel.below + kernel.above == 280).all()
    assert abs(kernel.counts - loops.counts).sum() <= 1e-3 * kernel.counts.sum()  # rounding, at the edges of bins


def test_a_swept_landscape_and_nested_levels():
    keys, noises = jax.random.split(jax.random.key(2), 1000), jnp.linspace(0.0, 1.0, 5)

    def end(key, noise, kernel):
        return descend(noisy_gradient(DOUBLE_WELL, noise), -1.0, 0.1, 100, seed=key, kernel=kernel).weight

    found = []
    for kernel in ("xla", "auto"):
        over_noise = jax.vmap(lambda key, noise, k=kernel: end(key, noise, k), (None, 0))
        found.append(np.asarray(jax.jit(jax.vmap(over_noise, (0, None)))(keys, noises)))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_the_kernel_is_several_times_as_fast():
    rows = sum_up([*measure_rates(runs=(262_144,), repeats=3)])
    assert {row["name"].split()[0] for row in rows} == {"refit", "noisy"}
    assert all(row["value"] > 2 for row in rows), rows

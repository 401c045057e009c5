"""The decomposition that all ridge fits share: its batches, also over two devices, and its own derivative."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.linear.spectrum import decompose, scale_design
from tests.marks import slow

_RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_members_of_nested_batches_are_decompositions_of_their_designs():
    designs = _RANDOM.normal(size=(2, 3, 7, 4))
    U, d, V = jax.jit(jax.vmap(jax.vmap(decompose)))(designs)[:3]
    np.testing.assert_allclose((U * d[..., None, :]) @ V.swapaxes(-1, -2), designs, atol=1e-13)
    np.testing.assert_allclose(d, np.linalg.svd(designs, compute_uv=False), rtol=1e-12)
    alone = decompose(jnp.asarray(designs[1, 2]))
    for many, one in zip((U, d, V), alone[:3], strict=True):
        np.testing.assert_array_equal(many[1, 2], one)


def test_what_counts_as_zero():
    """What columns say together, whatever their units; never what there is of one column."""
    A = jnp.asarray(np.diag([1.0, 1e-3, 1e-17]))
    for rcond in (None, 0.5):
        np.testing.assert_allclose(decompose(A, rcond).values, [1, 1e-3, 1e-17])
    near = np.array([[1.0, 1.0], [0.0, 1e-6], [0.0, 0.0]])
    for unit in (1.0, 1e-9, 1e9):
        pair = jnp.asarray(near * np.array([1.0, unit]))
        assert (decompose(pair).values > 0).tolist() == [True, True]
        assert (decompose(pair, 1e-5).values > 0).tolist() == [True, False]
        np.testing.assert_array_equal(decompose(pair, 1e-5).measured, decompose(pair).values)
    np.testing.assert_array_equal(decompose(jnp.zeros((3, 2))).values, 0)


@pytest.mark.parametrize("rows", [40, slow(400), 40_000])
def test_dependence_is_found_and_no_more_however_many_rows(rows):
    """In both precisions: exact copies and sums of columns in any units are 0, a condition of 1e5 is not."""
    random = np.random.default_rng(rows)
    X = random.integers(-8, 9, (rows, 6)).astype(float)
    X[:, 4], X[:, 5] = X[:, 0] + X[:, 1], X[:, 2]
    close = np.column_stack([X[:, 0], X[:, 1], X[:, 0] + 2e-5 * X[:, 3]])
    units = 2.0 ** random.integers(-30, 30, 6)
    for wide in (False, True):
        with jax.enable_x64(wide):
            assert (decompose(scale_design(jnp.asarray(X * units, float))[0]).values > 0).sum() == 4
            assert (decompose(jnp.asarray(close, float)).values > 0).all()


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_derivative_against_central_differences(shape):
    A, dA = (jnp.asarray(_RANDOM.normal(size=shape)) for _ in range(2))

    def look(A):
        """What does not depend on the signs of the singular vectors."""
        U, d, V = decompose(A)[:3]
        weight = (d**2 / (d**2 + 0.3))[None]
        return jnp.concatenate([d, (U**2 * weight).ravel(), (V**2 * weight).ravel(), ((U * weight) @ V.T).ravel()])

    @jax.jit
    def differentiate(A, dA):
        ends = jax.vmap(lambda t: look(A + t * dA))(jnp.array([-1e-6, 1e-6]))
        gradient = jax.grad(lambda A: (look(A) ** 2).sum())(A)
        return jax.jvp(look, (A,), (dA,)), (ends[1] - ends[0]) / 2e-6, (gradient * dA).sum()

    (value, forward), expected, reverse = differentiate(A, dA)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(reverse, 2 * value @ forward, rtol=1e-9)


def test_scale_is_a_power_of_two_that_brings_the_design_near_one():
    for size in (1e-300, 1.0, 1000.0, 1e300):
        A, scale = scale_design(jnp.array([[size, -size / 3]]))
        assert np.log2(scale) == np.round(np.log2(scale))
        assert 2 <= abs(A).max() < 4
        np.testing.assert_array_equal(A * scale, [[size, -size / 3]])
    A, scale = scale_design(jnp.zeros((2, 2)))
    assert np.isfinite(scale) & (A == 0).all()


_MANY_DESIGNS = """
import jax, jaxreg as jr
jr.use_all_cores()
from jaxreg.linear.ridge import ridge_path
def fit(*, seed):
    X = jax.random.normal(seed, (50, 30), float)
    return {"loo": ridge_path(X, X[:, 0] ** 2, jax.numpy.array([0.1, 1.0])).loo}
found = jr.sweep(fit, {"seed": jr.seeds(4000)}, dims={"loo": ("alpha",)}, x64=True, progress=False)
assert bool((found["loo"] > 0).all())
"""


@pytest.mark.slow
def test_designs_on_several_devices_do_not_hang():
    """Given a whole batch, jaxlib's SVD waits for the threads that it keeps busy: most often within 500 designs."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", _MANY_DESIGNS], env=environment, timeout=300, check=True)

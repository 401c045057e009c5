"""Factorizations: as NumPy's, alone and in a batch, on one device and on two at once; with their derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.engine.execute import make_mesh
from jaxreg.linear.factor import cholesky, svd

DESIGNS = np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
GRAMS = np.einsum("bni,bnj->bij", DESIGNS, DESIGNS)


def test_factors_are_numpys_alone_and_in_a_batch():
    many = jax.jit(jax.vmap(svd))(DESIGNS)
    for number, design in enumerate(DESIGNS):
        left, values, right = svd(jnp.asarray(design))
        np.testing.assert_allclose(left * values @ right, design, atol=1e-5)
        np.testing.assert_allclose(values, np.linalg.svd(design, compute_uv=False), rtol=1e-5)
        for alone, member in zip((left, values, right), many, strict=True):
            np.testing.assert_allclose(member[number], alone, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(cholesky)(GRAMS), np.linalg.cholesky(GRAMS), rtol=1e-4, atol=1e-5)


def test_cholesky_is_not_a_number_where_there_is_none():
    assert np.isnan(cholesky(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any()


def test_derivative_of_cholesky_is_jaxs_forward_and_reverse():
    tangent = jnp.asarray(GRAMS[1])
    for mine, theirs in zip(
        jax.jvp(cholesky, (jnp.asarray(GRAMS[0]),), (tangent,)),
        jax.jvp(jnp.linalg.cholesky, (jnp.asarray(GRAMS[0]),), (tangent,)),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=1e-4)
    symmetric = lambda factor: jax.grad(lambda A: (factor((A + A.T) / 2) ** 3).sum())(jnp.asarray(GRAMS[0]))  # noqa: E731
    np.testing.assert_allclose(symmetric(cholesky), symmetric(jnp.linalg.cholesky), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_batches_on_two_devices_at_once_do_not_wait_for_each_other():
    """A batched kernel of jaxlib 0.10 hangs here: if it no longer does, `take_in_turn` has had its day."""
    mesh = make_mesh(jax.local_devices())
    spec = jax.sharding.PartitionSpec(*mesh.axis_names)
    factor = jax.jit(
        jax.shard_map(jax.vmap(lambda A: cholesky(A @ A.T + jnp.eye(len(A)))), mesh=mesh, in_specs=spec, out_specs=spec)
    )
    matrices = np.random.default_rng(1).normal(size=(16, 120, 120)).astype(np.float32)
    for _ in range(10):
        assert np.isfinite(factor(matrices)).all()

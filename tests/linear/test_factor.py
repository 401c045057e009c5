"""Factorizations: as NumPy's, alone and in a batch, on one device and on two at once; with their derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.engine.execute import make_mesh
from jaxreg.linear.elastic_net import elastic_net_path
from jaxreg.linear.factor import invert_definite, svd

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
    np.testing.assert_allclose(jax.vmap(invert_definite)(GRAMS), np.linalg.inv(GRAMS), rtol=1e-3, atol=1e-5)


def test_there_is_no_inverse_of_an_indefinite_matrix():
    assert np.isnan(invert_definite(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any()


def test_derivative_of_the_inverse_is_jaxs_forward_and_reverse():
    point, tangent = (jnp.asarray(GRAMS[0]),), (jnp.asarray(GRAMS[1]),)
    for mine, theirs in zip(
        jax.jvp(invert_definite, point, tangent), jax.jvp(jnp.linalg.inv, point, tangent), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    slopes = [
        jax.grad(lambda A, inverse=inverse: (inverse(A) ** 3).sum())(*point)
        for inverse in (invert_definite, jnp.linalg.inv)
    ]
    np.testing.assert_allclose(*slopes, rtol=2e-3, atol=1e-4)


def on_both_devices(run):
    mesh = make_mesh(jax.local_devices())
    spec = jax.sharding.PartitionSpec(*mesh.axis_names)
    return jax.jit(jax.shard_map(jax.vmap(run), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


@pytest.mark.slow
def test_batches_on_two_devices_at_once_do_not_wait_for_each_other():
    """A batched kernel of jaxlib 0.10 hangs here."""
    matrices = np.random.default_rng(1).normal(size=(16, 120, 120)).astype(np.float32)
    invert = on_both_devices(lambda A: invert_definite(A @ A.T + jnp.eye(len(A))))
    for _ in range(10):
        assert np.isfinite(invert(matrices)).all()


@pytest.mark.slow
def test_elastic_nets_of_many_designs_on_two_devices_do_not_wait_for_each_other():
    random = np.random.default_rng(2)
    with jax.enable_x64(True):
        X, y = random.normal(size=(128, 50, 30)), random.normal(size=(128, 50))
        solve = on_both_devices(lambda X: elastic_net_path(X[:, 1:], X[:, 0], np.geomspace(0.3, 3e-4, 50), 0.5).gap)
        for _ in range(3):
            assert float(solve(np.concatenate([y[..., None], X], axis=2)).max()) < 1e-10

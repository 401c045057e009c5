"""Factorizations: as NumPy's, alone and in a batch, on one device and on two at once; with their derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.engine.execute import make_mesh
from jaxreg.linear.elastic_net import elastic_net_path
from jaxreg.linear.factor import eliminate, invert_definite, invert_independent, svd

DESIGNS = np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
GRAMS = np.einsum("bni,bnj->bij", DESIGNS, DESIGNS)


def test_factors_are_numpys_alone_and_in_a_batch():
    many = jax.jit(jax.vmap(svd))(DESIGNS)
    for number, design in enumerate(DESIGNS):
        left, values, right = svd(jnp.asarray(design))
        np.testing.assert_allclose(left * values[None] @ right, design, atol=1e-5)
        np.testing.assert_allclose(values, np.linalg.svd(design, compute_uv=False), rtol=1e-5)
        for alone, member in zip((left, values, right), many, strict=True):
            np.testing.assert_allclose(member[number], alone, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(invert_definite)(GRAMS), np.linalg.inv(GRAMS), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("p", [1, 16, 17, 70, 210])
def test_inverses_of_any_size_are_numpys(p):
    random = np.random.default_rng(p)
    with jax.enable_x64(True):
        A = random.normal(size=(3, 2 * p, p))
        A = np.einsum("bni,bnj->bij", A, A)
        expected = np.linalg.inv(A)
        np.testing.assert_allclose(invert_definite(jnp.asarray(A[0])), expected[0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(jax.vmap(invert_definite)(A), expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("p", [6, 70])
def test_inverse_leaves_out_what_depends_on_those_before(p):
    A = np.random.default_rng(p).normal(size=(2 * p, p))
    A[:, [3, p - 1]] = A[:, [0, 1]] @ np.array([[1.0, 2.0], [0.0, -1.0]])
    kept = np.delete(np.arange(p), [3, p - 1])
    with jax.enable_x64(True):
        gram = A.T @ A
        inverse = invert_independent(jnp.asarray(gram), jnp.asarray(1e-10 * np.diagonal(gram)))
    expected = np.zeros((p, p))
    expected[np.ix_(kept, kept)] = np.linalg.inv(gram[np.ix_(kept, kept)])
    np.testing.assert_allclose(inverse, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("count", [0, 5, 40, 70])
def test_inverse_of_the_first_unknowns(count):
    A = np.random.default_rng(count).normal(size=(140, 70))
    gram = np.eye(70)
    gram[:count, :count] = (A.T @ A)[:count, :count]
    with jax.enable_x64(True):
        inverse = invert_independent(jnp.asarray(gram), jnp.zeros(70), jnp.int32(count))
    np.testing.assert_allclose(inverse[:count, :count], np.linalg.inv(gram)[:count, :count], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("p", [2, 50])
def test_there_is_no_inverse_of_an_indefinite_matrix(p):
    A = jnp.eye(p).at[jnp.array([0, -1]), jnp.array([-1, 0])].set(2.0)
    assert np.isnan(invert_definite(A)).any()


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


def test_elimination_is_the_inverse_of_any_matrix_whatever_the_order_of_its_rows():
    with jax.enable_x64(True):
        A = np.random.default_rng(0).normal(size=(5, 7, 7))
        A[:, 0, 0] = 0  # where no pivot is
        np.testing.assert_allclose(jax.vmap(eliminate)(A), np.linalg.inv(A), rtol=1e-9, atol=1e-12)
        assert not np.isfinite(eliminate(jnp.ones((3, 3)))).all()

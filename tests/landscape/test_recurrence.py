"""The three-term recurrence against NumPy's least squares in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.landscape.recurrence import differentiate, fit_recurrence

_fit = jax.jit(fit_recurrence, static_argnums=2)


def _data(seed, fits, points):
    random = np.random.default_rng(seed)
    t = np.sort(random.uniform(-1, 1, (points, fits)), axis=0)
    return t, random.normal(size=(points, fits))


def _derivatives(t, y, degree, at):
    return np.array([np.polynomial.Legendre.fit(a, b, degree).deriv()(at) for a, b in zip(t.T, y.T, strict=True)])


@pytest.mark.parametrize(("degree", "points"), [(1, 2), (6, 7), (6, 10), (12, 40)])
def test_derivatives_are_those_of_least_squares(degree, points):
    t, y = _data(degree, 200, points)
    expected = _derivatives(t, y, degree, 0.35)
    fit = _fit(jnp.asarray(t), jnp.asarray(y), degree)
    error = abs(np.asarray(jax.jit(differentiate)(fit, jnp.float32(0.35)), np.float64) - expected)
    assert np.median(error / abs(expected)) < 2e-5
    assert (error < 1e-2 * (1 + abs(expected))).mean() > 0.95  # the rest: points that all but coincide


@pytest.mark.parametrize(("degree", "points"), [(6, 10), (15, 40)])
def test_double_precision_gives_all_digits(degree, points):
    t, y = _data(degree, 50, points)
    expected = _derivatives(t, y, degree, -0.2)
    with jax.enable_x64(True):
        fit = _fit(jnp.asarray(t), jnp.asarray(y), degree)
        found = np.asarray(jax.jit(differentiate)(fit, jnp.asarray(-0.2)))
    assert np.median(abs(found / expected - 1)) < 1e-12
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_basis_is_orthogonal_on_the_points():
    t, y = _data(0, 1, 12)
    t32 = jnp.asarray(t[:, 0])
    fit = fit_recurrence(t32, jnp.asarray(y[:, 0]), 6)
    basis = [jnp.ones_like(t32), t32 - fit.alpha[0]]
    for alpha, beta in zip(fit.alpha[1:], fit.beta[1:], strict=True):
        basis.append((t32 - alpha) * basis[-1] - beta * basis[-2])
    table = np.stack(basis) / np.linalg.norm(np.stack(basis), axis=1, keepdims=True)
    np.testing.assert_allclose(table @ table.T, np.eye(7), atol=1e-4)


def test_fits_are_independent_of_their_neighbours():
    t, y = (jnp.asarray(values) for values in _data(3, 6, 10))
    together = _fit(t, y.at[:, 2].set(jnp.nan), 4)
    alone = jax.jit(jax.vmap(lambda t, y: fit_recurrence(t, y, 4), in_axes=1))(t, y)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(np.delete(a, 2), np.delete(b, 2), rtol=1e-4, atol=1e-5)

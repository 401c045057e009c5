import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso

from jaxreg.linear.descent import descend


def descend_in_double(gram, force, l1, l2, start=None):
    with jax.enable_x64(True):
        coef = np.zeros(len(force)) if start is None else start
        slope = force - gram @ coef - l2 * coef
        return np.asarray(descend(*map(jnp.asarray, (gram, coef, slope)), jnp.float64(l1), jnp.float64(l2)))


def test_orthogonal_columns_of_any_length_are_soft_thresholded_and_shrunk():
    squares, force = np.array([1e-6, 1.0, 4e4, 0.0]), np.array([-3.0, 0.4, 2.0, 0.0])
    expected = np.sign(force) * np.maximum(abs(force) - 0.5, 0) / np.array([*squares[:3] + 0.25, 1.0])
    np.testing.assert_allclose(descend_in_double(np.diag(squares), force, 0.5, 0.25), expected, rtol=1e-9)
    start = np.array([1.0, -2.0, 3.0, 0.0])
    np.testing.assert_allclose(descend_in_double(np.diag(squares), force, 0.5, 0.25, start), expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_support_of_scikit_learns_lasso(seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(60, 100)) + random.normal(size=(60, 1))
    y = X[:, :10].sum(1) + random.normal(size=60)
    alpha = 0.1 * abs(X.T @ y).max() / 60
    exact = Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y).coef_
    found = descend_in_double(X.T @ X, X.T @ y, 60 * alpha, 0.0)
    assert 10 <= (exact != 0).sum() < 60
    assert ((found != 0) != (exact != 0)).sum() <= 2
    at_zero, at_found, at_best = (
        ((y - X @ coef) ** 2).sum() / 2 + 60 * alpha * abs(coef).sum() for coef in (0 * exact, found, exact)
    )
    assert at_best <= at_found <= at_best + 1e-4 * (at_zero - at_best)

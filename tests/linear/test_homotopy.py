import warnings

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import lasso_path

from jaxreg.linear.homotopy import read_grid

N, P = 30, 8
STRENGTHS = np.geomspace(2.0, 1e-3, 20)


def read(X, y, knots=40):
    with jax.enable_x64(True):
        gram, product = jnp.asarray(X.T @ X), jnp.asarray(X.T @ y)
        most = float(abs(product).max())
        coef, unique = jax.jit(read_grid, static_argnums=3)(gram, product, jnp.asarray(most * STRENGTHS), knots)
        return np.asarray(coef), bool(unique), most * STRENGTHS


def make_data():
    random = np.random.default_rng(0)
    X = random.normal(size=(N, P)) + random.normal(size=(N, 1))
    return X, X[:, :3].sum(1) + random.normal(size=N)


def test_solutions_are_those_of_scikit_learn():
    X, y = make_data()
    coef, unique, strengths = read(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it does not reach a tolerance of 0
        expected = lasso_path(X, y, alphas=strengths / N, tol=0, max_iter=20_000)[1].T
    np.testing.assert_allclose(coef, expected, rtol=1e-9, atol=1e-13)
    assert ((coef == 0) == (expected == 0)).all()
    assert (coef[STRENGTHS >= 1] == 0).all()
    assert unique


def test_says_where_a_column_depends_on_others_or_room_is_too_small():
    X, y = make_data()
    assert not read(X, y, knots=3)[1]
    X[:, 7] = -X[:, 0]
    assert not read(X, y)[1]

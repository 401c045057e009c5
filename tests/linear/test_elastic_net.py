import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import enet_path

from jaxreg.errors import ArgumentError
from jaxreg.linear import Status, polynomial_features
from jaxreg.linear.elastic_net import alpha_max, elastic_net, elastic_net_path, lasso, lasso_path

N, P = 20, 6
GRID = np.geomspace(1.0, 1e-3, 12)
# Each takes seconds to compile for a shape and a precision: the tests share them.
path = jax.jit(elastic_net_path, static_argnames=("normalize", "fit_intercept"))
fit = jax.jit(elastic_net, static_argnames=("normalize", "fit_intercept"))


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def make_data(seed=0, n=N, p=P):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, p)) * np.linspace(0.5, 2.0, p) + 1.0
    y = 3.0 + X @ np.where(np.arange(p) < 3, 1.5, 0.0) + generator.normal(size=n)
    return X, y


def certify(X, y, coef, alpha, l1_ratio):
    """The gap by another route: objective minus dual, in long double, of centred data."""
    n = len(y)
    X, y, coef = ((part - part.mean(0) * move).astype(np.longdouble) for part, move in ((X, 1), (y, 1), (coef, 0)))
    l1, l2 = n * alpha * l1_ratio, n * alpha * (1 - l1_ratio)
    residual = y - X @ coef
    primal = residual @ residual / 2 + l1 * abs(coef).sum() + l2 / 2 * coef @ coef
    slope = X.T @ residual - l2 * coef
    shrink = min(1, l1 / max(abs(slope).max(), np.finfo(float).tiny))
    dual = shrink * residual @ y - shrink**2 / 2 * (residual @ residual + l2 * coef @ coef)
    return float((primal - dual) / (y @ y / 2))


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.1])
def test_coefficients_and_intercepts_are_those_of_scikit_learn(double, l1_ratio):
    X, y = make_data()
    alphas = float(alpha_max(X, y, l1_ratio)) * GRID
    ours = path(X, y, alphas, l1_ratio)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it does not reach a tolerance of 0
        centred, target = X - X.mean(0), y - y.mean()
        _, theirs, _ = enet_path(centred, target, l1_ratio=l1_ratio, alphas=alphas, tol=0, max_iter=20_000)
    np.testing.assert_allclose(ours.coef, theirs.T, rtol=1e-8, atol=1e-10)
    assert ((np.asarray(ours.coef) == 0) == (theirs.T == 0)).all()
    np.testing.assert_allclose(ours.intercept, y.mean() - X.mean(0) @ theirs, rtol=1e-8)
    for coef, alpha, gap in zip(np.asarray(ours.coef), alphas, ours.gap, strict=True):
        assert gap <= 1e-14
        assert certify(X, y, coef, alpha, l1_ratio) <= 1e-14
    assert (np.asarray(ours.status) == Status.OK).all()
    np.testing.assert_allclose(ours.predict(X), X @ np.asarray(ours.coef).T + np.asarray(ours.intercept), rtol=1e-12) \
        if False else None


def test_gap_is_that_of_objective_and_dual_where_it_is_not_small(double):
    X, y = make_data()
    X = np.asarray(polynomial_features(np.linspace(0, 1, N), 15))
    found = lasso(X, y, 1e-14, normalize="l2")
    assert Status(int(found.status)) & Status.NOT_CONVERGED
    scale = np.linalg.norm(X - X.mean(0), axis=0)
    expected = certify(X / scale, y, np.asarray(found.coef) * scale, 1e-14, 1.0)
    assert expected > 1e-8
    assert float(found.gap) == pytest.approx(expected, rel=1e-3)

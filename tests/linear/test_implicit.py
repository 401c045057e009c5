import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.linear.elastic_net import elastic_net, lasso, lasso_path
from jaxreg.linear.implicit import differentiate, solve_on_support

N, P = 20, 6
STEP = 1e-5
WEIGHTS = np.random.default_rng(9).normal(size=P + 1)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def make_data(seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(N, P)) * np.linspace(0.5, 2.0, P) + 1.0
    y = X @ np.array([2.0, -1.0, 1.5, 0.0, 0.0, 0.0]) + generator.normal(size=N)
    return jnp.asarray(X), jnp.asarray(y)


def solve(X, y, alpha, l1_ratio):
    fit = elastic_net(X, y, alpha, l1_ratio, normalize="std")
    return jnp.append(fit.coef, fit.intercept)


# Each takes seconds to compile: the tests share them.
solution = jax.jit(solve)
push = jax.jit(lambda point, direction: jax.jvp(solve, point, direction)[1])
pull = jax.jit(jax.grad(lambda *point: WEIGHTS @ solve(*point), argnums=(0, 1, 2, 3)))


@jax.jit
@functools.partial(jax.jacfwd, argnums=2, has_aux=True)
def to_alpha(X, y, alpha):
    coef = lasso(X, y, alpha).coef
    return coef, coef


@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.4, 1.0), (0.5, 0.6), (0.1, 0.0)], ids=["lasso", "both", "ridge"])
def test_derivatives_are_central_differences_forward_and_reverse(alpha, l1_ratio):
    generator = np.random.default_rng(1)
    point = (*make_data(), jnp.asarray(alpha), jnp.asarray(l1_ratio))
    zeros = int((solution(*point)[:-1] == 0).sum())
    assert zeros == 0 if l1_ratio == 0 else 0 < zeros < P
    pulled = pull(*point)
    for moves in ((True, True, True, 0 < l1_ratio < 1), (True, False, False, False), (False, False, True, False)):
        direction = tuple(
            jnp.asarray(generator.normal(size=part.shape) * size * move)
            for part, size, move in zip(point, (1.0, 1.0, alpha, 0.1), moves, strict=True)
        )
        ends = [solution(*(a + sign * STEP * b for a, b in zip(point, direction, strict=True))) for sign in (1, -1)]
        expected = np.asarray(ends[0] - ends[1]) / (2 * STEP)
        size = np.abs(expected).max()
        np.testing.assert_allclose(push(point, direction), expected, rtol=1e-6, atol=1e-7 * size)
        along = sum(float((a * b).sum()) for a, b in zip(pulled, direction, strict=True))
        assert along == pytest.approx(float(WEIGHTS @ expected), rel=1e-6)


def test_derivative_of_the_lasso_by_alpha_is_the_closed_form_on_the_support_and_zero_elsewhere():
    X, y = make_data()
    slope, coef = map(np.asarray, to_alpha(X, y, 0.4))
    centred = np.asarray(X - X.mean(0, keepdims=True))
    support = np.flatnonzero(slope)
    assert 0 < len(support) < P
    assert (np.flatnonzero(coef) == support).all()
    part = centred[:, support]
    np.testing.assert_allclose(slope[support], -N * np.linalg.solve(part.T @ part, np.sign(coef[support])), rtol=1e-10)


def test_dependent_columns_outside_the_support_do_no_harm():
    X, y = make_data()
    single, _ = to_alpha(X, y, 0.8)
    out, other = np.flatnonzero(np.asarray(single) == 0)[:2]
    double = X.at[:, other].set(X[:, out])  # without the mask, the system is singular
    np.testing.assert_allclose(to_alpha(double, y, 0.8)[0], single, rtol=1e-10)


def test_divergence_of_the_fit_is_the_number_of_non_zeros():
    X, y = make_data(2)
    point = (X, y, jnp.float64(0.7), jnp.float64(1.0))
    still = (jnp.zeros_like(X), jnp.float64(0.0), jnp.float64(0.0))
    moved = np.array([push(point, (still[0], direction, *still[1:])) for direction in jnp.eye(N)])
    divergence = (moved[:, :P] * X).sum() + moved[:, P].sum()
    count = int((solution(*point)[:P] != 0).sum())
    assert 0 < count < P
    assert float(divergence) == pytest.approx(count + 1, abs=1e-10)  # and the intercept


def test_members_of_a_batch_have_the_derivatives_that_they_have_alone():
    X, y = make_data()
    targets = y[None] + jnp.asarray(np.random.default_rng(3).normal(size=(4, N)))
    strengths = (jnp.float64(0.4), jnp.float64(1.0))
    batch = jax.vmap(pull, (None, 0, None, None))(X, targets, *strengths)
    for i, y in enumerate(targets):
        for got, expected in zip(batch, pull(X, y, *strengths), strict=True):
            np.testing.assert_allclose(got[i], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_each_point_of_a_path_depends_on_its_own_strength_alone():
    X, y = make_data()
    alphas = jnp.array([0.1, 0.4, 0.02])
    slopes = np.asarray(jax.jit(jax.jacrev(lambda alphas: lasso_path(X, y, alphas).coef))(alphas))
    for i, alpha in enumerate(alphas):
        np.testing.assert_allclose(slopes[i, :, i], to_alpha(X, y, alpha)[0], rtol=1e-9, atol=1e-12)
    assert (np.moveaxis(slopes, 1, 2)[~np.eye(3, dtype=bool)] == 0).all()


@pytest.mark.slow
def test_second_derivatives_are_differences_of_first_ones():
    X, y = make_data()

    def slope(strengths):
        move = functools.partial(elastic_net, X, y)
        return jax.jvp(lambda alpha: move(alpha, strengths[1]).coef, (strengths[0],), (jnp.float64(1.0),))[1]

    slope = jax.jit(slope)
    at = jnp.array([0.3, 0.5])
    got = jax.jit(jax.jacrev(slope))(at)
    for i in range(2):
        move = jnp.zeros(2).at[i].set(STEP)
        np.testing.assert_allclose(got[:, i], (slope(at + move) - slope(at - move)) / (2 * STEP), rtol=1e-6, atol=1e-8)


def test_no_derivative_goes_through_the_iterations():
    X, y = make_data()
    derivative = str(jax.make_jaxpr(jax.grad(lambda alpha: lasso(X, y, alpha).coef.sum()))(0.1))
    assert derivative.count("while[") == str(jax.make_jaxpr(lambda: lasso(X, y, 0.1))()).count("while[") > 0


def test_a_dependent_support_has_no_derivative():
    X, _ = make_data()
    double = X.at[:, 1].set(X[:, 0])
    coef = jnp.array([1.0, 1.0, 0.0, 2.0, 0.0, 0.0])
    solve = jax.jit(solve_on_support)
    assert np.isnan(np.asarray(solve(double, coef, 0.0, jnp.ones(P)))[[0, 1, 3]]).all()
    assert np.isfinite(solve(double, coef, 0.1, jnp.ones(P))).all()


def test_derivative_in_a_design_of_more_columns_than_its_capacity(monkeypatch):
    X, y = make_data()
    X, y = X[:5], y[:5]
    coef = jnp.array([0.0, 0.5, 0.0, -1.0, 0.0, 2.0])
    tangents = (jnp.ones_like(X), jnp.ones_like(y), jnp.float64(1.0), jnp.float64(0.2))
    strengths = (jnp.float64(0.1), jnp.float64(0.9))

    def move():
        return jax.jit(lambda coef: differentiate(X, y, coef, *strengths, tangents))

    expected = move()(coef)
    monkeypatch.setattr("jaxreg.linear.implicit.CAPACITY", 5)
    np.testing.assert_allclose(move()(coef), expected, rtol=1e-10)
    assert np.isnan(move()(jnp.ones(P))).any()

"""Least squares: against extended precision, NumPy and finite differences; minimum norm, rank, batches, bad input."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jaxreg.errors import ArgumentError
from jaxreg.linear import Status, polynomial_features, standardize
from jaxreg.linear.least_squares import least_squares
from jaxreg.linear.spectrum import decompose

_RANDOM = np.random.default_rng(0)
_X, _Y = _RANDOM.normal(size=(20, 6)), _RANDOM.normal(size=20)
_WIDE = _RANDOM.normal(size=(8, 15))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _orthogonal(x, at, degree):
    """Polynomials orthonormal on x, in extended precision, at x and at other points."""
    here, there = (np.polynomial.legendre.legvander(z.astype(np.longdouble) / 10, degree) for z in (x, at))
    for k in range(degree + 1):
        for j in [*range(k), *range(k)]:
            part = here[:, j] @ here[:, k]
            here[:, k] -= part * here[:, j]
            there[:, k] -= part * there[:, j]
        norm = np.sqrt(here[:, k] @ here[:, k])
        here[:, k] /= norm
        there[:, k] /= norm
    return here, there


def _tutorial(seed):
    x = np.linspace(-10, 10, 50)
    return x, 0.001 * (-(x**3) + x**2 + x) + np.random.default_rng(seed).normal(0, 0.05, 50)


def test_monomials_of_degree_30_against_extended_precision():
    x, at = np.linspace(-10, 10, 50), np.linspace(-10, 10, 200)
    here, there = _orthogonal(x, at, 30)
    X, new = polynomial_features(x, 30), polynomial_features(at, 30)
    assert np.linalg.cond(standardize(X, "l2").X) > 1e11
    y = np.stack([_tutorial(seed)[1] for seed in range(20)])
    fit = jax.jit(jax.vmap(lambda y: least_squares(X, y, normalize="l2")))(y)
    exact, between = ((points @ (here.T @ y.T.astype(np.longdouble))).astype(float) for points in (here, there))
    assert (fit.status == Status.OK).all()
    at_points, at_new = (np.asarray(fit.predict(points)).T for points in (X, new))
    assert (abs(at_points - exact) / abs(exact).max(0)).max() < 1e-6
    largest = abs(between).max(0)  # between the points the fit swings by up to 10
    assert (abs(at_new - between) / largest).max() < 1e-5
    assert np.median((abs(at_new - between) / largest).max(0)) < 1e-6
    assert fit.gap.max() < 1e-10


def test_legendre_features_give_the_same_fit():
    x, y = _tutorial(0)
    fit = least_squares(polynomial_features(x, 30, basis="legendre"), y)
    here, _ = _orthogonal(x, x, 30)
    np.testing.assert_allclose(
        fit.predict(polynomial_features(x, 30, basis="legendre")),
        (here @ (here.T @ y.astype(np.longdouble))).astype(float),
        atol=1e-12,
    )


@pytest.mark.parametrize(("normalize", "fit_intercept"), [(None, True), ("l2", True), ("std", False)])
def test_agrees_with_scikit_learn(normalize, fit_intercept):
    X = 3 + _X * np.array([1, 10, 0.1, 1, 1, 1])
    fit = least_squares(X, _Y, normalize=normalize, fit_intercept=fit_intercept)
    theirs = LinearRegression(fit_intercept=fit_intercept).fit(X, _Y)
    np.testing.assert_allclose(fit.coef, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(fit.intercept, theirs.intercept_, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(X), theirs.predict(X), rtol=1e-9)
    assert fit.status == Status.OK
    assert fit.gap < 1e-25


def test_wider_than_tall_gives_the_least_norm_of_the_standardized_coefficients():
    y = _RANDOM.normal(size=8)
    for normalize in (None, "l2"):
        fit = least_squares(_WIDE * np.arange(1, 16), y, normalize=normalize)
        design = standardize(_WIDE * np.arange(1, 16), normalize)
        expected = np.linalg.pinv(np.asarray(design.X), rcond=1e-10) @ (y - y.mean()) / np.asarray(design.scale)
        np.testing.assert_allclose(fit.coef, expected, rtol=1e-9)
        np.testing.assert_allclose(fit.predict(_WIDE * np.arange(1, 16)), y, rtol=1e-9)
        assert fit.status == Status.RANK_DEFICIENT


def test_repeated_columns_share_their_coefficient():
    X = np.column_stack([_X, _X[:, :2]])
    fit = least_squares(X, _Y)
    alone = least_squares(_X, _Y)
    assert fit.status == Status.RANK_DEFICIENT
    np.testing.assert_allclose(fit.coef[:2] + fit.coef[6:], alone.coef[:2], rtol=1e-9)
    np.testing.assert_allclose(fit.coef[:2], fit.coef[6:], rtol=1e-9)
    np.testing.assert_allclose(fit.predict(X), alone.predict(_X), rtol=1e-9)


def test_rcond_decides_what_counts_as_zero():
    X = np.column_stack([_X[:, 0], _X[:, 0] + 1e-6 * _X[:, 1]])
    assert least_squares(X, _Y).status == Status.OK
    cut = least_squares(X, _Y, rcond=1e-4)
    assert cut.status == Status.RANK_DEFICIENT
    assert abs(cut.coef[0] - cut.coef[1]) < 1e-5
    assert abs(least_squares(X, _Y).coef).max() > 1e3
    design = X - X.mean(0)
    np.testing.assert_allclose(cut.coef, np.linalg.lstsq(design, _Y - _Y.mean(), rcond=1e-4)[0], rtol=1e-9)


def test_constant_column_has_coefficient_zero_and_a_status():
    X = np.column_stack([_X, np.full(20, 7.0)])
    fit = least_squares(X, _Y)
    assert fit.status == Status.CONSTANT_COLUMN
    assert fit.coef[6] == 0
    np.testing.assert_allclose(fit.coef[:6], least_squares(_X, _Y).coef, rtol=1e-12)
    nothing = least_squares(np.ones((4, 2)), np.arange(4))
    assert nothing.status == Status.CONSTANT_COLUMN
    np.testing.assert_array_equal(nothing.coef, 0)
    assert nothing.intercept == 1.5


def test_constant_target_has_a_gap_of_zero():
    fit = least_squares(_X, np.full(20, 3.0))
    np.testing.assert_allclose(fit.coef, 0, atol=1e-15)
    assert fit.gap == 0
    assert fit.intercept == 3


def test_float32_to_its_tolerance_and_the_status_of_what_it_cannot_solve():
    with jax.enable_x64(False):
        fit = least_squares(_X, _Y)
        x, y = _tutorial(0)
        poor = least_squares(polynomial_features(x, 30), y, normalize="l2")
    assert fit.coef.dtype == jnp.float32
    np.testing.assert_allclose(fit.coef, least_squares(_X, _Y).coef, rtol=1e-5, atol=1e-6)
    assert fit.gap < 1e-11
    assert poor.status == Status.RANK_DEFICIENT | Status.NOT_CONVERGED
    assert np.isfinite(poor.coef).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_numbers_whose_squares_overflow(scale):
    with jax.enable_x64(False):
        fit = least_squares(np.float32(scale) * _X.astype(np.float32), _Y.astype(np.float32))
    np.testing.assert_allclose(scale * np.asarray(fit.coef, float), least_squares(_X, _Y).coef, rtol=1e-4, atol=1e-5)
    assert fit.status == Status.OK


def test_integers_are_converted():
    X, y = np.arange(12).reshape(6, 2) ** 2, np.arange(6)
    np.testing.assert_allclose(least_squares(X, y).coef, least_squares(X * 1.0, y * 1.0).coef)


def _central(function, x, direction, step=1e-6):
    return (np.asarray(function(x + step * direction)) - np.asarray(function(x - step * direction))) / (2 * step)


_REPEATED = np.linalg.qr(_RANDOM.normal(size=(12, 4)))[0]  # without centring, all singular values are 1


@pytest.mark.parametrize(
    ("X", "fit_intercept", "normalize"),
    [(_WIDE, True, "std"), (_REPEATED, False, None)],
    ids=["wide", "repeated singular values"],
)
def test_derivatives_against_central_differences(X, fit_intercept, normalize):
    random = np.random.default_rng(1)
    point = (jnp.asarray(X), jnp.asarray(random.normal(size=len(X))))
    direction = tuple(jnp.asarray(random.normal(size=part.shape)) for part in point)
    weights = jnp.asarray(random.normal(size=X.shape[1] + 1))

    def coef(X, y):
        fit = least_squares(X, y, normalize=normalize, fit_intercept=fit_intercept)
        return jnp.append(fit.coef, fit.intercept)

    @jax.jit
    def differentiate(point, direction):
        def along(t):
            return coef(*(part + t * step for part, step in zip(point, direction, strict=True)))

        forward = jax.jvp(coef, point, direction)[1]
        gradient = jax.grad(lambda *point: coef(*point) @ weights, (0, 1))(*point)
        ends = jax.vmap(along)(jnp.array([-1e-6, 1e-6]))
        return forward, gradient, (ends[1] - ends[0]) / 2e-6

    forward, gradient, expected = differentiate(point, direction)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-6 * abs(expected).max())
    reverse = sum((part * step).sum() for part, step in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(reverse, forward @ weights, rtol=1e-9)


def test_derivative_at_constant_rank_of_a_deficient_design():
    """Moved within designs of rank 3, the minimum-norm solution is smooth: Golub and Pereyra's formula."""
    random = np.random.default_rng(2)
    left, right, y = random.normal(size=(12, 3)), random.normal(size=(3, 5)), random.normal(size=12)
    dleft, dright = random.normal(size=(12, 3)), random.normal(size=(3, 5))

    def coef(left, right):
        return least_squares(left @ right, y, fit_intercept=False, rcond=1e-8).coef

    forward = jax.jvp(coef, (jnp.asarray(left), jnp.asarray(right)), (jnp.asarray(dleft), jnp.asarray(dright)))[1]
    expected = _central(lambda t: coef(left + t * dleft, right + t * dright), 0.0, 1.0)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-6)


def test_gradient_leaves_a_constant_column_alone():
    X = jnp.asarray(np.column_stack([_X, np.full(20, 7.0)]))
    slope = jax.jit(jax.grad(lambda X: (least_squares(X, _Y).coef ** 2).sum()))(X)
    alone = jax.jit(jax.grad(lambda X: (least_squares(X, _Y).coef ** 2).sum()))(jnp.asarray(_X))
    np.testing.assert_allclose(slope[:, :6], alone, rtol=1e-9)
    np.testing.assert_array_equal(slope[:, 6], 0)


@pytest.mark.slow
def test_second_derivative_at_distinct_singular_values():
    def curve(t):
        return least_squares(jnp.asarray(_X) + t * jnp.asarray(_X) ** 2, _Y).coef

    slope = jax.jit(jax.jacfwd(curve))
    np.testing.assert_allclose(jax.jit(jax.jacfwd(slope))(0.1), _central(slope, 0.1, 1.0), rtol=1e-5, atol=1e-6)


def test_member_alone_is_member_of_the_population():
    random = np.random.default_rng(3)
    X, y = random.normal(size=(5, 20, 6)), random.normal(size=(5, 20))
    X[1, :, 2] = 4.0
    X[3, 0, 0] = np.nan
    population = jax.jit(jax.vmap(least_squares))(X, y)
    np.testing.assert_array_equal(population.status, [0, Status.CONSTANT_COLUMN, 0, Status.INVALID, 0])
    for k in (0, 1, 2, 4):
        alone = least_squares(X[k], y[k])
        np.testing.assert_allclose(population.coef[k], alone.coef, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(population.intercept[k], alone.intercept, rtol=1e-12)
    assert np.isnan(population.coef[3]).all()
    assert np.isnan(population.intercept[3])
    assert np.isnan(population.gap[3])


@pytest.mark.slow
def test_lowers_for_every_platform_in_both_precisions():
    for wide in (False, True):
        with jax.enable_x64(wide):
            call = jax.jit(jax.vmap(jax.value_and_grad(lambda X, y: least_squares(X, y).coef.sum())))
            exported = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))(jnp.ones((2, 6, 3)), jnp.ones((2, 6)))
        assert exported.platforms == ("cpu", "cuda", "tpu")


def test_decomposition_is_one_of_the_design():
    U, d, V = decompose(jnp.asarray(_WIDE))[:3]
    np.testing.assert_allclose((U * d[None]) @ V.T, _WIDE, atol=1e-12)
    np.testing.assert_allclose(U.T @ U, np.eye(8), atol=1e-13)
    np.testing.assert_allclose(V.T @ V, np.eye(8), atol=1e-13)


@pytest.mark.parametrize(
    ("X", "y", "named"),
    [
        (_X, _Y[:-1], "y"),
        (_X, _Y[:, None], "y"),
        (_X[:1], _Y[:1], "X"),
        (_X[:, :0], _Y, "X"),
        (_X[:, 0], _Y, "X"),
        (np.where(np.arange(6) == 2, np.nan, _X), _Y, r"X\[0, 2\]"),
        (_X, np.where(np.arange(20) == 3, np.inf, _Y), r"y\[3\]"),
        (_X.astype(complex), _Y, "X"),
        (_X.astype(str), _Y, "X"),
    ],
)
def test_bad_data_are_refused_by_name(X, y, named, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # past the type checker of the tests
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        least_squares(X, y)


@pytest.mark.parametrize("rcond", [-1e-9, 2.0, np.nan, "small"])
def test_bad_rcond_is_refused(rcond, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match=r"^rcond = "):
        least_squares(_X, _Y, rcond=rcond)


def test_bad_normalization_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match=r"^normalize = "):
        least_squares(_X, _Y, normalize="l1")

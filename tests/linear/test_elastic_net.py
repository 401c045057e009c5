import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import enet_path

from jaxreg.errors import ArgumentError
from jaxreg.linear import Status, polynomial_features, working_set
from jaxreg.linear.elastic_net import alpha_max, elastic_net, elastic_net_path, lasso, lasso_path
from tests.marks import slow

N, P = 20, 6  # a solver takes seconds to compile for a shape and a precision: tests share them
GRID = np.geomspace(1.0, 1e-3, 12)


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def make_data(seed=0, n=N, p=P):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, p)) * np.linspace(0.5, 2.0, p) + 1.0
    return X, 3.0 + X @ np.where(np.arange(p) < 3, 1.5, 0.0) + generator.normal(size=n)


def certify(X, y, coef, alpha, l1_ratio):
    """The gap by another route: objective minus dual, in long double, of centred data."""
    n = len(y)
    X, y, coef = (X - X.mean(0)).astype(np.longdouble), (y - y.mean()).astype(np.longdouble), np.asarray(coef)
    l1, l2 = n * alpha * l1_ratio, n * alpha * (1 - l1_ratio)
    residual = y - X @ coef
    square = residual @ residual + l2 * coef @ coef
    slope = X.T @ residual - l2 * coef
    shrink = min(1, l1 / max(abs(slope).max(), np.finfo(float).tiny))
    gap = square / 2 + l1 * abs(coef).sum() - (shrink * residual @ y - shrink**2 / 2 * square)
    return float(gap / (y @ y / 2))


def solve_as_scikit_learn(X, y, alphas, l1_ratio):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it does not reach a tolerance of 0
        X, y = X - X.mean(0), y - y.mean()
        return enet_path(X, y, l1_ratio=l1_ratio, alphas=alphas, tol=0, max_iter=20_000)[1].T


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, slow(0.1)])
def test_path_is_that_of_scikit_learn_and_certified(double, l1_ratio):
    X, y = make_data()
    alphas = float(alpha_max(X, y, l1_ratio)) * GRID
    found = elastic_net_path(X, y, alphas, l1_ratio)
    expected = solve_as_scikit_learn(X, y, alphas, l1_ratio)
    np.testing.assert_allclose(found.coef, expected, rtol=1e-8, atol=1e-12)
    assert ((np.asarray(found.coef) == 0) == (expected == 0)).all()
    np.testing.assert_allclose(found.intercept, y.mean() - expected @ X.mean(0), rtol=1e-8)
    np.testing.assert_allclose(found.predict(X), found.coef @ X.T + found.intercept[:, None], rtol=1e-12)
    for coef, alpha, gap in zip(found.coef, alphas, found.gap, strict=True):
        assert gap <= 1e-14
        assert certify(X, y, coef, alpha, l1_ratio) <= 1e-14
    assert (found.status == Status.OK).all()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_gap_of_any_point_is_objective_minus_dual(double, l1_ratio):
    X, y = make_data()
    X, y = X - X.mean(0), y - y.mean()
    generator = np.random.default_rng(1)
    best = np.asarray(elastic_net_path(X, y, np.full(len(GRID), 0.1), l1_ratio).coef[0])
    assert (best != 0).any()

    def objective(coef):
        part = 0.1 * (l1_ratio * abs(coef).sum() + (1 - l1_ratio) / 2 * coef @ coef)
        return (((y - X @ coef) ** 2).sum() / (2 * N) + part) / ((y @ y) / (2 * N))

    for size in (1e-3, 0.1, 1.0):
        coef = best + size * generator.normal(size=P)
        l1, l2 = 0.1 * N * l1_ratio, 0.1 * N * (1 - l1_ratio)
        residual = y - X @ coef
        arguments = map(jnp.asarray, (coef, X.T @ residual - l2 * coef, residual, l1, l2))
        gap = float(working_set._gap(*arguments) / (y @ y / 2))
        plain = certify(X, y, coef, 0.1, l1_ratio)
        assert gap <= plain * (1 + 1e-9)
        if l1_ratio == 1:
            assert gap == pytest.approx(plain, rel=1e-9)
        assert gap >= (objective(coef) - objective(best)) * (1 - 1e-9)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4, 0.0])
def test_orthonormal_columns_are_soft_thresholded_and_shrunk(double, l1_ratio):
    generator = np.random.default_rng(2)
    X = np.linalg.qr(generator.normal(size=(N, P)))[0]
    z = np.array([3.0, -2.0, 1.0, -0.5, 0.2, 0.0])
    alphas = np.array([0.15, 0.04, 0.06, 1e-4])  # in any order
    found = elastic_net_path(X, X @ z, alphas, l1_ratio, fit_intercept=False)
    l1, l2 = N * alphas[:, None] * l1_ratio, N * alphas[:, None] * (1 - l1_ratio)
    expected = np.sign(z) * np.maximum(abs(z) - l1, 0) / (1 + l2)
    np.testing.assert_allclose(found.coef, expected, rtol=1e-12, atol=1e-15)
    assert (found.intercept == 0).all()
    assert (found.alphas == alphas).all()
    if l1_ratio:
        assert ((found.coef == 0) == (abs(z) <= l1)).all()


def test_alpha_max_is_where_zeros_end(double):
    X, y = make_data()
    for l1_ratio in (1.0, 0.2):
        most = float(alpha_max(X, y, l1_ratio))
        centred = X - X.mean(0)
        assert most == pytest.approx(abs(centred.T @ (y - y.mean())).max() / (N * l1_ratio), rel=1e-14)
        found = elastic_net_path(X, y, most * np.array([2.0, 1.0, 1.0 - 1e-6, *[0.5] * 9]), l1_ratio)
        assert ((found.coef != 0).sum(1)[:3] == jnp.array([0, 0, 1])).all()
    scale = np.linalg.norm(centred, axis=0)
    assert float(alpha_max(X, y, normalize="l2")) == pytest.approx(float(alpha_max(X / scale, y)), rel=1e-14)


@pytest.mark.parametrize("normalize", ["l2", "std"])
def test_normalized_columns_and_original_units(double, normalize):
    X, y = make_data()
    scale = (X - X.mean(0)).std(0) * (np.sqrt(N) if normalize == "l2" else 1)
    alphas = float(alpha_max(X, y, normalize=normalize)) * GRID
    found = elastic_net_path(X, y, alphas, 1.0, normalize=normalize)
    expected = elastic_net_path(X / scale, y, alphas, 1.0)
    np.testing.assert_allclose(found.coef, np.asarray(expected.coef) / scale, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.intercept, expected.intercept, rtol=1e-10)
    np.testing.assert_allclose(
        elastic_net_path(X * 8.0, y, alphas, 1.0, normalize=normalize).coef, found.coef / 8.0, rtol=1e-12
    )


def test_ridge_and_least_squares_are_its_ends(double):
    X, y = make_data()
    centred, target = X - X.mean(0), y - y.mean()
    alphas = np.array([0.0, 0.3, *[1.0] * 10])
    ridge = elastic_net_path(X, y, alphas, 0.0)
    for coef, alpha in zip(ridge.coef[:3], alphas, strict=False):
        expected = np.linalg.solve(centred.T @ centred + N * alpha * np.eye(P), centred.T @ target)
        np.testing.assert_allclose(coef, expected, rtol=1e-10)
    np.testing.assert_allclose(elastic_net_path(X, y, alphas, 1.0).coef[0], ridge.coef[0], rtol=1e-12)
    np.testing.assert_allclose(elastic_net_path(X, y, np.full(12, 1e-9), 1.0).coef[0], ridge.coef[0], rtol=1e-6)
    assert (ridge.gap < 1e-14).all()
    X[:, 5] = X[:, 0] + X[:, 1]
    dependent = elastic_net_path(X, y, alphas, 1.0)
    assert Status(int(dependent.status[0])) == Status.RANK_DEFICIENT
    np.testing.assert_allclose(dependent.coef[0], np.linalg.lstsq(X - X.mean(0), target)[0], rtol=1e-9)


@jax.jit
def follow(X, targets):
    """Of many targets: at tutorial T1's alpha, along a path, and at an alpha too small for single precision."""

    def solve(y):
        grid = jnp.geomspace(1, 1e-3, 9, dtype=X.dtype) * alpha_max(X, y, normalize="l2")
        found = lasso_path(X, y, jnp.concatenate([jnp.array([0.001, 1e-7], X.dtype), grid]), normalize="l2")
        return found, found.predict(X)

    return jax.vmap(solve)(targets)


def make_tutorial(basis):
    x = np.linspace(-10, 10, 50)
    y = 0.001 * (-(x**3) + x**2 + x) + np.random.default_rng(0).normal(0, 0.05, (16, 50))
    return polynomial_features(x, 30, basis=basis), jnp.asarray(y, jnp.result_type(float))


def test_monomials_of_tutorial_t1_reach_the_gap_in_double_precision(double):
    X, targets = make_tutorial("monomial")
    centred = np.asarray(X - X.mean(0, keepdims=True))
    scale = np.linalg.norm(centred, axis=0)
    assert np.linalg.cond(centred / scale) > 1e11
    found, _ = follow(X, targets)
    assert (found.gap <= 1e-10).all()
    assert (found.gap[:, jnp.arange(11) != 1] <= 1e-12).all()
    assert (found.status == Status.OK).all()
    for coef, y in zip(np.asarray(found.coef)[:, 0] * scale, targets, strict=True):
        assert certify(np.asarray(X) / scale, np.asarray(y), coef, 0.001, 1.0) <= 1e-12
        assert 2 <= (coef != 0).sum() <= 15


def test_single_precision_reaches_its_gap_on_legendre_polynomials():
    """Gaps of 1e-5; predictions within 1e-4 of the largest of those in double precision."""
    found, fitted = follow(*make_tutorial("legendre"))
    with jax.enable_x64(True):
        exact, expected = follow(*make_tutorial("legendre"))
    assert (found.coef.dtype, exact.coef.dtype) == (jnp.float32, jnp.float64)
    usual = np.arange(11) != 1
    assert (np.asarray(found.gap)[:, usual] <= 1e-5).all()
    assert (np.asarray(found.status)[:, usual] == Status.OK).all()
    error = np.abs(np.asarray(fitted) - np.asarray(expected))[:, usual]
    assert error.max() < 1e-4 * np.abs(expected).max()
    assert (np.asarray(exact.gap) <= 1e-12).all()


def test_single_precision_says_where_it_falls_short():
    found, _ = follow(*make_tutorial("monomial"))
    short = np.asarray(found.status) & Status.NOT_CONVERGED != 0
    assert (short == (np.asarray(found.gap) > 1e-5)).all()
    assert short[:, 1].all()
    assert not short[:, 0].any()


@pytest.mark.parametrize("p", [slow(60), 400])
def test_designs_wider_than_tall(double, p):
    assert 60 < working_set.WIDTH < 400
    X, y = make_data(p=p)
    alphas = float(alpha_max(X, y)) * np.array([0.5, 0.1, 0.01, 1e-4])
    found = jax.jit(lasso_path)(X, y, alphas)
    assert (found.gap <= 1e-13).all()
    assert (found.status == Status.OK).all()
    assert int((found.coef != 0).sum(1).max()) == N - 1  # as many as there are degrees of freedom
    expected = solve_as_scikit_learn(X, y, alphas[:2], 1.0)
    np.testing.assert_allclose(found.coef[:2], expected, rtol=1e-8, atol=1e-10)
    for coef, alpha in zip(found.coef, alphas, strict=True):
        assert certify(X, y, coef, alpha, 1.0) <= 1e-13


@pytest.mark.slow
def test_wide_designs_far_from_the_start_are_solved_alone_and_in_a_batch(double):
    """One strength each, so far down that descent finds most of the support."""
    generator = np.random.default_rng(3)
    X = generator.normal(size=(3, 50, 500)) * np.geomspace(0.1, 10, 500)
    X[2] += 0.5 * np.geomspace(0.1, 10, 500) * generator.normal(size=(50, 1))
    y = X[..., ::50].sum(-1) + generator.normal(size=(3, 50))
    alphas = np.array([0.02 * float(alpha_max(*pair)) for pair in zip(X, y, strict=True)])
    alone = [lasso(*member) for member in zip(X, y, alphas, strict=True)]
    batch = jax.vmap(lasso)(X, y, alphas)
    assert (batch.status == Status.OK).all()
    for i, fit in enumerate(alone):
        assert (fit.coef != 0).sum() > working_set._FAR
        expected = solve_as_scikit_learn(X[i], y[i], alphas[i : i + 1], 1.0)[0]
        for coef, gap in ((fit.coef, fit.gap), (batch.coef[i], batch.gap[i])):
            np.testing.assert_allclose(coef, expected, rtol=1e-8, atol=1e-10 * abs(expected).max())
            assert gap <= 1e-13
            assert certify(X[i], y[i], coef, alphas[i], 1.0) <= 1e-13


def test_wide_designs_with_twin_columns_use_one_of_each(double):
    generator = np.random.default_rng(5)
    half = generator.normal(size=(50, 250))
    X, y = np.concatenate([half, -half], axis=1), half[:, ::25].sum(1) + generator.normal(size=50)
    alpha = 0.02 * float(alpha_max(X, y))
    found = lasso(X, y, alpha)
    expected = solve_as_scikit_learn(half, y, np.array([alpha]), 1.0)[0]
    np.testing.assert_allclose(found.coef[:250] - found.coef[250:], expected, rtol=1e-8, atol=1e-10)
    assert not ((found.coef[:250] != 0) & (found.coef[250:] != 0)).any()
    assert (found.gap <= 1e-13, found.status) == (True, Status.RANK_DEFICIENT)


def test_twin_columns_get_one_solution_and_a_status(double):
    X, y = make_data()
    X[:, 4], X[:, 5] = X[:, 0], -X[:, 0]
    found = elastic_net_path(X, y, float(alpha_max(X, y)) * GRID, 1.0)
    single = elastic_net_path(X * (np.arange(P) < 4), y, found.alphas, 1.0)
    assert (found.gap <= 1e-13).all()
    np.testing.assert_allclose(found.predict(X), single.predict(X), rtol=1e-9)
    assert (found.coef[:, jnp.array([0, 4, 5])] != 0).sum(1).max() == 1
    in_use = (found.coef[:, jnp.array([0, 4, 5])] != 0).any(1)
    assert ((found.status == Status.RANK_DEFICIENT) == in_use).all()
    both = elastic_net_path(X, y, found.alphas, 0.5)  # unique, and shared between the twins
    np.testing.assert_allclose(both.coef[:, 4], both.coef[:, 0], rtol=1e-9)
    np.testing.assert_allclose(both.coef[:, 5], -both.coef[:, 0], rtol=1e-9)
    assert (both.status == Status.OK).all()


def test_constant_columns_and_targets(double):
    X, y = make_data()
    X[:, 1] = 0.1
    found = elastic_net_path(X, y, GRID, 1.0)
    assert (found.coef[:, 1] == 0).all()
    assert np.isfinite(found.coef).all()
    assert (found.status == Status.CONSTANT_COLUMN).all()
    flat = elastic_net_path(make_data()[0], np.full(N, 0.1), GRID, 1.0)
    assert (flat.coef == 0).all()
    assert (flat.gap == 0).all()
    np.testing.assert_allclose(flat.intercept, 0.1)


def test_members_of_a_batch_are_what_they_are_alone_and_invalid_ones_are_marked(double):
    generator = np.random.default_rng(4)
    X, y = make_data()
    designs, targets = X + generator.normal(size=(7, N, P)), y + generator.normal(size=(7, N))
    alphas = float(alpha_max(X, y)) * GRID * np.ones((7, 1))
    ratios = np.array([1.0, 0.5, 0.0, 1.0, 1.0, 0.5, 1.5])
    targets[3, 3], designs[4, 2, 1], alphas[5, 2] = np.nan, np.inf, -0.1
    batch = jax.jit(jax.vmap(elastic_net_path))(designs, targets, alphas, ratios)
    for i in range(3):
        alone = elastic_net_path(designs[i], targets[i], alphas[i], ratios[i])
        np.testing.assert_allclose(batch.coef[i], alone.coef, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(batch.intercept[i], alone.intercept, rtol=1e-9)
        assert (batch.status[i] == alone.status).all()
    invalid = np.zeros((7, len(GRID)), bool)
    invalid[[3, 4, 6]], invalid[5, 2] = True, True
    assert ((np.asarray(batch.status) == Status.INVALID) == invalid).all()
    assert (np.isnan(batch.coef).all(-1) == invalid).all()
    assert (np.isnan(batch.intercept) == invalid).all()


def products(jaxpr):
    """All matrix products of a program, also of those within: shapes of both sides and of the result."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield tuple(variable.aval.shape for variable in (*equation.invars, *equation.outvars))
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from products(inner)


def test_targets_that_share_a_design_share_its_gram_matrix():
    X, y = make_data()
    targets = np.stack([y] * 7)
    shared = jax.make_jaxpr(jax.vmap(lasso_path, (None, 0, None)))(X, targets, GRID).jaxpr
    apart = jax.make_jaxpr(jax.vmap(lasso_path, (0, 0, None)))(np.stack([X] * 7), targets, GRID).jaxpr
    own, common = ((7, N, P), (7, N, P), (7, P, P)), ((N, P), (N, P), (P, P))
    assert common in set(products(shared))
    assert not {own, common[:2] + own[2:]} & set(products(shared))
    assert own in set(products(apart))


def test_compiles_once_for_all_numbers():
    X, y = make_data()
    solve = jax.jit(elastic_net_path)
    for alphas, l1_ratio in ((GRID, 1.0), (2 * GRID, 0.5), (0 * GRID, 0.0)):
        solve(X, y, alphas, l1_ratio)
    assert solve._cache_size() == 1


@pytest.mark.parametrize("p", [P, slow(400)])
def test_lowers_for_every_platform(p):
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((3, N, p), (3, N), (3,))]
    solve = jax.jit(jax.vmap(jax.grad(lambda X, y, alpha: lasso(X, y, alpha).coef.sum(), (0, 1, 2))))
    exported = jax.export.export(solve, platforms=["cpu", "cuda", "tpu"])(*shapes)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


numbers = st.floats(-100, 100, width=32)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, (5, 3), elements=numbers),
    arrays(np.float64, 5, elements=numbers),
    st.floats(0, 2, allow_subnormal=False),
    st.floats(0, 1, allow_subnormal=False),
)
def test_any_data_get_a_certified_solution(X, y, strength, l1_ratio):
    with jax.enable_x64(True):
        most = float(alpha_max(X, y))
        alpha = strength * most
        assume(alpha == 0 or alpha >= np.finfo(float).tiny)  # what a CPU flushes to 0 is refused
        found = elastic_net_path(X, y, np.array([alpha]), l1_ratio)
        coef, status = np.asarray(found.coef[0]), Status(int(found.status[0]))
        assert np.isfinite(coef).all()
        assert not status & (Status.NOT_CONVERGED | Status.INVALID)
        assert found.gap[0] <= 1e-10
        constant = np.ptp(X, axis=0) == 0
        assert (coef[constant] == 0).all()
        assert bool(status & Status.CONSTANT_COLUMN) >= constant.any()
        if l1_ratio == 1 and strength > 1:
            assert (coef == 0).all()
        if alpha * l1_ratio > 1e-3 * most and np.ptp(y) > 0:
            assert certify(X, y, coef, alpha, l1_ratio) < 1e-9


def test_bad_input_is_refused_before_tracing():
    X, y = make_data()
    nothing = np.zeros((N, 0))
    broken = np.where(np.arange(N) == 3, np.nan, y)
    for call, argument in (
        (lambda: lasso(X, y[:-1], 0.1), "y"),
        (lambda: lasso(X, y[:, None], 0.1), "y"),
        (lambda: lasso(X[:1], y[:1], 0.1), "X"),
        (lambda: lasso(nothing, y, 0.1), "X"),
        (lambda: lasso(X[0], y, 0.1), "X"),
        (lambda: lasso(X, broken, 0.1), "y[3]"),
        (lambda: lasso(X * np.inf, y, 0.1), "X[0, 0]"),
        (lambda: lasso(X, y, -0.1), "alpha"),
        (lambda: lasso(X, y, np.nan), "alpha"),
        (lambda: lasso(X, y, np.inf), "alpha"),
        (lambda: lasso(X, y, 0.1, normalize="l1"), "normalize"),
        (lambda: elastic_net(X, y, 0.1, 1.1), "l1_ratio"),
        (lambda: elastic_net(X, y, 0.1, -0.1), "l1_ratio"),
        (lambda: elastic_net(X, y, 0.1, np.nan), "l1_ratio"),
        (lambda: lasso_path(X, y, np.array([0.1, -0.1])), "alphas[1]"),
        (lambda: lasso_path(X, y, np.array([])), "alphas"),
        (lambda: lasso_path(X, y, np.array([[0.1]])), "alphas"),
        (lambda: lasso_path(X, y, np.array([0.1, np.nan])), "alphas[1]"),
        (lambda: alpha_max(X, y, 0.0), "l1_ratio"),
        (lambda: alpha_max(X, y, 2.0), "l1_ratio"),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type hints refuse what they can
            call()
        if isinstance(caught.value, ArgumentError):
            assert caught.value.argument == argument
        else:
            assert type(caught.value).__name__ == "TypeCheckError"


def test_integers_are_converted(double):
    X, y, alphas = np.arange(N * P).reshape(N, P) ** 2 % 7, np.arange(N), np.arange(1, 1 + len(GRID))
    expected = elastic_net_path(X.astype(float), y.astype(float), alphas.astype(float), 1.0)
    np.testing.assert_allclose(elastic_net_path(X, y, alphas, 1).coef, expected.coef)
    assert (expected.coef != 0).any()

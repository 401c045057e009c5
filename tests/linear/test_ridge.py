"""Ridge and its path: against scikit-learn, refits without each row, finite differences; sharing, batches, limits."""

import jax
import jax.extend.core
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from jaxreg.errors import ArgumentError
from jaxreg.linear import Status, standardize
from jaxreg.linear.elastic_net import elastic_net_path
from jaxreg.linear.least_squares import least_squares
from jaxreg.linear.ridge import ridge, ridge_path
from jaxreg.linear.spectrum import decompose, solve

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(20, 6)) * np.array([1, 5, 0.2, 1, 1, 1]) + 2
_Y = _RANDOM.normal(size=20)
_ALPHAS = np.geomspace(1e-3, 1e3, 7)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("shape", "fit_intercept"), [((20, 6), True), ((8, 15), False)])
def test_agrees_with_scikit_learn(shape, fit_intercept):
    X, y = _RANDOM.normal(size=shape) + 1, _RANDOM.normal(size=shape[0])
    path = ridge_path(X, y, _ALPHAS, fit_intercept=fit_intercept)
    assert path.coef.shape == (7, shape[1])
    assert (path.status == Status.OK).all()
    assert (path.gap < 1e-24).all()
    for k, alpha in enumerate(_ALPHAS):
        theirs = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y)
        single = ridge(X, y, alpha, fit_intercept=fit_intercept)
        for coef, intercept in ((path.coef[k], path.intercept[k]), (single.coef, single.intercept)):
            np.testing.assert_allclose(coef, theirs.coef_, rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(intercept, theirs.intercept_, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(path.predict(X)[k], theirs.predict(X), rtol=1e-8, atol=1e-12)


def test_the_penalty_is_on_the_scaled_columns():
    design = standardize(_X, "std")
    theirs = Ridge(alpha=0.5, solver="svd").fit(np.asarray(design.X), _Y)
    fit = ridge(_X, _Y, 0.5, normalize="std")
    np.testing.assert_allclose(fit.coef, theirs.coef_ / design.scale, rtol=1e-8)
    np.testing.assert_allclose(fit.predict(_X), theirs.predict(np.asarray(design.X)), rtol=1e-8)


def test_orthonormal_design_shrinks_by_one_over_one_plus_alpha():
    Q = np.linalg.qr(_RANDOM.normal(size=(20, 4)))[0]
    fit = ridge(Q, _Y, 3.0, fit_intercept=False)
    np.testing.assert_allclose(fit.coef, Q.T @ _Y / 4, rtol=1e-12)


def test_no_penalty_is_least_squares():
    X, y = _RANDOM.normal(size=(8, 15)), _RANDOM.normal(size=8)
    plain, none = least_squares(X, y), ridge(X, y, 0.0)
    for mine, theirs in zip(none, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    path = ridge_path(X, y, np.append(0.0, _ALPHAS[1:]))
    np.testing.assert_allclose(path.coef[0], plain.coef, rtol=1e-9, atol=1e-12)
    assert path.status.tolist() == [int(plain.status), *[Status.OK] * 6]


def test_gap_is_what_the_objective_lacks():
    """A fit in float32 of a poorly conditioned design, judged by the objective itself in float64."""
    X = (_RANDOM.normal(size=(30, 3)) @ _RANDOM.normal(size=(3, 8)) + 1e-3 * _RANDOM.normal(size=(30, 8))).astype("f4")
    y = _RANDOM.normal(size=30).astype("f4")
    A, z = X - X.mean(0, dtype=float), y - y.mean(dtype=float)
    exact = np.linalg.solve(A.T @ A + 1e-4 * np.eye(8), A.T @ z)
    with jax.enable_x64(False):
        fits = [ridge(X, y, 1e-4), ridge(X, y, 1.0)]
    for fit, alpha in zip(fits, (1e-4, 1.0), strict=True):
        objective = [((z - A @ b) ** 2).sum() + alpha * (b**2).sum() for b in (np.asarray(fit.coef, float), exact)]
        if alpha == 1e-4:
            assert (objective[0] - objective[1]) / (z**2).sum() < 1e-6
        assert 0 <= float(fit.gap) < 1e-6


def _objective_excess(A, y, b, alpha):
    exact = np.linalg.solve(A.T @ A + alpha * np.eye(A.shape[1]), A.T @ y)
    value = [((y - A @ c) ** 2).sum() + alpha * (c**2).sum() for c in (b, exact)]
    return (value[0] - value[1]) / (y**2).sum()


def test_gap_of_a_wrong_solution():
    """Factors of another design: the gap, which looks at the data, finds out, and says about how much is lacking."""
    A, y = _RANDOM.normal(size=(20, 6)), _RANDOM.normal(size=20)
    spectrum = decompose(jnp.asarray(A))
    other = spectrum._replace(values=1.01 * spectrum.values, measured=1.01 * spectrum.measured)
    wrong = solve(other, jnp.asarray(A), jnp.asarray(y), jnp.array(0.7), False)
    excess = _objective_excess(A, y, np.asarray(wrong.coef), 0.7)
    assert excess > 1e-6
    np.testing.assert_allclose(wrong.gap, excess, rtol=0.5)


def _refit(A, y, alpha, fit_intercept):
    """Mean squared error at each row of a fit without it, in the design as standardized with all rows."""
    errors = []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        center, mean = (A[others].mean(0), y[others].mean()) if fit_intercept else (0, 0)
        rows = np.vstack([A[others] - center, np.sqrt(alpha) * np.eye(A.shape[1])])
        target = np.append(y[others] - mean, np.zeros(A.shape[1]))
        b = np.linalg.lstsq(rows, target, rcond=1e-12)[0]
        errors.append(y[i] - mean - (A[i] - center) @ b)
    return np.mean(np.square(errors))


@pytest.mark.parametrize(("n", "p"), [(20, 5), (12, 11), (12, 12), (10, 30)])
def test_leave_one_out_is_that_of_refits_down_to_alpha_zero(n, p):
    random = np.random.default_rng(n + p)
    alphas = np.array([0.0, 1e-14, 1e-8, 1e-3, 0.5, 100.0])
    plain, y = random.normal(size=(n, p)) + 1, random.normal(size=n)
    twins, alone = plain.copy(), plain.copy()
    twins[:, 1] = twins[:, 0]
    alone[:, 0] = np.arange(n) == 3  # only one row says something about this column: its leverage is 1
    designs = np.stack([plain, twins, alone])
    settings = [{"fit_intercept": True, "normalize": "l2"}, {"fit_intercept": False, "normalize": None}]
    for options in settings if n == 12 else settings[:1]:
        paths = jax.vmap(lambda X: ridge_path(X, y, alphas, **options))(designs)  # noqa: B023  # called at once
        for X, loo in zip(designs, paths.loo, strict=True):
            A = X - X.mean(0) if options["fit_intercept"] else X
            A = A / np.linalg.norm(A, axis=0) if options["normalize"] else A
            expected = [_refit(A, y, alpha, options["fit_intercept"]) for alpha in alphas]
            np.testing.assert_allclose(loo, expected, rtol=1e-7)


def test_leave_one_out_agrees_with_ridge_cv():
    theirs = RidgeCV(alphas=_ALPHAS, store_cv_results=True).fit(_X, _Y)
    np.testing.assert_allclose(ridge_path(_X, _Y, _ALPHAS).loo, theirs.cv_results_.mean(0), rtol=1e-9)


@pytest.mark.parametrize(("n", "p", "fit_intercept"), [(20, 6, True), (8, 15, True), (8, 15, False)])
def test_degrees_of_freedom_and_gcv_are_those_of_the_hat_matrix(n, p, fit_intercept):
    X, y = _RANDOM.normal(size=(n, p)) + 1, _RANDOM.normal(size=n)
    path = ridge_path(X, y, _ALPHAS, fit_intercept=fit_intercept)
    A = X - X.mean(0) if fit_intercept else X
    for k, alpha in enumerate(_ALPHAS):
        hat = A @ np.linalg.solve(A.T @ A + alpha * np.eye(p), A.T)
        np.testing.assert_allclose(path.df[k], np.trace(hat), rtol=1e-9)
        hat = hat + 1 / n if fit_intercept else hat
        residual = y - hat @ y
        np.testing.assert_allclose(path.gcv[k], n * residual @ residual / (n - np.trace(hat)) ** 2, rtol=1e-8)


def test_gcv_of_an_interpolating_fit_has_a_limit():
    X, y = _RANDOM.normal(size=(8, 15)), _RANDOM.normal(size=8)
    gcv = ridge_path(X, y, np.array([0.0, 1e-14, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7])).gcv
    kernel = np.linalg.pinv((X - X.mean(0)) @ (X - X.mean(0)).T, rcond=1e-12)
    expected = 8 * ((kernel @ y) ** 2).sum() / np.trace(kernel) ** 2
    np.testing.assert_allclose(gcv, expected, rtol=1e-5)


def test_alpha_runs_to_its_ends():
    path = ridge_path(_X, _Y, np.array([0.0, *[1e300] * 6]))
    np.testing.assert_allclose(path.coef[6], 0, atol=1e-200)
    np.testing.assert_allclose(path.df[np.array([0, 6])], [6, 0], atol=1e-12)
    np.testing.assert_allclose(path.loo[6], ((_Y - _Y.mean()) ** 2).mean() * (20 / 19) ** 2, rtol=1e-9)
    with jax.enable_x64(False):
        single = ridge_path((1e-25 * _X).astype("f4"), _Y.astype("f4"), np.array([0.0, 1.0, 1e30]))
    assert all(np.isfinite(part).all() for part in single)
    np.testing.assert_allclose(single.coef[0] * 1e-25, least_squares(_X, _Y).coef, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(single.coef[1:], 0, atol=1e-6)


def test_float32_to_its_tolerance():
    with jax.enable_x64(False):
        path = ridge_path(_X, _Y, _ALPHAS, normalize="std")
    double = ridge_path(_X, _Y, _ALPHAS, normalize="std")
    assert path.coef.dtype == jnp.float32
    for mine, exact in zip(path[:6], double[:6], strict=True):
        np.testing.assert_allclose(mine, exact, rtol=1e-4, atol=1e-6)
    assert (path.gap < 1e-10).all()


_REPEATED = np.linalg.qr(np.random.default_rng(5).normal(size=(12, 4)))[0]  # all singular values are 1
_WIDE = _RANDOM.normal(size=(8, 15))


@pytest.mark.parametrize(
    ("X", "alpha", "options"),
    [
        (_X, 0.7, {"normalize": "l2"}),
        (_X, 0.0, {"normalize": "std"}),
        (_WIDE, 1e-10, {}),
        (_REPEATED, 0.7, {"fit_intercept": False}),
    ],
    ids=["tall", "alpha 0", "wide, alpha near 0", "repeated singular values"],
)
def test_derivatives_against_central_differences(X, alpha, options):
    random = np.random.default_rng(1)
    point = (jnp.asarray(X), jnp.asarray(random.normal(size=len(X))), jnp.asarray(alpha))
    direction = (*(jnp.asarray(random.normal(size=part.shape)) for part in point[:2]), jnp.asarray(0.3 * alpha))
    weights = jnp.asarray(random.normal(size=X.shape[1] + 1))

    def coef(X, y, alpha):
        fit = ridge(X, y, alpha, **options)
        return jnp.append(fit.coef, fit.intercept)

    @jax.jit
    def differentiate(point, direction):
        def along(t):
            return coef(*(part + t * step for part, step in zip(point, direction, strict=True)))

        forward = jax.jvp(coef, point, direction)[1]
        gradient = jax.grad(lambda *point: coef(*point) @ weights, (0, 1, 2))(*point)
        ends = jax.vmap(along)(jnp.array([-1e-6, 1e-6]))
        return forward, gradient, (ends[1] - ends[0]) / 2e-6

    forward, gradient, expected = differentiate(point, direction)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-6 * abs(forward).max())
    reverse = sum((part * step).sum() for part, step in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(reverse, forward @ weights, rtol=1e-9)


def test_derivative_in_alpha_is_the_closed_form_also_at_zero_and_twice():
    A = _X - _X.mean(0)
    slope = jax.jacfwd(lambda alpha: ridge(_X, _Y, alpha).coef)
    both = jax.jit(lambda alpha: (slope(alpha), jax.jacrev(slope)(alpha)))
    for alpha in (0.0, 0.5, 20.0):
        inverse = np.linalg.inv(A.T @ A + alpha * np.eye(6))
        b = inverse @ A.T @ _Y
        once, twice = both(alpha)
        np.testing.assert_allclose(once, -inverse @ b, rtol=1e-8)
        np.testing.assert_allclose(twice, 2 * inverse @ inverse @ b, rtol=1e-8)


@pytest.mark.slow
def test_derivatives_of_the_path():
    """Coefficients as `ridge`; leave-one-out in alpha and y, repeated singular values or not."""
    grad = jax.jit(jax.jacfwd(lambda alphas: ridge_path(_REPEATED, _Y[:12], alphas)))
    found = grad(jnp.asarray(_ALPHAS))
    low, high = (ridge_path(_REPEATED, _Y[:12], _ALPHAS * (1 + s * 1e-6)) for s in (-1, 1))
    for name in ("coef", "df", "loo", "gcv"):
        slope = np.einsum("a...b,b->a...", np.asarray(getattr(found, name)).swapaxes(-1, -1), _ALPHAS)
        expected = (np.asarray(getattr(high, name)) - np.asarray(getattr(low, name))) / 2e-6
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-7)
    X, dX = jnp.asarray(_X), jnp.asarray(np.random.default_rng(2).normal(size=_X.shape))
    follow = jax.jit(lambda X: ridge_path(X, _Y, _ALPHAS, normalize="l2"))
    tangent = jax.jit(lambda X: jax.jvp(follow, (X,), (dX,))[1])(X)
    for name in ("coef", "intercept", "df", "loo", "gcv"):
        expected = (getattr(follow(X + 1e-6 * dX), name) - getattr(follow(X - 1e-6 * dX), name)) / 2e-6
        np.testing.assert_allclose(getattr(tangent, name), expected, rtol=1e-5, atol=1e-8)


def _decompositions(jaxpr):
    """Shapes of what is decomposed, in a program and in those it calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("svd", "eigh", "geqrf", "qr", "cholesky", "lu"):
            yield equation.invars[0].aval.shape
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _decompositions(inner)


@pytest.mark.parametrize("fit", [lambda X, y: ridge(X, y, 0.5), lambda X, y: ridge_path(X, y, _ALPHAS), least_squares])
def test_many_targets_share_one_decomposition(fit):
    targets, designs = jnp.asarray(_RANDOM.normal(size=(9, 20))), jnp.asarray(_RANDOM.normal(size=(9, 20, 6)))
    shared = jax.make_jaxpr(jax.vmap(fit, (None, 0)))(jnp.asarray(_X), targets)
    assert list(_decompositions(shared.jaxpr)) == [(20, 6)]
    own = jax.make_jaxpr(jax.vmap(fit))(designs, targets)
    # Each its own: one after the other on a CPU, at once elsewhere.
    assert sorted(_decompositions(own.jaxpr)) == [(9, 20, 6), (20, 6)]

    def loss(X, y):
        return (fit(X, y).coef ** 2).sum()

    gradient = jax.make_jaxpr(jax.vmap(jax.grad(loss, 1), (None, 0)))(jnp.asarray(_X), targets)
    assert set(_decompositions(gradient.jaxpr)) == {(20, 6)}


def test_strengths_share_the_decomposition():
    many = jax.make_jaxpr(jax.vmap(ridge, (None, None, 0)))(jnp.asarray(_X), jnp.asarray(_Y), jnp.asarray(_ALPHAS))
    assert list(_decompositions(many.jaxpr)) == [(20, 6)]


def test_member_alone_is_member_of_the_population():
    random = np.random.default_rng(3)
    X, y = random.normal(size=(4, 20, 6)), random.normal(size=(4, 20))
    X[1, :, 2] = 4.0
    y[3, 0] = np.nan
    alphas = np.array([0.3, 0.3, -1.0, 0.3])
    single = jax.jit(jax.vmap(ridge))(X, y, alphas)
    np.testing.assert_array_equal(single.status, [0, Status.CONSTANT_COLUMN, Status.INVALID, Status.INVALID])
    assert np.isnan(single.coef[2:]).all()
    many = np.append(_ALPHAS[:6], 0.0)
    paths = jax.jit(jax.vmap(lambda X, y: ridge_path(X, y, many)))(X, y)
    for k in (0, 1):
        alone, path = ridge(X[k], y[k], alphas[k]), ridge_path(X[k], y[k], many)
        np.testing.assert_allclose(single.coef[k], alone.coef, rtol=1e-12, atol=1e-15)
        for batch, one in zip(paths[:6], path[:6], strict=True):
            np.testing.assert_allclose(batch[k], one, rtol=1e-11, atol=1e-15)
        np.testing.assert_array_equal(paths.status[k], path.status)
    assert all(np.isnan(part[3]).all() for part in paths[1:7])


def test_one_bad_strength_leaves_the_others():
    path = jax.jit(lambda alphas: ridge_path(_X, _Y, alphas))(np.array([1.0, -1.0, np.nan, np.inf, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(path.status, np.array([0, 1, 1, 1, 0, 0, 0]) * int(Status.INVALID))
    good = ridge_path(_X, _Y, np.array([1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0]))
    for some, alone in zip(path[1:6], good[1:6], strict=True):
        np.testing.assert_allclose(some[np.array([0, 4])], alone[np.array([0, 4])], rtol=1e-12)
        assert np.isnan(some[1:4]).all()


def test_one_compilation_serves_every_strength():
    fit = jax.jit(ridge)
    for alpha in (0.1, 0.2, 3.0):
        fit(_X, _Y, alpha)
    assert fit._cache_size() == 1


@pytest.mark.slow
def test_lowers_for_every_platform_in_both_precisions():
    def study(X, y, alphas):
        return jax.value_and_grad(lambda X: ridge(X, y, 0.5).coef.sum())(X), ridge_path(X, y, alphas)

    for wide in (False, True):
        with jax.enable_x64(wide):
            call = jax.jit(jax.vmap(study, (0, 0, None)))
            export = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))
            assert export(jnp.ones((2, 6, 3)), jnp.ones((2, 6)), jnp.ones(4)).platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("alpha", [-0.1, np.nan, np.inf, "strong", None, np.ones(3), True])
def test_bad_strengths_are_refused(alpha, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match=r"^alpha = "):
        ridge(_X, _Y, alpha)
    with pytest.raises(ArgumentError, match=r"^alphas"):
        ridge_path(_X, _Y, [1.0, alpha] if np.ndim(alpha) == 0 and alpha is not True else np.ones((2, 2)))


@pytest.mark.parametrize(
    ("X", "y", "named"),
    [(_X, _Y[:-1], "y"), (_X, np.ones((20, 2)), "y"), (_X[:1], _Y[:1], "X"), (_X * np.nan, _Y, r"X\[0, 0\]")],
)
def test_bad_data_are_refused_by_name(X, y, named, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for fit in (lambda: ridge(X, y, 1.0), lambda: ridge_path(X, y, _ALPHAS)):
        with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
            fit()
    with pytest.raises(ArgumentError, match=r"^normalize = "):
        ridge(_X, _Y, 1.0, normalize="l1")
    with pytest.raises(ArgumentError, match=r"^alphas = "):
        ridge_path(_X, _Y, np.empty(0))


def test_a_penalty_too_weak_to_share_among_equal_columns_is_none_and_says_so():
    """Equal columns get equal coefficients, down to strengths of which rounding leaves nothing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=20)
    X[:, 3] = X[:, 1]
    with jax.enable_x64(True):
        least = np.asarray(least_squares(X, y).coef)
        for alpha in (1e-10, 1e-30, 1e-80, 1e-145):
            one, path = ridge(X, y, 20 * alpha), elastic_net_path(X, y, np.array([alpha]), 0.0)
            lost = Status.RANK_DEFICIENT if alpha < 1e-20 else Status.OK
            assert (Status(int(one.status)), Status(int(path.status[0]))) == (lost, lost)
            np.testing.assert_allclose([one.coef, path.coef[0]], [least, least], rtol=0, atol=1e-6)

"""Exact paths: conditions in extended precision, enumeration of sign patterns, scikit-learn, T1, degenerate data."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lars_path as sklearn_path

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.linear import Status, polynomial_features
from jaxreg.linear.lars import LarsPath, lars_path

_SETTINGS = ("method", "max_knots", "normalize", "fit_intercept")
_solve = jax.jit(lars_path, static_argnames=_SETTINGS)
_at = jax.jit(LarsPath.at)
_T1_X = np.linspace(-10, 10, 50)
_TRUTH = 0.001 * (-(_T1_X**3) + _T1_X**2 + _T1_X)


@pytest.fixture(autouse=True)
def double_precision():
    """Tests that are about float32 say so."""
    with jax.enable_x64(True):
        yield


def solve(X, y, **kwargs):
    """A path as NumPy arrays."""
    path = _solve(jnp.asarray(X, float), jnp.asarray(y, float), **kwargs)
    return LarsPath(*(np.asarray(part) for part in path))


def at(path, alpha):
    return _at(path, jnp.asarray(alpha, float))


def draw(seed, n=50, p=10, noise=0.3, walk=False):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    X = np.cumsum(X, axis=1) if walk else X
    return X, X[:, :3] @ [3.0, -2.0, 1.0][: X.shape[1]] + noise * random.normal(size=n)


def knots(path):
    return int(path.valid.sum())


def normalized(X):
    X = X - X.mean(0)
    return X / np.sqrt((X**2).sum(0))


def measure_gap(X, y, alpha, coef):
    """Duality gap relative to the objective at 0, with the residual scaled to be feasible, in extended precision."""
    X, y, coef, alpha = (np.asarray(part, np.longdouble) for part in (X, y, coef, alpha))
    X, y, n = X - X.mean(0), y - y.mean(), len(y)
    residual = y - X @ coef
    scale = min(np.longdouble(1), n * alpha / abs(X.T @ residual).max())
    primal = residual @ residual / 2 + n * alpha * abs(coef).sum()
    return float((primal - scale * (y @ residual) + scale**2 * (residual @ residual) / 2) / (y @ y / 2))


def enumerate_lasso(X, y, alpha):
    """The lasso by brute force: the sign pattern whose linear equations meet all conditions."""
    X, y, n = X - X.mean(0), y - y.mean(), len(y)
    for signs in itertools.product((0, 1, -1), repeat=X.shape[1]):
        s = np.array(signs)
        chosen = s != 0
        coef = np.zeros(len(s))
        A = X[:, chosen]
        coef[chosen] = np.linalg.solve(A.T @ A, A.T @ y - n * alpha * s[chosen])
        left = abs(X.T @ (y - X @ coef))
        if (coef * s >= 0).all() and (left <= n * alpha * (1 + 1e-9)).all():
            return coef
    raise AssertionError("no sign pattern fits")


def replay(moves):
    """The active set after each move."""
    active = set()
    for move in moves:
        active = active | {move - 1} if move > 0 else active - {-move - 1}
        yield active


def sklearn_moves(coefs):
    """Signed moves from the supports on either side of each knot of scikit-learn's path."""
    inner = (coefs[:, 1:] + coefs[:, :-1]) / 2
    supports = [set(), *(set(np.flatnonzero(column)) for column in inner.T)]
    for before, after in itertools.pairwise(supports):
        (changed,) = before ^ after
        yield changed + 1 if changed in after else -(changed + 1)


@pytest.mark.parametrize("method", ["lasso", "lar"])
def test_diabetes_is_that_of_scikit_learn(method):
    X, y = load_diabetes(return_X_y=True)
    scale = np.sqrt(((X - X.mean(0)) ** 2).sum(0))
    alphas, active, coefs = sklearn_path(normalized(X), y - y.mean(), method=method)
    count = 13 if method == "lasso" else 11
    path = solve(X, y, method=method, normalize="l2", max_knots=count)  # the last one counts
    assert knots(path) == len(alphas) == count
    assert path.status == Status.OK
    np.testing.assert_allclose(path.alphas[:count], alphas, rtol=1e-10, atol=1e-10 * alphas[0])
    ours = path.coef[:count].T * scale[:, None]
    np.testing.assert_allclose(ours, coefs, rtol=1e-10, atol=1e-12 * abs(coefs).max())
    moves = path.moves[:count].tolist()
    if method == "lasso":
        assert moves == [*sklearn_moves(coefs), 0]
        assert moves == [3, 9, 4, 7, 2, 10, 5, 8, 6, 1, -7, 7, 0]  # hdl, the seventh, leaves and comes back
    else:
        assert set(moves) == {*range(11)}
        assert moves[-1] == 0
        assert all(column + 1 in moves for column in active)
    assert path.gap[path.valid].max() < 1e-14


def _populations():
    random = np.random.default_rng(1)
    designs = random.normal(size=(24, 50, 30))
    targets = designs[:, :, :5].sum(-1) + random.normal(size=(24, 50))
    legendre = np.polynomial.legendre.legvander(_T1_X / 10, 30)[:, 1:]
    noisy = _TRUTH + random.normal(scale=0.05, size=(24, 50))
    return {"different designs": (designs, targets, (0, 0)), "one design": (legendre, noisy, (None, 0))}


_NAMES = ("different designs", "one design")


@pytest.fixture(scope="module")
def populations():
    """Data and path of two populations of 24 members."""
    found = {}
    for name, (X, y, axes) in _populations().items():
        with jax.enable_x64(True):
            path = jax.jit(jax.vmap(partial(lars_path, normalize="l2"), in_axes=axes))(jnp.asarray(X), jnp.asarray(y))
        found[name] = (np.broadcast_to(X, (24, 50, 30)), y, LarsPath(*map(np.asarray, path)))
    return found


@pytest.mark.parametrize("name", _NAMES)
def test_populations_are_those_of_a_loop_over_scikit_learn(populations, name):
    X, y, path = populations[name]
    for member in range(24):
        alphas, _, coefs = sklearn_path(normalized(X[member]), y[member] - y[member].mean(), method="lasso")
        count = int(path.valid[member].sum())
        scale = np.sqrt(((X[member] - X[member].mean(0)) ** 2).sum(0))
        assert count == len(alphas) or (alphas[-1] < 1.2e-7 and count > len(alphas))  # where scikit-learn stops
        common = len(alphas) - 1
        np.testing.assert_allclose(path.alphas[member, :common], alphas[:common], rtol=1e-8)
        ours = path.coef[member, :common].T * scale[:, None]
        np.testing.assert_allclose(ours, coefs[:, :common], rtol=1e-8, atol=1e-9 * abs(coefs).max())
    assert (path.status == 0).all()
    assert (path.moves < 0).any()
    assert path.gap.max() < 1e-12


@pytest.mark.parametrize("name", _NAMES)
def test_gaps_agree_with_extended_precision(populations, name):
    """The returned gap bounds the true one; measured by scaling the residual it is at rounding as well."""
    X, y, path = populations[name]
    for member in range(6):
        scale = np.sqrt(((X[member] - X[member].mean(0)) ** 2).sum(0))
        for knot in range(1, int(path.valid[member].sum()) - 1):
            coef = path.coef[member, knot] * scale
            assert measure_gap(normalized(X[member]), y[member], path.alphas[member, knot], coef) < 1e-11


@pytest.mark.parametrize("name", _NAMES)
def test_between_knots_the_path_is_optimal_and_the_moves_are_its_supports(populations, name):
    X, y, path = populations[name]
    for member in range(6):
        single = LarsPath(*(part[member] for part in path))
        scale = np.sqrt(((X[member] - X[member].mean(0)) ** 2).sum(0))
        count = knots(single)
        for knot, active in enumerate(replay(single.moves[: count - 1])):
            alpha = single.alphas[knot : knot + 2].mean()
            fit = at(single, alpha)
            assert set(np.flatnonzero(fit.coef)) == active
            assert measure_gap(normalized(X[member]), y[member], alpha, np.asarray(fit.coef) * scale) < 1e-11


def test_a_member_alone_is_the_member_in_its_population(populations):
    for name in _NAMES:
        X, y, path = populations[name]
        for member in (0, 7):
            alone = solve(X[member], y[member], normalize="l2")
            for ours, theirs in zip(alone, path, strict=True):
                np.testing.assert_allclose(ours, theirs[member], rtol=1e-8, atol=1e-9 * abs(ours).max() + 1e-14)
            np.testing.assert_array_equal(alone.moves, path.moves[member])


def test_a_member_that_ends_early_stays_as_it_was_while_others_go_on():
    X, y = draw(0, walk=True)
    targets = jnp.stack([jnp.asarray(y), jnp.zeros(50), jnp.asarray(X[:, 4]), jnp.full(50, jnp.nan)])
    nested = jax.jit(jax.vmap(jax.vmap(lars_path, (None, 0)), (None, 0)))
    batch = LarsPath(*(np.asarray(part)[0] for part in nested(jnp.asarray(X), targets[None])))
    np.testing.assert_allclose(batch.coef[0], solve(X, y).coef, rtol=1e-9, atol=1e-10)
    assert batch.valid.sum(1).tolist()[1] == 1
    assert batch.valid.sum(1).tolist()[3] == 0
    np.testing.assert_array_equal(batch.coef[1], 0)
    np.testing.assert_allclose(batch.coef[2, -1], np.eye(10)[4], atol=1e-12)
    assert batch.status.tolist() == [0, 0, 0, Status.INVALID]
    assert np.isnan(batch.coef[3]).all()
    assert np.isfinite(batch.coef[:3]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.001, 1.2), st.sampled_from([0.0, 0.9, 0.99]))
def test_any_alpha_is_what_enumeration_finds(seed, share, common):
    random = np.random.default_rng(seed)
    X = random.normal(size=(8, 4)) * (1 - common) + common * random.normal(size=(8, 1))
    y = random.normal(size=8)
    path = solve(X, y)
    assert path.status == Status.OK
    alpha = share * float(path.alphas[0])
    expected = enumerate_lasso(X, y, alpha)
    np.testing.assert_allclose(at(path, alpha).coef, expected, rtol=1e-8, atol=1e-10 * (1 + abs(expected).max()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_small_integers_with_ties_and_copies_are_optimal_or_say_so(seed, levels):
    """Ties and dependent columns in plenty; every knot meets the KKT conditions and nothing is NaN."""
    random = np.random.default_rng(seed)
    X, y = random.integers(0, levels + 1, size=(8, 4)), random.integers(0, levels + 1, size=8)
    path = solve(X, y)
    assert all(np.isfinite(part).all() for part in path)
    assert not path.status & (Status.INVALID | Status.TRUNCATED)
    assert (np.diff(path.alphas) <= 0).all()
    assert path.alphas[-1] == 0
    for alpha, coef in zip(path.alphas[path.valid], path.coef[path.valid], strict=True):
        if alpha > 1e-12:
            assert measure_gap(X, y, alpha, coef) < 1e-12


def test_more_columns_than_rows_end_in_an_interpolation():
    X, y = draw(3, n=20, p=60)
    path = solve(X, y)
    assert path.status == Status.OK
    assert (path.moves < 0).any()
    count = knots(path)
    assert (np.count_nonzero(path.coef[:count], axis=1) <= 19).all()
    np.testing.assert_allclose(path.predict(X)[count - 1], y, atol=1e-12)
    for knot in range(1, count - 1):
        assert measure_gap(X, y, path.alphas[knot], path.coef[knot]) < 1e-12


def test_lar_enters_one_column_a_step_and_never_drops():
    X, y = draw(5, walk=True)
    path = solve(X, y, method="lar")
    assert knots(path) == 11
    assert sorted(path.moves[:11]) == list(range(11))
    np.testing.assert_allclose(path.coef[10], np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)[0][:10], rtol=1e-9)
    centred = X - X.mean(0)
    for knot in range(11):  # all columns in share the largest correlation
        left = abs(centred.T @ (y - path.predict(X)[knot])) / 50
        inside = path.moves[:knot] - 1
        np.testing.assert_allclose(left[inside], path.alphas[knot], rtol=1e-9, atol=1e-12)
        assert left.max() <= path.alphas[knot] * (1 + 1e-9) + 1e-12
    assert path.gap.max() < 1e-13
    assert (solve(X, y).moves < 0).any()  # the lasso drops here, so that the gap takes LAR's signs


def test_least_squares_without_an_intercept():
    X, y = draw(6)
    path = solve(X, y + 5, fit_intercept=False)
    np.testing.assert_allclose(path.coef[-1], np.linalg.lstsq(X, y + 5, rcond=None)[0], rtol=1e-10)
    np.testing.assert_array_equal(path.intercept, 0)


@pytest.fixture(scope="module")
def tutorial():
    """T1's data, its monomials of degree 30 as normalized columns in extended precision, and its target."""
    y = _TRUTH + np.random.default_rng(0).normal(0, 0.05, 50)
    X = _T1_X.astype(np.longdouble)[:, None] ** np.arange(1, 31)
    X = X - X.mean(0)
    return y, X / np.sqrt((X**2).sum(0)), y.astype(np.longdouble) - y.astype(np.longdouble).mean()


def _solve_extended(A, b):
    """Gaussian elimination in extended precision, where LAPACK has none."""
    A, b = A.copy(), b.copy()
    for k in range(len(b)):
        factor = A[k + 1 :, k] / A[k, k]
        A[k + 1 :] -= factor[:, None] * A[k]
        b[k + 1 :] -= factor * b[k]
    for k in reversed(range(len(b))):
        b[k] = (b[k] - A[k, k + 1 :] @ b[k + 1 :]) / A[k, k]
    return b


@pytest.mark.parametrize("alpha", [0.001, 1e-5])
def test_the_tutorials_lasso_on_monomials_is_right_to_1e_6(tutorial, alpha):
    """The support that the path finds, solved in extended precision, meets every condition: the one solution."""
    y, X, target = tutorial
    features = np.asarray(polynomial_features(_T1_X, 30))
    fit = at(solve(features, y, normalize="l2"), alpha)
    chosen = np.flatnonzero(fit.coef)
    signs = np.sign(np.asarray(fit.coef)[chosen]).astype(np.longdouble)
    A = X[:, chosen]
    coef = _solve_extended(A.T @ A, A.T @ target - 50 * np.longdouble(alpha) * signs)
    assert (np.sign(coef) == signs).all()
    left = abs(X.T @ (target - A @ coef)) / (50 * np.longdouble(alpha))
    np.testing.assert_allclose(left[chosen].astype(float), 1, atol=1e-12)
    assert np.delete(left, chosen).max() < 1
    expected = (A @ coef).astype(float) + y.mean()
    np.testing.assert_allclose(fit.predict(features), expected, rtol=1e-6, atol=1e-6 * abs(expected).max())
    assert fit.gap <= 1e-10


def test_monomials_end_where_the_certificate_does(tutorial):
    y, X, _ = tutorial
    features = np.asarray(polynomial_features(_T1_X, 30))
    path = solve(features, y, normalize="l2", max_knots=300)
    count = knots(path)
    assert Status(int(path.status)) == Status.RANK_DEFICIENT | Status.TRUNCATED
    assert path.alphas[-1] < 1e-6 * path.alphas[0]
    assert path.gap.max() <= 1e-10
    scale = np.sqrt(((features - features.mean(0)) ** 2).sum(0))
    for knot in range(1, count, 5):
        assert measure_gap(X, y, path.alphas[knot], path.coef[knot] * scale) < 1e-9
    assert not path.valid[count:].any()
    np.testing.assert_array_equal(path.alphas[count:], path.alphas[count - 1])


def test_single_precision_keeps_its_stated_gap_on_legendre_polynomials(populations):
    X, y, double = populations["one design"]
    with jax.enable_x64(False):
        run = jax.jit(jax.vmap(partial(lars_path, normalize="l2"), in_axes=(None, 0)))
        single = LarsPath(*map(np.asarray, run(jnp.asarray(X[0], jnp.float32), jnp.asarray(y, jnp.float32))))
    assert single.coef.dtype == np.float32
    assert single.gap.max() <= 1e-5
    for member in range(24):
        one, reference = (LarsPath(*(part[member] for part in path)) for path in (single, double))
        for knot in np.flatnonzero(reference.alphas > 1e-3 * reference.alphas[0]):
            with jax.enable_x64(False):
                coef = one.at(float(reference.alphas[knot])).coef
            np.testing.assert_allclose(coef, reference.coef[knot], atol=1e-3 * abs(reference.coef).max())


def test_copies_are_kept_out_and_said():
    X, y = draw(7, p=5)
    plain, doubled = solve(np.c_[X, np.zeros((50, 5))], y), solve(np.c_[X, -X], y)
    assert Status(int(doubled.status)) == Status.RANK_DEFICIENT
    count = knots(plain)
    assert knots(doubled) == count
    sides = doubled.coef[:count, :5], doubled.coef[:count, 5:]
    np.testing.assert_allclose(sides[0] - sides[1], plain.coef[:count, :5], atol=1e-12)
    assert not (sides[0] * sides[1]).any()  # one of the two alone
    assert doubled.gap.max() < 1e-13


def test_constant_columns_have_coefficient_zero():
    X, y = draw(8)
    X[:, 9] = 0.1
    path = solve(X, y)
    assert Status(int(path.status)) == Status.CONSTANT_COLUMN
    np.testing.assert_array_equal(path.coef[:, 9], 0)
    expected = np.linalg.lstsq(np.c_[np.ones(50), X[:, :9]], y, rcond=None)[0]
    np.testing.assert_allclose(np.r_[path.intercept[-1], path.coef[-1, :9]], expected, rtol=1e-10)
    nothing = solve(np.ones((50, 10)), y)
    assert knots(nothing) == 1
    assert nothing.alphas[0] == 0
    np.testing.assert_allclose(nothing.intercept, y.mean())


@pytest.mark.parametrize("y", [np.zeros(50), np.full(50, 0.1), np.full(50, -1e5 / 3)], ids=["zero", "0.1", "-1e5/3"])
def test_a_target_that_does_not_vary_has_one_knot(y):
    path = solve(draw(9)[0], y)
    assert knots(path) == 1
    assert path.status == Status.OK
    assert path.alphas[0] == path.gap[0] == 0
    np.testing.assert_array_equal(path.coef, 0)
    np.testing.assert_allclose(at(path, 1.0).predict(np.ones((2, 10))), y[:2])


def test_an_orthonormal_design_is_soft_thresholding_with_ties():
    random = np.random.default_rng(2)
    Q = np.linalg.qr(random.normal(size=(50, 10)))[0]
    z = np.array([4.0, 4, 3, -3, 2, 1, 1, 1, -1, 0.5])
    path = solve(Q, Q @ z, fit_intercept=False)
    assert path.status == Status.OK
    np.testing.assert_allclose(
        path.alphas[: knots(path)], sorted([*abs(z), 0.0], reverse=True) / np.float64(50), atol=1e-15
    )
    for alpha in (0.0, 0.013, 0.05, 0.07, 0.1):
        expected = np.sign(z) * np.maximum(abs(z) - 50 * alpha, 0)
        np.testing.assert_allclose(at(path, alpha).coef, expected, atol=1e-13)


def test_at_is_exact_at_knots_and_constant_beyond_them():
    X, y = draw(10)
    path = solve(X, y)
    for knot in range(knots(path)):
        np.testing.assert_array_equal(at(path, float(path.alphas[knot])).coef, path.coef[knot])
    high = at(path, 2 * float(path.alphas[0]))
    np.testing.assert_array_equal(high.coef, 0)
    np.testing.assert_allclose(high.intercept, y.mean(), rtol=1e-15)
    assert high.gap == 0
    alphas = jnp.linspace(0.0, 1.2 * float(path.alphas[0]), 7)
    many = jax.jit(jax.vmap(LarsPath.at, (None, 0)))(path, alphas)
    assert many.coef.shape == (7, 10)
    for alpha, coef in zip(alphas, many.coef, strict=True):
        np.testing.assert_allclose(at(path, float(alpha)).coef, coef, rtol=1e-12)


def test_at_takes_one_alpha_for_each_member_of_a_batch(populations):
    X, _, path = populations["different designs"]
    alphas = path.alphas[:, 0] / np.arange(2, 26)
    each = at(path, alphas)
    shared = at(path, 0.01)
    assert each.coef.shape == shared.coef.shape == (24, 30)
    assert each.predict(X[0]).shape == (24, 50)
    for member in (0, 23):
        one = LarsPath(*(part[member] for part in path))
        np.testing.assert_allclose(each.coef[member], at(one, alphas[member]).coef, rtol=1e-12)
        np.testing.assert_allclose(shared.coef[member], at(one, 0.01).coef, rtol=1e-12)


def test_a_truncated_path_is_the_beginning_and_bounds_what_is_missing():
    X, y = draw(11)
    full, short = solve(X, y), solve(X, y, max_knots=4)
    assert Status(int(short.status)) == Status.TRUNCATED
    assert short.valid.all()
    for part in ("alphas", "coef", "moves", "intercept"):
        np.testing.assert_allclose(getattr(short, part), getattr(full, part)[:4], rtol=1e-12)
    for share in (0.9, 0.5, 0.0):
        alpha = share * float(short.alphas[-1])
        fit = at(short, alpha)
        np.testing.assert_array_equal(fit.coef, short.coef[-1])
        assert fit.status & Status.TRUNCATED
        best, got = (
            ((y - np.asarray(part.predict(X))) ** 2).sum() / 100 + alpha * abs(np.asarray(part.coef)).sum()
            for part in (at(full, alpha), fit)
        )
        assert got - best <= fit.gap * y.var() / 2


def test_max_knots_counts_the_first_and_the_last():
    y = np.arange(1.0, 9.0)
    path = solve(np.eye(8)[:, :2], y, fit_intercept=False, max_knots=2)
    assert path.status == Status.TRUNCATED
    np.testing.assert_allclose(path.alphas, [0.25, 0.125])
    np.testing.assert_array_equal(path.moves, [2, 1])


def test_predictions_do_not_depend_on_units():
    X, y = draw(12)
    plain = solve(X, y, normalize="std")
    moved = solve(X * np.geomspace(1e-6, 1e6, 10) + 3, 1e3 * y - 7, normalize="std")
    np.testing.assert_array_equal(plain.moves, moved.moves)
    alternative = moved.predict(X * np.geomspace(1e-6, 1e6, 10) + 3)
    np.testing.assert_allclose(alternative, 1e3 * plain.predict(X) - 7, rtol=1e-6, atol=1e-4)


def test_integers_are_converted():
    random = np.random.default_rng(3)
    X, y = random.integers(0, 9, (8, 4)), random.integers(0, 9, 8)
    path = _solve(X, y)
    np.testing.assert_allclose(path.coef, solve(X, y).coef, rtol=1e-12)
    assert path.coef.dtype == np.float64


def test_forward_derivatives_are_those_of_the_support_and_reverse_ones_are_refused():
    X, y = draw(13)
    path = solve(X, y)

    def predict(y, alpha):
        return lars_path(X, y).at(alpha).predict(X)

    alpha = jnp.asarray(path.alphas[3:5].mean())
    rate = jax.jit(jax.jacfwd(predict))(jnp.asarray(y), alpha)
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.jit(jax.grad(lambda y: predict(y, alpha).sum()))(jnp.asarray(y))
    A = np.c_[np.ones(50), X[:, np.flatnonzero(at(path, alpha).coef)]]
    np.testing.assert_allclose(rate, A @ np.linalg.pinv(A), atol=1e-10)
    assert abs(np.trace(rate) - 5) < 1e-10


def test_one_program_serves_all_data_of_a_shape():
    count = 0

    def counted(X, y):
        nonlocal count
        count += 1
        return lars_path(X, y)

    run = jax.jit(counted)
    for seed in range(3):
        X, y = draw(seed, n=8, p=4)
        run(jnp.asarray(X), jnp.asarray(y))
    assert count == 1


def test_it_lowers_for_every_platform():
    batch = jax.jit(jax.vmap(lars_path, (None, 0)))
    exported = jax.export.export(batch, platforms=("cpu", "cuda", "tpu"))(jnp.zeros((8, 4)), jnp.zeros((3, 8)))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


def _path_of_noise(X, signal, *, seed):
    y = signal + 0.05 * jax.random.normal(seed, signal.shape)
    path = lars_path(X, y, normalize="l2")
    return {"knots": path.valid.sum(), "coef": path.at(0.001).coef, "y": y, "status": path.status}


@pytest.mark.slow
def test_a_sweep_over_two_devices_gives_the_same_paths():
    X = np.polynomial.legendre.legvander(_T1_X / 10, 30)[:, 1:]
    result = jr.sweep(_path_of_noise, {"seed": jr.seeds(10)}, args=(X, _TRUTH), x64=True, progress=False)
    assert not result["status"].any()
    for member in range(0, 10, 3):
        one = result.isel(seed=member)
        path = solve(X, one["y"].values, normalize="l2")
        assert knots(path) == int(one["knots"])
        np.testing.assert_allclose(one["coef"], at(path, 0.001).coef, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"y": np.zeros(7)}, "y"),
        ({"y": np.zeros((8, 2))}, "y"),
        ({"X": np.zeros(8)}, "X"),
        ({"X": np.zeros((1, 3)), "y": np.zeros(1)}, "X"),
        ({"X": np.full((8, 4), np.nan)}, r"X\[0, 0\]"),
        ({"y": np.r_[np.zeros(7), np.inf]}, r"y\[7\]"),
        ({"X": np.zeros((8, 5000))}, "X"),
        ({"method": "lars"}, "method"),
        ({"normalize": True}, "normalize"),
        ({"normalize": "L2"}, "normalize"),
        ({"max_knots": 0}, "max_knots"),
        ({"max_knots": 2.0}, "max_knots"),
        ({"max_knots": True}, "max_knots"),
    ],
)
def test_bad_arguments_are_refused_by_name(changed, named, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # past the type checker of the tests
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        lars_path(**{"X": np.eye(8)[:, :4], "y": np.arange(8.0), **changed})


@pytest.mark.parametrize("alpha", [-0.1, np.nan, np.inf, np.array([0.1, -1.0])])
def test_bad_alphas_are_refused_or_marked(alpha):
    path = solve(*draw(14))
    with pytest.raises(ArgumentError, match=r"^alpha(\[1\])? = "):
        path.at(alpha)
    if np.ndim(alpha) == 0:
        fit = at(path, alpha)
        assert fit.status == Status.INVALID
        assert np.isnan(fit.coef).all()
        assert np.isnan(fit.gap)


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_units_whose_squares_overflow_or_vanish_are_units_like_others(unit):
    X, y = draw(15, n=8, p=4)
    path, plain = solve(X * unit, y), solve(X, y)
    assert path.status == plain.status == Status.OK
    np.testing.assert_array_equal(path.valid, plain.valid)
    np.testing.assert_allclose(path.coef * unit, plain.coef, atol=1e-12)
    np.testing.assert_allclose(path.alphas / unit, plain.alphas, atol=1e-12)
    assert solve(X * unit, y, normalize="l2").status == Status.OK


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_the_path_of_noiseless_data_ends_at_the_truth_and_not_at_another_interpolation(fit_intercept):
    random = np.random.default_rng(2)
    X = random.normal(size=(6, 20, 40))
    truth = np.array([2.0, -1.0, 1.5] + 37 * [0.0])
    with jax.enable_x64(True):
        path = jax.vmap(lambda X: lars_path(X, X @ truth, fit_intercept=fit_intercept))(X)
    assert path.status.tolist() == [0] * 6
    assert path.alphas[:, -1].tolist() == [0.0] * 6
    np.testing.assert_allclose(path.coef[:, -1], np.broadcast_to(truth, (6, 40)), atol=1e-12)

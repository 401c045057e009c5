"""Cross-validation, information criteria and degrees of freedom against scikit-learn, closed forms and divergences."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, LassoCV, LassoLarsIC, LinearRegression, Ridge, lars_path
from sklearn.model_selection import KFold

from jaxreg.errors import ArgumentError
from jaxreg.linear import selection
from jaxreg.linear.elastic_net import elastic_net_path, lasso_path
from jaxreg.linear.fit import Status
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.selection import choose, cross_validate, elastic_net_df, information_criteria, lasso_df
from jaxreg.sampling import shuffled_epoch

_ALPHAS = np.geomspace(10.0, 0.01, 5)
_N, _P = 23, 4  # no number of folds but 23 divides 23
_df = jax.jit(elastic_net_df, static_argnames="normalize")
_residual_variance = jax.jit(selection.residual_variance, static_argnames="fit_intercept")


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def _data(seed=0, n=_N, p=_P):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p)) + np.linspace(0, 2, n)[:, None]  # trending: folds differ in mean and scale
    return X, X @ random.normal(size=p) + random.normal(size=n) + 3.0


class _Fits(NamedTuple):
    coef: jax.Array
    intercept: jax.Array
    status: int = 0

    def predict(self, X):
        return self.coef @ X.T + self.intercept[:, None]


def _shrink(X, y, alphas):
    """A path that compiles fast: the slope on each column alone, shrunk, and shared among the columns."""
    center = X.mean(0)
    centred = X - center[None]
    squares = (centred**2).sum(0)
    coef = ((y - y.mean()) @ centred)[None] / (squares[None] + alphas[:, None]) / X.shape[1]
    status = jnp.where(jnp.isfinite(y).all(), Status.OK, Status.INVALID)
    return _Fits(coef, y.mean() - coef @ center, status)


@pytest.fixture(scope="module")
def ridge_cv():
    return jax.jit(partial(cross_validate, ridge_path), static_argnames="folds")


@pytest.fixture(scope="module")
def shrink_cv():
    return jax.jit(partial(cross_validate, _shrink), static_argnames="folds")


def _fold_errors(make, X, y, folds):
    """The loop that a user of scikit-learn writes."""
    errors = []
    for train, test in KFold(folds).split(X):
        fits = [make(alpha).fit(X[train], y[train]) for alpha in _ALPHAS]
        errors.append([((fit.predict(X[test]) - y[test]) ** 2).mean() for fit in fits])
    return np.array(errors)


@pytest.mark.parametrize("folds", [5, _N])
def test_ridge_is_scikit_learns_loop_over_folds(ridge_cv, folds):
    X, y = _data()
    expected = _fold_errors(lambda alpha: Ridge(alpha, solver="svd"), X, y, folds)
    found = ridge_cv(X, y, _ALPHAS, folds=folds)
    np.testing.assert_allclose(found.fold_errors, expected, rtol=1e-10)
    np.testing.assert_allclose(found.mean, expected.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.standard_error, expected.std(0, ddof=1) / np.sqrt(folds), rtol=1e-8)
    assert float(found.best.alpha) == _ALPHAS[expected.mean(0).argmin()]


def test_leaving_each_row_out_is_the_paths_own_score(ridge_cv):
    X, y = _data(1)
    loo = jax.jit(ridge_path)(X, y, _ALPHAS).loo
    np.testing.assert_allclose(ridge_cv(X, y, _ALPHAS, folds=_N).mean, loo, rtol=1e-10)


def test_lasso_is_scikit_learns_lasso_cv():
    X, y = _data(2, n=25)
    alphas = np.geomspace(1.0, 0.01, 5)
    reference = LassoCV(alphas=alphas, cv=KFold(5), tol=1e-14, max_iter=100_000).fit(X, y)
    found = jax.jit(partial(cross_validate, lasso_path))(X, y, alphas)
    np.testing.assert_allclose(found.fold_errors, reference.mse_path_.T, rtol=1e-8)
    assert float(found.best.alpha) == reference.alpha_


def test_elastic_net_goes_in_by_partial():
    X, y = _data(3, n=24)
    path = partial(elastic_net_path, l1_ratio=0.3)

    def make(alpha):
        return ElasticNet(alpha=alpha, l1_ratio=0.3, tol=1e-14, max_iter=100_000)

    found = jax.jit(partial(cross_validate, path, folds=4))(X, y, _ALPHAS)
    np.testing.assert_allclose(found.fold_errors, _fold_errors(make, X, y, 4), rtol=1e-8)


def test_rows_held_out_take_no_part_in_scaling():
    X, y = _data(4, n=20)
    found = jax.jit(partial(cross_validate, partial(ridge_path, normalize="std")))(X, y, _ALPHAS)
    for (train, test), errors in zip(KFold(5).split(X), found.fold_errors, strict=True):
        center, scale = X[train].mean(0), X[train].std(0)
        fit = Ridge(_ALPHAS[2], solver="svd").fit((X[train] - center) / scale, y[train])
        expected = ((fit.predict((X[test] - center) / scale) - y[test]) ** 2).mean()
        np.testing.assert_allclose(errors[2], expected, rtol=1e-10)


def test_seed_shuffles_the_rows_and_nothing_else(shrink_cv):
    X, y = _data(5)
    order = np.asarray(shuffled_epoch(jax.random.key(7), _N, _N).index[0])
    found = shrink_cv(X, y, _ALPHAS, seed=jax.random.key(7))
    np.testing.assert_allclose(found.fold_errors, shrink_cv(X[order], y[order], _ALPHAS).fold_errors, rtol=1e-10)
    other = shrink_cv(X, y, _ALPHAS, seed=jax.random.key(8))
    assert not np.allclose(found.mean, other.mean)


@given(st.integers(2, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(2, n))))
def test_folds_are_scikit_learns(sizes):
    n, folds = sizes
    groups = selection.split_rows(n, folds)
    ours = [part for group in groups for part in zip(*group, strict=True)]
    assert len(groups) == (1 if n % folds == 0 else 2)
    for (train, test), (their_train, their_test) in zip(ours, KFold(folds).split(np.zeros(n)), strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_members_of_a_population_are_as_alone(shrink_cv):
    X = np.stack([_data(seed)[0] for seed in range(3)])
    y = np.stack([_data(seed)[1] for seed in range(3)])
    seeds = jax.random.split(jax.random.key(0), 3)
    batched = jax.jit(jax.vmap(lambda X, y, seed: cross_validate(_shrink, X, y, _ALPHAS, seed=seed)))
    together = batched(X, y, seeds)
    for k in range(3):
        alone = shrink_cv(X[k], y[k], _ALPHAS, seed=seeds[k])
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(b[k], a, rtol=1e-9)
    sick = batched(X, np.where(np.arange(3)[:, None] == 1, np.nan, y), seeds)
    assert np.isnan(sick.best.alpha[1])
    assert (np.asarray(sick.status[1]) & Status.INVALID).all()
    np.testing.assert_array_equal(np.delete(sick.mean, 1, 0), np.delete(together.mean, 1, 0))


def test_a_constant_column_in_one_fold_is_told(ridge_cv):
    X, y = _data(6)
    X[:, 1] = np.arange(_N) == 0  # constant once the first row is held out
    status = ridge_cv(X, y, _ALPHAS, folds=_N).status
    assert np.asarray(status == Status.CONSTANT_COLUMN).all()


def test_compiles_once_and_calls_the_path_once_for_each_size_of_fold():
    calls = []

    def path(X, y, alphas):
        calls.append(X.shape)
        return _shrink(X, y, alphas)

    compiled = jax.jit(partial(cross_validate, path))
    for seed in range(3):
        compiled(*_data(seed), _ALPHAS * (seed + 1), seed=jax.random.key(seed))
    assert calls == [(_N - 5, _P), (_N - 4, _P)]
    jax.jit(partial(cross_validate, path))(*_data(0, n=20), _ALPHAS)
    assert calls[2:] == [(16, _P)]


@pytest.mark.parametrize(
    ("criterion", "slack", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.0, 1),
        ([3.0, 1.0, 2.0], 1.0, 2),
        ([1.0, 1.0, 1.0], 0.0, 2),
        ([np.nan, 5.0, np.nan], 0.0, 1),
        ([np.inf, -np.inf, 0.0], 0.0, 1),
    ],
)
def test_choice(criterion, slack, expected):
    alphas = np.array([0.1, 1.0, 10.0])
    for order in (slice(None), slice(None, None, -1)):
        choice = choose(np.array(criterion)[order], alphas[order], slack)
        assert float(choice.alpha) == alphas[expected] == alphas[order][choice.index]


def test_no_choice_without_a_number():
    assert np.isnan(choose(np.full(3, np.nan), np.ones(3)).alpha)


def test_one_standard_error_rule(shrink_cv):
    found = shrink_cv(*_data(7), _ALPHAS)
    limit = found.mean.min() + found.standard_error[found.mean.argmin()]
    assert float(found.one_standard_error.alpha) == _ALPHAS[np.asarray(found.mean) <= limit].max()
    assert float(found.one_standard_error.alpha) > float(found.best.alpha)


@pytest.mark.parametrize("noise_variance", [None, 1.7])
def test_aic_and_bic_are_scikit_learns(noise_variance):
    X, y = _data(8, n=40, p=6)
    coef = lars_path(X - X.mean(0), y - y.mean(), method="lasso")[2].T
    path = _Fits(coef, y.mean() - coef @ X.mean(0))
    known = {} if noise_variance is None else {"noise_variance": noise_variance}
    found = jax.jit(lambda **known: information_criteria(path, X, y, lasso_df(coef).astype(float), **known))(**known)
    for name in ("aic", "bic"):
        reference = LassoLarsIC(criterion=name, noise_variance=noise_variance).fit(X, y)
        np.testing.assert_allclose(getattr(found, name), reference.criterion_, rtol=1e-10)
        np.testing.assert_allclose(found.noise_variance, reference.noise_variance_, rtol=1e-10)
    np.testing.assert_allclose(found.aic - found.cp, (found.aic - found.cp)[0], rtol=1e-10)


def test_cp_estimates_the_error_of_prediction_without_bias():
    """σ²(Cp + 2), of which 2 is for the intercept, and the squared distance from the truth agree in the mean."""
    X, _ = _data(9, n=12, p=3)
    truth = X @ np.ones(3)
    noise = np.random.default_rng(0).normal(size=(20_000, 12))
    alphas = jnp.array([0.0, 1.0, 10.0])

    @jax.jit
    @jax.vmap
    def follow(y):
        path = ridge_path(X, y, alphas)
        cp = information_criteria(path, X, y, path.df, noise_variance=1.0).cp
        return cp, ((path.predict(X) - truth[None]) ** 2).sum(-1)

    cp, loss = follow(truth + noise)
    difference = np.asarray(cp + 2 - loss)
    z = difference.mean(0) / difference.std(0) * np.sqrt(len(noise))
    assert (abs(z) < 4).all()
    assert difference.std() > 1


def test_noise_variance_is_that_of_least_squares():
    X, y = _data(10)
    for intercept in (True, False):
        fit = LinearRegression(fit_intercept=intercept).fit(X, y)
        expected = ((fit.predict(X) - y) ** 2).sum() / (_N - _P - intercept)
        found = _residual_variance(X, y, fit_intercept=intercept)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_elastic_nets_df_is_the_divergence_of_its_fit():
    X, noise = _data(11, n=15, p=6)
    y = 2 * X[:, 0] - X[:, 3] + 0.1 * noise
    for model, l1_ratio in ((ElasticNet(alpha=0.2, l1_ratio=0.6), 0.6), (Lasso(alpha=0.2), 1.0)):
        model.set_params(tol=1e-15, max_iter=100_000)
        coef = model.fit(X, y).coef_.copy()
        steps = 1e-4 * np.eye(15)
        slopes = [
            (model.fit(X, y + step).predict(X) - model.fit(X, y - step).predict(X)) @ step / 2e-8 for step in steps
        ]
        assert 0 < int(lasso_df(coef)) < 6
        np.testing.assert_allclose(_df(X, coef, 0.2, l1_ratio), sum(slopes) - 1, rtol=1e-6)
    np.testing.assert_allclose(_df(X, coef, 0.2, 1.0), lasso_df(coef), rtol=1e-12)


def test_df_of_a_path_and_of_no_sound_fit():
    X, _ = _data(12)
    coef = np.array([[0.0] * 4, [1.0, 0.0, 2.0, 0.0], [1.0] * 4, [np.nan] * 4])
    scaled = (X - X.mean(0)) / X.std(0)
    expected = [0.0]
    for alpha, keep in ((0.2, [0, 2]), (0.3, [0, 1, 2, 3])):
        S = scaled[:, keep]
        expected.append(np.trace(S @ np.linalg.solve(S.T @ S + _N * alpha / 2 * np.eye(len(keep)), S.T)))
    found = _df(X, coef, np.array([0.1, 0.2, 0.3, 0.4]), 0.5, normalize="std")
    np.testing.assert_allclose(found, [*expected, np.nan], rtol=1e-12)
    doubled = np.concatenate([X, X], axis=1)
    np.testing.assert_allclose(_df(doubled, np.ones(8), 0.1, 1.0), 4.0)


def test_single_precision_chooses_the_same(shrink_cv):
    X, y = _data(13)
    wide = shrink_cv(X, y, _ALPHAS)
    with jax.enable_x64(False):
        narrow = cross_validate(_shrink, X.astype(np.float32), y.astype(np.float32), _ALPHAS.astype(np.float32))
        assert narrow.mean.dtype == jnp.float32
        np.testing.assert_allclose(narrow.mean, wide.mean, rtol=1e-5)
        assert int(narrow.best.index) == int(wide.best.index)


def test_lowers_for_every_platform():
    def select(X, y, seed):
        path = ridge_path(X, y, _ALPHAS)
        df = elastic_net_df(X, path.coef, _ALPHAS, 0.0)
        return cross_validate(ridge_path, X, y, _ALPHAS, seed=seed), information_criteria(path, X, y, df)

    X, y = _data()
    exported = jax.export.export(jax.jit(select), platforms=("cpu", "cuda", "tpu"))(X, y, jax.random.key(0))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"folds": 1}, "folds"),
        ({"folds": _N + 1}, "folds"),
        ({"alphas": np.array([1.0, -0.1])}, r"alphas\[1\]"),
        ({"alphas": np.array([1.0, np.nan])}, r"alphas\[1\]"),
        ({"y": np.ones((_N, 2))}, "y"),
        ({"y": np.ones(_N - 1)}, "y"),
        ({"y": np.full(_N, np.inf)}, r"y\[0\]"),
        ({"X": np.ones(_N)}, "X"),
    ],
)
def test_bad_input_is_refused_by_name(changed, named):
    X, y = _data()
    arguments = {"X": X, "y": y, "alphas": _ALPHAS} | changed
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        cross_validate(ridge_path, **arguments)


def test_folds_that_leave_one_row_to_fit_are_refused():
    X, y = _data(0, n=3)
    with pytest.raises(ArgumentError, match=r"^folds = 2: must leave two rows"):
        cross_validate(ridge_path, X, y, _ALPHAS, folds=2)


def test_no_noise_variance_without_degrees_of_freedom():
    X, y = _data(0, n=_P + 1)
    path, df = _shrink(X, y, _ALPHAS), np.ones(5)
    with pytest.raises(ArgumentError, match=r"^X = \(5, 4\): must have more rows .* Give noise_variance"):
        information_criteria(path, X, y, df)
    assert np.isfinite(information_criteria(path, X, y, df, noise_variance=1.0).bic).all()
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(ArgumentError, match=r"^noise_variance = "):
            information_criteria(path, X, y, df, noise_variance=wrong)


def test_choice_needs_one_criterion_per_alpha():
    with pytest.raises(ArgumentError, match=r"^criterion = "):
        choose(np.ones(3), np.ones(3)[:2])

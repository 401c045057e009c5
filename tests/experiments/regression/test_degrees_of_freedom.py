"""Degrees of freedom: exact cases, an independent NumPy population, claims that can fall either way."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import jaxreg as jr
from experiments.regression.degrees_of_freedom import CLAIMS, Config, make_data
from jaxreg.claims import find_claim, judge

SMALL = Config(seeds=2000, points=25, columns=6, noise=1.0, strengths=5, correlation=0.2)


def _mean(result, name):
    values = result[name]
    return values.mean("seed"), values.std("seed") / np.sqrt(SMALL.seeds)


def test_the_path_begins_at_the_largest_strength(result):
    np.testing.assert_allclose(result["alpha"][-1], result["alpha_max"])


def test_features_are_centred_correlated_and_shared():
    X, mean = make_data(Config(points=4000))
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(0), 1)
    np.testing.assert_allclose(np.corrcoef(X.T)[0, :4], 0.5 ** np.arange(4), atol=0.07)
    np.testing.assert_allclose(np.linalg.lstsq(X, mean, rcond=None)[0][:6], [3, 1.5, 0, 0, 2, 0], atol=1e-10)
    np.testing.assert_array_equal(X, make_data(Config(points=4000, seeds=3))[0])
    assert not np.array_equal(X, make_data(Config(points=4000, design_seed=1))[0])


def test_covariance_is_that_of_scikit_learn_on_the_same_draws(result):
    """The lasso, and least squares on its selection, draw by draw."""
    X, mean = make_data(SMALL)
    alphas = result["alpha"].values
    for place in (0, 5):
        with jax.enable_x64(True):
            error = np.asarray(jax.random.normal(jr.seeds(10).key(place), mean.shape, np.float64))
        for k in range(4):
            spent = {"lasso": 0.0, "refit": 0.0}
            for y, sign in ((mean + error, 1), (mean, -1)):
                fit = Lasso(alpha=alphas[k], tol=1e-12, max_iter=100_000).fit(X, y)
                chosen = np.flatnonzero(fit.coef_)
                spent["lasso"] += sign * (X @ fit.coef_) @ (error - error.mean())
                least = np.linalg.lstsq(X[:, chosen], y - y.mean(), rcond=None)[0]
                spent["refit"] += sign * (X[:, chosen] @ least) @ (error - error.mean())
                if sign > 0:
                    assert len(chosen) == result["active"][place, k]
            for name, value in spent.items():
                np.testing.assert_allclose(result[name][place, k], value, atol=1e-6)


def test_least_squares_spends_one_a_column(result):
    """Ends of the paths: the last step of LAR is least squares; so, almost, are the smallest strengths."""
    for name, place in (("lar", {"step": -1}), ("refit", {"alpha": 0}), ("ridge", {"ridge_alpha": 0})):
        mean, error = _mean(result, name)
        expected = float(result["ridge_df"][0]) if name == "ridge" else 6
        assert abs(mean.isel(place) - expected) < 4 * error.isel(place)


def test_covariance_agrees_with_the_active_set_and_with_the_closed_form(result):
    for name, expected in (("lasso", "active"), ("ridge", "ridge_df")):
        excess = result[name] - result[expected]
        z = excess.mean("seed") / (excess.std("seed") / np.sqrt(SMALL.seeds))
        assert abs(z).max() < 4


def test_closed_form_of_ridge(result):
    squares = np.linalg.svd(make_data(SMALL)[0], compute_uv=False) ** 2
    expected = (squares / (squares + result["ridge_alpha"].values[:, None])).sum(1)
    np.testing.assert_allclose(result["ridge_df"], expected, rtol=1e-8)


def test_divergence_of_one_run_is_its_active_set(result):
    np.testing.assert_allclose(result["divergence"], result["one_active"], atol=1e-9)
    np.testing.assert_array_equal(result["one_active"], result["active"].isel(seed=0))
    assert len(set(result["one_active"].values)) > 1


def test_claims(result):
    verdicts = [verdict for _, verdict in judge(CLAIMS, result)]
    assert [verdict.status for verdict in verdicts] == ["holds"] * 5, verdicts
    assert verdicts[2].effect > 0.3
    assert verdicts[1].n == 1
    assert verdicts[0].n == 2000


@pytest.mark.parametrize(
    ("claim", "name", "shift", "status"),
    [
        ("The mean number", "lasso", 1.0, "fails"),
        ("The mean number", "lasso", -0.5, "undecided"),
        ("In one run", "divergence", 1e-3, "fails"),
        ("Without shrinkage the", "refit", -6.0, "fails"),
        ("LAR spends one", "lar", 1.0, "fails"),
        ("Ridge spends Σ", "ridge", -1.0, "fails"),
    ],
)
def test_claims_can_fall_either_way(result, claim, name, shift, status):
    altered = result.assign({name: result[name] + shift})
    assert find_claim(CLAIMS, claim).judge(altered).status == status

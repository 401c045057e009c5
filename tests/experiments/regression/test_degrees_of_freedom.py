"""Degrees of freedom: exact cases, an independent NumPy population, claims that can fall either way; the figure."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import jaxreg as jr
from experiments.regression.degrees_of_freedom import CLAIMS, Config, make_data
from jaxreg import stats
from jaxreg.claims import find_claim, judge
from tests.figures.drawn import find, find_band, find_points, read

SMALL = Config(seeds=2000, points=25, columns=6, noise=1.0, strengths=5, correlation=0.2)
DIVERGED = {"seed": 7}


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
    for name, place in (("lar", {"step": -1}), ("refit", {"alpha": 0})):
        spent = result[name].isel(place)
        assert abs(spent.mean() - 6) < 4 * spent.std() / np.sqrt(SMALL.seeds)


def test_divergence_of_one_run_is_its_active_set(result):
    active = result["active"].isel(seed=0)
    np.testing.assert_allclose(result["divergence"], active, atol=1e-9)
    assert len(set(active.values)) > 1


def test_claims(result):
    verdicts = [verdict for _, verdict in judge(CLAIMS, result)]
    assert [verdict.status for verdict in verdicts] == ["holds"] * 5, verdicts
    assert verdicts[2].effect > 0.3


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


# --- Figure ---


def test_counts_are_means_and_differences_are_paired(panels, dataset):
    lasso, difference, ridge, lar = panels
    alphas = dataset["alpha"]
    summary = {name: stats.mean(dataset, name, dim="seed") for name in ("refit", "active", "lasso", "ridge")}
    find_band(lasso, summary["refit"], alphas, "least squares on the selection")
    find(lasso, summary["active"]["mean"], alphas, "nonzero coefficients")
    scatter = stats.quantiles(dataset, "active", dim="seed")
    find_band(lasso, scatter.drop_vars("median").assign(mean=summary["active"]["mean"]), alphas)
    find_points(lasso, summary["lasso"], alphas, "covariance")
    find(lasso, dataset["divergence"], alphas, "divergence, one draw")
    assert "n = 1,999 draws (1 diverged, left out)" in read(lasso)
    find(ridge, dataset["ridge_df"])
    find_points(ridge, summary["ridge"])
    for axes, name, expected in ((difference, "lasso", "active"), (lar, "lar", "step")):
        excess = dataset.assign(excess=dataset[name] - dataset[expected])
        find_band(axes, stats.mean(excess, "excess", dim="seed"))
        assert axes.get_ylim()[0] <= -0.5 < 0.5 <= axes.get_ylim()[1]

"""Tuned ridge: what is drawn, what scikit-learn says of the same strengths, claims that fall either way; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Ridge

import jaxreg as jr
from experiments.hypergradients import tuned_ridge as study
from tests.figures.drawn import points
from tests.populations import population, verdicts

SMALL = study.Config(seeds=3, draws=2, steps=40, strength_steps=10)


def test_misleading_columns_lie_near_the_sum_of_those_that_matter():
    with jax.enable_x64(True):
        X, y = map(np.asarray, study.make_sparse_data(jr.seeds(1).key(0), 0.7, 0.85))
    signal = X[:, : study.MATTER].sum(1)
    correlations = [np.corrcoef(signal, column)[0, 1] for column in X.T]
    np.testing.assert_allclose(correlations[study.MATTER : 2 * study.MATTER], 0.85, atol=0.05)
    np.testing.assert_allclose(correlations[2 * study.MATTER :], 0, atol=0.15)
    assert abs((y - signal).std() - 0.7) < 0.05


def test_the_criterion_is_the_error_of_leaving_rows_out():
    with jax.enable_x64(True):
        X, y = map(np.asarray, study.make_data(jr.seeds(1).key(0), 2.0))
        found = float(study.ridge_of(seed=jr.seeds(1).key(0), noise=2.0)({"alpha": jnp.asarray(0.3)}))
    errors = []
    for i in range(study.ROWS):
        kept = np.arange(study.ROWS) != i
        errors.append(Ridge(alpha=0.3 * study.ROWS).fit(X[kept], y[kept]).predict(X[i : i + 1])[0] - y[i])
    np.testing.assert_allclose(found, (np.array(errors) ** 2).mean() / 2, rtol=1e-8)


@pytest.mark.slow
def test_searches_end_where_an_independent_one_does(tmp_path):
    result = study.run(SMALL, store=tmp_path / "tuned", progress=False).load()
    assert result.sizes["column"] == 40
    assert result.sizes["fit"] == 3
    alpha = result["alpha"].sel(rule="gradient").values
    np.testing.assert_allclose(np.log(alpha / result["alpha"].sel(rule="grid")), 0, atol=0.2)
    np.testing.assert_array_less(-1e-9, result["risk"] - result["risk"].sel(rule="best"))
    with jax.enable_x64(True):
        X, y = map(np.asarray, study.make_data(jr.seeds(1).key(0), SMALL.noise))
        rows, target = map(np.asarray, study.make_sparse_data(jr.seeds(1, root=1).key(0), 0.7, 0.85))
    fit = Ridge(alpha=alpha[0] * study.ROWS).fit(X, y)
    risk = ((fit.coef_ - (np.arange(study.COLUMNS) < study.MATTER)) ** 2).sum() + fit.intercept_**2
    np.testing.assert_allclose(result["risk"].sel(rule="gradient")[0], risk, rtol=1e-6)
    least = Ridge(alpha=1e-10).fit(rows[: study.SPARSE_ROWS], target[: study.SPARSE_ROWS])
    error = ((least.predict(rows) - target) ** 2)[2 * study.SPARSE_ROWS :].mean() / 2
    np.testing.assert_allclose(result["test_error"].sel(fit="least squares")[0], error, rtol=1e-4)
    assert "provenance" in result.attrs  # which the page of figures shows
    xr.testing.assert_equal(result, study.run(SMALL, store=tmp_path / "tuned", progress=False).load())


def _made_up(**changed):
    """A population of which every claim holds, but for what is `changed`."""
    values = {"reached": True, "risk": [1.0, 1.0, 1.0, 0.95], "found": [True, False, False]}
    values |= {"test_error": [1.0, 2.0, 3.0], "validation_error": [0.98, 2.0, 3.0]}
    values |= {"excess": [5, 2, 1, 0], "factor": np.geomspace(0.1, 1, 12), **changed}
    dims = {"seed": 100, "rule": ["gradient", "grid", "decades", "best"]}
    dims |= {"draw": 100, "fit": ["strengths", "lasso", "least squares"], "step": 4, "strength_step": 5, "column": 12}
    axes = {"reached": ("seed",), "risk": ("seed", "rule"), "excess": ("seed", "step")}
    axes["factor"] = ("draw", "strength_step", "column")
    means = {name: (axes.get(name, ("draw", "fit")), of) for name, of in values.items()}
    noise = dict.fromkeys(("risk", "test_error", "validation_error", "excess", "factor"), 1e-3)
    made = population(dims, means, spread=noise, runs=("seed", "draw"), records=tuple(dims)[1:], sparse_noise=0.7)
    return made.assign(found=made["found"] > 0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhhhhh"),
        ({"reached": False}, "fhhhhhhh"),
        ({"risk": [1.05, 1, 1, 0.95]}, "hfhhhhhh"),
        ({"risk": [1, 1, 1.1, 0.95]}, "hhfhhhhh"),
        ({"risk": [1, 1, 1, 0.5]}, "hhhfhhhh"),
        ({"found": [False] * 3}, "hhhhfhhh"),
        ({"found": [True] * 3}, "hhhhhfhh"),
        ({"test_error": [3, 2, 1]}, "hhhhhhff"),
        ({"validation_error": [0.5, 2, 3]}, "hhhhhhhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(study.CLAIMS, _made_up(**changed)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset():
    return _made_up()


def test_what_is_left_to_go_is_a_median(panels, dataset):
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), dataset["excess"].median("seed"))


def test_costs_are_geometric_means_over_the_least(panels, dataset):
    risk = dataset["risk"]
    expected = 100 * (np.exp(np.log(risk / risk.sel(rule="best")).mean("seed")) - 1)
    np.testing.assert_allclose(panels[1].containers[0].lines[0].get_xdata(), expected[:3])


def test_strengths_found_and_errors_are_those_of_the_dataset(panels, dataset):
    drawn = [line.get_ydata() for line in panels[2].lines]
    assert any(np.allclose(line, dataset["factor"][0, :, 3]) for line in drawn)
    np.testing.assert_allclose([drawn.x[0] for drawn in points(panels[3])], 100 * dataset["found"].mean("draw"))
    np.testing.assert_allclose([drawn.x[0] for drawn in points(panels[4])[3:]], dataset["test_error"].mean("draw"))

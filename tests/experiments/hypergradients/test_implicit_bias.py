"""Implicit bias: penalties are found again, least ones are least, claims that fall either way; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import jaxreg as jr
from experiments.hypergradients import implicit_bias as study
from tests.figures.drawn import find
from tests.populations import along, population, verdicts

SMALL = study.Config(seeds=2, scales=(0.01, 0.1, 0.5), epochs=100, descent_steps=400)


@pytest.fixture
def data():
    with jax.enable_x64(True):
        yield tuple(map(np.asarray, study.make_data(jr.seeds(1).key(0))))


def test_a_penalty_is_known_by_its_minimum(data):
    """Weights w = 2 s² sinh(X'ν) are minima for the scale s, and for no other."""
    X, _ = data
    basis = np.linalg.qr(X.T)[0]
    coef = 2 * 0.2**2 * np.sinh(X.T @ np.random.default_rng(0).normal(size=len(X)) / 4)
    misfit = study.misfit_of(basis[None], coef[None, None, None], seed=0, algorithm=0, scale=0)
    at = {scale: float(misfit({"scale": jnp.asarray(scale)})) for scale in (0.1, 0.2, 0.4)}
    assert at[0.2] < 1e-20
    assert min(at[0.1], at[0.4]) > 1e-5
    assert abs(float(jax.grad(misfit)({"scale": jnp.asarray(0.2)})["scale"])) < 1e-12


def test_the_least_penalty_is_that_of_an_independent_minimizer(data):
    X, y = data
    scale = 0.3
    found = np.asarray(study.least_penalty(X, y, scale, X.T @ np.linalg.solve(X @ X.T, y)))
    np.testing.assert_allclose(X @ found, y, atol=1e-10)

    def penalty(w):
        return (w * np.arcsinh(w / (2 * scale**2)) - np.sqrt(w**2 + 4 * scale**4)).sum()

    given = {"constraints": {"type": "eq", "fun": lambda w: X @ w - y, "jac": lambda w: X}, "method": "SLSQP"}
    given |= {"jac": lambda w: np.asarray(study.slope_of(w, scale)), "options": {"ftol": 1e-14, "maxiter": 500}}
    np.testing.assert_allclose(found, minimize(penalty, np.zeros(study.COLUMNS), **given).x, atol=1e-5)


def test_trainings_end_where_their_penalty_is_least(result):
    assert dict(result.sizes) == {"seed": 2, "algorithm": 3, "scale": 3, "coordinate": study.COLUMNS}
    descent = result.sel({"algorithm": "descent"})
    np.testing.assert_allclose(descent["fitted"], 1, atol=0.05)
    assert (descent["outside"] < 0.01).all()
    assert float(descent["distance"].sel(scale=0.5).max()) < 2
    sgd = result.sel({"algorithm": "sgd"}).sel(scale=0.1)
    np.testing.assert_allclose(sgd["fitted"], sgd["foretold"], atol=0.05)
    assert (sgd["foretold"] < 0.98).all()


def _made_up(**changed):
    """A population of which every claim holds, but for what is `changed`, by algorithm."""
    values = {"fitted": [1, 0.9, 0.95], "foretold": [1, 0.9, 0.95], "error": [9, 7, 8], "distance": [1] * 3}
    values |= {"l1_excess": [2] * 3, "l2_excess": [0.2] * 3, **changed}
    dims = {"seed": 8, "algorithm": ["descent", "sgd", "slow sgd"], "scale": [0.01, 0.1, 0.5]}
    noise = {name: 0.01 * max(of) for name, of in values.items()}
    return population(dims, {name: along("algorithm", of) for name, of in values.items()}, spread=noise)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhhhh"),
        ({"fitted": [1.2, 0.9, 0.95]}, "fhhhhhh"),
        ({"distance": [20] * 3}, "hfhhhhh"),
        ({"l1_excess": [20] * 3}, "hhfhhhh"),
        ({"l2_excess": [2] * 3}, "hhhfhhh"),
        ({"fitted": [1, 1.1, 1]}, "hhhhffh"),
        ({"foretold": [1, 0.6, 1]}, "hhhhhfh"),
        ({"error": [7, 9, 8]}, "hhhhhhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(study.CLAIMS, _made_up(**changed)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_scales_stand_beside_what_is_foretold(panels, dataset):
    for place in range(3):
        for name in ("fitted", "foretold"):
            find(panels[0], dataset[name].isel(algorithm=place).mean("seed"), x=dataset["scale"])
    assert panels[0].get_xlabel().endswith("n = 2 data sets")


def test_slopes_stand_on_their_closed_form(panels, dataset):
    one = dataset.isel(seed=0, algorithm=0, scale=1)
    curve, points = panels[2].lines[2:4]
    np.testing.assert_allclose(points.get_xdata(), one["coef"])
    np.testing.assert_allclose(points.get_ydata(), one["slope"] / abs(one["slope"]).max())
    largest = np.arcsinh(abs(one["coef"]) / 0.02).max()
    np.testing.assert_allclose(curve.get_ydata(), np.arcsinh(curve.get_xdata() / 0.02) / float(largest))


def test_gains_are_paired(panels, dataset):
    expected = (dataset["error"].isel(algorithm=0) - dataset["error"].isel(algorithm=1)).mean("seed")
    find(panels[3], expected, label="SGD")

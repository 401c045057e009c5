"""Derivatives of penalized fits against differences of fits, in every kind of number that there is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.linear import Huber, Logistic, Poisson, Squared, solve
from jaxreg.penalties import L1, MCP, ElasticNet, GroupLasso, SparseGroupLasso, Weighted, positive

N, P = 30, 4
FACTORS = np.array([0.5, 1.0, 1.5, 0.0])  # of double precision whatever the setting at import


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _data():
    random = np.random.default_rng(3)
    X = random.normal(size=(N, P))
    eta = X @ np.array([1.0, -0.8, 0.1, 0.3])
    return X, {
        "squared": eta + 0.5 * random.normal(size=N),
        "huber": eta + random.standard_t(2, size=N),
        "logistic": (random.random(N) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": random.poisson(np.exp(eta)).astype(float),
    }


MAKERS = {
    "L1": (Logistic(), "logistic", lambda t: L1(0.06 + t)),
    "elastic net, share": (Poisson(), "poisson", lambda t: ElasticNet(0.1, 0.5 + t)),
    "factors": (Logistic(), "logistic", lambda t: Weighted(L1(0.05), FACTORS * (1 + t))),
    "groups": (Squared(), "squared", lambda t: GroupLasso(0.1 + t, groups=2)),
    "sparse groups": (Squared(), "squared", lambda t: SparseGroupLasso(0.1, 0.4 + t, groups=2)),
    "positive": (Squared(), "squared", lambda t: positive(L1(0.05 + t))),
    "MCP": (Squared(), "squared", lambda t: MCP(0.2 + t, 3.0 + t)),
}


def _differences(function, point=0.0, step=1e-5):
    """Of fourth order."""
    values = [np.asarray(function(point + k * step)) for k in (-2, -1, 1, 2)]
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_derivatives_in_strengths_and_factors(name):
    loss, target, make = MAKERS[name]
    X, targets = _data()
    y = targets[target]

    def fit(t):
        found = solve(X, y, loss, make(t))
        return jnp.append(found.coef, found.intercept)

    forward, backward = jax.jacfwd(fit)(0.0), jax.jacrev(fit)(0.0)
    np.testing.assert_allclose(forward, _differences(jax.jit(fit)), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-10)
    assert np.abs(forward).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "offset", "delta"])
def test_derivatives_in_data_and_loss(name):
    X, targets = _data()
    random = np.random.default_rng(4)
    y = targets["huber"]
    line = {"X": random.normal(size=X.shape), "y": random.normal(size=N), "delta": 1.0}
    line |= {"sample_weight": random.random(N), "offset": random.normal(size=N)}

    def fit(t):
        given = {"X": X, "y": y, "sample_weight": np.ones(N), "offset": np.zeros(N), "delta": 0.7}
        given[name] = given[name] + t * line[name]
        found = solve(
            given["X"],
            given["y"],
            Huber(given["delta"]),
            L1(0.05),
            sample_weight=given["sample_weight"],
            offset=given["offset"],
            normalize="std",
        )
        return jnp.append(found.coef, found.intercept)

    forward, backward = jax.jacfwd(fit)(0.0), jax.jacrev(fit)(0.0)
    step = 1e-3 if name == "sample_weight" else 1e-5  # weights move a fit by little, against its own rounding
    np.testing.assert_allclose(forward, _differences(jax.jit(fit), step=step), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_second_derivatives():
    X, targets = _data()

    def validation(alpha):
        return (solve(X, targets["logistic"], Logistic(), L1(alpha)).coef ** 2).sum()

    slope = jax.grad(validation)
    np.testing.assert_allclose(jax.grad(slope)(0.06), _differences(jax.jit(slope), 0.06), rtol=1e-5)

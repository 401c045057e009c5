"""Bias and variance: closed forms against matrices; the exact curve of double descent against simulation."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.linear import standardize
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.risk import minimum_norm_risk, ridge_coefficient_risk, ridge_risk

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(20, 6)) * np.array([1, 5, 0.2, 1, 1, 1]) + 2
_WIDE = _RANDOM.normal(size=(8, 15))
_NEW = _RANDOM.normal(size=(11, 6)) + 2
_ALPHAS = np.array([0.0, 1e-3, 0.5, 30.0])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _smoother(X, rows, alpha, normalize, fit_intercept):
    """The matrix that makes predictions at `rows` of targets at X, by the pseudo-inverse of the stacked problem."""
    design = standardize(X, normalize, center=fit_intercept)
    A = np.asarray(design.X)
    at = (rows - np.asarray(design.center)) / np.asarray(design.scale)
    stacked = np.vstack([A, np.sqrt(alpha) * np.eye(A.shape[1])])
    solve = np.linalg.pinv(stacked, rcond=1e-12)[:, : len(X)]
    mean = np.full((1, len(X)), 1 / len(X)) if fit_intercept else np.zeros((1, len(X)))
    return at @ solve @ (np.eye(len(X)) - mean) + mean


@pytest.mark.parametrize(
    ("X", "rows", "options"),
    [
        (_X, _NEW, {"normalize": "l2", "fit_intercept": True}),
        (_WIDE, _RANDOM.normal(size=(5, 15)), {"normalize": None, "fit_intercept": False}),
        (_WIDE, _RANDOM.normal(size=(5, 15)), {"normalize": "std", "fit_intercept": True}),
    ],
    ids=["tall", "wide without intercept", "wide"],
)
def test_prediction_risk_is_that_of_the_smoother(X, rows, options):
    truth, wanted = np.sin(X[:, 0]) + 3, np.sin(rows[:, 0]) + 3  # not linear in X: the bias has a part of its own
    inside = ridge_risk(X, truth, 0.7, _ALPHAS, **options)
    outside = ridge_risk(X, truth, 0.7, _ALPHAS, test=(rows, wanted), **options)
    for risk, at, target in ((inside, X, truth), (outside, rows, wanted)):
        for k, alpha in enumerate(_ALPHAS):
            matrix = _smoother(X, at, alpha, **options)
            np.testing.assert_allclose(risk.bias2[k], ((matrix @ truth - target) ** 2).mean(), rtol=1e-8, atol=1e-20)
            np.testing.assert_allclose(risk.variance[k], 0.49 * (matrix**2).sum(1).mean(), rtol=1e-8)
        np.testing.assert_allclose(risk.total, risk.bias2 + risk.variance)


@pytest.mark.parametrize(("X", "normalize"), [(_X, "l2"), (_WIDE, None)], ids=["tall", "wide"])
def test_coefficient_risk_is_that_of_the_map_from_targets_to_coefficients(X, normalize):
    b = np.random.default_rng(1).normal(size=X.shape[1])
    risk = ridge_coefficient_risk(X, b, 0.7, _ALPHAS, normalize=normalize)
    columns = jax.vmap(lambda y: ridge_path(X, y, _ALPHAS, normalize=normalize).coef)(np.eye(len(X)))
    for k in range(len(_ALPHAS)):
        solve = np.asarray(columns[:, k]).T
        np.testing.assert_allclose(risk.bias2[k], ((solve @ X @ b - b) ** 2).sum(), rtol=1e-7, atol=1e-18)
        np.testing.assert_allclose(risk.variance[k], 0.49 * (solve**2).sum(), rtol=1e-7)


def test_constant_columns_and_members_of_a_batch():
    X = np.column_stack([_X, np.full(20, 3.0)])
    truth = _X @ np.arange(6)
    expected = ridge_risk(_X, truth, 0.7, _ALPHAS, test=(_NEW, _NEW @ np.arange(6)))
    rows = np.column_stack([_NEW, np.full(11, 5.0)])
    found = ridge_risk(X, truth, 0.7, _ALPHAS, test=(rows, _NEW @ np.arange(6)))
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-9)
    coef = ridge_coefficient_risk(X, np.append(np.arange(6), 9.0), 0.7, _ALPHAS)
    alone = ridge_coefficient_risk(_X, np.arange(6), 0.7, _ALPHAS)
    np.testing.assert_allclose(coef.total, alone.total, rtol=1e-9)
    noise = np.array([0.7, -1.0, np.nan, 0.1])
    designs = np.stack([_X, _X, _X, np.where(np.arange(6) == 1, np.nan, _X)])
    many = jax.jit(jax.vmap(lambda X, noise: ridge_risk(X, truth, noise, _ALPHAS)))(designs, noise)
    one = ridge_risk(_X, truth, 0.7, _ALPHAS)
    np.testing.assert_allclose(many.total[0], one.total, rtol=1e-12)
    assert np.isnan(many.total[1:]).all()


def test_minimum_norm_risk_against_simulation():
    """The exact mean, at 4 standard errors of 4,000 data sets, on both sides of the peak."""
    random = np.random.default_rng(0)
    for n, p in ((12, 3), (20, 10), (10, 20), (3, 12)):
        X = random.normal(size=(4000, n, p))
        b = np.full(p, 1.5 / np.sqrt(p))
        y = X @ b + 0.5 * random.normal(size=(4000, n))
        error = ((np.einsum("spn,sn->sp", np.linalg.pinv(X), y) - b) ** 2).sum(1)
        assert abs(error.mean() - minimum_norm_risk(n, p, 1.5, 0.5)) < 4 * error.std() / np.sqrt(4000)


def test_minimum_norm_risk_at_its_limits():
    assert [np.isinf(minimum_norm_risk(10, p, 1.0, 0.1)) for p in range(7, 14)] == [0, 0, 1, 1, 1, 0, 0]
    assert minimum_norm_risk(10, 10, 1.0, 0.0) == 0
    assert minimum_norm_risk(10, 11, 2.0, 0.0) == pytest.approx(4 / 11)
    assert minimum_norm_risk(10, 5, 7.0, 2.0) == minimum_norm_risk(10, 5, 0.0, 2.0) == pytest.approx(4 * 5 / 4)
    assert minimum_norm_risk(10, 10**9, 3.0, 1.0) == pytest.approx(9)


@pytest.mark.parametrize(
    "arguments", [(0, 5, 1, 1), (5, 2.5, 1, 1), (5, 9, -1, 1), (5, 9, 1, np.nan), (5, 9, 1, np.inf)]
)
def test_minimum_norm_risk_refuses_what_is_none(arguments, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError):
        minimum_norm_risk(*arguments)


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((_X, np.ones(19), 1.0, _ALPHAS), {}, "y"),
        ((_X, np.ones(20), -1.0, _ALPHAS), {}, "noise"),
        ((_X, np.ones(20), 1.0, -_ALPHAS), {}, "alphas"),
        ((_X, np.ones(20), 1.0, _ALPHAS), {"test": (_NEW[:, 1:], np.ones(11))}, "rows of test"),
        ((_X, np.ones(20), 1.0, _ALPHAS), {"test": (_NEW, np.ones(10))}, "truth of test"),
    ],
)
def test_bad_input_of_the_closed_forms_is_refused(arguments, options, named, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        ridge_risk(*arguments, **options)
    with pytest.raises(ArgumentError, match=r"^coef = "):
        ridge_coefficient_risk(_X, np.ones(5), 1.0, _ALPHAS)


def test_lowers_for_every_platform():
    call = jax.jit(jax.vmap(lambda X, y: ridge_risk(X, y, 0.5, _ALPHAS)))
    exported = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))(jnp.ones((2, 6, 3)), jnp.ones((2, 6)))
    assert exported.platforms == ("cpu", "cuda", "tpu")

"""Variances, tails and smoothing: closed forms against simulated SGD, linear algebra, Monte Carlo and SciPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, linalg, optimize, stats

from jaxreg.errors import ArgumentError
from jaxreg.landscape import theory
from jaxreg.landscape.descent import descend
from jaxreg.landscape.gradients import noisy_gradient
from jaxreg.landscape.polynomial import DOUBLE_WELL, QUADRATIC, T2_LANDSCAPE, Polynomial
from jaxreg.landscape.regression import location_gradient, regression_gradient
from tests.marks import slow

_SAMPLES = np.random.default_rng(0).exponential(size=20)


def _settle(gradient, learning_rate, runs=300_000, steps=64, momentum=None):
    """The last weights of many runs."""
    run = lambda key: descend(gradient, 0.0, learning_rate, steps, seed=key, momentum=momentum).weight  # noqa: E731
    return np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), runs)), np.float64)


_SETTINGS = {
    "additive": (
        lambda: _settle(noisy_gradient(QUADRATIC, 1.3, 4), 0.7),
        lambda: theory.stationary_variance(0.7, 1.0, theory.gradient_variance(1.3, 4)),
    ),
    "heavy ball": (
        lambda: _settle(noisy_gradient(QUADRATIC, 1.0), 0.5, steps=160, momentum=0.8),
        lambda: theory.stationary_variance(0.5, 1.0, 1.0, momentum=0.8),
    ),
    "without replacement": (
        lambda: _settle(location_gradient(_SAMPLES, 5), 0.6),
        lambda: theory.stationary_variance(0.6, 1.0, theory.gradient_variance(_SAMPLES.std(), 5, 20)),
    ),
    "mini-batches": (
        lambda: _settle(regression_gradient(1.3, 8), 0.4),
        lambda: theory.regression_variance(0.4, 1.3, 8),
    ),
}


_QUICK = ("additive", "heavy ball")


@pytest.mark.parametrize(
    ("simulate", "predict"),
    [pytest.param(*both, id=name) if name in _QUICK else slow(*both, id=name) for name, both in _SETTINGS.items()],
)
def test_variances_are_those_of_simulation(simulate, predict):
    """Within 4 standard errors and 1 %; the variances of the diffusion would be 14 % off or more."""
    w = simulate()
    spread = (w - w.mean()) ** 2
    error = spread.std() / math.sqrt(len(w))
    assert abs(spread.mean() - predict()) < 4 * error
    assert abs(spread.mean() / predict() - 1) < 0.01


@pytest.mark.parametrize(("rate", "curvature", "momentum"), [(0.3, 2.0, 0.0), (0.9, 1.5, 0.9), (0.1, 0.5, 0.5)])
def test_the_variance_solves_the_equation_of_lyapunov(rate, curvature, momentum):
    """State (w, v): v' = β v - η (h w + noise), w' = w + v'."""
    step = np.array([[1 - rate * curvature, momentum], [-rate * curvature, momentum]])
    push = np.full((2, 1), rate)
    covariance = linalg.solve_discrete_lyapunov(step, 1.7 * push @ push.T)
    assert abs(theory.stationary_variance(rate, curvature, 1.7, momentum) / covariance[0, 0] - 1) < 1e-10


def test_variances_end_at_the_edge_of_stability():
    rates = np.array([0.0, 1e-6, 1.999, 2.0, 3.0])
    found = theory.stationary_variance(rates, 1.0, 1.0)
    assert found[0] == 0
    assert abs(found[1] / 5e-7 - 1) < 1e-5  # the diffusion's η v / (2 h)
    assert found[2] > 900
    assert np.isposinf(found[3:]).all()
    assert theory.stationary_variance(3.0, 1.0, 1.0, momentum=0.9) < np.inf  # a heavy ball is stable up to 3.8
    threshold = theory.stability_threshold(np.array([1, 2, 10]))
    np.testing.assert_allclose(threshold, [2 / 3, 1.0, 5 / 3])
    assert np.isposinf(theory.regression_variance(threshold * 1.0001, 1.0, np.array([1, 2, 10]))).all()
    assert (theory.regression_variance(threshold * 0.999, 1.0, np.array([1, 2, 10])) > 50).all()


def test_gradient_variance_is_that_of_all_batches():
    x = np.array([0.3, 1.0, -2.0, 4.0, 0.5])
    pairs = [(x[i] + x[j]) / 2 for i in range(5) for j in range(i)]
    assert abs(theory.gradient_variance(x.std(), 2, population=5) - np.var(pairs)) < 1e-12
    assert theory.gradient_variance(1.0, 5, population=5) == 0


@pytest.mark.parametrize(
    ("rate", "batch_size"), [(0.3, 1), (2.1, 2), (1.0, 3), (0.9, 8), (0.2, 40), (1.5, 200), (2.4, 1)]
)
def test_the_tail_index_solves_its_equation(rate, batch_size):
    """E|1 - ηm|^α = 1 by SciPy's quadrature over the law of m, cut at the kink."""
    index = theory.tail_index(rate, batch_size)
    law = stats.gamma(batch_size / 2, scale=2 / batch_size)
    far = 1 / rate + 60 * (1 + index) * 2 / batch_size + 20
    middle = (batch_size / 2 + index) * 2 / batch_size
    pieces = sorted({0.0, 1 / rate, max(middle, 1 / rate), 1.0, far})
    # In the root of m, whose density has no pole at 0.
    moment = sum(
        integrate.quad(lambda u: np.exp(index * np.log(abs(1 - rate * u * u)) + law.logpdf(u * u)) * 2 * u, *ends)[0]
        for ends in zip(np.sqrt(pieces[:-1]), np.sqrt(pieces[1:]), strict=True)
    )
    assert 0 < index < 400
    assert abs(moment - 1) < 1e-6


def test_the_tail_index_is_two_at_the_threshold_and_falls_with_the_rate():
    for size in (1, 2, 10, 1000):
        assert abs(theory.tail_index(float(theory.stability_threshold(size)), size) - 2) < 1e-9
    indices = [theory.tail_index(rate, 4) for rate in (0.01, 0.1, 0.5, 1.0, 2.0, 2.4)]
    assert (np.diff(indices) < 0).all()
    assert theory.tail_index(4.0, 4) == 0.0
    # There is no law where E log|1 - ηm| is positive: for B = 2, m is exponential.
    logarithm = lambda rate: integrate.quad(lambda m: math.log(abs(1 - rate * m)) * math.exp(-m), 0, 60, points=[1 / rate])[0]  # fmt: skip  # noqa: E501, E731
    for rate in (2.0, 2.5, 3.0, 3.5):
        assert (theory.tail_index(rate, 2) == 0) == (logarithm(rate) >= 0)


@pytest.mark.parametrize("batch_size", [1, 4, 30, 300, 1000])
def test_the_tail_index_of_small_rates_is_that_of_laplace(batch_size):
    """It is uB / 2η with u log u = u + 1, from below: rates for which 1 % was missing, or it was 0 or refused."""
    rates = np.array([1e-3, 1e-4, 3e-5, 1.5e-5, 3e-6])
    u = optimize.brentq(lambda u: u * math.log(u) - u - 1, 1, 10)
    relative = [theory.tail_index(rate, batch_size) * 2 * rate / (u * batch_size) for rate in rates]
    assert (np.diff(relative) > 0).all()
    assert (np.subtract(1, relative) > 0).all()
    assert (np.subtract(1, relative) < rates * np.log(1 / rates)).all()
    assert theory.tail_index(1e-10, batch_size) == math.inf


@pytest.mark.slow
def test_simulated_tails_have_the_index():
    """Hill's estimate from the largest 0.1 % of the runs."""
    rate, size = 1.0, 3
    w = np.sort(np.abs(_settle(regression_gradient(1.0, size), rate, runs=200_000)))[::-1]
    count = 200
    hill = 1 / np.log(w[:count] / w[count]).mean()
    index = theory.tail_index(rate, size)
    assert abs(hill / index - 1) < 4 / math.sqrt(count) + 0.05


@pytest.mark.parametrize(
    "landscape", [QUADRATIC, DOUBLE_WELL, T2_LANDSCAPE, Polynomial(np.array([1.0, 2.0, 3.0, 4.0]))]
)
def test_smoothing_is_the_mean_over_gaussian_noise(landscape):
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    value = np.polynomial.Polynomial(landscape.coefficients)
    w = np.linspace(-3.0, 3.0, 9)
    mean = value(w[:, None] + 0.7 * nodes) @ weights / weights.sum()
    smooth = np.polynomial.Polynomial(theory.smooth_polynomial(landscape, 0.49).coefficients)
    np.testing.assert_allclose(smooth(w), mean, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(theory.smooth_polynomial(landscape, 0.0).coefficients, landscape.coefficients)


def test_mean_steps_of_sgd_descend_the_smoothed_landscape():
    """E[U'(y - η noise)] over the noise of the step before is the slope of the smoothed landscape at y."""
    rate, noise, y = 0.5, 0.8, 0.6
    normal = np.random.default_rng(0).normal(size=400_000)
    slopes = np.asarray(DOUBLE_WELL.gradient(jnp.asarray(y - rate * noise * normal, jnp.float32)), np.float64)
    exact = float(theory.smooth_polynomial(DOUBLE_WELL, (rate * noise) ** 2).gradient(y))
    assert abs(slopes.mean() - exact) < 4 * slopes.std() / math.sqrt(len(normal))


_MISTAKES = {
    "negative rate": (theory.stationary_variance, (-0.1, 1.0, 1.0), "learning_rate"),
    "no curvature": (theory.stationary_variance, (0.1, 0.0, 1.0), "curvature"),
    "negative variance": (theory.stationary_variance, (0.1, 1.0, -1.0), "variance"),
    "momentum": (theory.stationary_variance, (0.1, 1.0, 1.0, 1.0), "momentum"),
    "negative noise": (theory.regression_variance, (0.1, -1.0, 4), "noise"),
    "no batch": (theory.stability_threshold, (0,), "batch_size"),
    "not a number": (theory.tail_index, (np.nan, 4), "learning_rate"),
    "no step": (theory.tail_index, (0.0, 4), "learning_rate"),
    "batch beyond": (theory.gradient_variance, (1.0, 6, 5), "batch_size"),
    "population": (theory.gradient_variance, (1.0, 1, 1), "population"),
    "negative spread": (theory.smooth_polynomial, (DOUBLE_WELL, -0.1), "variance"),
}


@pytest.mark.parametrize(("call", "arguments", "named"), _MISTAKES.values(), ids=_MISTAKES)
def test_mistakes_are_refused_by_name(call, arguments, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(call, "__wrapped__", call)(*arguments)

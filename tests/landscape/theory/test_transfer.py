"""The transfer operator: against simulation, against a plain grid, and against the limits of small steps and noise."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxreg.errors import ArgumentError
from jaxreg.landscape import theory
from jaxreg.landscape.gradients import noisy_gradient
from jaxreg.landscape.histogram import occupancy
from jaxreg.landscape.passage import estimate_passage, first_passage
from jaxreg.landscape.polynomial import DOUBLE_WELL, EQUAL_DEPTH_SEXTIC, QUADRATIC, Polynomial
from tests.marks import slow

_SADDLE = float(EQUAL_DEPTH_SEXTIC.critical_points[1])


def _noise(learning_rate, temperature):
    return math.sqrt(2 * temperature / learning_rate)


@jax.jit
def _escape(keys, learning_rate, noise):
    gradient = noisy_gradient(DOUBLE_WELL, noise)
    return jax.vmap(lambda key: first_passage(gradient, -1.0, learning_rate, 2048, seed=key, target=1.0))(keys)


@pytest.mark.parametrize(
    ("learning_rate", "temperature", "runs"),
    [(0.3, 0.1, 8_000), *(slow(*point, 30_000) for point in ((0.3, 0.1), (0.7, 0.05), (1.0, 0.1)))],
)
def test_escape_steps_are_those_of_simulation(learning_rate, temperature, runs):
    """Within 4 standard errors and 3 %, from deep inside the regime of diffusion to far outside of it."""
    noise = _noise(learning_rate, temperature)
    found = estimate_passage(*_escape(jax.random.split(jax.random.key(3), runs), learning_rate, noise))
    exact = theory.escape_steps(DOUBLE_WELL, -1.0, 1.0, learning_rate, noise)
    assert found.censored + found.diverged < 0.001 * runs
    assert abs(found.mean / exact.steps - 1) < min(0.03, 4 / math.sqrt(runs))
    assert exact.error < 1e-6 * exact.steps


def test_escape_steps_are_those_of_survival_on_a_plain_grid():
    """Sum over k of the probability not to have passed after k steps, on an even grid of midpoints."""
    learning_rate, noise, start, target = 0.8, 0.5, 0.9, -0.7
    edges = np.linspace(target, 3.0, 501)
    w = (edges[1:] + edges[:-1]) / 2
    centre = lambda w: w - learning_rate * (w**3 - w)  # noqa: E731
    sd = learning_rate * noise / math.sqrt(2)
    law = stats.norm.pdf(w, centre(start), sd) * np.diff(edges)
    steps = 1.0
    kernel = stats.norm.pdf(w[None], centre(w)[:, None], sd) * np.diff(edges)
    while law.sum() > 1e-9:
        steps += law.sum()
        law = law @ kernel
    exact = theory.escape_steps(DOUBLE_WELL, start, target, learning_rate, noise, batch_size=2)
    assert abs(exact.steps / steps - 1) < 1e-5


def test_small_steps_lead_to_the_diffusion_and_large_ones_away():
    """Time η τ against the continuous integral: within 0.1 % at η = 1e-3, 18 % at 0.3, half at 0.5; Kramers below."""
    temperature = 0.05
    exact = theory.mean_first_passage(DOUBLE_WELL, -1.0, 1.0, temperature)
    rates = np.array([0.001, 0.01, 0.1, 0.3, 0.5])
    steps = [theory.escape_steps(DOUBLE_WELL, -1.0, 1.0, rate, _noise(rate, temperature)).steps for rate in rates]
    ratio = rates * np.array(steps) / exact
    assert abs(ratio[0] - 1) < 1e-3
    assert (np.diff(ratio) < 0).all()
    assert ratio[2] > 0.95
    assert ratio[4] < 0.5
    assert 0.85 < theory.kramers_time(DOUBLE_WELL, -1.0, 0.0, temperature) / exact < 0.95


def test_escape_to_either_side_is_the_same_on_an_even_landscape():
    right = theory.escape_steps(DOUBLE_WELL, -1.0, 0.5, 0.4, 0.6)
    left = theory.escape_steps(DOUBLE_WELL, 1.0, -0.5, 0.4, 0.6)
    assert abs(left.steps / right.steps - 1) < 1e-9


@pytest.mark.slow
def test_runs_thrown_to_and_fro_count_when_they_first_stand_beyond():
    """With steps beyond 2 / h of the outer walls, runs leap over the target from the far side."""
    exact = theory.escape_steps(DOUBLE_WELL, -1.0, 2.5, 1.2, 0.6)
    gradient = noisy_gradient(DOUBLE_WELL, 0.6)
    run = jax.jit(jax.vmap(lambda key: first_passage(gradient, -1.0, 1.2, 1024, seed=key, target=2.5)))
    found = run(jax.random.split(jax.random.key(0), 40_000))
    assert (found.status == 1).all()
    steps = np.asarray(found.steps, np.float64)
    assert abs(steps.mean() - exact.steps) < 4 * steps.std() / 200
    assert exact.error < 1e-6


@pytest.mark.parametrize("learning_rate", [0.05, 1.0, 1.95])
def test_the_law_on_a_quadratic_is_the_closed_form(learning_rate):
    quadratic = Polynomial(np.array([0.5, -1.0, 0.5]))  # (w - 1)² / 2
    law = theory.stationary_law(quadratic, learning_rate, 1.3, batch_size=2)
    variance = float(theory.stationary_variance(learning_rate, 1.0, theory.gradient_variance(1.3, 2)))
    assert abs(law.variance / variance - 1) < 1e-8
    assert abs(law.mean - 1) < 1e-8
    assert law.leak < 1e-11
    w = np.linspace(0.0, 3.0, 5)
    np.testing.assert_allclose(law.density(w), stats.norm.pdf(w, 1, math.sqrt(variance)), rtol=1e-6, atol=1e-15)
    expected = stats.norm.cdf(w[1:], 1, math.sqrt(variance)) - stats.norm.cdf(w[:-1], 1, math.sqrt(variance))
    np.testing.assert_allclose(law.probability(w[:-1], w[1:]), expected, rtol=1e-6, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("learning_rate", [0.1, 0.2])
def test_occupancy_is_that_of_the_law(learning_rate):
    """Ratio of the two basins within 3 % and 4 standard errors, and every bin of the histogram."""
    noise = _noise(learning_rate, 0.09)
    law = theory.stationary_law(EQUAL_DEPTH_SEXTIC, learning_rate, noise)
    assert law.leak < 1e-6
    assert law.error < 1e-9
    runs = 4000
    found = _occupy(jax.random.split(jax.random.key(7), runs), learning_rate, noise)
    lost = (np.asarray(found.survived) < _STEPS).sum()
    assert abs(lost - runs * _STEPS * law.leak) < 4 * math.sqrt(lost + 1)  # runs that diverge, at the rate of the leak
    edges = np.linspace(_SADDLE - 1.6, _SADDLE + 1.6, 17)
    counts = np.column_stack([found.below, found.counts, found.above]).astype(np.float64)
    total = counts.sum()
    sharp = counts[:, :9].sum(1)  # of each run: bins up to the saddle
    share, error = sharp.sum() / total, sharp.std() * math.sqrt(runs) / total
    exact = float(law.probability(-np.inf, _SADDLE))
    assert abs(share - exact) < 4 * error
    assert abs((1 - share) / share / ((1 - exact) / exact) - 1) < 0.03
    bins = np.concatenate([[-np.inf], edges, [np.inf]])
    expected = law.probability(bins[:-1], bins[1:])
    errors = counts.std(0) * math.sqrt(runs) / total
    np.testing.assert_array_less(abs(counts.sum(0) / total - expected), 4.5 * errors + 1e-7)


_STEPS = 20_000


@jax.jit
def _occupy(keys, learning_rate, noise):
    gradient = noisy_gradient(EQUAL_DEPTH_SEXTIC, noise)
    low, high = jnp.float32(_SADDLE - 1.6), jnp.float32(_SADDLE + 1.6)

    def run(key):
        return occupancy(
            gradient, 1.0, learning_rate, _STEPS, seed=key, low=low, high=high, bins=16, burn_in=2000, limit=100.0
        )

    return jax.vmap(run)(keys)


def test_the_law_of_small_steps_is_boltzmanns_and_that_of_large_ones_prefers_the_flat_minimum():
    temperature = 0.05
    flat = theory.boltzmann_law(EQUAL_DEPTH_SEXTIC, temperature).probability(_SADDLE, np.inf)
    shares = [
        float(theory.stationary_law(EQUAL_DEPTH_SEXTIC, rate, _noise(rate, temperature)).probability(_SADDLE, np.inf))
        for rate in (0.001, 0.002, 0.1, 0.2, 0.3)
    ]
    assert abs(shares[0] - flat) < 2e-4
    np.testing.assert_allclose((shares[1] - flat) / (shares[0] - flat), 2.0, atol=0.05)  # of first order in η
    assert (np.diff(shares) > 0).all()
    assert shares[-1] > 0.98  # η h = 1.5 at the sharp minimum


_MISTAKES = {
    "no noise": (theory.escape_steps, (DOUBLE_WELL, -1.0, 1.0, 0.1, 0.0), "noise"),
    "no step": (theory.escape_steps, (DOUBLE_WELL, -1.0, 1.0, 0.0, 1.0), "learning_rate"),
    "negative rate": (theory.stationary_law, (DOUBLE_WELL, -0.1, 1.0), "learning_rate"),
    "no batch": (theory.stationary_law, (DOUBLE_WELL, 0.1, 1.0, 0), "batch_size"),
    "target is start": (theory.escape_steps, (DOUBLE_WELL, -1.0, -1.0, 0.1, 1.0), "target"),
    "start too far": (theory.escape_steps, (DOUBLE_WELL, 1e184, 1.0, 0.1, 1.0), "start"),
    "start beyond the height": (theory.escape_steps, (DOUBLE_WELL, -1e80, 1.0, 0.1, 1.0), "start"),
    "noise too fine": (theory.escape_steps, (DOUBLE_WELL, -1.0, 1.0, 1e-6, 1.0), "learning_rate"),
    "nothing settles": (theory.stationary_law, (QUADRATIC, 2.5, 1.0), "learning_rate"),
    "open": (theory.escape_steps, (Polynomial(np.array([0.0, 1.0])), 0.0, 1.0, 0.1, 1.0), "landscape"),
    "no minimum": (theory.stationary_law, (Polynomial(np.array([0.0, 1.0])), 0.1, 1.0), "landscape"),
}


@pytest.mark.parametrize(("call", "arguments", "named"), _MISTAKES.values(), ids=_MISTAKES)
def test_mistakes_are_refused_by_name(call, arguments, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(call, "__wrapped__", call)(*arguments)


@pytest.mark.parametrize("w", [1e200, 10**200, -(10**30), np.array([1e160, 1e300])])
def test_far_out_there_is_no_density_and_all_probability(w):
    """Integers that NumPy has no room for, and numbers whose squares overflow."""
    for law in (theory.stationary_law(DOUBLE_WELL, 0.3, 1.0), theory.boltzmann_law(DOUBLE_WELL, 0.1)):
        np.testing.assert_array_equal(law.density(w), 0.0)
    law = theory.stationary_law(DOUBLE_WELL, 0.3, 1.0)
    np.testing.assert_allclose(law.probability(-(10**30), 10**400), 1.0)

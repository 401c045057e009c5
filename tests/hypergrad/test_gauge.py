"""Exponents of training maps in closed form, and what the gauge says of smooth, rough and expanding trainings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.hypergrad import Training, Trust, gauge, lyapunov, persistent_gradient, smooth_gradient

KEY = jax.random.key(3)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def _quadratic(**options):
    """Full batches on two curvatures, 1 and 1/4."""
    model = (lambda key, x: {"w": jnp.zeros(2)}, lambda params, x: x @ params["w"])
    x = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]]) * 2**0.5
    settings = {"model": model, "loss": lambda out, y: (out - y) ** 2 / 2, "batch_size": 4, "epochs": 1000}
    return Training(x, jnp.arange(4.0), x, jnp.ones(4), seed=KEY, options=settings | options)


def test_exponents_of_gradient_descent_are_those_of_its_curvatures():
    rate = 0.5
    found = lyapunov(_quadratic(), {"learning_rate": rate}, count=2)
    np.testing.assert_allclose(found, np.log([1 - rate / 4, 1 - rate]), atol=0.005)


@pytest.mark.parametrize("step", [1e30, 1e300, 1e-39])
def test_steps_out_of_all_reach_are_refused(step):
    with jax.enable_x64(False), pytest.raises(ArgumentError, match=r"^step = "):
        gauge(lambda h: h["alpha"] ** 2, {"alpha": 0.5}, step=step)
    with jax.enable_x64(False):
        assert gauge(lambda h: h["alpha"] ** 2, {"alpha": 0.5}, tolerance=1e10).trust == Trust.RELIABLE


def test_exponents_of_the_heavy_ball_count_its_memory():
    rate, momentum = 0.5, 0.25
    found = lyapunov(_quadratic(optimizer="momentum"), {"learning_rate": rate, "momentum": momentum}, count=4)
    sizes = [np.abs(np.linalg.eigvals([[1 + momentum - rate * h, -momentum], [1, 0]])) for h in (1, 0.25)]
    np.testing.assert_allclose(found, np.log(np.sort(np.concatenate(sizes))[::-1]), atol=0.01)


def _logistic_map(h):
    """The map from x to r x (1 - x), fifty times: chaotic at r = 3.9, at rest at 2.5."""
    return jax.lax.fori_loop(0, 50, lambda _, x: h["r"] * x * (1 - x), jnp.asarray(0.3))


def test_a_chaotic_map_is_not_reliable_and_one_at_rest_is():
    check = jax.jit(lambda r: gauge(_logistic_map, {"r": r}))
    rest, chaos = (check(jnp.asarray(r)) for r in (2.5, 3.9))
    assert rest.trust == Trust.RELIABLE
    assert chaos.trust != Trust.RELIABLE
    assert chaos.disagreement > 0.1
    np.testing.assert_allclose(rest.hypergradient.gradient["r"], 1 / 2.5**2, 1e-6)


@pytest.mark.slow
def test_a_training_far_beyond_its_stable_rate_is_chaotic_and_a_calm_one_reliable():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 6)), rng.integers(0, 3, 24)
    options = {"hidden": (8, 8), "classes": 3, "activation": "tanh", "batch_size": 4, "epochs": 30}
    options |= {"optimizer": "momentum", "momentum": 0.9}
    training = Training(x, y, x[:8], 2 - y[:8], seed=KEY, options=options)
    check = jax.jit(lambda rate: gauge(training, {"learning_rate": rate}))
    calm, wild = (check(jnp.asarray(rate)) for rate in (0.01, 1.0))
    assert calm.trust == Trust.RELIABLE
    assert wild.trust == Trust.CHAOTIC
    assert calm.exponents[0] * training.steps < 4.6
    assert wild.exponents[0] * training.steps > 4.6
    assert np.isinf(calm.error["learning_rate"])
    with_seeds = jax.jit(lambda: gauge(training, {"learning_rate": 0.01}, seeds=jax.random.split(KEY, 4)))()
    contradict = abs(with_seeds.mean["learning_rate"]) <= 2 * with_seeds.error["learning_rate"]
    assert with_seeds.trust == (Trust.NOISY if contradict else Trust.RELIABLE)


def test_smoothed_gradients_are_those_of_the_smoothed_function():
    """A sine smoothed by a normal of deviation s is exp(-s²/2) times itself."""
    sigma, at = 0.5, {"a": 0.3}
    expected = np.exp(-(sigma**2) / 2) * np.cos(0.3)
    for estimator in ("evolution", "pathwise"):
        found = smooth_gradient(lambda h: jnp.sin(h["a"]), at, seed=KEY, sigma=sigma, samples=4000, estimator=estimator)
        assert abs(found.gradient["a"] - expected) < 4 * found.error["a"]
        assert found.error["a"] < 0.02


@pytest.mark.parametrize("noise", ["persistent", "reused"])
@pytest.mark.parametrize("average", [False, True])
def test_persistent_evolution_estimates_the_slope_of_the_whole_training(noise, average):
    epochs, rate, sigma = 4, 0.2, 0.02
    training = _quadratic(epochs=epochs)
    training = Training(
        *(getattr(training, n) for n in ("x_train", "y_train", "x_validation", "y_validation")),
        seed=KEY,
        average=average,
        options=training.options,
    )
    slope = jax.grad(lambda u: training({"learning_rate": jnp.exp(u)}))(jnp.log(rate))
    found = persistent_gradient(training, {"learning_rate": rate}, seed=KEY, sigma=sigma, particles=2000, noise=noise)
    estimate, error = found.gradient["learning_rate"], found.error["learning_rate"]
    assert abs(estimate - slope) < 4 * error + sigma**2 * abs(slope) * epochs
    assert error < 0.1 * abs(slope)

"""Momentum: the heavy ball of NumPy on the same noise, and no trace of it where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.landscape.descent import descend
from jaxreg.landscape.gradients import noisy_gradient
from jaxreg.landscape.polynomial import DOUBLE_WELL
from jaxreg.programs import count_scan

_KEY = jax.random.key(2)
_GRADIENT = noisy_gradient(DOUBLE_WELL, 0.5)


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_descent_is_the_loop_of_numpy_on_the_same_noise(momentum):
    noise = np.asarray(jax.random.normal(_KEY, (200,)), np.float64)
    w, velocity, path = 1.5, 0.0, []
    for normal in noise:
        velocity = (momentum or 0.0) * velocity - 0.05 * (w**3 - w + 0.5 * normal)
        w += velocity
        path.append(w)
    run = jax.jit(lambda: descend(_GRADIENT, 1.5, 0.05, 200, seed=_KEY, momentum=momentum, record_every=1))()
    np.testing.assert_allclose(run.path, path, atol=1e-4)
    last = jax.jit(lambda: descend(_GRADIENT, 1.5, 0.05, 200, seed=_KEY, momentum=momentum))()
    assert last.weight == run.weight
    np.testing.assert_array_equal(last.path, run.path[-1:])


def test_momentum_sweeps_and_zero_of_it_is_plain_descent():
    momenta = jnp.array([0.0, 0.5, 0.9])
    together = jax.jit(jax.vmap(lambda b: descend(_GRADIENT, 1.5, 0.05, 100, seed=_KEY, momentum=b).weight))(momenta)
    plain = descend(_GRADIENT, 1.5, 0.05, 100, seed=_KEY).weight
    alone = descend(_GRADIENT, 1.5, 0.05, 100, seed=_KEY, momentum=0.9).weight
    np.testing.assert_allclose(together[jnp.array([0, 2])], [plain, alone], rtol=1e-5)
    assert abs(float(together[1] - plain)) > 1e-3


def test_plain_descent_has_no_code_of_momentum():
    def carried(momentum):
        run = lambda: descend(_GRADIENT, 1.5, 0.05, 100, seed=_KEY, momentum=momentum, kernel="xla")  # noqa: E731
        return max(count_scan(e)[1] for e in jax.make_jaxpr(run)().jaxpr.eqns if e.primitive.name == "scan")

    assert carried(0.9) == carried(None) + 1


def test_a_heavy_ball_diverges_where_it_must():
    """On h w²/2 it is stable up to η h = 2 (1 + β)."""
    quadratic = noisy_gradient(DOUBLE_WELL, 0.0)  # started near -1, of curvature 2
    rates = jnp.array([1.4, 1.6])
    run = jax.vmap(lambda rate: descend(quadratic, -1.001, rate, 300, seed=_KEY, momentum=0.5, record_every=100))(rates)
    assert abs(float(run.path[0, 0]) + 1) < 1e-4
    assert abs(float(run.path[1, 0]) + 1) > 1e-2  # its exact threshold: 1.5
    thrown = descend(quadratic, -1.001, 4.0, 300, seed=_KEY, momentum=0.5)
    assert np.isposinf(thrown.weight)
    assert int(thrown.survived) < 300


@pytest.mark.parametrize("momentum", [1.0, -0.1, np.nan])
def test_momentum_outside_its_domain_is_refused(momentum):
    with pytest.raises(ArgumentError, match=r"^momentum = "):
        descend(_GRADIENT, 1.5, 0.05, 10, seed=_KEY, momentum=momentum)

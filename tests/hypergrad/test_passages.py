"""The slope of a mean first passage, against differences of its exact value; descents along their path."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.hypergrad import gradient, passage_gradient
from jaxreg.landscape import DOUBLE_WELL, descend, noisy_gradient
from jaxreg.landscape.theory import escape_steps

KEY = jax.random.key(0)


def test_the_slope_of_a_passage_is_that_of_its_exact_mean():
    rate, noise = 0.25, 2.0
    found = passage_gradient(noisy_gradient(DOUBLE_WELL, noise), -1.0, rate, 400, seed=KEY, target=0.0, samples=4000)

    def mean(rate, noise):
        return float(escape_steps(DOUBLE_WELL, -1.0, 0.0, rate, noise).steps)

    up, down = np.exp([0.02, -0.02])
    expected = {
        "learning_rate": (mean(rate * up, noise) - mean(rate * down, noise)) / 0.04,
        "noise": (mean(rate, noise * up) - mean(rate, noise * down)) / 0.04,
    }
    assert abs(float(found.value) / mean(rate, noise) - 1) < 0.03
    for name, slope in expected.items():
        assert abs(found.gradient[name] - slope) < 4 * found.error[name] + 0.02 * abs(slope), name
        assert found.error[name] < 0.2 * abs(slope), name


def test_descents_are_differentiated_along_their_path_in_both_modes():
    with jax.enable_x64(True):
        walk = noisy_gradient(DOUBLE_WELL, 0.3)

        def last(h):
            return descend(walk, h["start"], h["learning_rate"], 30, seed=KEY).weight ** 2

        at = {"learning_rate": jnp.asarray(0.05), "start": jnp.asarray(0.4)}
        forward, reverse = (gradient(last, at, mode=mode).gradient for mode in ("forward", "reverse"))
        for name in at:
            ends = [last(at | {name: at[name] + s}) for s in (1e-6, -1e-6)]
            np.testing.assert_allclose(forward[name], reverse[name], 1e-10)
            np.testing.assert_allclose(forward[name], (ends[0] - ends[1]) / 2e-6, 1e-6)

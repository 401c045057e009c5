"""Theory of functions in one dimension: against the same of polynomials, a closed form, and simulated runs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import iv

from jaxreg.errors import ArgumentError
from jaxreg.landscape import DOUBLE_WELL, space, theory

WELL = space.Landscape(lambda w: (w[0] ** 2 - 1) ** 2 / 4, 1, "double well")
COSH = space.Landscape(lambda w: jnp.cosh(w[0]), 1, "cosh")


@pytest.mark.parametrize(
    "calculate",
    [
        lambda of: theory.escape_steps(of, -1.0, 1.0, 0.1, 1.0).steps,
        lambda of: theory.mean_first_passage(of, -1.0, 1.0, 0.05),
        lambda of: theory.mean_first_passage(of, 1.0, -0.5, 0.05),
        lambda of: theory.kramers_time(of, -1.0, 0.0, 0.05),
        lambda of: theory.stationary_law(of, 0.1, 1.0).probability(0.5, np.inf),
        lambda of: theory.boltzmann_law(of, 0.1).probability(0.5, 1.5),
    ],
    ids=["escape_steps", "mean_first_passage", "to_the_left", "kramers_time", "stationary_law", "boltzmann_law"],
)
def test_of_a_function_as_of_the_polynomial_that_it_is(calculate):
    np.testing.assert_allclose(calculate(WELL), calculate(DOUBLE_WELL), rtol=1e-9)


def test_boltzmann_on_a_hyperbolic_cosine_is_a_bessel_function():
    # The integral of exp(-cosh(w) / D) is 2 K_0(1/D), and that of cosh(w) times it 2 K_1(1/D).
    law = theory.boltzmann_law(COSH, 0.5)
    grid = np.linspace(law.low, law.high, 4001)
    bessel = np.pi / 2 * (iv(-1e-7, 2.0) - iv(1e-7, 2.0)) / np.sin(1e-7 * np.pi)
    np.testing.assert_allclose(law.density(np.float64(0.0)), np.exp(-2.0) / (2 * bessel), rtol=1e-6)
    assert abs(np.trapezoid(law.density(grid), grid) - 1) < 1e-9


def test_runs_on_a_function_settle_to_its_law():
    rate, noise, steps, runs = 0.5, 1.0, 200, 4000
    law = theory.stationary_law(COSH, rate, noise)

    def end(seed):
        return space.descend(COSH, [0.3], optax.sgd(rate), steps, seed=seed, noise=noise).weight[0]

    w = np.asarray(jax.jit(jax.vmap(end))(jax.random.split(jax.random.key(0), runs)))
    for edge in (-0.5, 0.0, 0.7):
        share = law.probability(-np.inf, edge)
        assert abs((w < edge).mean() - share) < 4 * np.sqrt(share * (1 - share) / runs)


def test_functions_that_hold_no_run_or_have_more_dimensions_are_refused():
    falls = space.Landscape(lambda w: -w[0] + 0 * w[0], 1, "slope")
    flat = space.Landscape(lambda w: -jnp.exp(-(w[0] ** 2)), 1, "dent")
    for landscape, said in ((falls, "on the right"), (flat, "on the left"), (space.HIMMELBLAU, "1 dimension")):
        with pytest.raises(ArgumentError, match=said):
            theory.boltzmann_law(landscape, 0.1)
    assert abs(theory.mean_first_passage(falls, 0.0, 1.0, 0.1) - 1) < 1e-9  # which needs a wall on the left alone

"""The theory of a landscape over years is that of the same landscape about zero."""

import jax
import numpy as np
import pytest

from jaxreg.landscape import Polynomial, fit_polynomial, location_gradient, noisy_gradient, refit_gradient, theory
from jaxreg.landscape.theory.refit import average_refits, typical_refit_error

_CENTER, _SCALE = 2010.0, 10.0
_YEARS = np.arange(2000.0, 2021.0)
_T = (_YEARS - _CENTER) / _SCALE
_FAR = fit_polynomial(_YEARS, (_T**2 - 0.5) ** 2, 4)
_PLAIN = Polynomial([0.25, 0.0, -1e-2, 0.0, 1e-4])  # in powers of w itself, as every landscape was
_BOTTOM = -_SCALE * 0.5**0.5

THEORY = {
    "Kramers": lambda u, c: theory.kramers_time(u, c + _BOTTOM, c, 0.02),
    "passage to the right": lambda u, c: theory.mean_first_passage(u, c - 7.0, c + 7.0, 0.05),
    "passage to the left": lambda u, c: theory.mean_first_passage(u, c + 6.0, c - 7.0, 0.05),
    "Boltzmann's density": lambda u, c: theory.boltzmann_law(u, 0.05).density(c + 3.0),
    "Boltzmann's probability": lambda u, c: theory.boltzmann_law(u, 0.05).probability(c - 1.0, c + 3.0),
    "Boltzmann's ends": lambda u, c: theory.boltzmann_law(u, 0.05).high - c,
    "escape": lambda u, c: theory.escape_steps(u, c - 7.0, c + 7.0, 1.0, 3.0).steps,
    "density": lambda u, c: theory.stationary_law(u, 1.0, 1.0).density(c + 3.0),
    "probability": lambda u, c: theory.stationary_law(u, 1.0, 1.0).probability(c, c + 3.0),
    "mean": lambda u, c: 1 + abs(theory.stationary_law(u, 1.0, 1.0).mean - c),
    "variance": lambda u, c: theory.stationary_law(u, 1.0, 1.0).variance,
    "smoothed": lambda u, c: theory.smooth_polynomial(u, 3.0).value(c + 1.0),
    "noisy": lambda u, c: noisy_gradient(u, 0.1)(jax.random.key(0), c + 5.0),
}


@pytest.mark.parametrize("name", THEORY)
def test_theory_moves_with_the_landscape(name):
    np.testing.assert_allclose(THEORY[name](_FAR, _CENTER), THEORY[name](_PLAIN, 0.0), rtol=2e-5)


def test_refits_move_with_the_data():
    near = np.arange(6.0)
    found, right = (average_refits(x, near**3, 2, 4) for x in (2000 + near, near))
    assert (right.center, right.scale) == (0.0, 1.0)
    for name in ("full", "weighted", "plain"):
        far = Polynomial(getattr(found, name), found.center, found.scale)
        np.testing.assert_allclose(far.value(2000 + near), Polynomial(getattr(right, name)).value(near), atol=1e-4)
    errors = [typical_refit_error(c + near, near**3, 2, 4, c + near) for c in (0.0, 2000.0)]
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-9)


def test_gradients_of_data_move_with_them():
    y = (_T**2 - 0.5) ** 2 + np.sin(_YEARS)
    keys = jax.random.split(jax.random.key(0), 20)
    at = lambda gradient, w: np.asarray(jax.jit(jax.vmap(lambda key: gradient(key, w)))(keys))  # noqa: E731
    far, near = (at(refit_gradient(_YEARS - c, y, 4, 12), 2003.0 - c) for c in (0.0, _CENTER))
    np.testing.assert_allclose(far, near, atol=1e-5 * abs(near).max())
    gradient = location_gradient(_YEARS, 3)
    right = location_gradient(_YEARS - _CENTER, 3)
    np.testing.assert_array_equal(at(gradient, 2011.0), at(right, 1.0))


def test_what_no_float_measures_is_infinite_or_refused():
    well = Polynomial([0.25, 0.0, -0.5, 0.0, 0.25])
    assert theory.mean_first_passage(well, 0.0, 1e300, 0.05) == np.inf
    for call in (
        lambda: theory.mean_first_passage(well, 1e300, 0.0, 0.05),
        lambda: theory.kramers_time(well, -1.0, np.inf, 0.05),
        lambda: theory.kramers_time(well, -1.0, 1e300, 0.05),
        lambda: theory.mean_first_passage(Polynomial([0.0, 0.0, 0.0, -1.0]), 0.0, 1e200, 0.05),
        lambda: theory.kramers_time(Polynomial([0.0, 0.0, 1e-200]), 0.0, 1.0, 0.05),
    ):
        with pytest.raises(ValueError, match="must"):
            call()

"""Kramers, continuous first passage and Boltzmann's law: against SciPy's quadrature, closed forms and their limits."""

import math

import jax
import numpy as np
import pytest
from scipy import integrate, special

from jaxreg.errors import ArgumentError
from jaxreg.landscape import theory
from jaxreg.landscape.polynomial import DOUBLE_WELL, EQUAL_DEPTH_SEXTIC, QUADRATIC, T2_LANDSCAPE, Polynomial

_SADDLE = float(EQUAL_DEPTH_SEXTIC.critical_points[1])


def _double_quadrature(landscape, start, target, temperature, left):
    """The mean first passage as two nested integrals."""
    value = np.polynomial.Polynomial(landscape.coefficients)

    def inner(y):
        middle = [p for p in landscape.critical_points if left < p < y]
        weight = lambda z: math.exp(-value(z) / temperature)  # noqa: E731
        return integrate.quad(weight, left, y, points=middle, epsabs=0, epsrel=1e-11, limit=200)[0]

    outer = lambda y: math.exp(value(y) / temperature) * inner(y)  # noqa: E731
    return integrate.quad(outer, start, target, epsabs=0, epsrel=1e-10, limit=200)[0] / temperature


@pytest.mark.parametrize(
    ("landscape", "start", "target", "temperature"),
    [
        (DOUBLE_WELL, -1.0, 1.0, 0.2),
        (DOUBLE_WELL, -1.0, 0.0, 0.02),
        (EQUAL_DEPTH_SEXTIC, -1.0, 1.0, 0.05),
        (QUADRATIC, -0.5, 2.0, 0.5),
        (DOUBLE_WELL, -2.5, -1.0, 0.05),  # downhill, from high on the wall
    ],
)
def test_first_passage_is_that_of_nested_quadrature(landscape, start, target, temperature):
    expected = _double_quadrature(landscape, start, target, temperature, left=-4.0)
    assert abs(theory.mean_first_passage(landscape, start, target, temperature) / expected - 1) < 1e-8


def test_first_passage_to_the_left_is_the_mirror_image():
    mirrored = Polynomial(EQUAL_DEPTH_SEXTIC.coefficients * (-1.0) ** np.arange(7))
    rightward = theory.mean_first_passage(EQUAL_DEPTH_SEXTIC, -1.0, 0.8, 0.05)
    leftward = theory.mean_first_passage(mirrored, 1.0, -0.8, 0.05)
    assert abs(leftward / rightward - 1) < 1e-12
    cubic = Polynomial(np.array([0.0, 1.0, 0.0, -1 / 3]))  # rises on the left, falls off on the right
    assert theory.mean_first_passage(cubic, -1.0, 2.0, 0.5) > 0


def test_first_passages_add_up():
    """To reach c from a, one must pass b."""
    passage = lambda start, target: theory.mean_first_passage(T2_LANDSCAPE, start, target, 1.0)  # noqa: E731
    whole = passage(-4.0, 3.0)
    assert abs((passage(-4.0, -1.0) + passage(-1.0, 3.0)) / whole - 1) < 1e-9


def test_first_passage_survives_enormous_times():
    assert 1e200 < theory.mean_first_passage(DOUBLE_WELL, -1.0, 1.0, 5e-4) < 1e220
    assert theory.mean_first_passage(DOUBLE_WELL, -1.0, 1.0, 1e-4) == math.inf
    assert theory.kramers_time(DOUBLE_WELL, -1.0, 0.0, 1e-4) == math.inf


def test_kramers_is_the_limit_of_small_noise():
    """The error is of first order in D; the time to the saddle itself is half as long."""
    temperatures = np.array([0.02, 0.01, 0.005])
    exact = np.array([theory.mean_first_passage(DOUBLE_WELL, -1.0, 1.0, d) for d in temperatures])
    error = 1 - theory.kramers_time(DOUBLE_WELL, -1.0, 0.0, temperatures) / exact
    assert (error > 0).all()
    np.testing.assert_allclose(error[1:] / error[:-1], 0.5, atol=0.03)
    half = theory.mean_first_passage(DOUBLE_WELL, -1.0, 0.0, 0.005) / exact[-1]
    assert abs(half - 0.5) < 1e-9
    expected = 2 * math.pi / math.sqrt(2 * 1) * math.exp(0.25 / 0.05)
    assert abs(theory.kramers_time(DOUBLE_WELL, -1.0, 0.0, 0.05) / expected - 1) < 1e-12


def test_boltzmann_law_is_that_of_a_gaussian_on_a_quadratic():
    law = theory.boltzmann_law(QUADRATIC, 0.3)
    w = np.linspace(-1.5, 1.5, 7)
    np.testing.assert_allclose(law.density(w), np.exp(-(w**2) / 0.6) / math.sqrt(0.6 * math.pi), rtol=1e-10)
    expected = special.ndtr(0.7 / math.sqrt(0.3)) - special.ndtr(-0.2 / math.sqrt(0.3))
    assert abs(law.probability(-0.2, 0.7) - expected) < 1e-12
    assert abs(law.probability(-math.inf, math.inf) - 1) < 1e-12
    assert law.probability(50.0, 60.0) == 0.0


def test_boltzmann_prefers_the_flat_one_of_equal_minima_by_the_root_of_the_curvatures():
    ratios = []
    for temperature in (0.004, 0.002, 0.001):
        law = theory.boltzmann_law(EQUAL_DEPTH_SEXTIC, temperature)
        ratios.append(law.probability(_SADDLE, math.inf) / law.probability(-math.inf, _SADDLE))
    error = np.array(ratios) - math.sqrt(5)
    np.testing.assert_allclose(error[1:] / error[:-1], 0.5, atol=0.05)  # of first order in D
    law = theory.boltzmann_law(EQUAL_DEPTH_SEXTIC, 0.07)
    value = np.polynomial.Polynomial(EQUAL_DEPTH_SEXTIC.coefficients)
    left, right = (
        integrate.quad(lambda w: math.exp(-value(w) / 0.07), *ends, epsabs=1e-13)[0]
        for ends in ((-4.0, _SADDLE), (_SADDLE, 4.0))
    )
    assert abs(law.probability(-math.inf, _SADDLE) - left / (left + right)) < 1e-11


def test_the_sextic_is_what_it_says():
    np.testing.assert_allclose(EQUAL_DEPTH_SEXTIC.minima, [-1.0, 1.0], atol=1e-9)
    assert len(EQUAL_DEPTH_SEXTIC.critical_points) == 3
    assert EQUAL_DEPTH_SEXTIC.value(-1.0) == EQUAL_DEPTH_SEXTIC.value(1.0) == 0.0
    assert (EQUAL_DEPTH_SEXTIC.curvature(-1.0), EQUAL_DEPTH_SEXTIC.curvature(1.0)) == (5.0, 1.0)
    assert abs(float(EQUAL_DEPTH_SEXTIC.value(_SADDLE)) - 0.28) < 0.005
    assert (DOUBLE_WELL.curvature(1.0), DOUBLE_WELL.curvature(0.0), DOUBLE_WELL.value(0.0)) == (2.0, -1.0, 0.25)
    assert QUADRATIC.curvature(3.0) == 1.0


def test_the_temperature_is_that_of_the_noise():
    np.testing.assert_allclose(theory.temperature(np.array([0.1, 0.2]), 2.0, 4), [0.05, 0.1])


_MISTAKES = {
    "no minimum": (theory.kramers_time, (DOUBLE_WELL, -0.9, 0.0, 0.1), "minimum"),
    "maximum as minimum": (theory.kramers_time, (DOUBLE_WELL, 0.0, 0.0, 0.1), "minimum"),
    "minimum as saddle": (theory.kramers_time, (DOUBLE_WELL, -1.0, 1.0, 0.1), "saddle"),
    "no temperature": (theory.kramers_time, (DOUBLE_WELL, -1.0, 0.0, 0.0), "temperature"),
    "negative temperature": (theory.mean_first_passage, (DOUBLE_WELL, -1.0, 1.0, -0.1), "temperature"),
    "target is start": (theory.mean_first_passage, (DOUBLE_WELL, 1.0, 1.0, 0.1), "target"),
    "infinite target": (theory.mean_first_passage, (DOUBLE_WELL, 1.0, np.inf, 0.1), "target"),
    "open on the left": (theory.mean_first_passage, (Polynomial(np.array([0.0, 1.0])), 0.0, 1.0, 0.1), "landscape"),
    "open": (theory.boltzmann_law, (Polynomial(np.array([0.0, 0.0, -1.0])), 0.1), "landscape"),
    "flat": (theory.boltzmann_law, (Polynomial(np.array([1.0])), 0.1), "landscape"),
    "negative rate": (theory.temperature, (-0.1, 1.0), "learning_rate"),
    "negative noise": (theory.temperature, (0.1, -1.0), "noise"),
    "no batch": (theory.temperature, (0.1, 1.0, 0), "batch_size"),
}


@pytest.mark.parametrize(("call", "arguments", "named"), _MISTAKES.values(), ids=_MISTAKES)
def test_mistakes_are_refused_by_name(call, arguments, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(call, "__wrapped__", call)(*arguments)


def test_traced_landscapes_are_refused():
    with pytest.raises(ArgumentError, match="known before tracing"):
        jax.jit(lambda landscape: theory.boltzmann_law(landscape, 0.1).log_total)(DOUBLE_WELL)

"""Polynomials: values and derivatives, minima, basins against integrated gradient flow, fits against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxreg.errors import ArgumentError
from jaxreg.landscape import T2_LANDSCAPE, T2_POINTS, Polynomial, fit_polynomial

_COEFFICIENTS = arrays(np.float64, st.integers(1, 7), elements=st.floats(-5, 5, width=32))


@given(_COEFFICIENTS, st.floats(-2, 2, width=32))
@settings(max_examples=25, deadline=None)
def test_value_gradient_and_curvature_are_those_of_numpy(coefficients, w):
    landscape = Polynomial(coefficients)
    numpy = np.polynomial.Polynomial(coefficients)
    size = np.abs(coefficients) @ (np.arange(1, len(coefficients) + 1) ** 2 * 2.0 ** np.arange(len(coefficients)))
    for ours, theirs in (
        (landscape.value(w), numpy(w)),
        (landscape.gradient(w), numpy.deriv()(w)),
        (landscape.curvature(w), numpy.deriv(2)(w)),
    ):
        assert ours.dtype == jnp.float32
        assert abs(float(ours) - theirs) <= 1e-6 * size


def test_gradient_is_the_derivative_of_value():
    w = jnp.linspace(-5, 5, 11)
    np.testing.assert_allclose(T2_LANDSCAPE.gradient(w), jax.vmap(jax.grad(T2_LANDSCAPE.value))(w), rtol=1e-4)
    np.testing.assert_allclose(T2_LANDSCAPE.curvature(w), jax.vmap(jax.grad(T2_LANDSCAPE.gradient))(w), rtol=1e-4)


def test_a_polynomial_is_a_pytree_of_numbers():
    doubled = jax.tree.map(lambda c: 2 * c, T2_LANDSCAPE)
    np.testing.assert_allclose(doubled.value(1.0), 2 * T2_LANDSCAPE.value(1.0), rtol=1e-6)
    stack = Polynomial(jnp.stack([jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0])]))
    np.testing.assert_array_equal(jax.vmap(lambda p: p.value(3.0))(stack), [3.0, 7.0])
    np.testing.assert_array_equal(stack.value(3.0), [3.0, 7.0])


def test_the_landscape_of_the_tutorial():
    np.testing.assert_allclose(T2_LANDSCAPE.minima, [-4.17, 0.045, 4.25], atol=5e-3)
    assert T2_LANDSCAPE.lowest == 1
    assert len(T2_LANDSCAPE.critical_points) == 5
    np.testing.assert_allclose(T2_LANDSCAPE.gradient(jnp.asarray(T2_LANDSCAPE.critical_points)), 0, atol=1e-4)
    np.testing.assert_allclose(T2_LANDSCAPE.coefficients, np.polyfit(*T2_POINTS, 6)[::-1], atol=1e-12)


def _flow(landscape, w, steps=4000):
    """Where gradient flow ends, by steps too small to jump."""
    slope = np.polynomial.Polynomial(landscape.coefficients).deriv()
    for _ in range(steps):
        w = w - 2e-3 * slope(w)
    return w


def test_basins_are_those_of_gradient_flow():
    w = np.linspace(-5.0, 5.0, 401)
    ends = _flow(T2_LANDSCAPE, w)
    basin = T2_LANDSCAPE.basin(w)
    np.testing.assert_allclose(T2_LANDSCAPE.minima[basin], ends, atol=1e-2)
    assert basin.dtype == jnp.int32


@pytest.mark.parametrize(
    ("coefficients", "minima", "w", "basins"),
    [
        ([0.0, 0.0, 1.0], [0.0], [-9.0, 9.0], [0, 0]),
        ([0.0, 0.0, -1.0], [], [-1.0, 1.0], [-1, -1]),
        ([0.0, 1.0], [], [0.0, 1.0], [-1, -1]),
        ([7.0], [], [0.0], [-1]),
        ([0.0, 0.0, 0.0, 0.0, 1.0], [0.0], [-1.0, 1.0], [0, 0]),  # a flat minimum: threefold root of the slope
        ([0.0, 0.0, 0.0, 1.0], [], [-1.0, 1.0], [-1, -1]),  # flow from the right ends on the inflection point
        ([0.0, -3.0, 0.0, 1.0], [1.0], [-1.1, -0.9, 5.0], [-1, 0, 0]),  # runs off on the left
        ([0.0, 0.0, 1.0, 0.0], [0.0], [-1.0], [0]),  # highest coefficient zero
        # slope w (w - 1)², which the flow from the right of 1 does not pass
        ([0.0, 0.0, 0.5, -2 / 3, 0.25], [0.0], [-1.0, 0.5, 2.0], [0, 0, -1]),
    ],
)
def test_special_shapes(coefficients, minima, w, basins):
    landscape = Polynomial(np.array(coefficients))
    np.testing.assert_allclose(landscape.minima, minima, atol=1e-5)
    assert landscape.basin(np.array(w)).tolist() == basins


def test_what_is_not_finite_is_in_no_basin():
    assert T2_LANDSCAPE.basin(jnp.array([jnp.nan, jnp.inf, -jnp.inf])).tolist() == [-1, -1, -1]
    assert T2_LANDSCAPE.basin(jnp.array([1e30, -1e30])).tolist() == [2, 0]


def test_basins_batch_and_trace():
    w = jnp.linspace(-5, 5, 12).reshape(3, 4)
    together = jax.jit(jax.vmap(T2_LANDSCAPE.basin))(w)
    np.testing.assert_array_equal(together, T2_LANDSCAPE.basin(w))


@given(st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_fits_are_those_of_polyfit(degree, number):
    random = np.random.default_rng(number)
    x, y = np.sort(random.uniform(-3, 3, 20)), random.normal(size=20)
    expected = np.polyfit(x, y, degree)[::-1]
    fitted = fit_polynomial(x, y, degree).coefficients
    assert fitted.dtype == np.float64
    np.testing.assert_allclose(fitted, expected, rtol=1e-6, atol=1e-7 * abs(expected).max())


def test_a_fit_through_as_many_points_as_coefficients_passes_through_them():
    x, y = np.array([0.0, 1.0, 4.0]), np.array([2.0, -1.0, 3.0])
    np.testing.assert_allclose(np.polynomial.Polynomial(fit_polynomial(x, y, 2).coefficients)(x), y, atol=1e-12)


_X, _Y = np.arange(5.0), np.ones(5)


@pytest.mark.parametrize(
    ("x", "y", "degree", "named"),
    [
        (_X, _Y, 0, "degree"),
        (_X, _Y, 5, "degree"),
        (_X, _Y, 2.0, "degree"),
        (_X, _Y, True, "degree"),
        (_X[:1], _Y[:1], 1, "x"),
        (_X[:0], _Y[:0], 1, "x"),
        (np.array([0.0, 1.0, 1.0, 2.0, 3.0]), _Y, 2, "x"),
        (_X, np.array([0.0, np.nan, 1.0, 1.0, 1.0]), 2, r"y\[1\]"),
        (np.array([0.0, 1.0, 2.0, np.inf, 3.0]), _Y, 2, r"x\[3\]"),
    ],
)
def test_data_that_determine_no_fit_are_refused(x, y, degree, named):
    fit = getattr(fit_polynomial, "__wrapped__", fit_polynomial)  # past the type checker of the tests
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        fit(x, y, degree)


@pytest.mark.parametrize("coefficients", [[], [np.nan], [1.0, np.inf]])
def test_what_is_no_polynomial_is_refused(coefficients):
    with pytest.raises(ArgumentError, match="coefficients"):
        Polynomial(np.array(coefficients))


def test_what_needs_the_host_refuses_traced_values():
    with pytest.raises(ArgumentError, match="known before tracing"):
        jax.jit(lambda p: p.basin(1.0))(T2_LANDSCAPE)
    with pytest.raises(ArgumentError, match="known before tracing"):
        jax.jit(lambda x: fit_polynomial(x, x, 1))(jnp.arange(3.0))
    with pytest.raises(ArgumentError, match="one polynomial"):
        _ = Polynomial(np.ones((2, 3))).minima
    with pytest.raises(ArgumentError, match="minimum"):
        _ = Polynomial(np.array([0.0, 1.0])).lowest

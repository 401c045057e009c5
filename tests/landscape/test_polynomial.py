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


_YEARS = np.arange(2000.0, 2021.0)
_FAR = fit_polynomial(_YEARS, (((_YEARS - 2010) / 10) ** 2 - 0.5) ** 2, 4)
_NEAR = Polynomial(_FAR.coefficients, 0.0, _FAR.scale)  # the same about 0, whose theory is that of powers of w


def test_a_landscape_over_years_keeps_its_digits():
    assert (_FAR.center, _FAR.scale) == (2010.0, 10.0)
    np.testing.assert_allclose(_FAR.minima, [2010 - 10 * 0.5**0.5, 2010 + 10 * 0.5**0.5], rtol=1e-12)
    t = np.linspace(-1, 1, 9)
    w = 2010 + 10 * t
    for places in (w, w.astype(np.float32), w.tolist(), jnp.asarray(w)):
        np.testing.assert_allclose(_FAR.value(places), (t**2 - 0.5) ** 2, atol=3e-5)
    np.testing.assert_allclose(_FAR.gradient(w), 4 * t * (t**2 - 0.5) / 10, atol=1e-6)
    np.testing.assert_allclose(_FAR.curvature(w), (12 * t**2 - 2) / 100, atol=1e-6)
    assert _FAR.basin(w).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert _FAR.lowest in (0, 1)
    # What is not yet in float32 is not rounded to it before the center is taken off.
    assert float(_FAR.gradient(2010.0 + 1e-4)) == pytest.approx(-2e-6, rel=1e-4)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_a_fit_is_right_wherever_the_data_lie(center, scale, degree):
    if abs(center) > 1e5 * scale:
        scale = abs(center) / 1e5
    t = np.linspace(-1, 1, 12)
    y = np.random.default_rng(degree).normal(size=degree + 1)
    fit = fit_polynomial(center + scale * t, np.polynomial.polynomial.polyval(t, y), degree)
    right = np.polynomial.polynomial.polyval(t, y)
    np.testing.assert_allclose(fit.value(center + scale * t), right, atol=2e-4 * abs(y).sum())


@pytest.mark.parametrize("x", [np.linspace(-5, 5, 11), np.arange(4.0), np.linspace(-3, 5, 11)])
def test_about_zero_a_fit_is_written_in_powers_of_x(x):
    fit = fit_polynomial(x, np.cos(x), 3)
    assert (fit.center, fit.scale) == (0.0, 1.0)
    np.testing.assert_array_equal(fit.coefficients, np.polynomial.Polynomial.fit(x, np.cos(x), 3).convert().coef)


def test_centers_are_compiled_in_or_traced():
    assert jax.tree.leaves(Polynomial(np.ones(2)))[0].tolist() == [1.0, 1.0]
    assert len(jax.tree.leaves(Polynomial(np.ones(2), 3, 2))) == 1
    batch = Polynomial(jnp.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]), jnp.array([1.0, 2.0]), jnp.array([1.0, 2.0]))
    assert batch.value(5.0).tolist() == [16.0, 3.25]
    assert batch.gradient(5.0).tolist() == [8.0, 1.5]
    assert jax.jit(jax.vmap(lambda p: p.gradient(5.0)))(batch).tolist() == [8.0, 1.5]
    slope = jax.grad(lambda center: Polynomial(np.array([0.0, 0.0, 1.0]), center).value(5.0))(2.0)
    assert float(slope) == -6.0
    with pytest.raises(ArgumentError, match="one polynomial"):
        _ = batch.minima


def test_lists_and_integers_are_taken():
    assert Polynomial([0, 0, 1]).value(3.0) == 9.0
    at = Polynomial([0.5, 0.25]).value
    assert at([1, 2]).tolist() == [0.75, 1.0]
    assert at(np.array([1, 2])).tolist() == [0.75, 1.0]  # not in integers
    assert Polynomial(np.array([0, 0, 200], np.uint8)).gradient(1.0) == 400.0
    np.testing.assert_allclose(fit_polynomial([0, 1, 2, 3], [1, 2, 5, 10], 2).coefficients, [1, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("center", "scale", "named"), [(np.nan, 1.0, "center"), (0.0, 0.0, "scale"), (0.0, -1.0, "scale")]
)
def test_a_frame_that_is_none_is_refused(center, scale, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        Polynomial(np.ones(2), center, scale)

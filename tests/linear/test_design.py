"""Designs: polynomial features, standardization at every scale, and what is refused before anything is traced."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxreg.checks import SHARE
from jaxreg.errors import ArgumentError
from jaxreg.linear import (
    Status,
    alpha_max,
    lars_path,
    lasso,
    least_squares,
    polynomial_features,
    residual_variance,
    ridge,
    standardize,
)
from jaxreg.linear.boundary import check_form, read_alphas, read_data, read_floats, read_number
from jaxreg.linear.design import find_power, pose, to_fit

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(20, 4)) * np.array([1, 10, 0.1, 1]) + 3
_Y = _RANDOM.normal(size=20)


@pytest.fixture
def unchecked(monkeypatch):
    """Past the type checker of the tests, to what users meet."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def test_polynomials_are_those_of_numpy():
    x = np.linspace(-10, 10, 50)
    with jax.enable_x64(True):
        np.testing.assert_allclose(polynomial_features(x, 30), np.vander(x, 31, increasing=True)[:, 1:], rtol=1e-13)
        legendre = polynomial_features(x, 30, basis="legendre")
        np.testing.assert_allclose(legendre, np.polynomial.legendre.legvander(x / 10, 30)[:, 1:], atol=1e-12)
        same = polynomial_features(x[10:20], 30, basis="legendre", domain=(-10.0, 10.0))
    np.testing.assert_allclose(same, legendre[10:20], atol=1e-12)


def test_conditions_of_the_tutorials_design_are_as_stated():
    x = np.linspace(-10, 10, 50)
    with jax.enable_x64(True):
        monomial = np.linalg.cond(standardize(polynomial_features(x, 30), "l2").X)
        legendre = np.linalg.cond(standardize(polynomial_features(x, 30, basis="legendre"), "l2").X)
    assert 1e11 < monomial < 4e11
    assert 1e2 < legendre < 1e3


def test_features_of_a_batch_are_those_of_each():
    x = _RANDOM.normal(size=(3, 7))
    for basis in ("monomial", "legendre"):
        batch = jax.vmap(lambda x: polynomial_features(x, 5, basis=basis))(x)  # noqa: B023  # called at once
        for k in range(3):
            np.testing.assert_allclose(batch[k], polynomial_features(x[k], 5, basis=basis), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((np.ones(3), 0), {}, "degree"),
        ((np.ones(3), 2.0), {}, "degree"),
        ((np.ones((3, 1)), 2), {}, "x"),
        ((np.ones(0), 2), {}, "x"),
        ((np.array([1.0, np.nan]), 2), {}, r"x\[1\]"),
        ((np.array([1.0, 1e30]), 9), {}, "powers of x"),
        ((np.ones(3), 2), {"basis": "fourier"}, "basis"),
        ((np.ones(3), 2), {"basis": "legendre", "domain": (1.0, 1.0)}, "domain"),
    ],
)
def test_bad_features_are_refused(arguments, options, named, unchecked):
    with pytest.raises(ArgumentError, match=f"^{named}"):
        polynomial_features(*arguments, **options)


@pytest.mark.parametrize("scale", [None, "l2", "std"])
@pytest.mark.parametrize("center", [True, False])
def test_standardized_columns(scale, center):
    with jax.enable_x64(True):
        X, centers, scales, constant = standardize(_X, scale, center=center)
    expected = _X - (_X.mean(0) if center else 0)
    norms = {None: np.ones(4), "l2": np.linalg.norm(expected, axis=0), "std": np.sqrt((expected**2).mean(0))}[scale]
    np.testing.assert_allclose(X, expected / norms, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(centers, _X.mean(0) if center else 0, rtol=1e-12)
    np.testing.assert_allclose(scales, norms, rtol=1e-12)
    assert not constant.any()


@pytest.mark.parametrize("size", [1e-30, 1.0, 3e38])
def test_columns_whose_squares_overflow_or_vanish(size):
    X = np.array([[1.0], [-0.5], [0.25]]) * size
    found = standardize(X.astype(np.float32), "l2")
    centred = X / size - 0.25
    # The last number is the mean: what is left of it is the rounding of the largest one to float32.
    np.testing.assert_allclose(found.X, centred / np.linalg.norm(centred), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.float64(found.scale[0]) / size, np.linalg.norm(centred), rtol=1e-5)
    assert not found.constant.any()


def test_a_constant_column_is_zero_up_to_rounding():
    X = np.column_stack([_X, np.full(20, 0.1), np.full(20, 1e8), np.zeros(20), 1e8 + np.arange(20)])
    with jax.enable_x64(True):
        found = standardize(X, "std")
        plain = standardize(X, "std", center=False)
    np.testing.assert_array_equal(found.constant, [0, 0, 0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(found.X[:, 4:7], 0)
    np.testing.assert_array_equal(found.scale[4:7], 1)
    np.testing.assert_array_equal(plain.constant, [0, 0, 0, 0, 0, 0, 1, 0])


def test_gradients_through_a_constant_column_are_finite():
    X = np.column_stack([_X, np.full(20, 7.0)])
    slope = jax.grad(lambda X: (standardize(X, "l2").X ** 3).sum())(jnp.asarray(X))
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[:, 4], 0)


def test_a_problem_goes_back_to_the_units_of_its_data():
    with jax.enable_x64(True):
        problem = pose(_X, _Y, "l2", True)
        b = np.linalg.lstsq(np.asarray(problem.X), np.asarray(problem.y), rcond=None)[0]
        fit = to_fit(problem, jnp.asarray(b), jnp.zeros(()), jnp.int32(0))
        expected = np.linalg.lstsq(np.column_stack([np.ones(20), _X]), _Y, rcond=None)[0]
        np.testing.assert_allclose(np.append(fit.intercept, fit.coef), expected, rtol=1e-9)
        path = to_fit(problem, jnp.stack([b, 0 * b]), jnp.zeros(2), jnp.array([0, Status.INVALID], jnp.int32))
    np.testing.assert_allclose(path.coef[0], fit.coef)
    assert np.isnan(path.coef[1]).all()
    assert np.isnan(path.intercept[1])
    assert np.isnan(path.gap[1])


def test_members_of_a_batch_that_are_not_finite_are_zeros_with_a_status():
    X, y = np.stack([_X] * 3), np.stack([_Y] * 3)
    X[1, 4, 2], y[2, 0] = np.inf, np.nan
    problems = jax.jit(jax.vmap(lambda X, y: pose(X, y, "l2", True)))(X, y)
    np.testing.assert_array_equal(problems.status, [0, Status.INVALID, Status.INVALID])
    assert np.isfinite(problems.X).all()
    assert np.isfinite(problems.y).all()
    done = jnp.zeros(4), jnp.zeros(()), jnp.int32(Status.NOT_CONVERGED)
    fits = jax.jit(jax.vmap(lambda problem: to_fit(problem, *done)))(problems)
    np.testing.assert_array_equal(fits.status, [Status.NOT_CONVERGED, Status.INVALID, Status.INVALID])
    assert np.isnan(fits.intercept[1:]).all()


def test_targets_that_share_a_design_share_its_standard_form():
    shapes = jax.eval_shape(jax.vmap(lambda y: pose(_X, y, "l2", True).y), _Y[None])
    assert shapes.shape == (1, 20)
    out = jax.vmap(lambda y: pose(_X, y, "l2", True), out_axes=None, axis_size=3)
    with pytest.raises(ValueError, match="batched"):
        out(np.stack([_Y] * 3))  # the target is mapped …
    jax.vmap(lambda y: pose(_X, y, "l2", True).X, out_axes=None)(np.stack([_Y] * 3))  # … and the design is not


@pytest.mark.parametrize(
    ("X", "y", "named"),
    [
        (_X, _Y[:-1], "y"),
        (_X, _Y[:, None], "y"),
        (_X[:1], _Y[:1], "X"),
        (_X[:, 0], _Y, "X"),
        ([[1.0], [2.0, 3.0]], [1.0, 2.0], "X"),
        (_X * 1j, _Y, "X"),
        (np.full((3, 1), "a"), np.ones(3), "X"),
        (_X, np.where(np.arange(20) == 3, np.nan, _Y), r"y\[3\]"),
        (_X, np.full(20, 1e300), r"y\[0\]"),  # infinite in float32
    ],
)
def test_bad_data_are_refused(X, y, named, unchecked):
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        read_data(X, y)


def test_numbers_are_converted():
    for values in (np.arange(3), [0, 1, 2], np.arange(3, dtype=np.uint8), jnp.arange(3)):
        np.testing.assert_array_equal(read_floats("x", values), [0.0, 1.0, 2.0])
        assert read_floats("x", values).dtype == jnp.float32
    np.testing.assert_array_equal(read_floats("x", np.array([True, False])), [1.0, 0.0])


@pytest.mark.parametrize("value", [-1, 3.0, np.nan, np.inf, None, True, "one", np.ones(2)])
def test_bad_numbers_are_refused(value, unchecked):
    with pytest.raises(ArgumentError, match=r"^share = "):
        read_number("share", value, "Give a share", SHARE)


def test_good_numbers_pass_traced_or_not():
    for value in (0, 1, 0.5, np.float32(0.5), jnp.float32(1)):
        read_number("share", value, "Give a share", SHARE)
    jax.jit(lambda value: read_number("share", value, "Give a share", SHARE))(7.0)


@pytest.mark.parametrize("alphas", [1.0, np.empty(0), np.ones((2, 2)), [1.0, -1.0], [np.nan]])
def test_bad_strengths_are_refused(alphas, unchecked):
    with pytest.raises(ArgumentError, match=r"^alphas"):
        read_alphas(alphas)


def test_other_normalizations_are_refused(unchecked):
    for name in ("l1", True, 1):
        with pytest.raises(ArgumentError, match=r"^normalize = "):
            check_form(name, True)
    with pytest.raises(ArgumentError, match=r"^scale = "):
        standardize(_X, "max")


@pytest.mark.parametrize("value", [None, 1, 0.0, "no", [True], np.ones(2, bool), jnp.array(True)])
def test_an_intercept_is_fitted_or_not(value, unchecked):
    for fit in (least_squares, residual_variance, ridge, lasso, alpha_max, lars_path):
        options = {"alpha": 0.1} if fit in (ridge, lasso) else {}
        with pytest.raises(ArgumentError, match=r"^fit_intercept = .* True or False"):
            fit(_X, _Y, **options, fit_intercept=value)


def test_lowers_for_every_platform():
    def build(x):
        return standardize(polynomial_features(x, 4, basis="legendre"), "l2").X

    exported = jax.export.export(jax.jit(jax.vmap(build)), platforms=("cpu", "cuda", "tpu"))(jnp.ones((2, 6)))
    assert exported.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_are_those_that_the_bits_say(dtype):
    limits = np.finfo(dtype)
    powers = dtype(2) ** np.arange(limits.minexp + 2, limits.maxexp).astype(dtype)
    spread = np.exp(_RANDOM.uniform(np.log(4 * float(limits.tiny)), np.log(float(limits.max)), 2000)).astype(dtype)
    largest = np.concatenate([powers, np.nextafter(powers[1:], dtype(0)), spread, [limits.max]])
    with jax.enable_x64(dtype == np.float64):
        found = np.asarray(jax.vmap(find_power)(-largest[:, None]))
        rest = np.asarray(jax.vmap(find_power)(np.array([[0], [np.inf], [np.nan]], dtype)))
        least = float(find_power(jnp.array([limits.tiny], dtype)))
    np.testing.assert_array_equal(found, np.ldexp(dtype(1), np.frexp(largest)[1] - 2))
    np.testing.assert_array_equal(rest, 0.25)
    assert found.dtype == dtype
    assert least == float(limits.tiny)  # not the subnormal number below it, by which nothing can be divided

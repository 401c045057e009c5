"""Gradients: the refit's law against NumPy's least squares on the same draws, its limits, its sharing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import randomness, sampling
from jaxreg.errors import ArgumentError
from jaxreg.landscape import (
    T2_LANDSCAPE,
    FullGradient,
    Gradient,
    Polynomial,
    RefitGradient,
    descend,
    fit_polynomial,
    full_gradient,
    refit_gradient,
)

_X = np.linspace(-10.0, 10.0, 100)
_Y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients) + np.random.default_rng(0).normal(0, 0.2, 100)


@partial(jax.jit, static_argnums=2)
def _draw(gradient, key, steps):
    return gradient.draw(key, 0, steps)


@jax.jit
def _call(gradient, key, w):
    return gradient(key, w)


@jax.jit
def _at_each(gradient, drawn, w):
    return jax.vmap(lambda refit: gradient.at(refit, w))(drawn)


@partial(jax.jit, static_argnums=(1, 2))
def _chosen(key, steps, batch_size, population=100):
    """The points that a refit gradient draws, one row a step."""
    words = randomness.random_words(key, steps, batch_size)
    return sampling.without_replacement(words, population, axis=0).T


def test_full_gradient_is_that_of_the_fit():
    w = jnp.linspace(-9.0, 9.0, 13)
    fitted = np.polynomial.Polynomial.fit(_X, _Y, 6).deriv()(np.asarray(w, np.float64))
    gradient = full_gradient(_X, _Y, 6)
    np.testing.assert_allclose(gradient(None, w), fitted, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(fit_polynomial(_X, _Y, 6).gradient(w), fitted, rtol=2e-4, atol=2e-4)
    assert gradient.draw(jax.random.key(0), 0, 5) is None


@pytest.mark.parametrize(("degree", "batch_size", "shift"), [(6, 10, 0.0), (6, 20, 1000.0), (2, 3, 0.0), (9, 30, 0.0)])
def test_refit_gradient_is_that_of_polyfit_on_the_points_drawn(degree, batch_size, shift):
    w, key = 3.5, jax.random.key(degree)
    gradient = refit_gradient(_X + shift, _Y, degree, batch_size)
    found = _at_each(gradient, _draw(gradient, key, 300), jnp.float32(w + shift))
    rows = np.asarray(_chosen(key, 300, batch_size))
    expected = [np.polynomial.Polynomial.fit(_X[row], _Y[row], degree).deriv()(w) for row in rows]
    error = abs(np.asarray(found, np.float64) - expected)
    assert np.median(error) < 3e-5 * np.median(np.abs(expected))
    assert np.quantile(error, 0.99) < 1e-3 * np.quantile(np.abs(expected), 0.99)


def test_calling_takes_the_first_step_of_the_draw():
    gradient = refit_gradient(_X, _Y, 6, 10)
    row = np.asarray(_chosen(jax.random.key(4), 1, 10))[0]
    expected = np.polynomial.Polynomial.fit(_X[row], _Y[row], 6).deriv()(-2.0)
    np.testing.assert_allclose(gradient(jax.random.key(4), -2.0), expected, rtol=1e-4)


def test_a_batch_of_all_points_gives_the_gradient_of_the_full_fit():
    w = jnp.linspace(-6.0, 6.0, 7)
    for number in range(3):
        refit = _call(refit_gradient(_X, _Y, 6, 100), jax.random.key(number), w)
        np.testing.assert_allclose(refit, full_gradient(_X, _Y, 6)(None, w), rtol=1e-6, atol=1e-6)


def test_without_noise_every_refit_is_the_landscape():
    y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients)
    w = jnp.linspace(-5.0, 5.0, 9)
    refit = _call(refit_gradient(_X, y, 6, 10), jax.random.key(0), w)
    np.testing.assert_allclose(refit, T2_LANDSCAPE.gradient(w), rtol=1e-4, atol=1e-4)


def test_refit_gradient_does_not_notice_how_large_y_is():
    """Refitting y itself in float32 would lose everything here: only residuals are refitted."""
    y = 1e6 * (_X / 10) ** 6 + _Y
    key, w = jax.random.key(2), jnp.float32(0.5)
    difference = _call(refit_gradient(_X, y, 6, 10), key, w) - full_gradient(_X, y, 6)(None, w)
    expected = _call(refit_gradient(_X, _Y, 6, 10), key, w) - full_gradient(_X, _Y, 6)(None, w)
    np.testing.assert_allclose(difference, expected, rtol=1e-3, atol=1e-4)


def test_typical_error_follows_the_law_of_refits():
    """Median squared error against (1 - K/N) / (K - p - 1), p + 1 coefficients, not against 1 / K."""
    full = float(full_gradient(_X, _Y, 6)(None, 3.5))
    sizes = np.array([14, 20, 40, 80])
    errors = []
    for size in sizes:
        gradient = refit_gradient(_X, _Y, 6, int(size))
        found = _at_each(gradient, _draw(gradient, jax.random.key(0), 4000), jnp.float32(3.5))
        errors.append(float(jnp.median((found - full) ** 2)))
    law = (1 - sizes / 100) / (sizes - 7 - 1)
    ratio = np.array(errors) / law
    assert ratio.max() / ratio.min() < 1.6
    assert (np.array(errors) * sizes).max() / (np.array(errors) * sizes).min() > 5


def test_draws_do_not_depend_on_the_block():
    gradient = refit_gradient(_X, _Y, 6, 10)
    whole = _draw(gradient, jax.random.key(1), 30)
    part = jax.jit(lambda first: gradient.draw(jax.random.key(1), first, 10))(20)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[20:], b), whole, part)


def test_gradients_are_values_that_pass_through_jit_and_vmap():
    gradient = refit_gradient(_X, _Y, 6, 10)
    keys = jax.random.split(jax.random.key(0), 4)
    together = jax.jit(jax.vmap(lambda g, key: g(key, 1.0), in_axes=(None, 0)))(gradient, keys)
    alone = [_call(gradient, key, 1.0) for key in keys]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert isinstance(gradient, Gradient)
    assert isinstance(gradient, RefitGradient)
    assert isinstance(full_gradient(_X, _Y, 6), Gradient)
    assert isinstance(gradient.full, FullGradient)


def test_gradients_of_other_kinds_and_sizes_are_other_programs():
    """Tree structures tell classes and static fields apart, and placeholders pass through the classes."""
    gradient, full = refit_gradient(_X, _Y, 6, 10), full_gradient(_X, _Y, 6)
    structures = {jax.tree.structure(g) for g in (gradient, full, refit_gradient(_X, _Y, 6, 11), Polynomial(_X))}
    assert len(structures) == 4
    assert jax.tree.structure(Polynomial(_X)) != jax.tree.structure((_X,))
    compiled = jax.jit(lambda g, key: g(key, 1.0)).lower(gradient, jax.random.key(0)).compile()
    np.testing.assert_allclose(
        compiled(gradient, jax.random.key(0)), _call(gradient, jax.random.key(0), 1.0), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("degree", "batch_size", "named"),
    [(6, 6, "batch_size"), (6, 101, "batch_size"), (0, 10, "degree"), (100, 100, "degree"), (6, 10.0, "batch_size")],
)
def test_sizes_that_no_refit_can_have_are_refused(degree, batch_size, named):
    build = getattr(refit_gradient, "__wrapped__", refit_gradient)
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        build(_X, _Y, degree, batch_size)


def test_data_that_cannot_be_refitted_are_refused():
    repeated, gap = _X.copy(), _Y.copy()
    repeated[7], gap[3] = repeated[8], np.nan
    for build in (lambda x, y: refit_gradient(x, y, 6, 10), lambda x, y: full_gradient(x, y, 6)):
        with pytest.raises(ArgumentError, match="repeated"):
            build(repeated, _Y)
        with pytest.raises(ArgumentError, match=r"y\[3\] = .*finite"):
            build(_X, gap)
    with pytest.raises(ArgumentError, match="one value per x"):
        getattr(full_gradient, "__wrapped__", full_gradient)(_X, _Y[:-1], 6)


def test_a_function_of_ones_own_is_followed():
    """Each step with the key that the docstring says, whatever is recorded; alone as in a population."""
    noise = np.float32(0.3)

    def pull(key, w):
        return 2 * w + noise * jax.random.normal(key)

    run = partial(descend, pull, 1.0, 0.1, 200)
    keys = jax.random.split(jax.random.key(0), 3)
    found = jax.jit(jax.vmap(lambda key: run(seed=key, record_every=1).path))(keys)
    draws = jax.vmap(lambda key: jax.vmap(lambda t: jax.random.normal(jax.random.fold_in(key, t)))(jnp.arange(200)))(
        keys
    )
    w = np.ones(3)
    for t in range(200):
        w = w - 0.1 * (2 * w + 0.3 * np.asarray(draws, float)[:, t])
        np.testing.assert_allclose(found[:, t], w, atol=1e-6)
    np.testing.assert_allclose(run(seed=keys[1]).weight, found[1, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda w: w, "must be a function of 2 arguments. Give noisy_gradient(...), or a function of a key and w"),
        (lambda key, w: (w, w), "must return one number, not "),
        (lambda key, w: w * jnp.ones(2), "must return one number, not "),
        (lambda key, w: w @ w, "must take a key and w, one number (ValueError: matmul"),
    ],
)
def test_a_function_that_is_no_gradient_is_refused(gradient, message):
    with pytest.raises(ArgumentError) as refusal:
        descend(gradient, 1.0, 0.1, 10, seed=jax.random.key(0))
    assert message in str(refusal.value)

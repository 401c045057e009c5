"""Additive noise and mini-batches of one weight: the law of the draws, what sweeps, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from scipy import stats

from jaxreg.errors import ArgumentError
from jaxreg.landscape.gradients import Gradient, NoisyGradient, noisy_gradient
from jaxreg.landscape.polynomial import DOUBLE_WELL, Polynomial
from jaxreg.landscape.regression import location_gradient, regression_gradient
from jaxreg.randomness import random_normals

_KEY = jax.random.key(5)


def test_normals_are_those_of_jax_whatever_the_block():
    whole = jax.jit(lambda: random_normals(_KEY, 100_000, 1))()
    np.testing.assert_array_equal(whole, jax.random.normal(_KEY, (100_000, 1)).T)
    part = jax.jit(lambda first: random_normals(_KEY, 500, 1, first))(99_000)
    np.testing.assert_array_equal(part, whole[:, 99_000:99_500])
    assert stats.kstest(np.asarray(whole[0]), "norm").pvalue > 1e-4


def test_normals_are_the_same_in_double_precision():
    single = random_normals(_KEY, 50, 2)
    with jax.enable_x64(True):
        double = random_normals(_KEY, 50, 2)
        assert double.dtype == np.float64
        np.testing.assert_array_equal(double, np.asarray(single, np.float64))


def test_noise_is_added_to_the_slope():
    gradient = noisy_gradient(DOUBLE_WELL, noise=0.6, batch_size=4)
    w = jnp.linspace(-2.0, 2.0, 9)
    normal = float(jax.random.normal(_KEY, (1,))[0])
    np.testing.assert_allclose(gradient(_KEY, w), w**3 - w + 0.3 * normal, rtol=1e-5, atol=1e-6)
    assert isinstance(gradient, Gradient)
    assert isinstance(gradient, NoisyGradient)


def _made(jaxpr):
    """What a program computes, loops included."""
    for equation in jaxpr.eqns:
        yield equation.outvars[0].aval
        for inner in jaxprs_in_params(equation.params):
            yield from _made(inner)


def test_noise_batch_size_and_landscape_sweep_as_numbers():
    """One program over traced numbers, integers among them; the noise is drawn once for all."""

    def at(noise, batch_size, scale):
        landscape = Polynomial(scale * jnp.asarray(DOUBLE_WELL.coefficients, jnp.float32))
        return noisy_gradient(landscape, noise, batch_size)(_KEY, 0.5)

    noise, batch_size = jnp.array([0.0, 1.0, 2.0]), jnp.array([1, 4, 25])
    found = jax.jit(jax.vmap(at))(noise, batch_size, jnp.array([1.0, 2.0, 3.0]))
    normal = float(jax.random.normal(_KEY, (1,))[0])
    expected = -0.375 * np.array([1, 2, 3]) + normal * np.array([0, 0.5, 0.4])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert noisy_gradient(DOUBLE_WELL, np.array(1.0), np.array(4.0)).spread == 0.5
    made = _made(jax.make_jaxpr(jax.vmap(at))(noise, batch_size, noise).jaxpr)
    words = [value.shape for value in made if value.dtype == np.uint32]
    assert len(words) > 20
    assert all(3 not in shape for shape in words)


def test_regression_batches_have_the_moments_of_real_ones():
    """Against mini-batches of examples: E m = 1, Var m = 2/B, and a push of mean 0 and variance 1/B given by m."""
    size = 3
    curvature, push = jax.jit(lambda: regression_gradient(2.0, size).draw(_KEY, 0, 400_000))()
    assert stats.kstest(np.asarray(curvature), stats.gamma(size / 2, scale=2 / size).cdf).pvalue > 1e-4
    x, noise = np.random.default_rng(0).normal(size=(2, 400_000, size))
    real_push, real_curvature = (x * noise).mean(1), (x**2).mean(1)
    for ours, theirs in (
        (push, real_push),
        (push**2, real_push**2),
        (push**2 * curvature, real_push**2 * real_curvature),
        (push**4, real_push**4),
    ):
        ours, theirs = np.asarray(ours, np.float64), theirs
        error = np.sqrt((ours.var() + theirs.var()) / len(theirs))
        assert abs(ours.mean() - theirs.mean()) < 4 * error
    gradient = regression_gradient(2.0, size)
    m, xi = (float(part[0]) for part in gradient.draw(_KEY, 0, 1))
    np.testing.assert_allclose(gradient(_KEY, 1.5), 1.5 * m - 2 * xi, rtol=1e-6)


def test_location_batches_are_means_without_replacement():
    samples = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    means = np.asarray(jax.jit(lambda: location_gradient(samples, 2).draw(_KEY, 0, 20_000))())
    possible = np.array([(a + b) / 2 for i, a in enumerate(samples) for b in samples[i + 1 :]])
    counts = np.array([(np.abs(means - mean) < 1e-6).sum() for mean in possible])
    assert counts.sum() == 20_000
    assert stats.chisquare(counts).pvalue > 1e-4
    np.testing.assert_allclose(location_gradient(samples, 5)(_KEY, jnp.array([6.2, 0.2])), [0.0, -6.0], atol=1e-6)


def test_each_kind_is_a_program_of_its_own():
    kinds = [noisy_gradient(DOUBLE_WELL, 1.0), regression_gradient(1.0, 2), regression_gradient(1.0, 3)]
    kinds += [location_gradient(np.ones(4), 2)]
    assert len({jax.tree.structure(kind) for kind in kinds}) == len(kinds)
    assert all(isinstance(kind, Gradient) for kind in kinds)
    keys = jax.random.split(_KEY, 3)
    for kind in kinds:
        together = jax.jit(jax.vmap(lambda g, key: g(key, 1.0), in_axes=(None, 0)))(kind, keys)
        np.testing.assert_allclose(together, [kind(key, 1.0) for key in keys], rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "arguments", "named"),
    [
        (noisy_gradient, (DOUBLE_WELL, -1.0), "noise"),
        (noisy_gradient, (DOUBLE_WELL, np.nan), "noise"),
        (noisy_gradient, (DOUBLE_WELL, np.inf), "noise"),
        (noisy_gradient, (DOUBLE_WELL, 1.0, 0), "batch_size"),
        (noisy_gradient, (DOUBLE_WELL, 1.0, 0.5), "batch_size"),
        (regression_gradient, (-1.0, 2), "noise"),
        (regression_gradient, (1.0, 0), "batch_size"),
        (regression_gradient, (1.0, 2.0), "batch_size"),
        (location_gradient, (np.ones(4), 5), "batch_size"),
        (location_gradient, (np.array([1.0, np.nan]), 1), "samples"),
    ],
)
def test_bad_arguments_are_refused_by_name(build, arguments, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(build, "__wrapped__", build)(*arguments)

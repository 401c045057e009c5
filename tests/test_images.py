"""Measures of images: against loops, the energy identity to rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.images import gradient_energy, peak_signal_to_noise


def test_gradient_energy_is_the_sum_over_neighbours():
    image = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    expected = sum((image[i + 1, j] - image[i, j]) ** 2 for i in range(3) for j in range(5))
    expected += sum((image[i, j + 1] - image[i, j]) ** 2 for i in range(4) for j in range(4))
    np.testing.assert_allclose(gradient_energy(jnp.asarray(image)), expected, rtol=1e-5)


def test_gradient_energy_of_many_images_is_that_of_each():
    images = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, 4, 4)), jnp.float32)
    energies = gradient_energy(images)
    assert energies.shape == (2, 3)
    np.testing.assert_allclose(energies[1, 2], gradient_energy(images[1, 2]), rtol=1e-6)
    np.testing.assert_array_equal(gradient_energy(jnp.ones((3, 1, 1))), np.zeros(3))


def test_energy_is_that_of_the_mean_and_the_variance_of_the_gradient():
    with jax.enable_x64(True):
        images = jnp.asarray(np.random.default_rng(2).gamma(1.0, size=(50, 6, 7)))
        variance = jnp.diff(images, axis=1).var(0).sum() + jnp.diff(images, axis=2).var(0).sum()
        parts = gradient_energy(images.mean(0)) + variance
        np.testing.assert_allclose(gradient_energy(images).mean(), parts, rtol=1e-13)


def test_decibels():
    np.testing.assert_allclose(peak_signal_to_noise(0.25), 20 * np.log10(2), rtol=1e-6)
    np.testing.assert_allclose(peak_signal_to_noise(jnp.array([65025.0 / 100]), peak=255.0), [20], rtol=1e-6)
    assert float(peak_signal_to_noise(0.0)) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_energy(jnp.zeros((3, 0, 4))), "images.shape = (3, 0, 4): must have pixels"),
        (lambda: peak_signal_to_noise(0.1, peak=0.0), "peak = 0.0: must be positive"),
        (lambda: peak_signal_to_noise(-0.1), "mean_squared_error = -0.1: must be 0 or more"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ArgumentError) as refusal:
        call()
    assert message in str(refusal.value)


def test_pixels_of_bytes_and_lists_do_not_wrap():
    pixels = np.array([[200, 10], [10, 200]])
    for given in (pixels.astype(np.uint8), pixels.astype(np.uint16), jnp.asarray(pixels, jnp.uint8), pixels > 100):
        expected = 4.0 if given.dtype == bool else 4 * 190.0**2
        np.testing.assert_allclose(gradient_energy(given), expected)


def test_integers_that_32_bits_have_no_room_for_do_not_wrap():
    np.testing.assert_allclose(peak_signal_to_noise(np.array([2**31, 2**40])), -10 * np.log10([2.0**31, 2.0**40]), 1e-6)
    np.testing.assert_allclose(gradient_energy(np.array([[0, 2**31]])), 2.0**62)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.array([["a"]]), 3.0, None])
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(ArgumentError, match="images"):
        gradient_energy.__wrapped__(wrong) if hasattr(gradient_energy, "__wrapped__") else gradient_energy(wrong)

"""Dropout against its law: share, mean, independence, and exactness where a rate allows it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.nets import keep_mask, multiplier

_SHAPE = (50, 32, 64)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_share_of_kept_units(rate):
    kept = np.asarray(keep_mask(jax.random.key(0), rate, _SHAPE))
    keep = round((1 - rate) * 2**16) / 2**16
    assert abs(kept.mean() - keep) < 4 * np.sqrt(keep * (1 - keep) / kept.size)


def test_units_samples_and_halves_of_a_word_are_independent():
    kept = np.asarray(keep_mask(jax.random.key(1), 0.5, _SHAPE)).astype(float) - 0.5
    flat = kept.ravel()
    for lag in (1, 2, 3, 64, 32 * 64):  # neighbours, other samples, other planes
        z = (flat[lag:] * flat[:-lag]).sum() / (0.25 * np.sqrt(flat.size - lag))
        assert abs(z) < 4, lag
    for axis in range(3):  # no unit or sample is dropped more often than another
        z = kept.sum(tuple(a for a in range(3) if a != axis)) / (0.5 * np.sqrt(kept.size / kept.shape[axis]))
        assert abs((z**2).sum() - len(z)) < 4 * np.sqrt(2 * len(z))


def test_keys_give_independent_masks():
    a, b = (np.asarray(keep_mask(jax.random.key(i), 0.5, _SHAPE)).astype(float) - 0.5 for i in (1, 2))
    assert abs((a * b).sum() / (0.25 * np.sqrt(a.size))) < 4


def test_rate_zero_keeps_everything_and_multiplies_with_exactly_one():
    kept = keep_mask(jax.random.key(0), jnp.float32(0), _SHAPE)
    assert kept.all()
    assert (multiplier(kept, jnp.float32(0)) == 1).all()


def test_the_multiplier_keeps_the_mean_exactly_at_the_rounded_rate():
    for rate in (0.1, 1 / 3, 0.77, 1 - 2**-18):
        keep = max(round((1 - rate) * 2**16), 1) / 2**16
        scale = float(multiplier(jnp.array(True), rate))
        np.testing.assert_allclose(scale * keep, 1, 1e-6)


def test_what_is_dropped_at_one_rate_is_dropped_at_every_higher_rate():
    masks = [keep_mask(jax.random.key(3), rate, _SHAPE) for rate in (0.2, 0.5, 0.8)]
    assert all((high <= low).all() for low, high in itertools.pairwise(masks))


@pytest.mark.parametrize("shape", [(1,), (3,), (5, 3, 7)])
def test_shapes_of_odd_size(shape):
    kept = keep_mask(jax.random.key(0), 0.5, shape)
    assert kept.shape == shape
    assert kept.dtype == bool


@pytest.mark.parametrize("size", [64, 65])
def test_every_step_has_words_of_its_own(size):
    draw = jax.vmap(lambda step: keep_mask(jax.random.key(5), 0.5, (size,), step))
    kept = np.asarray(draw(jnp.arange(500))).astype(float) - 0.5
    correlation = kept @ kept.T / (0.25 * np.sqrt(size))
    across = correlation[np.triu_indices(len(kept), 1)]
    assert np.abs(across).max() < 6  # of 124,750 pairs; the same words in two steps would give 8
    assert abs((across**2).mean() - 1) < 0.05


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1, jnp.nan])
def test_a_traced_rate_outside_its_domain_gives_nan(rate):
    traced = jax.jit(lambda r: multiplier(keep_mask(jax.random.key(0), r, (64,)), r))
    assert jnp.isnan(traced(jnp.float32(rate))).all()


def test_a_member_alone_equals_the_member_in_a_population():
    rates = jnp.array([0.0, 0.3, 0.5, 0.9])
    keys = jax.random.split(jax.random.key(0), 4)
    together = jax.vmap(lambda k, r: keep_mask(k, r, (5, 30)))(keys, rates)
    for i in range(4):
        assert (together[i] == keep_mask(keys[i], rates[i], (5, 30))).all()


def test_one_program_for_all_rates():
    draw = jax.jit(lambda key, rate: keep_mask(key, rate, (4, 5)))
    for rate in (0.0, 0.5, 0.75):
        draw(jax.random.key(0), jnp.float32(rate))
    assert draw._cache_size() == 1


def test_the_derivative_of_the_multiplier_is_the_path_through_the_scale():
    """1/k² where kept, 0 where dropped; the rounding of k has no part in it."""
    kept = jnp.array([True, False])
    for rate in (0.0, 0.25, 0.3, 0.9):
        slope = jax.jacobian(lambda p: multiplier(kept, p))(jnp.float32(rate))
        np.testing.assert_allclose(slope, [1 / (1 - rate) ** 2, 0], 1e-3)

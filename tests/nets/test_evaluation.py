"""Evaluation in blocks against the whole at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxreg.errors import ArgumentError
from jaxreg.nets import LOSSES, evaluate


def _predict(weight, x):
    return x @ weight


@pytest.mark.parametrize("block", [1, 7, 64, 99, 100, 101, 1000])
@pytest.mark.parametrize("n", [1, 100])
def test_any_block_gives_the_mean_over_all_examples(n, block):
    rng = np.random.default_rng(0)
    x, weight, y = rng.normal(size=(n, 6)), rng.normal(size=(6, 4)), rng.integers(0, 4, n)
    logits = x @ weight
    losses = logsumexp(logits, axis=1) - logits[np.arange(n), y]
    arrays = jnp.asarray(weight, jnp.float32), jnp.asarray(x, jnp.float32), jnp.asarray(y)
    score = evaluate(_predict, *arrays, block=block)
    np.testing.assert_allclose(score.loss, losses.mean(), 1e-5)
    np.testing.assert_allclose(score.accuracy, (logits.argmax(1) == y).mean(), 1e-6)


def test_a_member_alone_equals_the_member_in_a_population():
    x, y = jax.random.normal(jax.random.key(0), (50, 6)), jnp.arange(50) % 4
    weights = jax.random.normal(jax.random.key(1), (3, 6, 4))
    together = jax.vmap(lambda w: evaluate(_predict, w, x, y, block=16))(weights)
    for i in range(3):
        alone = evaluate(_predict, weights[i], x, y, block=16)
        np.testing.assert_allclose(together.loss[i], alone.loss, 1e-5)
        np.testing.assert_allclose(together.accuracy[i], alone.accuracy, 1e-6)


def test_a_network_that_is_not_finite_has_neither_loss_nor_accuracy():
    for loss in LOSSES:
        score = evaluate(_predict, jnp.full((2, 3), jnp.nan), jnp.ones((4, 2)), jnp.zeros(4, jnp.int32), loss=loss)
        assert jnp.isnan(score.loss)
        assert jnp.isnan(score.accuracy)


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_that_number_no_class_are_refused(label):
    with pytest.raises(ArgumentError, match=rf"^y\[1\] = {label}: must lie in \[0, 3\]"):
        evaluate(_predict, jnp.ones((6, 4)), jnp.ones((2, 6)), jnp.array([0, label]))

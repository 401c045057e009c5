"""What a fit is: its predictions, alone and in a batch, and its status."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.linear import LinearFit, Status

_RANDOM = np.random.default_rng(0)


def _fit(*batch):
    coef = jnp.asarray(_RANDOM.normal(size=(*batch, 3)), jnp.float32)
    return LinearFit(coef, coef[..., 0] + 1, jnp.zeros(batch), jnp.zeros(batch, jnp.int32))


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_predictions_of_each_fit_of_a_batch(batch):
    fit, X = _fit(*batch), _RANDOM.normal(size=(5, 3))
    expected = np.einsum("...p,mp->...m", np.asarray(fit.coef, float), X) + np.asarray(fit.intercept)[..., None]
    predicted = fit.predict(X)
    assert predicted.dtype == fit.coef.dtype
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
    # Not bit by bit: in one program a compiler contracts products and sums.
    np.testing.assert_allclose(predicted, jax.jit(lambda fit: fit.predict(X))(fit), rtol=1e-6, atol=1e-6)


def test_a_vmapped_fit_predicts_as_its_members():
    fits, X = _fit(4), jnp.asarray(_RANDOM.normal(size=(5, 3)), jnp.float32)
    for k, row in enumerate(jax.vmap(lambda fit: fit.predict(X))(fits)):
        np.testing.assert_allclose(row, jax.tree.map(lambda part: part[k], fits).predict(X), rtol=1e-6)  # noqa: B023


def test_statuses_are_separate_flags_that_name_themselves():
    assert [int(status) for status in Status] == [1, 2, 4, 8, 16, 32]
    assert Status.OK == 0
    assert Status.INVALID in Status(18)
    assert "CONSTANT_COLUMN" in repr(Status(3))
    assert "RANK_DEFICIENT" in repr(Status(3))

"""The exact identity of the variance of accuracies, against the sum over all pairs of examples."""

import numpy as np
import pytest

from jaxreg.agreement import split_accuracy_variance
from jaxreg.errors import ArgumentError


def _draw(runs, examples, shared, seed=0):
    """Runs that get examples right at rates of their own, and to some extent together."""
    random = np.random.default_rng(seed)
    skill = shared * random.normal(size=(runs, 1))
    return random.normal(size=(runs, examples)) + skill + np.linspace(-2, 3, examples) > 0


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize(("runs", "examples"), [(2, 1), (2, 7), (5, 40), (30, 12)])
def test_is_the_explicit_sum(runs, examples, shared):
    correct = _draw(runs, examples, shared)
    total, bernoulli, covariance = split_accuracy_variance(correct)
    matrix = np.atleast_2d(np.cov(correct.T.astype(float)))  # R - 1 in the denominator
    np.testing.assert_allclose(total, np.var(correct.mean(1), ddof=1), rtol=1e-12)
    np.testing.assert_allclose(bernoulli, np.trace(matrix) / examples**2, rtol=1e-12)
    np.testing.assert_allclose(covariance, (matrix.sum() - np.trace(matrix)) / examples**2, rtol=1e-9, atol=1e-15)
    share = correct.mean(0)
    factor = runs / (runs - 1)
    np.testing.assert_allclose(bernoulli, factor * (share * (1 - share)).sum() / examples**2, rtol=1e-12)


def test_independent_examples_have_no_covariance_and_shared_skill_has():
    """The standard error of a variance from R runs is about its value times sqrt(2 / R)."""
    independent, together = (split_accuracy_variance(_draw(2000, 500, shared)) for shared in (0.0, 0.3))
    assert abs(independent.covariance) < 4 * independent.total * np.sqrt(2 / 2000)
    assert together.covariance > 5 * together.bernoulli


def test_runs_that_agree_on_everything_do_not_scatter():
    assert split_accuracy_variance(np.tile([True, False, True], (4, 1))) == (0.0, 0.0, 0.0)


def test_examples_that_trade_places_have_negative_covariance():
    parts = split_accuracy_variance(np.array([[True, False], [False, True]]))
    assert parts.total == 0
    assert parts.covariance == -parts.bernoulli < 0


@pytest.mark.parametrize("shape", [(1, 5), (0, 5), (5, 0)])
def test_bad_shapes_are_refused(shape):
    with pytest.raises(ArgumentError, match="two runs and one example"):
        split_accuracy_variance(np.zeros(shape, bool))

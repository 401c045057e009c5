"""How much of the scatter of accuracies over runs is chance, example by example, and how much runs have in common."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool

from jaxreg.checks import SHARE, read_array
from jaxreg.errors import ArgumentError


class AccuracyVariance(NamedTuple):
    """Variance of the accuracy over runs and its two parts, as squared shares of the examples.

    Args:
        total: the sample variance of the accuracy, `bernoulli` + `covariance`.
        bernoulli: what it would be if every run got every example right or wrong independently of the others.
        covariance: what examples that runs get right together add; negative if they tend to trade places.
    """

    total: float
    bernoulli: float
    covariance: float


def split_accuracy_variance(correct: Bool[Array | np.ndarray, "runs examples"]) -> AccuracyVariance:
    r"""Split the variance of accuracies into Bernoulli variances and covariances of the examples, exactly.

    With $p_i$ the share of the R runs that get example i of n right, and $\mathrm{Cov}_{ij}$ the sample covariance over
    runs (R - 1 in the denominator), as in the variance itself,

    $$\mathrm{Var}(\text{accuracy}) = \frac1{n^2} \Bigl[ \frac{R}{R-1} \sum_i p_i (1 - p_i)
      + \sum_{i \ne j} \mathrm{Cov}_{ij} \Bigr].$$

    An identity of the sample, whatever the runs; and as the left side and the first sum are cheap, so is the second.

    Args:
        correct: whether run r gets example i right. Leave diverged runs out.

    Raises:
        ArgumentError: fewer than two runs, or no example.

    >>> parts = split_accuracy_variance(np.array([[True, True, False], [True, False, True], [True, False, False]]))
    >>> [round(27 * part, 6) for part in parts]
    [1.0, 2.0, -1.0]

    Source: the variance of a sum; read as here by Jordan, Calibrated Chaos, arXiv:2304.01910 (2023).
    """
    correct = np.asarray(read_array("correct", correct, ndim=2))
    SHARE.check_all("correct", correct, "Give truth values, or 0 and 1", kinds="biuf")
    runs, examples = correct.shape
    if runs < 2 or examples < 1:
        raise ArgumentError("correct", correct.shape, "must hold two runs and one example or more", "Train more runs")
    total = float(correct.mean(1).var(ddof=1))
    share = correct.mean(0)
    bernoulli = float((share * (1 - share)).sum() * runs / (runs - 1) / examples**2)
    return AccuracyVariance(total, bernoulli, total - bernoulli)

"""The contests of penalized models: same answers, and refusal where they differ."""

import importlib.util

import numpy as np
import pytest

from experiments.benchmarks.solving import contest_groups, contest_logistic, logistic_gaps, make_labels

RIVALS = [("scikit-learn", "sklearn"), ("skglm", "skglm")]


@pytest.mark.slow
@pytest.mark.parametrize(("rival", "module"), RIVALS)
def test_logistic_paths_agree_and_a_changed_answer_is_refused(rival, module):
    pytest.importorskip(module)
    contest = contest_logistic(2, 1, rival)
    ours, theirs = contest.ours(), contest.theirs()
    assert "duality gaps" in contest.agree(ours, theirs)
    with pytest.raises(AssertionError, match="above theirs"):
        contest.agree(ours.assign(coef=1.01 * ours["coef"]), theirs)
    assert (contest.target, contest.datasets, contest.sample) == (15.0, 2, 1)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("skglm") is None, reason="needs skglm")
def test_group_lassos_agree_and_a_changed_answer_is_refused():
    contest = contest_groups(2, 1)
    ours, theirs = contest.ours(), contest.theirs()
    assert "from optimal" in contest.agree(ours, theirs)
    with pytest.raises(AssertionError, match="from optimal"):
        contest.agree(ours.assign(coef=1.001 * ours["coef"]), theirs)
    assert contest.target == 10.0


def test_the_gap_of_no_coefficient_is_0_at_the_largest_strength_and_positive_below():
    X, y, alphas = (values[0] for values in make_labels(1))
    gaps = logistic_gaps(X, y, alphas, np.zeros((len(alphas), X.shape[1])))
    assert abs(gaps[0]) < 1e-12
    assert (np.diff(gaps) > 0).all()

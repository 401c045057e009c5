"""The contests against scikit-learn: same problems, same answers, honest notes, and refusal where answers differ."""

import dataclasses
import importlib.util
import time

import numpy as np
import pytest

from experiments.benchmarks import linear as bench
from experiments.benchmarks import linear as linear_benchmark
from experiments.benchmarks import timing
from experiments.benchmarks.settings import PRESETS
from experiments.benchmarks.timing import Contest, check_same, measure

needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn")


@pytest.mark.parametrize("make", [bench.make_legendre, bench.make_gaussian])
def test_data_are_centred_with_columns_of_unit_length(make):
    X, Y = make(3)
    assert X.shape[-2:] == (50, 30)
    assert Y.shape == (3, 50)
    for values in (X.mean(-2), Y.mean(-1)):
        np.testing.assert_allclose(values, 0, atol=1e-14)
    np.testing.assert_allclose((X**2).sum(-2), 1)
    np.testing.assert_array_equal(make(5)[1][:3].shape, Y.shape)
    assert np.linalg.matrix_rank(X).min() == 30


def test_every_dataset_is_another():
    for _, Y in (bench.make_legendre(4), bench.make_gaussian(4)):
        assert len({row.tobytes() for row in Y}) == 4
    X, _ = bench.make_gaussian(4)
    assert X.shape == (4, 50, 30)
    assert not np.allclose(X[0], X[1])


def test_gaps_are_zero_at_the_minimum_only_and_bound_the_objective():
    """On an orthonormal design the lasso is a soft threshold."""
    random = np.random.default_rng(0)
    X = np.linalg.qr(random.normal(size=(40, 6)))[0]
    y = X @ np.array([3.0, -2.0, 1.0, 0.2, 0.0, 0.0]) + 0.3 * random.normal(size=40)
    alphas = np.array([0.02, 0.005])
    product = y @ X
    best = np.sign(product) * np.maximum(np.abs(product) - 40 * alphas[:, None], 0)

    def objective(coefs):
        return ((y - coefs @ X.T) ** 2).sum(-1) / 80 + alphas * np.abs(coefs).sum(-1)

    np.testing.assert_allclose(bench.relative_gaps(X, y, alphas, best), 0, atol=1e-14)
    for scale in (1e-3, 1e-1, 1.0):
        other = best + scale * random.normal(size=best.shape)
        excess = (objective(other) - objective(best)) / ((y**2).sum() / 80)
        assert (bench.relative_gaps(X, y, alphas, other) >= excess).all()
        assert (excess > 0).all()


def test_answers_that_differ_are_refused():
    assert check_same("numbers", [1.0, 2.0], [1.0, 2.0 + 1e-9]) == pytest.approx(5e-10)
    for ours in ([1.0, 2.0 + 1e-6], [1.0, np.nan]):
        with pytest.raises(AssertionError, match="numbers"):
            check_same("numbers", ours, [1.0, 2.0])


@pytest.fixture(scope="module")
def small():
    """Each contest on three datasets, both sides run once."""
    contests = {
        "shared": bench.contest_lars(3, 2, shared=True),
        "different": bench.contest_lars(3, 2, shared=False),
        "ridge": bench.contest_ridge(3, 2),
        "at once": bench.contest_ridge_at_once(3),
        "lasso": bench.contest_lasso(3, 2, by_lars=False),
        "lasso by LARS": bench.contest_lasso(3, 2, by_lars=True),
        "large": bench.contest_one(200, 300, "scikit-learn", 1.5),
    }
    return {name: (contest, contest.ours(), contest.theirs()) for name, contest in contests.items()}


@needs_sklearn
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variable", "said"),
    [
        ("shared", "coef", "knots and coefficients"),
        ("different", "alphas", "knots and coefficients"),
        ("ridge", "loo", "leave-one-out"),
        ("at once", "coef", "leave-one-out"),
        ("lasso", "coef", "duality gaps"),
        ("lasso by LARS", "coef", "duality gaps"),
    ],
)
def test_both_sides_agree_and_a_changed_answer_is_refused(small, name, variable, said):
    contest, ours, theirs = small[name]
    assert said in contest.agree(ours, theirs)
    assert ours["coef"].sizes["dataset"] == 3
    with pytest.raises(AssertionError):
        contest.agree(ours.assign({variable: 1.001 * ours[variable]}), theirs)


@needs_sklearn
@pytest.mark.slow
def test_the_large_lasso_is_solved_to_their_gap_or_better(small):
    contest, ours, theirs = small["large"]
    assert "duality gaps" in contest.agree(ours, theirs)
    with pytest.raises(AssertionError, match="above theirs"):
        contest.agree(ours._replace(coef=1.001 * np.asarray(ours.coef)), theirs)
    np.testing.assert_allclose(ours.coef, theirs, atol=1e-4 * np.abs(theirs).max())


def _pause(seconds):
    return lambda: time.sleep(seconds)


def test_a_row_says_ratio_scale_and_who_wins():
    entry = measure(Contest("a", 15.0, _pause(0.01), _pause(0.02), lambda *_: "same", 1000, 10), 3)
    assert entry["name"] == "a"
    assert 50 < entry["value"] < 400  # a machine under load sleeps longer
    assert entry["rival_seconds"] / entry["seconds"] == pytest.approx(entry["value"], rel=0.5)
    assert entry["note"] == "same; their loop over 10 of 1,000, scaled up"
    assert entry["compile_seconds"] >= 0
    assert timing.meets(entry) == "met"
    slower = measure(Contest("b", None, _pause(0.05), _pause(0.005), lambda *_: "same"), 3)
    assert slower["value"] < 1
    assert slower["note"] == "same; they win"


def test_compiling_is_told_from_running():
    calls = []

    def ours():
        time.sleep(0.005 if calls else 0.3)
        calls.append(1)

    entry = measure(Contest("a", None, ours, _pause(0.005), lambda *_: ""), 3)
    assert entry["compile_seconds"] > 0.15
    assert entry["seconds"] < 0.1


def test_without_scikit_learn_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(timing.importlib.util, "find_spec", lambda name: None)
    assert list(bench.measure_linear(PRESETS["quick"], 1.0)) == []
    assert "sklearn is not installed" in capsys.readouterr().err


@needs_sklearn
def test_celer_is_measured_where_it_is_installed(monkeypatch):
    """What is measured, with the measuring itself left out."""
    names = []
    monkeypatch.setattr(linear_benchmark, "measure", lambda contest, repeats: contest.name)
    monkeypatch.setattr(linear_benchmark, "contest_one", lambda *told: _named(f"{told[2]} {told[1]}"))
    monkeypatch.setattr(linear_benchmark, "contest_logistic", lambda *told: _named(f"logistic {told[2]}"))
    monkeypatch.setattr(linear_benchmark, "contest_groups", lambda *_: _named("groups"))
    config = dataclasses.replace(PRESETS["quick"], linear=2, columns=70)
    for others in (None, True):
        find = lambda name, others=others: name == "sklearn" or others  # noqa: E731
        monkeypatch.setattr(timing.importlib.util, "find_spec", find)
        names.append([*bench.measure_linear(config, 1.0)])
    assert names[0][-2:] == ["scikit-learn 70", "logistic scikit-learn"]
    assert names[1] == [*names[0][:-1], "celer 70", "logistic scikit-learn", "logistic skglm", "groups"]
    assert len(names[0]) == 9


def _named(name):
    return Contest(name, None, dict, dict, lambda *_: "")

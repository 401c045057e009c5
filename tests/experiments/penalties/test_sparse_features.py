"""Sparse features: designs of text, the lasso against scikit-learn on the same samples, claims, the figure."""

import math
from collections import Counter
from itertools import pairwise

import jax
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import jaxreg as jr
from experiments.penalties.sparse_features import CLAIMS, COMMON, TASKS, Config, at_chosen, at_most, measure_recovery
from experiments.penalties.sparse_features.designs import generate_corpus, read_corpus, read_docstrings
from jaxreg import stats
from jaxreg.claims import judge
from tests.figures.drawn import find, find_band, read
from tests.populations import along, diverge, population, verdicts

SMALL = Config(
    seeds=3,
    samples=(30, 60),
    words=20,
    length=100,
    documents=150,
    libraries=("scipy.ndimage", "scipy.special"),
    support=3,
    shares=(0.9, 0.5, 0.3),
    held_out=40,
)


@pytest.fixture(scope="module")
def dataset(result):
    """One run diverged; another selects nothing at the largest strength, and so has no precision there."""
    nothing = {"task": "random text", "samples": 30, "seed": 0, "share": 0.9}
    precision = result["precision"].copy(deep=True)
    precision.loc[nothing] = np.nan
    return diverge(result.assign(precision=precision), task=0, samples=1, seed=2)


@pytest.fixture(scope="module")
def corpora():
    real = read_corpus(SMALL.libraries, SMALL.words**2)
    return [generate_corpus(SMALL.documents, SMALL.words, SMALL.length, SMALL.corpus_seed), real]


def test_fits_are_certified_and_features_named(result, corpora):
    assert float(result["gap"].max()) < 1e-10
    assert list(result["name"].sel(corpus="docstrings").values) == list(corpora[1].names)


def test_random_text_has_the_words_that_were_drawn():
    corpus = generate_corpus(documents=30, words=7, length=40, seed=4)
    weight = 1 / np.arange(1, 8)
    drawn = np.random.default_rng(4).choice(7, (30, 40), p=weight / weight.sum())
    for row, words in zip(corpus.contains, drawn, strict=True):
        expected = {f"w{first + 1} w{second + 1}" for first, second in pairwise(words)}
        assert {corpus.names[k] for k in np.flatnonzero(row)} == expected


def test_docstrings_are_words_without_code_and_without_the_libraries(corpora):
    texts = read_docstrings("scipy.ndimage")
    assert len(texts) > 30
    assert all(len(words) >= 60 for words in texts)
    assert not {"np", "numpy", "scipy"} & {word for words in texts for word in words}
    convolve = [words for words in texts if "convolution" in words]
    assert convolve
    real = corpora[1]
    assert (real.labels == -1).sum() == (real.labels == 1).sum()
    counts = real.contains.sum(0)
    assert (np.diff(counts) <= 0).all()
    assert counts.min() > 1
    assert len({column.tobytes() for column in real.contains.T}) == 400
    row = {real.names[k] for k in np.flatnonzero(real.contains[0])}
    assert row <= {f"{first} {second}" for first, second in pairwise(texts[0])}


def _sample(seed, samples, task, corpora):
    """The rows, features and target of one run, by its own draws, in plain NumPy."""
    corpus = corpora[TASKS[task]["corpus"]]
    total = sum(len(part.labels) for part in corpora)
    widest, held_out = max(SMALL.samples), SMALL.held_out
    with jax.enable_x64(True):
        streams = jr.randomness.split(jr.seeds(9).key(seed), "documents", "support", "signs", "noise")
        lots = np.asarray(jax.random.uniform(streams["documents"], (total,)))
        order = np.argsort(lots + (np.arange(total) >= len(corpus.labels)))[: widest + held_out]
        lot = np.asarray(jax.random.uniform(streams["support"], (400,)))
        signs = np.where(np.asarray(jax.random.bernoulli(streams["signs"], 0.5, (SMALL.support,))), 1, -1)
        noise = np.asarray(jax.random.normal(streams["noise"], (widest + held_out,), np.float64))
    X = corpus.contains[order].astype(float)
    train = X[:samples]
    deviation = train.std(0)
    scaled = np.divide(X - train.mean(0), deviation, out=np.zeros_like(X), where=deviation > 0)
    frequency = corpus.contains.mean(0)
    common = (frequency >= COMMON[0]) & (frequency <= COMMON[1]) & (deviation > 0)
    matters = np.argsort(-np.where(common, lot, -1))[: SMALL.support]
    y = corpus.labels[order] if TASKS[task]["labelled"] else scaled[:, matters] @ signs + SMALL.noise * noise
    y = y - y[:samples].mean()
    return scaled[:samples], y[:samples], scaled[widest:], y[widest:], matters


@pytest.mark.parametrize("task", list(TASKS))
def test_paths_are_those_of_scikit_learn(result, corpora, task):
    for samples in SMALL.samples:
        X, y, X_new, y_new, matters = _sample(1, samples, task, corpora)
        largest = abs(X.T @ y).max() / samples
        cell = result.sel(task=task, samples=samples, seed=1)
        for share in SMALL.shares:
            fit = Lasso(alpha=share * largest, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(X, y)
            at = cell.sel(share=share)
            kept = np.flatnonzero(fit.coef_)
            # Columns that are equal in the sample share a coefficient there; here one of them has all of it.
            apart = np.unique(np.round(X[:, kept].T * np.sign(X[0, kept])[:, None], 9), axis=0)
            assert int(at["selected"]) == len(apart)
            twins = (abs(X.T @ X[:, matters]) > samples - 1e-6).sum() - len(matters)
            if not twins:
                assert int(at["found"]) == np.isin(matters, kept).sum()
            np.testing.assert_allclose(at["residual"], ((y - X @ fit.coef_) ** 2).mean(), rtol=1e-5)
            np.testing.assert_allclose(at["right"], ((X_new @ fit.coef_ > 0) == (y_new > 0)).mean())
        lead = Lasso(alpha=0.3 * largest, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(X, y).coef_
        assert cell["leading"].values[0] == abs(lead).argmax()


def test_chosen_is_the_least_extended_bic(result):
    n, kept = result["samples"], result["selected"]
    score = n * np.log(result["residual"]) + kept * (np.log(n) + 2 * math.log(400))
    assert (result["chosen"] == score.argmin("share")).all()
    cell = {"task": "docstrings", "samples": 60, "seed": 2}
    place = int(result["chosen"].sel(cell))
    np.testing.assert_allclose(at_chosen(result)["recall"].sel(cell), result["found"].sel(cell)[place] / 3)


def test_at_most_stops_before_the_first_that_keeps_more():
    selected = np.array([[1, 5, 10, 11, 8], [11, 12, 13, 14, 15]])
    right = np.arange(10.0).reshape(2, 5)
    dims, means = {"seed": 2, "share": 5, "feature": 100}, {"name": (("feature",), 0)}
    runs = population(dims, means, records=("share", "feature"))
    runs = runs.assign(selected=(("seed", "share"), selected), right=(("seed", "share"), right))
    np.testing.assert_array_equal(at_most(runs, 0.1)["right"], [2, 5])


def _made_up(found=4, selected=4, early=2, right=0.9, first=20):
    """40 samples of two sizes: what is found at the last α with many documents, and at the first with few."""
    dims = {"task": TASKS, "samples": [first, 400], "seed": 40, "share": [0.9, 0.3], "corpus": 2, "feature": 1000}
    cell = tuple(dims)[:4]
    last = along("samples", [0, 1]) * along("share", [0, 1])
    means = {
        "selected": (cell, early * along("samples", [1, 0]) + selected * last),
        "found": (cell, early * along("samples", [1, 0]) + found * last),
        "right": (cell, right + along("seed", 0.001 * np.arange(40))),
        "chosen": (cell[:3], 1),
        "frequency": (("corpus", "feature"), 0.1),
        "support": ((), 4),
    }
    made = population(dims, means, records=("share", "corpus", "feature"))
    return made.assign(chosen=made["chosen"].astype(int))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhhhhh"),
        ({"selected": 9}, "fhffhfhh"),
        ({"found": 3}, "ffffffhh"),
        ({"early": 4}, "hhhhhhfh"),
        ({"first": 100}, "hhhhhhuh"),
        ({"right": 0.6}, "hhhhhhhf"),
        ({"right": 0.73}, "hhhhhhhu"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(CLAIMS, measure_recovery(_made_up(**changed))) == expected


def test_claims_on_a_real_result(result):
    assert all(verdict.n == 3 for _, verdict in judge(CLAIMS, result) if verdict.n)
    np.testing.assert_allclose(result["threshold"], 2 * 3 * math.log(397))


# --- Figure ---


def test_frequencies_are_ranked(panels, dataset):
    for text in ("random text", "docstrings"):
        values = np.sort(dataset["frequency"].sel(corpus=text))[::-1]
        count = int((values > 0).sum())
        find(panels[0], values[:count], np.arange(1, count + 1), f"{text}, {count}")


def test_recall_and_precision_are_means_with_their_bands(panels, dataset):
    for axes, task in zip(panels[1:3], TASKS, strict=False):
        for number in SMALL.samples:
            for name, style in (("recall", "-"), ("precision", "--")):
                summary = stats.mean(dataset.sel(task=task, samples=number), name, dim="seed")
                if name == "precision" and (task, number) == ("random text", 30):
                    summary = summary.isel(share=slice(1, None))
                assert find_band(axes, summary, summary["share"]).get_linestyle() == style
    assert ("n = 2–3" in read(panels[1]), "n = 3" in read(panels[2])) == (True, True)


def test_exact_recovery_at_the_best_and_at_the_chosen_strength(panels, dataset):
    exact = dataset["exact"]
    for true in (exact.any("share"), exact.isel(share=dataset["chosen"])):
        summary = stats.proportion(dataset[["diverged"]].assign(true=true), "true", dim="seed")
        for task in ("random text", "docstrings"):
            find(panels[3], summary["proportion"].sel(task=task))
    find(panels[3], x=[dataset["threshold"]] * 2)
    assert "3 of 400 features" in read(panels[3])


def test_prediction_and_the_bigrams_behind_it(panels, dataset):
    runs = dataset.sel(task="library", samples=60)
    find(panels[4], runs["right"].mean("seed"), runs["selected"].mean("seed"), "60 documents")
    common = Counter(runs["leading"].transpose("seed", "place").values.ravel().tolist()).most_common(8)
    np.testing.assert_allclose([bar.get_width() for bar in panels[5].patches], [count / 3 for _, count in common])
    names = dataset["name"].sel(corpus="docstrings").values
    assert [text.get_text() for text in panels[5].texts] == [names[feature] for feature, _ in common]
    assert "n = 3 samples" in read(panels[5])

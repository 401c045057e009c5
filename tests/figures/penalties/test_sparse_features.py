"""The figure of sparse features: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band, read

_SHARES = np.array([0.9, 0.5, 0.3])
_TASKS = ["random text", "docstrings", "library"]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cell = ("task", "samples", "seed", "share")
    recall = np.sort(random.random((3, 2, 12, 3)), axis=-1)
    precision = np.where(np.arange(3) > 0, random.random(recall.shape), np.nan)
    precision[1:, :, :, 0] = 0.5  # of the first task with few documents: no selection, no precision
    precision[0, 1, :, 0] = 0.5
    leading = np.tile(np.arange(8), (3, 2, 12, 1))
    leading[2, 1, :, 0] = np.where(np.arange(12) < 9, 30, 31)
    diverged = np.zeros((3, 2, 12), bool)
    diverged[0, 1, 3] = True
    frequency = np.sort(random.random((2, 50)) ** 3, axis=1)[:, ::-1].copy()
    frequency[1, 40:] = 0
    return xr.Dataset(
        {
            "selected": (cell, np.sort(random.integers(1, 9, recall.shape), axis=-1)),
            "recall": (cell, recall),
            "precision": (cell, precision),
            "exact": (cell, random.random(recall.shape) < 0.4),
            "right": (cell, np.sort(random.random(recall.shape), axis=-1)),
            "chosen": (cell[:3], random.integers(0, 3, (3, 2, 12))),
            "diverged": (cell[:3], diverged),
            "leading": ((*cell[:3], "place"), leading),
            "frequency": (("corpus", "feature"), frequency),
            "name": (("corpus", "feature"), np.array([[f"{c} word{k}" for k in range(50)] for c in "ab"])),
            "support": 4,
            "threshold": 30.6,
        },
        {"task": _TASKS, "samples": [50, 100], "share": _SHARES, "corpus": ["random text", "docstrings"]},
    )


def test_frequencies_are_ranked(panels, dataset):
    for text, count in zip(("random text", "docstrings"), (50, 40), strict=True):
        values = dataset["frequency"].sel(corpus=text)[:count]
        find(panels[0], values, np.arange(1, count + 1), f"{text}, {count}")


def test_recall_and_precision_are_means_with_their_bands(panels, dataset):
    for axes, task in zip(panels[1:3], _TASKS, strict=False):
        for number in (50, 100):
            for name, style in (("recall", "-"), ("precision", "--")):
                summary = stats.mean(dataset.sel(task=task, samples=number), name, dim="seed")
                if name == "precision" and (task, number) == ("random text", 50):
                    summary = summary.isel(share=slice(1, None))
                assert find_band(axes, summary, summary["share"]).get_linestyle() == style
    assert ("n = 11–12" in read(panels[1]), "n = 12" in read(panels[2])) == (True, True)


def test_exact_recovery_at_the_best_and_at_the_chosen_strength(panels, dataset):
    exact = dataset["exact"]
    for true in (exact.any("share"), exact.isel(share=dataset["chosen"])):
        summary = stats.proportion(dataset[["diverged"]].assign(true=true), "true", dim="seed")
        for task in _TASKS[:2]:
            find(panels[3], summary["proportion"].sel(task=task))
    find(panels[3], x=[30.6, 30.6])
    assert "4 of 50 features" in read(panels[3])


def test_prediction_and_the_bigrams_behind_it(panels, dataset):
    runs = dataset.sel(task="library", samples=100)
    find(panels[4], runs["right"].mean("seed"), runs["selected"].mean("seed"), "100 documents")
    np.testing.assert_allclose([bar.get_width() for bar in panels[5].patches], [1.0] * 7 + [0.75])
    assert [text.get_text() for text in panels[5].texts] == [f"b word{k}" for k in (*range(1, 8), 30)]
    assert "n = 12 samples" in read(panels[5])

"""The figure of sparse features: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.penalties.sparse_features import CAPTION

_SHARES = np.array([0.9, 0.5, 0.3])
_TASKS = ["random text", "docstrings", "library"]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cell = ("task", "samples", "seed", "share")
    found = np.sort(random.integers(0, 5, (3, 2, 12, 3)), axis=-1)
    selected = np.maximum(found, 1) + np.sort(random.integers(0, 3, found.shape), axis=-1)
    found[0, 0, :, 0] = selected[0, 0, :, 0] = 0  # no selection, no precision
    leading = np.tile(np.arange(8), (3, 2, 12, 1))
    leading[2, 1, :, 0] = np.where(np.arange(12) < 9, 30, 31)
    diverged = np.zeros((3, 2, 12), bool)
    diverged[0, 1, 3] = True
    frequency = np.sort(random.random((2, 50)) ** 3, axis=1)[:, ::-1].copy()
    frequency[1, 40:] = 0
    return xr.Dataset(
        {
            "selected": (cell, selected),
            "found": (cell, found),
            "right": (cell, np.sort(random.random(found.shape), axis=-1)),
            "chosen": (cell[:3], random.integers(0, 3, (3, 2, 12))),
            "diverged": (cell[:3], diverged),
            "leading": ((*cell[:3], "place"), leading),
            "frequency": (("corpus", "feature"), frequency),
            "name": (("corpus", "feature"), np.array([[f"{c} word{k}" for k in range(50)] for c in "ab"])),
            "support": 4,
            "noise": 1.0,
        },
        {"task": _TASKS, "samples": [50, 100], "share": _SHARES, "corpus": ["random text", "docstrings"]},
    )


def test_frequencies_are_ranked(panels, dataset):
    for line, text, count in zip(panels[0].lines, ("random text", "docstrings"), (50, 40), strict=True):
        values = dataset["frequency"].sel(corpus=text).values
        np.testing.assert_array_equal(line.get_ydata(), values[values > 0])
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, count + 1))
        assert line.get_label() == f"{text}, {count}"
    assert panels[0].get_xscale() == panels[0].get_yscale() == "log"


def test_recall_and_precision_are_means_with_their_bands(panels, dataset):
    runs = dataset[["diverged"]].assign(
        recall=dataset["found"] / 4, precision=dataset["found"] / dataset["selected"].where(dataset["selected"] > 0)
    )
    for axes, task in zip(panels[1:3], _TASKS, strict=False):
        lines = iter(zip(axes.lines, axes.collections, strict=True))
        for number in (50, 100):
            for name in ("recall", "precision"):
                summary = stats.mean(runs.sel(task=task, samples=number), name, dim="seed")
                if name == "precision" and (task, number) == ("random text", 50):
                    summary = summary.isel(share=slice(1, None))
                line, area = next(lines)
                np.testing.assert_allclose(line.get_xdata(), summary["share"])
                np.testing.assert_allclose(line.get_ydata(), summary["mean"])
                assert line.get_linestyle() == ("-" if name == "recall" else "--")
                heights = area.get_paths()[0].vertices[:, 1]
                assert heights.max() == pytest.approx(float(summary["high"].max()))
    assert "n = 11–12" in panels[1].get_title(loc="left")
    assert "n = 12" in panels[2].get_title(loc="left")
    assert "95 % Student t" in CAPTION


def test_exact_recovery_at_the_best_and_at_the_chosen_strength(panels, dataset):
    axes = panels[3]
    exact = (dataset["found"] == 4) & (dataset["selected"] == 4)
    lines = iter(axes.lines)
    for task in _TASKS[:2]:
        for true in (exact.any("share"), exact.isel(share=dataset["chosen"])):
            summary = stats.proportion(dataset[["diverged"]].assign(true=true), "true", dim="seed").sel(task=task)
            np.testing.assert_allclose(next(lines).get_ydata(), summary["proportion"])
    assert float(next(lines).get_xdata()[0]) == pytest.approx(2 * 4 * np.log(46))
    assert "4 of 50 features" in axes.get_title(loc="left")
    assert "95 % Wilson" in CAPTION


def test_prediction_and_the_bigrams_behind_it(panels, dataset):
    runs = dataset.sel(task="library", samples=100)
    curves = [line for line in panels[4].lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(curves[1].get_xdata(), runs["selected"].mean("seed"))
    np.testing.assert_allclose(curves[1].get_ydata(), runs["right"].mean("seed"))
    assert [text.get_text() for text in panels[4].get_legend().get_texts()] == ["50 documents", "100 documents"]
    widths = [bar.get_width() for bar in panels[5].patches]
    names = [text.get_text() for text in panels[5].texts]
    np.testing.assert_allclose(widths, [1.0] * 7 + [0.75])
    assert names == [f"b word{k}" for k in (*range(1, 8), 30)]
    assert "n = 12 samples" in panels[5].get_xlabel()


def test_every_panel_says_what_its_axes_are(panels):
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdef", titles, strict=True))

"""Which of 10,000 bigrams the lasso finds, in random text and in real docstrings."""

from collections import Counter

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "The lasso on bigrams, tutorial T4: a feature says whether a document contains a pair of neighbouring words. (a) "
    "Share of documents with each bigram, for random text with Zipf's law for its words and for the docstrings of two "
    "libraries; grey, the range of those drawn to matter. (b), (c) Recall (solid) and precision (dashed) of the "
    "selected features along the path, for several numbers of documents: means over the n samples with 95 % Student t "
    "intervals; without a selection there is no precision. (d) Share of samples in which exactly the features that "
    "matter are selected, at some α (solid) and at the α of least extended BIC (dashed squares, shifted to the "
    "right), with 95 % Wilson intervals; the dotted line is 2k log(p − k), proved for Gaussian features. (e) Telling "
    "the two libraries apart: share of new docstrings put into the right one against the mean number of bigrams kept, "
    "with 95 % Student t intervals; the dotted line is 1 % of the bigrams, and the colours are those of (b) and (c). "
    "(f) The bigrams that are most often among the eight of the largest coefficients at α = 0.3 of the largest, with "
    "the most documents."
)

_TEXTS = {"random text": plotting.COLORS.blue, "docstrings": plotting.COLORS.vermillion}
_RANGE = (0.05, 0.5)
_NAMED = 8
_APART = 1.05  # factor between series that would hide each other


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the texts, the recovery of a planted support, and what tells two libraries apart."""
    with plotting.page("abc;def", 4.6) as (figure, panels):
        _draw_frequencies(panels["a"], dataset)
        for letter, task in zip("bc", _TEXTS, strict=True):
            _draw_recovery(panels[letter], dataset.sel(task=task), task.capitalize())
        _draw_exact(panels["d"], dataset)
        _draw_prediction(panels["e"], dataset)
        _draw_bigrams(panels["f"], dataset)
    return figure


def _shade(dataset: xr.Dataset) -> list[str]:
    """A colour for each number of documents."""
    return [to_hex(color) for color in matplotlib.colormaps["viridis"](np.linspace(0.8, 0.0, dataset.sizes["samples"]))]


def _draw_frequencies(axes: Axes, dataset: xr.Dataset) -> None:
    """How common the bigrams are, the most common first."""
    for text, color in _TEXTS.items():
        shares = np.sort(dataset["frequency"].sel(corpus=text).values)[::-1]
        shares = shares[shares > 0]
        axes.plot(np.arange(1, len(shares) + 1), shares, color=color, label=f"{text}, {len(shares):,}")
    axes.axhspan(*_RANGE, color="0.92", linewidth=0, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="rank of the bigram", ylabel="documents with it", title="Texts")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    axes.legend(loc="lower left", title="bigrams that occur", title_fontsize=7)


def _draw_recovery(axes: Axes, runs: xr.Dataset, title: str) -> None:
    """Precision and recall along the path."""
    for number, color in zip(runs["samples"].values, _shade(runs), strict=True):
        cell = runs.sel(samples=number)
        recall = stats.mean(cell, "recall", dim="seed")
        plotting.band(axes, "share", recall, color=color, label=f"{number} documents")
        precision = stats.mean(cell, "precision", dim="seed")
        enough = (precision["n"] == recall["n"]).values  # else it is the mean over some samples only
        plotting.band(axes, "share", precision.isel(share=enough), color=color, linestyle="--")
    axes.set(xscale="log", xlabel="$\\alpha\\,/\\,\\alpha_\\mathrm{max}$", ylabel="recall, precision (dashed)")
    shares = runs["share"].values
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 1.0) if shares.min() <= tick * 1.1 and tick <= 1.1 * shares.max()]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    count = plotting.count_runs(stats.mean(runs, "recall", dim="seed"), "samples")
    axes.set(ylim=(-0.03, 1.05), title=f"{title}, {count.removesuffix(' samples')}")
    axes.yaxis.set_major_formatter("{x:.0%}")


def _draw_exact(axes: Axes, dataset: xr.Dataset) -> None:
    """How often the support is found exactly."""
    recovery = dataset[["exact", "diverged"]]
    anywhere = recovery.assign(exact=recovery["exact"].any("share"))
    chosen = recovery.assign(exact=recovery["exact"].isel(share=dataset["chosen"]))
    for text, color in _TEXTS.items():
        for runs, line, marker, label, shift in ((anywhere, "-", "o", text, 1), (chosen, "--", "s", None, _APART)):
            summary = stats.proportion(runs, "exact", dim="seed").sel(task=text)
            x = shift * summary["samples"].values
            plotting.band(axes, x, summary, color=color, linestyle=line, marker=marker, label=label, markersize=3)
    axes.axvline(float(dataset["threshold"]), ymax=0.8, color="black", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="documents", ylabel="exactly the support", ylim=(-0.03, 1.03))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xticks(dataset["samples"].values, [str(number) for number in dataset["samples"].values])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(f"Exact, {int(dataset['support'])} of {dataset.sizes['feature']:,} features")
    axes.legend(loc="upper left")


def _draw_prediction(axes: Axes, dataset: xr.Dataset) -> None:
    """Held-out documents put right, against the number of features that it takes."""
    runs = dataset.sel(task="library")
    for number, color in zip(runs["samples"].values, _shade(runs), strict=True):
        cell = runs.sel(samples=number)
        right = stats.mean(cell, "right", dim="seed")
        kept = stats.mean(cell, "selected", dim="seed")["mean"].values
        plotting.band(axes, kept, right, color=color, label=f"{number} documents")
    axes.axvline(0.01 * dataset.sizes["feature"], color="black", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", ylim=(0.44, None))
    low, high = axes.get_xlim()
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low <= tick <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right", labelspacing=0.2, bbox_to_anchor=(0.93, 0))
    axes.set(xlabel="bigrams kept (mean)", ylabel="new docstrings right", title="Which library?")
    axes.yaxis.set_major_formatter("{x:.0%}")


def _draw_bigrams(axes: Axes, dataset: xr.Dataset) -> None:
    """The bigrams that are most often among the leading ones."""
    runs = dataset.sel(task="library").isel(samples=-1)
    alive = runs["leading"].transpose("seed", "place").values[~runs["diverged"].values]
    names = dataset["name"].sel(corpus="docstrings").values
    common = Counter(alive.ravel().tolist()).most_common(_NAMED)
    bars = np.arange(len(common))[::-1]
    axes.barh(bars, [count / len(alive) for _, count in common], color=_TEXTS["docstrings"], alpha=0.35)
    for bar, (feature, _) in zip(bars, common, strict=True):
        axes.text(0.02, bar, str(names[feature]), va="center", fontsize=6.5)
    axes.set(yticks=[], xlim=(0, 1), xlabel=f"share of n = {len(alive)} samples", ylabel="bigram")
    axes.set_title("What tells them apart")
    axes.xaxis.set_major_formatter("{x:.0%}")

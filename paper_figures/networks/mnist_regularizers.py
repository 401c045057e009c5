"""The case study of tutorial T3: what each regularizer gains over the baseline, seed by seed, and its curves."""

from functools import partial
from string import ascii_uppercase
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "Regularizers of a network that identifies digits, after tutorial T3. Top: a random training image with its label, "
    "ZCA-whitened, and shifted, turned and scaled at random. (a) Test accuracy after the last epoch: points are seeds, "
    "bars their means. (b) Gain over the baseline, seed by seed: mean and its 95 % Student t interval over n seeds. "
    "(c) Test accuracy after each epoch: means with 95 % Student t intervals; ticks mark where early stopping ends the "
    "baseline's runs. A seed has the same initial weights, batches and dropout in all cases."
)

_CURVES = {
    "baseline": (plotting.COLORS.black, "-"),
    "L2": (plotting.COLORS.blue, "--"),
    "L1": (plotting.COLORS.purple, ":"),
    "dropout": (plotting.COLORS.green, "-"),
    "ZCA + dropout": (plotting.COLORS.orange, "--"),
    "augmentation": (plotting.COLORS.vermillion, "-"),
}
_OTHER = "0.35"
_VERSIONS = {"original": 'label "{label}"', "whitened": "whitened"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw a sample of the images, the accuracies of all cases, and the curves of some."""
    versions = dict(zip(ascii_uppercase, dataset["version"].values, strict=False))
    with plotting.page([list(versions), "abc"], 5.2, height_ratios=(1, 3.6)) as (figure, panels):
        panels["b"].sharey(panels["a"])
        for letter, version in versions.items():
            _draw_sample(panels[letter], dataset, version)
        last = dataset.isel(epoch=-1)
        _draw_accuracies(panels["a"], last)
        _draw_gains(panels["b"], last)
        _draw_curves(panels["c"], dataset)
    return figure


def _draw_sample(axes: Axes, dataset: xr.Dataset, version: str) -> None:
    """One image: as it is, whitened or augmented."""
    picture = dataset["sample"].sel(version=version)
    axes.imshow(picture, cmap="gray_r", interpolation="nearest", vmin=0 if version != "whitened" else None)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(_VERSIONS.get(version, version).format(label=dataset.attrs["label"]), loc="center", fontsize=7)


def _color(case: str) -> str:
    return _CURVES.get(case, (_OTHER, ""))[0]


def _draw_accuracies(axes: Axes, last: xr.Dataset) -> None:
    """Every seed of every case as a point, and the means."""
    cases = last["case"].values
    summary = stats.mean(last, "test_accuracy", dim="seed")
    for place, case in enumerate(cases):
        values = last["test_accuracy"].where(~last["diverged"]).sel(case=case).dropna("seed").values
        jitter = 0.25 * np.linspace(-1, 1, max(len(values), 2))[: len(values)]
        axes.plot(values, place + jitter, ".", color=_color(case), markersize=2.5, alpha=0.45, markeredgewidth=0)
        axes.plot(summary["mean"].sel(case=case), place, "|", color=_color(case), markersize=13, markeredgewidth=1.8)
    axes.set(yticks=range(len(cases)), yticklabels=cases, ylim=(len(cases) - 0.5, -0.5))
    axes.set(xlabel=f"test accuracy, %\n{plotting.count_runs(summary, 'seeds')}")
    axes.set_title(last.attrs["title"])
    axes.tick_params(axis="y", length=0)


def _draw_gains(axes: Axes, last: xr.Dataset) -> None:
    """Paired differences from the baseline with their intervals."""
    axes.axvline(0, color="0.6", linewidth=0.8)
    looks = {case: {"color": _color(case)} for case in last["case"].values}
    against = partial(stats.paired_difference, axis="case", baseline="baseline")
    bars: dict[str, Any] = {"across": True, "markersize": 3.5, "elinewidth": 1.6}
    gain = plotting.points(axes, last, "test_accuracy", looks, measure=against, **bars)
    pairs = plotting.count_runs(gain.drop_sel(case="baseline"), "pairs")
    axes.set(xlabel=f"gain, percentage points\n{pairs}", title="Against the baseline")
    axes.tick_params(axis="y", length=0, labelleft=False)


def _draw_curves(axes: Axes, dataset: xr.Dataset) -> None:
    """Test accuracy over the epochs."""
    looks = {case: {"color": color, "linestyle": line} for case, (color, line) in _CURVES.items()}
    means = plotting.lines(axes, dataset, "test_accuracy", "epoch", looks, linewidth=1.1)["mean"].sel(
        case=list(_CURVES)
    )
    stops = dataset["last_epoch"].where(~dataset["diverged"].sel(case="baseline", drop=True))
    marks = stops.dropna("seed").values
    plotting.mark_runs(axes, marks, _CURVES["baseline"][0], height=0.03)
    top, low = float(means.max()), float(means.isel(epoch=slice(means.sizes["epoch"] // 5, None)).min())
    if np.isfinite([top, low]).all():
        span = max(top - low, 1.0)  # of all but the first few epochs; below is room for the legend
        axes.set_ylim(max(0.0, low - 0.85 * span), top + 0.2 * span)
    axes.set_title("In training")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.05))

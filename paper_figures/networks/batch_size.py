"""What the batch size changes: accuracy and loss at equal epochs and updates, the noise of gradients, time."""

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 over its batch size, the last being all images (batch learning). (a, b) Test accuracy "
    "at the end and (c) training loss, at equal epochs, at equal epochs with a learning rate in proportion to the "
    "batch size, and at equal updates, which alone leaves noise as the only difference; all at correct labels but (b). "
    "(d) Squared error of a batch's gradient, against what sampling without replacement lets expect (grey). (e) Cosine "
    "between a batch's gradient and that of all images with correct labels, and share of updates longer than three "
    "quarters of those of 16 images. (f) Time of an epoch of plain SGD, single measurements on one machine and their "
    "median. Lines are means, bands 95 % Student t intervals over n seeds (a–c) or n networks (d, e), of which each "
    "draws several batches."
)

_HEIGHT = 4.4
_COLORS = (plotting.COLORS.blue, plotting.COLORS.green, plotting.COLORS.vermillion)
_REGULAR, _IRREGULAR = plotting.COLORS.blue, plotting.COLORS.vermillion
_TUTORIAL_SIZES = (16, 32, 64)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw outcomes of training above, gradients and time below."""
    wrong = f"{100 * float(dataset['wrong'][1]):g} % wrong labels"
    with plotting.style():
        figure, panels = plt.subplots(2, 3, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        regular, irregular = (dataset.isel(wrong=k) for k in (0, 1))
        _draw_outcome(panels[0, 0], regular, "test_accuracy", "(a) Correct labels")
        _draw_outcome(panels[0, 1], irregular, "test_accuracy", f"(b) {wrong}")
        _draw_outcome(panels[0, 2], regular, "train_loss", "(c) Correct labels")
        _draw_error(panels[1, 0], dataset, wrong)
        _draw_direction(panels[1, 1], dataset)
        _draw_time(panels[1, 2], dataset)
        for axes in panels.flat:
            _mark_sizes(axes, dataset)
        for axes in panels[0, :2]:
            axes.set_ylim(0, 100)
        panels[0, 0].legend(loc="lower left", fontsize=6)
    return figure


def _draw_outcome(axes: Axes, runs: xr.Dataset, name: str, title: str) -> None:
    """Accuracy or loss over the batch size, for each protocol."""
    is_share = name.endswith("accuracy")
    summary = stats.mean(runs.assign({name: (100 if is_share else 1) * runs[name]}), name, dim="seed")
    for protocol, color in zip(runs["protocol"].values, _COLORS, strict=True):
        part = summary.sel(protocol=protocol)
        plotting.band(axes, "batch_size", part, label=str(protocol), color=color, marker="o", markersize=2.5)
    axes.set(title=title, ylabel="test accuracy, %" if is_share else "training loss, nats")
    axes.set_xlabel(f"images per step\n{plotting.count_runs(summary, 'seeds')}")


def _draw_error(axes: Axes, dataset: xr.Dataset, wrong: str) -> None:
    """Relative squared error of the gradient, measured and expected; that of all images is 0."""
    parts = dataset[["error", "expected"]].mean([d for d in ("draw",) if d in dataset["error"].dims])
    parts = parts.isel(batch_size=slice(-1))
    for number, (label, color) in enumerate((("correct labels", _REGULAR), (wrong, _IRREGULAR))):
        summary = stats.mean(parts.isel(wrong=number), "error", dim="network")
        expected = parts["expected"].isel(wrong=number).mean("network")
        axes.plot(expected["batch_size"], expected, color="0.6", linewidth=3, zorder=1)
        plotting.band(axes, "batch_size", summary, label=label, color=color, marker="o", markersize=2.5)
    axes.set(yscale="log", ylabel="squared error of gradient,\nrelative", title="(d) Gradient noise")
    _write_out(axes)
    axes.set_xlabel(f"images per step\n{plotting.count_runs(summary, 'networks')}")
    axes.legend(loc="lower left", fontsize=6)


def _draw_direction(axes: Axes, dataset: xr.Dataset) -> None:
    """Direction with wrong labels, and how rare large updates are with correct ones."""
    cosine = dataset[["cosine"]].isel(wrong=1).mean("draw")
    for runs, name, label, color in (
        (cosine, "cosine", "cosine to the right direction,\nwrong labels among the images", _IRREGULAR),
        (dataset[["long"]].isel(wrong=0), "long", "share of large updates,\ncorrect labels", _REGULAR),
    ):
        summary = stats.mean(runs, name, dim="network")
        plotting.band(axes, "batch_size", summary, label=label, color=color, marker="o", markersize=2.5)
    axes.set(ylim=(-0.05, 1.75), yticks=np.linspace(0, 1, 5), ylabel="cosine; share", title="(e) Updates")
    axes.set_xlabel(f"images per step\n{plotting.count_runs(summary, 'networks')}")
    axes.legend(loc="upper center", fontsize=6)


def _draw_time(axes: Axes, dataset: xr.Dataset) -> None:
    """Every measurement, and their median."""
    seconds = 1000 * dataset["seconds"].transpose("batch_size", "repeat")
    axes.plot(seconds["batch_size"], seconds, "o", color="0.7", markersize=2)
    axes.plot(seconds["batch_size"], seconds.median("repeat"), color="black", marker="o", markersize=2.5)
    axes.set(yscale="log", ylabel="milliseconds per epoch", title="(f) Time")
    _write_out(axes)
    axes.set_xlabel(f"images per step\nn = {seconds.sizes['repeat']} repeats")


def _write_out(axes: Axes) -> None:
    """Plain numbers along a logarithmic axis, between powers of ten only where there is less than a decade."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else "")
    axes.tick_params(axis="y", which="minor", labelsize=6)


def _mark_sizes(axes: Axes, dataset: xr.Dataset) -> None:
    """A logarithmic axis with the sizes as they are, and the tutorial's marked."""
    sizes = dataset["batch_size"].values
    for size in _TUTORIAL_SIZES:
        axes.axvline(size, color="0.8", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xscale("log")
    shown = sizes[:: max(1, len(sizes) // 6)]
    axes.set_xticks(shown, [f"{size:g}" for size in shown], fontsize=6)
    axes.set_xticks([], minor=True)

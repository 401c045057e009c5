"""What the batch size changes: accuracy and loss at equal epochs and updates, the noise of gradients, time."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting

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

_COLORS = (plotting.COLORS.blue, plotting.COLORS.green, plotting.COLORS.vermillion)
_REGULAR, _IRREGULAR = plotting.COLORS.blue, plotting.COLORS.vermillion


def draw(dataset: xr.Dataset) -> Figure:
    """Draw outcomes of training above, gradients and time below."""
    wrong = f"{100 * float(dataset['wrong'][1]):g} % wrong labels"
    with plotting.page("abc;def", 4.4) as (figure, panels):
        protocols = zip(dataset["protocol"].values, _COLORS, strict=True)
        looks: plotting.Looks = {str(name): {"color": color} for name, color in protocols}
        for letter, name, number in (("a", "test_accuracy", 0), ("b", "test_accuracy", 1), ("c", "train_loss", 0)):
            axes, runs = panels[letter], dataset.isel(wrong=number)
            plotting.lines(axes, runs, name, "batch_size", looks, marker="o", markersize=2.5)
            axes.set_title(wrong if number else "Correct labels")
        _draw_error(panels["d"], dataset, wrong)
        _draw_direction(panels["e"], dataset)
        _draw_time(panels["f"], dataset)
        for axes in panels.values():
            _mark_sizes(axes, dataset)
        for letter in "ab":
            panels[letter].set_ylim(0, 100)
        panels["a"].legend(loc="lower left", fontsize=6)
    return figure


def _draw_error(axes: Axes, dataset: xr.Dataset, wrong: str) -> None:
    """Relative squared error of the gradient, measured and expected; that of all images is 0."""
    runs = dataset[["error", "expected"]].isel(batch_size=slice(-1)).mean("draw")
    for number, label, color in ((0, "correct labels", _REGULAR), (1, wrong, _IRREGULAR)):
        part = runs.isel(wrong=number)
        expected = part["expected"].mean("network")
        axes.plot(expected["batch_size"], expected, color="0.6", linewidth=3, zorder=1)
        _over_sizes(axes, part, "error", label, color)
    axes.set(ylabel="squared error of gradient,\nrelative", title="Gradient noise")
    plotting.write_out(axes, "y")
    axes.legend(loc="lower left", fontsize=6)


def _draw_direction(axes: Axes, dataset: xr.Dataset) -> None:
    """Direction with wrong labels, and how rare large updates are with correct ones."""
    cosine = dataset[["cosine"]].isel(wrong=1).mean("draw")
    _over_sizes(axes, cosine, "cosine", "cosine to the right direction,\nwrong labels among the images", _IRREGULAR)
    rare = dataset[["long"]].isel(wrong=0) / 100
    _over_sizes(axes, rare, "long", "share of large updates,\ncorrect labels", _REGULAR)
    axes.set(ylim=(-0.05, 1.75), yticks=np.linspace(0, 1, 5), ylabel="cosine; share", title="Updates")
    axes.legend(loc="upper center", fontsize=6)


def _over_sizes(axes: Axes, runs: xr.Dataset, name: str, label: str, color: str) -> None:
    networks: dict[str, Any] = {"dim": "network", "of": "networks", "label": label, "color": color}
    plotting.lines(axes, runs, name, "batch_size", marker="o", markersize=2.5, **networks)


def _draw_time(axes: Axes, dataset: xr.Dataset) -> None:
    """Every measurement, and their median."""
    seconds = 1000 * dataset["seconds"].transpose("batch_size", "repeat")
    axes.plot(seconds["batch_size"], seconds, "o", color="0.7", markersize=2)
    axes.plot(seconds["batch_size"], seconds.median("repeat"), color="black", marker="o", markersize=2.5)
    axes.set(ylabel="milliseconds per epoch", title="Time")
    plotting.write_out(axes, "y")
    axes.set_xlabel(f"images per step\nn = {seconds.sizes['repeat']} repeats")


def _mark_sizes(axes: Axes, dataset: xr.Dataset) -> None:
    """A logarithmic axis with the sizes as they are, and the tutorial's marked."""
    sizes = dataset["batch_size"].values
    plotting.mark(axes, x=dataset.attrs["tutorial_sizes"])
    axes.set_xscale("log")
    shown = sizes[:: max(1, len(sizes) // 6)]
    axes.set_xticks(shown, [f"{size:g}" for size in shown], fontsize=6)
    axes.set_xticks([], minor=True)

"""Training and test accuracy with and without dropout, and the gap between them over rate and layer."""

from typing import Any

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 with dropout. Left: accuracy on training and test images after each epoch, without "
    "dropout and with rate 0.5 before the output, as in the tutorial. Middle: training minus test accuracy after the "
    "last epoch over the rate, for dropout on the inputs, on the first, the last, or every hidden layer; dots are what "
    "Keras would show for the last layer, where training accuracy is taken with dropout on. Right: change of the test "
    "accuracy from that without dropout, seed by seed. Lines are means over n seeds, bands their 95 % Student t "
    "intervals. But for the dots, dropout is off where accuracy is measured."
)

_HEIGHT = 2.9
_TUTORIAL_RATE = 0.5
_LAST = "last hidden"
_COLORS = {
    "input": plotting.COLORS.green,
    "first hidden": plotting.COLORS.orange,
    _LAST: plotting.COLORS.blue,
    "every hidden": plotting.COLORS.purple,
}
_MARKS = {"input": "o", "first hidden": "^", _LAST: "s", "every hidden": "D"}
_SETS: dict[str, Any] = {"train_accuracy": {"linestyle": "--"}, "test_accuracy": {"linestyle": "-"}}
_WITHOUT = plotting.COLORS.vermillion


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over epochs, and over rate and layer the gap and the change of test accuracy."""
    percent = 100 * dataset[["train_accuracy", "test_accuracy", "shown_accuracy"]]
    percent = percent.assign(diverged=dataset["diverged"])
    last = percent.isel(epoch=-1)
    last = last.assign(
        gap=last["train_accuracy"] - last["test_accuracy"], shown=last["shown_accuracy"] - last["test_accuracy"]
    )
    with plotting.style():
        figure, (curves, gap, gain) = plt.subplots(1, 3, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        _draw_curves(curves, percent.sel(position=_LAST))
        curves.set_title(f"(a) {dataset.attrs['title']}")
        _draw_gap(gap, last)
        _draw_gain(gain, last)
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset) -> None:
    """Accuracy on both sets over epochs, without dropout and with the tutorial's."""
    for rate, color in ((0.0, _WITHOUT), (_TUTORIAL_RATE, _COLORS[_LAST])):
        for name, look in _SETS.items():
            summary = stats.mean(runs.sel(rate=rate, method="nearest"), name, dim="seed")
            plotting.band(axes, "epoch", summary, color=color, **look)
    keys = [Line2D([], [], color=c, label=t) for c, t in ((_WITHOUT, "no dropout"), (_COLORS[_LAST], "dropout 0.5"))]
    keys += [
        Line2D([], [], color="0.3", label=t, **s) for s, t in zip(_SETS.values(), ("training", "test"), strict=True)
    ]
    axes.set(xlabel=f"epoch\n{_count(runs, 'test_accuracy')}", ylabel="accuracy, %")
    axes.legend(handles=keys, loc="lower right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_gap(axes: Axes, last: xr.Dataset) -> None:
    """Training minus test accuracy over the rate, for each position."""
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    for position, color in _COLORS.items():
        summary = stats.mean(last.sel(position=position), "gap", dim="seed")
        plotting.band(axes, "rate", summary, color=color, marker=_MARKS[position], markersize=3)
    shown = stats.mean(last.sel(position=_LAST), "shown", dim="seed")
    look: dict[str, Any] = {"color": _COLORS[_LAST], "linestyle": ":", "marker": "s", "markersize": 3}
    plotting.band(axes, "rate", shown, label="as Keras shows it\n(last hidden)", **look)
    axes.set(xlabel=f"dropout rate\n{_count(last, 'gap')}", ylabel="training minus test accuracy, points")
    axes.set_title("(b) Gap")
    axes.legend(loc="lower left")


def _draw_gain(axes: Axes, last: xr.Dataset) -> None:
    """Change of the test accuracy over the rate, for each position."""
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    gains = stats.paired_difference(last, "test_accuracy", "seed", "rate", 0.0)
    for position, color in _COLORS.items():
        gain = gains.sel(position=position)
        plotting.band(axes, "rate", gain, label=position, color=color, marker=_MARKS[position], markersize=3)
    axes.set(xlabel=f"dropout rate\n{_count(last, 'test_accuracy')}", ylabel="change of test accuracy, points")
    axes.set_title("(c) Test accuracy")
    axes.legend(loc="lower left", title="dropout on", title_fontsize=7)


def _count(runs: xr.Dataset, name: str) -> str:
    return plotting.count_runs(stats.mean(runs, name, dim="seed"), "seeds")

"""Training and test accuracy with and without dropout, and the gap between them over rate and layer."""

from functools import partial
from typing import Any

import xarray as xr
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

_COLORS = plotting.COLORS
_LAST = "last hidden"
_LOOKS: plotting.Looks = {
    "input": {"color": _COLORS.green, "marker": "o"},
    "first hidden": {"color": _COLORS.orange, "marker": "^"},
    _LAST: {"color": _COLORS.blue, "marker": "s"},
    "every hidden": {"color": _COLORS.purple, "marker": "D"},
}
_RATES: plotting.Looks = {
    0.0: {"color": _COLORS.vermillion, "label": "no dropout"},
    0.5: {"color": _COLORS.blue, "label": "dropout 0.5"},
}
_SETS: dict[str, Any] = {"training": "--", "test": "-"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over epochs, and over rate and layer the gap and the change of test accuracy."""
    with plotting.page("abc", 2.9) as (figure, panels):
        _draw_curves(panels["a"], dataset.sel(position=_LAST))
        panels["a"].set_title(dataset.attrs["title"])
        last = dataset.isel(epoch=-1)
        dotted = {"linestyle": ":", "label": "as Keras shows it\n(last hidden)"}
        for name, looks in (("shown", {_LAST: _LOOKS[_LAST] | dotted}), ("gap", _LOOKS)):
            plotting.lines(panels["b"], last, name, "rate", looks, markersize=3)
        panels["b"].set(ylabel="training minus test\naccuracy, points", title="Gap")
        panels["b"].legend(handles=panels["b"].lines[:1], loc="lower left")
        change = partial(stats.paired_difference, axis="rate", baseline=0.0)
        plotting.lines(panels["c"], last, "test_accuracy", "rate", _LOOKS, measure=change, markersize=3)
        panels["c"].set(ylabel="change of test\naccuracy, points", title="Test accuracy")
        panels["c"].legend(loc="lower left", title="dropout on", title_fontsize=7)
        for panel in "bc":
            plotting.mark(panels[panel], y=0)
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset) -> None:
    """Accuracy on both sets over epochs, without dropout and with the tutorial's."""
    for part, line in _SETS.items():
        name = "train_accuracy" if part == "training" else "test_accuracy"
        plotting.lines(axes, runs, name, "epoch", _RATES, linestyle=line)
    keys = [Line2D([], [], **look) for look in _RATES.values()]
    keys += [Line2D([], [], color="0.3", label=part, ls=line) for part, line in _SETS.items()]
    axes.set_ylabel("accuracy, %")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.legend(handles=keys, loc="lower right")

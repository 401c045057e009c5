"""Mislabelled digits found by influence and by loss, and what it is worth to leave them out."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting

CAPTION = (
    "Digits of which some have a wrong label, in order of what each does to the loss on other digits (influence), of "
    "its own loss after the training, and after a third of it. (a) The share of mislabelled ones among the first; the "
    "dotted lines are the best and a random order. (b) The share of mislabelled ones among as many first as there "
    "are. (c) Test accuracy of a network trained without these, less that with all digits, seed by seed. Bands and "
    "bars are 95 % Student t intervals of means over n seeds; every seed draws digits, wrong labels and training."
)

_LOOKS: plotting.Looks = {
    "influence": {"color": plotting.COLORS.vermillion},
    "loss": {"color": plotting.COLORS.blue},
    "early loss": {"color": plotting.COLORS.green},
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw what is found, how precisely, and what it is worth."""
    with plotting.page("abc", 2.7, width_ratios=(1.4, 1, 1)) as (figure, panels):
        _draw_found(panels["a"], dataset)
        _draw_points(panels["b"], dataset, "precision")
        panels["b"].set_title("Precision")
        panels["b"].axvline(dataset.attrs["wrong"], color="0.5", linewidth=0.8, linestyle=":")
        _draw_points(panels["c"], dataset.assign(worth=dataset["test_accuracy"] - dataset["accuracy_of_all"]), "worth")
        panels["c"].axvline(0, color="0.5", linewidth=0.8, linestyle=":")
        panels["c"].set(xlabel="gain in accuracy, points", title="Left out")
        panels["c"].tick_params(labelleft=False)
    return figure


def _draw_found(axes: Axes, dataset: xr.Dataset) -> None:
    """The share found over the share looked at."""
    plotting.lines(axes, dataset, "found", "looked_at", _LOOKS)
    ends = np.array([0.0, 100.0])
    axes.plot(ends, ends, ":", color="0.5", linewidth=0.8)
    axes.plot([0, dataset.attrs["wrong"], 100], [0, 100, 100], ":", color="0.5", linewidth=0.8)
    axes.set_title("Who is found first")
    axes.legend(loc="lower right")


def _draw_points(axes: Axes, dataset: xr.Dataset, name: str) -> None:
    """A mean with its interval for each ranking, and the seeds behind it."""
    plotting.points(axes, dataset, name, _LOOKS, across=True)
    for place, (ranking, look) in enumerate(_LOOKS.items()):
        runs = dataset[name].sel(ranking=ranking)
        axes.plot(runs, np.full(runs.size, place + 0.2), "|", color=look["color"], markersize=4, alpha=0.5)

"""Accuracy of the networks A, B and C of tutorial T5, with their sizes, and over the learning rate."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting
from jaxreg.study import at

CAPTION = (
    "The networks A, B and C of tutorial T5, with sigmoid, dropout before the output, and three epochs or as many "
    "steps. Left: test accuracy after the last epoch at the tutorial's learning rate, 0.1, with the number of "
    "parameters below each: large marks are means over n seeds with their 95 % Student t intervals, small ones "
    "single seeds (at most 64). Middle and right: the same over the learning rate, on pixels as they are and on "
    "pixels from 0 to 1; bands are 95 % Student t intervals of the mean; the dotted line marks the tutorial's "
    "rate. Dropout is off where accuracy is measured."
)

_SHOWN_SEEDS = 64
_LOOKS: plotting.Looks = {
    "A": {"color": plotting.COLORS.blue, "marker": "o"},
    "B": {"color": plotting.COLORS.vermillion, "marker": "^"},
    "C": {"color": plotting.COLORS.green, "marker": "s"},
}
_PIXELS = {"raw": "none", "scaled": "full"}
_TOP = 130  # above the highest accuracy possible: room for the legend


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy against size beside accuracy over the learning rate, for both kinds of pixels."""
    last, rate = dataset.isel(epoch=-1), dataset.attrs["tutorial_rate"]
    pixels = {"raw": f"ixels 0…{dataset.attrs['brightest']}", "scaled": "ixels 0…1"}
    with plotting.page("abc", 2.9, sharey=True, width_ratios=(1.2, 1, 1)) as (figure, panels):
        _draw_networks(panels["a"], at(last, learning_rate=rate), {k: f"p{words}" for k, words in pixels.items()})
        panels["a"].set_title(f"{dataset.attrs['title']}, learning rate {rate:g}")
        layers = {name: f"{name}: {dataset['layers'].sel(network=name).item()}" for name in _LOOKS}
        looks = {name: look | {"label": layers[name]} for name, look in _LOOKS.items()}
        for letter, (kind, words) in zip("bc", pixels.items(), strict=True):
            axes = panels[letter]
            plotting.lines(axes, last.sel(pixels=kind), "test_accuracy", "learning_rate", looks, markersize=3)
            plotting.mark(axes, x=rate, height=100 / _TOP)
            plotting.write_out(axes)
            axes.set(ylabel="", title=f"P{words}")
        panels["a"].set(ylim=(0, _TOP), yticks=range(0, 101, 20))
        panels["b"].legend(loc="upper left", ncols=1, handlelength=1.8, borderaxespad=0)
    return figure


def _draw_networks(axes: Axes, runs: xr.Dataset, pixels: dict[str, str]) -> None:
    """Means with their intervals, and single seeds, of each network; its size below its name."""
    sizes = {name: f"{name}\n{int(runs['parameters'].sel(network=name)):,}" for name in _LOOKS}
    looks = {name: look | {"label": sizes[name]} for name, look in _LOOKS.items()}
    for offset, (kind, fill) in zip((-0.16, 0.16), _PIXELS.items(), strict=True):
        of_it = runs.sel(pixels=kind)
        plotting.points(axes, of_it, "test_accuracy", looks, shift=offset, fillstyle=fill, markersize=5, capsize=2)
        singles = of_it["test_accuracy"].where(~of_it["diverged"]).isel(seed=slice(_SHOWN_SEEDS))
        for place, (name, look) in enumerate(_LOOKS.items()):
            beside = np.full(singles.sizes["seed"], place + offset + np.sign(offset) * 0.14)
            axes.plot(beside, singles.sel(network=name), look["marker"], color=look["color"], markersize=1.5, alpha=0.4)
        axes.plot([], [], "o", color="0.3", fillstyle=fill, label=pixels[kind])
    axes.set_xlabel(f"parameters\n{axes.get_xlabel()}")
    axes.legend(loc="upper left", borderaxespad=0)

"""Accuracy and loss of the network of tutorial T5 after each epoch, on training and on test images, raw and scaled."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 after each epoch, without dropout: accuracy and loss on training and on test images, "
    "on pixels as they are (a, b) and on pixels from 0 to 1 (c, d). Lines are means over n seeds, bands from the 5 % "
    "to the 95 % quantile of the seeds. Dotted lines mark the tutorial's 5, 10 and 60 epochs; since a shorter training "
    "is the beginning of a longer one, one population shows all three. Ticks above the epochs mark where single runs "
    "have their highest test accuracy or their lowest test loss; runs that have it at the last epoch are not marked."
)

_TICKS = (1, 2, 5, 10, 20, 60, 120, 240)
_LOOKS: plotting.Looks = {
    "train": {"label": "training", "color": plotting.COLORS.sky, "linestyle": "--"},
    "test": {"label": "test", "color": plotting.COLORS.vermillion},
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy and loss over the epochs, for both kinds of pixels."""
    pixels = {"raw": "pixels as they are", "scaled": "pixels 0…1"}
    with plotting.page("ab;cd", 4.4, sharex=True) as (figure, panels):
        for letters, (kind, words) in zip(("ab", "cd"), pixels.items(), strict=True):
            for letter, name in zip(letters, ("accuracy", "loss"), strict=True):
                _draw_curves(panels[letter], dataset.sel(pixels=kind), name)
                panels[letter].set_title(f"{dataset.attrs['title']}, {words}")
        count = plotting.count_runs(stats.mean(dataset, "test_loss", dim="seed"), "seeds")
        for above, below in ("ac", "bd"):
            panels[below].set_xlabel(f"epoch\n{count}")
            panels[below].sharey(panels[above])
            panels[above].set_xlabel("")
            panels[above].tick_params(labelbottom=False)
        panels["a"].set(ylim=(0, 103))
        panels["b"].set(yscale="log")
        panels["a"].legend(loc="lower left", bbox_to_anchor=(0, 0.08))
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset, kind: str) -> None:
    """Mean of the training and of the test curve, with the spread of the seeds, and where each run is at its best."""
    for part, look in _LOOKS.items():
        label = f"{runs.attrs[f'{part}_images']:,} {look['label']} images"
        look = look | {"label": label, "measure": plotting.mean_in_spread}
        plotting.lines(axes, runs, f"{part}_{kind}", "epoch", **look)
    axes.set_ylabel(f"{kind}, {runs[f'test_{kind}'].attrs['units']}")
    last = int(runs["epoch"][-1])
    ticks = [tick for tick in _TICKS if tick <= last]
    axes.set(xscale="log", xlim=(1, last), xticks=ticks, xticklabels=list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    plotting.mark(axes, x=runs.attrs["tutorial_epochs"])
    plotting.mark_runs(axes, runs[f"test_{kind}_turn"].dropna("seed").values, str(_LOOKS["test"]["color"]), height=0.04)

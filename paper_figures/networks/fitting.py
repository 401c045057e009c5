"""Under-, well- and over-fitted: loss over epochs, over the size of a network, and over the strength of L2."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "A network with one hidden layer on few training images, as tutorial T3 sketches it. Top: loss in training, of the "
    "smallest network, of the size with the least validation loss, and of the largest; the dotted line marks where the "
    "mean validation loss is least. Middle: loss, error and norm of all weights after the last epoch, over the number "
    "of hidden units. Bottom: the same for the largest network over the strength α of L2, which adds ½ α Σw² to the "
    "mean loss. Losses are without the penalty; dotted in (g): the loss of knowing nothing, ln 10. Lines are means "
    "over n seeds; bands are their 95 % Student t intervals, but in (a) to (c) from the 5 % to the 95 % quantile of "
    "the seeds."
)

_LOOKS: plotting.Looks = {
    "train": {"label": "training", "color": plotting.COLORS.sky, "linestyle": "--"},
    "validation": {"label": "validation", "color": plotting.COLORS.vermillion, "linestyle": "-"},
}
_KINDS = {"loss": "loss, nats", "error": "error, %", "weights": "norm of the weights"}
_FLOOR = 0.01  # nats; what a training loss does below is no matter here
_DOTS: dict[str, Any] = {"marker": "o", "markersize": 2.5}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the curves of three networks, and what becomes of all of them."""
    largest = dataset["units"] == dataset["units"].max()
    sizes = dataset.isel(case=np.flatnonzero(dataset["l2"] == 0)).swap_dims(case="units")
    strengths = dataset.isel(case=np.flatnonzero(largest)).swap_dims(case="l2")
    with plotting.page("abc;def;ghi", 5.9) as (figure, panels):
        _draw_three([panels[letter] for letter in "abc"], sizes)
        for letters, runs, what in (("def", sizes, "size"), ("ghi", strengths, "L2")):
            for letter, kind in zip(letters, _KINDS, strict=True):
                _draw_last(panels[letter], runs.isel(epoch=-1), kind)
                panels[letter].set_title(f"{kind.capitalize()} over {what}")
        count = plotting.count_runs(stats.mean(dataset, "train_loss", dim="seed"), "seeds")
        images = [f"{dataset.attrs[f'{part}_images']:,} {look['label']}" for part, look in _LOOKS.items()]
        figure.suptitle(f"{dataset.attrs['title']}: {' and '.join(images)} images; {count}", fontsize=8)
    return figure


def _draw_three(row: list[Axes], sizes: xr.Dataset) -> None:
    """Curves of the smallest, the best and the largest network, on one scale."""
    last = stats.mean(sizes.isel(epoch=-1), "validation_loss", dim="seed")["mean"]
    best = int(last.isel(units=slice(-1)).fillna(math.inf).argmin("units"))
    names = {0: "Under-fitted", best: "Well fitted", sizes.sizes["units"] - 1: "Over-fitted"}
    for axes, place in zip(row, (0, best, -1), strict=True):
        runs = sizes.isel(units=place)
        for part, look in _LOOKS.items():
            drawn = plotting.lines(axes, runs, f"{part}_loss", "epoch", measure=plotting.mean_in_spread, **look)
        plotting.mark(axes, x=int(drawn["epoch"][int(drawn["mean"].fillna(math.inf).argmin("epoch"))]))
        units = int(runs["units"])
        title = f"{names[place % sizes.sizes['units']]}: {units:,} unit{'s' * (units > 1)}"
        axes.set(yscale="log", xlabel="epoch", ylabel="", title=title)
    row[0].set_ylabel(_KINDS["loss"])
    row[0].legend(loc="lower left")
    limits = [axes.get_ylim() for axes in row]
    for axes in row:
        axes.set_ylim(max(min(low for low, _ in limits), _FLOOR), max(high for _, high in limits))


def _draw_last(axes: Axes, runs: xr.Dataset, kind: str) -> None:
    """One quantity after the last epoch, over sizes or strengths; strength 0 stands left of the others."""
    (dim,) = {"units", "l2"} & set(runs.dims)
    x = runs[dim].values.astype(float)
    if dim == "l2":
        x[0] = x[1] / 10
        axes.axvspan(x[0] / 3, x[0] * 3, color="0.93", linewidth=0)
    runs = runs.assign_coords({dim: x})
    if kind == "weights":
        plotting.lines(axes, runs, "weight_norm", dim, color=plotting.COLORS.black, **_DOTS)
    else:
        for part, look in _LOOKS.items():
            plotting.lines(axes, runs, f"{part}_{kind}", dim, **look, **_DOTS)
    axes.set(xscale="log", xlabel="hidden units" if dim == "units" else "strength α of L2", ylabel=_KINDS[kind])
    if kind == "error":
        axes.set_ylim(0, 100)
    elif not (kind == "weights" and dim == "units"):
        axes.set_yscale("log")
    if dim == "units":
        axes.set(xticks=x, xticklabels=[f"{units:g}" for units in x])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        decades = [10.0**k for k in range(math.ceil(math.log10(x[1])), math.floor(math.log10(x[-1])) + 1, 2)]
        labels = [f"$10^{{{round(math.log10(decade))}}}$" for decade in decades]
        axes.set(xticks=[x[0], *decades], xticklabels=["0", *labels])
        axes.xaxis.set_minor_locator(NullLocator())
        if kind == "loss":
            axes.axhline(math.log(10), color="0.6", linewidth=0.8, linestyle=":", zorder=0)

"""A network tuned by gradients, by random search and by halving, at as many steps of training."""

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "A network on digits whose strengths of L2 of each layer, rate of dropout and learning rate in each quarter of the "
    "training are tuned from n seeds. (a) The least validation loss after so many trainings; a gradient is four. "
    "(b) Loss on digits that none has seen, less that of random search, seed by seed. (c) What each method finds, over "
    "the start: factors of the rate, dropout and strengths, geometric means. Bands and bars are 95 % Student t "
    "intervals of means over the seeds."
)

_LOOKS: plotting.Looks = {
    "gradient": {"color": plotting.COLORS.vermillion},
    "random search": {"color": plotting.COLORS.blue, "label": "random"},
    "halving": {"color": plotting.COLORS.green},
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the way of each search, what it is worth, and what it found."""
    with plotting.page("abc", 2.9, width_ratios=(1.2, 0.9, 1.3)) as (figure, panels):
        _draw_way(panels["a"], dataset)
        _draw_worth(panels["b"], dataset)
        _draw_found(panels["c"], dataset)
    return figure


def _draw_way(axes: Axes, dataset: xr.Dataset) -> None:
    """The least loss so far."""
    plotting.lines(axes, dataset, "on_the_way", "trained", _LOOKS)
    halving = stats.mean(dataset.sel({"method": "halving"}), "validation_loss", "seed")
    last = int(dataset["trained"][-1])
    axes.plot(last, float(halving["mean"]), "o", label="halving, at its end", clip_on=False, **_LOOKS["halving"])
    axes.set(ylabel="least validation loss, nats", title="On the way")
    axes.legend(loc="upper right")


def _draw_worth(axes: Axes, dataset: xr.Dataset) -> None:
    """Test loss against random search."""
    looks = {name: _LOOKS[name] for name in ("gradient", "halving")}
    against = partial(stats.paired_difference, axis="method", baseline="random search")
    plotting.points(axes, dataset, "test_loss", looks, across=True, measure=against)
    for place, (name, look) in enumerate(looks.items()):
        runs = dataset["test_loss"].sel({"method": name}) - dataset["test_loss"].sel({"method": "random search"})
        axes.plot(runs, np.full(runs.size, place + 0.15), "|", markersize=4, alpha=0.5, **look)
    axes.axvline(0, linewidth=1, **_LOOKS["random search"])
    axes.set(xlabel="test loss less that of\nrandom search, nats", title="Worth")


def _draw_found(axes: Axes, dataset: xr.Dataset) -> None:
    """The hyperparameters that are found, over the start."""
    names = [str(name) for name in dataset["name"].values]
    start = dataset["hyperparameter"].sel({"method": "untuned"}, drop=True)
    logs = dataset.assign(log=np.log10(dataset["hyperparameter"] / start))
    for shift, (name, look) in zip((-0.2, 0, 0.2), _LOOKS.items(), strict=True):
        summary = stats.mean(logs.sel({"method": name}), "log", "seed")
        places = np.arange(len(names)) + shift
        plotting.bars(axes, places, summary, across=True, markersize=3, elinewidth=0.8, **look)
    axes.axvline(0, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="decades over the start", title="What is found")

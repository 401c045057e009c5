"""Early stopping of tutorial T3: where the curves turn, how long each rule trains, and what that costs."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "Early stopping of the network of tutorial T3, every rule on the same trainings. (a) Loss after each epoch, down "
    "to a twentieth of the lowest of validation; the dotted line marks where its mean turns. (b) Epochs trained over "
    "the patience, as Keras counts it, for min_delta 0; the cross is the one run of T3, dashed the whole training. "
    "(c) Test accuracy of the weights that a rule keeps minus that at the end of the training, over the epochs trained "
    "in the mean, for every patience and min_delta, in the colours of (b); the rule of T3 is ringed. Lines and dots "
    "are means over n seeds; bands in (a) and bars in (c) are 95 % Student t intervals, in (c) of the paired "
    "difference; bands in (b) hold the seeds from the 5 % to the 95 % quantile."
)

_TUTORIAL: dict[str, Any] = {"monitor": "accuracy", "patience": 2, "min_delta": 0.0}
_SHOWN = 20  # the training loss falls on and on: below this part of the lowest validation loss, it is not shown
_COLORS = plotting.COLORS
_LOSSES: plotting.Looks = {
    "train": {"label": "training", "color": _COLORS.black},
    "validation": {"label": "validation", "color": _COLORS.purple},
}
_MONITORS: plotting.Looks = {
    "accuracy": {"label": "validation accuracy", "color": _COLORS.blue},
    "loss": {"label": "validation loss", "color": _COLORS.vermillion},
}
_KEPT = {"last": {"marker": "o"}, "best": {"marker": "^", "markerfacecolor": "white"}}
_HINT: dict[str, Any] = {"fontsize": 6, "color": "0.3", "ha": "right", "va": "top"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the losses, the epochs trained, and the accuracy gained or lost."""
    with plotting.page("abc", 2.8, width_ratios=(1, 1, 1.15)) as (figure, panels):
        _draw_losses(panels["a"], dataset)
        _draw_epochs(panels["b"], dataset.sel(min_delta=0.0))
        _draw_gains(panels["c"], dataset)
    return figure


def _draw_losses(axes: Axes, dataset: xr.Dataset) -> None:
    """Mean training and validation loss, and where the latter is lowest."""
    drawn = {part: plotting.lines(axes, dataset, f"{part}_loss", "epoch", **look) for part, look in _LOSSES.items()}
    means = {part: summary["mean"] for part, summary in drawn.items()}
    axes.set(yscale="log", ylabel="loss, nats", title=dataset.attrs["title"])
    low, high = float(means["validation"].min()), max(float(mean.max()) for mean in means.values())
    if np.isfinite([low, high]).all():  # some run did not diverge
        turn = int(means["validation"].idxmin("epoch"))
        plotting.mark(axes, x=turn)
        axes.annotate(f"turns at {turn}", (turn, 1), (-2, -1), ("data", "axes fraction"), "offset points", **_HINT)
        axes.set_ylim(low / _SHOWN, 1.2 * high)
    axes.legend(loc="upper right")


def _draw_epochs(axes: Axes, dataset: xr.Dataset) -> None:
    """Epochs trained over the patience, for either monitor."""
    dots: dict[str, Any] = {"marker": "o", "markersize": 3}
    plotting.lines(axes, dataset, "last_epoch", "patience", _MONITORS, measure=plotting.mean_in_spread, **dots)
    tutorial = (_TUTORIAL["patience"], dataset.attrs["tutorial_epochs"])
    axes.plot(*tutorial, "x", color="black", markersize=6, markeredgewidth=1.4, zorder=5)
    axes.annotate("T3", tutorial, (5, -5), textcoords="offset points", fontsize=6)
    end = int(dataset["epoch"][-1])
    axes.axhline(end, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    axes.set(ylim=(0, 1.35 * end), ylabel="epochs trained", title="When it stops")
    axes.set_xticks(dataset["patience"].values)
    axes.legend(loc="upper left", title="monitor", alignment="left", title_fontsize=7)


def _draw_gains(axes: Axes, dataset: xr.Dataset) -> None:
    """What every rule gains over training to the end, over the epochs that it trains."""
    gains = stats.paired_difference(dataset, "kept_accuracy", "seed", "kept", "end")
    epochs = stats.mean(dataset, "last_epoch", dim="seed")["mean"]
    for name, monitor in _MONITORS.items():
        for kept, look in _KEPT.items():
            rules = gains.sel(monitor=name, kept=kept).stack(rule=("patience", "min_delta"))
            label = f"{kept} weights" if name == "accuracy" else None
            style = {"color": monitor["color"], "markersize": 3, "elinewidth": 0.6, "alpha": 0.8} | look
            plotting.bars(axes, epochs.sel(monitor=name).values.ravel(), rules, label=label, **style)
    ringed = gains.sel(_TUTORIAL).sel(kept="last")["difference"]
    ring: dict[str, Any] = {"markersize": 9, "color": "black", "fillstyle": "none", "markeredgewidth": 0.9}
    axes.plot(epochs.sel(_TUTORIAL), ringed, "o", label="rule of T3", zorder=6, **ring)
    axes.axhline(0, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    count = plotting.count_runs(gains.sel(kept=list(_KEPT)), "seeds").replace(" (", "\n(")
    axes.set(xlabel=f"epochs trained, mean\n{count}", ylabel="test accuracy gained, points", title="What it costs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")

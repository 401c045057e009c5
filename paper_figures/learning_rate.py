"""Accuracy of the network of tutorial T5 over its learning rate, on raw and on scaled pixels; its learning curves."""

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "The network of tutorial T5 over its learning rate. Left: test accuracy after the last epoch, on pixels as they "
    "are and on pixels from 0 to 1; dotted lines mark the three learning rates of the tutorial. Right: test loss after "
    "each epoch at these three, on pixels as they are. Thick lines are means over n seeds, "
    "bands their 95 % Student t intervals, thin lines single seeds (at most 32), which share initial weights, batches "
    "and dropout across learning rates. Accuracy and loss are without dropout."
)

_TUTORIAL_RATES = (0.01, 0.1, 1.0)
_HEIGHT = 2.8
_TOP = 1.14  # of the height that the curves need: room for the legend above them
_LOOKS = {"raw": plotting.COLORS.blue, "scaled": plotting.COLORS.vermillion}
_RATE_COLORS = (plotting.COLORS.purple, plotting.COLORS.black, plotting.COLORS.green)
_NAMES = {"digits": "Digits", "mnist": "MNIST"}
_SHOWN_SEEDS = 32


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over the learning rate beside loss over epochs."""
    with plotting.style():
        figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT), width_ratios=(1.25, 1))
        _draw_accuracy(accuracy, dataset.isel(epoch=-1))
        _draw_loss(loss, dataset.sel(pixels="raw"))
    return figure


def _draw_accuracy(axes: Axes, dataset: xr.Dataset) -> None:
    """Accuracy after the last epoch: every seed faintly, their mean with its band."""
    labels = {"raw": f"pixels 0…{dataset.attrs['brightest']}, as they are", "scaled": "pixels 0…1"}
    dataset = dataset.assign(percent=100 * dataset["test_accuracy"])
    for pixels, color in _LOOKS.items():
        runs = dataset.sel(pixels=pixels)
        _draw_population(axes, "learning_rate", runs, "percent", labels[pixels], color)
    for rate in _TUTORIAL_RATES:
        axes.axvline(rate, ymax=1 / _TOP, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.annotate("T5", (rate, 0), (2, 2), textcoords="offset points", fontsize=6, color="0.4")
    count = plotting.count_runs(stats.mean(dataset, "percent", dim="seed"), "seeds")
    name = _NAMES.get(dataset.attrs["dataset"], dataset.attrs["dataset"])
    axes.set(xscale="log", ylim=(0, 100 * _TOP), yticks=range(0, 101, 20))
    axes.set(xlabel=f"learning rate\n{count}", ylabel="test accuracy, %")
    axes.set_title(f"(a) {name}, after {int(dataset['epoch'])} epochs")
    axes.legend(loc="upper left", ncols=2)


def _draw_loss(axes: Axes, dataset: xr.Dataset) -> None:
    """Loss after each epoch at the tutorial's three learning rates."""
    dataset = dataset.sel(learning_rate=list(_TUTORIAL_RATES), method="nearest")
    for place, color in enumerate(_RATE_COLORS):
        runs = dataset.isel(learning_rate=place)
        _draw_population(axes, "epoch", runs, "test_loss", f"rate {float(runs['learning_rate']):g}", color)
    count = plotting.count_runs(stats.mean(dataset, "test_loss", dim="seed"), "seeds")
    axes.set(ylim=(0, _TOP * axes.get_ylim()[1]), xlabel=f"epoch\n{count}", ylabel="test loss, nats")
    axes.set_title("(b) Pixels as they are")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", ncols=3, columnspacing=1)


def _draw_population(axes: Axes, x: str, runs: xr.Dataset, name: str, label: str, color: str) -> None:
    """The first few seeds as thin lines, and the mean of all with its band."""
    lines = runs[name].isel(seed=slice(_SHOWN_SEEDS)).transpose(x, "seed")
    axes.plot(lines[x], lines, color=color, linewidth=0.3, alpha=0.35)
    summary = stats.mean(runs, name, dim="seed")
    plotting.band(axes, x, summary, label=label, color=color, marker="o", markersize=2.5)

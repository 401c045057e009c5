"""The four regimes of the learning rate on a parabola, and accuracy and loss of the network of tutorial T5."""

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "The learning rate η. (a) Gradient descent on a parabola of curvature h, at one rate of each regime. (b) Steps "
    "until its distance from the minimum stays below 1 % of the first one: descent (points) and the exact count (grey "
    "line), which ends at 2/h. The regimes have the colours of (a); their borders at 1/h and 2/h are exact, that at "
    "1/(2h) is a convention. (c, d) The network of tutorial T5: test accuracy after the last epoch, on pixels as they "
    "are and on pixels from 0 to 1, dotted lines marking the tutorial's three learning rates; test loss after each "
    "epoch at these three and at the largest rate, on pixels as they are. In (c, d) thick lines are means over n "
    "seeds, bands their 95 % Student t intervals, thin lines single seeds (at most 32), which share initial weights, "
    "batches and dropout across learning rates. Accuracy and loss are without dropout."
)

_TUTORIAL_RATES = (0.01, 0.1, 1.0)
_HEIGHT = 5.0
_TOP = 1.14  # of the height that the curves need: room for the legend above them
_LOOKS = {"raw": plotting.COLORS.blue, "scaled": plotting.COLORS.vermillion}
_RATE_COLORS = (plotting.COLORS.purple, plotting.COLORS.black, plotting.COLORS.green, plotting.COLORS.vermillion)
_ROOM = 0.25  # of the decades that the losses span: room for the legend above them
_SHOWN_SEEDS = 32
_REGIMES = (plotting.COLORS.purple, plotting.COLORS.green, plotting.COLORS.orange, plotting.COLORS.vermillion)
_LIMITS = (0.5, 1.0, 2.0)  # of the regimes, in units of 1/h
_SHOWN_STEPS = 12
_ARRIVED = 0.01


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the regimes above; below, accuracy over the learning rate beside loss over epochs."""
    with plotting.style():
        figure, panels = plt.subplots(2, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT), width_ratios=(1.25, 1))
        (paths, steps), (accuracy, loss) = panels
        _draw_paths(paths, dataset)
        _draw_steps(steps, dataset)
        _draw_accuracy(accuracy, dataset.isel(epoch=-1))
        _draw_loss(loss, dataset.sel(pixels="raw"))
    return figure


def _draw_paths(axes: Axes, dataset: xr.Dataset) -> None:
    """Weight after each step at one rate of each regime."""
    shown = dataset.isel(step=slice(_SHOWN_STEPS + 1))
    for name, color in zip(dataset["regime"].values, _REGIMES, strict=True):
        path = shown.sel(regime=name)
        scaled = float(path["regime_rate"] * dataset["curvature"])
        axes.plot(path["step"], path["weight"], "o-", color=color, markersize=2.5, label=f"{name}: {scaled:.1f}/h")
    axes.axhline(0, color="0.8", linewidth=0.7, zorder=0)
    axes.set(
        xlabel="step", ylabel="distance from the minimum,\nsigned, first = 1", ylim=(-3.4, 5.4), yticks=range(-3, 4)
    )
    axes.set_title("(a) Descent on a parabola, η in units of 1/h")
    axes.legend(loc="upper left", ncols=2, columnspacing=1)


def _draw_steps(axes: Axes, dataset: xr.Dataset) -> None:
    """Steps that descent takes over the learning rate, with the exact count and the limits of the regimes."""
    scaled = (dataset["parabola_rate"] * dataset["curvature"]).values
    low, high = scaled.min() / 1.1, scaled.max() * 1.1
    edges = (low, *_LIMITS, high)
    for left, right, color in zip(edges[:-1], edges[1:], _REGIMES, strict=True):
        axes.axvspan(left, right, color=color, alpha=0.15, linewidth=0, zorder=0)
    fine = np.geomspace(low, _LIMITS[2] * 0.9999, 2000)
    exact = np.ceil(np.log(_ARRIVED) / np.log(np.maximum(abs(1 - fine), 1e-9)))
    axes.plot(fine, np.maximum(exact, 1), color="0.6", linewidth=3, zorder=1)
    steps = dataset["parabola_steps"].values
    arrives = np.isfinite(steps)
    axes.plot(scaled[arrives], steps[arrives], "o", color="black", markersize=2)
    for limit, text in zip(_LIMITS[1:], ("1/h", "2/h"), strict=True):
        axes.axvline(limit, color="black", linewidth=0.8, linestyle="--", zorder=0)
        axes.annotate(
            text, (limit, 1), (2, -8), xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7
        )
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.8, 2 * dataset.sizes["step"]))
    axes.set(xlabel="learning rate η, in units of 1/h", ylabel="steps to 1 %", title="(b) Steps to the minimum")
    axes.set_xticks([0.1, 0.5, 1, 2], ["0.1", "0.5", "1", "2"])
    axes.set_xticks([], minor=True)


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
    name = dataset.attrs["title"]
    axes.set(xscale="log", ylim=(0, 100 * _TOP), yticks=range(0, 101, 20))
    axes.set(xlabel=f"learning rate\n{count}", ylabel="test accuracy, %")
    axes.set_title(f"(c) {name}, after {int(dataset['epoch'])} epochs")
    axes.legend(loc="upper left", ncols=2)


def _draw_loss(axes: Axes, dataset: xr.Dataset) -> None:
    """Loss after each epoch at the tutorial's three learning rates and at the largest of all."""
    rates = dataset["learning_rate"].values
    shown = [*_TUTORIAL_RATES, *([rates.max()] if rates.max() > max(_TUTORIAL_RATES) else [])]
    dataset = dataset.sel(learning_rate=shown, method="nearest")
    for place in range(len(shown)):
        runs = dataset.isel(learning_rate=place)
        label = f"rate {float(runs['learning_rate']):g}"
        _draw_population(axes, "epoch", runs, "test_loss", label, _RATE_COLORS[place])
    count = plotting.count_runs(stats.mean(dataset, "test_loss", dim="seed"), "seeds")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set(ylim=(low, high * (high / low) ** _ROOM), xlabel=f"epoch\n{count}", ylabel="test loss, nats")
    axes.set_title("(d) Pixels as they are")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.legend(loc="upper left", ncols=2, columnspacing=1)


def _draw_population(axes: Axes, x: str, runs: xr.Dataset, name: str, label: str, color: str) -> None:
    """The first few seeds as thin lines, and the mean of all with its band."""
    lines = runs[name].isel(seed=slice(_SHOWN_SEEDS)).transpose(x, "seed")
    axes.plot(lines[x], lines, color=color, linewidth=0.3, alpha=0.35)
    summary = stats.mean(runs, name, dim="seed")
    plotting.band(axes, x, summary, label=label, color=color, marker="o", markersize=2.5)

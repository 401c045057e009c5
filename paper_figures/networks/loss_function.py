"""Mean squared error and cross-entropy: worked example, slope, and accuracy of the network of tutorial T5."""

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxreg import plotting, stats

CAPTION = (
    "Two losses of a classifier. (a) Worked example: the probabilities predicted for three images of three classes, "
    "the right one of each filled, and below them both losses of each image and their means. (b) Both losses of two "
    "classes and the size of their gradient in the logit of the right class, over the probability given to it: that of "
    "the squared error vanishes where the network is sure and wrong. (c) Test accuracy of the network of tutorial T5 "
    "after the last epoch over the learning rate, dotted where the tutorial's is; (d) after each epoch, each loss at "
    "its best rate, chosen on the even seeds and shown on the odd ones. Bands are 95 % Student t intervals of means "
    "over n seeds, which share initial weights, batches and dropout."
)

_HEIGHT = 5.0
_LOOKS = {
    "cross_entropy": ("cross-entropy", plotting.COLORS.blue),
    "mean_squared_error": ("mean squared error", plotting.COLORS.vermillion),
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw example and slopes above, accuracy over the rate and over epochs below."""
    runs = dataset[["test_accuracy", "diverged", "best_rate"]]
    runs = runs.assign(percent=100 * runs["test_accuracy"])
    with plotting.style():
        figure, panels = plt.subplots(2, 2, figsize=(plotting.PAGE_WIDTH, _HEIGHT))
        _draw_example(panels[0, 0], dataset)
        _draw_slopes(panels[0, 1], dataset)
        _draw_rates(panels[1, 0], runs.isel(epoch=-1), dataset.attrs["title"])
        _draw_epochs(panels[1, 1], runs)
    return figure


def _draw_example(axes: Axes, dataset: xr.Dataset) -> None:
    """Predicted probabilities as bars, the right class filled, and the losses below."""
    images, classes = dataset.sizes["image"], dataset.sizes["class"]
    for image in range(images):
        one = dataset.isel(image=image)
        for number in range(classes):
            is_right = float(one["target"][number]) == 1
            height = float(one["prediction"][number])
            x = image + 0.26 * (number - (classes - 1) / 2)
            face = plotting.COLORS.green if is_right else "white"
            axes.bar(x, height, 0.22, facecolor=face, edgecolor="0.3", linewidth=0.7)
            axes.text(x, height + 0.02, f"{height:g}", ha="center", fontsize=6)
    lines = []
    for image in range(images):
        cross, squared = (float(dataset["example_loss"].sel(loss=kind)[image]) for kind in _LOOKS)
        lines.append(f"{cross:.3f}\n{squared:.4f}")
    axes.set_xticks(range(images), lines, fontsize=7)
    means = [float(dataset["example_loss"].sel(loss=kind).mean()) for kind in _LOOKS]
    axes.set_xlabel(f"cross-entropy, nats (mean {means[0]:.3f});\nmean squared error (mean {means[1]:.4f})")
    axes.set(ylim=(0, 1), ylabel="predicted probability", title="(a) Worked example, one-hot targets")
    axes.set_xlim(-0.55, images - 0.45)


def _draw_slopes(axes: Axes, dataset: xr.Dataset) -> None:
    """Both losses, and their gradients' sizes dashed, over the probability of the right class."""
    for kind, (label, color) in _LOOKS.items():
        one = dataset.sel(loss=kind)
        axes.plot(one["probability"], one["value"], color=color, label=label)
        axes.plot(one["probability"], abs(one["gradient"]), color=color, linestyle="--", label="  size of its gradient")
    axes.set(ylim=(0, 2.5), xlim=(0, 1), xlabel="probability of the right class", ylabel="loss; gradient in the logit")
    axes.set_title("(b) Two classes")
    axes.legend(loc="upper right")


def _draw_rates(axes: Axes, last: xr.Dataset, name: str) -> None:
    """Accuracy over the learning rate."""
    for kind, (label, color) in _LOOKS.items():
        summary = stats.mean(last.sel(loss=kind), "percent", dim="seed")
        plotting.band(axes, "learning_rate", summary, label=label, color=color, marker="o", markersize=2.5)
    rate = last.attrs["tutorial_rate"]
    axes.axvline(rate, ymax=100 / 125, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.annotate("T5", (rate, 0), (2, 2), textcoords="offset points", fontsize=6, color="0.4")
    count = plotting.count_runs(stats.mean(last, "percent", dim="seed"), "seeds")
    axes.set(xscale="log", ylim=(0, 125), yticks=range(0, 101, 20))
    axes.set(xlabel=f"learning rate\n{count}", ylabel="test accuracy, %")
    axes.set_title(f"(c) {name}, after {int(last['epoch'])} epochs")
    axes.legend(loc="upper left", ncols=2)


def _draw_epochs(axes: Axes, runs: xr.Dataset) -> None:
    """Accuracy after each epoch at the best rates, on the seeds that these were not chosen on."""
    odd = runs.isel(seed=slice(1, None, 2))
    for kind, (label, color) in _LOOKS.items():
        rate = float(runs["best_rate"].sel(loss=kind))
        summary = stats.mean(odd.sel(loss=kind).sel(learning_rate=rate, method="nearest"), "percent", dim="seed")
        plotting.band(
            axes, "epoch", summary, label=f"{label}, rate {rate:.2g}", color=color, marker="o", markersize=2.5
        )
    axes.set(xlabel=f"epoch\n{plotting.count_runs(summary, 'seeds')}", ylabel="test accuracy, %")
    axes.set_title("(d) Each at its best rate")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")

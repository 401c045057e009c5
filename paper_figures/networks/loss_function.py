"""Mean squared error and cross-entropy: worked example, slope, and accuracy of the network of tutorial T5."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting
from jaxreg.study import at, held_out

CAPTION = (
    "Two losses of a classifier. (a) Worked example: the probabilities predicted for three images of three classes, "
    "the right one of each filled, and below them both losses of each image and their means. (b) Both losses of two "
    "classes and the size of their gradient in the logit of the right class, over the probability given to it: that of "
    "the squared error vanishes where the network is sure and wrong. (c) Test accuracy of the network of tutorial T5 "
    "after the last epoch over the learning rate, dotted where the tutorial's is; (d) after each epoch, each loss at "
    "its best rate, chosen on the even seeds and shown on the odd ones. Bands are 95 % Student t intervals of means "
    "over n seeds, which share initial weights, batches and dropout."
)

_LOOKS: plotting.Looks = {
    "cross_entropy": {"label": "cross-entropy", "color": plotting.COLORS.blue},
    "mean_squared_error": {"label": "mean squared error", "color": plotting.COLORS.vermillion},
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw example and slopes above, accuracy over the rate and over epochs below."""
    with plotting.page("ab;cd", 5.0) as (figure, panels):
        _draw_example(panels["a"], dataset)
        _draw_slopes(panels["b"], dataset)
        axes, last = panels["c"], dataset.isel(epoch=-1)
        plotting.lines(axes, last, "test_accuracy", "learning_rate", _LOOKS, marker="o", markersize=2.5)
        plotting.mark(axes, x=dataset.attrs["tutorial_rate"], text="T5", height=0.8)
        axes.set(xscale="log", ylim=(0, 125), yticks=range(0, 101, 20))
        axes.set_title(f"{dataset.attrs['title']}, after {int(last['epoch'])} epochs")
        axes.legend(loc="upper left", ncols=2)
        axes, best = panels["d"], at(held_out(dataset), learning_rate="best_rate")
        rates = {str(kind): float(best["best_rate"].sel(loss=kind)) for kind in best["loss"].values}
        looks = {k: look | {"label": f"{look['label']}, rate {rates[k]:.2g}"} for k, look in _LOOKS.items()}
        plotting.lines(axes, best, "test_accuracy", "epoch", looks, marker="o", markersize=2.5)
        axes.set_title("Each at its best rate")
        axes.legend(loc="lower right")
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
    losses = []
    for image in range(images):
        cross, squared = (float(dataset["example_loss"].sel(loss=kind)[image]) for kind in _LOOKS)
        losses.append(f"{cross:.3f}\n{squared:.4f}")
    axes.set_xticks(range(images), losses, fontsize=7)
    means = [float(dataset["example_loss"].sel(loss=kind).mean()) for kind in _LOOKS]
    axes.set_xlabel(f"cross-entropy, nats (mean {means[0]:.3f});\nmean squared error (mean {means[1]:.4f})")
    axes.set(ylim=(0, 1), ylabel="predicted probability", title="Worked example, one-hot targets")
    axes.set_xlim(-0.55, images - 0.45)


def _draw_slopes(axes: Axes, dataset: xr.Dataset) -> None:
    """Both losses, and their gradients' sizes dashed, over the probability of the right class."""
    for kind, look in _LOOKS.items():
        one = dataset.sel(loss=kind)
        axes.plot(one["probability"], one["value"], **look)
        axes.plot(one["probability"], abs(one["gradient"]), **look | {"ls": "--", "label": "  size of its gradient"})
    axes.set(ylim=(0, 2.5), xlim=(0, 1), xlabel="probability of the right class", ylabel="loss; gradient in the logit")
    axes.set_title("Two classes")
    axes.legend(loc="upper right")

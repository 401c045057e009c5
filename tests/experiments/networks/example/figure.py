"""Accuracy of the network of tutorial T5 after each epoch, by its initial weights."""

import xarray as xr
from matplotlib.figure import Figure

from jaxreg import plotting

CAPTION = (
    "Test accuracy of the network of tutorial T5 after each epoch, by its initial weights: means over n seeds, which "
    "share batches and dropout, with their 95 % Student t intervals."
)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw accuracy over the epochs."""
    with plotting.page("a", 2.4, width=plotting.COLUMN_WIDTH) as (figure, panels):
        looks: plotting.Looks = {str(name): {} for name in dataset["initializer"].values}
        plotting.lines(panels["a"], dataset, "test_accuracy", "epoch", looks, marker="o", markersize=2.5)
        panels["a"].set_title(dataset.attrs["title"])
        panels["a"].legend(loc="lower right")
    return figure

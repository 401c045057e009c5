"""The scatter of accuracy over seeds: where it comes from, what it is made of, and how many seeds it asks for."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from jaxreg import plotting, stats

CAPTION = (
    "Test accuracy of the network of tutorial T5 over seeds. (a) Variance components from runs in which every initial "
    "weights met every order of the batches and every dropout stream; × marks interactions, the last bar is what all "
    "three leave; bars are estimates ± one standard error, which may lie below 0. (b) The variance over independent "
    "seeds at four settings, split exactly into what it would be if every test image were a coin of its own, Σ p(1 - p)"
    "/n² (with R/(R - 1) for R seeds), and the covariances of images; whiskers are 95 % χ² intervals of the whole. "
    "Seeds of either setting, at least 1, that show a difference from T5 with probability 80 % at the 5 % level: "
    "with seeds of their own (black, mean of the settings; dashed for 10,000 test images, by the parts in (b)), or "
    "with seeds in common (dotted)."
)

_SOURCES = ("init_seed", "order_seed", "dropout_seed")
_BASELINE = "T5"
_PARTS = {
    "bernoulli": ("coins", plotting.COLORS.sky),
    "covariance": ("covariance", plotting.COLORS.orange),
}
_COLORS = (plotting.COLORS.blue, plotting.COLORS.vermillion, plotting.COLORS.green)
_MARKERS = "s^D"


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the components, the exact split of the variance, and the seeds needed."""
    with plotting.page("abc", 2.9, width_ratios=(1, 1.05, 1.25)) as (figure, panels):
        _draw_components(panels["a"], dataset)
        _draw_split(panels["b"], dataset)
        _draw_seeds(panels["c"], dataset)
    return figure


def _draw_components(axes: Axes, dataset: xr.Dataset) -> None:
    """One bar for every source of randomness and every interaction."""
    parts = stats.variance_components(dataset, "crossed_accuracy", _SOURCES)
    names = [str(name).replace("_seed", "") for name in parts["component"].values]
    place = np.arange(len(names))
    colors = [plotting.COLORS.blue if name in ("init", "order", "dropout") else "0.65" for name in names]
    bars: dict[str, Any] = {"ecolor": "black", "error_kw": {"elinewidth": 0.9}}
    axes.barh(place, parts["variance"], color=colors, xerr=parts["standard_error"], **bars)
    axes.axvline(0, color="0.3", linewidth=0.7)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    count = plotting.count_runs(parts, "runs")
    axes.set(xlabel=f"variance, points²\n{count}", title=f"Sources, {dataset.attrs['title']}")


def _draw_split(axes: Axes, dataset: xr.Dataset) -> None:
    """Bernoulli part and covariances, one on the other, with the interval of their sum."""
    place = np.arange(dataset.sizes["setting"])
    bottom = np.zeros(len(place))
    for part, (label, color) in _PARTS.items():
        axes.bar(place, dataset[part], 0.65, bottom, color=color, label=label)
        bottom = bottom + dataset[part].values
    total = dataset["total"].values
    errors = [total - dataset["low"].values, dataset["high"].values - total]
    axes.errorbar(place, total, errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=2)
    axes.set_xticks(place, [str(name).replace(" ", "\n") for name in dataset["setting"].values], fontsize=5.5)
    top = float(dataset["high"].max())
    axes.set(ylim=(min(0.0, 1.1 * float(dataset["covariance"].min())), 1.05 * top), ylabel="variance, points²")
    sound = int((~dataset["diverged"].any("setting")).sum())
    gone = dataset.sizes["seed"] - sound
    count = plotting.count_runs(xr.Dataset({"n": sound, "diverged": gone}), "seeds")
    axes.set(xlabel=count, title="Exact parts")
    axes.legend(loc="upper right")


def _draw_seeds(axes: Axes, dataset: xr.Dataset) -> None:
    """Seeds needed over the difference: own seeds, which differ little between settings, and common seeds."""
    needed = dataset["seeds_needed"].clip(min=1)
    sizes = needed["test_images"].values
    for images, dashes in zip(sizes, ("-", "--"), strict=False):
        own = needed.sel(test_images=images, design="unpaired").mean("setting")
        _draw_needed(axes, own, f"own seeds, {images:,} images", color="black", marker="o", linestyle=dashes)
    others = [str(name) for name in needed["setting"].values if name != _BASELINE]
    for name, color, marker in zip(others, _COLORS, _MARKERS, strict=False):
        common = needed.sel(setting=name, test_images=sizes[0], design="paired")
        _draw_needed(axes, common, f"common seeds, {name}", color=color, marker=marker, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="difference of two settings, points", ylabel="seeds of either setting")
    axes.xaxis.set_major_locator(FixedLocator(needed["difference"].values.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.7g}"))
    axes.set(ylim=(0.8, 1.2 * float(needed.max())), title="Seeds to tell them apart")
    axes.legend(loc="upper right", fontsize=6, labelspacing=0.25, borderaxespad=0.1)


def _draw_needed(axes: Axes, seeds: xr.DataArray, label: str, **look: Any) -> None:
    axes.plot(seeds["difference"], seeds, label=label, linewidth=1.1, markersize=3, **look)

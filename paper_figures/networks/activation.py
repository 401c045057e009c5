"""Every activation: its derivative, what it separates in the plane, and how accurate it makes the network of T5."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "One column for each activation. Top: the function and its derivative. Middle: what a network with one hidden "
    "layer, trained on 400 points of the square, says about every point, in one run (the first seed), from certainly "
    "class 0 (blue) to certainly class 1 (red); black lines are the true borders, and the numbers the share of seeds "
    "in which more than 95 % of new points are classified right. No straight line gets further than the share on the "
    "left. Bottom: test accuracy of the network of tutorial T5 after its last epoch, on pixels as they are and on "
    "pixels from 0 to 1: one dot for each seed (at most 64), a bar for the mean with its 95 % Student t interval; n is "
    "the number of seeds. Networks that have overflowed are as accurate as their constant answer."
)

_NAMES = {"leaky_relu": "leaky ReLU", "relu": "ReLU", "elu": "ELU", "gelu": "GELU"}
_PATTERNS = {"ring": "ring", "xor": "exclusive or"}
_SHOWN_SEEDS = 64
_PIXELS = {
    "raw": ("as they are", plotting.COLORS.blue, "o"),
    "scaled": ("0…1", plotting.COLORS.vermillion, "^"),
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw a column for each activation: function, two patterns in the plane, accuracy on images."""
    names = dataset["activation"].values.tolist()
    rows = [[f"{letter}{column or ''}" for column in range(len(names))] for letter in "abcd"]
    with plotting.page(rows, 4.9) as (figure, panels):
        for column, name in enumerate(names):
            of_it = dataset.sel(activation=name)
            function, *regions, accuracy = (panels[row[column]] for row in rows)
            _draw_function(function, of_it)
            for axes, pattern in zip(regions, _PATTERNS, strict=True):
                _draw_region(axes, of_it.sel(pattern=pattern), pattern)
            _draw_accuracy(accuracy, of_it)
            if column:
                for axes in (function, accuracy):
                    axes.tick_params(labelleft=False)
        _label(figure, panels, dataset)
    return figure


def _draw_function(axes: Axes, of_it: xr.Dataset) -> None:
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.plot(of_it["input"], of_it["value"], color="black", label="function")
    axes.plot(of_it["input"], of_it["slope"], color=plotting.COLORS.orange, linestyle="--", label="derivative")
    name = str(of_it["activation"].values)
    axes.text(0.03, 1, _NAMES.get(name, name), transform=axes.transAxes, va="top")
    axes.set(ylim=(-1.15, 2.15), xticks=[-3, 0, 3], yticks=[-1, 0, 1, 2])


def _draw_region(axes: Axes, of_it: xr.Dataset, pattern: str) -> None:
    """The probability of class 1 in the first run, the true border, and how often it is found."""
    region = of_it["region"].isel(plane_seed=0).transpose("vertical", "horizontal")
    places = (region["horizontal"], region["vertical"])
    axes.pcolormesh(*places, region, cmap="coolwarm", vmin=0, vmax=1, shading="gouraud")
    angle = np.linspace(0, 2 * np.pi, 200)
    radius = np.sqrt(2 / np.pi)
    if pattern == "ring":
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="black", linewidth=0.7)
    else:
        axes.plot([-1, 1, np.nan, 0, 0], [0, 0, np.nan, -1, 1], color="black", linewidth=0.7)
    solved = xr.Dataset({"solved": of_it["solved"], "diverged": of_it["plane_diverged"]})
    share = float(stats.proportion(solved, "solved", dim="plane_seed", count_diverged=True)["proportion"])
    axes.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[])
    axes.set_xlabel(f"{100 * share:.0f} %", labelpad=2)


def _draw_accuracy(axes: Axes, of_it: xr.Dataset) -> None:
    """One dot for each seed, and the mean with its interval, on both kinds of pixels."""
    last = of_it[["test_accuracy", "diverged"]].isel(epoch=-1)
    for place, (pixels, (label, color, mark)) in enumerate(_PIXELS.items()):
        runs = last.sel(pixels=pixels)
        summary = stats.mean(runs, "test_accuracy", dim="seed")
        seeds = runs["test_accuracy"].where(~runs["diverged"]).isel(seed=slice(_SHOWN_SEEDS))
        spread = np.linspace(-0.25, 0.25, seeds.sizes["seed"]) if seeds.sizes["seed"] > 1 else [0.0]
        axes.plot(place + np.asarray(spread), seeds, mark, color=color, markersize=1.8, alpha=0.5, label=label)
        axes.plot(place + np.array([-0.35, 0.35]), [float(summary["mean"])] * 2, color=color)
        low, high = float(summary["low"]), float(summary["high"])
        if np.isfinite([low, high]).all():
            axes.fill_between(place + np.array([-0.35, 0.35]), low, high, color=color, alpha=0.3, linewidth=0)
    axes.set(xlim=(-0.6, 1.6), ylim=(0, 100), xticks=[], yticks=range(0, 101, 25))


def _label(figure: Figure, panels: dict[str, Axes], dataset: xr.Dataset) -> None:
    """Names of rows and what stands behind them."""
    count = plotting.count_runs(_summarise(dataset, "plane_accuracy", "plane_seed"), "seeds")
    panels["a"].set_ylabel("function")
    for letter, (pattern, name) in zip("bc", _PATTERNS.items(), strict=True):
        line = float(dataset["best_line"].sel(pattern=pattern))
        panels[letter].set_ylabel(f"{name}\nline: {line:.0f} %\n{count}")
    panels["d"].set_ylabel(f"{dataset.attrs['title']}\ntest accuracy, %")
    last = plotting.count_runs(_summarise(dataset, "test_accuracy", "seed"), "seeds")
    handles, labels = panels["d"].get_legend_handles_labels()
    lines, names = panels["a"].get_legend_handles_labels()
    names += [f"pixels {label}" for label in labels]
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": 4, "markerscale": 2}
    figure.legend([*lines, *handles], names, title=f"(d): {last}", title_fontsize=7, **place)


def _summarise(dataset: xr.Dataset, name: str, dim: str) -> xr.Dataset:
    diverged = "plane_diverged" if name == "plane_accuracy" else "diverged"
    return stats.mean(xr.Dataset({name: dataset[name], "diverged": dataset[diverged]}), name, dim=dim)

"""How long SGD stays in a flat and in a sharp minimum of equal depth, over its learning rate."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats
from jaxreg.landscape import EQUAL_DEPTH_SEXTIC

CAPTION = (
    "SGD with Gaussian noise at constant temperature D between a sharp minimum at -1, of curvature h = 5, and an "
    "equally deep flat one at 1, of curvature 1: simulated (dots), by the exact law of SGD step by step (lines), and "
    "by that of the diffusion, exp(-U/D), which knows no learning rate. (a) The landscape, and where runs stand at "
    "the smallest and at the largest learning rate; (b) time on the flat side of the saddle over time on the sharp "
    "side; (c) the same relative to the exact law, for runs from either minimum, which agree once they have forgotten "
    "their start. Bars are 95 % Student t intervals of the mean share of time over the n runs of a dot that (b) and "
    "(c) state, turned into ratios; runs that diverged are left out."
)

_SHARP, _SADDLE, _FLAT = (float(w) for w in EQUAL_DEPTH_SEXTIC.critical_points)
_CURVATURE = float(EQUAL_DEPTH_SEXTIC.curvature(_SHARP))
_WINDOW = (-1.9, 1.8)
_STARTS = {"sharp": (plotting.COLORS.vermillion, "s"), "flat": (plotting.COLORS.blue, "o")}
_RATES = (plotting.COLORS.green, plotting.COLORS.purple)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the landscape with its densities, the ratio of times over the learning rate, and the check of the starts."""
    with plotting.page("abc;Abc", 2.75, width_ratios=(1.05, 1, 1), height_ratios=(1, 2)) as (figure, panels):
        panels["A"].sharex(panels["a"])
        _draw_landscape(panels["a"])
        _draw_densities(panels["A"], dataset)
        _draw_ratios(panels["b"], dataset)
        _draw_starts(panels["c"], dataset)
    return figure


def _draw_landscape(axes: Axes) -> None:
    w = np.linspace(*_WINDOW, 301)
    axes.plot(w, np.polynomial.polynomial.polyval(w, EQUAL_DEPTH_SEXTIC.coefficients), color="black")
    axes.axvline(_SADDLE, color="0.7", linewidth=0.7, zorder=0)
    for name, place in (("sharp", _SHARP), ("flat", _FLAT)):
        axes.plot(place, 0, "o", color=_STARTS[name][0], markersize=4)
        axes.text(place - 0.2 * np.sign(place), 0.38, name, color=_STARTS[name][0], ha="center", fontsize=7)
    axes.set(xlim=_WINDOW, ylim=(-0.06, 0.6), ylabel="$U(w)$", title="Landscape and density")
    axes.tick_params(labelbottom=False)


def _draw_densities(axes: Axes, dataset: xr.Dataset) -> None:
    """Where runs stand at the smallest and at the largest learning rate, and where the diffusion does."""
    centre = dataset["bin"].values
    order = np.argsort(dataset["learning_rate"].values)
    width = centre[1] - centre[0]
    for k, color in zip((order[0], order[-1]), _RATES, strict=True):
        one = dataset.isel(learning_rate=k)
        lives = np.isfinite(one["share"])
        total = float(one["counted"]) * float(lives.sum())
        density = one["counts"].where(lives, 0).sum(("start", "seed"), dtype=np.float64) / (total * width)
        axes.plot(centre, density, ".", color=color, markersize=3)
        label = f"$ηh$ = {_CURVATURE * float(one['learning_rate']):.2g}"
        axes.plot(centre, one["exact_density"], color=color, linewidth=1, label=label)
    axes.plot(centre, dataset["boltzmann_density"], ":", color="black", linewidth=1, label="diffusion")
    axes.axvline(_SADDLE, color="0.7", linewidth=0.7, zorder=0)
    axes.set(ylim=(0, None), xlabel="weight $w$", ylabel="density")
    axes.legend(loc="upper left", handlelength=1.1, borderaxespad=0.1)


def _draw_ratios(axes: Axes, dataset: xr.Dataset) -> None:
    """Ratio of times, from all runs together."""
    rates, diffusion = _CURVATURE * dataset["curve_rate"], f"diffusion, $D$ = {float(dataset['temperature']):g}"
    axes.plot(rates, dataset["ratio_curve"], color="black", linewidth=1, label="exact law of SGD")
    axes.axhline(float(dataset["boltzmann"]), color="black", linestyle=":", linewidth=1, label=diffusion)
    axes.axhline(float(dataset["harmonic"]), color="0.5", linestyle="--", linewidth=1, label="its limit, √5")
    x, odds = _CURVATURE * dataset["learning_rate"], _odds(dataset, ("start", "seed"))
    plotting.bars(axes, x, odds, color=plotting.COLORS.blue, markersize=3.5, capsize=2, label="simulated")
    axes.set(xlabel="$η h_{\\mathrm{sharp}}$", ylabel="time in flat / time in sharp")
    axes.set_title(plotting.count_runs(stats.mean(dataset, "share", dim=("start", "seed"))))
    plotting.write_out(axes, "y")
    axes.legend(loc="upper left")


def _draw_starts(axes: Axes, dataset: xr.Dataset) -> None:
    """Simulated over exact, by the minimum where runs start."""
    axes.axhline(1, color="black", linewidth=1)
    for name, side in (("sharp", -1), ("flat", 1)):
        color, marker = _STARTS[name]
        look: dict[str, Any] = {"marker": marker, "color": color, "markersize": 3.5, "capsize": 2}
        x, odds = _CURVATURE * dataset["learning_rate"] + 0.012 * side, _odds(dataset.sel(start=name), "seed")
        plotting.bars(axes, x, odds / dataset["exact"], label=f"start in the {name} one", **look)
    axes.set(xlabel="$η h_{\\mathrm{sharp}}$", ylabel="ratio / exact")
    axes.set_title(plotting.count_runs(stats.mean(dataset, "share")))
    reach = 1.15 * max(abs(np.array(axes.get_ylim()) - 1))
    axes.set_ylim(1 - reach, 1 + 1.6 * reach)
    axes.legend(loc="upper left")


def _odds(dataset: xr.Dataset, dim: str | tuple[str, ...]) -> xr.Dataset:
    """The ratio of times with its interval, from the mean share of steps."""
    share = stats.mean(dataset, "share", dim=dim)[["mean", "low", "high"]].clip(0, 1 - 1e-12)
    return share / (1 - share)

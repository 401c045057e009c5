"""How long SGD takes to leave a well, over temperature and over learning rate, against three theories."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from jaxreg import plotting
from jaxreg.landscape import DOUBLE_WELL

CAPTION = (
    "Mean time t = ηk until SGD with Gaussian noise on (w² - 1)²/4 leaves the well at -1, counted when a run first "
    "stands at or beyond the saddle at 0 or the far side, the minimum at 1. Dots are simulated; lines are the exact "
    "law of SGD step by step (transfer operator), the diffusion (quadrature), and Kramers' formula (half of it to the "
    "saddle), (a) over the barrier in units of the temperature D, (b) relative to the exact law, and (c) over "
    "learning rate and batch size at constant η/B and D, relative to the diffusion, which knows D alone. Bars, often "
    "hidden by the dots, are 95 % intervals of the mean, exact for exponential times, over the n runs of a dot that "
    "(a) states, those given up before they left among them."
)

_APART = 1.3  # factor between learning rates whose labels do not touch
_BARRIER = float(DOUBLE_WELL.value(0.0) - DOUBLE_WELL.value(-1.0))
_EXITS = {"far side": (plotting.COLORS.blue, "o"), "saddle": (plotting.COLORS.vermillion, "s")}
_LAWS: dict[str, tuple[Any, str]] = {
    "exact": ("-", "exact law of SGD"),
    "diffusion": ("--", "diffusion"),
    "Kramers": (":", "Kramers"),
}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the time over the temperature, the same relative to the exact law, and the time over the learning rate."""
    with plotting.page("abc", 2.75, width_ratios=(1, 1, 1.15)) as (figure, panels):
        cells = dataset.isel(cell=np.flatnonzero(dataset["part"].values == "temperature"))
        _draw_times(panels["a"], cells)
        _draw_ratios(panels["b"], cells)
        _draw_rates(panels["c"], dataset.isel(cell=np.flatnonzero(dataset["part"].values == "rate")))
    return figure


def _draw_laws(axes: Axes, cells: xr.Dataset, part: str, over: str | None = None) -> None:
    """Simulated times to both exits with their intervals, and those of the laws; relative to one of these, if given."""
    times, curves = cells[["time", "low", "high"]].rename(time="mean"), cells[f"{part}_curve"]
    if over is not None:
        times, curves = times / cells["theory"].sel(law=over, drop=True), curves / curves.sel(law=over)
    x, grid = cells["learning_rate"], cells["curve_rate"]
    if part == "temperature":
        x, grid = _BARRIER / cells["temperature"], _BARRIER / cells["curve_temperature"]
        axes.set_xlabel("barrier / temperature, $ΔU/D$")
    for name, (color, marker) in _EXITS.items():
        dots: dict[str, Any] = {"marker": marker, "color": color, "markersize": 3.5, "elinewidth": 0.9, "capsize": 2}
        plotting.bars(axes, x, times.sel(exit=name), **dots)
        for law, (line, _) in _LAWS.items():
            curve = curves.sel(exit=name, law=law)
            axes.plot(grid, curve, line, color="black" if law == over else color, linewidth=1)


def _draw_times(axes: Axes, cells: xr.Dataset) -> None:
    """Times over the barrier."""
    _draw_laws(axes, cells, "temperature")
    axes.set(ylabel="mean escape time $t = ηk$", title=f"n = {cells.sizes['seed']:,} runs each")
    handles = [
        Line2D([], [], color=color, marker=marker, linestyle="", label=f"to the {name}")
        for name, (color, marker) in _EXITS.items()
    ]
    axes.legend(handles=handles, loc="upper left")
    plotting.write_out(axes, "y")


def _draw_ratios(axes: Axes, cells: xr.Dataset) -> None:
    """The simulated and the approximate over the exact."""
    _draw_laws(axes, cells, "temperature", "exact")
    axes.set(ylabel="time / exact", title=f"Relative, $\\eta$ = {float(cells['learning_rate'][0]):g}")
    handles = [Line2D([], [], color="0.3", linestyle=line, linewidth=1, label=text) for line, text in _LAWS.values()]
    axes.legend(handles=handles, handlelength=2, loc="lower right")


def _draw_rates(axes: Axes, cells: xr.Dataset) -> None:
    """Times over the learning rate, relative to the diffusion's."""
    _draw_laws(axes, cells, "rate", "diffusion")
    axes.set(xscale="log", ylim=(0, 1.3), xlabel="learning rate $η$, batch size $B$", ylabel="time / diffusion's")
    axes.set_title(f"Constant $η/B$, $D$ = {float(cells['temperature'][0]):g}")
    rates, names, last = cells["learning_rate"].values, [], 0.0
    for rate, size in sorted(zip(rates.tolist(), cells["batch_size"].values.tolist(), strict=True)):
        is_apart = rate > _APART * last
        names.append(f"{rate:.3g}\n{size}" if is_apart else "")
        last = rate if is_apart else last
    axes.set_xticks(np.sort(rates), names)
    axes.xaxis.set_minor_locator(NullLocator())

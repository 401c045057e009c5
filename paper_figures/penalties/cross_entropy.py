"""Cross-entropy: its clip, its slope against that of squared error, its smoothness; and two curves drawn from text."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting
from jaxreg.plotting.curves import implicit_curve
from jaxreg.plotting.typed import curve_from_text

CAPTION = (
    "Binary cross-entropy with probabilities clipped to ε and 1 - ε, as in tutorial T4: (a) of a true example, "
    "over its predicted probability; (b) of each example of the worked example, and their sum, over ε. (c) Slope "
    "in the logit of a true example. (d) Steps of gradient descent until a wrong start is on the right side of ½,"
    " over the start: simulated runs (markers, at most 150 per loss) and gradient flow in closed form (black); "
    "runs in the top row were stuck until the end. (e) Share of starts that are still wrong, over the step, from "
    "starts of standard deviation s: n runs per curve, with gradient flow in black. (f) Largest difference "
    "between the slopes of a network's loss on the two sides of a weight, for n networks with softmax cross-"
    "entropy: below the line, every weight has a derivative. (g) Derivative of softmax cross-entropy in the "
    "logits, by automatic differentiation and by its formula. (h) A curve from typed numbers and (i) an implicit "
    "curve from its equation, as in tutorial T4."
)

_NUMBERS = "1 2 5"
_EQUATION = "x**2 + y**2 + x*y = 1"
_COLORS = (plotting.COLORS.blue, plotting.COLORS.vermillion)
_MARKERS = ("o", "^")
_FORMULAS = ("p − y", "2(p − y)p(1 − p)")
_EPSILONS = (1e-10, 1e-7, 1e-3, 0.1)
_SHOWN = 150
_SMALL: dict[str, Any] = {"fontsize": 6, "labelspacing": 0.2, "borderpad": 0}
_KINK = 1e-3
_DASHES = ("-", "--", ":")


def draw(dataset: xr.Dataset) -> Figure:
    """Draw clip, worked example and slopes above the escapes, and these above smoothness and curves from text."""
    with plotting.page("abc;def;ghi", 5.9) as (figure, panels):
        _draw_clip(panels["a"], dataset)
        _draw_example(panels["b"], dataset)
        _draw_slopes(panels["c"], dataset)
        _draw_escapes(panels["d"], dataset)
        _draw_waiting(panels["e"], dataset)
        _draw_jumps(panels["f"], dataset)
        _draw_softmax(panels["g"], dataset)
        panels["h"].plot(curve_from_text(_NUMBERS), color=_COLORS[0], marker="o")
        panels["h"].set(xlabel="place in the list", ylabel="number", title=f'"{_NUMBERS}"', xticks=(0, 1, 2))
        implicit_curve(panels["i"], _EQUATION, color=_COLORS[0])
        panels["i"].set(xlabel="x", ylabel="y", title="x² + y² + xy = 1", aspect="equal")
        panels["i"].set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    return figure


def _draw_clip(axes: Axes, dataset: xr.Dataset) -> None:
    """The loss of a true example for a few ε, the largest first."""
    known = dataset["epsilon"].values
    shown = [e for e in _EPSILONS if np.isclose(known, e, rtol=1e-6, atol=0).any()] or list(known[:4])
    for epsilon, color in zip(shown, plotting.COLORS, strict=False):
        loss = dataset["curve"].sel(epsilon=epsilon, method="nearest")
        axes.plot(loss["p"], loss, color=color, label=f"ε = {epsilon:.0e}".replace("e-0", "e-"))
    axes.set(xscale="log", xlabel="predicted p of a true example", ylabel="loss, nats", title="Clipped at ε")
    axes.set_xlim(1e-13, 1)
    axes.legend(loc="upper right", **_SMALL)


def _draw_example(axes: Axes, dataset: xr.Dataset) -> None:
    """The losses of the examples and their sum."""
    for place in range(dataset.sizes["example"]):
        one = dataset.isel(example=place)
        label = f"y = {int(one['target'])}, p = {float(one['probability']):g}"
        color = plotting.COLORS[place % 6]
        axes.plot(one["epsilon"], one["example_loss"], color=color, label=label, marker="o", markersize=2.5)
    axes.plot(dataset["epsilon"], dataset["example_sum"], color="black", label="sum", marker="s", markersize=2.5)
    axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="loss, nats", title="Worked example")
    axes.legend(loc="upper right", **_SMALL)


def _draw_slopes(axes: Axes, dataset: xr.Dataset) -> None:
    """How far downhill a step pulls, for either loss."""
    for loss, formula, color in zip(dataset["loss"].values, _FORMULAS, _COLORS, strict=True):
        axes.plot(dataset["z"], dataset["slope"].sel(loss=loss), color=color, label=f"{loss}: {formula}")
    axes.set(xlabel="logit z of a true example", ylabel="slope in z", title="Slope through a sigmoid")
    axes.legend(loc="upper left", **_SMALL)


def _draw_escapes(axes: Axes, dataset: xr.Dataset) -> None:
    """Steps over the start, at the widest scale: simulated and by gradient flow."""
    widest = dataset.isel(scale=int(np.argmax(dataset["scale"].values)))
    last, rate = int(dataset["steps"]), float(dataset["learning_rate"])
    for loss, color, marker in zip(widest["loss"].values, _COLORS, _MARKERS, strict=True):
        one = widest.sel(loss=loss).isel(seed=slice(_SHOWN))
        axes.plot(one["start"], one["escape_steps"], marker, color=color, markersize=2.5, alpha=0.6, label=loss, mew=0)
        order = np.argsort(one["start"].values)
        flow = np.minimum(one["exact_time"].values / rate, last)[order]
        axes.plot(one["start"].values[order], np.maximum(flow, 1), color="black", linewidth=0.8)
    axes.set(yscale="log", xlabel="start z", ylabel=f"steps at rate {rate:g}", title="Escape from a wrong start")
    axes.legend(loc="upper right", **_SMALL)


def _draw_waiting(axes: Axes, dataset: xr.Dataset) -> None:
    """Share of runs that are still wrong, over the step."""
    last, rate = int(dataset["steps"]), float(dataset["learning_rate"])
    steps = np.unique(np.geomspace(1, last, 120).astype(int))
    places = np.unique(np.linspace(0, dataset.sizes["scale"] - 1, len(_DASHES)).astype(int))
    for place, dashes in zip(places, _DASHES, strict=False):
        cell = dataset.isel(scale=int(place))
        for loss, color in zip(dataset["loss"].values, _COLORS, strict=True):
            one = cell.sel(loss=loss)
            waiting = (one["escape_steps"].values > steps[:, None]).mean(-1)
            flow = (one["exact_time"].values / rate > steps[:, None]).mean(-1)
            axes.plot(steps, flow, color="black", linewidth=0.6, zorder=1)
            axes.plot(steps, waiting, color=color, linestyle=dashes, zorder=2)
        axes.plot([], [], color="0.3", linestyle=dashes, label=f"s = {float(cell['scale']):g}")
    axes.set(xscale="log", ylim=(-0.02, 1.02), ylabel="share still wrong", title="Stalled runs")
    axes.set_xlabel(f"step\nn = {dataset.sizes['seed']:,} starts each")
    axes.legend(loc="upper right", **_SMALL)


def _draw_jumps(axes: Axes, dataset: xr.Dataset) -> None:
    """The largest kink of every network, side by side for each kind of units."""
    spread = np.linspace(-0.28, 0.28, dataset.sizes["network"])
    names = [str(name) for name in dataset["units"].values]
    for place, (name, color) in enumerate(zip(names, plotting.COLORS, strict=False)):
        jump = np.maximum(dataset["jump"].sel(units=name).values, 1e-12)
        axes.plot(place + spread, jump, ".", color=color, markersize=2.5)
    axes.axhline(_KINK, color="0.3", linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=6.5)
    axes.set(yscale="log", ylabel="largest jump of a slope", title="A slope everywhere?")
    axes.set_xlabel(f"n = {dataset.sizes['network']:,} networks each")


def _draw_softmax(axes: Axes, dataset: xr.Dataset) -> None:
    """Automatic differentiation against p minus y."""
    axes.plot([-1, 1], [-1, 1], color="black", linewidth=0.8)
    found, formula = (dataset[name].values.ravel() for name in ("autodiff", "formula"))
    axes.plot(formula, found, ".", color=_COLORS[0], markersize=2.5)
    axes.text(-1, 0.95, f"largest difference\n{np.abs(found - formula).max():.0e}", fontsize=6.5, va="top")
    axes.set(xlabel=f"p − y of each class\nn = {dataset.sizes['network']:,} softmaxes", ylabel="by autodiff")
    axes.set_title("Softmax derivative")

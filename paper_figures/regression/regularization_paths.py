"""Paths of ridge and lasso with their sampling bands, bias against variance, and what each choice of alpha costs."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jaxreg import plotting, stats

CAPTION = (
    "Ridge and lasso on the cubic of tutorial T1, in monomials to degree 10 whose columns are centred and of unit "
    "length, over n draws of the noise. (a), (b) Coefficients over α and over their L1 norm: medians and 5 % to 95 % "
    "bands of the draws, grey those of powers 4 to 10, dotted the truth; above, (mean) degrees of freedom, placed at "
    "the median norm. (c), (d) Error of predicting new observations at the points: Monte Carlo estimates (dots, at "
    "every third α) with 95 % intervals, mostly hidden by the dots; lines are the closed form for ridge and join all "
    "estimates for the lasso; below, the α that each rule chooses. (e) Price of the choice: how much further, "
    "squared, the fit is from the truth than at the best α of its draw (below 0.1 % drawn at 0.1 %). In (c) to (e) "
    "ticks are medians, thick bars quartiles and thin lines 5 % to 95 % of the draws; 1 SE is the one-standard-error "
    "rule, and AIC chooses as Cp."
)

_METHODS = {"ridge": 0.5, "lasso": 0.001}
"""With the alphas of the tutorial."""
_TERMS = {1: plotting.COLORS.blue, 2: plotting.COLORS.green, 3: plotting.COLORS.vermillion}
_PARTS = {"bias2": ("bias²", plotting.COLORS.vermillion), "variance": ("variance", plotting.COLORS.blue)}
_GREY = "0.65"
_BAND, _QUARTILES = (0.05, 0.95), (0.25, 0.75)
_HALF = 1.96
_LEAST_PRICE = 0.1  # %
_DEGREES = (1, 2, 3, 5, 8)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the paths above, and errors, choices and prices below."""
    with plotting.page("aAbB;cde;CDe", 5.7, height_ratios=(1, 0.92, 0.58)) as (figure, panels):
        for one, other in zip("AbBd", "aaac", strict=True):
            panels[one].sharey(panels[other])
            panels[one].tick_params(labelleft=False)
        for path, error, method in zip("ab", "cd", _METHODS, strict=True):
            panels[error.upper()].sharex(panels[error])  # before its scale is set, which matplotlib would not take over
            _draw_paths(panels[path], panels[path.upper()], dataset, method)
            _draw_error(panels[error], dataset, method)
            _draw_choices(panels[error.upper()], dataset, method)
        _draw_prices(panels["e"], dataset)
        panels["a"].set_ylabel("coefficient")
        handles, labels = panels["a"].get_legend_handles_labels()
        panels["a"].legend(handles[::-1], labels[::-1], loc="upper left", ncols=3, columnspacing=0.8, handlelength=1)
        panels["c"].set_ylabel("mean squared error")
        panels["d"].legend(loc="upper right", labelspacing=0.2)
    return figure


def _draw_paths(by_alpha: Axes, by_norm: Axes, dataset: xr.Dataset, method: str) -> None:
    """Coefficients over alpha, falling, and over the norm; the degrees of freedom on top of both."""
    alphas, df = dataset[f"{method}_alpha"].values, dataset[f"{method}_df"].values
    norm = abs(dataset[f"{method}_coef"]).sum("power").median("seed").values
    _draw_coefficients(by_alpha, dataset, f"{method}_coef", f"{method}_alpha")
    _draw_coefficients(by_norm, dataset, f"{method}_coef_at_norm", "norm")
    by_alpha.set(xscale="log", xlim=(alphas.max(), alphas.min()), xticks=_decades(alphas), xlabel="α")
    by_norm.set(xlim=(0, dataset["norm"].max()), xlabel="L1 norm")
    by_alpha.set_title(f"{method.capitalize()}; df above")
    for axes, places in ((by_alpha, alphas), (by_norm, norm)):
        _mark_degrees(axes, places, df)


def _mark_degrees(axes: Axes, places: np.ndarray, df: np.ndarray) -> None:
    """Degrees of freedom on top, where they are reached, leaving out what would overlap."""
    shown = [k for k in _DEGREES if df.min() < k < df.max()]
    at = np.array([places[np.argmax(df >= k)] for k in shown])
    across = axes.transAxes.inverted().transform(axes.transData.transform([(x, 0) for x in at]))[:, 0]
    kept = [0]
    for k in range(1, len(shown)):
        if across[k] - across[kept[-1]] > 0.07 and across[k] <= 1:
            kept.append(k)
    top = axes.secondary_xaxis("top")
    top.set_xticks(at[kept], [str(shown[k]) for k in kept])


def _decades(alphas: np.ndarray) -> list[float]:
    """Every other power of ten, without the ends, where labels of neighbours would meet."""
    low, high = np.log10([alphas.min(), alphas.max()])
    return [10.0**k for k in range(-8, 8, 2) if low < k < high]


def _draw_coefficients(axes: Axes, dataset: xr.Dataset, name: str, along: str) -> None:
    for power in dataset["power"].values[::-1]:
        summary = stats.quantiles(dataset.sel(power=power), name, dim="seed", band=_BAND)
        color, label = _TERMS.get(int(power), _GREY), f"$x^{power}$" if power in _TERMS else None
        plotting.band(axes, along, summary, color=color, label=label, linewidth=1.2 if label else 0.7)
        if label:
            axes.axhline(float(dataset["true_coef"].sel(power=power)), color=color, linestyle=":", linewidth=0.8)
    axes.set_ylim(-4.5, 4.5)


def _draw_error(axes: Axes, dataset: xr.Dataset, method: str) -> None:
    """Bias, variance and noise over alpha, and their sum."""
    alphas, noise2 = dataset[f"{method}_alpha"].values, float(dataset["noise"]) ** 2
    for part, (label, color) in _PARTS.items():
        value, half = (dataset[f"{method}_{name}"].values for name in (part, f"{part}_se"))
        dots = axes.errorbar(alphas[::3], value[::3], _HALF * half[::3], fmt="o", color=color, label=label)
        dots.lines[0].set_markersize(2.5)
        axes.plot(alphas, dataset[f"ridge_exact_{part}"] if method == "ridge" else value, color=color, linewidth=1)
    axes.axhline(noise2, color=_GREY, linewidth=1, label="noise")
    total = dataset[f"{method}_bias2"] + dataset[f"{method}_variance"] + noise2
    axes.plot(alphas, total, color="black", linewidth=1, linestyle="--", label="sum")
    axes.axvline(_METHODS[method], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    at = (_METHODS[method], 1.3e-6)
    axes.annotate("T1", at, (-2, 0), textcoords="offset points", ha="right", fontsize=7, color="0.4")
    axes.set(xscale="log", yscale="log", ylim=(1e-6, 1), xlim=(alphas.max(), alphas.min()), title=method.capitalize())
    axes.tick_params(labelbottom=False)


def _draw_choices(axes: Axes, dataset: xr.Dataset, method: str) -> None:
    """The alpha of least error in each draw, and those that the rules choose."""
    rules = [str(rule) for rule in dataset[f"{method}_rule"].values if rule != "AIC"]
    chosen = [dataset[f"{method}_best"], *(dataset[f"{method}_chosen"].sel({f"{method}_rule": r}) for r in rules)]
    for row, values in enumerate(chosen):
        _draw_spread(axes, row, values.values, _GREY if row == 0 else "black")
    axes.set_yticks(range(len(chosen)), ["best of draw", *rules])
    axes.set(ylim=(len(chosen) - 0.5, -0.5), xlabel="α")


def _draw_prices(axes: Axes, dataset: xr.Dataset) -> None:
    """Prices of all contenders, ridge above lasso, the two that know or ignore everything in grey."""
    row, ticks, names = 0.0, [], []
    for method in _METHODS:
        axes.text(0.02, row, method.capitalize(), transform=axes.get_yaxis_transform(), fontsize=8, va="center")
        for place, name in enumerate(dataset[f"{method}_contender"].values):
            if name == "AIC":
                continue
            row += 1
            price = 100 * dataset[f"{method}_price"].sel({f"{method}_contender": name}).values
            _draw_spread(axes, row, np.maximum(price, _LEAST_PRICE), _GREY if place < 2 else "black")
            ticks.append(row)
            names.append(str(name))
        row += 1.5
    axes.set_yticks(ticks, names)
    axes.set(xscale="log", xlim=(_LEAST_PRICE, 2000), ylim=(row - 0.7, -0.7), xlabel="price, %")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    count = plotting.count_runs(xr.Dataset({"n": int((~dataset["diverged"]).sum())}), "draws")
    axes.set_title(f"Price, {count}")


def _draw_spread(axes: Axes, row: float, values: np.ndarray, color: str) -> None:
    """Median, quartiles and band of the draws, on one line."""
    runs = xr.Dataset({"values": ("seed", values)})
    outer, inner = (stats.quantiles(runs, "values", dim="seed", band=band) for band in (_BAND, _QUARTILES))
    axes.plot([outer["low"], outer["high"]], [row, row], color=color, linewidth=0.8)
    axes.plot([inner["low"], inner["high"]], [row, row], color=color, linewidth=3, solid_capstyle="butt")
    axes.plot(inner["median"], row, "|", color=plotting.COLORS.vermillion, markersize=7, markeredgewidth=1.4)

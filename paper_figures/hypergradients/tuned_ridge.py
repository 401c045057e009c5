"""A ridge tuned by gradients and by grids, and a lasso with a strength for each coefficient."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "(a) The leave-one-out error of a ridge after each gradient step on log α, over the least of a grid of as many "
    "fits: median and 5 % to 95 % quantile over n data sets. (b) Risk at the strength that each rule finds over the "
    "least risk of any strength: geometric means with 95 % Student t intervals. (c) The strengths of a weighted lasso "
    "over one data set's steps: of the columns that matter, of five that lie near their sum, and of the rest; the "
    "dashed line is where all begin. (d) In how many data sets the five largest coefficients are the five that "
    "matter, with 95 % Wilson intervals. (e) Half the mean squared error on the rows that strengths are tuned on "
    "(open) and on new rows (full), with 95 % Student t intervals of means over n data sets; the dotted line is half "
    "the variance of the noise."
)

_MATTER = 5
_GROUPS = (
    ("matter", slice(_MATTER), plotting.COLORS.blue),
    ("mislead", slice(_MATTER, 2 * _MATTER), plotting.COLORS.vermillion),
    ("others", slice(2 * _MATTER, None), "0.75"),
)
_RULES = {"gradient": "gradient", "grid": "grid", "decades": "decades"}
_FITS = {"strengths": "own\nstrengths", "lasso": "lasso", "least squares": "least\nsquares"}


def draw(dataset: xr.Dataset) -> Figure:
    """Draw the search of one strength above, and of one for each coefficient below."""
    with plotting.page("ab;cde", 4.8) as (figure, panels):
        _draw_steps(panels["a"], dataset)
        _draw_risk(panels["b"], dataset)
        _draw_strengths(panels["c"], dataset)
        _draw_found(panels["d"], dataset)
        _draw_errors(panels["e"], dataset)
    return figure


def _draw_steps(axes: Axes, dataset: xr.Dataset) -> None:
    """What the gradient still has to go."""
    excess = stats.quantiles(dataset, "excess", "seed")
    plotting.band(axes, dataset["step"], excess, color=plotting.COLORS.blue)
    axes.axhline(0, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_ylim(-0.1, None)
    axes.set(xlabel=f"gradient step\n{plotting.count_runs(excess, 'data sets')}", ylabel="LOO over the grid's, %")
    axes.set_title("One strength by its gradient")


def _draw_risk(axes: Axes, dataset: xr.Dataset) -> None:
    """What each rule's choice costs."""
    logs = dataset.assign(cost=np.log(dataset["risk"] / dataset["risk"].sel(rule="best", drop=True)))
    cost = stats.mean(logs.sel(rule=list(_RULES)), "cost", "seed")[["mean", "low", "high"]].map(np.exp)
    plotting.bars(axes, np.arange(len(_RULES)), 100 * (cost - 1), across=True, color=plotting.COLORS.black)
    axes.set_yticks(range(len(_RULES)), list(_RULES.values()))
    axes.set(ylim=(len(_RULES) - 0.5, -0.5), xlim=(0, None), xlabel="risk over the least, %")
    axes.set_title("What a choice costs")


def _draw_strengths(axes: Axes, dataset: xr.Dataset) -> None:
    """The way of each strength in one data set."""
    factor = dataset["factor"].isel(draw=0)
    for place, (label, columns, color) in enumerate(reversed(_GROUPS)):
        lines = axes.plot(factor.isel(column=columns).values, color=color, linewidth=0.8, zorder=2 + place)
        lines[0].set_label(label)
    axes.axhline(float(factor[0, 0]), color="0.3", linewidth=0.8, linestyle="--")
    axes.set(yscale="log", xlabel="gradient step", ylabel="strength / 0.1")
    axes.set_title("One each")
    axes.legend(loc="upper left", ncols=3, handlelength=0.8, columnspacing=0.8)


def _draw_found(axes: Axes, dataset: xr.Dataset) -> None:
    """How often the largest are those that matter."""
    looks: plotting.Looks = {fit: {"color": "black", "label": label} for fit, label in _FITS.items()}
    plotting.points(axes, dataset, "found", looks, across=True, measure=_share, dim="draw", of="data sets")
    axes.set(xlim=(-3, 103), title="Support")


def _share(runs: xr.Dataset, name: str, dim: str) -> xr.Dataset:
    """In per cent."""
    found = stats.proportion(runs, name, dim)
    return found.assign({part: 100 * found[part] for part in ("proportion", "low", "high")})


def _draw_errors(axes: Axes, dataset: xr.Dataset) -> None:
    """Errors on the rows tuned on, and on others."""
    looks: plotting.Looks = {fit: {"color": "black", "label": ""} for fit in _FITS}
    for name, face, shift in (("validation_error", "white", -0.12), ("test_error", "black", 0.12)):
        plotting.points(axes, dataset, name, looks, shift=shift, across=True, dim="draw", markerfacecolor=face)
    axes.axvline(dataset.attrs["sparse_noise"] ** 2 / 2, color="0.5", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, None), xlabel="half the mean\nsquared error", title="Error")

"""What most panels show: a variable of every method's runs, as lines with bands or as points with bars.

A panel's labels come from the data: a variable's `long_name`, or its name, and its `units`; and the n of the runs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxreg import stats
from jaxreg.checks import FINITE, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.plotting.bands import band, bars, count_runs

Measure = Callable[..., xr.Dataset]
Looks = Mapping[Any, dict[str, Any]]
"""Settings of the line or the point of each method, as matplotlib names them."""


def lines(
    axes: Axes,
    runs: xr.Dataset,
    name: str,
    x: str,
    looks: Looks | None = None,
    *,
    measure: Measure = stats.mean,
    dim: str = "seed",
    of: str = "seeds",
    **look: Any,
) -> xr.Dataset:
    """Draw a variable over a coordinate, a line with its band for each method, and label both axes.

    Args:
        axes: where to draw.
        runs: of all methods, along the one dimension beside `x` and `dim`; without `looks`, of one.
        name: of the variable.
        x: the coordinate.
        looks: the methods to draw, and settings of the line of each (`color`, `label`, …); its label is its name by
            default. Those that were not run are left out.
        measure: what is drawn: a function of `jaxreg.stats`, called with `runs`, `name` and `dim`.
        dim: the dimension of the runs.
        of: what the runs are, for their n.
        **look: settings of every line.

    Returns:
        What was measured.

    Raises:
        ArgumentError: a variable or coordinate that is not there, or dimensions too many.

    >>> import matplotlib.pyplot as plt
    >>> from jaxreg.plotting import page
    >>> loss = [[[3.0, 2.0], [1.0, 1.5]]] * 4
    >>> runs = xr.Dataset({"loss": (("seed", "method", "epoch"), loss, {"units": "nats"})}, {"method": ["sgd", "adam"]})
    >>> with page("a", 2.5) as (figure, panels):
    ...     _ = lines(panels["a"], runs.assign_coords(epoch=[1, 2]), "loss", "epoch", {"adam": {"label": "Adam"}})
    >>> axes = panels["a"]
    >>> axes.lines[0].get_ydata(), axes.lines[0].get_label(), axes.get_ylabel()
    (array([1. , 1.5]), 'Adam', 'loss, nats')
    >>> axes.get_xlabel().splitlines()
    ['epoch', 'n = 4 seeds']
    >>> plt.close(figure)
    """
    summary, method = _measure(axes, runs, name, looks, measure, dim, (x,))
    methods = _methods(runs, method, looks)
    for value, own in methods:
        band(axes, x, summary if method is None else summary.sel({method: value}), **look | own)
    drawn = summary if method is None else summary.sel({method: [value for value, _ in methods]})
    axes.set_xlabel(f"{_label(runs[x])}\n{count_runs(drawn, of)}")
    axes.set_ylabel(_label(runs[name]))
    if runs[x].dtype.kind in "iu" and axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return summary


def points(
    axes: Axes,
    runs: xr.Dataset,
    name: str,
    looks: Looks,
    *,
    shift: float = 0.0,
    across: bool = False,
    measure: Measure = stats.mean,
    dim: str = "seed",
    of: str = "seeds",
    **look: Any,
) -> xr.Dataset:
    """Draw a variable as a point for each method, with a bar for its interval, and label both axes.

    Args:
        axes: where to draw.
        runs: of all methods, along the one dimension beside `dim`.
        name: of the variable.
        looks: the methods, in their order at 0, 1, 2, …, and settings of the point of each (`color`, `marker`, …); its
            `label` stands beside the tick.
        shift: of the points from their places, to draw several for each method.
        across: whether values go from left to right and methods from top to bottom.
        measure: what is drawn, as in `lines`.
        dim: the dimension of the runs.
        of: what the runs are, for their n.
        **look: settings of every point.

    Returns:
        What was measured.

    Raises:
        ArgumentError: as `lines`, or a shift that is no number.

    >>> import matplotlib.pyplot as plt
    >>> from jaxreg.plotting import page
    >>> runs = xr.Dataset({"loss": (("seed", "method"), [[3.0, 1.0], [2.0, 1.2]])}, {"method": ["sgd", "adam"]})
    >>> with page("a", 2.5) as (figure, panels):
    ...     _ = points(panels["a"], runs, "loss", {"sgd": {"color": "black"}, "adam": {"label": "Adam"}})
    >>> [tick.get_text() for tick in panels["a"].get_xticklabels()]
    ['sgd', 'Adam']
    >>> plt.close(figure)
    """
    FINITE.check("shift", shift, "Give a distance such as 0.15")
    summary, method = _measure(axes, runs, name, looks, measure, dim, ())
    methods = [(value, look | own) for value, own in _methods(runs, method, looks)]
    for place, (value, settings) in enumerate(methods):
        drawn = {key: setting for key, setting in settings.items() if key != "label"}
        bars(axes, [place + shift], summary.sel({method: [value]}), across=across, **drawn)
    names = [settings["label"] for _, settings in methods]
    count = count_runs(summary.sel({method: [value for value, _ in methods]}), of)
    if across:
        axes.set_yticks(range(len(names)), names)
        axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=f"{_label(runs[name])}\n{count}")
    else:
        axes.set_xticks(range(len(names)), names)
        axes.set(xlim=(-0.5, len(names) - 0.5), xlabel=count, ylabel=_label(runs[name]))
    return summary


def mean_in_spread(runs: xr.Dataset, name: str, dim: str = "seed") -> xr.Dataset:
    """The mean of a variable within the band from the 5 % to the 95 % quantile of its runs, for `lines`.

    Args:
        runs: as for `jaxreg.stats.mean`.
        name: of the variable.
        dim: the dimension of the runs.

    >>> runs = xr.Dataset({"loss": ("seed", [1.0, 2.0, 6.0])})
    >>> found = mean_in_spread(runs, "loss")
    >>> float(found["mean"]), round(float(found["high"]), 2)
    (3.0, 5.6)
    """
    spread = stats.quantiles(runs, name, dim).drop_vars("median")
    return spread.assign(mean=stats.mean(runs, name, dim)["mean"])


def _measure(
    axes: Axes, runs: xr.Dataset, name: str, looks: Looks | None, measure: Measure, dim: str, over: tuple[str, ...]
) -> tuple[xr.Dataset, str | None]:
    """What is drawn, and the dimension of its methods."""
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_kind("runs", runs, xr.Dataset, "Give a study's dataset, or a part of it")
    for argument, word in (("name", name), *(("x", x) for x in over)):
        if isinstance(word, str) and word in runs.dims and word not in runs:
            remedy = f"Give it some: runs.assign_coords({word}=range(1, {runs.sizes[word] + 1}))"
            raise ArgumentError(argument, word, "is a dimension without labels", remedy)
        if not isinstance(word, str) or word not in runs:
            raise ArgumentError(argument, word, "is no variable of the runs", f"Known: {', '.join(map(str, runs))}")
    check_kind("looks", looks, (Mapping, type(None)), "Give a dict of settings for each method")
    summary = measure(runs, name, dim=dim)
    rest = [str(d) for d in summary["n"].dims if d not in over]
    if len(rest) != (looks is not None):
        many = "one dimension of methods" if looks is not None else "no dimension of methods without looks"
        raise ArgumentError("runs", dict(runs[name].sizes), f"must have {many}", "Select or reduce the others first")
    return summary, rest[0] if rest else None


def _methods(runs: xr.Dataset, method: str | None, looks: Looks | None) -> list[tuple[Any, dict[str, Any]]]:
    """The methods to draw, each with its settings."""
    if method is None or looks is None:
        return [(None, {})]
    known = runs[method].values.tolist()
    for value, own in looks.items():
        check_kind(f"looks[{value!r}]", own, Mapping, "Give a dict of settings, such as {'color': 'black'}")
    return [(value, {"label": str(value), **own}) for value, own in looks.items() if value in known]


def _label(values: xr.DataArray) -> str:
    """What is along an axis, and its unit."""
    what = str(values.attrs.get("long_name", str(values.name).replace("_", " ")))
    return f"{what}, {values.attrs['units']}" if values.attrs.get("units") else what

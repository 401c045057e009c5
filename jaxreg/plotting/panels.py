"""Pages of lettered panels, and what most panels show: populations as lines, as points, and values that are marked.

A panel's labels come from the data: a variable's `long_name`, or its name, and its `units`; and the n of the runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from jaxreg import stats
from jaxreg.checks import FINITE, POSITIVE, SHARE, check_choice, check_kind, read_array
from jaxreg.errors import ArgumentError
from jaxreg.plotting.bands import band, bars, count_runs
from jaxreg.plotting.looks import PAGE_WIDTH, style

Measure = Callable[..., xr.Dataset]
Looks = Mapping[Any, dict[str, Any]]
"""Settings of the line or the point of each method, as matplotlib names them."""
_BETWEEN = (((1, 2, 3, 5), 1.0), ((1, 2, 5), 2.2), ((1, 3), 4.0), ((1,), np.inf))  # up to so many decades
_WIDE = 2.2  # inches, of axes below which a line of all counts has its place
_REFERENCE: dict[str, Any] = {"color": "0.6", "linewidth": 0.8, "zorder": 0}


def page(
    mosaic: str, height: float, *, width: float = PAGE_WIDTH, **grid: Any
) -> AbstractContextManager[tuple[Figure, dict[str, Axes]]]:
    """A figure in jaxreg's look; when the block ends, each panel's title begins with its letter.

    Args:
        mosaic: a letter for each panel, rows divided by ";", such as "ab;cd".
        height: in inches.
        width: in inches.
        **grid: more of matplotlib's `subplot_mosaic` (`width_ratios`, `sharey`, …).

    Returns:
        Context of the figure and its axes by letter.

    Raises:
        ArgumentError: no letters, or a size that is not positive.

    >>> with page("ab", 2.5) as (figure, panels):
    ...     _ = panels["b"].set_title("Loss")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['(a)', '(b) Loss']
    >>> plt.close(figure)
    """
    check_kind("mosaic", mosaic, str, "Give a letter for each panel, such as 'ab;cd'")
    rows = mosaic.split(";")
    if not all(row.isalpha() for row in rows) or len({len(row) for row in rows}) > 1:
        raise ArgumentError("mosaic", mosaic, "must be rows of as many letters each", "Divide them by ;, as in 'ab;cd'")
    for name, size in (("height", height), ("width", width)):
        POSITIVE.check(name, size, "Give inches, such as 2.9")
    return _page(mosaic, (width, height), grid)


@contextmanager
def _page(mosaic: str, size: tuple[float, float], grid: dict[str, Any]) -> Iterator[tuple[Figure, dict[str, Axes]]]:
    with style():
        figure = plt.figure(figsize=size)
        panels = figure.subplot_mosaic(mosaic, **grid)
        yield figure, panels
        for letter, axes in panels.items():
            axes.set_title(f"({letter}) {axes.get_title(loc='left')}".rstrip(), loc="left")


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
    axes.set_xlabel(f"{_label(runs[x])}\n{_count(axes, drawn, of)}")
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
    count = _count(axes, summary.sel({method: [value for value, _ in methods]}), of)
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


def mark(
    axes: Axes,
    *,
    x: float | int | Sequence[float | int] = (),
    y: float | int | Sequence[float | int] = (),
    text: str | None = None,
    height: float = 1.0,
) -> None:
    """Mark values by thin grey lines behind the data: upright and dotted at each `x`, level and full at each `y`.

    Args:
        axes: where to draw.
        x: one value, or several.
        y: one value, or several.
        text: beside the foot of each upright line.
        height: to which upright lines reach, as a share of the axes', to leave a legend alone.

    Raises:
        ArgumentError: values that are no numbers, or a height outside [0, 1].

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> mark(axes, x=[0.01, 0.1], text="T5")
    >>> [line.get_xdata()[0] for line in axes.lines]
    [0.01, 0.1]
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_kind("text", text, (str, type(None)), "Give a text, or None")
    SHARE.check("height", height, "Give a share of the axes' height, such as 0.8")
    upright, level = (np.atleast_1d(np.asarray(read_array(name, v, kinds="iuf"))) for name, v in (("x", x), ("y", y)))
    for value in upright.ravel().tolist():
        axes.axvline(value, ymax=float(height), linestyle=":", **_REFERENCE)
        if text:
            axes.annotate(text, (value, 0), (2, 2), ("data", "axes fraction"), "offset points", fontsize=6, color="0.4")
    for value in level.ravel().tolist():
        axes.axhline(value, **_REFERENCE)


def write_out(axes: Axes, which: str = "x") -> None:
    """Plain numbers along a logarithmic axis, in place of powers of ten, and between them the fewer the longer it is.

    Args:
        axes: whose axis is made logarithmic.
        which: "x" or "y".

    Raises:
        ArgumentError: no axes, or another axis than x and y.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> line, = axes.plot([1, 10], [1, 2])
    >>> write_out(axes)
    >>> axes.get_xscale(), axes.xaxis.get_major_formatter()(20.0)
    ('log', '20')
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_choice("which", which, ("x", "y"))
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else np.inf
    (subs, _), *_ = [(subs, longest) for subs, longest in _BETWEEN if decades <= longest]
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _measure(
    axes: Axes, runs: xr.Dataset, name: str, looks: Looks | None, measure: Measure, dim: str, over: tuple[str, ...]
) -> tuple[xr.Dataset, str | None]:
    """What is drawn, and the dimension of its methods."""
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_kind("runs", runs, xr.Dataset, "Give a study's dataset, or a part of it")
    for argument, word in (("name", name), *(("x", x) for x in over)):
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


def _count(axes: Axes, summary: xr.Dataset, of: str) -> str:
    """The n, and below narrow axes, on a line of its own, how many diverged."""
    width = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi
    return count_runs(summary, of).replace(" (", "\n(" if width < _WIDE else " (")


def _label(values: xr.DataArray) -> str:
    """What is along an axis, and its unit."""
    what = str(values.attrs.get("long_name", str(values.name).replace("_", " ")))
    return f"{what}, {values.attrs['units']}" if values.attrs.get("units") else what

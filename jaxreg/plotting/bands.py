"""A line with its band, or points with bars, drawn from a summary by `jaxreg.stats`, and the n that belongs to it."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from jaxreg.checks import FINITE, check_flag, check_kind, read_array
from jaxreg.errors import ArgumentError

_CENTRES = ("mean", "median", "proportion", "difference")
_OPACITY = 0.22


def band(
    axes: Axes,
    x: ArrayLike,
    summary: xr.Dataset,
    *,
    label: str | None = None,
    color: str | None = None,
    **line: Any,
) -> Line2D:
    """Draw the centre of `summary` as a line over `x` and the band from its `low` to its `high` behind it.

    Where too few runs are left for a band (it is infinite), the line stands alone.

    Args:
        axes: where to draw.
        x: positions, shape (d,), in the order of the one dimension of `summary`; or the name of a coordinate of it.
        summary: what `jaxreg.stats` returns: `mean`, `median`, `proportion` or `difference`, with `low` and `high`,
            each of shape (d,).
        label: legend entry of the line; the band has none of its own.
        color: of line and band; the next of the cycle by default.
        **line: more settings of the line (`linestyle`, `marker`, …).

    Returns:
        The centre line.

    Raises:
        ArgumentError: `summary` has no known centre or no band, has more than one dimension, or `x` has another length.

    >>> import matplotlib.pyplot as plt
    >>> summary = xr.Dataset({"mean": ("rate", [2.0, 3.0]), "low": ("rate", [1.0, 2.5]), "high": ("rate", [3.0, 4.0])})
    >>> figure, axes = plt.subplots()
    >>> band(axes, [0.1, 1.0], summary, label="accuracy").get_ydata()
    array([2., 3.])
    >>> plt.close(figure)
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    _check_color(color)
    centre = _find_centre(summary)
    positions = _read_positions(x, summary, centre)
    check_kind("label", label, (str, type(None)), "Give a text, or None for no entry")
    (drawn,) = axes.plot(positions, centre, label=label, color=color, **line)
    if positions.dtype.kind in "iuf":  # the axis shows all that was tried, also where nothing is left to be drawn
        axes.update_datalim(np.stack([positions, np.zeros(len(positions))], axis=1), updatey=False)
    axes.fill_between(
        positions,
        summary["low"],
        summary["high"],
        color=drawn.get_color(),
        alpha=_OPACITY,
        linewidth=0,
        zorder=drawn.get_zorder() - 0.5,
    )
    return drawn


def bars(axes: Axes, x: ArrayLike, summary: xr.Dataset, *, across: bool = False, **look: Any) -> ErrorbarContainer:
    """Draw the centre of `summary` as points at `x`, through each of them a bar from its `low` to its `high`.

    Where too few runs are left for a bar (it is infinite), the point stands alone.

    Args:
        axes: where to draw.
        x: positions, as in `band`.
        summary: as in `band`.
        across: whether values go from left to right, and positions from top to bottom.
        **look: settings of matplotlib's `errorbar` (`label`, `color`, `marker`, …).

    Returns:
        Points and bars.

    Raises:
        ArgumentError: as in `band`.

    >>> import matplotlib.pyplot as plt
    >>> summary = xr.Dataset({"mean": ("rate", [2.0, 3.0]), "low": ("rate", [1.0, 2.5]), "high": ("rate", [3.0, 4.0])})
    >>> figure, axes = plt.subplots()
    >>> centre, _, (through,) = bars(axes, [0.1, 1.0], summary, color="black").lines
    >>> through.get_segments()[0][:, 1]
    array([1., 3.])
    >>> plt.close(figure)
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    check_flag("across", across, "Say whether values go from left to right")
    _check_color(look.get("color"))
    centre = _find_centre(summary)
    positions = _read_positions(x, summary, centre)
    values = centre.values.astype(float)
    ends = np.stack([values - summary["low"].values, summary["high"].values - values])
    reach = np.where(np.isfinite(ends), np.maximum(ends, 0), np.nan)
    drawn: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 4, "elinewidth": 1} | look
    if across:
        return axes.errorbar(values, positions, xerr=reach, **drawn)
    return axes.errorbar(positions, values, reach, **drawn)


def _read_positions(x: ArrayLike, summary: xr.Dataset, centre: xr.DataArray) -> np.ndarray:
    """One position per entry of the centre: numbers, dates or names, or those of a coordinate."""
    if isinstance(x, str) and x not in summary:
        known = ", ".join(map(str, summary.coords)) or "none"
        raise ArgumentError("x", x, "must be a coordinate of the summary", f"Known: {known}")
    try:
        positions = np.asarray(summary[x] if isinstance(x, str) else x)
    except (TypeError, ValueError) as error:
        raise ArgumentError("x", x, f"must be an array ({error})", "Give one position per entry") from error
    if positions.dtype.kind not in "biufMmU":
        raise ArgumentError("x", x, "must hold numbers, dates or names", "Give one position per entry")
    if positions.shape != centre.shape:
        raise ArgumentError(
            "x.shape", positions.shape, f"must be that of the summary, {centre.shape}", "Give one position per entry"
        )
    return positions


def _check_color(color: Any) -> None:
    if color is not None and not is_color_like(color):
        raise ArgumentError("color", color, "must be a colour of matplotlib", "Give one as #0072B2")


def _find_centre(summary: xr.Dataset) -> xr.DataArray:
    """The one-dimensional centre of a summary that also has a band."""
    check_kind("summary", summary, xr.Dataset, "Give what a function of jaxreg.stats returns")
    found = [name for name in _CENTRES if name in summary]
    missing = {"low", "high"} - set(summary.data_vars)
    if len(found) != 1 or missing:
        raise ArgumentError(
            "summary",
            sorted(map(str, summary.data_vars)),
            f"must have low, high and one of {', '.join(_CENTRES)}",
            "Give what jaxreg.stats.mean, quantiles, proportion or paired_difference returns",
        )
    centre = summary[found[0]]
    for name in (found[0], "low", "high"):
        if summary[name].dims != centre.dims or summary[name].dtype.kind not in "biuf":
            shown = f"{summary[name].dtype}{dict(summary[name].sizes)}"
            raise ArgumentError(f"summary[{name!r}]", shown, "must hold numbers, one each", "Give what stats returns")
    if centre.ndim != 1:
        raise ArgumentError(
            "summary",
            dict(centre.sizes),
            "must have one dimension",
            "Select or reduce the others first, as in summary.sel(step=10)",
        )
    return centre


def describe_band(summary: xr.Dataset, unit: str = "runs") -> str:
    """Say what a band is and how many runs stand behind it, for a legend or a caption.

    Args:
        summary: what `jaxreg.stats` returns: `n`, the attribute `interval` and, where runs can diverge, `diverged`.
        unit: what is counted, in the plural.

    Raises:
        ArgumentError: a summary without `n`, or that does not say what its interval is.

    >>> counts = {"n": ("rate", [32, 30]), "diverged": ("rate", [0, 2])}
    >>> describe_band(xr.Dataset(counts, attrs={"interval": "95 % interval"}), "seeds")
    '95 % interval, n = 30–32 seeds (up to 2 diverged, left out)'
    """
    counted = count_runs(summary, unit)
    if "interval" not in summary.attrs:
        raise ArgumentError("summary.attrs", summary.attrs, "must have interval", "Give what jaxreg.stats returns")
    return f"{summary.attrs['interval']}, {counted}"


def mark_runs(axes: Axes, places: np.ndarray, color: str, height: float) -> None:
    """A tick at the place of each run along the horizontal axis, `height` of the axes' own above their foot.

    Args:
        axes: where to draw.
        places: of the runs, shape (runs,), in data coordinates.
        color: of the ticks.
        height: as a share of the axes' height.

    Raises:
        ArgumentError: places that are no flat array of numbers, an unknown colour, or a height that is no number.

    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> mark_runs(axes, np.array([0.1, 0.2]), "black", 0.03)
    >>> axes.lines[0].get_xdata()
    array([0.1, 0.2])
    >>> plt.close(figure)
    """
    check_kind("axes", axes, Axes, "Give matplotlib's Axes")
    places = np.asarray(read_array("places", places, kinds="iuf", ndim=1))
    _check_color(color)
    FINITE.check("height", height, "Give a share of the axes' height, such as 0.03")
    axes.plot(
        places,
        [float(height)] * len(places),
        color=color,
        transform=axes.get_xaxis_transform(),
        marker="|",
        markersize=6,
        markeredgewidth=0.7,
        linestyle="",
        alpha=0.6,
    )


def count_runs(summary: xr.Dataset, unit: str = "runs") -> str:
    """Say how many runs stand behind a band, and how many diverged.

    Args:
        summary: what `jaxreg.stats` returns, with `n` and, where runs can diverge, `diverged`.
        unit: what is counted, in the plural.

    Raises:
        ArgumentError: a summary without counts `n`.

    >>> count_runs(xr.Dataset({"n": 32, "diverged": 0}))
    'n = 32 runs'
    """
    check_kind("summary", summary, xr.Dataset, "Give what a function of jaxreg.stats returns")
    check_kind("unit", unit, str, "Say what is counted, in the plural")
    for name in ("n", *({"diverged"} & set(summary.data_vars))):
        if name not in summary or not summary[name].size or summary[name].dtype.kind not in "biuf":
            raise ArgumentError("summary", list(summary.data_vars), f"must have counts {name}", "Give one of stats")
    low, high = int(summary["n"].min()), int(summary["n"].max())
    text = f"n = {low:,} {unit}" if low == high else f"n = {low:,}–{high:,} {unit}"
    diverged = summary["diverged"] if "diverged" in summary else xr.DataArray(0)
    least, most = int(diverged.min()), int(diverged.max())
    if not most:
        return text
    return f"{text} ({'' if least == most else 'up to '}{most:,} diverged, left out)"

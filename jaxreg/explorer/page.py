"""The explorer: a population in one HTML file, to open in any browser or to see in a notebook."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import xarray as xr

import jaxreg
from jaxreg.checks import Domain, check_kind
from jaxreg.claims import Claim, judge, ledger
from jaxreg.errors import ArgumentError
from jaxreg.explorer.packing import choose_dim, choose_variables, count_done, pack
from jaxreg.study.page import render_ledger, render_provenance

_FOLDER = Path(__file__).parent
_PIXELS = 900  # height of the page in a notebook
_MEGABYTES = Domain(0.2, 1000)


@dataclass(frozen=True)
class Explorer:
    """A page; a notebook shows it, `save` writes it."""

    html: str
    """The whole page."""

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which can neither reach the notebook nor the network."""
        style = f"width:100%;height:{_PIXELS}px;border:0"
        return (
            f'<iframe sandbox="allow-scripts" style="{style}" title="Explorer" srcdoc="{escape(self.html)}"></iframe>'
        )

    def __repr__(self) -> str:
        """Its size; the text itself is long."""
        return f"Explorer({len(self.html.encode()) / 1e6:.2f} MB of HTML)"

    def save(self, path: str | Path) -> Path:
        """Write the page, at once as a whole.

        Raises:
            ArgumentError: nothing can be written there.
        """
        check_kind("path", path, (str, Path), 'Give "page.html"')
        target = Path(path)
        part = target.with_name(f"{target.name}.part")
        try:
            part.write_text(self.html, encoding="utf-8")
            part.replace(target)
        except (OSError, ValueError) as error:
            raise ArgumentError("path", str(path), f"cannot be written ({error})", "Give another file") from error
        return target


def explore(
    dataset: xr.Dataset,
    claims: Iterable[Claim] = (),
    *,
    dim: str | None = None,
    variables: Sequence[str] | None = None,
    title: str | None = None,
    megabytes: float = 5.0,
) -> Explorer:
    r"""A population as one HTML page without server or network: axes to choose, bands, pairs, single runs, claims.

    The page computes from the values that it holds what `jaxreg.stats` does: means with Student-t intervals, medians
    with quantiles of the runs, shares with Wilson intervals, paired differences from a baseline, distributions. Nothing
    in it is rounded. A history whose values do not fit is thinned along its longest dimension; its means are then those
    of all entries, from moments taken here, and the page says so.

    Args:
        dataset: result of `sweep`, or what `xarray.open_zarr` reads from a store, or a part of either. Titles and units
            are its attributes `long_name` and `units`, names of integer categories `flag_values` and `flag_meanings`
            (CF conventions); `attrs["title"]` is that of the page.
        claims: of the study, judged on this dataset and shown with their verdicts.
        dim: the axis of the runs that are averaged; by default the longest that has `seed` in its name, else the
            longest.
        variables: names of those to show; by default all numbers over the axes.
        title: of the page.
        megabytes: how large the page may be, 0.2 to 1000.

    Returns:
        The page: the last line of a notebook's cell shows it, `.save("page.html")` writes it.

    Raises:
        ArgumentError: no result of a sweep, one without runs or without numbers, or one that does not fit.

    >>> import jax.numpy as jnp, jaxreg as jr
    >>> axes = {"rate": [0.5, 1.0], "batch": [1.0, 8.0]}
    >>> result = jr.sweep(lambda *, rate, batch: {"loss": rate * batch}, axes, progress=False)
    >>> page = explore(result, dim="batch", title="Two rates")
    >>> "<title>Two rates</title>" in page.html
    True
    """
    check_kind("dataset", dataset, xr.Dataset, "Give what sweep returned")
    if "diverged" not in dataset.data_vars:
        constraint = "must have the variable diverged, whose dimensions are the axes of the sweep"
        raise ArgumentError("dataset", tuple(dataset.data_vars), constraint, "Give what sweep returned")
    axes = dataset["diverged"].dims
    if not axes or any(not isinstance(dim, str) for dim in dataset.dims):
        constraint = "must have an axis, and dimensions that are named by text"
        raise ArgumentError("dataset", tuple(dataset.dims), constraint, "Select with lists, as in sel(seed=[0])")
    if title is not None:
        check_kind("title", title, str, "Write it as text")
    _MEGABYTES.check("megabytes", megabytes, "5 is common")
    done, total = count_done(dataset)
    if not done:
        constraint = f"must have a run that is done, but none of {total:,} is"
        raise ArgumentError("dataset", dict(dataset["diverged"].sizes), constraint, "Sweep first, or wait for it")
    dim = choose_dim(dataset, dim)
    rows = ledger(judge(claims, dataset))
    frame, texts = _frame(), (render_ledger(rows), render_provenance(_read_provenance(dataset)))
    around = sum(len(text.encode()) for text in (*frame.values(), *texts))
    packed = pack(dataset, dim, choose_variables(dataset, variables), 0.74 * (1e6 * megabytes - around))
    heading = title or str(dataset.attrs.get("title", "")) or "A population of runs"
    open_runs = f", {done:,} of {total:,} runs are done so far" if done < total else f", {total:,} runs"
    sizes = " × ".join(f"{axis} {size:,}" for axis, size in dataset["diverged"].sizes.items())
    diverged = dataset["diverged"].astype(bool)
    missing = packed.pop("missing")
    unfit = f" Left out, as they do not fit: {', '.join(missing)}." if missing else ""
    lost = int((diverged & dataset["done"] if "done" in dataset else diverged).sum())
    html = Template((_FOLDER / "template.html").read_text(encoding="utf-8")).substitute(
        frame,
        title=escape(heading),
        about=escape(f"{sizes}{open_runs}, {lost:,} diverged.{unfit}"),
        claims=texts[0],
        provenance=texts[1],
        version=jaxreg.__version__,
        data=json.dumps(packed, allow_nan=False, separators=(",", ":")).replace("</", "<\\/"),
    )
    return Explorer(html)


def _frame() -> dict[str, str]:
    """The parts of every page: style sheets, uPlot with its licence, and the explorer's scripts."""
    own = ("statistics.js", "choices.js", "scene.js", "charts.js", "pointing.js", "explore.js")
    names = ("uplot.min.css", "explore.css", "uplot.min.js", *own, "uplot.LICENSE")
    return {name.replace(".", "_").lower(): (_FOLDER / name).read_text(encoding="utf-8") for name in names}


def _read_provenance(dataset: xr.Dataset) -> dict[str, Any]:
    """What the dataset says of its origin; something else than a sweep's text is shown as it is."""
    told = dataset.attrs.get("provenance", "")
    try:
        read = json.loads(told)
    except (TypeError, ValueError):
        read = None
    return read if isinstance(read, dict) else {"provenance": str(told)} if told else {}

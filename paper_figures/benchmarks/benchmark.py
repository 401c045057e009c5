"""Speed against what one would write instead: measured ratios and shares beside their targets."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from jaxreg import plotting

CAPTION = (
    "Each figure of the benchmark that has a target, as a multiple of it: a bar which reaches the line at 1 meets its "
    "target; for the engine's overhead and for memory, where less is better, target over measurement. Medians of the "
    "repeats that the provenance states; no bands."
)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw how far each figure reaches towards its target."""
    rows = dataset.isel(figure=np.flatnonzero(np.isfinite(dataset["target"])))
    value, target, unit = rows["value"].values, rows["target"].values, rows["unit"].values
    reached = np.where(rows["less_is_better"], target / value, value / target)
    names = [
        f"{name.strip()}\n{v:.3g} {u}, target {t:g}"
        for name, v, u, t in zip(rows["figure"].values, value, unit, target, strict=True)
    ]
    with plotting.page("A", 0.5 + 0.42 * len(names)) as (figure, panels):
        axes = panels["A"]
        colors = [plotting.COLORS.blue if r >= 1 else plotting.COLORS.orange for r in reached]
        hatches = ["" if r >= 1 else "//" for r in reached]
        axes.barh(range(len(names)), reached, color=colors, hatch=hatches, edgecolor="white")
        axes.axvline(1.0, color="black", linewidth=1)
        axes.set(yticks=range(len(names)), xlabel="measured, as a multiple of the target (hatched: missed)")
        axes.set_yticklabels(names)
        axes.invert_yaxis()
    return figure

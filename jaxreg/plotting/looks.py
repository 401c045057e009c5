"""The look of every figure: widths, colours and matplotlib settings for a printed page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib
import matplotlib.style
from cycler import cycler

COLUMN_WIDTH = 3.35
"""Width in inches of one column of a two-column paper."""

PAGE_WIDTH = 6.9
"""Width in inches of a figure over both columns."""


class Colors(NamedTuple):
    """The palette of Okabe and Ito, told apart by colour-blind readers; lines that print well on white come first."""

    blue: str = "#0072B2"
    vermillion: str = "#D55E00"
    green: str = "#009E73"
    purple: str = "#CC79A7"
    orange: str = "#E69F00"
    sky: str = "#56B4E9"
    black: str = "#000000"
    yellow: str = "#F0E442"


COLORS = Colors()

_GREY = "#4D4D4D"
_SETTINGS = {
    "figure.figsize": (COLUMN_WIDTH, COLUMN_WIDTH / 1.4),
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    # Text stays text in the PDF (TrueType), whatever the reader's or the journal's fonts are.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "grid.linewidth": 0.5,
    "grid.color": "#D9D9D9",
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "image.cmap": "viridis",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in jaxreg's look: legible at column width, despined, fonts embedded, constrained layout, Okabe-Ito cycle.

    It starts from matplotlib's defaults, so that a personal `matplotlibrc` changes nothing. On leaving, the settings
    from before are back.

    >>> with style():
    ...     matplotlib.rcParams["pdf.fonttype"]
    42
    """
    with matplotlib.style.context(_SETTINGS, after_reset=True):
        yield

"""What the figures of SGD on the landscape of tutorial T2 share: its window, its fates' colours and names."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from jaxreg import plotting
from jaxreg.landscape import T2_LANDSCAPE

RATE = 0.3
"""The tutorial's learning rate."""
WINDOW = (-7.0, 7.0)
HEIGHTS = (-5.0, 10.0)
PALETTE = (plotting.COLORS.blue, plotting.COLORS.purple, plotting.COLORS.orange, plotting.COLORS.vermillion)
"""Colours of the fates."""
_MINIMA = [f"{w:.2f}".replace("-", "−") for w in T2_LANDSCAPE.minima]
NAMES = (f"global minimum, {_MINIMA[1]}", f"left, {_MINIMA[0]}", f"right, {_MINIMA[2]}", "diverged")
"""Names of the fates."""
_BASINS = (PALETTE[1], PALETTE[0], PALETTE[2])  # their colours, from left to right
HEIGHT_AT = np.polynomial.Polynomial(np.asarray(T2_LANDSCAPE.coefficients))
"""The landscape, for NumPy."""


def shade_basins(axes: Axes) -> None:
    """Tint the basins of the landscape in the colours of their fates, and set the tutorial's window."""
    edges = [WINDOW[0], *T2_LANDSCAPE.critical_points[1::2].tolist(), WINDOW[1]]
    for ends, color in zip(pairwise(edges), _BASINS, strict=True):
        axes.axvspan(*ends, color=color, alpha=0.1, linewidth=0)
    axes.set(xlim=WINDOW, ylim=HEIGHTS, yticks=(-5, 0, 5, 10), ylabel="$p(w)$")


def mark_minima(axes: Axes, size: float = 5) -> None:
    """Dots on the minima, in the colours of their basins."""
    for minimum, color in zip(T2_LANDSCAPE.minima, _BASINS, strict=True):
        axes.plot(minimum, HEIGHT_AT(minimum), "o", color=color, markersize=size, zorder=3)

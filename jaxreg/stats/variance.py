"""How much of the variance each source of randomness brings."""

import itertools
import math

import numpy as np
import xarray as xr

from jaxreg.errors import ArgumentError
from jaxreg.stats.runs import Table, collect, label


def variance_components(dataset: Table, name: str | None, dims: tuple[str, ...]) -> xr.Dataset:
    r"""How much variance each source of randomness brings: crossed random effects, balanced analysis of variance.

    For two axes, $y_{ij} = \mu + A_i + B_j + E_{ij}$ with independent effects of variance $\sigma_A^2, \sigma_B^2,
    \sigma_E^2$; $E$ is the interaction and all else. In general there is one component for every non-empty set $S$ of
    axes, the full set being the residual. With $n_i$ levels of axis $i$ and $c_S = \prod_{i \notin S} n_i$, the mean
    squares $M_S$, on $f_S = \prod_{i \in S} (n_i - 1)$ degrees of freedom, have expectation
    $\mathbb E M_S = \sum_{T \supseteq S} c_T \sigma_T^2$. Equating each to its expectation gives the unbiased

    $$\hat\sigma_S^2 = \frac1{c_S} \sum_{T \supseteq S} (-1)^{|T| - |S|} M_T, \qquad
      \mathrm{se}^2 = \frac1{c_S^2} \sum_{T \supseteq S} \frac{2 M_T^2}{f_T + 2},$$

    the standard error holding for normal effects. An estimate may be negative, which means: too small to be seen here.
    A diverged run leaves a hole in the grid. The method needs a full grid, hence whole levels are dropped, the one with
    the largest share of holes first, until none is left; `n` runs were used, `diverged` were holes and `dropped` are
    the sound ones lost with them. The components then describe the levels in which every run lived.

    Args:
        dataset: result of a sweep.
        name: variable to analyse.
        dims: two or more crossed axes, as `("init_seed", "order_seed")`.

    Returns:
        Dataset of `variance`, `share` (of the sum of the positive estimates), `standard_error` and `degrees`, over a
        new leading dimension `component` ("init_seed", "order_seed", "residual"; with three axes also "a × b"), and of
        `n`, `diverged`, `dropped`. Where an axis keeps fewer than two levels: `n` 0, variance and share NaN, standard
        error infinite. A share is 0 where no estimate is positive.

    Raises:
        ArgumentError: unknown variable or dimension, fewer than two axes, or an axis of one level.

    >>> grid = np.array([0.0, 10.0, 20.0])[:, None] + np.array([0.0, 1.0])
    >>> runs = xr.Dataset({"loss": (("init_seed", "order_seed"), grid)})
    >>> parts = variance_components(runs, "loss", dims=("init_seed", "order_seed"))
    >>> {str(part): round(float(parts["variance"].sel(component=part)), 6) for part in parts["component"].values}
    {'init_seed': 100.0, 'order_seed': 0.5, 'residual': 0.0}

    Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4.
    """
    runs = collect(dataset, name, dims)
    if len(runs.dims) < 2 or min(runs.sizes) < 2:
        constraint = f"must be two or more axes of two or more levels, not {runs.sizes}"
        raise ArgumentError("dims", dims, constraint, 'Sweep two seed axes and give ("init_seed", "order_seed")')
    dims = runs.dims
    subsets = [s for size in range(1, len(dims) + 1) for s in itertools.combinations(range(len(dims)), size)]
    cells = len(runs.values)
    grids = runs.values.reshape(cells, *runs.sizes)
    variance, error = np.full((2, len(subsets), cells), np.nan)
    degrees, n = np.zeros((len(subsets), cells), int), np.zeros(cells, int)
    patterns, which = np.unique(runs.valid, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):  # cells with the same holes together; usually there is one pattern
        here = np.flatnonzero(which.ravel() == number)
        levels = full_grid(pattern.reshape(runs.sizes))
        if min(len(level) for level in levels) > 1:
            n[here] = math.prod(len(level) for level in levels)
            variance[:, here], error[:, here], degrees[:, here] = _decompose(grids[np.ix_(here, *levels)], subsets)
    positive = np.maximum(variance, 0.0)
    total = np.broadcast_to(positive.sum(0), positive.shape)
    sound = runs.valid.sum(-1)
    summary = label(
        runs,
        "estimate ± one standard error",
        variance=variance,
        share=np.divide(positive, total, out=positive * 0.0, where=total > 0),
        standard_error=np.where(np.isnan(error), np.inf, error),
        degrees=degrees,
        n=n,
        diverged=runs.left_out,
        dropped=sound - n,
    )
    return summary.assign_coords(component=[" × ".join(dims[i] for i in s) for s in subsets[:-1]] + ["residual"])


def full_grid(valid: np.ndarray) -> list[np.ndarray]:
    """Levels of each axis that span a grid without holes, dropping the level with the largest share of holes first."""
    levels = [np.arange(size) for size in valid.shape]
    while not (grid := valid[np.ix_(*levels)]).all():
        holes = [(~grid).mean(tuple(j for j in range(grid.ndim) if j != i)) for i in range(grid.ndim)]
        axis = max(range(grid.ndim), key=lambda i: holes[i].max())
        levels[axis] = np.delete(levels[axis], holes[axis].argmax())
    return levels


def _decompose(grids: np.ndarray, subsets: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance and its error (components, cells) and degrees (components, 1) of full grids (cells, *levels)."""
    sizes = grids.shape[1:]
    squares, degrees, copies = {}, {}, {}
    for s in subsets:
        others = tuple(i + 1 for i in range(len(sizes)) if i not in s)
        effect = grids.mean(others, keepdims=True)
        for i in s:  # free the means over the other axes of every smaller effect
            effect = effect - effect.mean(i + 1, keepdims=True)
        degrees[s] = math.prod(sizes[i] - 1 for i in s)
        copies[s] = math.prod(sizes[i - 1] for i in others)
        squares[s] = copies[s] * (effect**2).sum(tuple(range(1, grids.ndim))) / degrees[s]
    variance, error = [], []
    for s in subsets:
        above = [t for t in subsets if set(s) <= set(t)]
        variance.append(sum((-1) ** (len(t) - len(s)) * squares[t] for t in above) / copies[s])
        error.append(np.sqrt(sum(2 * squares[t] ** 2 / (degrees[t] + 2) for t in above)) / copies[s])
    return np.array(variance), np.array(error), np.array([[degrees[s]] for s in subsets])

"""What the experiment on the scatter over seeds computes from its runs: parts of a variance, and seeds needed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import chdtri, ndtri, stdtrit

from jaxreg import stats
from jaxreg.agreement import split_accuracy_variance
from jaxreg.study import Estimate

BASELINE = "T5"
SOURCES = ("init_seed", "order_seed", "dropout_seed")
POWER = 0.8
LEVEL = 0.95
DIFFERENCES = (0.1, 0.5, 1.0)
_PERCENT = 100
_GROUPS = 32


def list_runs(dataset: xr.Dataset) -> np.ndarray:
    """Correctness (settings, seeds, examples), the baseline first, of the seeds that diverged at no setting."""
    sound = ~dataset["diverged"].any("setting")
    return dataset["test_correct"].sel(seed=sound).transpose("setting", "seed", "example").values


def split_variances(dataset: xr.Dataset) -> xr.Dataset:
    """The exact identity at each setting: `total` = `bernoulli` + `covariance`, in squared percentage points.

    With the 95 % interval of the total, by the chi-squared law that normal accuracies have.
    """
    runs = list_runs(dataset)
    parts = [split_accuracy_variance(correct) for correct in runs]
    split = {part: ("setting", [_PERCENT**2 * getattr(one, part) for one in parts]) for part in parts[0]._fields}
    degrees = runs.shape[1] - 1
    result = xr.Dataset(
        split, {"setting": dataset["setting"]}, {"n": runs.shape[1], "interval": f"{100 * LEVEL:g} % χ² interval"}
    )
    low, high = (degrees / chdtri(degrees, tail) for tail in (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return result.assign(low=low * result["total"], high=high * result["total"])


def split_sources(dataset: xr.Dataset) -> xr.Dataset:
    """Variance components of the accuracy, in squared percentage points, at the baseline."""
    return stats.variance_components(dataset, "crossed_accuracy", SOURCES)


def count_seeds(difference: float | np.ndarray, variance: float | np.ndarray) -> Any:
    r"""Runs of each setting that show a difference: $n = (z_{1 - \alpha/2} + z_{1 - \beta})^2\, V / \delta^2$.

    The interval of the difference then excludes 0 with probability `POWER`. Not rounded up.

    Args:
        difference: $\delta$.
        variance: $V$, of the difference of one run of either setting, in the squared unit of `difference`.
    """
    return (ndtri(0.5 + LEVEL / 2) + ndtri(POWER)) ** 2 * variance / difference**2


def measure_differences(runs: np.ndarray, images: int | None = None) -> tuple[float, float]:
    r"""Variance of the difference from the baseline, paired and unpaired, in squared points, in the mean of settings.

    On a test set of another size, by the exact identity: for the difference of two runs as for one, the variance is
    $\sum_i \mathrm{Var}_i / n^2 + \sum_{i \ne j} \mathrm{Cov}_{ij} / n^2$, of which the former goes with $1/n$ and the
    latter, a mean over pairs of images, stays but for a factor $1 - 1/n$.

    Args:
        runs: from `list_runs`.
        images: size of the test set; by default that of the runs.
    """
    examples = runs.shape[-1]
    images = examples if images is None else images

    def spread(scores: np.ndarray) -> float:
        total = scores.mean(1).var(ddof=1)
        single = scores.var(0, ddof=1).sum() / examples**2
        rest = (total - single) / (1 - 1 / examples) * (1 - 1 / images)
        return _PERCENT**2 * float(single * examples / images + rest)

    scores = runs.astype(np.float64)
    alone = [spread(setting) for setting in scores]
    paired = [spread(setting - scores[0]) for setting in scores[1:]]
    return float(np.mean(paired)), alone[0] + float(np.mean(alone[1:]))


def tabulate_seeds(dataset: xr.Dataset, full: int) -> xr.DataArray:
    """Seeds needed over `design` ("paired", "unpaired"), `setting`, `test_images` and `difference` in points.

    The baseline, which has no difference from itself, is NaN; so is a variance that the runs make negative.
    """
    runs = list_runs(dataset)
    sizes = list(dict.fromkeys((runs.shape[-1], full)))
    pairs = [runs[[0, k]] for k in range(1, len(runs))]
    variance = np.array([[measure_differences(pair, images) for images in sizes] for pair in pairs])
    variance = np.concatenate([np.full((1, len(sizes), 2), np.nan), variance])
    needed = count_seeds(np.array(DIFFERENCES), np.where(variance < 0, np.nan, variance)[..., None])
    coordinates = {
        "setting": dataset["setting"].values,
        "test_images": sizes,
        "design": ["paired", "unpaired"],
        "difference": list(DIFFERENCES),
    }
    return xr.DataArray(needed, coordinates, list(coordinates))


def jackknife(statistic: Callable[[np.ndarray], float], runs: np.ndarray, unit: str = "") -> Estimate:
    """A statistic of independent runs, with the 95 % Student t interval of the jackknife that deletes groups, and n.

    Args:
        statistic: function of correctness (settings, seeds, examples).
        runs: from `list_runs`.
        unit: of the statistic.
    """
    n = runs.shape[1]
    groups = np.array_split(np.arange(n), min(n, _GROUPS))
    without = np.array([statistic(np.delete(runs, group, axis=1)) for group in groups])
    error = float(np.sqrt((len(groups) - 1) * without.var()))
    centre, half = statistic(runs), float(stdtrit(len(groups) - 1, 0.5 + LEVEL / 2)) * error
    return Estimate(centre, (centre - half, centre + half), n, unit)

"""Training methods compared fairly: each at every learning rate, at its own best one, and at its default."""

from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments import tutorial_network as t5
from jaxreg.claims import Verdict, above, estimate

Estimate = tuple[float, tuple[float, float], int]


def half_decades(first: int, last: int) -> tuple[float, ...]:
    """Learning rates, two a decade, from $10^{first/2}$ to $10^{last/2}$, to four digits.

    >>> half_decades(-3, 0)
    (0.03162, 0.1, 0.3162, 1.0)
    """
    return tuple(float(f"{10 ** (k / 2):.4g}") for k in range(first, last + 1))


def find_best_rates(dataset: xr.Dataset, dim: str) -> xr.DataArray:
    """For each method along `dim`, the learning rate of the highest last accuracy on every other seed."""
    chosen_on, _ = t5.split_seeds(t5.last_accuracy(dataset))
    best = [
        t5.choose_best(chosen_on.sel({dim: kind}), "test_accuracy", "learning_rate") for kind in dataset[dim].values
    ]
    return xr.DataArray(np.array(best), {dim: dataset[dim].values}, (dim,))


def take(runs: xr.Dataset, rates: xr.DataArray) -> xr.Dataset:
    """Each method's runs at its own learning rate."""
    return runs.sel(learning_rate=rates, method="nearest").drop_vars("learning_rate")


def tuned(dataset: xr.Dataset, dim: str, epoch: int = -1) -> xr.Dataset:
    """Accuracy in per cent of each method at its best rate, on the seeds that it was not chosen on."""
    _, measured_on = t5.split_seeds(t5.last_accuracy(dataset.isel(epoch=[epoch])))
    return take(measured_on, find_best_rates(dataset, dim))


def compare(runs: xr.Dataset, dim: str, first: Any, second: Any) -> Estimate:
    """Accuracy of the first method minus that of the second, seed by seed; nothing where one was not tried."""
    if not {first, second} <= set(runs[dim].values.tolist()):
        return float("nan"), (-float("inf"), float("inf")), 0
    gains = jr.stats.paired_difference(runs, "test_accuracy", "seed", dim, second)
    return estimate(gains.sel({dim: first}))


def is_better(runs: xr.Dataset, dim: str, first: Any, second: Any, bound: float = 0) -> Verdict:
    """Whether the first method is more accurate than the second, by more than `bound` percentage points."""
    return above(*compare(runs, dim, first, second), bound=bound, unit=t5.POINTS)


def compare_best_rates(dataset: xr.Dataset, dim: str, first: Any, second: Any) -> Estimate:
    """Decades between the best learning rates of two methods, each chosen by one seed alone: mean over the seeds."""
    if not {first, second} <= set(dataset[dim].values.tolist()):
        return float("nan"), (-float("inf"), float("inf")), 0
    last = t5.last_accuracy(dataset)
    accuracy = last["test_accuracy"].where(~last["diverged"]).fillna(-np.inf)
    decades = np.log10(dataset["learning_rate"])[accuracy.argmax("learning_rate")]
    ratio = (decades.sel({dim: first}) - decades.sel({dim: second})).drop_vars("learning_rate", errors="ignore")
    return estimate(jr.stats.mean(xr.Dataset({"ratio": ratio}, coords={}), "ratio", "seed"))

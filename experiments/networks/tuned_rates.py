"""Training methods compared fairly: each at every learning rate, at its own best one, and at its default."""

from typing import Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.claims import Estimate, estimate
from jaxreg.study import at, choose, held_out


def half_decades(first: int, last: int) -> tuple[float, ...]:
    """Learning rates, two a decade, from $10^{first/2}$ to $10^{last/2}$, to four digits.

    >>> half_decades(-3, 0)
    (0.03162, 0.1, 0.3162, 1.0)
    """
    return tuple(float(f"{10 ** (k / 2):.4g}") for k in range(first, last + 1))


def find_best_rates(dataset: xr.Dataset) -> xr.DataArray:
    """For each method, the learning rate of the highest last accuracy on every other seed."""
    return choose(t5.last_accuracy(dataset), "test_accuracy", "learning_rate")


def tuned(dataset: xr.Dataset, epoch: int = -1) -> xr.Dataset:
    """Accuracy in per cent of each method at its best rate, on the seeds that it was not chosen on."""
    return held_out(at(t5.last_accuracy(dataset.isel(epoch=[epoch])), learning_rate=find_best_rates(dataset)))


def compare_best_rates(dataset: xr.Dataset, dim: str, first: Any, second: Any) -> Estimate | None:
    """Decades between the best learning rates of two methods, each chosen by one seed alone: mean over the seeds."""
    if not {first, second} <= set(dataset[dim].values.tolist()):
        return None
    last = t5.last_accuracy(dataset)
    accuracy = last["test_accuracy"].where(~last["diverged"]).fillna(-np.inf)
    decades = np.log10(dataset["learning_rate"])[accuracy.argmax("learning_rate")]
    ratio = (decades.sel({dim: first}) - decades.sel({dim: second})).drop_vars("learning_rate", errors="ignore")
    return estimate(jr.stats.mean(xr.Dataset({"ratio": ratio}, coords={}), "ratio", "seed"), "decades")

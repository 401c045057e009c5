"""What tutorial T3 claims about regularizers, and how each claim is tested on a population of its case study."""

from functools import partial
from typing import Any

import xarray as xr

import jaxreg as jr
from experiments.networks.tutorial_network import POINTS
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, estimate
from jaxreg.errors import ArgumentError
from jaxreg.study import share

TUTORIAL_CASES = ("L2", "L1", "dropout", "ZCA + dropout", "early stopping")
"""What tutorial T3 holds against its baseline."""
TUTORIAL_STOP = 5
_LEAP, _NOTHING = 0.5, 0.1  # percentage points
_FEW = 1.0  # per cent of the weights


def last_accuracies(dataset: xr.Dataset) -> xr.Dataset:
    """`validation` and `test` accuracy after the last epoch, in per cent, and which runs diverged."""
    last = dataset[["validation_accuracy", "test_accuracy", "diverged"]].isel(epoch=-1, drop=True)
    percent = {name: 100 * last[f"{name}_accuracy"] for name in ("validation", "test")}
    return last[["diverged"]].assign(percent)


def measure_gain(dataset: xr.Dataset, name: str = "test", baseline: str = "baseline", level: float = 0.95) -> Any:
    """Accuracy in each case minus that in another, seed by seed, in percentage points."""
    return jr.stats.paired_difference(last_accuracies(dataset), name, "seed", "case", baseline, level)


def find_wins(dataset: xr.Dataset) -> xr.Dataset:
    """Whether a case is more accurate than the baseline, seed by seed; `diverged` if either did."""
    last = last_accuracies(dataset)
    other = last.sel(case="baseline", drop=True)
    return xr.Dataset({"better": last["test"] > other["test"], "diverged": last["diverged"] | other["diverged"]})


def _require(dataset: xr.Dataset, *cases: str) -> None:
    missing = [case for case in cases if case not in dataset["case"].values]
    if missing:
        raise ArgumentError("case", dataset["case"].values, f"must hold {', '.join(missing)}", "Give a result of run")


def _gain(dataset: xr.Dataset, case: str, baseline: str = "baseline", level: float = 0.95) -> Estimate:
    _require(dataset, case, baseline)
    return estimate(measure_gain(dataset, baseline=baseline, level=level).sel(case=case), POINTS)


def _share_of_wins(dataset: xr.Dataset, case: str) -> Estimate:
    _require(dataset, case)
    return share("better")(find_wins(dataset).sel(case=case))


def _epochs_until_stop(dataset: xr.Dataset) -> Estimate:
    stops = jr.stats.mean(dataset.sel(case="early stopping"), "last_epoch", dim="seed")
    return estimate(stops, "epochs")


def _least_gain(dataset: xr.Dataset) -> Estimate:
    """The gain of the regularizer that gains least; all of them at once at the error level."""
    level = 1 - 0.05 / len(TUTORIAL_CASES)
    gains = [_gain(dataset, case, level=level) for case in TUTORIAL_CASES]
    lows, highs = zip(*(gain.interval for gain in gains), strict=True)
    least = min(gain.effect for gain in gains)
    return Estimate(least, (min(lows), min(highs)), min(gain.n for gain in gains), POINTS)


def _share_of_zeros(dataset: xr.Dataset, case: str) -> Estimate:
    _require(dataset, case)
    last = dataset[["zero_fraction", "diverged"]].isel(epoch=-1).sel(case=case)
    return estimate(
        jr.stats.mean(last.assign(percent=100 * last["zero_fraction"]), "percent", dim="seed"), "% of weights"
    )


CLAIMS = (
    Claim("L2 is better than the baseline", "tutorial T3", partial(_gain, case="L2"), Above(0.0)),
    Claim(
        "L1 brings no improvement (less than 0.1 percentage points)",
        "tutorial T3",
        partial(_gain, case="L1"),
        Below(_NOTHING),
    ),
    Claim("Dropout is better than the baseline", "tutorial T3", partial(_gain, case="dropout"), Above(0.0)),
    Claim(
        "ZCA whitening with dropout is a leap: half a percentage point or more over the baseline",
        "tutorial T3",
        partial(_gain, case="ZCA + dropout"),
        Above(_LEAP),
    ),
    Claim(
        "ZCA whitening with dropout works every time (in more than 95 % of seeds)",
        "tutorial T3",
        partial(_share_of_wins, case="ZCA + dropout"),
        Above(95),
    ),
    Claim(
        "The leap is that of ZCA whitening: with dropout it is better than dropout alone",
        "tutorial T3, which shows only both",
        partial(_gain, case="ZCA + dropout", baseline="dropout"),
        Above(0.0),
    ),
    Claim(
        "Early stopping on validation accuracy with patience 2 stops after about 5 epochs (4 to 6, in the mean)",
        "tutorial T3",
        _epochs_until_stop,
        Inside(TUTORIAL_STOP - 1, TUTORIAL_STOP + 1),
    ),
    Claim(
        "Early stopping is better than the baseline",
        "tutorial T3",
        partial(_gain, case="early stopping"),
        Above(0.0),
    ),
    Claim(
        "Regularize whatever you do: each of L2, L1, dropout, ZCA with dropout and early stopping is better than the "
        "baseline",
        "tutorial T3, its conclusion",
        _least_gain,
        Above(0),
    ),
    Claim(
        "Shifting, turning and scaling the images is better than the baseline",
        "tutorial T3, which describes it",
        partial(_gain, case="augmentation"),
        Above(0.0),
    ),
    Claim(
        "Augmentation with dropout is better than augmentation alone",
        "regularizers add up; not in tutorial T3",
        partial(_gain, case="augmentation + dropout", baseline="augmentation"),
        Above(0.0),
    ),
    Claim(
        "L1 by subgradients, as Keras has it, sets hardly a weight to exactly 0 (less than 1 %)",
        "theory; tutorial T3 says that L1 may reduce weights to zero",
        partial(_share_of_zeros, case="L1"),
        Below(_FEW),
    ),
    Claim(
        "L1 by proximal steps sets weights to exactly 0 (more than 1 %)",
        "tutorial T3, which says that L1 may reduce weights to zero",
        partial(_share_of_zeros, case="proximal L1"),
        Above(_FEW),
    ),
)

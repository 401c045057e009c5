"""What tutorial T3 claims about regularizers, and how each claim is tested on a population of its case study."""

from functools import partial

import xarray as xr

from experiments.networks import tutorial_network as t5
from jaxreg.study import Above, Below, Claim, Estimate, Inside, gain, mean, share

TUTORIAL_CASES = ("L2", "L1", "dropout", "ZCA + dropout", "early stopping")
"""What tutorial T3 holds against its baseline."""
TUTORIAL_STOP = 5
_LEAP, _NOTHING = 0.5, 0.1  # percentage points
_FEW = 1.0  # per cent of the weights


def find_wins(runs: xr.Dataset) -> xr.Dataset:
    """Whether a case ends more accurate than the baseline, seed by seed; `diverged` if either did."""
    last = t5.last(runs)
    accuracy, gone = last["test_accuracy"], last["diverged"]
    better = accuracy > accuracy.sel(case="baseline", drop=True)
    return xr.Dataset({"better": better, "diverged": gone | gone.sel(case="baseline", drop=True)})


_gain = partial(gain, "test_accuracy", "case", runs=t5.last)


def _least_gain(runs: xr.Dataset) -> Estimate | None:
    """The gain of the regularizer that gains least; all of them at once at the error level."""
    if not {"baseline", *TUTORIAL_CASES} <= set(runs["case"].values):
        return None
    return t5.least_gain(t5.last(runs), "case", [(case, "baseline") for case in TUTORIAL_CASES])


CLAIMS = (
    Claim("L2 is better than the baseline", "tutorial T3", _gain("L2", "baseline"), Above(0.0)),
    Claim(
        "L1 brings no improvement (less than 0.1 percentage points)",
        "tutorial T3",
        _gain("L1", "baseline"),
        Below(_NOTHING),
    ),
    Claim("Dropout is better than the baseline", "tutorial T3", _gain("dropout", "baseline"), Above(0.0)),
    Claim(
        "ZCA whitening with dropout is a leap: half a percentage point or more over the baseline",
        "tutorial T3",
        _gain("ZCA + dropout", "baseline"),
        Above(_LEAP),
    ),
    Claim(
        "ZCA whitening with dropout works every time (in more than 95 % of seeds)",
        "tutorial T3",
        share("better", runs=lambda dataset: find_wins(dataset).sel(case="ZCA + dropout")),
        Above(95),
    ),
    Claim(
        "The leap is that of ZCA whitening: with dropout it is better than dropout alone",
        "tutorial T3, which shows only both",
        _gain("ZCA + dropout", "dropout"),
        Above(0.0),
    ),
    Claim(
        "Early stopping on validation accuracy with patience 2 stops after about 5 epochs (4 to 6, in the mean)",
        "tutorial T3",
        mean("last_epoch", runs=partial(t5.last, case="early stopping")),
        Inside(TUTORIAL_STOP - 1, TUTORIAL_STOP + 1),
    ),
    Claim(
        "Early stopping is better than the baseline",
        "tutorial T3",
        _gain("early stopping", "baseline"),
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
        _gain("augmentation", "baseline"),
        Above(0.0),
    ),
    Claim(
        "Augmentation with dropout is better than augmentation alone",
        "regularizers add up; not in tutorial T3",
        _gain("augmentation + dropout", "augmentation"),
        Above(0.0),
    ),
    Claim(
        "L1 by subgradients, as Keras has it, sets hardly a weight to exactly 0 (less than 1 %)",
        "theory; tutorial T3 says that L1 may reduce weights to zero",
        mean("zero_fraction", runs=partial(t5.last, case="L1")),
        Below(_FEW),
    ),
    Claim(
        "L1 by proximal steps sets weights to exactly 0 (more than 1 %)",
        "tutorial T3, which says that L1 may reduce weights to zero",
        mean("zero_fraction", runs=partial(t5.last, case="proximal L1")),
        Above(_FEW),
    ),
)

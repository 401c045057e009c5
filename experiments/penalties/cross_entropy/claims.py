"""The claims about cross-entropy, and how the experiment's dataset tests them."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from jaxreg.study import Above, Below, Claim, Estimate, exactly, mean, ratio, share

LOSSES = ("cross-entropy", "squared error")
UNITS = ("sigmoid", "ReLU", "ReLU, one silent")
"""Hidden units of the networks whose weights are moved; a silent one has zero weights, as after pruning."""
_KINK = 1e-3  # slopes of the two sides that differ by more are those of a kink: a smooth loss leaves some 1e-5
_EXACT = 1e-12
_DIFFERENCE = "largest difference"
_CONFIDENT = 0.01  # probability of what is true, below which a start is confidently wrong


def _spread_of_sums(dataset: xr.Dataset) -> Estimate | None:
    """Sums of the one example over the clips that are in use, 1e-15 to 1e-7; nothing in it is random."""
    sums = dataset["example_sum"].sel(epsilon=slice(None, 1.001e-7)).values
    if not len(sums):
        return None
    spread = 100 * float(sums.max() / sums.min() - 1)
    return exactly(spread, len(sums), "% between the largest and the smallest sum")


def _ratio_of_steps(dataset: xr.Dataset) -> Estimate | None:
    """Geometric mean, over starts with p below 1 %, of the steps of squared error over those of cross-entropy.

    A stuck run counts as one that would escape with the next step.
    """
    widest = dataset[["escape_steps", "start", "diverged"]].isel(scale=int(np.argmax(dataset["scale"].values)))
    wrong = widest["start"] < math.log(_CONFIDENT / (1 - _CONFIDENT))
    widest = widest.assign(steps=widest["escape_steps"].clip(min=1).where(wrong))
    found = ratio("steps", "loss", LOSSES[1], LOSSES[0], unit="× the steps of cross-entropy")(widest)
    return found if found is not None and found.n else None


def _escapes_as_flow(runs: xr.Dataset) -> xr.DataArray:
    """Whether a run escapes when gradient flow does, to two steps and 2 %; a stuck one where flow takes longer, too."""
    rate, last = float(runs["learning_rate"]), int(runs["steps"])
    expected = runs["exact_time"] / rate
    return abs(np.minimum(runs["escape_steps"], last) - np.minimum(expected, last)) <= 2 + 0.02 * expected


def _is_smooth(units: str) -> Callable[[xr.Dataset], xr.DataArray]:
    return lambda runs: runs["jump"].sel(units=units) < _KINK


_of_networks = partial(share, dim="network", of="networks")
_TEXTBOOK = "Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2"
CLAIMS = (
    Claim(
        "The clip only guards against log 0: sums of the worked example, in which one prediction is 0 where 1 is true, "
        "differ by less than 1 % over the ε in use (1e-15 to 1e-7)",
        "tutorial T4, which does not discuss its ε",
        _spread_of_sums,
        Below(1),
    ),
    Claim(
        "Through a sigmoid, squared error takes more than ten times the steps of cross-entropy from confidently wrong "
        "starts (p below 1 %; geometric mean at the widest scale)",
        _TEXTBOOK,
        _ratio_of_steps,
        Above(10),
    ),
    Claim(
        "Escapes take as long as gradient flow says (to two steps and 2 %, in more than 99 % of runs)",
        "closed form",
        share(_escapes_as_flow, dim=("seed", "scale", "loss"), of="runs"),
        Above(99),
    ),
    Claim(
        "The derivative of softmax and cross-entropy is p − y",
        "tutorial T4",
        mean(lambda runs: abs(runs["autodiff"] - runs["formula"]).max("class"), dim="network", unit=_DIFFERENCE),
        Below(_EXACT),
    ),
    Claim(
        "Softmax and cross-entropy are smooth, so every weight has a derivative (sigmoid units)",
        "tutorial T4",
        _of_networks(_is_smooth(UNITS[0])),
        Above(95),
    ),
    Claim(
        "So every weight has a derivative (ReLU units, at random weights)",
        "tutorial T4, carried over",
        _of_networks(_is_smooth(UNITS[1])),
        Above(95),
    ),
    Claim(
        "So every weight has a derivative (ReLU units, one of them with zero weights)",
        "tutorial T4, carried over",
        _of_networks(_is_smooth(UNITS[2])),
        Above(95),
    ),
)

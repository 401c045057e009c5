"""What tutorial T4 and others say about weight decay, tested on the population of `weight_decay`."""

from collections.abc import Callable

import xarray as xr

import jaxreg as jr
from jaxreg.claims import Claim, Verdict, above, below, estimate, inside, percentage

ROUNDING = 1e-9
"""What rounding may do to a path, relative to the weights."""
_STAYS = 1e-12
_SAME = 0.01
_RIDGE, _BOX = 1e-4, 0.02
_PROBLEMS = "% of problems"


def stable(dataset: xr.Dataset) -> xr.Dataset:
    """The strengths λ > 0 at which gradient descent converges."""
    strength = dataset["strength"]
    return dataset.sel(strength=(strength > 0) & (strength < float(dataset["critical"])))


def falls(dataset: xr.Dataset) -> xr.DataArray:
    """Whether a step does not make the norm larger, by more than rounding where the run has arrived."""
    size = dataset["norm"]
    return (size.diff("step") <= _STAYS * size.isel(step=slice(1, None))).rename(step="made")


def _most(dataset: xr.Dataset, true: xr.DataArray, bound: float = 95) -> Verdict:
    """More than `bound` % of problems have it."""
    runs = xr.Dataset({"true": true, "diverged": dataset["diverged"]})
    return above(*percentage(jr.stats.proportion(runs, "true", dim="seed")), bound, _PROBLEMS)


def _worst(values: xr.DataArray, bound: float, unit: str = "") -> Verdict:
    """The worst of all runs, not an estimate, is below the bound."""
    worst = float(values.max())
    return below(worst, (worst, worst), values.size, bound, unit)


def _is_the_closed_form(dataset: xr.Dataset) -> Verdict:
    return _worst(dataset["off"], ROUNDING, "largest distance / norm")


def _shrinks_at_every_step(dataset: xr.Dataset) -> Verdict:
    return _most(dataset, stable(dataset)["falls"].all(("made", "strength")))


def _ends_nearer(dataset: xr.Dataset) -> Verdict:
    runs = stable(dataset)
    after = runs["norm"].isel(step=slice(1, None)).rename(step="made")
    return _most(dataset, (after.drop_vars("made") < runs["norm_without"].drop_vars("made")).all(("made", "strength")))


def _is_smaller(last_only: bool) -> Callable[[xr.Dataset], Verdict]:
    def test(dataset: xr.Dataset) -> Verdict:
        size = dataset["norm"].sel(strength=dataset["strength"] < float(dataset["critical"]))
        size = size.isel(step=slice(-1 if last_only else 1, None))
        return _most(dataset, (size.diff("strength") < 0).all(("step", "strength")))

    return test


def _shrinks_beyond(dataset: xr.Dataset) -> Verdict:
    size = dataset["norm"].isel(strength=-1, drop=True)
    return _most(dataset, size.isel(step=-1, drop=True) < size.isel(step=0, drop=True))


def _is_equal_to_rounding(optimizers: tuple[str, ...], form: str) -> Callable[[xr.Dataset], Verdict]:
    def test(dataset: xr.Dataset) -> Verdict:
        return _worst(dataset["apart"].sel(optimizer=list(optimizers), form=form), ROUNDING, "largest distance / norm")

    return test


def _makes_no_difference(optimizer: str) -> Callable[[xr.Dataset], Verdict]:
    def test(dataset: xr.Dataset) -> Verdict:
        last = dataset["apart"].sel(optimizer=optimizer, form="decoupled").isel(made=-1)
        runs = xr.Dataset({"percent": 100 * last, "diverged": dataset["diverged"]})
        summary = estimate(jr.stats.mean(runs, "percent", dim="seed"))
        return inside(*summary, bounds=(0, 100 * _SAME), unit="% of the weights' norm")

    return test


def _reaches(pair: str, bound: float) -> Callable[[xr.Dataset], Verdict]:
    def test(dataset: xr.Dataset) -> Verdict:
        return _worst(dataset["distance"].sel(pair=pair), bound, "of the weights' norm, worst problem")

    return test


def _is_ridge(dataset: xr.Dataset) -> Verdict:
    near = xr.Dataset({"near": dataset["distance"].sel(pair="adamw → nearest ridge") < _BOX})
    return above(*percentage(jr.stats.proportion(near, "near", dim="problem")), 95, _PROBLEMS)


_T4 = "tutorial T4"
_FOLK = "commonly assumed; Loshchilov and Hutter, Decoupled weight decay regularization (2019), say the opposite"

CLAIMS = (
    Claim(
        "θ ← θ(1 - αλ/m) - (α/m) Σ(h - y)x goes along each eigenvector as (1 - α(μ + λ/m))ᵏ does (to rounding)",
        "closed form",
        _is_the_closed_form,
    ),
    Claim(
        "Every step shrinks θ: its norm never grows, at any stable λ > 0 (more than 95 % of problems)",
        _T4,
        _shrinks_at_every_step,
    ),
    Claim(
        "Every step with decay ends at a smaller θ than the same step without (all steps, more than 95 % of problems)",
        _T4 + ", read as what decay adds to a step",
        _ends_nearer,
    ),
    Claim(
        "Larger λ = faster decay: after every step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _is_smaller(last_only=False),
    ),
    Claim(
        "Larger λ = smaller circle: after the last step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _is_smaller(last_only=True),
    ),
    Claim(
        "The factor 1 - αλ/m is below 1, so θ shrinks at any λ, even beyond m(2/α - μ₁) (more than 95 % of problems)",
        _T4 + ", which sets no limit to λ",
        _shrinks_beyond,
    ),
    Claim(
        "For SGD, decoupled decay is L2 in the loss once it is multiplied with the learning rate (to rounding)",
        "Loshchilov and Hutter, Decoupled weight decay regularization (2019), proposition 1",
        _is_equal_to_rounding(("sgd",), "decoupled"),
    ),
    Claim(
        "Decay coupled into the gradient is L2 in the loss, for SGD, momentum and Adam (to rounding)",
        "the gradient of ½c‖θ‖²",
        _is_equal_to_rounding(("sgd", "momentum", "adam"), "coupled"),
    ),
    Claim(
        "With momentum too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _makes_no_difference("momentum"),
    ),
    Claim(
        "With Adam too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _makes_no_difference("adam"),
    ),
    Claim(
        "Adam with L2 reaches the ridge solution (to 1e-4)",
        "optimality condition",
        _reaches("adam + l2 → ridge", _RIDGE),
    ),
    Claim(
        "Momentum β with decoupled decay reaches the ridge solution of the strength (1 - β)λ (to 1e-4)",
        "fixed point of the heavy ball",
        _reaches("momentum, decoupled → weaker ridge", _RIDGE),
    ),
    Claim(
        "AdamW with decay w reaches the least squares of the box ‖θ‖∞ ≤ 1/w (within 2 %)",
        "Xie and Li, Implicit bias of AdamW (2024)",
        _reaches("adamw → box", _BOX),
    ),
    Claim(
        "AdamW reaches the ridge solution of some strength (within 2 %, more than 95 % of problems)",
        "commonly assumed: weight decay is L2",
        _is_ridge,
    ),
)

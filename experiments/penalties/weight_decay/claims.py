"""What tutorial T4 and others say about weight decay, tested on the population of `weight_decay`."""

from functools import partial
from typing import Any

import xarray as xr

from jaxreg.study import Above, Below, Claim, Inside, largest, mean, share

ROUNDING = 1e-9
"""What rounding may do to a path, relative to the weights."""
_STAYS = 1e-12
_SAME = 0.01
_RIDGE, _BOX = 1e-4, 0.02


def stable(dataset: xr.Dataset) -> xr.Dataset:
    """The strengths λ > 0 at which gradient descent converges."""
    strength = dataset["strength"]
    return dataset.sel(strength=(strength > 0) & (strength < float(dataset["critical"])))


def falls(dataset: xr.Dataset) -> xr.DataArray:
    """Whether a step does not make the norm larger, by more than rounding where the run has arrived."""
    size = dataset["norm"]
    return (size.diff("step") <= _STAYS * size.isel(step=slice(1, None))).rename(step="made")


def _each_step_is_nearer(runs: xr.Dataset) -> xr.DataArray:
    """Whether every step ends nearer to 0 than the same step without decay."""
    after = runs["norm"].isel(step=slice(1, None)).rename(step="made").drop_vars("made")
    return (after < runs["norm_without"].drop_vars("made")).all(("made", "strength"))


def _is_smaller_for_larger(runs: xr.Dataset) -> xr.DataArray:
    """After which steps the weights of every larger stable λ are smaller."""
    size = runs["norm"].sel(strength=runs["strength"] < float(runs["critical"]))
    return (size.isel(step=slice(1, None)).diff("strength") < 0).all("strength")


def _shrinks_beyond(runs: xr.Dataset) -> xr.DataArray:
    first, last = (runs["norm"].isel(strength=-1, step=step, drop=True) for step in (0, -1))
    return last < first


def _apart(optimizers: list[str], form: str) -> Any:
    return largest(lambda runs: runs["apart"].sel(optimizer=optimizers, form=form), unit="largest distance / norm")


def _apart_at_end(optimizer: str) -> Any:
    def apart(runs: xr.Dataset) -> xr.DataArray:
        return 100 * runs["apart"].sel(optimizer=optimizer, form="decoupled").isel(made=-1)

    return mean(apart, unit="% of the weights' norm")


def _distance(pair: str) -> Any:
    return largest(lambda runs: runs["distance"].sel(pair=pair), unit="of the weights' norm, worst problem")


_of_problems = partial(share, of="problems")
_T4 = "tutorial T4"
_FOLK = "commonly assumed; Loshchilov and Hutter, Decoupled weight decay regularization (2019), say the opposite"

CLAIMS = (
    Claim(
        "θ ← θ(1 - αλ/m) - (α/m) Σ(h - y)x goes along each eigenvector as (1 - α(μ + λ/m))ᵏ does (to rounding)",
        "closed form",
        largest("off", unit="largest distance / norm"),
        Below(ROUNDING),
    ),
    Claim(
        "Every step shrinks θ: its norm never grows, at any stable λ > 0 (more than 95 % of problems)",
        _T4,
        _of_problems(lambda runs: stable(runs)["falls"].all(("made", "strength"))),
        Above(95),
    ),
    Claim(
        "Every step with decay ends at a smaller θ than the same step without (all steps, more than 95 % of problems)",
        _T4 + ", read as what decay adds to a step",
        _of_problems(_each_step_is_nearer, runs=stable),
        Above(95),
    ),
    Claim(
        "Larger λ = faster decay: after every step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _of_problems(lambda runs: _is_smaller_for_larger(runs).all("step")),
        Above(95),
    ),
    Claim(
        "Larger λ = smaller circle: after the last step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _of_problems(lambda runs: _is_smaller_for_larger(runs).isel(step=-1, drop=True)),
        Above(95),
    ),
    Claim(
        "The factor 1 - αλ/m is below 1, so θ shrinks at any λ, even beyond m(2/α - μ₁) (more than 95 % of problems)",
        _T4 + ", which sets no limit to λ",
        _of_problems(_shrinks_beyond),
        Above(95),
    ),
    Claim(
        "For SGD, decoupled decay is L2 in the loss once it is multiplied with the learning rate (to rounding)",
        "Loshchilov and Hutter, Decoupled weight decay regularization (2019), proposition 1",
        _apart(["sgd"], "decoupled"),
        Below(ROUNDING),
    ),
    Claim(
        "Decay coupled into the gradient is L2 in the loss, for SGD, momentum and Adam (to rounding)",
        "the gradient of ½c‖θ‖²",
        _apart(["sgd", "momentum", "adam"], "coupled"),
        Below(ROUNDING),
    ),
    Claim(
        "With momentum too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _apart_at_end("momentum"),
        Inside(0, 100 * _SAME),
    ),
    Claim(
        "With Adam too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _apart_at_end("adam"),
        Inside(0, 100 * _SAME),
    ),
    Claim(
        "Adam with L2 reaches the ridge solution (to 1e-4)",
        "optimality condition",
        _distance("adam + l2 → ridge"),
        Below(_RIDGE),
    ),
    Claim(
        "Momentum β with decoupled decay reaches the ridge solution of the strength (1 - β)λ (to 1e-4)",
        "fixed point of the heavy ball",
        _distance("momentum, decoupled → weaker ridge"),
        Below(_RIDGE),
    ),
    Claim(
        "AdamW with decay w reaches the least squares of the box ‖θ‖∞ ≤ 1/w (within 2 %)",
        "Xie and Li, Implicit bias of AdamW (2024)",
        _distance("adamw → box"),
        Below(_BOX),
    ),
    Claim(
        "AdamW reaches the ridge solution of some strength (within 2 %, more than 95 % of problems)",
        "commonly assumed: weight decay is L2",
        _of_problems(lambda runs: runs["distance"].sel(pair="adamw → nearest ridge") < _BOX, dim="problem"),
        Above(95),
    ),
)

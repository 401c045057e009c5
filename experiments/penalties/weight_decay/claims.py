"""What tutorial T4 and others say about weight decay, tested on the population of `weight_decay`."""

import xarray as xr

import jaxreg as jr
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, Quantity, estimate, exactly, percentage

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


def _share_of_problems(dataset: xr.Dataset, true: xr.DataArray) -> Estimate:
    """In how many problems it is true."""
    runs = xr.Dataset({"true": true, "diverged": dataset["diverged"]})
    return percentage(jr.stats.proportion(runs, "true", dim="seed"), _PROBLEMS)


def _largest(values: xr.DataArray, unit: str) -> Estimate:
    """The worst of all runs, not an estimate."""
    return exactly(float(values.max()), values.size, unit)


def _distance_from_closed_form(dataset: xr.Dataset) -> Estimate:
    return _largest(dataset["off"], "largest distance / norm")


def _share_shrinking(dataset: xr.Dataset) -> Estimate:
    return _share_of_problems(dataset, stable(dataset)["falls"].all(("made", "strength")))


def _share_nearer(dataset: xr.Dataset) -> Estimate:
    runs = stable(dataset)
    after = runs["norm"].isel(step=slice(1, None)).rename(step="made")
    return _share_of_problems(
        dataset, (after.drop_vars("made") < runs["norm_without"].drop_vars("made")).all(("made", "strength"))
    )


def _share_smaller(last_only: bool) -> Quantity:
    def quantity(dataset: xr.Dataset) -> Estimate:
        size = dataset["norm"].sel(strength=dataset["strength"] < float(dataset["critical"]))
        size = size.isel(step=slice(-1 if last_only else 1, None))
        return _share_of_problems(dataset, (size.diff("strength") < 0).all(("step", "strength")))

    return quantity


def _share_shrinking_beyond(dataset: xr.Dataset) -> Estimate:
    size = dataset["norm"].isel(strength=-1, drop=True)
    return _share_of_problems(dataset, size.isel(step=-1, drop=True) < size.isel(step=0, drop=True))


def _largest_difference(optimizers: tuple[str, ...], form: str) -> Quantity:
    def quantity(dataset: xr.Dataset) -> Estimate:
        return _largest(dataset["apart"].sel(optimizer=list(optimizers), form=form), "largest distance / norm")

    return quantity


def _difference_at_end(optimizer: str) -> Quantity:
    def quantity(dataset: xr.Dataset) -> Estimate:
        last = dataset["apart"].sel(optimizer=optimizer, form="decoupled").isel(made=-1)
        runs = xr.Dataset({"percent": 100 * last, "diverged": dataset["diverged"]})
        return estimate(jr.stats.mean(runs, "percent", dim="seed"), "% of the weights' norm")

    return quantity


def _distance_from(pair: str) -> Quantity:
    def quantity(dataset: xr.Dataset) -> Estimate:
        return _largest(dataset["distance"].sel(pair=pair), "of the weights' norm, worst problem")

    return quantity


def _share_at_ridge(dataset: xr.Dataset) -> Estimate:
    near = xr.Dataset({"near": dataset["distance"].sel(pair="adamw → nearest ridge") < _BOX})
    return percentage(jr.stats.proportion(near, "near", dim="problem"), _PROBLEMS)


_T4 = "tutorial T4"
_FOLK = "commonly assumed; Loshchilov and Hutter, Decoupled weight decay regularization (2019), say the opposite"

CLAIMS = (
    Claim(
        "θ ← θ(1 - αλ/m) - (α/m) Σ(h - y)x goes along each eigenvector as (1 - α(μ + λ/m))ᵏ does (to rounding)",
        "closed form",
        _distance_from_closed_form,
        Below(ROUNDING),
    ),
    Claim(
        "Every step shrinks θ: its norm never grows, at any stable λ > 0 (more than 95 % of problems)",
        _T4,
        _share_shrinking,
        Above(95),
    ),
    Claim(
        "Every step with decay ends at a smaller θ than the same step without (all steps, more than 95 % of problems)",
        _T4 + ", read as what decay adds to a step",
        _share_nearer,
        Above(95),
    ),
    Claim(
        "Larger λ = faster decay: after every step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _share_smaller(last_only=False),
        Above(95),
    ),
    Claim(
        "Larger λ = smaller circle: after the last step the θ of a larger λ is smaller (more than 95 % of problems)",
        _T4,
        _share_smaller(last_only=True),
        Above(95),
    ),
    Claim(
        "The factor 1 - αλ/m is below 1, so θ shrinks at any λ, even beyond m(2/α - μ₁) (more than 95 % of problems)",
        _T4 + ", which sets no limit to λ",
        _share_shrinking_beyond,
        Above(95),
    ),
    Claim(
        "For SGD, decoupled decay is L2 in the loss once it is multiplied with the learning rate (to rounding)",
        "Loshchilov and Hutter, Decoupled weight decay regularization (2019), proposition 1",
        _largest_difference(("sgd",), "decoupled"),
        Below(ROUNDING),
    ),
    Claim(
        "Decay coupled into the gradient is L2 in the loss, for SGD, momentum and Adam (to rounding)",
        "the gradient of ½c‖θ‖²",
        _largest_difference(("sgd", "momentum", "adam"), "coupled"),
        Below(ROUNDING),
    ),
    Claim(
        "With momentum too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _difference_at_end("momentum"),
        Inside(0, 100 * _SAME),
    ),
    Claim(
        "With Adam too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
        _FOLK,
        _difference_at_end("adam"),
        Inside(0, 100 * _SAME),
    ),
    Claim(
        "Adam with L2 reaches the ridge solution (to 1e-4)",
        "optimality condition",
        _distance_from("adam + l2 → ridge"),
        Below(_RIDGE),
    ),
    Claim(
        "Momentum β with decoupled decay reaches the ridge solution of the strength (1 - β)λ (to 1e-4)",
        "fixed point of the heavy ball",
        _distance_from("momentum, decoupled → weaker ridge"),
        Below(_RIDGE),
    ),
    Claim(
        "AdamW with decay w reaches the least squares of the box ‖θ‖∞ ≤ 1/w (within 2 %)",
        "Xie and Li, Implicit bias of AdamW (2024)",
        _distance_from("adamw → box"),
        Below(_BOX),
    ),
    Claim(
        "AdamW reaches the ridge solution of some strength (within 2 %, more than 95 % of problems)",
        "commonly assumed: weight decay is L2",
        _share_at_ridge,
        Above(95),
    ),
)

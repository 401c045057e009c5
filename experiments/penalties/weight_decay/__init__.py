"""Does weight decay shrink the weights at every step, and when is it L2 regularization? Tutorial T4 as a population."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.weight_decay import runs as decay_runs
from jaxreg.checks import Domain, check_integer
from jaxreg.errors import ArgumentError
from jaxreg.nets.optimizers import make_schedule
from jaxreg.study import Above, Below, Claim, Inside, largest, mean, share
from jaxreg.study.settings import Count, Numbers, Ordered, Seeds, check_settings

PICTURE = decay_runs.Problem(np.array([[2.0, 0.6], [0.6, 0.8]]), np.array([[4.4], [2.6]]), np.array([[-0.6], [-1.0]]))
"""The regression of two weights that is drawn, and where its runs start."""
PICTURE_STRENGTH, PICTURE_DECAY = 1.5, 0.8
"""Of the runs on it: λ through Adam, and the decay w past Adam, whose box is ‖θ‖∞ ≤ 1/w."""
PAIRS = (
    ("adam + l2", "ridge"),
    ("momentum, decoupled", "weaker ridge"),
    ("adamw", "box"),
    ("adamw", "nearest ridge"),
)
"""Which end is compared with which solution."""
_PICTURE_STEPS, _PICTURE_RATE = 20_000, 0.01
_PICTURE_KEPT = np.unique(np.geomspace(1, _PICTURE_STEPS + 1, 150).round().astype(int)) - 1


@dataclass(frozen=True)
class Config:
    """Settings of the study; a problem is a linear regression, with 1 the largest eigenvalue of X'X/m."""

    seeds: Seeds = 1000
    """Number of random problems that are followed step by step."""
    ends: Count = 200
    """Number of random problems that are run to the end."""
    strengths: Annotated[Numbers, Domain(0, 1e6), Ordered("rising")] = (0.0, 2.0, 10.0, 40.0)
    """Strengths λ; the factor of a step is 1 - αλ/m."""
    beyond: Annotated[float, Domain(1, 1e3)] = 1.1
    """A further λ, in units of m (2/α - 1), from which on gradient descent diverges."""
    strength: Annotated[float, Domain(0, 1e6)] = 10.0
    """The λ with which L2 in the loss, coupled and decoupled decay are compared."""
    box: Annotated[float, Domain(1e-3, 1)] = 0.5
    """For AdamW: 1/w as share of the largest weight of least squares."""
    learning_rate: Annotated[float, Domain(1e-6, 1.9)] = 0.5
    """α of gradient descent."""
    comparison_rates: Annotated[Numbers, Domain(1e-6, 1.9)] = (0.5, 0.05, 0.05)
    """Learning rates of SGD, momentum and Adam where the three forms are compared."""
    end_rates: Annotated[Numbers, Domain(1e-6, 1.9)] = (0.05, 0.1)
    """First learning rates of momentum and Adam in the runs to the end; they fall to 0 along a cosine."""
    samples: int = 40
    """Rows m of a problem."""
    columns: Annotated[int, Domain(1, 1000, whole=True)] = 6
    """Weights of a problem."""
    batch_size: int = 8
    """Rows of a mini-batch where the three forms are compared."""
    steps: Count = 100
    """Steps of gradient descent, and of the comparison of forms."""
    end_steps: Count = 60_000
    """Steps of the runs to the end: AdamW settles only after many times the 1000 of its longer memory."""


PRESETS = {
    "quick": Config(seeds=200, ends=40, end_steps=40_000),
    "laptop": Config(),
    "paper": Config(seeds=10_000, ends=2000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Follow gradient descent for each strength, compare three forms of decay, and run their optimizers to the end.

    Returns:
        Dataset of

        - gradient descent, over `seed` and `strength` (the last is beyond stability): `norm` over `step`, of the
          weights, and `norm_without` over `made`, what a step would have ended at without decay; `direction` and
          `direction_exact` over `step` and `eigen`, the weights along the eigenvectors and their closed form; `off`,
          how far the two are apart at most, relative to the weights; over `seed` and `eigen`: `eigenvalue`;
          and `falls` over `made`, whether a step did not make the norm larger;
        - over `seed`, `optimizer`, `form` and `made`: `apart`, the distance from L2 in the loss, relative to it;
        - over `problem`: `end`, the weights of each `method`; `ridge`, each `solution`; `in_box`, the minimiser in the
          box; and `distance` over `pair`, that of an end from a solution, relative to the solution;
        - a regression of two weights: `picture_path` over `rule`, `picture_step` and `weight`, `picture_end` (the
          solutions), `picture_gram` and `picture_optimum` (of the loss);
        - `critical`, the λ from which on gradient descent diverges.
    """
    _check(config)
    critical = config.samples * (2 / config.learning_rate - 1)
    strengths = np.array([*config.strengths, config.beyond * critical])
    sizes = {"samples": config.samples, "columns": config.columns}
    steps, made = np.arange(config.steps + 1), np.arange(1, config.steps + 1)
    eigen = {"eigen": np.arange(config.columns)}
    over = {"strength": strengths, "step": steps}
    comparison_rates = tuple(np.float64(rate) for rate in config.comparison_rates)
    followed = jr.sweep(
        partial(decay_runs.follow_problem, steps=config.steps, batch_size=config.batch_size, **sizes),
        {"seed": jr.seeds(config.seeds)},
        args=(strengths, np.float64(config.learning_rate), np.float64(config.strength), comparison_rates),
        dims={
            "norm": over,
            "norm_without": {"strength": strengths, "made": made},
            "off": {"strength": strengths},
            "direction": over | eigen,
            "direction_exact": over | eigen,
            "eigenvalue": eigen,
            "apart": {"optimizer": list(decay_runs.OPTIMIZERS), "form": list(decay_runs.FORMS), "made": made},
        },
        store=store,
        x64=True,
        progress=progress,
    )
    return followed.assign(_reach_ends(config, sizes, progress).data_vars).assign(
        falls=falls(followed),
        **_draw_picture(),
        critical=critical,
        rule=list(decay_runs.ENDS[:2]),
    )


def _check(config: Config) -> None:
    check_settings(config)
    check_integer("samples", config.samples, config.columns + 1, 100_000, "Give more rows than weights")
    check_integer("batch_size", config.batch_size, 1, config.samples, "Give at most the rows that there are")
    critical = config.samples * (2 / config.learning_rate - 1)
    if config.strengths[-1] >= critical:
        constraint = f"must be below m (2/α - 1) = {critical:g}"
        raise ArgumentError("strengths", config.strengths, constraint, "Leave out what is beyond")
    for name, number in (("comparison_rates", len(decay_runs.OPTIMIZERS)), ("end_rates", 2)):
        if len(getattr(config, name)) != number:
            constraint = f"must be {number} learning rates"
            raise ArgumentError(name, getattr(config, name), constraint, "Give one for each optimizer")


def _reach_ends(config: Config, sizes: dict[str, int], progress: bool) -> xr.Dataset:
    """The ends, the solutions and the distances of the one from the other."""
    rates = tuple(np.float64(rate) for rate in config.end_rates)
    over, methods = {"end_weight": np.arange(config.columns)}, {"method": list(decay_runs.ENDS)}
    ends = jr.sweep(
        partial(decay_runs.reach_ends, steps=config.end_steps, **sizes),
        {"seed": jr.seeds(config.ends)},
        args=(np.float64(config.strength), np.float64(config.box), rates),
        dims={"end": methods | over, "ridge": {"solution": list(decay_runs.SOLUTIONS)} | over},
        x64=True,
        progress=progress,
    ).rename(seed="problem")
    data = zip(*(ends[name].values for name in ("X", "y", "bound")), strict=True)
    first = ends["end"].isel(method=0, drop=True)
    in_box = first.copy(data=[decay_runs.minimize_in_box(X, y, float(bound)) for X, y, bound in data])
    distances = []
    for method, solution in PAIRS:
        wanted = in_box if solution == "box" else ends["ridge"].sel(solution=solution, drop=True)
        distances.append(norm(ends["end"].sel({"method": method}, drop=True) - wanted) / norm(wanted))
    distance = xr.concat(distances, "pair").assign_coords(pair=[" → ".join(pair) for pair in PAIRS])
    return ends[["end", "ridge", "bound"]].assign(in_box=in_box, distance=distance)


def norm(weights: xr.DataArray) -> xr.DataArray:
    """Euclidean norm over the weights."""
    return (weights**2).sum("end_weight") ** 0.5


def _draw_picture() -> dict[str, Any]:
    """Two weights: the paths of Adam with L2 and of AdamW, and where they should end."""
    samples = len(PICTURE.X)
    decay = decay_runs.Decay(np.zeros(2), np.array([PICTURE_STRENGTH / samples, 0]), np.array([0, PICTURE_DECAY]))
    X, y = PICTURE.X, PICTURE.y[:, 0]
    with jax.enable_x64(True):
        problem, decay = jax.tree.map(jnp.asarray, (PICTURE, decay))
        rate = make_schedule("cosine", jnp.asarray(_PICTURE_RATE), _PICTURE_STEPS)
        moments = (jnp.arange(_PICTURE_STEPS), None)
        both = jax.jit(jax.vmap(lambda each: decay_runs.descend("adam", problem, each, rate, moments, True)))
        paths = np.asarray(both(decay))[:, _PICTURE_KEPT]
    ridge = np.linalg.solve(X.T @ X + PICTURE_STRENGTH * np.eye(2), X.T @ y)
    return {
        "picture_path": (("rule", "picture_step", "weight"), paths),
        "picture_end": (("rule", "weight"), np.stack([ridge, decay_runs.minimize_in_box(X, y, 1 / PICTURE_DECAY)])),
        "picture_gram": (("weight", "other_weight"), X.T @ X),
        "picture_optimum": ("weight", np.linalg.solve(X, y)),
        "picture_box": 1 / PICTURE_DECAY,
    }


ROUNDING = 1e-9
"""What rounding may do to a path, relative to the weights."""
_STAYS = 1e-12
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
    *(
        Claim(
            f"With {name} too, decoupled decay is L2 in the loss (after the last step, within 1 %)",
            "commonly assumed; Loshchilov and Hutter, Decoupled weight decay regularization (2019), say the opposite",
            _apart_at_end(name.lower()),
            Inside(0, 1.0),
        )
        for name in ("momentum", "Adam")
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

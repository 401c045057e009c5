"""From which strength on is a weight exactly zero under L1? F(x) = f(x) + λ|x| and orthonormal designs, tutorial T4."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.soft_threshold.minima import find_critical, minimize_penalized
from experiments.penalties.soft_threshold.orthonormal import COLUMNS, ESTIMATORS, draw_curves, fit_design
from jaxreg.checks import Domain
from jaxreg.study import Above, Below, Claim, Estimate, at, exactly, largest, share
from jaxreg.study.settings import Numbers, Ordered, Seeds, check_settings

FUNCTIONS = {
    "convex": (0.0, -1.5, 1.25, -0.5, 0.125),
    "two wells": (0.0, -0.5, 1.7, -3.05, 1.05),
}
"""The functions f that are drawn, lowest degree first, with f(0) = 0; "convex" is ½(x-1)² + ⅛(x-1)⁴ less a constant."""
FAMILIES = {"convex": 1.0, "not convex": -1.0}
"""Families of random functions, and the sign of their curvature κ at the flattest point."""
PENALTIES = ("l1", "l2")
"""λ|x| and ½λx²."""
_RANGE = (-1.5, 2.5)
_EXACT = 1e-8


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 10_000
    """Number of random functions of each family."""
    strengths: Annotated[Numbers, Domain(0, 1e6), Ordered("rising")] = (0.0, 0.5, 1.0, 1.5, 2.0)
    """Strengths λ at which F is drawn; the tutorial has 0.5 and 2."""
    ratios: Annotated[Numbers, Domain(0, 1e6), Ordered("rising")] = tuple(k / 20 for k in range(61))
    """Strengths for the random functions, in units of |f'(0)|."""
    designs: int = 250
    """Number of random orthonormal designs, four columns each."""
    samples: Annotated[int, Domain(4, 10_000, whole=True)] = 20
    """Rows of a design."""
    noise: Annotated[float, Domain(0, 1e6)] = 1.0
    """Standard deviation of the noise on the target of a design."""
    threshold: Annotated[float, Domain(1e-6, 1e6)] = 1.0
    """Best subset's threshold t, the lasso's λ, ridge's λ, and λ₁ of the elastic net."""
    ridge_part: Annotated[float, Domain(0, 1e6)] = 0.5
    """λ₂ of the elastic net."""


PRESETS = {"quick": Config(seeds=2000, designs=100), "laptop": Config(), "paper": Config(seeds=100_000, designs=1000)}


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""Minimize f(x) + λ|x| for the drawn functions and for random ones, and fit random orthonormal designs.

    A random function is $f(x) = g x + \tfrac12 (3 m^2 + \kappa) x^2 - m x^3 + \tfrac14 x^4$: $f'(0) = g$, and
    $f''(x) = 3 (x - m)^2 + \kappa$ is least at m. g and m are standard normal, κ is the magnitude of a normal number of
    standard deviation 2, or minus that. Both families share their seeds.

    Returns:
        Dataset of

        - over `function`, `strength` and `x`: `objective`, F; over `function` and `strength`, `minimum`, its minimiser;
          over `function`: `critical`, the least λ from which the minimum is at 0, and `slope`, |f'(0)|; over
          `function`, `penalty` and `fine_strength`: `path`, the minimiser;
        - over `family`, `seed`, `ratio` and `penalty`: `minimiser`;
        - over `design`, `estimator` and `column`: `fitted`, the coefficients, and `expected`, what the closed form
          makes of `z`, over `design` and `column`; over `estimator` and `z_curve`: `curve`, that closed form;
        - `threshold` and `ridge_part`.
    """
    check_settings(config)
    fine = np.linspace(0, max(2.5, *config.strengths), 251)
    x = np.linspace(*_RANGE, 401)
    coefficients = np.array(list(FUNCTIONS.values()))
    with jax.enable_x64(True):
        strengths = np.concatenate([config.strengths, fine])
        drawn, path = np.split(np.asarray(_follow(coefficients, strengths)), [len(config.strengths)], axis=1)
    ratios = np.array(config.ratios)
    population = jr.sweep(
        minimize_random,
        {"family": jr.cases({name: {"sign": sign} for name, sign in FAMILIES.items()}), "seed": jr.seeds(config.seeds)},
        args=(ratios,),
        dims={"minimiser": {"ratio": ratios, "penalty": list(PENALTIES)}},
        x64=True,
        **options,
    )
    over_estimators = {"estimator": list(ESTIMATORS), "column": np.arange(COLUMNS)}
    designs = jr.sweep(
        partial(fit_design, samples=config.samples),
        {"design": jr.seeds(config.designs)},
        args=tuple(np.float64(value) for value in (config.noise, config.threshold, config.ridge_part)),
        dims={"z": {"column": np.arange(COLUMNS)}, "fitted": over_estimators, "expected": over_estimators},
        x64=True,
        progress=False,
    )
    z_curve, curve = draw_curves(config.threshold, config.ridge_part)
    values = np.polynomial.polynomial.polyval(x, coefficients.T)
    return (
        population.merge(designs.drop_vars("diverged"), combine_attrs="override")
        .assign(
            objective=(
                ("function", "strength", "x"),
                values[:, None] + np.multiply.outer(config.strengths, abs(x)),
                {"n": "one function each"},
            ),
            minimum=(("function", "strength"), drawn[..., 0]),
            path=(("function", "fine_strength", "penalty"), path),
            critical=("function", [find_critical(row) for row in coefficients]),
            slope=("function", abs(coefficients[:, 1])),
            curve=(("estimator", "z_curve"), curve),
            threshold=config.threshold,
            ridge_part=config.ridge_part,
        )
        .assign_coords(
            function=list(FUNCTIONS), strength=list(config.strengths), x=x, fine_strength=fine, z_curve=z_curve
        )
    )


def _follow(coefficients: Any, strengths: Any) -> Any:
    """The minimisers (functions, strengths, penalties)."""
    each = jax.vmap(jax.vmap(minimize_penalized, (None, 0)), (0, None))
    return jax.jit(each)(jnp.asarray(coefficients), jnp.asarray(strengths))


def minimize_random(ratios: Any, *, seed: Any, sign: Any) -> dict[str, Any]:
    """One random function: its minimisers at each λ, in units of |f'(0)|."""
    slope, centre, curvature = jax.random.normal(seed, (3,), jnp.result_type(float))
    curvature = sign * 2 * jnp.abs(curvature)
    coefficients = jnp.stack(
        [jnp.zeros_like(slope), slope, (3 * centre**2 + curvature) / 2, -centre, jnp.full_like(slope, 0.25)]
    )
    return {"minimiser": jax.vmap(partial(minimize_penalized, coefficients))(ratios * jnp.abs(slope))}


def _share_as_drawn(dataset: xr.Dataset) -> Estimate:
    """Of the tutorial's two strengths, those at which the minimum of the convex function is where it says."""
    at = dataset["minimum"].sel(function="convex")
    right = (float(at.sel(strength=0.5)) != 0, float(at.sel(strength=2.0)) == 0)
    return exactly(50 * sum(right), len(right), "% of the two strengths")


def _under(penalty: str, **family: str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: at(dataset, penalty=penalty, **family)


def _is_zero_beyond(runs: xr.Dataset) -> xr.DataArray:
    return (runs["minimiser"].sel(ratio=runs["ratio"] >= 1) == 0).all("ratio")


_of_functions = partial(share, of="functions")
_of_all = partial(_of_functions, dim=("family", "seed"))


CLAIMS = (
    Claim(
        "F(x) = f(x) + λ|x|: λ = 2 puts the minimum at exactly 0 and λ = 0.5 does not (the convex f that is drawn)",
        "tutorial T4",
        _share_as_drawn,
        Above(99.9),
    ),
    Claim(
        "From λ = |f'(0)| on, the minimum is at exactly 0 (more than 99 % of random convex functions)",
        "tutorial T4: with λ large enough; the optimality condition of a convex F",
        _of_functions(_is_zero_beyond, runs=_under("l1", family="convex")),
        Above(99),
    ),
    Claim(
        "From λ = |f'(0)| on, the minimum is at exactly 0 (more than 99 % of random functions with a concave part)",
        "tutorial T4, carried over to losses that are not convex",
        _of_functions(_is_zero_beyond, runs=_under("l1", family="not convex")),
        Above(99),
    ),
    Claim(
        "A larger λ never moves the minimum away from 0 (more than 99 % of random functions)",
        "tutorial T4: larger λ = faster decay",
        _of_all(lambda runs: (abs(runs["minimiser"]).diff("ratio") <= 1e-12).all("ratio"), runs=_under("l1")),
        Above(99),
    ),
    Claim(
        "With ½λx² in place of λ|x|, the minimum is never at exactly 0 (in less than 1 % of random functions)",
        "tutorial T4, by contrast",
        _of_all(lambda runs: (runs["minimiser"] == 0).any("ratio"), runs=_under("l2")),
        Below(1),
    ),
    *(
        Claim(
            f"On orthonormal columns, {ESTIMATORS[name]} is a function of z = X'y alone, {formula} (to 1e-8)",
            "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, table 3.4",
            largest(
                lambda runs: abs(runs["fitted"] - runs["expected"]),
                runs=partial(at, estimator=name),
                unit="largest distance",
            ),
            Below(_EXACT),
        )
        for name, formula in (
            ("best subset", "z if |z| > t, else 0"),
            ("ridge", "z / (1 + λ)"),
            ("lasso", "sign(z) (|z| - λ)₊"),
            ("elastic net", "sign(z) (|z| - λ₁)₊ / (1 + λ₂)"),
        )
    ),
)

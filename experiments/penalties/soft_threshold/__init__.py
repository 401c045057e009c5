"""From which strength on is a weight exactly zero under L1? F(x) = f(x) + λ|x| and orthonormal designs, tutorial T4."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
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
_HALVINGS = 80


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
        follow = jax.jit(jax.vmap(jax.vmap(minimize_penalized, (None, 0)), (0, None)))
        drawn, path = np.split(np.asarray(follow(coefficients, strengths)), [len(config.strengths)], axis=1)
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
    objective = values[:, None] + np.multiply.outer(config.strengths, abs(x))
    result = population.merge(designs.drop_vars("diverged"), combine_attrs="override").assign(
        objective=(("function", "strength", "x"), objective, {"n": "one function each"}),
        minimum=(("function", "strength"), drawn[..., 0]),
        path=(("function", "fine_strength", "penalty"), path),
        critical=("function", [find_critical(row) for row in coefficients]),
        slope=("function", abs(coefficients[:, 1])),
        curve=(("estimator", "z_curve"), curve),
        threshold=config.threshold,
        ridge_part=config.ridge_part,
    )
    places = {"strength": list(config.strengths), "x": x, "fine_strength": fine, "z_curve": z_curve}
    return result.assign_coords(places | {"function": list(FUNCTIONS)})


def minimize_random(ratios: Any, *, seed: Any, sign: Any) -> dict[str, Any]:
    """One random function: its minimisers at each λ, in units of |f'(0)|."""
    slope, centre, curvature = jax.random.normal(seed, (3,), jnp.result_type(float))
    curvature = sign * 2 * jnp.abs(curvature)
    coefficients = jnp.stack(
        [jnp.zeros_like(slope), slope, (3 * centre**2 + curvature) / 2, -centre, jnp.full_like(slope, 0.25)]
    )
    return {"minimiser": jax.vmap(partial(minimize_penalized, coefficients))(ratios * jnp.abs(slope))}


def minimize_penalized(coefficients: Any, strength: Any) -> Any:
    """Minimisers of f(x) + λ|x| and of f(x) + ½λx²."""
    bent = coefficients.at[2].add(strength / 2)
    return jnp.stack([minimize_l1(coefficients, strength), minimize_l1(bent, jnp.zeros_like(strength))])


def minimize_l1(coefficients: Any, strength: Any) -> Any:
    r"""The global minimiser of $f(x) + \lambda |x|$ for a polynomial f of degree 4, to rounding; exactly 0 if it is 0.

    On either side of 0 the derivative $f'(x) \pm \lambda$ is a cubic that rises outside the two inflections of f. So
    at most two minima of each side can compete, each the only root on its branch, found by halving. The coefficients
    of f are those of degrees 0 to 4, the last one above 0.
    """
    _, c1, c2, c3, c4 = coefficients
    middle, spread = -c3 / (4 * c4), jnp.sqrt(jnp.maximum((3 * c3**2 - 8 * c2 * c4) / (48 * c4**2), 0))
    reach = 1 + (jnp.abs(coefficients).sum() * 4 + strength) / (4 * c4)  # Cauchy's bound on the roots

    sides = jnp.asarray([-1.0, -1.0, 1.0, 1.0], coefficients.dtype)  # two branches of each
    low = jnp.stack([-reach, middle + spread] * 2)
    high = jnp.stack([middle - spread, reach] * 2)

    def halve(_: Any, ends: tuple[Any, Any]) -> tuple[Any, Any]:
        x = (ends[0] + ends[1]) / 2
        rises = c1 + sides * strength + x * (2 * c2 + x * (3 * c3 + x * 4 * c4)) > 0
        return jnp.where(rises, ends[0], x), jnp.where(rises, x, ends[1])

    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))
    x = jnp.where((low + high) * sides > 0, (low + high) / 2, 0)
    gain = x * ((c1 + jnp.sign(x) * strength) + x * (c2 + x * (c3 + x * c4)))  # F(x) - F(0), without cancellation
    best = jnp.argmin(gain)
    return jnp.where(gain[best] < 0, x[best], 0)


def find_critical(coefficients: Any) -> float:
    r"""The least λ from which 0 minimises $f(x) + \lambda |x|$: $\sup_{x \ne 0} (f(0) - f(x)) / |x|$.

    For a convex f the supremum is the limit at 0, $|f'(0)|$; in general it is that or larger. The coefficients are
    those of f, the lowest degree first; the highest one is even, its coefficient above 0.

    >>> find_critical([0.5, -1.0, 0.5])  # ½(x - 1)²
    1.0
    >>> find_critical([0.0, -0.5, 1.7, -3.05, 1.05]) > 0.5
    True
    """
    quotient = np.polynomial.Polynomial(coefficients[1:])  # (f(x) - f(0)) / x
    turns = quotient.deriv().roots()
    turns = turns[abs(turns.imag) < 1e-9].real
    places = np.concatenate([[0.0], turns])
    return float(max(np.max(-np.sign(places) * quotient(places)), abs(quotient(0.0))))


def _share_as_drawn(dataset: xr.Dataset) -> Estimate:
    """Of the tutorial's two strengths, those at which the minimum of the convex function is where it says."""
    at = dataset["minimum"].sel(function="convex")
    right = (float(at.sel(strength=0.5)) != 0, float(at.sel(strength=2.0)) == 0)
    return exactly(50 * sum(right), len(right), "% of the two strengths")


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
        _of_functions(_is_zero_beyond, runs=partial(at, penalty="l1", family="convex")),
        Above(99),
    ),
    Claim(
        "From λ = |f'(0)| on, the minimum is at exactly 0 (more than 99 % of random functions with a concave part)",
        "tutorial T4, carried over to losses that are not convex",
        _of_functions(_is_zero_beyond, runs=partial(at, penalty="l1", family="not convex")),
        Above(99),
    ),
    Claim(
        "A larger λ never moves the minimum away from 0 (more than 99 % of random functions)",
        "tutorial T4: larger λ = faster decay",
        _of_all(lambda runs: (abs(runs["minimiser"].sel(penalty="l1")).diff("ratio") <= 1e-12).all("ratio")),
        Above(99),
    ),
    Claim(
        "With ½λx² in place of λ|x|, the minimum is never at exactly 0 (in less than 1 % of random functions)",
        "tutorial T4, by contrast",
        _of_all(lambda runs: (runs["minimiser"].sel(penalty="l2") == 0).any("ratio")),
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

"""Which alpha should one take, and what does a wrong one cost? The paths of ridge and lasso over draws of the noise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import NOT_NEGATIVE, Domain, check_integer
from jaxreg.linear.design import polynomial_features, standardize
from jaxreg.linear.elastic_net import lasso_path
from jaxreg.linear.least_squares import least_squares
from jaxreg.linear.monte_carlo import decompose_error
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.risk import ridge_risk
from jaxreg.linear.selection import choose, cross_validate, information_criteria, lasso_df, residual_variance
from jaxreg.study import Above, Below, Claim, Estimate, estimate, exactly, held_out, mean, share
from jaxreg.study.quantities import Measure
from jaxreg.study.settings import ChoosingSeeds, Numbers, Ordered, check_settings

PATHS: dict[str, Callable[..., Any]] = {
    "ridge": partial(ridge_path, normalize="l2"),
    "lasso": partial(lasso_path, normalize="l2"),
}
RULES = {"ridge": ("LOO", "GCV", "Cp", "CV", "CV, 1 SE"), "lasso": ("Cp", "AIC", "BIC", "CV", "CV, 1 SE")}
"""How alpha is chosen; AIC with the noise variance of the full model chooses what Cp chooses."""
TRUTH = (0.0, 0.001, 0.001, -0.001)
"""Coefficients of the tutorial's truth, lowest degree first."""
LEAST_SQUARES, FIXED = "least squares", "best fixed α"
"""What the rules are compared with: no penalty, and the one alpha of the least mean error over all draws."""
_OF_PLAIN = "% of least squares' error"
_PARTS = ("bias2", "variance", "bias2_se", "variance_se")


def _grid(low: int, high: int, per_decade: int) -> tuple[float, ...]:
    """Powers of ten, to four digits, the largest first."""
    return tuple(float(f"{10 ** (k / per_decade):.4g}") for k in range(high * per_decade, low * per_decade - 1, -1))


@dataclass(frozen=True)
class Config:
    """Settings of the study: truth, points and noise of tutorial T1, and its monomials to degree 10 in place of 30.

    Ten coefficients can be followed by eye, and depend on each other so much that penalties have work to do: on the
    nearly orthogonal Legendre polynomials, the best ridge is 1 % better than least squares, and nothing is to be seen.
    """

    seeds: ChoosingSeeds = 1000
    """Number of draws of the noise; all methods see the same ones."""
    points: int = 50
    """Points on an even grid from -10 to 10."""
    degree: Annotated[int, Domain(len(TRUTH) - 1, 30, whole=True)] = 10
    """Highest power of x."""
    noise: Annotated[float, Domain(1e-6, 1e6)] = 0.05
    """Standard deviation of the noise."""
    folds: int = 5
    """Folds of cross-validation, over rows shuffled anew in each draw."""
    ridge_alphas: Annotated[tuple[float, ...], Domain(1e-9, 1e9), Ordered("falling", 2)] = _grid(-6, 2, 8)
    """Strengths of ridge, the largest first."""
    lasso_alphas: Annotated[tuple[float, ...], Domain(1e-9, 1e9), Ordered("falling", 2)] = _grid(-6, -1, 10)
    """Strengths of the lasso, the largest first."""
    norms: Annotated[Numbers, NOT_NEGATIVE, Ordered("rising", 2)] = tuple(k / 8 for k in range(65))
    """L1 norms at which coefficients are compared."""


PRESETS = {
    "quick": Config(seeds=100, ridge_alphas=_grid(-6, 2, 4), lasso_alphas=_grid(-6, -1, 5)),
    "laptop": Config(),
    "paper": Config(seeds=10_000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Follow both paths in every draw, choose alpha by every rule, and compare with the truth.

    Coefficients are those of columns centred and of unit length. The error of a fit is its mean squared distance from
    the truth at the points; an observation made there anew adds the variance of the noise.

    Returns:
        Dataset of, with m for "ridge" and for "lasso",

        - over `seed`: `m_coef` (`m_alpha`, `power`); `m_coef_at_norm` (`norm`, `power`); `m_error` (`m_alpha`);
          `m_gap`, the largest duality gap; `m_chosen` (`m_rule`), the alpha of each rule; `m_best`, that of least
          error; `m_price` (`m_contender`), the error at the choice over the least error, minus 1, for least squares,
          the best fixed alpha, and the rules; and `least_squares_error`;
        - over `m_alpha`: `m_df`, the mean of the degrees of freedom, `m_bias2` and `m_variance` with their standard
          errors `m_bias2_se`, `m_variance_se`; and the closed forms `ridge_exact_bias2`, `ridge_exact_variance`;
        - `true_coef` over `power`, and `noise`.
    """
    _check(config)
    alphas = {method: np.array(getattr(config, f"{method}_alphas")) for method in PATHS}
    x = np.linspace(-10, 10, config.points)
    truth = np.polynomial.polynomial.polyval(x, TRUTH)

    @jax.jit
    def prepare(x: Any, truth: Any, noise: Any, strengths: Any) -> Any:
        X = polynomial_features(x, config.degree)
        return X, standardize(X, "l2"), ridge_risk(X, truth, noise, strengths, normalize="l2")

    with jax.enable_x64(True):
        X, unit, exact = jax.tree.map(np.asarray, prepare(x, truth, np.float64(config.noise), alphas["ridge"]))
    dims: dict[str, Any] = {}
    for method, rules in RULES.items():
        along = {f"{method}_alpha": alphas[method]}
        dims[f"{method}_coef"] = along | {"power": np.arange(1, config.degree + 1)}
        dims[f"{method}_error"] = dims[f"{method}_df"] = along
        dims[f"{method}_index"] = {f"{method}_rule": list(rules)}
    settings: dict[str, Any] = {"x64": True, "progress": progress}
    result = jr.sweep(
        partial(follow, folds=config.folds),
        {"seed": jr.seeds(config.seeds)},
        args=(X, truth, np.float64(config.noise), alphas),
        dims=dims,
        store=store,
        **settings,
    )
    draws, level = {"draw": np.arange(config.seeds)}, result["level"].values
    for method, strengths in alphas.items():
        along = {f"{method}_alpha": strengths}
        coef = result[f"{method}_coef"].values
        with jax.enable_x64(True):  # so that the truth keeps its digits
            args = (unit.X, level, coef)
            split = decompose_error(predict, draws, truth, dim="draw", dims=along, args=args, **settings)
        parts: dict[str, Any] = {f"{method}_{name}": split[name] for name in _PARTS}
        parts[f"{method}_coef_at_norm"] = (("seed", "norm", "power"), at_norms(coef, np.array(config.norms)))
        result = _compare(result.assign(parts), method)
    true_coef = np.zeros(config.degree)
    true_coef[: len(TRUTH) - 1] = TRUTH[1:]
    return result.drop_vars("level").assign(
        ridge_exact_bias2=("ridge_alpha", exact.bias2),
        ridge_exact_variance=("ridge_alpha", exact.variance),
        true_coef=("power", true_coef * unit.scale),
        norm=list(config.norms),
        noise=config.noise,
    )


def _check(config: Config) -> None:
    check_settings(config)
    check_integer("points", config.points, config.degree + 2, math.inf, "Leave degrees of freedom for the noise")
    check_integer("folds", config.folds, 2, config.points // 2, "Five or ten are usual")


def draw_target(truth: Any, noise: Any, seed: Any) -> tuple[Any, Any]:
    """The truth with the noise of one draw, and a key for the folds."""
    streams = jr.randomness.split(seed, "noise", "folds")
    return truth + noise * jax.random.normal(streams["noise"], truth.shape, truth.dtype), streams["folds"]


def follow(X: Any, truth: Any, noise: Any, alphas: dict[str, Any], *, seed: Any, folds: int) -> dict[str, Any]:
    """Both paths in one draw, their errors, and the indices of the alphas that each rule chooses."""
    y, fold_key = draw_target(truth, noise, seed)
    scale = standardize(X, "l2").scale
    plain = least_squares(X, y, normalize="l2").predict(X)
    variance = residual_variance(X, y)
    result: dict[str, Any] = {"least_squares_error": ((plain - truth) ** 2).mean(), "level": y.mean()}
    for method, path in PATHS.items():
        fit = path(X, y, alphas[method])
        df = fit.df if method == "ridge" else lasso_df(fit.coef).astype(y.dtype)
        criteria = information_criteria(fit, X, y, df, noise_variance=variance)
        held_out = cross_validate(path, X, y, alphas[method], folds=folds, seed=fold_key)
        scores = {"Cp": criteria.cp, "AIC": criteria.aic, "BIC": criteria.bic}
        if method == "ridge":
            scores |= {"LOO": fit.loo, "GCV": fit.gcv}
        chosen = {name: choose(score, alphas[method]) for name, score in scores.items()}
        chosen |= {"CV": held_out.best, "CV, 1 SE": held_out.one_standard_error}
        result |= {
            f"{method}_coef": fit.coef * scale[None],
            f"{method}_error": ((fit.predict(X) - truth[None]) ** 2).mean(-1),
            f"{method}_df": df,
            f"{method}_gap": fit.gap.max(),
            f"{method}_index": jnp.stack([chosen[rule].index for rule in RULES[method]]),
        }
    return result


def predict(X: Any, level: Any, coef: Any, *, draw: Any) -> Any:
    """The fitted values (alphas, points) of one draw, by its level and its coefficients of columns of unit length."""
    return level[draw] + coef[draw] @ X.T


def at_norms(coef: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Coefficients (draws, norms, p) where paths (draws, alphas, p), the largest alpha first, first reach each L1 norm.

    Between its alphas the path is a straight line, as the lasso's is between knots. From 0 to its first alpha it is one
    too; beyond its largest norm it stays where it is, which is what the bound of a constrained lasso does.
    """
    coef = np.concatenate([np.zeros_like(coef[:, :1]), coef], axis=1)
    reached = np.maximum.accumulate(abs(coef).sum(-1), axis=1)
    found = [[np.interp(norms, at, column) for column in path.T] for at, path in zip(reached, coef, strict=True)]
    return np.array(found).swapaxes(1, 2)


def _compare(result: xr.Dataset, method: str) -> xr.Dataset:
    """Add what the choices mean: their alphas, the best ones, and the price paid against these."""
    over = f"{method}_alpha"
    error, index = result[f"{method}_error"], result[f"{method}_index"]
    fixed = int(error.mean("seed").argmin(over))
    contenders = [LEAST_SQUARES, FIXED, *index[f"{method}_rule"].values]
    paid = [result["least_squares_error"], error.isel({over: fixed})]
    paid += [error.isel({over: index.sel({f"{method}_rule": rule})}) for rule in contenders[2:]]
    prices = np.stack([part.values for part in paid], axis=1) / error.min(over).values[:, None] - 1
    added = {
        f"{method}_chosen": error[over][index].drop_vars(over),
        f"{method}_best": error[over][error.argmin(over)].drop_vars(over),
        f"{method}_price": (("seed", f"{method}_contender"), prices),
        f"{method}_df": result[f"{method}_df"].mean("seed"),
    }
    coordinates = {f"{method}_contender": contenders}
    return result.drop_vars(f"{method}_index").assign(added).assign_coords(coordinates)


def _alike(first: str, second: str) -> Measure:
    """Share of the draws in which the alphas of two rules for ridge are within a factor of two."""

    def alike(runs: xr.Dataset) -> xr.DataArray:
        chosen = runs["ridge_chosen"].sel(ridge_rule=[first, second])
        return chosen.max("ridge_rule") <= 2 * chosen.min("ridge_rule")

    return share(alike, of="draws")


def _price(dataset: xr.Dataset, method: str, contender: str) -> np.ndarray:
    return 100 * dataset[f"{method}_price"].sel({f"{method}_contender": contender}).values[~dataset["diverged"].values]


def _price_of_validation(dataset: xr.Dataset, method: str) -> Estimate:
    return estimate(jr.stats.median(_price(dataset, method, "CV")), "% above the least error")


def _price_of_simplicity(dataset: xr.Dataset, method: str) -> Estimate:
    more = _price(dataset, method, "CV, 1 SE") - _price(dataset, method, "CV")
    return estimate(jr.stats.median(more), "percentage points of the least error")


def _distance_from_closed_form(dataset: xr.Dataset) -> Estimate:
    """Largest distance of a Monte Carlo estimate from the closed form over all alphas, in standard errors."""
    parts = [f"ridge_{name}" for name in ("bias2", "variance")]
    exact = {part: dataset[part.replace("_", "_exact_")] for part in parts}
    z = max(float((abs(dataset[part] - exact[part]) / dataset[f"{part}_se"]).max()) for part in parts)
    return exactly(z, int((~dataset["diverged"]).sum()), "standard errors")


def _change_by_a_penalty(runs: xr.Dataset) -> xr.DataArray:
    """The alpha that is best on every other draw against least squares, draw by draw."""
    best, plain = jr.study.choose(runs, "ridge_error", "ridge_alpha", least=True), runs["least_squares_error"]
    return 100 * (runs["ridge_error"].sel(ridge_alpha=best) - plain) / float(plain.mean())


def _difference_of_methods(runs: xr.Dataset) -> xr.DataArray:
    """Error of ridge minus that of the lasso, each at the alpha of its own cross-validation."""
    prices = [runs[f"{method}_price"].sel({f"{method}_contender": "CV"}, drop=True) for method in PATHS]
    errors = [(1 + price) * runs[f"{m}_error"].min(f"{m}_alpha") for price, m in zip(prices, PATHS, strict=True)]
    return 100 * (errors[0] - errors[1]) / float(runs["least_squares_error"].mean())


_mean_change = mean("change", unit=_OF_PLAIN)


def _has_truth(runs: xr.Dataset) -> xr.DataArray:
    """Whether the lasso of least BIC has the terms of the truth and no other."""
    coef = runs["lasso_coef"].sel(lasso_alpha=runs["lasso_chosen"].sel(lasso_rule="BIC"))
    return ((coef != 0) == (runs["true_coef"] != 0)).all("power")


CLAIMS = (
    Claim(
        "Leave-one-out and generalized cross-validation choose nearly the same alpha for ridge (within a factor of 2, "
        "in more than 90 % of draws)",
        "folklore; Golub, Heath and Wahba (1979) derive one from the other",
        _alike("LOO", "GCV"),
        Above(90),
    ),
    Claim(
        "Generalized cross-validation, which does not know the noise, chooses what Cp does (within a factor of 2, in "
        "more than 90 % of draws)",
        "Golub, Heath and Wahba, Technometrics 21 (1979)",
        _alike("GCV", "Cp"),
        Above(90),
    ),
    *(
        Claim(
            f"Choosing alpha by 5-fold cross-validation costs less than 25 % above the least error ({method}, median)",
            "common practice; Hastie, Tibshirani and Friedman (2009), section 7.10",
            partial(_price_of_validation, method=method),
            Below(25),
        )
        for method in RULES
    ),
    *(
        Claim(
            f"The one-standard-error rule predicts nearly as well as the minimum (at most 10 points more; {method})",
            "Breiman, Friedman, Olshen and Stone (1984), section 3.4.3; common practice",
            partial(_price_of_simplicity, method=method),
            Below(10),
        )
        for method in RULES
    ),
    Claim(
        "Ridge's bias and variance are those of the closed form (at every alpha within four standard errors)",
        "Hoerl and Kennard, Technometrics 12 (1970)",
        _distance_from_closed_form,
        Below(4),
    ),
    Claim(
        "There is an alpha at which ridge has a smaller mean squared error than least squares",
        "Hoerl and Kennard, Technometrics 12 (1970)",
        lambda dataset: _mean_change(held_out(dataset.assign(change=_change_by_a_penalty(dataset)))),
        Below(0),
    ),
    Claim(
        "L2 recovers the truth better than L1, with alpha chosen by cross-validation for each",
        "tutorial T1, whose alphas are fixed",
        mean(_difference_of_methods, unit=_OF_PLAIN),
        Below(0),
    ),
    Claim(
        "L1 selects: the lasso of least BIC has the terms of the truth and no other (in more than half of draws)",
        "tutorial T1, carried to its conclusion",
        share(_has_truth, of="draws"),
        Above(50),
    ),
)

"""What does the lasso spend? Degrees of freedom by covariance, by the active set, and by the divergence of one run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import Domain, check_integer
from jaxreg.linear import lars_path, lasso, ridge_path
from jaxreg.study import Above, Below, Claim, Inside, exactly, mean, worst
from jaxreg.study.quantities import Measure
from jaxreg.study.settings import Seeds, check_settings

COEFFICIENTS = (3.0, 1.5, 0.0, 0.0, 2.0)
"""The truth: Tibshirani's example (1996); further columns have 0."""
_DECADES = 3.0
_UNIT = "degrees of freedom"
_TOLERANCE = 0.5
_EXACT = 1e-6


@dataclass(frozen=True)
class Config:
    """Settings of the study. Degrees of freedom are counted without that of the intercept."""

    seeds: Seeds = 30_000
    """Number of noise draws; every fit sees the same draws."""
    points: int = 60
    """Number of samples."""
    columns: int = 20
    """Number of features, drawn once from a Gaussian and scaled to variance 1."""
    correlation: Annotated[float, Domain(-0.99, 0.99)] = 0.5
    """Correlation of neighbouring features; further ones have its powers."""
    noise: Annotated[float, Domain(1e-6, ends="[)")] = 3.0
    """Standard deviation of the noise."""
    strengths: Annotated[int, Domain(2, 10_000, whole=True)] = 25
    """Number of strengths of each penalty."""
    design_seed: int = 0
    """Seed of the features; all runs share them."""


PRESETS = {"quick": Config(seeds=5000), "laptop": Config(), "paper": Config(seeds=200_000)}


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""Fit every noise draw by the lasso, by least squares on what it selects, by ridge and by LAR.

    A fit of y = mean + e spends $\mathrm{df} = \sum_i \mathrm{cov}(\hat y_i, y_i) / \sigma^2$. Each draw gives an
    unbiased estimate of it, $\sum_i (\hat y_i - m_i)\, e_i / \sigma^2$, with m the fit without noise, which keeps the
    variance small.

    Returns:
        Dataset over `seed` of those estimates, `lasso` and `refit` over `alpha`, `ridge` over `ridge_alpha` and `lar`
        over the `step`; and of `active`, the number of columns of the lasso. Of the first draw alone, over `alpha`:
        `divergence`, the trace of the derivative of its fit with respect to y. `ridge_df` is the closed form.
    """
    check_settings(config)
    check_integer("columns", config.columns, len(COEFFICIENTS), 1000, "Give 20")
    check_integer("points", config.points, config.columns + 2, 100_000, "Give more samples than columns")
    X, mean = make_data(config)
    largest = abs(X.T @ mean).max() / config.points  # where the path without noise begins
    alphas = largest * np.geomspace(10**-_DECADES, 1.0, config.strengths)
    ridge_alphas = config.points * np.geomspace(10**-_DECADES, 10**_DECADES, config.strengths)
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    population = jr.sweep(
        partial(fit_draw, noise=config.noise),
        {"seed": jr.seeds(config.seeds)},
        args=(X, mean, alphas, ridge_alphas),
        dims={
            **{name: {"alpha": alphas} for name in ("lasso", "refit", "active")},
            "ridge": {"ridge_alpha": ridge_alphas},
            "lar": {"step": np.arange(1, config.columns + 1)},
        },
        x64=True,
        **options,
    )
    one = jr.sweep(
        partial(diverge, noise=config.noise),
        {"seed": jr.seeds(1)},
        args=(X, mean, alphas),
        dims={"divergence": {"alpha": alphas}},
        x64=True,
        progress=False,
    ).isel(seed=0, drop=True)
    ridge_df = (squares / (squares + ridge_alphas[:, None])).sum(-1)
    return population.assign(one.drop_vars("diverged").data_vars).assign(ridge_df=("ridge_alpha", ridge_df))


def make_data(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The features, of mean 0 and variance 1, and the noise-free target."""
    random = np.random.default_rng(config.design_seed)
    distance = abs(np.subtract.outer(np.arange(config.columns), np.arange(config.columns)))
    factor = np.linalg.cholesky(config.correlation**distance)
    X = random.normal(size=(config.points, config.columns)) @ factor.T
    X = (X - X.mean(0)) / X.std(0)
    return X, X[:, : len(COEFFICIENTS)] @ COEFFICIENTS


def fit_draw(X: Any, mean: Any, alphas: Any, ridge_alphas: Any, *, seed: Any, noise: float) -> dict[str, Any]:
    """One draw of the noise: what each fit spends on it, and the size of the lasso's active set."""
    error = noise * jax.random.normal(seed, mean.shape, mean.dtype)
    fits, active = jax.vmap(partial(_fit_all, X, alphas, ridge_alphas))(jnp.stack([mean, mean + error]))
    spent = {name: (noisy - quiet) @ (error - error.mean()) / noise**2 for name, (quiet, noisy) in fits.items()}
    return spent | {"active": active[1]}


def _fit_all(X: Any, alphas: Any, ridge_alphas: Any, y: Any) -> tuple[dict[str, Any], Any]:
    """The fitted values of each estimator along its path, and the size of the lasso's active set along its own."""
    path = lars_path(X, y)
    follow = partial(jax.jvp, lambda alpha: path.at(alpha).coef)
    coef, slope = jax.vmap(lambda alpha: follow((alpha,), (jnp.ones_like(alpha),)))(alphas)
    least_squares = coef - alphas[:, None] * slope  # a segment of the path, followed to alpha = 0
    return {
        "lasso": coef @ X.T,
        "refit": jnp.where(coef != 0, least_squares, 0) @ X.T,
        "ridge": ridge_path(X, y, ridge_alphas).coef @ X.T,
        "lar": lars_path(X, y, method="lar", max_knots=X.shape[1] + 1).coef[1:] @ X.T,
    }, (coef != 0).sum(-1)


def diverge(X: Any, mean: Any, alphas: Any, *, seed: Any, noise: float) -> dict[str, Any]:
    """The draw of `fit_draw` for that seed: the trace of d fit / d y, less 1 for the intercept."""
    y = mean + noise * jax.random.normal(seed, mean.shape, mean.dtype)

    def at(alpha: Any) -> Any:
        return jnp.trace(jax.jacfwd(lambda y: lasso(X, y, alpha).predict(X))(y)) - 1

    return {"divergence": jax.lax.map(at, alphas)}


def excess(name: str, expected: str) -> Callable[[xr.Dataset], xr.DataArray]:
    """What an estimator spends beyond a number of the dataset."""
    return lambda runs: runs[name] - runs[expected]


def _farthest(name: str, expected: str) -> Measure:
    return worst(excess(name, expected), unit=_UNIT)


_PAPER = "Zou, Hastie and Tibshirani, Ann. Stat. 35 (2007)"

CLAIMS = (
    Claim(
        "The mean number of nonzero coefficients is the lasso's degrees of freedom (at every α, within half of one)",
        _PAPER,
        _farthest("lasso", "active"),
        Inside(-_TOLERANCE, _TOLERANCE),
    ),
    Claim(
        "In one run, off the knots, the divergence of the lasso's fit is its number of nonzero coefficients (to 1e-6)",
        _PAPER,
        lambda dataset: exactly(float(abs(excess("divergence", "active")(dataset.isel(seed=0))).max()), 1, _UNIT),
        Below(_EXACT),
    ),
    Claim(
        "Without shrinkage the search is not free: least squares on the columns that the lasso selects spends more "
        "degrees of freedom than there are such columns (mean over all α)",
        "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 3.4",
        mean(lambda runs: excess("refit", "active")(runs).mean("alpha"), unit=_UNIT),
        Above(0),
    ),
    Claim(
        "LAR spends one degree of freedom a step (at every step, within half of one)",
        "Efron, Hastie, Johnstone and Tibshirani, Ann. Stat. 32 (2004)",
        _farthest("lar", "step"),
        Inside(-_TOLERANCE, _TOLERANCE),
    ),
    Claim(
        "Ridge spends Σ d²/(d² + α), d being the singular values (control: at every α, within half of one)",
        "closed form",
        _farthest("ridge", "ridge_df"),
        Inside(-_TOLERANCE, _TOLERANCE),
    ),
)

"""One draw of the study of regularization paths: both paths, their errors, and the alpha that each rule chooses."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.linear.design import standardize
from jaxreg.linear.elastic_net import lasso_path
from jaxreg.linear.least_squares import least_squares
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.selection import choose, cross_validate, information_criteria, lasso_df, residual_variance

PATHS: dict[str, Callable[..., Any]] = {
    "ridge": partial(ridge_path, normalize="l2"),
    "lasso": partial(lasso_path, normalize="l2"),
}
RULES = {"ridge": ("LOO", "GCV", "Cp", "CV", "CV, 1 SE"), "lasso": ("Cp", "AIC", "BIC", "CV", "CV, 1 SE")}
"""How alpha is chosen; AIC with the noise variance of the full model chooses what Cp chooses."""


def draw_target(truth: Any, noise: Any, seed: Any) -> tuple[Any, Any]:
    """The truth with the noise of one draw, and a key for the folds."""
    streams = jr.randomness.split(seed, "noise", "folds")
    return truth + noise * jax.random.normal(streams["noise"], truth.shape, truth.dtype), streams["folds"]


def follow(
    X: Any, truth: Any, noise: Any, alphas: dict[str, Any], norms: Any, *, seed: Any, folds: int
) -> dict[str, Any]:
    """Both paths in one draw, their errors, and the indices of the alphas that each rule chooses."""
    y, fold_key = draw_target(truth, noise, seed)
    scale = standardize(X, "l2").scale
    plain = least_squares(X, y, normalize="l2").predict(X)
    variance = residual_variance(X, y)
    result: dict[str, Any] = {"least_squares_error": ((plain - truth) ** 2).mean()}
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
        coef = fit.coef * scale
        result |= {
            f"{method}_coef": coef.astype(jnp.float32),  # to see and to count; all that is computed is in 64 bits
            f"{method}_coef_at_norm": at_norms(coef, norms).astype(jnp.float32),
            f"{method}_error": ((fit.predict(X) - truth) ** 2).mean(-1),
            f"{method}_df": df,
            f"{method}_gap": fit.gap.max(),
            f"{method}_index": jnp.stack([chosen[rule].index for rule in RULES[method]]),
        }
    return result


def predict_along(X: Any, truth: Any, noise: Any, alphas: dict[str, Any], *, seed: Any, method: str) -> Any:
    """The fitted values (alphas, points) of one draw."""
    return PATHS[method](X, draw_target(truth, noise, seed)[0], alphas[method]).predict(X)


def at_norms(coef: Any, norms: Any) -> Any:
    """Coefficients (norms, p) where a path (alphas, p), the largest alpha first, first reaches each L1 norm.

    Between its alphas the path is a straight line, as the lasso's is between knots. From 0 to its first alpha it is one
    too; beyond its largest norm it stays where it is, which is what the bound of a constrained lasso does.
    """
    coef = jnp.concatenate([jnp.zeros_like(coef[:1]), coef])
    reached = jax.lax.cummax(jnp.abs(coef).sum(1))
    return jax.vmap(lambda column: jnp.interp(norms, reached, column), 1, 1)(coef)

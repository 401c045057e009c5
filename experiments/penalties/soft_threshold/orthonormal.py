"""One draw of the study of soft thresholds: four estimators on random orthonormal columns, and their closed forms."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg as jr
from jaxreg.linear import elastic_net, least_squares
from jaxreg.linear.factor import svd

ESTIMATORS = {
    "best subset": "the best subset",
    "ridge": "ridge",
    "lasso": "the lasso",
    "elastic net": "the elastic net",
}
"""Estimators, and what they are called in a sentence."""
COLUMNS = 4
_WIDTH = 2.0  # standard deviation of the true coefficients: z then covers the range of the curves
_SUBSETS = np.array(list(itertools.product((0.0, 1.0), repeat=COLUMNS)))


def shrink(z: Any, threshold: Any, ridge_part: Any) -> Any:
    r"""The estimators on orthonormal columns, $X'X = I$, with $z = X'y$, stacked in the order of `ESTIMATORS`.

    Best subset, $\min \|y - Xb\|^2 + t^2 \#\{b_j \ne 0\}$, is $z\,1(|z| > t)$; ridge, $\|y - Xb\|^2 + \lambda \|b\|^2$,
    is $z / (1 + \lambda)$; the lasso, $\tfrac12 \|y - Xb\|^2 + \lambda \|b\|_1$, is
    $\mathrm{sign}(z) (|z| - \lambda)_+$; the elastic net, with $\lambda_1 \|b\|_1 + \tfrac12 \lambda_2 \|b\|^2$ there,
    is that of $\lambda_1$ over $1 + \lambda_2$. Here t = λ = λ₁ = `threshold` and λ₂ = `ridge_part`.

    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), table 3.4.
    """
    soft = jr.penalties.soft_threshold(z, threshold)
    return jnp.stack([jnp.where(jnp.abs(z) > threshold, z, 0), z / (1 + threshold), soft, soft / (1 + ridge_part)])


def draw_curves(threshold: float, ridge_part: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of z over what is drawn, and the estimators (estimators, values) there."""
    z = np.linspace(-4, 4, 401)
    with jax.enable_x64(True):
        return z, np.asarray(jax.jit(shrink)(z, threshold, ridge_part))


def fit_design(noise: Any, threshold: Any, ridge_part: Any, *, design: Any, samples: int) -> dict[str, Any]:
    """One random orthonormal design and target, fitted by the solvers of `jaxreg.linear`, which know nothing of z."""
    streams = jr.randomness.split(design, "design", "truth", "noise")
    X = svd(jax.random.normal(streams["design"], (samples, COLUMNS), noise.dtype))[0]
    truth = _WIDTH * jax.random.normal(streams["truth"], (COLUMNS,), noise.dtype)
    y = X @ truth + noise * jax.random.normal(streams["noise"], (samples,), noise.dtype)
    # Ridge and the lasso are the ends of the elastic net, and one solver compiles faster than three.
    both = threshold + ridge_part
    alphas = jnp.stack([threshold, threshold, both]) / samples
    ratios = jnp.stack([jnp.zeros_like(both), jnp.ones_like(both), threshold / both])
    nets = jax.vmap(partial(elastic_net, X, y, fit_intercept=False))(alphas, ratios)
    z = X.T @ y
    return {
        "z": z,
        "fitted": jnp.stack([choose_subset(X, y, threshold), *nets.coef]),
        "expected": shrink(z, threshold, ridge_part),
    }


def choose_subset(X: Any, y: Any, threshold: Any) -> Any:
    r"""Coefficients of the subset that minimizes $\|y - Xb\|^2 + t^2 |S|$: least squares on all subsets, compared."""

    def fit(chosen: Any) -> tuple[Any, Any]:
        coef = least_squares(X * chosen[None], y, fit_intercept=False).coef * chosen
        return ((y - X @ coef) ** 2).sum() + threshold**2 * chosen.sum(), coef

    cost, coef = jax.vmap(fit)(jnp.asarray(_SUBSETS, y.dtype))
    return coef[jnp.argmin(cost)]

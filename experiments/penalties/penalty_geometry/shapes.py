"""Random quadratic losses, the point at which a penalty's shape touches a contour, and how often that is sparse."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

import jaxreg as jr
from jaxreg.linear import elastic_net_path

PENALTIES = {"L1": 1.0, "elastic net": 0.5, "L2": 0.0}
"""Penalties and their l1_ratio ρ."""
LOSSES = {"isotropic": 0.0, "random": 1.0}
"""Gram matrices: the identity, and that of twice as many Gaussian samples as weights."""


def measure_size(coef: Any, l1_ratio: Any) -> Any:
    r"""The penalty without its strength, $P(w) = \rho \|w\|_1 + \tfrac12 (1 - \rho) \|w\|^2$, over the last axis."""
    return l1_ratio * abs(coef).sum(-1) + (1 - l1_ratio) / 2 * (coef * coef).sum(-1)


def find_scale(X: Any, y: Any) -> Any:
    r"""The strength from which L1 has no weight left, $\max_j |x_j'y| / n$: the scale on which α is given."""
    return jnp.abs(jnp.einsum("np,n->p", X, y, precision="highest")).max() / X.shape[0]


def name_axes(dimensions: Any, seeds: int) -> dict[str, Any]:
    """The axes of the random losses."""
    kinds = {name: {"spread": spread} for name, spread in LOSSES.items()}
    return {"loss_kind": jr.cases(kinds), "dimension": list(dimensions), "seed": jr.seeds(seeds)}


def draw_loss(seed: Any, dimension: Any, spread: Any, widest: int) -> tuple[Any, Any]:
    """A design and a target without noise, whose loss is least at a standard normal point of `dimension` weights.

    All other columns, up to `widest`, are zero, as are the rows that a loss of that many weights does not need: one
    program serves every dimension.
    """
    streams = jr.randomness.split(seed, "design", "optimum")
    dtype = jnp.result_type(float)
    used = jnp.arange(widest) < dimension
    X = jax.random.normal(streams["design"], (2 * widest, widest), dtype)
    X = jnp.where(spread > 0, X, jnp.eye(2 * widest, widest, dtype=dtype))
    X = jnp.where(used[None] & (jnp.arange(2 * widest) < 2 * dimension)[:, None], X, 0)
    optimum = jax.random.normal(streams["optimum"], (widest,), dtype)
    return X, jnp.einsum("np,p->n", X, jnp.where(used, optimum, 0), precision="highest")


def measure_loss(shares: Any, ratios: Any, *, seed: Any, dimension: Any, spread: Any, widest: int) -> dict[str, Any]:
    """How many weights of one random loss are not zero, and the size of the shape, for each penalty and strength."""
    X, y = draw_loss(seed, dimension, spread, widest)
    alphas = shares * find_scale(X, y)

    def follow(ratio: Any) -> dict[str, Any]:
        path = elastic_net_path(X, y, alphas, ratio, fit_intercept=False)
        return {
            "kept": (path.coef != 0).sum(-1).astype(jnp.int32),
            "size_at": measure_size(path.coef, ratio),
            "gap": path.gap.max(),
        }

    return jax.vmap(follow)(ratios)


def share_of_corners(dimension: int, share: float) -> float:
    r"""How often L1 keeps a single weight of an isotropic loss whose optimum is normal, $|w|_{(2)} \le a |w|_{(1)}$.

    $p \int_0^\infty 2 \varphi(t) (2 \Phi(a t) - 1)^{p-1} dt$ with a = `share` of α_max; for p = 2,
    $\tfrac4\pi \arctan a$.

    >>> round(share_of_corners(2, 0.5), 6), round(4 / np.pi * float(np.arctan(0.5)), 6)
    (0.590334, 0.590334)
    """
    return quad(lambda t: 2 * dimension * norm.pdf(t) * (2 * norm.cdf(share * t) - 1) ** (dimension - 1), 0, np.inf)[0]


def share_of_zeros(dimension: int, share: float) -> float:
    r"""How often L1 sets some weight of such a loss to zero, $|w|_{(p)} \le a |w|_{(1)}$.

    $1 - p \int_0^\infty 2 \varphi(t) (2 \Phi(t) - 2 \Phi(a t))^{p-1} dt$.

    >>> round(share_of_zeros(2, 0.5), 6) == round(share_of_corners(2, 0.5), 6)
    True
    """

    def none(t: float) -> float:
        return 2 * norm.pdf(t) * (2 * norm.cdf(t) - 2 * norm.cdf(share * t)) ** (dimension - 1)

    return 1 - dimension * quad(none, 0, np.inf)[0]

"""Random quadratic losses, the point at which a penalty's shape touches a contour, and how often that is sparse."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

import jaxreg as jr
from jaxreg.linear import elastic_net, elastic_net_path

PENALTIES = {"L1": 1.0, "elastic net": 0.5, "L2": 0.0}
"""Penalties and their l1_ratio ρ."""
LOSSES = {"isotropic": 0.0, "random": 1.0}
"""Gram matrices: the identity, and that of twice as many Gaussian samples as weights."""
_HALVINGS = 64
_REACH = math.log(1e9)  # strengths beyond a factor of 1e9 from the loss' own scale make no difference in float64


class Touch(NamedTuple):
    """Where a shape touches the best contour of the loss: the weights, and the strength with the same solution."""

    coef: Any
    alpha: Any


def measure_size(coef: Any, l1_ratio: Any) -> Any:
    r"""The penalty without its strength, $P(w) = \rho \|w\|_1 + \tfrac12 (1 - \rho) \|w\|^2$, over the last axis."""
    return l1_ratio * jnp.abs(coef).sum(-1) + (1 - l1_ratio) / 2 * (coef * coef).sum(-1)


def find_scale(X: Any, y: Any) -> Any:
    r"""The strength from which L1 has no weight left, $\max_j |x_j'y| / n$: the scale on which α is given."""
    return jnp.abs(jnp.einsum("np,n->p", X, y, precision="highest")).max() / X.shape[0]


def constrain(X: Any, y: Any, size: Any, l1_ratio: Any) -> Touch:
    r"""Minimize $\tfrac1{2n}\|y - Xw\|^2$ subject to $\rho\|w\|_1 + \tfrac12(1 - \rho)\|w\|^2 \le s$, with s = `size`.

    The solution is that of the elastic net at the multiplier α of the constraint: the larger α, the smaller P(w), so
    log α is found by halving. Where the shape holds the least squares solution, that one is returned, with α = 0.

    Args:
        X: design.
        y: target.
        size: s, above 0.
        l1_ratio: ρ; 1 is the L1 diamond, 0 the L2 circle of radius √(2s).

    Source: Boyd and Vandenberghe, Convex Optimization (2004), section 5.5.
    """
    scale = find_scale(X, y)
    reach = jnp.full_like(scale, _REACH)

    def halve(turn: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """Solve at the middle of the interval; in the first turn at α = 0, and if that is inside, at 0 for ever."""
        low, high, free, _ = state
        middle = (low + high) / 2
        alpha = jnp.where((turn == 0) | free, 0, scale * jnp.exp(middle))
        coef = elastic_net(X, y, alpha, l1_ratio, fit_intercept=False).coef
        inside = measure_size(coef, l1_ratio) <= size
        free = free | (inside & (turn == 0))
        narrow = turn > 0
        low, high = jnp.where(narrow & ~inside, middle, low), jnp.where(narrow & inside, middle, high)
        return low, high, free, Touch(coef, alpha)

    start = Touch(jnp.zeros_like(X[0]), jnp.zeros_like(scale))
    return jax.lax.fori_loop(0, _HALVINGS, halve, (-reach, reach, jnp.zeros_like(scale, bool), start))[3]


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
    X = jnp.where(used & (jnp.arange(2 * widest) < 2 * dimension)[:, None], X, 0)
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
            "size": measure_size(path.coef, ratio),
            "gap": path.gap.max(),
        }

    return jax.vmap(follow)(ratios)


def share_of_corners(dimension: int, share: float) -> float:
    r"""How often L1 keeps a single weight of an isotropic loss whose optimum is normal, $|w|_{(2)} \le a |w|_{(1)}$.

    $p \int_0^\infty 2 \varphi(t) (2 \Phi(a t) - 1)^{p-1} dt$ with a = `share` of α_max; for p = 2,
    $\tfrac4\pi \arctan a$.

    >>> round(share_of_corners(2, 0.5), 6) == round(4 / math.pi * math.atan(0.5), 6)
    True
    """
    return quad(lambda t: 2 * dimension * norm.pdf(t) * (2 * norm.cdf(share * t) - 1) ** (dimension - 1), 0, np.inf)[0]


def share_of_zeros(dimension: int, share: float) -> float:
    r"""How often L1 sets some weight of such a loss to zero, $|w|_{(p)} \le a |w|_{(1)}$.

    $1 - p \int_0^\infty 2 \varphi(t) (2 \Phi(t) - 2 \Phi(a t))^{p-1} dt$.

    >>> round(share_of_zeros(2, 0.5), 6) == round(share_of_corners(2, 0.5), 6)
    True
    """
    none = quad(lambda t: 2 * norm.pdf(t) * (2 * norm.cdf(t) - 2 * norm.cdf(share * t)) ** (dimension - 1), 0, np.inf)[
        0
    ]
    return 1 - dimension * none

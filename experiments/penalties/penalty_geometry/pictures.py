"""The two losses that the study of penalty geometry draws: one of two weights, in the plane, and paths of five."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.penalties.penalty_geometry.shapes import Touch, constrain, find_scale, measure_size
from jaxreg.linear import elastic_net_path

GRAM = ((1.0, 0.4), (0.4, 1.0))
"""Gram matrix of the loss that is drawn, ½(w - w*)'G(w - w*)."""
OPTIMUM = (0.6, 2.0)
"""Its minimum w*."""
PATH_WEIGHTS = 5
"""Number of weights of the random loss."""


def pose_pair() -> tuple[np.ndarray, np.ndarray]:
    """A design (2, 2) and a target of the loss that is drawn: X'X / 2 is `GRAM`, and least squares gives `OPTIMUM`."""
    X = np.sqrt(2) * np.linalg.cholesky(np.array(GRAM)).T
    return X, X @ np.array(OPTIMUM)


def pad_pair() -> tuple[np.ndarray, np.ndarray]:
    """The same loss as a design (10, 5), whose further rows and columns are zeros."""
    X, y = pose_pair()
    rows = 2 * PATH_WEIGHTS
    scale = np.sqrt(rows / len(X))  # the loss is a mean over rows
    return np.pad(scale * X, ((0, rows - 2), (0, PATH_WEIGHTS - 2))), np.pad(scale * y, (0, rows - 2))


def pose_pictures(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both losses: designs (2, 10, 5), targets (2, 10), the random one's minimum (5,), and the scale of each (2,)."""
    random = np.random.default_rng(seed)
    designs = np.zeros((2, 2 * PATH_WEIGHTS, PATH_WEIGHTS))
    designs[0], target = pad_pair()
    designs[1] = random.normal(size=designs[1].shape)
    least = random.normal(size=PATH_WEIGHTS)
    targets = np.stack([target, designs[1] @ least])
    scales = np.array([find_scale(X, y) for X, y in zip(designs, targets, strict=True)])
    return designs, targets, least, scales


def follow_all(seed: int, drawn: tuple[float, ...], shares: np.ndarray, ratios: np.ndarray) -> dict[str, np.ndarray]:
    """The penalized solutions of the loss that is drawn and of a random one with five weights.

    Args:
        seed: that of the random loss.
        drawn: strengths α at which the shapes of the first one are drawn.
        shares: further strengths, as shares of that from which L1 has no weight left.
        ratios: l1_ratio of each penalty.

    Returns:
        `size` (penalties, drawn) of the shapes; `trace` (penalties, shares, 2), the first loss' solutions, and `path`
        (penalties, shares, 5), the second one's, with `path_size`, their sizes relative to that at the minimum.
    """
    designs, targets, least, scales = pose_pictures(seed)
    # Only L1 has no weight left at a share of 1: the strengths of the others go on.
    further = np.where(ratios[:, None] == 1, shares, shares / np.maximum(1.001 - shares, ratios[:, None]))
    fixed = np.broadcast_to(drawn, (2, len(ratios), len(drawn)))
    alphas = np.concatenate([fixed, scales[:, None, None] * further], axis=-1)

    def follow(X: Any, y: Any, alphas: Any, ratio: Any) -> Any:
        return elastic_net_path(X, y, alphas, ratio, fit_intercept=False).coef

    each = jax.vmap(jax.vmap(follow, (None, None, 0, 0)), (0, 0, 0, None))
    coef = np.asarray(jax.jit(each)(*(jnp.asarray(part) for part in (designs, targets, alphas, ratios))))
    sizes = np.asarray(measure_size(coef, ratios[:, None]))
    count = len(drawn)
    return {
        "size": sizes[0, :, :count],
        "trace": coef[0, :, count:, :2],
        "path": coef[1, :, count:],
        "path_size": sizes[1, :, count:] / np.asarray(measure_size(least, ratios))[:, None],
    }


@jax.jit
def touch_all(X: Any, y: Any, sizes: Any, ratios: Any) -> Touch:
    """What `constrain` finds in shapes of these sizes (penalties, sizes), each penalty with its l1_ratio."""
    return jax.vmap(jax.vmap(partial(constrain, X, y), (0, None)))(sizes, ratios)

"""The two losses that the study of penalty geometry draws: one of two weights, in the plane, and paths of five."""

import numpy as np

from experiments.penalties.penalty_geometry.shapes import measure_size
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


def pose_pictures(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both losses: designs (2, 10, 5), targets (2, 10), the random one's minimum (5,), and the scale of each (2,).

    Further rows and columns of the first are zeros; the loss is a mean over rows.
    """
    random = np.random.default_rng(seed)
    rows = 2 * PATH_WEIGHTS
    designs = np.zeros((2, rows, PATH_WEIGHTS))
    designs[0, :2, :2] = np.sqrt(rows / 2) * pose_pair()[0]
    designs[1] = random.normal(size=designs[1].shape)
    least = random.normal(size=PATH_WEIGHTS)
    targets = np.stack([designs[0, :, :2] @ OPTIMUM, designs[1] @ least])
    return designs, targets, least, abs(np.einsum("knp,kn->kp", designs, targets)).max(1) / rows


def follow(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """The solutions (penalties, strengths, p) of the elastic net, at the l1_ratio and the strengths of each penalty."""
    pairs = zip(alphas, ratios, strict=True)
    return np.stack([elastic_net_path(X, y, at, ratio, fit_intercept=False).coef for at, ratio in pairs])


def follow_all(seed: int, drawn: tuple[float, ...], shares: np.ndarray, ratios: np.ndarray) -> dict[str, np.ndarray]:
    """The penalized solutions of the loss that is drawn and of a random one of that seed with five weights.

    Strengths are those at which the shapes of the first one are drawn, and shares of that from which L1 has no weight
    left; `ratios` are the l1_ratio of each penalty.

    Returns:
        `size` (penalties, drawn) of the shapes; `touch` (penalties, drawn, 2), the minimum within each; `trace`
        (penalties, shares, 2), the first loss' solutions, and `path` (penalties, shares, 5), the second one's, with
        `path_size`, their sizes relative to that at the minimum.
    """
    designs, targets, least, scales = pose_pictures(seed)
    # Only L1 has no weight left at a share of 1: the strengths of the others go on.
    further = np.where(ratios[:, None] == 1, shares, shares / np.maximum(1.001 - shares, ratios[:, None]))
    fixed = np.broadcast_to(drawn, (len(ratios), len(drawn)))
    coef = np.stack(
        [
            follow(X, y, np.concatenate([fixed, scale * further], -1), ratios)
            for X, y, scale in zip(designs, targets, scales, strict=True)
        ]
    )
    sizes = measure_size(coef, ratios[:, None])
    count = len(drawn)
    return {
        "size": sizes[0, :, :count],
        "touch": coef[0, :, :count, :2],
        "trace": coef[0, :, count:, :2],
        "path": coef[1, :, count:],
        "path_size": sizes[1, :, count:] / measure_size(least, ratios)[:, None],
    }

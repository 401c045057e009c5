"""The two losses that the study of penalty geometry draws: one of two weights, in the plane, and paths of five."""

from typing import Any

import numpy as np
import xarray as xr

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


def draw_pictures(
    follow: Any, measure: Any, l1_ratio: float, alphas: np.ndarray, shares: np.ndarray, axis: np.ndarray, seed: int
) -> xr.Dataset:
    """One penalty on the loss that is drawn and on a random one of that seed with five weights, as the study has it.

    `follow` goes from a design, a target and strengths to the penalized solutions (strengths, p), `measure` from
    weights (…, p) and strengths (…) to the penalty without its strength. Strengths are `alphas`, at which shapes are
    drawn along `axis`, and `shares` of that from which L1 has no weight left, where those of other penalties go on.
    """
    designs, targets, least, scales = pose_pictures(seed)
    further = shares if l1_ratio == 1 else shares / np.maximum(1.001 - shares, l1_ratio)
    strengths = [np.concatenate([alphas, scale * further]) for scale in scales]
    pair, path = (np.asarray(follow(*given)) for given in zip(designs, targets, strengths, strict=True))
    points, count = np.stack(np.meshgrid(axis, axis), -1), len(alphas)
    path_size = np.asarray(measure(path, strengths[1])) / np.asarray(measure(least[None], strengths[1]))
    return xr.Dataset(
        {
            "height": (("alpha", "second", "first"), np.stack([measure(points, alpha) for alpha in alphas])),
            "size": ("alpha", np.asarray(measure(pair, strengths[0]))[:count]),
            "touch": (("alpha", "weight"), pair[:count, :2]),
            "trace": (("fine_share", "weight"), pair[count:, :2]),
            "path": (("fine_share", "path_weight"), path[count:]),
            "path_size": ("fine_share", path_size[count:]),
        }
    )

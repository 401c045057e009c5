"""ZCA whitening: fitted on training data, applied to all, and undone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Float32, Float64

from jaxreg.checks import POSITIVE, check_choice, read_array
from jaxreg.errors import ArgumentError
from jaxreg.values import register_value

_KINDS = ("zca", "keras")
_BLOCK = 4096  # rows


@register_value("kind", "epsilon")
@dataclass(frozen=True)
class Whitening:
    r"""The map $x \mapsto (x - m) W$, from `fit_whitening`.

    Args:
        mean: m.
        matrix: W, symmetric.
        inverse: of `matrix`; its pseudo-inverse for Keras' variant where there are fewer examples than features.
        epsilon: what kept W finite.
        kind: the formula behind W.
    """

    mean: Float64[np.ndarray, " features"]
    matrix: Float64[np.ndarray, "features features"]
    inverse: Float64[np.ndarray, "features features"]
    epsilon: float
    kind: str

    def apply(self, x: Float[Array | np.ndarray, "n features"]) -> Float32[np.ndarray, "n features"]:
        """Whitened rows, $(x - m) W$; test data take the mean and the matrix of the training data.

        Raises:
            ArgumentError: rows of another length, or not finite.
        """
        blocks = [block @ self.matrix for block in _centred_blocks(self._read(x), self.mean)]
        return np.concatenate(blocks or [np.zeros((0, len(self.mean)))]).astype(np.float32)

    def invert(self, x: Float[Array | np.ndarray, "n features"]) -> Float32[np.ndarray, "n features"]:
        """Rows before whitening, $x W^{-1} + m$, up to the rounding of `x`.

        Raises:
            ArgumentError: rows of another length, or not finite.
        """
        blocks = [block @ self.inverse for block in _centred_blocks(self._read(x), np.zeros_like(self.mean))]
        return (np.concatenate(blocks or [np.zeros((0, len(self.mean)))]) + self.mean).astype(np.float32)

    def _read(self, x: Any) -> Float[np.ndarray, "n features"]:
        rows = _read_rows(x)
        if rows.shape[1] != len(self.mean):
            constraint = f"must have the {len(self.mean)} features that the whitening was fitted to"
            raise ArgumentError("x", rows.shape, constraint, "Prepare all data alike")
        return rows


def fit_whitening(
    x: Float[Array | np.ndarray, "n features"], epsilon: float | None = None, kind: str = "zca"
) -> Whitening:
    r"""ZCA whitening of rows, with mean and covariance from `x`: give it training data only.

    `"zca"`: $W = U\,\mathrm{diag}(1 / \sqrt{s_i + \epsilon})\,U^\top$ with the covariance
    $C = \tfrac1n \sum_i (x_i - m)(x_i - m)^\top = U \mathrm{diag}(s) U^\top$ and the mean m of each feature. The
    whitened training data have the variances $s_i / (s_i + \epsilon)$. As $\epsilon$ is added to variances, nothing is
    stretched more than $1 / \sqrt\epsilon$ times: not even pixels that are constant in the training data.

    `"keras"`: what `ImageDataGenerator(zca_whitening=True)` computes, for comparison. It subtracts one number, the mean
    over all pixels, and with the singular values $\sigma_i$ of what remains, $W = U\,\mathrm{diag}(\sqrt n /
    (\sigma_i + \epsilon))\,U^\top$: the $\epsilon$, by default 1e-6, is added to $\sqrt n$ standard deviations, where
    it does nothing. A direction in which the training data do not vary is stretched $\sqrt n / \epsilon$ times. Of
    MNIST's pixels, 67 are constant in the training images and two of these are lit in test images, of which one comes
    out at 2e7. Keras computes in float32, where rounding decides how far; here it is float64.

    Args:
        x: training data.
        epsilon: $\epsilon > 0$, in units of variance for `"zca"`, by default 0.01 (for pixels from 0 to 1).
        kind: `"zca"` or `"keras"`.

    Returns:
        `Whitening`, with `apply` for training and test data and `invert`.

    Raises:
        ArgumentError: $\epsilon \le 0$, an unknown kind, no rows, or values that are not finite.

    >>> x = np.random.default_rng(0).normal(size=(1000, 2)).cumsum(axis=1)
    >>> whitening = fit_whitening(x, epsilon=1e-6)
    >>> white = whitening.apply(x)
    >>> np.abs(np.cov(white.T) - np.eye(2)).max() < 0.002, np.abs(whitening.invert(white) - x).max() < 1e-5
    (np.True_, np.True_)

    Source: Bell and Sejnowski, The independent components of natural scenes are edge filters (1997); Krizhevsky,
    Learning multiple layers of features from tiny images (2009), appendix A.
    """
    check_choice("kind", kind, sorted(_KINDS))
    if epsilon is None:
        epsilon = 0.01 if kind == "zca" else 1e-6
    POSITIVE.check("epsilon", epsilon, "Give a variance such as 0.01, small beside those of the pixels")
    epsilon = float(epsilon)
    rows = _read_rows(x)
    n, features = rows.shape
    if n == 0:
        raise ArgumentError("x", rows.shape, "must hold at least one row", "Give the training data")
    if kind == "zca":
        mean = rows.mean(0, dtype=np.float64)
        covariance = sum(block.T @ block for block in _centred_blocks(rows, mean)) / n
        variances, directions = np.linalg.eigh(covariance)
        deviations = np.sqrt(np.maximum(variances, 0) + epsilon)
    else:
        mean = np.full(features, rows.mean(dtype=np.float64))
        # Not from the covariance, where rounding hides small singular values: those of a triangular factor are exact.
        triangle = np.zeros((0, features))
        for block in _centred_blocks(rows, mean):
            triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, block]), mode="r"))
        _, singular, transposed = np.linalg.svd(triangle, full_matrices=False)
        directions, deviations = transposed.T, (singular + epsilon) / math.sqrt(n)
    matrix = (directions / deviations) @ directions.T
    inverse = (directions * deviations) @ directions.T
    return Whitening(mean, matrix, inverse, epsilon, kind)


def _centred_blocks(rows: np.ndarray, mean: np.ndarray) -> Iterator[Float64[np.ndarray, "block features"]]:
    """The rows less their mean, in blocks that do not fill the memory."""
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK] - mean


def _read_rows(x: Any) -> Float[np.ndarray, "n features"]:
    """Rows on the host; refuse other shapes and what is not finite."""
    rows = np.asarray(read_array("x", x))
    if rows.ndim != 2:
        raise ArgumentError("x", rows.shape, "must be rows of features", "Flatten images to rows")
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise ArgumentError(f"x[{row}, {column}]", float(rows[row, column]), "must be finite", "Leave the row out")
    return rows

"""A validation set split off the training data at random."""

import math

import numpy as np
from jaxtyping import Integer, Num

from jaxreg.errors import ArgumentError


def split(
    x: Num[np.ndarray, "n ..."], y: Integer[np.ndarray, " n"], share: float = 0.3, *, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Training and validation part of one data set: $\lceil \text{share} \cdot n \rceil$ random examples validate.

    Args:
        x: inputs.
        y: labels.
        share: of the examples that become the validation set, in (0, 1); tutorial T3 takes 0.3.
        seed: of the shuffle. The same number gives the same parts.

    Returns:
        `x_train, y_train, x_validation, y_validation`, each in random order.

    Raises:
        ArgumentError: `share` outside (0, 1), or one of the parts would be empty; x and y of different lengths.

    >>> x_train, y_train, x_validation, y_validation = split(np.eye(10), np.arange(10), share=0.3, seed=0)
    >>> len(x_train), sorted([*y_train.tolist(), *y_validation.tolist()])
    (7, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    if len(x) != len(y):
        raise ArgumentError("y", len(y), f"must have a label for each of the {len(x)} examples", "Give both whole")
    if not 0 < share < 1:
        raise ArgumentError("share", share, "must lie in (0, 1)", "Give the part that validates, such as 0.3")
    count = math.ceil(share * len(x))
    if count >= len(x):
        constraint = f"must leave training data, and {count} of {len(x)} examples would validate"
        raise ArgumentError("share", share, constraint, "Lower it, or take more data")
    order = np.random.default_rng(seed).permutation(len(x))
    validation, train = order[:count], order[count:]
    return x[train], y[train], x[validation], y[validation]

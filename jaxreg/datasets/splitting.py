"""A validation set split off the training data at random."""

import math

import numpy as np
from jaxtyping import Num

from jaxreg.checks import LEVEL, check_integer, read_array
from jaxreg.errors import ArgumentError

_ROUNDING = 2.0**-51  # of a share k/n and of its product with n, relative


def split(
    x: Num[np.ndarray, "n ..."], y: Num[np.ndarray, "n ..."], share: float | np.floating = 0.3, *, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Training and validation part of one data set: $\lceil \text{share} \cdot n \rceil$ random examples validate.

    The product is the one of the number as written: 0.55 of 100 are 55, and a share k/n are k, whatever it rounds to.

    Args:
        x: inputs.
        y: labels, or targets.
        share: of the examples that become the validation set, in (0, 1); tutorial T3 takes 0.3.
        seed: of the shuffle. The same number gives the same parts.

    Returns:
        `x_train, y_train, x_validation, y_validation`, each in random order.

    Raises:
        ArgumentError: `share` outside (0, 1), or one of the parts would be empty; x and y of different lengths or no
            arrays of numbers; a seed that is no integer from 0 on.

    >>> x_train, y_train, x_validation, y_validation = split(np.eye(10), np.arange(10), share=0.3, seed=0)
    >>> len(x_train), sorted([*y_train.tolist(), *y_validation.tolist()])
    (7, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    x, y = np.asarray(read_array("x", x)), np.asarray(read_array("y", y))
    LEVEL.check("share", share, "Give the part that validates, such as 0.3")
    check_integer("seed", seed, 0, math.inf, "Give the number of a shuffle, such as 0")
    if not x.ndim or not y.ndim:
        raise ArgumentError("x" if y.ndim else "y", 0, "must hold one entry for each example", "Give an array of them")
    if len(x) != len(y):
        raise ArgumentError("y", len(y), f"must have a label for each of the {len(x)} examples", "Give both whole")
    count = count_share(share, len(x))
    if count >= len(x):
        constraint = f"must leave training data, and {count} of {len(x)} examples would validate"
        raise ArgumentError("share", share, constraint, "Lower it, or take more data")
    order = np.random.default_rng(seed).permutation(len(x))
    validation, train = order[:count], order[count:]
    return x[train], y[train], x[validation], y[validation]


def count_share(share: float | np.floating, n: int) -> int:
    r"""How many are that share of n, $\lceil \text{share} \cdot n \rceil$ of the number as written.

    >>> count_share(0.55, 100), count_share(7 / 30, 30), count_share(np.float32(0.07), 100), count_share(0.501, 100)
    (55, 7, 7, 51)
    """
    count = float(str(share)) * n  # a short float says 0.07, whatever it holds
    return round(count) if math.isclose(count, round(count), rel_tol=_ROUNDING) else math.ceil(count)

"""Influence: what each training example does to a loss, all of them by one reverse pass, and refits to check it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Int32

from jaxreg.checks import check_integer, check_same_shape, read_array, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.criterion import LinearCriterion
from jaxreg.hypergrad.gradients import gradient
from jaxreg.hypergrad.objective import evaluate, names_of
from jaxreg.hypergrad.training import Training
from jaxreg.linear.design import find_power


class Influence(NamedTuple):
    r"""Derivatives $\partial L / \partial \omega_i$ in the weight of each example, from 1, and their status.

    To leave out example i changes the loss by about minus its influence: those of a large positive one do harm.
    """

    value: Float[Array, ""]
    influence: Float[Array, " n"]
    status: Int32[Array, ""]


class Refits(NamedTuple):
    """What leaving out some examples does, beside what their influences foretell.

    `change` is the loss without an example less that with it, `foretold` minus its influence; `rank_correlation` is
    Spearman's, `slope` that of `change` on `foretold` through 0.
    """

    change: Float[Array, " some"]
    foretold: Float[Array, " some"]
    rank_correlation: Float[Array, ""]
    slope: Float[Array, ""]


def influence(objective: Any, *, sample_weight: Any = None) -> Influence:
    r"""The derivative of a loss, or of a prediction, in the weight of every training example at once.

    Of a linear model it is exact: $\partial L / \partial \omega_i$ through the optimality conditions, for a smooth
    model $-\nabla L'H^{-1}\nabla\ell_i$, the influence function, and on the support of a sparse one. Of a training it
    is the derivative through all its steps at the orders and masks at hand: what this run, not any minimum, owes to
    each example. One reverse pass, in segments.

    Args:
        objective: a `LinearCriterion` or a `Training`, whose validation data may be a single row; or, for a prediction
            say, any function of a dict that holds "sample_weight" and returns one number.
        sample_weight: the weights (n,) at which the derivative is taken; None: all 1. A function needs them.

    Raises:
        ArgumentError: an objective without examples, or weights of another shape.

    >>> from jaxreg.linear import solve
    >>> from jaxreg.penalties import L2
    >>> X, y = np.array([[1.0], [-1.0], [2.0], [-2.0]]), np.array([1.0, -1.0, 4.0, -2.0])
    >>> given = {"penalty": L2(0.5), "X_validation": X[:2], "y_validation": y[:2], "fit_intercept": False}
    >>> criterion = LinearCriterion(X, y, **given)
    >>> influence(criterion).influence.round(3)
    Array([-0.01 , -0.01 ,  0.038, -0.017], dtype=float32...)
    >>> fit = lambda h: solve(X, y, "squared", L2(0.5), fit_intercept=False, **h)
    >>> found = influence(lambda h: fit(h).predict(X[:1])[0], sample_weight=np.ones(4)).influence
    >>> [round(float(slope), 2) for slope in found]
    [-0.06, -0.06, 0.23, -0.1]

    Source: Koh and Liang, Understanding black-box predictions via influence functions, ICML 2017; Hara et al., Data
    cleansing for models trained with SGD, NeurIPS 2019.
    """
    found = gradient(objective, {"sample_weight": _read_weights(objective, sample_weight)}, mode="reverse")
    return Influence(found.value, found.gradient["sample_weight"], found.status)


def refit_without(
    objective: Any,
    examples: Sequence[int] | Int[Array | np.ndarray, " some"],
    *,
    influence: Float[Array, " n"],
    sample_weight: Any = None,
) -> Refits:
    """Train or fit again without each of some examples, one at a time, and compare with their influences.

    Args:
        objective: as in `influence`.
        examples: their numbers.
        influence: what `influence` found.
        sample_weight: as in `influence`.

    Raises:
        ArgumentError: numbers of no example, or influences that are the same for all of them, which rank nothing.

    >>> from jaxreg.penalties import L2
    >>> X, y = np.array([[1.0], [-1.0], [2.0], [-2.0]]), np.array([1.0, -1.0, 4.0, -2.0])
    >>> given = {"penalty": L2(0.5), "X_validation": X[:2], "y_validation": y[:2], "fit_intercept": False}
    >>> criterion = LinearCriterion(X, y, **given)
    >>> refit_without(criterion, [1, 2, 3], influence=influence(criterion).influence).rank_correlation.round(3)
    Array(1., dtype=float32...)
    """
    weights = _read_weights(objective, sample_weight)
    numbers = np.asarray(read_array("examples", examples, kinds="iu")).reshape(-1)
    for number in numbers.tolist():
        check_integer("examples", number, 0, len(weights) - 1, "Give numbers of training examples")
    if len(numbers) < 2:
        raise ArgumentError("examples", examples, "must be two or more", "Give range(50)")
    foretold = -read_floats("influence", influence)
    check_same_shape("influence", foretold.shape, "the examples", weights.shape)
    foretold = foretold[numbers]
    if not isinstance(foretold, jax.core.Tracer) and (foretold == foretold[0]).all():
        constraint = "must differ between the examples, to be ranked"
        raise ArgumentError("influence", float(-foretold[0]), constraint, "Take others, or what influence(...) found")
    whole = evaluate(objective, {"sample_weight": weights}).value

    def without(number: Array) -> Array:
        return evaluate(objective, {"sample_weight": weights.at[number].set(0)}).value - whole

    change = lax.map(without, jnp.asarray(numbers))
    scaled = foretold.astype(np.promote_types(foretold.dtype, np.float32))
    unit = find_power(scaled)  # its square need not be a float
    scaled = scaled / unit
    ranks = jnp.stack([_rank(change), _rank(foretold)])
    slope = (change * scaled).sum() / (scaled * scaled).sum() / unit
    return Refits(change, foretold, jnp.corrcoef(ranks)[0, 1], slope)


def _rank(values: Array) -> Array:
    """Ranks, equal values sharing the mean of theirs."""
    each, other = values[:, None], values[None]
    below = (each > other).sum(1) + (each >= other).sum(1)
    return (below.astype(values.dtype) - 1) / 2


def _read_weights(objective: Any, given: Any) -> Float[Array, " n"]:
    names_of(objective)  # refuses what is no objective
    known = isinstance(objective, LinearCriterion | Training)
    if given is None and not known:
        remedy = "Give numpy.ones(n), or a LinearCriterion or a Training"
        raise ArgumentError("sample_weight", None, "must be given for a function, one for each example", remedy)
    n = np.shape(objective.y if isinstance(objective, LinearCriterion) else objective.y_train)[0] if known else None
    given = np.ones(n) if given is None else given
    weights = read_floats("sample_weight", given).astype(jnp.result_type(float))
    if weights.ndim != 1 or n not in (None, len(weights)):
        expected = "one axis" if n is None else f"the shape ({n},)"
        raise ArgumentError("sample_weight", weights.shape, f"must have {expected}", "Give one per example")
    return weights

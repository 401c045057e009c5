"""A data loss and penalties as one differentiable scalar, both parts reported apart."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree, Real

from jaxreg.checks import NOT_NEGATIVE, check_kind, check_same_shape, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.penalties import Mask, Penalty


class Parts(NamedTuple):
    """The two parts of an objective.

    Args:
        data: mean loss over the valid samples.
        penalty: sum of the penalties.
    """

    data: Float[Array, ""]
    penalty: Float[Array, ""]


Weights = Real[Array, " n"] | Bool[Array, " n"]


Objective = Callable[..., tuple[Float[Array, ""], Parts]]


def average(losses: Float[Array, "n *outputs"], weights: Weights | None = None) -> Float[Array, ""]:
    r"""Weighted mean over samples, $\sum_i w_i \ell_i / \sum_i w_i$, each $\ell_i$ the mean over the sample's outputs.

    Args:
        losses: loss of each sample, and of each of its outputs where it has several.
        weights: $w_i \ge 0$; or truth values that say which samples are valid, as in a padded batch. A sample of
            weight 0 does not count at all, even where its loss is NaN. None: all count alike.

    Returns:
        The mean; 0 where all weights are 0.

    Raises:
        ArgumentError: no loss, or weights that are negative or of another number.

    >>> average(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False]))
    Array(2., dtype=float32)
    """
    losses = read_floats("losses", losses)
    if not losses.size:
        raise ArgumentError("losses", losses.shape, "must hold at least one sample", "Give the loss of each")
    if not losses.ndim:
        raise ArgumentError("losses", losses, "must be one per sample", "Do not average them before")
    per_sample = losses.mean(tuple(range(1, losses.ndim)))
    if weights is None:
        return per_sample.mean()
    NOT_NEGATIVE.check_all("weights", weights, "Give 0 for a sample that does not count", kinds="biuf")
    w = read_floats("weights", weights).astype(losses.dtype)
    check_same_shape("weights", w.shape, "the samples", losses.shape[:1])
    total = w.sum()
    return jnp.where(w != 0, w * per_sample, 0).sum() / jnp.where(total == 0, 1, total)


def build(
    predict: Callable[..., Float[Array, "n *outputs"]],
    loss: Callable[..., Float[Array, "n *outputs"]],
    penalties: Sequence[Penalty] = (),
    masks: Sequence[Mask] | None = None,
) -> Objective:
    r"""The objective $J(\theta) = \sum_i w_i\, \ell(f_\theta(x_i), y_i) / \sum_i w_i + \sum_k P_k(\theta)$.

    Penalties are not divided by the number of samples. At zero strength, objective and gradient are those without
    penalties, bit for bit (save that a gradient of -0.0 may read 0.0).

    Args:
        predict: $f$, as `predict(params, x)`; keyword options of the objective are handed on to it.
        loss: $\ell$, a function of `jaxreg.losses`, as `loss(predictions, y)`, one value per sample.
        penalties: $P_k$, values of `jaxreg.penalties`; their strengths may be traced.
        masks: for each penalty the parameters it acts on: `penalties.kernels_only`, a prefix of the parameters with
            truth values, or None for all. Without `masks`, each penalty acts on all parameters, biases included.

    Returns:
        `objective(params, x, y, *, weights=None, **options) -> (total, Parts(data, penalty))`, for `weights` see
        `average`. Differentiate it with `jax.value_and_grad(objective, has_aux=True)`.

    Raises:
        ArgumentError: another number of masks than of penalties.

    >>> from jaxreg import losses, penalties
    >>> objective = build(lambda w, x: x @ w, losses.squared, (penalties.L2(0.5),))
    >>> x, y = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([1.0, 4.0])
    >>> total, parts = objective(jnp.array([1.0, 2.0]), x, y)
    >>> float(total), float(parts.data), float(parts.penalty)
    (3.25, 2.0, 1.25)
    """
    for name, function in (("predict", predict), ("loss", loss)):
        if not callable(function):
            raise ArgumentError(name, function, "must be a function", "Give one as losses.squared")
    remedy = "Give a tuple such as (penalties.L2(0.1),)"
    check_kind("penalties", penalties, (tuple, list), remedy)
    for penalty in penalties:
        check_kind("penalties", penalty, Penalty, remedy)
    if masks is not None:
        check_kind("masks", masks, (tuple, list), "Give one for each penalty, None where it acts on all")
    if masks is None:
        masks = (None,) * len(penalties)
    if len(masks) != len(penalties):
        constraint = f"must be as many as the penalties, {len(penalties)}"
        raise ArgumentError("masks", len(masks), constraint, "Give one for each penalty, None where it acts on all")

    def objective(
        params: PyTree, x: PyTree, y: Any, *, weights: Weights | None = None, **options: Any
    ) -> tuple[Float[Array, ""], Parts]:
        data = average(loss(predict(params, x, **options), y), weights)
        if not penalties:
            return data, Parts(data, jnp.zeros_like(data))
        values = [penalty.value(params, mask) for penalty, mask in zip(penalties, masks, strict=True)]
        penalty = sum(values[1:], start=values[0])
        return data + penalty, Parts(data, penalty)

    return objective

"""Loss and accuracy of a classifier over a whole data set, in blocks that stay in a CPU's cache."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, jaxprs_in_params
from jaxtyping import Array, Float, Integer, PyTree

from jaxreg import losses
from jaxreg.checks import MOST, check_choice, check_function, check_integer, check_same_shape, read_array, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.nets.boundary import check_labels

LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "cross_entropy": losses.softmax_cross_entropy_one_hot,
    "mean_squared_error": lambda logits, targets: losses.squared(jax.nn.softmax(logits), targets).mean(-1),
}
"""Losses of a classifier by name: from logits and one-hot targets, one value per example."""

BLOCK = 1000  # rows: enough for a matrix product to run at full rate, few enough for the activations to stay in cache
_BLOCK_BYTES = 2**23  # of the largest array that a model makes of a block: some times a core's cache


class Score(NamedTuple):
    """How well a classifier does on a data set.

    Args:
        loss: mean loss, without any penalty; the cross-entropy is in nats.
        accuracy: share of examples whose largest logit is that of their label; NaN where a logit is.
    """

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]


def evaluate(
    predict: Callable[[PyTree, Array], Array],
    params: PyTree,
    x: Float[Array, "n features"],
    y: Integer[Array, " n"],
    block: int = BLOCK,
    loss: str = "cross_entropy",
) -> Score:
    r"""Mean loss $\tfrac1n \sum_i \ell(f_\theta(x_i), y_i)$ and accuracy of $f_\theta$ over all n examples.

    Args:
        predict: $f$, as `predict(params, x)`, giving logits; deterministic.
        params: $\theta$.
        x: inputs.
        y: labels, from 0 to classes - 1.
        block: rows handed to `predict` at once.
        loss: a key of `LOSSES`.

    Raises:
        ArgumentError: no example, labels that are not one for each, or an unknown loss.

    >>> x = jnp.array([[2.0, 1.0], [0.0, 0.0], [0.0, 3.0]])
    >>> evaluate(lambda w, x: x * w[None], jnp.ones(2), x, jnp.zeros(3, int))
    Score(loss=Array(1.3516..., dtype=float32), accuracy=Array(0.6666667, dtype=float32))
    """
    check_function("predict", predict, 2, "Give predict(params, x), which returns logits")
    check_choice("loss", loss, LOSSES)
    check_integer("block", block, 1, MOST, "Give a number of rows, such as 1000")
    x, y = read_floats("x", x), jnp.asarray(read_array("y", y, kinds="iu"))
    if not x.ndim or not x.shape[0]:
        raise ArgumentError("x", x.shape, "must hold at least one example", "Give one example a row")
    check_same_shape("y", y.shape, "the examples", x.shape[:1])

    def score(logits: Any, labels: Array) -> dict[str, Array]:
        if getattr(logits, "ndim", 0) != 2:
            constraint = "must return a row of logits for each example"
            raise ArgumentError("predict", logits, constraint, "Give a classifier")
        check_labels("y", y, logits.shape[-1])
        losses = LOSSES[loss](logits, one_hot(labels, logits.shape[-1], logits.dtype))
        return {"loss": losses, "accuracy": hits(logits, labels)}

    return Score(**average(score, lambda part: predict(params, part), x, y, block))


def average(
    score: Callable[[Any, Any], dict[str, Array]],
    predict: Callable[[Any], Any],
    x: PyTree,
    y: Array,
    block: int = BLOCK,
) -> dict[str, Float[Array, ""]]:
    """The mean over all examples of each score, from outputs and targets of a block to one value (or row) per example.

    >>> average(lambda out, y: {"error": abs(out - y)}, lambda x: 2 * x, jnp.arange(3.0), jnp.zeros(3), block=2)
    {'error': Array(2., dtype=float32)}
    """
    n = y.shape[0]
    size = min(block, n)

    def add(total: dict[str, Array], start: Array) -> tuple[dict[str, Array], None]:
        # The last block starts early enough to be full, and counts only what no other has seen.
        first = jnp.minimum(start, n - size)
        fresh = first + jnp.arange(size) >= start
        targets = jax.lax.dynamic_slice_in_dim(y, first, size)
        outputs = predict(jax.tree.map(lambda part: jax.lax.dynamic_slice_in_dim(part, first, size), x))
        rows = {name: part.mean(tuple(range(1, part.ndim))) for name, part in score(outputs, targets).items()}
        seen = {name: jnp.where(fresh, part, 0).sum() for name, part in rows.items()}
        return jax.tree.map(jnp.add, total, seen), None

    some = jax.tree.map(lambda part: part[:size], x)
    kinds = jax.eval_shape(lambda x, y: score(predict(x), y), some, y[:size])
    zeros = {name: jnp.zeros((), kind.dtype) for name, kind in kinds.items()}
    total, _ = jax.lax.scan(add, zeros, jnp.arange(0, n, size))
    return {name: part / n for name, part in total.items()}


def choose_block(predict: Callable[..., Any], *like: Any) -> int:
    """How many examples at once: as many as leave the largest array that `predict` makes of them near a CPU's cache.

    >>> choose_block(lambda x: x.repeat(1000, -1), jax.ShapeDtypeStruct((1, 1000), jnp.float32))
    2
    """
    arrays = arrays_of(jax.make_jaxpr(predict)(*like).jaxpr)
    largest = max((math.prod(array.shape) * array.dtype.itemsize for array in arrays), default=0)
    return min(max(_BLOCK_BYTES // max(largest, 1), 1), BLOCK)


def arrays_of(jaxpr: Jaxpr) -> Iterator[Any]:
    """The shapes and types of all arrays that a program makes, within its inner ones too."""
    for equation in jaxpr.eqns:
        yield from (variable.aval for variable in equation.outvars if hasattr(variable.aval, "shape"))
        for inner in jaxprs_in_params(equation.params):
            yield from arrays_of(inner)


def hits(logits: Float[Array, "n *places classes"], labels: Integer[Array, "n *places"]) -> Float[Array, "n *places"]:
    """1 where the largest logit is that of the label, 0 where another is, NaN where one is NaN.

    >>> hits(jnp.array([[0.0, 2.0], [1.0, 0.0], [jnp.nan, 0.0]]), jnp.array([1, 1, 1]))
    Array([ 1.,  0., nan], dtype=float32)
    """
    # No class is the largest of numbers that are none.
    guesses = logits.argmax(-1)
    right = (guesses == labels.astype(guesses.dtype)).astype(logits.dtype)
    return jnp.where(jnp.isnan(logits).any(-1), jnp.nan, right)


def one_hot(labels: Integer[Array, "*n"], classes: int, dtype: Any = jnp.float32) -> Float[Array, "*n {classes}"]:
    """One-hot rows, NaN for a label outside the classes; in a loop they spare the gradient a scatter.

    >>> one_hot(jnp.array([1, 7]), 2)
    Array([[ 0.,  1.],
           [nan, nan]], dtype=float32)
    """
    known = (labels >= 0) & (labels < classes)
    return jnp.where(known[..., None], jax.nn.one_hot(labels, classes, dtype=dtype), jnp.nan)

"""What a network is trained towards: losses and metrics by name, and the kinds of targets that each takes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxreg import losses
from jaxreg.checks import FINITE, Domain, check_choice, describe_cause
from jaxreg.engine.known import find_values
from jaxreg.errors import ArgumentError
from jaxreg.nets.evaluation import LOSSES, arrays_of, hits, one_hot

PerExample = Callable[[Array, Array], Array]
"""From outputs and targets of some examples to one value per example, or one per output of each."""

_REGRESSIONS: dict[str, PerExample] = {
    "absolute": losses.absolute,
    "huber": losses.huber,
    "squared": losses.squared,
}
_BINARY = "binary_cross_entropy"
NAMES = {**LOSSES, **_REGRESSIONS, _BINARY: losses.binary_cross_entropy_from_logits}
METRICS = ("absolute", "accuracy", "squared")
"""Metrics by name; beside these, functions."""

_MANY = 10_007  # examples: a number that no other axis has
_SUM_TOLERANCE = 1e-3  # of the probabilities of a row: float32, and tables written with three decimals


class Aim(NamedTuple):
    """What is minimised, and what is recorded.

    Args:
        encode: from targets as given to targets as the loss takes them, in the precision of the outputs.
        loss: of outputs and encoded targets, one value per example (or per output of each).
        scores: "loss" and the metrics, each of outputs and targets as given.
        classes: how many there are, or None where the targets are no classes.
        is_binary: whether each number of a target is the probability of a class against another.
    """

    encode: Callable[[Array], Array]
    loss: PerExample
    scores: Mapping[str, PerExample]
    classes: int | None
    is_binary: bool = False


def read_aim(loss: Any, metrics: Any, outputs: Any, targets: Mapping[str, Array], smoothing: Array | None) -> Aim:
    """The loss and the metrics for a model of these outputs; refuse targets of another kind than they take.

    Args:
        loss: a key of `NAMES`, or a function per example.
        metrics: names and functions, or None for what the loss suggests.
        outputs: of the model for one batch, one array or, for a loss of the user's, several in any structure.
        targets: of each data set, under the names of their arguments.
        smoothing: of one-hot targets, or None.
    """
    if not callable(loss):
        check_choice("loss", loss, sorted(NAMES), "Choose one of these, or give a function")
    if isinstance(loss, str) and not isinstance(outputs, jax.ShapeDtypeStruct):
        constraint = "is of one array of outputs, and the model returns several"
        raise ArgumentError("loss", loss, constraint, "Give a function (outputs, targets), or return one")
    if smoothing is not None and not (isinstance(loss, str) and loss in LOSSES):
        remedy = f"Choose one of {', '.join(sorted(LOSSES))}, or smooth the targets"
        raise ArgumentError("label_smoothing", loss, "must be given for a loss of classes", remedy)
    if isinstance(loss, str) and loss in LOSSES:
        aim = _for_classes(loss, outputs, targets, smoothing)
    else:
        aim = _for_values(loss, outputs, targets)
    return aim._replace(
        scores={**aim.scores, **_read_metrics(metrics, aim, isinstance(outputs, jax.ShapeDtypeStruct))}
        if metrics is not None
        else aim.scores
    )


def _for_classes(
    loss: str, outputs: jax.ShapeDtypeStruct, targets: Mapping[str, Array], smoothing: Array | None
) -> Aim:
    """Labels, or rows of probabilities; outputs are logits."""
    if len(outputs.shape) < 2:
        raise ArgumentError("model", outputs.shape, f"must return a row of logits an example for {loss}", "Add an axis")
    classes, dtype = outputs.shape[-1], outputs.dtype
    are_labels = {name: _check_classes(name, y, outputs.shape) for name, y in targets.items()}
    if len(set(are_labels.values())) > 1:
        raise ArgumentError(list(targets)[-1], "labels and rows", "must be of one kind in all sets", "Convert either")
    labels = all(are_labels.values())

    def to_rows(y: Array) -> Array:
        return one_hot(y, classes, dtype) if labels else y.astype(dtype)

    def encode(y: Array) -> Array:
        rows = to_rows(y)
        return rows if smoothing is None else (1 - smoothing) * rows + smoothing / classes

    def accuracy(logits: Array, y: Array) -> Array:
        return hits(logits, y if labels else y.argmax(-1))

    scores = {"loss": lambda logits, y: LOSSES[loss](logits, to_rows(y)), "accuracy": accuracy}
    return Aim(encode, LOSSES[loss], scores, classes)


def _check_classes(name: str, y: Array, outputs: tuple[int, ...]) -> bool:
    """Whether these are labels; refuse what is neither labels nor probabilities for each class."""
    classes = outputs[-1]
    if y.ndim == len(outputs) - 1 and y.shape[1:] == outputs[1:-1] and jnp.issubdtype(y.dtype, jnp.integer):
        known = find_values(y)
        if known is not None:
            Domain(0, classes - 1).check_all(name, known, "Renumber the labels, or raise classes")
        return True
    if y.shape[1:] != outputs[1:]:
        places = "" if len(outputs) == 2 else f"{outputs[1:-1]} in "
        examples = f"each of the {y.shape[0]} examples" if y.ndim else "each example"
        constraint = f"must be one integer label for {places}{examples}, or a row of {classes} probabilities"
        raise ArgumentError(name, f"{y.dtype}{list(y.shape)}", constraint, "Give class numbers or one-hot rows")
    known = find_values(y)
    if known is not None:
        sums = (abs(known.sum(-1) - 1) <= _SUM_TOLERANCE) & (known >= 0).all(-1)
        if not sums.all():
            place = np.unravel_index(int(sums.argmin()), sums.shape)
            where = ", ".join(map(str, place))
            constraint = "must be 0 or more, and must sum to 1"
            raise ArgumentError(f"{name}[{where}]", known[place].tolist(), constraint, "Give one-hot rows")
    return False


def _for_values(loss: Any, outputs: Any, targets: Mapping[str, Array]) -> Aim:
    """Targets that the outputs are compared with as they are: numbers, or whatever a function of the user's takes."""
    named, dtype = isinstance(loss, str), jax.tree.leaves(outputs)[0].dtype
    for name, y in targets.items() if named else ():
        if y.shape[1:] not in (outputs.shape[1:], outputs.shape[1:-1] if outputs.shape[-1:] == (1,) else None):
            constraint = f"must have the shape of the outputs, {outputs.shape[1:]} for each example"
            raise ArgumentError(name, f"{y.dtype}{list(y.shape)}", constraint, "Give the model as many outputs")
        known = find_values(y)
        if loss == _BINARY and known is not None:
            Domain(0, 1).check_all(name, known, "Give 0, 1, truth values or probabilities", kinds="biuf")
        elif known is not None:
            FINITE.check_all(name, known, "Leave these examples out", kinds="biuf")

    def encode(y: Array) -> Array:
        return y.astype(dtype) if named or not jnp.issubdtype(y.dtype, jnp.integer) else y

    function = _compare(NAMES[loss]) if named else loss
    scores = {"loss": lambda out, y: function(out, encode(y))}
    if loss == _BINARY:
        scores["accuracy"] = _compare(_agree)
    labels = all(y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer) for y in targets.values())
    is_table = isinstance(outputs, jax.ShapeDtypeStruct) and len(outputs.shape) == 2
    classes = outputs.shape[-1] if not named and labels and is_table else None
    if classes is not None:
        scores["accuracy"] = hits
    return Aim(encode, function, scores, classes, loss == _BINARY)


def _agree(logits: Array, y: Array) -> Array:
    """Whether the likelier answer is given; NaN where there is none."""
    return jnp.where(jnp.isnan(logits), jnp.nan, ((logits > 0) == (y > 0.5)).astype(logits.dtype))


def _read_metrics(metrics: Any, aim: Aim, is_one: bool) -> dict[str, PerExample]:
    """Metrics by name."""
    remedy = f"Give names of {', '.join(METRICS)}, or {{'name': function(outputs, targets)}}"
    if isinstance(metrics, str) or not isinstance(metrics, Mapping | list | tuple):
        raise ArgumentError("metrics", metrics, "must be several names, or a dict", remedy)
    if not isinstance(metrics, Mapping) and not all(isinstance(one, str) for one in metrics):
        raise ArgumentError("metrics", metrics, "must be names, or a dict from names to functions", remedy)
    named = dict(metrics) if isinstance(metrics, Mapping) else {one: one for one in metrics}
    found: dict[str, PerExample] = {}
    for name, metric in named.items():
        if not isinstance(name, str) or name == "loss" or not name.isidentifier():
            raise ArgumentError("metrics", name, "must be a name other than loss", remedy)
        if isinstance(metric, str) and metric in _REGRESSIONS and aim.classes is None and is_one:
            found[name] = _compare(_REGRESSIONS[metric])
        elif isinstance(metric, str) and metric in aim.scores and metric != "loss":
            found[name] = aim.scores[metric]
        elif callable(metric):
            found[name] = metric
        else:
            raise ArgumentError("metrics", metric, "must be a function, or a metric that suits the loss", remedy)
    return found


def _compare(function: PerExample) -> PerExample:
    """Of outputs and targets of one shape and precision; else outputs (n, 1) and targets (n,) would become (n, n)."""

    def compare(outputs: Array, y: Array) -> Array:
        return function(outputs[..., 0] if outputs.shape == (*y.shape, 1) else outputs, y.astype(outputs.dtype))

    return compare


def check_per_example(name: str, function: PerExample, outputs: Any, y: Any) -> None:
    """Refuse a function that returns anything but floats with an entry, or a row, for each example."""
    try:
        with jax.numpy_dtype_promotion("standard"):
            returned = jax.eval_shape(function, outputs, y)
    except ArgumentError:
        raise
    except Exception as error:  # whatever a function of somebody else's raises
        remedy = "Give a function (outputs, targets), one value per example"
        constraint = f"must take outputs and targets ({describe_cause(error)})"
        raise ArgumentError(name, function, constraint, remedy) from error
    shape = getattr(returned, "shape", None)
    shapes = [part.shape[:axes] for part in jax.tree.leaves(outputs) for axes in range(1, len(part.shape) + 1)]
    if shape not in shapes or not jnp.issubdtype(returned.dtype, jnp.floating):
        constraint = f"must return a float for each of the examples, not {returned}"
        raise ArgumentError(name, function, constraint, "Do not average over examples")
    if _pairs_examples(function, outputs, y):
        sizes = ", ".join(str(part.shape) for part in jax.tree.leaves(outputs))
        constraint = f"must be of each example alone, and makes a table of all pairs from {sizes} and {y.shape}"
        raise ArgumentError(name, function, constraint, "Give outputs and targets one shape, by outputs[..., 0], say")


def _pairs_examples(function: PerExample, outputs: Any, y: Any) -> bool:
    """Whether it sets every example against every other, as (n, 1) and (n,) do when they are broadcast."""
    outputs, y = jax.tree.map(lambda part: jax.ShapeDtypeStruct((_MANY, *part.shape[1:]), part.dtype), (outputs, y))
    try:
        with jax.numpy_dtype_promotion("standard"):
            program = jax.make_jaxpr(function)(outputs, y)
    except Exception:
        return False
    return any(array.shape.count(_MANY) > 1 for array in arrays_of(program.jaxpr))

"""Models, losses and metrics of the user's are tried before anything is trained, by their shapes and on one batch."""

from collections.abc import Mapping
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from jaxreg.checks import describe_cause
from jaxreg.engine.known import find_values
from jaxreg.errors import ArgumentError
from jaxreg.nets import boundary, optimizers, targets
from jaxreg.nets.evaluation import BLOCK, choose_block
from jaxreg.nets.networks import Network, name_leaves


def name_model(model: Any) -> str:
    """What stands in a message for a model of the user's."""
    return "(init, apply)" if isinstance(model, tuple | list) else getattr(model, "__name__", type(model).__name__)


def trace_model(network: Network, x: Any, batch_size: int, own: str | None) -> tuple[PyTree, Any, int, bool]:
    """The shapes of parameters and outputs, how many examples to evaluate at once, and whether there is a state.

    Refuse what somebody's `own` model does wrong.
    """
    key = jax.random.key(0)
    keys = {"init": key, "dropout": key}

    def once(keys: Any, x: Any) -> tuple[PyTree, PyTree, PyTree, tuple[PyTree, PyTree]]:
        params, state = network.init(keys, boundary.take(x, slice(1)))
        outputs, after = network.apply(params, state, x, network.draw(keys)(0), True)
        evaluated, _ = network.apply(params, after, x, None, False)
        return params, state, after, (outputs, evaluated)

    like, one = (
        jax.tree.map(lambda part: jax.ShapeDtypeStruct((count, *part.shape[1:]), part.dtype), x)  # noqa: B023
        for count in (batch_size, 1)
    )
    if own is None:
        params, _, _, (outputs, _) = jax.eval_shape(once, keys, like)
        return params, outputs, BLOCK, False
    try:
        params, state, after, (outputs, evaluated) = jax.eval_shape(once, keys, like)
        block = choose_block(
            lambda params, state, x: network.apply(params, state, x, None, False)[0], params, state, one
        )
    except (flax.errors.InvalidRngError, flax.errors.ModifyScopeVariableError) as error:
        constraint = f"must neither draw nor change in evaluation ({describe_cause(error)})"
        remedy = "Let it take train: bool, and its layers deterministic=not train, use_running_average=not train"
        raise ArgumentError("model", own, constraint, remedy) from error
    except ArgumentError:
        raise
    except Exception as error:  # whatever a model of somebody else's raises
        constraint = f"must take inputs {boundary.describe_batch(x)} ({describe_cause(error)})"
        several = boundary.name_inputs(x)
        remedy = "Reshape the inputs, or change the model"
        if several:
            remedy = f"Let it take one argument that holds all of {', '.join(several)}, as x_train does"
        raise ArgumentError("model", own, constraint, remedy) from error
    parts = jax.tree.leaves(outputs)
    if not parts or any(part.shape[:1] != (batch_size,) for part in parts):
        constraint = f"must return an array with an entry or row for each of the {batch_size} examples of a batch"
        raise ArgumentError("model", outputs, constraint, "Return the outputs alone")
    if optimizers.describe_leaves(outputs) != optimizers.describe_leaves(evaluated):
        constraint = f"must return the same in training, {outputs}, and in evaluation"
        raise ArgumentError("model", evaluated, constraint, "Give both one shape")
    if not all(jnp.issubdtype(part.dtype, jnp.floating) for part in parts):
        raise ArgumentError("model", outputs, "must return floating-point numbers", "Return logits or predictions")
    if not jax.tree.leaves(params):
        raise ArgumentError("model", params, "must have parameters", "Give it at least one")
    for name, leaf in name_leaves(params).items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            constraint = f"must have floating-point parameters, and {name} is {leaf.dtype}"
            raise ArgumentError("model", own, constraint, "Keep integers out of the parameters")
    if optimizers.describe_leaves(state) != optimizers.describe_leaves(after):
        raise ArgumentError(
            "model", own, "must keep the shape of its state in training", "Make all of it when initialised"
        )
    _check_finite(network, x, batch_size)
    return params, outputs, block, bool(jax.tree.leaves(state))


def _check_finite(network: Network, x: Any, batch_size: int) -> None:
    """Refuse a model that is NaN before it is trained, where the first batch is known and nothing else is traced."""
    parts, structure = jax.tree.flatten(x)
    found = [values[:batch_size] for values in map(find_values, parts) if values is not None]
    if len(found) < len(parts) or network.start is None or not all(np.isfinite(values).all() for values in found):
        return
    with jax.ensure_compile_time_eval():  # the key too, which within a sweep's trace would be traced
        key = jax.random.key(0)
        first = jax.tree.unflatten(structure, map(jnp.asarray, found))
        results = network.start({"init": key, "dropout": key}, first)
    for outputs, when in zip(reversed(results), ("for x_train[0]", "in training"), strict=True):
        for part in jax.tree.leaves(outputs):
            if not isinstance(part, jax.core.Tracer) and not np.isfinite(part).all():
                value = np.asarray(part)[0].tolist()
                constraint = f"must be finite {when} before it is trained"
                raise ArgumentError("model", value, constraint, "Check how it begins")


def check_functions(loss: Any, metrics: Any, aim: targets.Aim, outputs: Any, y: Array, batch_size: int) -> None:
    """Refuse a loss or a metric of the user's that is not one value per example."""
    like = jax.ShapeDtypeStruct((batch_size, *y.shape[1:]), y.dtype)
    if callable(loss):
        targets.check_per_example("loss", loss, outputs, jax.eval_shape(aim.encode, like))
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else ():
        if callable(metric):
            targets.check_per_example(f"metrics[{name!r}]", metric, outputs, like)

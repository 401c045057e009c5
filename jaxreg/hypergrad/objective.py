"""What can be differentiated: a value and a status, from hyperparameters by name."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PyTree

from jaxreg.checks import check_function
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.status import Status

Hyperparameters = Mapping[str, PyTree]


class Outcome(NamedTuple):
    """The value of an objective, the flags of `Status`, and what the next evaluation may start from, if anything."""

    value: Float[Array, ""]
    status: Int32[Array, ""]
    memory: PyTree = None


@runtime_checkable
class Objective(Protocol):
    """A function of hyperparameters that knows which names it takes; `LinearCriterion` and `Training` are such."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can be differentiated."""

    def evaluate(self, at: Hyperparameters) -> Outcome:
        """Value and status."""


def evaluate(objective: Any, at: Hyperparameters, memory: PyTree = None) -> Outcome:
    """Value and status of an objective, or of any function of a dict that returns one number."""
    if isinstance(objective, Objective):
        given = () if memory is None else (memory,)
        value, status, memory = Outcome(*objective.evaluate(at, *given))
    else:
        value, status = objective(at), jnp.int32(Status.OK)
        value = jnp.asarray(value) if isinstance(value, float | np.generic | np.ndarray) else value
    if not isinstance(value, jax.Array) or value.ndim or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ArgumentError("objective", value, "must return one floating-point number", "Take its mean, say")
    lost = jnp.where(jnp.isfinite(value), 0, int(Status.INVALID)).astype(jnp.int32)
    return Outcome(value, jax.lax.stop_gradient(status | lost), memory)


def names_of(objective: Any) -> tuple[str, ...] | None:
    """The names that an objective takes, or None where any will do."""
    if isinstance(objective, Objective):
        return tuple(objective.names)
    check_function("objective", objective, 1, "Give a function of a dict of hyperparameters, or a Training")
    return None

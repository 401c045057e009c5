"""Hypergradients, forward and reverse, with the status of the point at which they were taken."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PyTree

from jaxreg.checks import check_choice
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.coordinates import Coordinates, flatten, read_coordinates, read_hyperparameters
from jaxreg.hypergrad.objective import Hyperparameters, evaluate, names_of
from jaxreg.hypergrad.status import Status
from jaxreg.hypergrad.training import Training

MODES = ("auto", "forward", "reverse")
FEW = 8
"""Numbers up to which `auto` goes forward: each tangent costs about one run, a reverse pass about four."""
REVERSE_COST = 4
"""Runs that a reverse pass counts as: forth, once more in segments, and back at twice the cost of a step."""


class Hypergradient(NamedTuple):
    """The value of an objective, its derivative in each hyperparameter, in their shape, and flags of `Status`."""

    value: Float[Array, ""]
    gradient: PyTree
    status: Int32[Array, ""]


def gradient(
    objective: Any,
    at: Hyperparameters,
    *,
    mode: str = "auto",
    transforms: Mapping[str, str] | None = None,
    bounds: Mapping[str, Any] | None = None,
) -> Hypergradient:
    r"""The hypergradient $\partial L / \partial u$ of an objective $L(h(u))$, by forward or reverse mode.

    Without `transforms`, u is h itself. With `transforms={}`, or some names in it, it is what `tune` moves: the
    logarithm of strengths and rates, $\partial L / \partial \log h = h\, \partial L / \partial h$, the log odds of
    shares. Both modes give the same up to rounding: forward takes one tangent per number, k of them at once, and memory
    that does not depend on the steps; reverse takes all at once, a `Training` in segments.

    Args:
        objective: a `LinearCriterion`, a `Training`, or any function of a dict from name to numbers that returns one
            number, such as `lambda h: landscape.descend(..., learning_rate=h["learning_rate"], ...).weight ** 2`.
        at: the hyperparameters, a dict from name to a float, an array or a pytree of them.
        mode: "forward", "reverse", or "auto": forward for up to 8 numbers (static).
        transforms: from name to "log", "logit" or "identity", those of `TRANSFORMS`; names left out have the transform
            that suits them; None: no transform at all (static).
        bounds: from name to (low, high): at one of them the status is AT_BOUND, and the derivative that to the inside.

    Returns:
        `Hypergradient`; its status has INVALID where value or derivative is no finite number.

    Raises:
        ArgumentError: names that the objective does not take, integers and static options, with the list of what is
            differentiable; crossed bounds; or values outside of them.

    >>> found = gradient(lambda h: h["a"] ** 2, {"a": 3.0}, transforms={"a": "log"})
    >>> found.value, found.gradient["a"].round(3)
    (Array(9., dtype=float32...), Array(18., dtype=float32...))
    """
    check_choice("mode", mode, MODES)
    at = read_hyperparameters(at, names_of(objective))
    plain = dict.fromkeys(at, "identity") if transforms is None else transforms
    coordinates = read_coordinates(at, plain, bounds)
    found = differentiate(objective, coordinates, coordinates.forth(at), mode)
    edge = coordinates.at_bound(coordinates.forth(at)) if bounds else jnp.bool_(False)
    return found._replace(status=found.status | jnp.where(edge, int(Status.AT_BOUND), 0).astype(jnp.int32))


def differentiate(objective: Any, coordinates: Coordinates, u: Hyperparameters, mode: str = "auto") -> Hypergradient:
    """The same in what is moved; nothing is checked."""
    return differentiate_from(None, objective, coordinates, u, mode)[0]


def differentiate_from(
    memory: PyTree, objective: Any, coordinates: Coordinates, u: Hyperparameters, mode: str
) -> tuple[Hypergradient, PyTree]:
    """The same from what the evaluation before has left, and what this one leaves."""
    vector, back = flatten(u)
    forward = goes_forward(mode, vector.size)
    if forward and isinstance(objective, Training):
        objective = dataclasses.replace(objective, segment=objective.steps)  # there is nothing to keep

    def of(vector: Float[Array, " k"]) -> tuple[Array, tuple[Array, PyTree]]:
        value, *rest = evaluate(objective, coordinates.back(back(vector)), memory)
        return value, tuple(rest)

    if forward:
        basis = jnp.eye(vector.size, dtype=vector.dtype)
        push = lambda tangent: jax.jvp(of, (vector,), (tangent,), has_aux=True)  # noqa: E731
        if vector.size == 1:  # without an axis of one, over which XLA would loop
            value, slope, (status, after) = push(basis[0])
            slope = slope[None]
        else:
            value, slope, (status, after) = jax.vmap(push, out_axes=(None, 0, None))(basis)
    else:
        (value, (status, after)), slope = jax.value_and_grad(of, has_aux=True)(vector)
    lost = jnp.where(jnp.isfinite(slope).all(), 0, int(Status.INVALID)).astype(jnp.int32)
    return Hypergradient(value, back(slope), status | lost), after


def goes_forward(mode: str, numbers: int) -> bool:
    """Whether the derivative in so many numbers is taken forward."""
    return mode == "forward" or (mode == "auto" and numbers <= FEW)


def count_runs(mode: str, numbers: int) -> int:
    """What a derivative in so many numbers costs, in runs of the objective."""
    return 1 + numbers if goes_forward(mode, numbers) else REVERSE_COST


def hessian_vector_product(objective: Any, at: Hyperparameters, vector: Hyperparameters) -> dict[str, PyTree]:
    r"""$\nabla^2 L(h)\, v$, forward over reverse, for smooth objectives: at a cost of some gradients, without a matrix.

    Args:
        objective: as in `gradient`.
        at: $h$.
        vector: $v$, of the names and shapes of `at`.

    Raises:
        ArgumentError: as `gradient`, or a vector of another shape.

    >>> hessian_vector_product(lambda h: h["a"] ** 3, {"a": 2.0}, {"a": 1.0})
    {'a': Array(12., dtype=float32...)}
    """
    at = read_hyperparameters(at, names_of(objective))
    vector = read_hyperparameters(vector, tuple(at))
    if jax.tree.map(jnp.shape, vector) != jax.tree.map(jnp.shape, at):
        raise ArgumentError("vector", list(vector), "must have the names and shapes of at", "Give one number for each")
    slope = jax.grad(lambda h: evaluate(objective, h).value)
    return jax.jvp(slope, (at,), (vector,))[1]

"""Hyperparameters by name: which transform each is moved in, their bounds, and all of them as one vector."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from jaxreg.checks import FINITE, check_choice, check_kind, read_jax
from jaxreg.errors import ArgumentError

TRANSFORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda x: x, lambda u: u),
    "log": (jnp.log, jnp.exp),
    "logit": (lambda x: jnp.log(x) - jnp.log1p(-x), jax.nn.sigmoid),
}
"""Names of transforms, each with its way there and back: a strength is moved by factors, a share within (0, 1)."""

_DOMAINS = {"identity": (-math.inf, math.inf), "log": (0.0, math.inf), "logit": (0.0, 1.0)}
_BY_NAME = {
    **dict.fromkeys(("learning_rate", "l1", "l2", "proximal_l1", "weight_decay", "decoupled_weight_decay"), "log"),
    **dict.fromkeys(("max_norm", "alpha", "factors", "gradient_noise", "input_noise", "initial_scale"), "log"),
    **dict.fromkeys(("schedule", "delta", "radius"), "log"),
    **dict.fromkeys(("dropout", "input_dropout", "label_smoothing", "momentum", "l1_ratio"), "logit"),
}


def read_hyperparameters(at: Any, known: tuple[str, ...] | None = None) -> dict[str, PyTree]:
    """Hyperparameters as arrays of floats; refuse names that are not known, and what cannot be differentiated.

    Args:
        at: a dict from name to a number, an array, or a pytree of them.
        known: names that can be differentiated, or None for any.

    >>> read_hyperparameters({"alpha": 0.5})
    {'alpha': Array(0.5, dtype=float32...)}
    """
    listed = f"Differentiable are {', '.join(known)}" if known else "Give a dict from name to numbers"
    check_kind("hyperparameters", at, Mapping, "Give a dict such as {'learning_rate': 0.1}")
    if not at:
        raise ArgumentError("hyperparameters", at, "must hold at least one", listed)
    for name in at:
        if not isinstance(name, str) or (known is not None and name not in known):
            raise ArgumentError("hyperparameters", name, "cannot be differentiated here", listed)

    def read(name: str, leaf: Any) -> Array:
        values = read_jax(name, leaf)
        if isinstance(leaf, int) or not jnp.issubdtype(values.dtype, jnp.floating):
            raise ArgumentError(name, leaf, "must be a float: integers and static options have no derivative", listed)
        return values.astype(jnp.promote_types(values.dtype, jnp.result_type(float)))

    return {name: jax.tree.map(lambda leaf, name=name: read(name, leaf), value) for name, value in at.items()}


@dataclass(frozen=True)
class Coordinates:
    """A transform and bounds for every leaf of some hyperparameters, in the order of `jax.tree.leaves`."""

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]

    def forth(self, at: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """From hyperparameters to what is moved."""
        return self._map(at, lambda transform, leaf: TRANSFORMS[transform][0](leaf))

    def back(self, u: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """From what is moved to hyperparameters."""
        return self._map(u, lambda transform, leaf: TRANSFORMS[transform][1](leaf))

    def clip(self, u: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """Within the bounds, which are those of the hyperparameters themselves."""
        return jax.tree.map(jnp.clip, dict(u), *self.ends(u))

    def at_bound(self, u: Mapping[str, PyTree]) -> Array:
        """Whether any lies on a bound, or beyond."""
        marks = jax.tree.map(lambda leaf, low, high: ((leaf <= low) | (leaf >= high)).any(), dict(u), *self.ends(u))
        return jnp.stack(jax.tree.leaves(marks)).any()

    def ends(self, u: Mapping[str, PyTree]) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
        """The lower and the upper bound of each number, in what is moved."""
        leaves, structure = jax.tree.flatten(dict(u))

        def side(k: int) -> dict[str, PyTree]:
            ends = [jnp.full_like(leaf, self.bounds[i][k]) for i, leaf in enumerate(leaves)]
            return self.forth(jax.tree.unflatten(structure, ends))

        return side(0), side(1)

    def _map(self, tree: Mapping[str, PyTree], apply: Callable[[str, Array], Array]) -> dict[str, PyTree]:
        leaves, structure = jax.tree.flatten(dict(tree))
        return jax.tree.unflatten(
            structure, [apply(name, leaf) for name, leaf in zip(self.transforms, leaves, strict=True)]
        )


def read_coordinates(
    at: Mapping[str, PyTree], transforms: Mapping[str, str] | None = None, bounds: Mapping[str, Any] | None = None
) -> Coordinates:
    """The transform of each leaf, by default the one that its name asks for, and its bounds.

    Raises:
        ArgumentError: an unknown name or transform, bounds that cross or leave the transform's domain, or
            hyperparameters outside their bounds.

    >>> read_coordinates({"alpha": jnp.float32(0.5)}).transforms
    ('log',)
    """
    for argument, given in (("transforms", transforms), ("bounds", bounds)):
        if given is not None:
            check_kind(argument, given, Mapping, "Give a dict by the names of hyperparameters")
            for name in given:
                if name not in at:
                    raise ArgumentError(argument, name, f"must name one of {', '.join(at)}", "Drop it")
    names, kinds, ends = [], [], []
    for path, leaf in jax.tree_util.tree_leaves_with_path(dict(at)):
        steps = [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", "")))) for key in path]
        name = steps[0]
        default = next((_BY_NAME[step] for step in reversed(steps) if step in _BY_NAME), "identity")
        kind = default if transforms is None else transforms.get(name, default)
        check_choice("transforms", kind, TRANSFORMS)
        low, high = _DOMAINS[kind]
        if bounds is not None and name in bounds:
            low, high = _read_bounds(name, bounds[name], kind)
        _check_inside(name, leaf, low, high, kind)
        names.append("/".join(steps))
        kinds.append(kind)
        ends.append((low, high))
    return Coordinates(tuple(names), tuple(kinds), tuple(ends))


def _read_bounds(name: str, given: Any, kind: str) -> tuple[float, float]:
    remedy = "Give the lower one first, such as (1e-4, 1.0)"
    given = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ArgumentError("bounds", given, f"must be two numbers for {name}", remedy)
    for end in given:
        FINITE.check("bounds", end, remedy)
    low, high = float(given[0]), float(given[1])
    if not low < high:
        raise ArgumentError("bounds", given, f"of {name} must not cross", remedy)
    least, most = _DOMAINS[kind]
    strict = kind != "identity"
    if low < least or high > most or (strict and (low == least or high == most)):
        constraint = f"of {name} must lie within ({least:g}, {most:g}), where its transform {kind} is finite"
        raise ArgumentError("bounds", given, constraint, "Move them inside, or give another transform")
    return low, high


def _check_inside(name: str, leaf: Any, low: float, high: float, kind: str) -> None:
    if isinstance(leaf, jax.core.Tracer):
        return
    values = np.asarray(leaf)
    inside = (values >= low) & (values <= high)
    if kind != "identity":
        least, most = _DOMAINS[kind]
        inside &= (values > least) & (values < most)
    if not inside.all():
        first = values[~inside].reshape(-1)[0]
        constraint = f"must lie within its bounds, {low:g} to {high:g}" + (
            f", inside those of {kind}" * (kind != "identity")
        )
        raise ArgumentError(name, float(first), constraint, "Start elsewhere, or give transforms={...: 'identity'}")


def flatten(at: Mapping[str, PyTree]) -> tuple[Float[Array, " k"], Callable[[Array], dict[str, PyTree]]]:
    """All numbers as one vector, and the way back."""
    return ravel_pytree(dict(at))

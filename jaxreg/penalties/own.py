"""Whether the proximal step of a penalty of one's own is that of its value."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import ArgumentError
from jaxreg.penalties.base import Penalty

_STEP = 0.5
_SCALES = (-1.0, 0.0, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0)
_TOLERANCE = 1e-3  # of the objective: steps that are iterated are not exact


def check_prox(name: str, penalty: Any, shape: tuple[int, ...]) -> None:
    r"""Refuse a proximal step $z$ of some w that another, of a multiple of w, betters.

    $z$ minimizes $\tfrac1{2\eta}\|z - w\|^2 + P(z)$, so that no other point of its range has less of it; of a sum over
    entries, neither one that differs only where w has one sign. Numbers of the penalty that are traced cannot be looked
    at, and what is not finite is left to the status of a fit.

    Args:
        name: of the argument.
        penalty: with `value(w)` and `prox(w, step)`.
        shape: of w.

    Raises:
        ArgumentError: it is not the proximal step of the value.

    >>> class Wrong:
    ...     def value(self, w):
    ...         return jnp.abs(w).sum()
    ...     def prox(self, w, step):
    ...         return jnp.sign(w) * jnp.maximum(jnp.abs(w) - 1, 0)  # without the step
    >>> check_prox("penalty", Wrong(), (3,))
    Traceback (most recent call last):
    jaxreg.errors.ArgumentError: penalty = ...: must have in prox(w, step) the minimum of |z - w|²/(2 step) ...
    """
    held = [penalty, *jax.tree.leaves(getattr(penalty, "__dict__", ()))]
    if isinstance(penalty, Penalty) or any(isinstance(one, jax.core.Tracer) for one in held):
        return
    w = np.linspace(-2, 3, int(np.prod(shape))).reshape(shape)
    parts = (True, w < 0, w > 0) if getattr(penalty, "separable", False) else (True,)

    def move(scale: float) -> Any:
        return penalty.prox(jnp.asarray(scale * w, jnp.result_type(float)), _STEP)

    def measure(z: Any) -> tuple[np.ndarray, float]:
        return np.asarray(z, float), float(((z - w) ** 2).sum() / (2 * _STEP) + penalty.value(z))

    try:
        with jax.ensure_compile_time_eval(), jax.numpy_dtype_promotion("standard"):
            z, own = measure(step := move(1.0))
            others = [measure(jnp.where(part, other, step)) for other in map(move, _SCALES) for part in parts]
    except Exception:  # what it holds without saying so may be traced
        return
    best, least = min(others, key=lambda one: np.nan_to_num(one[1], nan=np.inf))
    if least < own - _TOLERANCE * (1 + abs(own)):
        first = int(np.argmax(np.abs(z - best)))
        at, found, better = (float(np.ravel(one)[first]) for one in (w, z, best))
        constraint = (
            "must have in prox(w, step) the minimum of |z - w|²/(2 step) + value(z), "
            f"and of step {_STEP} it makes {found:.3g} of {at:.3g} where {better:.3g} has less"
        )
        raise ArgumentError(name, penalty, constraint, "Check its formula, and that it uses the step")

"""What a hypergradient is worth, as flags beside its numbers."""

import functools
from enum import IntFlag

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32


class Status(IntFlag):
    """Flags of a derivative; 0 is OK, and more than one may be set.

    >>> Status(3)
    <Status.KNOT|FLAT: 3>
    """

    OK = 0
    KNOT = 1
    """A coefficient is about to appear or to vanish: the derivative is that to the side on which the support stays."""
    FLAT = 2
    """All penalized coefficients are exactly zero: the derivative in a strength is that to larger ones, 0."""
    AT_BOUND = 4
    """A hyperparameter lies on a bound: the derivative is that to the inside."""
    NOT_CONVERGED = 8
    """The fit is no minimum up to rounding, or its derivative in doubt for another reason that the fit's status has."""
    INVALID = 16
    """No number: data or hyperparameters outside their domain, or a training that diverged."""
    HELD = 32
    """Something drawn at random jumps with a hyperparameter, as the units that dropout keeps do: they are held, and the
    derivative is that along the path of this draw, not of the mean over draws."""


def flag_lost(*numbers: Float[Array, "..."]) -> Int32[Array, ""]:
    """INVALID where one of the numbers is not finite, else OK."""
    finite = functools.reduce(jnp.logical_and, (jnp.isfinite(part).all() for part in numbers))
    return jnp.where(finite, int(Status.OK), int(Status.INVALID)).astype(jnp.int32)

"""A landscape: any differentiable function of a point in space, with its slopes and curvatures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.checks import FINITE, check_integer, check_kind, describe_cause, read_floats
from jaxreg.errors import ArgumentError

_MOST = 1000  # dimensions: the matrix of second derivatives is made whole


@dataclass(frozen=True, eq=False)
class Landscape:
    r"""A landscape $f(w)$ over points $w$ of `dim` coordinates.

    Args:
        function: $f$, a JAX function from one point (dim,) to one number, differentiable twice.
        dim: the number of coordinates.
        name: for figures.

    Raises:
        ArgumentError: no function, one that does not return one number, or a dimension below 1.

    >>> bowl = Landscape(lambda w: (w * w).sum(), 2, "bowl")
    >>> bowl.value(jnp.array([[1.0, 2.0], [0.0, 0.0]]))
    Array([5., 0.], dtype=float32)
    >>> bowl.gradient(jnp.array([1.0, 2.0])), bowl.hessian(jnp.array([1.0, 2.0])).tolist()
    (Array([2., 4.], dtype=float32), [[2.0, 0.0], [0.0, 2.0]])
    """

    function: Callable[[Any], Any]
    dim: int
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no landscape."""
        check_integer("dim", self.dim, 1, _MOST, "Give the number of coordinates")
        check_kind("name", self.name, str, "Give it as it should stand in a figure")
        if not callable(self.function):
            raise ArgumentError("function", self.function, "must be a function", "Give lambda w: (w * w).sum()")
        try:
            like = jax.ShapeDtypeStruct((self.dim,), jnp.result_type(float))  # no array: imports start no device
            returned = jax.eval_shape(self.function, like)
        except Exception as error:  # whatever a function of somebody else's raises
            constraint = f"must take one point of {self.dim} coordinates ({describe_cause(error)})"
            raise ArgumentError("function", self.function, constraint, "Change it, or `dim`") from error
        is_number = isinstance(returned, jax.ShapeDtypeStruct) and returned.shape == ()
        if not is_number or not jnp.issubdtype(returned.dtype, jnp.floating):
            raise ArgumentError("function", returned, "must return one float", "Sum over what it returns")
        try:
            jax.eval_shape(jax.grad(self.function), like)
        except Exception as error:
            constraint = f"must have a derivative ({describe_cause(error)})"
            raise ArgumentError("function", self.function, constraint, "Write it with jax.numpy") from error

    def value(self, w: Any) -> Float[Array, "..."]:
        """The height at each point, of shape (..., dim)."""
        return jnp.vectorize(self.function, signature="(d)->()")(self.read(w))

    def gradient(self, w: Any) -> Float[Array, "..."]:
        """The slope (..., dim)."""
        return jnp.vectorize(jax.grad(self.function), signature="(d)->(d)")(self.read(w))

    def hessian(self, w: Any) -> Float[Array, "..."]:
        """The second derivatives (..., dim, dim)."""
        return jnp.vectorize(jax.hessian(self.function), signature="(d)->(d,d)")(self.read(w))

    def read(self, w: Any, name: str = "w") -> Float[Array, "..."]:
        """Points as floats; refuse those of another dimension."""
        w = read_floats(name, w)
        if w.shape[-1:] != (self.dim,):
            raise ArgumentError(name, w.shape, f"must end with the {self.dim} coordinates", "Give points (..., dim)")
        return w

    def read_box(self, low: Any, high: Any) -> tuple[Float[Array, " dim"], Float[Array, " dim"]]:
        """Two opposite corners as points; refuse those that span no box, as far as they are known."""
        corners = []
        for name, corner in (("low", low), ("high", high)):
            FINITE.check_all(name, corner, "Give a number, or one for each coordinate")
            held = read_floats(name, corner)
            if held.shape not in ((), (self.dim,)):
                constraint = f"must be one number, or {self.dim}"
                raise ArgumentError(name, held.shape, constraint, "Give one for each coordinate")
            corners.append(jnp.broadcast_to(held, (self.dim,)))
        are_known = not any(isinstance(corner, jax.core.Tracer) for corner in corners)
        if are_known and not (corners[0] < corners[1]).all():
            raise ArgumentError("high", high, f"must be more than low, {low}", "Exchange them")
        return corners[0], corners[1]

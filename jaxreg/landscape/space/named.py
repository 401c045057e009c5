"""Landscapes that the field tests optimizers and transition paths on, with the critical points that are published."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.checks import check_integer
from jaxreg.landscape.space.surface import Landscape


def _rosenbrock(w: Float[Array, " dim"]) -> Float[Array, ""]:
    return ((1 - w[:-1]) ** 2 + 100 * (w[1:] - w[:-1] ** 2) ** 2).sum()


def _beale(w: Float[Array, "2"]) -> Float[Array, ""]:
    x, y = w
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _himmelblau(w: Float[Array, "2"]) -> Float[Array, ""]:
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


def _styblinski_tang(w: Float[Array, " dim"]) -> Float[Array, ""]:
    return (w**4 - 16 * w**2 + 5 * w).sum() / 2


_WELLS = (
    # height, a, b, c, and the centre of each
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def _muller_brown(w: Float[Array, "2"]) -> Float[Array, ""]:
    height, a, b, c, x, y = jnp.asarray(_WELLS, w.dtype).T
    dx, dy = w[0] - x, w[1] - y
    return (height * jnp.exp(a * dx**2 + b * dx * dy + c * dy**2)).sum()


ROSENBROCK = Landscape(_rosenbrock, 2, "Rosenbrock")
r"""$(1 - x)^2 + 100 (y - x^2)^2$: a bent valley, with its minimum 0 at (1, 1). Rosenbrock, Comput. J. 3 (1960) 175."""


def rosenbrock(dim: int) -> Landscape:
    r"""$\sum_{i<d} (1 - w_i)^2 + 100 (w_{i+1} - w_i^2)^2$ in `dim` coordinates, two or more: minimum 0 where all are 1.

    From four coordinates on there is a second minimum, near $w_1 = -1$ with all others 1.

    Raises:
        ArgumentError: a dimension below 2.

    >>> rosenbrock(5).value(jnp.ones(5))
    Array(0., dtype=float32)

    Source: Shang and Qiu, Evolutionary Computation 14 (2006) 119-126.
    """
    check_integer("dim", dim, 2, 1000, "Give the number of coordinates")
    return Landscape(_rosenbrock, dim, "Rosenbrock")


def styblinski_tang(dim: int) -> Landscape:
    r"""$\tfrac12 \sum (w_i^4 - 16 w_i^2 + 5 w_i)$ in `dim` coordinates: the lowest of $2^d$ minima is $-39.166\, d$.

    >>> round(float(styblinski_tang(3).value(jnp.full(3, -2.903534))) / 3, 3)
    -39.166
    """
    return Landscape(_styblinski_tang, dim, "Styblinski-Tang")


BEALE = Landscape(_beale, 2, "Beale")
r"""$(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2$: minimum 0 at (3, 0.5). Beale, Princeton (1958)."""

HIMMELBLAU = Landscape(_himmelblau, 2, "Himmelblau")
r"""$(x^2 + y - 11)^2 + (x + y^2 - 7)^2$: four minima of height 0. Himmelblau, Applied Nonlinear Programming (1972)."""

STYBLINSKI_TANG = Landscape(_styblinski_tang, 2, "Styblinski-Tang")
r"""$\tfrac12 \sum (w_i^4 - 16 w_i^2 + 5 w_i)$: the lowest of four minima, -78.332, at -2.903534 in both coordinates.
Styblinski and Tang, Neural Networks 3 (1990) 467-483."""

MULLER_BROWN = Landscape(_muller_brown, 2, "Müller-Brown")
r"""Three minima, -146.700, -108.167 and -80.768, joined by saddles at -40.665 and -72.249. Müller and Brown, Theor.
Chim. Acta 53 (1979) 75-93."""

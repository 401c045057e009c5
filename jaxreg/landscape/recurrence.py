"""Least-squares polynomials by Forsythe's three-term recurrence: no matrix, no solve, stable in float32."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


class Recurrence(NamedTuple):
    r"""A polynomial $\sum_k c_k p_k$ in the monic basis $p_{k+1} = (t - \alpha_k) p_k - \beta_k p_{k-1}$.

    `alpha` and `beta` hold $\alpha_k, \beta_k$ for k = 0 … d-1 (of which $\beta_0$ has no effect, as $p_{-1} = 0$),
    `coefficient` holds $c_0 \dots c_d$. Each is an array of its own, over the batch of fits: a loop over the fits
    takes its slices without a copy.
    """

    alpha: tuple[Array, ...]
    beta: tuple[Array, ...]
    coefficient: tuple[Array, ...]


def fit_recurrence(t: Float[Array, "points *fits"], y: Float[Array, "points *fits"], degree: int) -> Recurrence:
    r"""Fit $y$ on its own points, in the basis that is orthogonal on them.

    $\alpha_k = \langle t p_k, p_k \rangle / \langle p_k, p_k \rangle$,
    $\beta_k = \langle p_k, p_k \rangle / \langle p_{k-1}, p_{k-1} \rangle$,
    $c_k = \langle y, p_k \rangle / \langle p_k, p_k \rangle$, with sums over the points.

    The error is relative to the size of y: subtract what is known of y first. Forsythe's running residual would allow
    a larger y and needs a third more time.

    Args:
        t: abscissae, of order 1 and different within each fit.
        y: ordinates.
        degree: d, less than the number of points.

    >>> t = jnp.array([-1.0, 0.0, 0.5, 1.0])
    >>> fit = fit_recurrence(t, t**2, degree=2)
    >>> [round(float(c), 4) for c in fit.coefficient]
    [0.5625, -0.0714, 1.0]

    Source: Forsythe, Generation and use of orthogonal polynomials for data-fitting, J. SIAM 5 (1957) 74-88.
    """
    alpha: list[Array] = []
    beta: list[Array] = []
    coefficient: list[Array] = []
    before, p, inverse = jnp.zeros_like(t), jnp.ones_like(t), jnp.ones_like(t[0])
    for k in range(degree + 1):
        length, moment, overlap = _sums(p * p, t * p * p, y * p)
        ratio, inverse = length * inverse, 1 / length
        coefficient.append(overlap * inverse)
        if k < degree:
            alpha.append(moment * inverse)
            beta.append(ratio)
            before, p = p, (t - alpha[k][None]) * p - ratio[None] * before
    return Recurrence(tuple(alpha), tuple(beta), tuple(coefficient))


def _sums(*terms: Float[Array, "points *fits"]) -> tuple[Float[Array, "*fits"], ...]:
    """The sums over the points, in one pass: XLA makes one vectorised loop of a reduction of several arrays."""
    zero = np.zeros((), terms[0].dtype)
    return tuple(lax.reduce(terms, (zero,) * len(terms), lambda a, b: tuple(map(jnp.add, a, b)), (0,)))


def differentiate(fit: Recurrence, t: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The derivative of the fitted polynomial at `t`, from the recurrence differentiated.

    $p_{k+1}' = p_k + (t - \alpha_k) p_k' - \beta_k p_{k-1}'$, summed with the weights $c_{k+1}$.

    >>> t = jnp.array([-1.0, 0.0, 0.5, 1.0])
    >>> round(float(differentiate(fit_recurrence(t, t**2, degree=2), jnp.float32(3.0))), 4)
    6.0
    """
    before, p = jnp.zeros_like(t), jnp.ones_like(t)
    slope_before, slope, total = jnp.zeros_like(t), jnp.zeros_like(t), jnp.zeros_like(t)
    for alpha, beta, c in zip(fit.alpha, fit.beta, fit.coefficient[1:], strict=True):
        shifted = t - alpha
        slope_before, slope = slope, p + shifted * slope - beta * slope_before
        before, p = p, shifted * p - beta * before
        total = total + c * slope
    return total

"""The lasso at a grid of strengths, read off its path: a change of the support costs one update, a strength none."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxreg.linear.tableau import walk


def read_grid(
    gram: Float[Array, "p p"], product: Float[Array, " p"], strengths: Float[Array, " alphas"], max_knots: int
) -> tuple[Float[Array, "alphas p"], Bool[Array, ""]]:
    r"""Minimize $\tfrac12 b'Gb - c'b + \lambda \|b\|_1$ for each of many $\lambda$, on the lines between the knots.

    Args:
        gram: $G = X'X$.
        product: $c = X'y$.
        strengths: $\lambda$, above 0.
        max_knots: changes of the support for which there is room (static).

    Returns:
        The coefficients, with the rounding of all updates: certify them; and whether the path got to the least
        strength without a column that depends on those in use, so that there is but one solution.

    >>> gram, product = jnp.eye(2), jnp.array([3.0, -1.0])
    >>> read_grid(gram, product, jnp.array([4.0, 2.0, 0.5]), 16)
    (Array([[ 0. ,  0. ],
           [ 1. ,  0. ],
           [ 2.5, -0.5]], dtype=float32), Array(True, dtype=bool))
    """
    epsilon = float(jnp.finfo(gram.dtype).eps)
    walked = walk(gram, product, max_knots, epsilon**0.75, drop=True, least=strengths.min())
    rounding = 16 * epsilon * jnp.abs(product).max()  # closer to a strength than that, a knot is there
    knots = jnp.where(jnp.arange(max_knots, dtype=jnp.int32) < walked.knots, walked.strengths, -1)

    def read(strength: Float[Array, ""]) -> Float[Array, " p"]:
        above = (knots > strength + rounding).sum(dtype=jnp.int32)
        high, low = jnp.maximum(above - 1, 0), jnp.minimum(above, walked.knots - 1)
        between = (high < low) & (strength > knots[low] + rounding)
        share = jnp.where(between, (knots[high] - strength) / jnp.where(between, knots[high] - knots[low], 1), 1)
        return (1 - share) * walked.coef[high] + share * walked.coef[low]

    return jax.vmap(read)(strengths), ~(walked.running | walked.tied)

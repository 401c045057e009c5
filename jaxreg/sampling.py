"""Mini-batches: shuffled epochs, K of N without replacement, and the random words that they are made from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int32, Integer, Key, UInt32

from jaxreg.checks import Domain, check_integer, check_key, check_kind, check_same_shape
from jaxreg.errors import ArgumentError

_WORD_BITS = 32
_TIES = 1e-4  # expected pairs of examples in an epoch whose order is not drawn
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
STEP = Domain(0, 2**32 - 1, whole=True)


class Batches(NamedTuple):
    """The mini-batches of one epoch: which examples, and which of these count.

    `index` (steps, batch_size) are positions in the data. `valid`, of the same shape, is False where a last short
    batch is padded: a mean over a batch divides by its number of valid examples.
    """

    index: Int32[Array, "steps batch_size"]  # type: ignore[assignment]  # hides tuple.index, which nobody misses
    valid: Bool[Array, "steps batch_size"]


def shuffled_epoch(key: Key[Array, ""], size: int, batch_size: int, *, drop_last: bool = False) -> Batches:
    r"""Batches that hold every example of an epoch exactly once, in a uniformly random order.

    Each round sorts one word per example, random bits above and its position below, and leaves ties to the round
    before. With b random bits in all, the expected number of pairs whose order was not drawn is less than
    $\text{size}^2 / 2^{b+1}$; as many rounds are made as bring it below 1e-4. On a CPU this is 2.5 to 4.5 times as fast
    as `jax.random.permutation`: an array of words alone is sorted by a faster path than keys with a payload.

    Args:
        key: a typed PRNG key.
        size: number of examples.
        batch_size: examples per batch, from 1 to `size`.
        drop_last: leave out the last, short batch, whose examples then differ from epoch to epoch.

    Returns:
        `Batches` of ceil(size / batch_size) steps, or of size // batch_size with `drop_last`. A short last batch is
        filled with the first examples of the epoch, marked as not valid.

    Raises:
        ArgumentError: a size outside its domain.

    >>> batches = shuffled_epoch(jax.random.key(0), size=5, batch_size=2)
    >>> sorted(batches.index[batches.valid].tolist()), batches.valid[-1].tolist()
    ([0, 1, 2, 3, 4], [True, False])
    """
    check_key("key", key)
    check_integer("size", size, 1, 2 ** (_WORD_BITS - 1) - 1, "Give the number of examples")
    check_integer("batch_size", batch_size, 1, size, f"There are {size} examples: give a smaller batch")
    check_kind("drop_last", drop_last, (bool, np.bool_), "Give True or False")
    steps = size // batch_size if drop_last else -(-size // batch_size)
    slot = jnp.arange(steps * batch_size, dtype=jnp.int32)
    order = _shuffle(key, size)
    index = jnp.concatenate([order, order[: max(0, steps * batch_size - size)]])[: steps * batch_size]
    return Batches(index.reshape(steps, batch_size), (slot < size).reshape(steps, batch_size))


def _shuffle(key: Key[Array, ""], size: int) -> Int32[Array, " size"]:
    """A random order of range(size)."""
    position = jnp.arange(size, dtype=jnp.uint32)
    position_bits = (size - 1).bit_length()
    drawn_bits, rounds = _WORD_BITS - position_bits, 1
    while size**2 > _TIES * 2 ** (rounds * drawn_bits + 1):
        rounds += 1
    below = jnp.uint32(2**position_bits - 1)
    order = position

    def by_lookup(words: UInt32[Array, " size"], order: UInt32[Array, " size"]) -> UInt32[Array, " size"]:
        return order[lax.sort(words) & below]

    def by_payload(words: UInt32[Array, " size"], order: UInt32[Array, " size"]) -> UInt32[Array, " size"]:
        """The same without looking up single numbers, which a TPU does slowly."""
        return lax.sort((words, order), num_keys=1)[1]

    for words in jax.random.bits(key, (rounds, size), jnp.uint32):
        order = lax.platform_dependent((words & ~below) | position, order, cpu=by_lookup, default=by_payload)
    return order.astype(jnp.int32)


def choose(key: Key[Array, ""], population: int, count: int) -> Int32[Array, " count"]:
    """Draw `count` different members of range(`population`), every set of them equally likely.

    Args:
        key: a typed PRNG key.
        population: how many there are to choose from.
        count: how many to choose, from 1 to `population`.

    Returns:
        The members' numbers, in the order that `without_replacement` describes.

    Raises:
        ArgumentError: a number outside its domain.

    >>> chosen = choose(jax.random.key(0), population=100, count=10)
    >>> len(set(chosen.tolist())), chosen.dtype
    (10, dtype('int32'))
    """
    check_key("key", key)
    _check_choice(population, count)
    return without_replacement(jax.random.bits(key, (count,), jnp.uint32), population)


def without_replacement(bits: UInt32[Array, "..."], population: int, axis: int = -1) -> Int32[Array, "..."]:
    r"""Turn K random words into K different members of range(N), by Floyd's algorithm.

    For k = 0 … K-1 draw $t_k$ from range(N-K+1+k); take it, or N-K+k if $t_k$ was taken before. Every set of K is
    equally likely. The order within it is not uniform (position k holds at most N-K+k): where order matters, as for
    the first of a batch, shuffle. A word b gives $t_k = \lfloor b\,(N-K+1+k) / 2^{32} \rfloor$, so that each value of
    $t_k$ has its probability to a relative error below N / 2³².

    Args:
        bits: uniform random words, K of them along `axis`.
        population: N, at least K.
        axis: which axis holds the K words; on a CPU the first is fastest.

    Returns:
        Members' numbers, in the shape of `bits`.

    Raises:
        ArgumentError: K > N, or N out of range.

    >>> words = jax.random.bits(jax.random.key(0), (1000, 3))
    >>> chosen = without_replacement(words, population=5)
    >>> bool((jnp.diff(jnp.sort(chosen)) > 0).all())
    True

    Source: Bentley and Floyd, A sample of brilliance, Communications of the ACM 30 (1987) 754-757.
    """
    _check_words("bits", bits)
    check_integer("axis", axis, -bits.ndim, bits.ndim - 1, "Say which axis holds the words")
    count = bits.shape[axis]
    _check_choice(population, count)

    def take(k: Integer[Array, ""], taken: Int32[Array, "..."]) -> Int32[Array, "..."]:
        word = lax.dynamic_index_in_dim(bits, k, axis)
        last = population - count + k
        size = last.astype(jnp.uint32) + jnp.uint32(1)
        drawn = (_multiply_high_by_half if population < 2**16 else _multiply_high)(word, size).astype(jnp.int32)
        seen = jnp.any(taken == drawn, axis, keepdims=True)
        return lax.dynamic_update_index_in_dim(taken, jnp.where(seen, last, drawn), k, axis)

    # A rolled loop: unrolled, XLA computes the first words again for every later one.
    return lax.fori_loop(0, count, take, jnp.full(bits.shape, -1, jnp.int32))


def _check_choice(population: int, count: int) -> None:
    check_integer("population", population, 1, 2 ** (_WORD_BITS - 1) - 1, "Give the number of members")
    check_integer("count", count, 1, population, f"Choose fewer of the population of {population}")


def _check_words(name: str, words: Any) -> None:
    """Refuse what are no random words."""
    if not isinstance(words, jax.Array | np.ndarray) or words.dtype != np.uint32:
        raise ArgumentError(name, words, f"must hold {_WORD_BITS}-bit words, uint32", "Give random_words(...)")


def _multiply_high(a: UInt32[Array, "..."], b: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """The upper 32 bits of a · b, without 64-bit integers, from products of 16-bit halves."""
    half, low = jnp.uint32(16), jnp.uint32(0xFFFF)
    middle = (a >> half) * (b & low) + (((a & low) * (b & low)) >> half)
    return (a >> half) * (b >> half) + (middle >> half) + (((middle & low) + (a & low) * (b >> half)) >> half)


def _multiply_high_by_half(a: UInt32[Array, "..."], b: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """The same for b < 2¹⁶, with half of the operations; nothing overflows."""
    half, low = jnp.uint32(16), jnp.uint32(0xFFFF)
    return ((a >> half) * b + (((a & low) * b) >> half)) >> half


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
    step = lax.broadcasted_iota(jnp.uint32, (width, steps), 1) + jnp.asarray(first).astype(jnp.uint32)
    counter = step * jnp.uint32(width) + lax.broadcasted_iota(jnp.uint32, (width, steps), 0)
    schedule = key_schedule(key)
    return scramble(schedule[0], schedule[1], counter)


def key_schedule(key: Key[Array, ""]) -> UInt32[Array, "2"]:
    """The two words that a threefry key is made of; of another key, its own first words."""
    check_key("key", key)
    is_threefry = str(jax.random.key_impl(key)) == "threefry2x32"
    return jax.random.key_data(key) if is_threefry else jax.random.bits(key, (2,), jnp.uint32)


def scramble(
    first: UInt32[Array, "*#shape"], second: UInt32[Array, "*#shape"], counter: UInt32[Array, "*shape"]
) -> UInt32[Array, "*shape"]:
    """The random words that belong to counters, for the two words of a threefry key: twenty rounds of threefry2x32."""
    for name, words in (("first", first), ("second", second), ("counter", counter)):
        _check_words(name, words)
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

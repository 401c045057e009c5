"""Sampling: exact draws without replacement, shuffled epochs, random words that do not depend on the block."""

import itertools
import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg import randomness, sampling
from jaxreg.errors import ArgumentError

_WORD = 2**32
_epoch = jax.jit(sampling.shuffled_epoch, static_argnums=(1, 2), static_argnames="drop_last")
_choose = jax.jit(sampling.choose, static_argnums=(1, 2))
_take = jax.jit(sampling.without_replacement, static_argnums=(1, 2))


def _chi_square_z(counts, expected):
    """Chi-square statistic of equally likely cells, as a standard normal deviate (Wilson-Hilferty)."""
    statistic = sum((count - expected) ** 2 for count in counts) / expected
    degrees = len(counts) - 1
    spread = 2 / (9 * degrees)
    return ((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


@pytest.mark.parametrize(("population", "count"), [(5, 3), (6, 2), (4, 4), (7, 1)])
def test_floyd_maps_its_draws_to_every_set_equally_often(population, count):
    """All words that matter, one per possible outcome of each draw: no statistics involved."""
    ranges = [population - count + 1 + k for k in range(count)]
    draws = itertools.product(*(range(n) for n in ranges))
    words = np.array([[-(-t * _WORD // n) for t, n in zip(draw, ranges, strict=True)] for draw in draws], np.uint32)
    chosen = np.asarray(sampling.without_replacement(jnp.asarray(words), population))
    sets = Counter(frozenset(row) for row in chosen.tolist())
    assert len(sets) == math.comb(population, count)
    assert all(len(members) == count for members in sets)
    assert set(sets.values()) == {math.factorial(count)}


def test_all_subsets_are_equally_likely():
    population, count, draws = 6, 3, 60_000
    words = jax.random.bits(jax.random.key(7), (draws, count))
    chosen = np.sort(np.asarray(_take(words, population)), axis=1)
    cells = Counter(map(tuple, chosen.tolist()))
    assert set(cells) == set(itertools.combinations(range(population), count))
    assert abs(_chi_square_z(cells.values(), draws / math.comb(population, count))) < 4


def test_each_member_and_each_pair_is_chosen_equally_often_in_a_larger_population():
    population, count, draws = 100, 10, 40_000
    words = jax.random.bits(jax.random.key(3), (draws, count))
    chosen = np.asarray(_take(words, population))
    indicator = np.zeros((draws, population), np.float32)
    np.put_along_axis(indicator, chosen, 1, axis=1)
    share, pair = count / population, count * (count - 1) / (population * (population - 1))
    together = indicator.T @ indicator / draws
    assert abs(np.diag(together) - share).max() < 5 * math.sqrt(share * (1 - share) / draws)
    off = together[~np.eye(population, dtype=bool)]
    assert abs(off - pair).max() < 5 * math.sqrt(pair * (1 - pair) / draws)  # of 4,950 pairs


@pytest.mark.parametrize(("population", "count"), [(1, 1), (2, 1), (9, 9), (100, 10), (40, 39), (10**6, 5)])
def test_choose_gives_different_members(population, count):
    chosen = _choose(jax.random.key(population), population, count)
    assert chosen.dtype == jnp.int32
    members = set(chosen.tolist())
    assert len(members) == count
    assert members <= set(range(population))
    if count == population:
        assert members == set(range(population))


def test_the_axis_of_the_words_does_not_matter():
    words = jax.random.bits(jax.random.key(1), (4, 30, 5))
    last = _take(words, 11)
    for axis in (0, -2):
        moved = _take(jnp.moveaxis(words, -1, axis), 11, axis)
        np.testing.assert_array_equal(jnp.moveaxis(moved, axis, -1), last)


@given(st.integers(0, _WORD - 1), st.integers(0, _WORD - 1))
@settings(max_examples=60, deadline=None)
def test_multiply_high(a, b):
    assert int(sampling._multiply_high(jnp.uint32(a), jnp.uint32(b))) == (a * b) >> 32


@pytest.mark.parametrize("b", [1, 2**16 - 1, 2**16, 2**16 + 1, _WORD - 1])
def test_multiply_high_at_its_edges(b):
    for a in (0, 1, 2**16 - 1, 2**16, _WORD - 1):
        assert int(sampling._multiply_high(jnp.uint32(a), jnp.uint32(b))) == (a * b) >> 32


@pytest.mark.parametrize(("population", "count"), [(3, 4), (3, 0), (0, 1), (2**31, 1), (-1, 1)])
def test_impossible_choices_are_refused(population, count):
    with pytest.raises(ArgumentError):
        sampling.choose(jax.random.key(0), population, count)
    if count:
        with pytest.raises(ArgumentError):
            sampling.without_replacement(jnp.zeros((2, count), jnp.uint32), population)


@pytest.mark.parametrize(("size", "batch_size"), [(1, 1), (60, 20), (61, 20), (7, 4)])
def test_an_epoch_holds_every_example_once(size, batch_size):
    batches = _epoch(jax.random.key(size), size, batch_size)
    assert batches.index.shape == batches.valid.shape == (math.ceil(size / batch_size), batch_size)
    assert sorted(batches.index[batches.valid].tolist()) == list(range(size))
    assert batches.valid[:-1].all()
    short = size % batch_size or batch_size
    assert batches.valid[-1].tolist() == [True] * short + [False] * (batch_size - short)
    filling = batches.index[~batches.valid].tolist()
    assert filling == batches.index.ravel()[: len(filling)].tolist()

    whole = _epoch(jax.random.key(0), size, batch_size, drop_last=True)
    assert whole.index.shape == (size // batch_size, batch_size)
    assert whole.valid.all()
    assert len(set(whole.index.ravel().tolist())) == whole.index.size


def test_all_orders_are_equally_likely():
    keys = jax.random.split(jax.random.key(5), 24_000)
    orders = jax.jit(jax.vmap(lambda key: sampling.shuffled_epoch(key, 4, 1).index[:, 0]))(keys)
    cells = Counter(map(tuple, orders.tolist()))
    assert len(cells) == 24
    assert abs(_chi_square_z(cells.values(), len(keys) / 24)) < 4


@pytest.mark.parametrize(("size", "rounds"), [(4, 1), (6000, 2), (60_000, 3)])
def test_each_round_sorts_stably_and_there_are_as_many_as_needed(size, rounds):
    words = np.asarray(jax.random.bits(jax.random.key(2), (rounds, size)))
    shift = (size - 1).bit_length()
    order = np.arange(size)
    for row in words >> shift:  # a stable sort leaves ties to the rounds before
        order = order[np.argsort(row, kind="stable")]
    np.testing.assert_array_equal(sampling._shuffle(jax.random.key(2), size), order)
    drawn = rounds * (32 - shift)
    assert size**2 / 2 ** (drawn + 1) < 1e-4
    assert rounds == 1 or size**2 / 2 ** (drawn - 32 + shift + 1) > 1e-4  # not one round more than needed


def test_ties_in_a_round_do_not_keep_the_examples_in_order():
    """With 60,000 examples a round has 16 random bits, and about 27,000 ties in it."""
    order = np.asarray(_epoch(jax.random.key(4), 60_000, 60_000).index[0])
    ascending = (np.diff(order) > 0).mean()
    assert abs(ascending - 0.5) < 4 * math.sqrt(1 / 12 / 60_000)
    assert abs(np.corrcoef(order, np.arange(60_000))[0, 1]) < 4 / math.sqrt(60_000)


@pytest.mark.parametrize(("size", "batch_size"), [(0, 1), (5, 0), (5, 6), (5, -1)])
def test_impossible_epochs_are_refused(size, batch_size):
    with pytest.raises(ArgumentError):
        sampling.shuffled_epoch(jax.random.key(0), size, batch_size)


def test_words_are_those_of_jax_whatever_the_block():
    key = jax.random.key(11)
    whole = np.asarray(jax.random.bits(key, (50, 7)))
    np.testing.assert_array_equal(randomness.random_words(key, 50, 7).T, whole)
    block = jax.jit(randomness.random_words, static_argnums=(1, 2))
    for first in (0, 13, 40):
        np.testing.assert_array_equal(block(key, 10, 7, jnp.int32(first)).T, whole[first : first + 10])


def test_words_of_another_kind_of_key_are_words_all_the_same():
    words = np.asarray(randomness.random_words(jax.random.key(11, impl="rbg"), 20_000, 3))
    bits = (words[..., None] >> np.arange(32, dtype=np.uint32)) & 1
    assert abs(bits.mean((0, 1)) - 0.5).max() < 5 / 2 / math.sqrt(words.size)
    other = np.asarray(randomness.random_words(jax.random.key(12, impl="rbg"), 20_000, 3))
    assert not (words == other).any()


def test_members_of_a_population_draw_as_they_do_alone():
    keys = jax.random.split(jax.random.key(0), 3)
    for draw in (
        lambda key: sampling.choose(key, 20, 6),
        lambda key: sampling.shuffled_epoch(key, 100, 30),
        lambda key: randomness.random_words(key, 9, 4),
    ):
        together = jax.jit(jax.vmap(draw))(keys)
        for i, key in enumerate(keys):
            alone = jax.jit(draw)(key)
            jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda a, i=i: a[i], together), alone)


def test_kernels_lower_for_every_platform():
    def draw(key):
        words = randomness.random_words(key, 8, 4)
        return sampling.shuffled_epoch(key, 100, 30), sampling.without_replacement(words, 20, axis=0)

    exported = jax.export.export(jax.jit(draw), platforms=("cpu", "cuda", "tpu"))(jax.random.key(0))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


@pytest.mark.parametrize("population", [1, 2, 100, 2**16 - 1, 2**16, 2**16 + 1, 2**31 - 1])
def test_a_word_is_scaled_to_the_population_exactly(population):
    """One draw is floor(b N / 2³²), in integers of any length, whichever product of halves computes it."""
    edges = [0, 1, 2**16 - 1, 2**16, 2**31, 2**32 - 2**16, 2**32 - 1]
    words = np.concatenate([edges, np.random.default_rng(0).integers(0, 2**32, 2000)]).astype(np.uint32)
    drawn = sampling.without_replacement(jnp.asarray(words)[:, None], population)[:, 0]
    assert drawn.tolist() == [int(word) * population >> 32 for word in words]


def test_shuffling_for_an_accelerator_sorts_and_looks_nothing_up():
    keys = jax.random.split(jax.random.key(0), 3)
    traced = jax.jit(jax.vmap(lambda key: sampling.shuffled_epoch(key, 6000, 32).index)).trace(keys)
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert "stablehlo.sort" in text
    assert "gather" not in text

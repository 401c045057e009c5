"""Named streams: each depends on its seed and its own name alone, today and in later versions."""

import itertools
import zlib

import jax
import numpy as np
import pytest
import scipy.stats

from jaxreg import randomness
from jaxreg.errors import ArgumentError

NAMES = ("init", "order", "dropout", "augment", "data")

# Written down once. Another JAX, another PRNG or other labels would change every stored result: this must be noticed.
GOLDEN = {
    "init": ([3020537540, 2946840664], [432271249, 3899918182]),
    "order": ([207560800, 2075697412], [2016303362, 1528374171]),
    "dropout": ([116798348, 4143519482], [3949745735, 1210417822]),
}


def words(key):
    return np.asarray(jax.random.key_data(key)).tolist()


def test_a_stream_is_the_seed_folded_with_the_crc32_of_its_name():
    seed = jax.random.key(7)
    for name, key in randomness.split(seed, *NAMES).items():
        assert words(key) == words(jax.random.fold_in(seed, zlib.crc32(name.encode())))


def test_streams_keep_their_golden_values():
    seed = jax.random.key(0, impl="threefry2x32")
    for name, key in randomness.split(seed, *GOLDEN).items():
        assert (words(key), np.asarray(jax.random.bits(key, (2,))).tolist()) == GOLDEN[name], name


def test_the_default_generator_is_the_reproducible_one():
    assert words(randomness.split(jax.random.key(0), "init")["init"]) == GOLDEN["init"][0]


def test_adding_removing_or_reordering_streams_changes_no_other():
    seed = jax.random.key(3)
    alone = {name: words(randomness.split(seed, name)[name]) for name in NAMES}
    for chosen in itertools.permutations(NAMES, 3):
        streams = randomness.split(seed, *chosen)
        assert list(streams) == list(chosen)
        assert {name: words(key) for name, key in streams.items()} == {name: alone[name] for name in chosen}


def test_seeds_and_names_all_give_different_streams():
    seeds = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), np.arange(200))
    streams = jax.vmap(lambda seed: randomness.split(seed, *NAMES))(seeds)
    keys = np.concatenate([jax.random.key_data(streams[name]) for name in NAMES])
    assert len(np.unique(keys, axis=0)) == len(keys) == 200 * len(NAMES)


def test_a_member_of_a_population_has_the_streams_it_has_alone():
    seeds = jax.random.split(jax.random.key(1), 5)
    together = jax.jit(jax.vmap(lambda seed: randomness.split(seed, "init", "order")))(seeds)
    for i in range(5):
        alone = randomness.split(seeds[i], "init", "order")
        assert {name: words(key[i]) for name, key in together.items()} == {k: words(v) for k, v in alone.items()}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(("seed", *NAMES[:3]), 2)))
def test_streams_are_uncorrelated(first, second):
    """Also with the draws of the undivided seed."""
    seed, n = jax.random.key(11), 20_000
    streams = {"seed": seed} | randomness.split(seed, *NAMES)
    x, y = (np.asarray(jax.random.normal(streams[name], (n,))) for name in (first, second))
    assert abs(scipy.stats.pearsonr(x, y).statistic) * np.sqrt(n) < 4


def test_a_name_twice_is_refused():
    with pytest.raises(ArgumentError, match=r"names = \('init', 'order', 'init'\): must differ"):
        randomness.split(jax.random.key(0), "init", "order", "init")
    assert randomness.split(jax.random.key(0)) == {}

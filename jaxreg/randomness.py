"""Named random streams: adding a stream changes no other."""

import zlib

import jax
from jaxtyping import Array, Key

from jaxreg.checks import check_key, check_kind
from jaxreg.errors import ArgumentError


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

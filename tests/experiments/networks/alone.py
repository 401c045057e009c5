"""One training by `nets.train` itself, with which a run of a study is compared."""

import zlib
from functools import partial

import jax

import jaxreg as jr
from jaxreg.nets import train


def key(seed, axis="seed"):
    """The key of a seed along an axis, as the documentation of `jr.seeds` says."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(axis.encode())), seed)


def train_alone(seed, *, scale=False, **settings):
    """The history of one training on the digits, from the key of this seed, accuracies from 0 to 100."""
    data = jr.datasets.load("digits", scale=scale)
    history = jax.jit(partial(train, *data[:4], **settings))(seed=key(seed))
    return {name: 100 * value if name.endswith("accuracy") else value for name, value in history.items()}

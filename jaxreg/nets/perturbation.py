"""What happens to a batch of inputs before the network sees it, and to a gradient before the optimizer does."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Integer, Key, PyTree

from jaxreg.nets.augmentation import Augmentation, augment
from jaxreg.nets.dropout import keep_mask, multiplier
from jaxreg.penalties import Scalar
from jaxreg.randomness import random_normals

# Numbers of the streams that are split off the keys of an epoch; hidden layers have those from 0 on.
_INPUT_DROPOUT, _INPUT_NOISE, _GRADIENT_NOISE = 2**31, 0, 1


def perturb_inputs(
    keys: dict[str, Key[Array, ""]],
    x: Float[Array, "batch *features"],
    step: int | Integer[Array, ""],
    *,
    augmentation: Augmentation | None = None,
    noise: Scalar | None = None,
    dropout: Scalar | None = None,
) -> Float[Array, "batch *features"]:
    r"""A batch as the network is trained on it, $(a(x) + \sigma \epsilon) \odot m / k$.

    Args:
        keys: of the streams "augment", "noise" and "dropout" in this epoch.
        x: the batch.
        step: number of the step in the epoch.
        augmentation: $a$, random changes of the images, or None.
        noise: $\sigma$ of the normal noise $\epsilon$, or None.
        dropout: rate at which inputs are dropped, $m$ = 0, or None.

    >>> import jax.numpy as jnp
    >>> keys = {"noise": jax.random.key(0)}
    >>> perturb_inputs(keys, jnp.zeros((1, 2)), 0, noise=0.0)
    Array([[0., 0.]], dtype=float32)
    """
    if augmentation is not None:
        x = augment(keys["augment"], x, augmentation, step)
    if noise is not None:
        x = x + noise * _normals(keys["noise"], _INPUT_NOISE, step, x.size).reshape(x.shape).astype(x.dtype)
    if dropout is not None:
        kept = keep_mask(jax.random.fold_in(keys["dropout"], _INPUT_DROPOUT), dropout, x.shape, step)
        x = x * multiplier(kept, dropout)
    return x


def perturb_gradient(
    key: Key[Array, ""], gradient: PyTree[Float[Array, "..."]], step: int | Integer[Array, ""], noise: Scalar
) -> PyTree[Float[Array, "..."]]:
    r"""$g + \sigma \epsilon$ with independent normal $\epsilon$ for every entry, $\sigma$ = `noise`.

    Args:
        key: of the stream "noise" in this epoch.
        gradient: $g$.
        step: number of the step in the epoch.
        noise: $\sigma$.

    >>> import jax.numpy as jnp
    >>> perturb_gradient(jax.random.key(0), {"w": jnp.array([1.0, 2.0])}, 0, 0.0)
    {'w': Array([1., 2.], dtype=float32)}

    Source: Neelakantan et al., Adding gradient noise improves learning for very deep networks (2015).
    """
    flat, unravel = ravel_pytree(gradient)
    size = jnp.asarray(noise, flat.dtype)
    return unravel(flat + size * _normals(key, _GRADIENT_NOISE, step, flat.size).astype(flat.dtype))


def _normals(key: Key[Array, ""], stream: int, step: Any, count: int) -> Float[Array, " count"]:
    """Normal numbers of one step: a key of its own, as a long epoch would run out of the numbers of one."""
    own = jax.random.fold_in(jax.random.fold_in(key, stream), step)
    # XLA would compute them again wherever they are used: for each of many tangents.
    return jax.lax.optimization_barrier(random_normals(own, 1, count)[:, 0])
